"""Many uploads begun, or committed, by one request: each as if it came alone.

One that fails does not touch the others. Rows are written in bulk, and the store is asked for some
objects at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from files.exceptions import (
    BusyError,
    CommitConflictError,
    DriveError,
    NotFoundError,
    StoreUnavailableError,
    TooManyUploadsError,
)
from files.models import File, FileVersion, Folder, Integrity, Upload, User
from files.places import Places
from files.services import (
    changes,
    commits,
    counting,
    pending,
    quotas,
    reads,
    trees,
    uploads,
    versions,
)
from files.services.commits import CommitResult
from files.services.trees import NOT_GIVEN, FolderId, NotGiven
from files.services.uploads import SignedUpload
from files.store import signing, transport
from files.store.client import ObjectVersion, object_store
from remotedrive.made_once import made_once
from remotedrive.waiting import others_run

_CALLS_AT_ONCE = 4
_CAME_BEFORE = "The same key came before in this batch, with other arguments."
_SECONDS = 8.5
"""After so many seconds no further transaction is begun."""
_SECONDS_FOR_A_CALL = 1.0
"""With less time left no further call of the store is begun."""

Found = tuple[ObjectVersion, Integrity]


@counting.failures(counting.BEGIN)
def init_uploads(
    *, user: User, requests: Sequence[Mapping[str, Any]]
) -> list[SignedUpload | DriveError]:
    """Begin an upload for each of `requests`, which are arguments of `uploads.init_upload`.

    Returns in their order what that would return or raise. Raises `BusyError`.
    """
    results: list[SignedUpload | DriveError] = [_too_many()] * len(requests)
    begun: dict[int, Upload] = {}
    with _places().hold({user.pk: 1}):
        files, places = _files_of(user, requests), _folders_of(user, requests)
        for number, arguments in enumerate(requests[: _taken(user, len(requests))]):
            try:
                begun[number] = _new_upload(user, files, places, **arguments)
            except DriveError as error:
                results[number] = error
        # Without credentials to sign with, nothing is made in the store.
        signing.uploads()
        failed = _create_multiparts({n: up for n, up in begun.items() if up.part_size is not None})
        signed = {
            number: uploads.sign_new(upload, expires_in=settings.PRESIGN_PUT_TTL)
            for number, upload in begun.items()
            if number not in failed
        }
        begun_in_store = {n: each.upload for n, each in signed.items()}
        failed |= quotas.when_counted(user, partial(_insert, user, begun_in_store))
        _in_parallel(
            {n: partial(uploads.abort_in_store, begun[n]) for n in failed if begun[n].multipart}
        )
    for number, result in (signed | failed).items():
        results[number] = result
    counting.begun(sum(isinstance(each, SignedUpload) for each in results))
    counting.failed(counting.BEGIN, results)
    return results


@counting.failures(counting.COMMIT)
def commit_uploads(
    *, user: User, requests: Sequence[Mapping[str, Any]]
) -> list[CommitResult | DriveError]:
    """Commit each of `requests`, which are arguments of `commits.commit_upload`.

    Returns in their order what that would return or raise. Raises `BusyError`.
    """
    results: dict[int, CommitResult | DriveError] = {}
    end = time.monotonic() + _SECONDS
    with _places().hold({user.pk: 1}):
        of_key = {
            upload.key: upload
            for upload in Upload.objects.visible_to(user)
            .select_related("file", "folder", "file_version__file")
            .filter(key__in={arguments["key"] for arguments in requests})
        }
        own = _own_folders(user, requests)
        due: dict[int, Upload] = {}
        first_of: dict[str, int] = {}
        for number, arguments in enumerate(requests):
            if first_of.setdefault(arguments["key"], number) != number:
                continue
            try:
                upload = of_key.get(arguments["key"])
                if upload is None:
                    raise NotFoundError
                earlier = _checked(upload, own, **arguments)
            except DriveError as error:
                results[number] = error
            else:
                if earlier is None:
                    due[number] = upload
                else:
                    results[number] = earlier
        found = _examine(due, requests)
        results |= {n: error for n, error in found.items() if isinstance(error, DriveError)}
        known = {n: result for n, result in found.items() if not isinstance(result, DriveError)}
        results |= _record(user, due, known, requests, end)
    for number, arguments in enumerate(requests):
        first = first_of[arguments["key"]]
        if first != number:
            results[number] = _again(results[first], requests[first], arguments)
    for result in results.values():
        if isinstance(result, CommitResult) and result.created:
            counting.committed(result.version)
    counting.failed(counting.COMMIT, results.values())
    return [results[number] for number in range(len(requests))]


def _taken(user: User, wanted: int) -> int:
    try:
        return pending.take(user.pk, wanted=wanted)
    except TooManyUploadsError:
        return 0


def _too_many() -> TooManyUploadsError:
    return TooManyUploadsError(retry_after=60)


def _files_of(user: User, requests: Sequence[Mapping[str, Any]]) -> dict[UUID, File]:
    ids = {arguments["file_id"] for arguments in requests} - {None}
    return File.objects.visible_to(user).present().in_bulk(ids) if ids else {}


def _folders_of(user: User, requests: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """Return which of the folders that new files are to go into are there."""
    ids = {arguments["folder_id"] for arguments in requests} - {None}
    if not ids:
        return set()
    present = Folder.objects.visible_to(user).present().filter(pk__in=ids)
    return set(present.values_list("pk", flat=True))


def _own_folders(user: User, requests: Sequence[Mapping[str, Any]]) -> dict[UUID, Folder]:
    """Return the user's folders that commits name themselves."""
    ids = {arguments.get("folder_id") for arguments in requests} - {None}
    return Folder.objects.filter(user=user).in_bulk(ids) if ids else {}


def _new_upload(
    user: User,
    files: Mapping[UUID, File],
    places: Collection[UUID],
    *,
    file_id: UUID | None,
    folder_id: UUID | None,
    **arguments: Any,
) -> Upload:
    uploads.require_possible(arguments["size"], multipart=arguments["multipart"])
    if file_id is not None and file_id not in files:
        raise NotFoundError
    if folder_id is not None and folder_id not in places:
        raise NotFoundError
    file = None if file_id is None else files[file_id]
    return uploads.new_upload(user=user, file=file, folder_id=folder_id, **arguments)


def _insert(user: User, begun: Mapping[int, Upload]) -> dict[int, DriveError]:
    """Insert the uploads that fit into the user's quota; return why the others were refused."""
    if quotas.quota_of(user) is None:
        Upload.objects.bulk_create(begun.values())
        return {}
    with transaction.atomic():
        sizes = [upload.size for upload in begun.values()]
        reserved = dict(zip(begun, quotas.reserve_each(user, sizes), strict=True))
        refused = {n: each for n, each in reserved.items() if isinstance(each, DriveError)}
        for number, upload in begun.items():
            upload.reserved = reserved[number] is True
        Upload.objects.bulk_create(up for n, up in begun.items() if n not in refused)
    return dict(refused)


def _create_multiparts(begun: Mapping[int, Upload]) -> dict[int, DriveError]:
    """Begin the multipart uploads in the store; return those that failed."""
    store = object_store()
    ids = _in_parallel({n: partial(store.create_multipart, up.key) for n, up in begun.items()})
    for number, result in ids.items():
        if not isinstance(result, DriveError):
            begun[number].multipart_id = result
    return {number: error for number, error in ids.items() if isinstance(error, DriveError)}


def _checked(
    upload: Upload,
    own: Mapping[UUID, Folder],
    *,
    key: str,
    checksum: str,
    size: int,
    base_version: int | None,
    folder_id: FolderId | NotGiven = NOT_GIVEN,
) -> CommitResult | None:
    earlier = commits.earlier_commit(upload, checksum=checksum, size=size)
    if earlier is None:
        commits.require_committable(
            upload, checksum=checksum, size=size, base_version=base_version, folder_id=folder_id
        )
        destination = commits.destination_of(upload, folder_id)
        if destination is not None:
            folder = upload.folder if folder_id is NOT_GIVEN else own.get(destination)
            trees.require_folder(folder, folder_id)
    return earlier


def _examine(
    due: Mapping[int, Upload], requests: Sequence[Mapping[str, Any]]
) -> dict[int, Found | DriveError]:
    found = _in_parallel(
        {
            number: partial(commits.examine, upload, checksum=requests[number]["checksum"])
            for number, upload in due.items()
        }
    )
    for number, result in found.items():
        if isinstance(result, DriveError) and due[number].read_checksum is not None:
            reads.remember(due[number])
    return found


def _record(
    user: User,
    due: Mapping[int, Upload],
    found: Mapping[int, Found],
    requests: Sequence[Mapping[str, Any]],
    end: float,
) -> dict[int, CommitResult | DriveError]:
    """Write the versions: those of new files in one transaction, the others one by one.

    What was not begun by `end` is BusyError.
    """
    new = {n: each for n, each in found.items() if due[n].file_id is None}
    results = _record_new_files(user, due, new, requests)
    for number, (stored, integrity) in found.items():
        if number not in new:
            arguments = requests[number]
            try:
                if time.monotonic() > end:
                    raise BusyError("The time was over before this was committed.", retry_after=1)
                results[number] = commits.record(
                    due[number],
                    stored,
                    arguments["checksum"],
                    integrity,
                    arguments["base_version"],
                    NOT_GIVEN,
                    None,
                )
            except DriveError as error:
                reads.remember(due[number])
                results[number] = error
    return results


def _record_new_files(
    user: User,
    due: Mapping[int, Upload],
    found: Mapping[int, Found],
    requests: Sequence[Mapping[str, Any]],
) -> dict[int, CommitResult | DriveError]:
    results: dict[int, CommitResult | DriveError] = {}
    if not found:
        return results
    now = timezone.now()
    with transaction.atomic():
        ids = [due[number].pk for number in found]
        locking = Upload.objects.select_for_update(no_key=True, of=("self",)).order_by("pk")
        locked = {
            upload.pk: upload
            for upload in locking.select_related("file_version__file", "user").filter(pk__in=ids)
        }
        into = {n: commits.destination_of(due[n], _own(requests[n])) for n in found}
        places = _locked_folders(user, into.values())
        written: list[Upload] = []
        for number, (stored, integrity) in found.items():
            upload, checksum = locked.get(due[number].pk), requests[number]["checksum"]
            try:
                if upload is None:
                    raise NotFoundError
                earlier = commits.earlier_commit(upload, checksum=checksum, size=upload.size)
                if earlier is None:
                    uploads.require_not_aborted_or_expired(upload)
                    if (place := into[number]) is not None:
                        folder = places.get(place)
                        trees.require_folder(folder, _own(requests[number]))
            except DriveError as error:
                results[number] = error
                continue
            if earlier is not None:
                results[number] = earlier
                continue
            file = commits.new_file(upload, into[number], now)
            version = commits.next_version(file, upload, stored, checksum, integrity, now)
            versions.point_at(file, version)
            upload.state, upload.file_version = Upload.State.COMMITTED, version
            written.append(upload)
            results[number] = CommitResult(version, file, created=True)
        made = [upload.file_version for upload in written if upload.file_version is not None]
        File.objects.bulk_create([version.file for version in made])
        FileVersion.objects.bulk_create(made)
        # A new file's key is its upload's, and no other version has it yet.
        of_upload = FileVersion.objects.filter(key=OuterRef("key")).values("pk")
        Upload.objects.filter(pk__in=[upload.pk for upload in written]).update(
            state=Upload.State.COMMITTED, file_version=Subquery(of_upload)
        )
        changes.record_many(
            user_id=user.pk,
            by=user,
            entries=[commits.entry_of(version) for version in made],
            **quotas.committed(written, [upload.size for upload in written]),
        )
    return results


def _own(arguments: Mapping[str, Any]) -> FolderId | NotGiven:
    folder_id: FolderId | NotGiven = arguments.get("folder_id", NOT_GIVEN)
    return folder_id


def _locked_folders(user: User, ids: Iterable[FolderId]) -> dict[UUID, Folder]:
    """Lock these folders of the user, so that none is trashed while files are put into it."""
    wanted = {folder_id for folder_id in ids if folder_id is not None}
    if not wanted:
        return {}
    locking = Folder.objects.filter(user=user).select_for_update(no_key=True).order_by("pk")
    return {folder.pk: folder for folder in locking.filter(pk__in=wanted)}


def _again(
    result: CommitResult | DriveError, first: Mapping[str, Any], arguments: Mapping[str, Any]
) -> CommitResult | DriveError:
    """Return the answer to a second commit of the same upload, without asking anyone."""
    same = all(first[name] == arguments[name] for name in ("checksum", "size"))
    if isinstance(result, CommitResult):
        return replace(result, created=False) if same else CommitConflictError()
    return result if first == arguments else BusyError(_CAME_BEFORE, retry_after=1)


def _in_parallel(calls: Mapping[int, Callable[[], Any]]) -> dict[int, Any]:
    """Run calls that ask the store, some at a time; return the result or the DriveError of each.

    What could not be begun in time is StoreUnavailableError.
    """

    def run(call: Callable[[], Any]) -> Any:
        if transport.seconds_left() < _SECONDS_FOR_A_CALL:
            return StoreUnavailableError("The time was over before the object store was asked.")
        try:
            return call()
        except DriveError as error:
            return error

    if not calls:
        return {}
    with object_store().shared_deadline(), ThreadPoolExecutor(_CALLS_AT_ONCE) as threads:
        running = {n: threads.submit(copy_context().run, run, call) for n, call in calls.items()}
        with others_run():
            wait(running.values())
    return {number: thread.result() for number, thread in running.items()}


@made_once
def _places() -> Places:
    """Return the places of batches: an eighth of the threads, one for each user."""
    total = max(1, settings.THREADS // 8)
    return Places(total, waiting=total)
