"""The viewsets: authenticate, validate, call one service function, serialize."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from files.api import rows
from files.api.base import StrictViewSet, body_of, checker, each_validated, invalid, validated
from files.api.exception_handler import problem_in_batch
from files.api.fields import StrictSerializer
from files.api.operations import Batch, Page, RequestHeader, operation
from files.api.pagination import OrderedPageQuery, PageQuery, page
from files.api.serializers import (
    ChangeFileRequest,
    CopyFileRequest,
    DeleteFilesQuery,
    DeleteQuery,
    DownloadQuery,
    DownloadSerializer,
    FileSerializer,
    FilesQuery,
    FileVersionSerializer,
    FileWithVersionsSerializer,
    UsageSerializer,
)
from files.api.throttling import CommitThrottle, InitUploadThrottle, Throttle
from files.api.upload_serializers import (
    CommitBatchRequest,
    CommitRequest,
    CommitSerializer,
    InitUploadBatchRequest,
    InitUploadRequest,
    SignedUploadSerializer,
)
from files.exceptions import (
    ChecksumMismatchError,
    CommitConflictError,
    ContentEncodingError,
    CorruptError,
    FileTrashedError,
    FolderTrashedError,
    IdempotencyConflictError,
    MultipartRequiredError,
    NotFoundError,
    ObjectMissingError,
    ObjectUnreadableError,
    PartsMissingError,
    QuotaExceededError,
    SizeMismatchError,
    StoreUnavailableError,
    ThrottledError,
    TooManyUploadsError,
    UploadAbortedError,
    UploadCompleteError,
    UploadExpiredError,
    VersionConflictError,
    VersionCurrentError,
    VersionPurgedError,
)
from files.services import (
    batches,
    commits,
    copies,
    downloads,
    files,
    folder_trash,
    purges,
    quotas,
    uploads,
)
from files.services.downloads import Download

IDEMPOTENCY_KEY = RequestHeader(
    "Idempotency-Key",
    re.compile(r"[!-~]{1,255}"),
    "The same key and the same body within 24 hours give the same upload with a fresh URL.",
)
COMMIT_ERRORS = (
    NotFoundError,
    CommitConflictError,
    UploadAbortedError,
    UploadExpiredError,
    SizeMismatchError,
    ChecksumMismatchError,
    FileTrashedError,
    FolderTrashedError,
    ObjectMissingError,
    PartsMissingError,
    ContentEncodingError,
    ObjectUnreadableError,
    VersionConflictError,
    StoreUnavailableError,
)
DOWNLOADS = {200: DownloadSerializer, 302: None}


def download_response(download: Download, *, redirect: bool) -> HttpResponseBase:
    """Answer with the presigned URL: as JSON, or by sending the client there."""
    headers = {"Cache-Control": "no-store"}
    if redirect:
        return HttpResponseRedirect(download.url, headers=headers)
    return Response(rows.download(download), headers=headers)


def _batch(
    request: Request,
    throttle: Throttle,
    items: Sequence[Any],
    serializer: type[StrictSerializer],
    call: Callable[..., Sequence[Any]],
    shown: Callable[[Any], dict[str, Any]],
) -> Response:
    """Answer with the result of each item: what the single call answers, or its problem.

    The request itself was counted for its first item. What is then not allowed is not looked at.
    """
    others = throttle.take(request, len(items) - 1)
    allowed = items[: 1 + others.granted]
    checked = each_validated(serializer, allowed)
    good = [each for each in checked if isinstance(each, dict)]
    done = iter(call(requests=good) if good else ())
    results = [next(done) if isinstance(each, dict) else each for each in checked]
    answers = [
        problem_in_batch(result) if isinstance(result, Exception) else shown(result)
        for result in results
    ]
    if len(allowed) < len(items):
        refused = problem_in_batch(ThrottledError(retry_after=math.ceil(others.wait)))
        answers += [refused] * (len(items) - len(allowed))
    return Response({"results": answers})


class FileViewSet(StrictViewSet):
    """`/files`: uploads into the drive, and what is in it."""

    tag = "files"
    lookup_value_converter = "uuid"
    queries: ClassVar[dict[str, type[StrictSerializer]]] = {
        "list": FilesQuery,
        "destroy": DeleteQuery,
        "destroy_all": DeleteFilesQuery,
        "versions": PageQuery,
        "download": DownloadQuery,
        "download_version": DownloadQuery,
    }

    @action(
        detail=False,
        methods=["post"],
        url_path="init-upload",
        throttle_classes=[InitUploadThrottle],
    )
    @operation(
        "init_upload",
        {201: SignedUploadSerializer},
        body=InitUploadRequest,
        headers=(IDEMPOTENCY_KEY,),
        problems=(
            MultipartRequiredError,
            NotFoundError,
            IdempotencyConflictError,
            UploadCompleteError,
            UploadAbortedError,
            UploadExpiredError,
            ThrottledError,
            TooManyUploadsError,
            QuotaExceededError,
            StoreUnavailableError,
        ),
        tag="uploads",
    )
    def init_upload(self, request: Request) -> Response:
        """Begin an upload, of a new file or of the next version of one.

        PUT the bytes to `presigned_put_url` with exactly the `headers` and their exact length as
        `Content-Length`, then commit. With `multipart` that URL is null, and `parts` has those of
        the first 100 parts.
        """
        arguments = validated(InitUploadRequest, body_of(request))
        idempotency_key = request.headers.get(IDEMPOTENCY_KEY.name)
        if idempotency_key is not None and not IDEMPOTENCY_KEY.pattern.fullmatch(idempotency_key):
            raise invalid(IDEMPOTENCY_KEY.name, "1 to 255 visible ASCII characters are required.")
        signed = uploads.init_upload(user=self.user, idempotency_key=idempotency_key, **arguments)
        return Response(rows.signed_upload(signed), status=201)

    @action(detail=False, methods=["post"], throttle_classes=[CommitThrottle])
    @operation(
        "commit_upload",
        {201: CommitSerializer, 200: CommitSerializer},
        body=CommitRequest,
        problems=(*COMMIT_ERRORS, ThrottledError),
        tag="uploads",
    )
    def commit(self, request: Request) -> Response:
        """Record what was uploaded as a version of a file.

        The same commit again answers 200 with the same version.
        """
        commit = commits.commit_upload(user=self.user, **validated(CommitRequest, body_of(request)))
        return Response(rows.commit(commit), status=201 if commit.created else 200)

    @action(
        detail=False,
        methods=["post"],
        url_path="init-upload/batch",
        throttle_classes=[InitUploadThrottle],
    )
    @operation(
        "init_uploads",
        {200: Batch(SignedUploadSerializer)},
        body=InitUploadBatchRequest,
        problems=(ThrottledError,),
        tag="uploads",
    )
    def init_upload_batch(self, request: Request) -> Response:
        """Begin up to 1,000 uploads.

        `results` has, in the same order, what init-upload answers to each, or its problem document.
        One that fails does not touch the others. Each counts for the throttle: where it leaves
        fewer, the last ones are `throttled` in their place. The body is at most 1 MiB.
        """
        items = validated(InitUploadBatchRequest, body_of(request))["uploads"]
        call = partial(batches.init_uploads, user=self.user)
        throttle = InitUploadThrottle()
        return _batch(request, throttle, items, InitUploadRequest, call, rows.signed_upload)

    @action(
        detail=False,
        methods=["post"],
        url_path="commit/batch",
        throttle_classes=[CommitThrottle],
    )
    @operation(
        "commit_uploads",
        {200: Batch(CommitSerializer)},
        body=CommitBatchRequest,
        problems=(ThrottledError,),
        tag="uploads",
    )
    def commit_batch(self, request: Request) -> Response:
        """Commit up to 1,000 uploads.

        `results` has, in the same order, what commit answers to each, or its problem document. What
        the store could not be asked in time is 503 `store-unavailable` in its place: repeat those.
        Each counts for the throttle: where it leaves fewer, the last ones are `throttled`.
        """
        items = validated(CommitBatchRequest, body_of(request))["commits"]
        call = partial(batches.commit_uploads, user=self.user)
        return _batch(request, CommitThrottle(), items, CommitRequest, call, rows.commit)

    @operation("list_files", {200: Page(FileSerializer)}, problems=(NotFoundError,))
    def list(self, request: Request) -> Response:
        """List the caller's files; all filters must match."""
        paging = checker(OrderedPageQuery).fields
        filters = {name: value for name, value in self.query.items() if name not in paging}
        found = partial(files.page_of_files, user=self.user, **filters)
        return page(request, found, self.query, rows.FILE)

    @operation("get_file", {200: FileWithVersionsSerializer}, problems=(NotFoundError,))
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show a file with its newest versions, at most 100."""
        file, newest = files.get_file(user=self.user, file_id=pk)
        versions = [rows.VERSION.of(version) for version in newest]
        return Response({**rows.FILE.of(file), "versions": versions})

    @operation(
        "change_file", {200: FileSerializer}, body=ChangeFileRequest, problems=(NotFoundError,)
    )
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Rename a file, move it to another folder, or both."""
        arguments = validated(ChangeFileRequest, body_of(request))
        file = files.change_file(user=self.user, file_id=pk, **arguments)
        return Response(rows.FILE.of(file))

    @operation("delete_file", {204: None}, problems=(NotFoundError,))
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Move a file to the trash, or purge it for good.

        A file in the trash is 404 everywhere but in the listing of the trash, its restore and its
        purge. A purged one is gone from every answer at once, with its versions and shares.
        """
        remove = purges.purge_file if self.query["permanent"] else files.trash_file
        remove(user=self.user, file_id=pk)
        return Response(status=204)

    @operation("empty_trash", {204: None})
    def destroy_all(self, request: Request) -> Response:
        """Empty the trash: purge all files and folders that are in it."""
        folder_trash.empty_trash(user=self.user)
        return Response(status=204)

    @action(detail=True, methods=["post"])
    @operation("restore_file", {200: FileSerializer}, problems=(NotFoundError,))
    def restore(self, request: Request, pk: UUID) -> Response:
        """Take a file out of the trash, if it is there."""
        validated(StrictSerializer, request.data)
        return Response(rows.FILE.of(files.restore_file(user=self.user, file_id=pk)))

    @action(detail=True, methods=["post"])
    @operation(
        "copy_file",
        {201: FileSerializer},
        body=CopyFileRequest,
        body_required=False,
        problems=(NotFoundError, CorruptError, QuotaExceededError),
    )
    def copy(self, request: Request, pk: UUID) -> Response:
        """Copy the newest version of a file to a new file.

        No bytes move; each counts in full for the quota.
        """
        arguments = validated(CopyFileRequest, request.data)
        made = copies.copy_file(user=self.user, file_id=pk, **arguments)
        return Response(rows.FILE.of(made), status=201)

    @action(detail=True)
    @operation("download_file", DOWNLOADS, problems=(NotFoundError, CorruptError))
    def download(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Sign a URL for the bytes of the newest version.

        With `redirect=true` use a client that does not send `Authorization` on to another host.
        """
        return self._download(pk, None)

    @action(detail=True)
    @operation("list_versions", {200: Page(FileVersionSerializer)}, problems=(NotFoundError,))
    def versions(self, request: Request, pk: UUID) -> Response:
        """List all versions of a file, newest first."""
        found = files.list_versions(user=self.user, file_id=pk)
        return page(request, found, self.query, rows.VERSION, by="version")

    @action(detail=True, url_path="versions/<int:number>")
    @operation("get_version", {200: FileVersionSerializer}, problems=(NotFoundError,))
    def version(self, request: Request, pk: UUID, number: int) -> Response:
        """Show one version of a file."""
        found = files.get_version(user=self.user, file_id=pk, version=number)
        return Response(rows.VERSION.of(found))

    @version.mapping.delete
    @operation("purge_version", {204: None}, problems=(NotFoundError, VersionCurrentError))
    def purge_version(self, request: Request, pk: UUID, number: int) -> Response:
        """Purge an older version: its bytes are removed for good.

        Its record stays, with `purged_at`.
        """
        purges.purge_version(user=self.user, file_id=pk, version=number)
        return Response(status=204)

    @action(detail=True, methods=["post"], url_path="versions/<int:number>/restore")
    @operation(
        "restore_version",
        {201: CommitSerializer},
        problems=(NotFoundError, CorruptError, VersionPurgedError, QuotaExceededError),
    )
    def restore_version(self, request: Request, pk: UUID, number: int) -> Response:
        """Make a version the newest again: a new version with its bytes.

        No bytes move; each version counts in full for the quota.
        """
        validated(StrictSerializer, request.data)
        restored = purges.restore_version(user=self.user, file_id=pk, version=number)
        return Response(rows.commit(restored), status=201)

    @action(detail=True, url_path="versions/<int:number>/download")
    @operation(
        "download_version", DOWNLOADS, problems=(NotFoundError, CorruptError, VersionPurgedError)
    )
    def download_version(self, request: Request, pk: UUID, number: int) -> HttpResponseBase:
        """Sign a URL for the bytes of one version."""
        return self._download(pk, number)

    def _download(self, file_id: UUID, version: int | None) -> HttpResponseBase:
        inline = self.query["disposition"] == "inline"
        download = downloads.download(
            user=self.user, file_id=file_id, version=version, inline=inline
        )
        return download_response(download, redirect=self.query["redirect"])


class MeViewSet(StrictViewSet):
    """`/me`: the caller."""

    tag = "me"
    basename = "me"

    @operation("get_me", {200: UsageSerializer})
    def retrieve(self, request: Request) -> Response:
        """Show the caller, and how many bytes the caller has in the store."""
        return Response(rows.usage(quotas.usage(user=self.user)))
