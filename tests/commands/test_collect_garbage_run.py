"""Whole runs of the collector: all that can happen to uploads at once, dry runs, turns, a store
that is down, and requests at the same moment."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone
from pytest_django.fixtures import Settings

from files.models import File, FileVersion, SweptDay, Upload, User
from files.services import garbage, quotas
from files.services.run_lock import alone
from tests.support.client import Answer, Client, put
from tests.support.garbage import LATER, collect, multipart_uploads, pinned, stored
from tests.support.tcp_proxy import TcpProxy, response
from tests.support.together import at_once

pytest_plugins = ["tests.support.garbage_fixtures"]
pytestmark = [pytest.mark.usefixtures("bucket"), pytest.mark.django_db(transaction=True)]

DAY = timedelta(days=1)
UPLOADS = 60


def run(*arguments: str) -> dict[str, int]:
    """Run the command; return the counts that it printed."""
    out = StringIO()
    call_command("collect_garbage", *arguments, stdout=out)
    counts: dict[str, int] = json.loads(out.getvalue().splitlines()[-1])
    return counts


def send(begun: Answer, data: bytes) -> None:
    """PUT by the URL of `begun`, or of its only part."""
    signed = begun["parts"][0] if "parts" in begun.json else begun
    assert put(signed["presigned_put_url"], data, signed["headers"]).status_code == 200


def scenario(owner: Client) -> list[tuple[Answer, bytes]]:
    """Begin uploads of all kinds; a third of them is committed, a third aborted.

    Returns those whose URLs can be used again, with their bytes.
    """
    again = []
    for number in range(UPLOADS):
        data = b"%d" % number
        begun = owner.init(data, multipart=number % 5 == 0)
        if number % 4 != 3:
            send(begun, data)
        if number % 10 in (1, 2, 3):
            send(begun, data)
            # None of these is multipart.
            again.append((begun, data))
        if number % 3 == 1:
            owner.delete(f"/uploads/{begun['upload_id']}")
        elif number % 3 == 2 and number % 4 != 3:
            assert owner.commit(begun["key"], data).status == 201
    return again


def rows() -> list[Any]:
    return [
        list(model.objects.order_by("pk").values())
        for model in (File, FileVersion, Upload, User, SweptDay)
    ]


def same_in_a_dry_run(**options: Any) -> dict[str, int]:
    """Collect, and see that a dry run before names the same, and changes nothing."""
    before = rows(), stored(), multipart_uploads()
    now = timezone.now()
    counted, named = collect(now=now, dry_run=True, **options)
    assert (rows(), stored(), multipart_uploads()) == before
    counts, done = collect(now=now, **options)
    assert (counts, done) == (counted, named)
    gone = {f"{key} {version_id}" for key, version_id in before[1] - stored()}
    assert gone == {line for line in named if " multipart " not in line}
    assert len(before[2] - multipart_uploads()) == counts["multipart_uploads_aborted"]
    return counts


def test_exactly_the_pinned_object_versions_are_left_of_uploads_of_all_kinds(
    owner: Client, settings: Settings
) -> None:
    settings.DEFAULT_QUOTA = 1 << 20
    again = scenario(owner)
    counts = same_in_a_dry_run(after=2 * DAY)
    assert counts["uploads_collected"] + FileVersion.objects.count() == UPLOADS
    for begun, data in again:
        send(begun, data)
    assert same_in_a_dry_run(after=10 * DAY)["objects_deleted"] > len(again)
    assert stored() == pinned() != set()
    assert multipart_uploads() == set()
    counts = same_in_a_dry_run(after=10 * DAY, every_day=True)
    assert (counts["objects_deleted"], counts["multipart_uploads_aborted"]) == (0, 0)
    usage = quotas.usage(user=owner.user)
    assert (usage.bytes_used, usage.bytes_reserved) == (
        sum(FileVersion.objects.values_list("size", flat=True)),
        0,
    )


def test_a_dry_run_names_what_retention_and_purges_lead_to(
    owner: Client, settings: Settings
) -> None:
    settings.GC_DELAY, settings.TRASH_DAYS, settings.KEEP_VERSIONS = 0, 1, 1
    files = [owner.upload(b"%d" % number)["fileId"] for number in range(4)]
    for file_id in files[:3]:
        send(owner.init(b"pending", file_id=file_id), b"pending")
    twice = owner.put(b"twice", file_id=files[0])
    send(twice, b"twice")
    owner.commit(twice["key"], b"twice")
    owner.post(f"/files/{files[0]}/versions/1/restore")
    owner.delete(f"/files/{files[1]}")
    owner.delete(f"/files/{files[2]}?permanent=true")
    for days in (0, 1.5, 2, 3, 10, 60):
        same_in_a_dry_run(after=timedelta(days=days))
    assert stored() == pinned() != set()
    assert File.objects.count() == 2


def test_a_dry_run_names_once_what_several_rows_lead_to(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "BATCH", 1)
    file_id = owner.upload(b"first")["fileId"]
    owner.upload(b"second", file_id=file_id)
    owner.post(f"/files/{file_id}/versions/1/restore")
    owner.upload(b"fourth", file_id=file_id)
    assert owner.delete(f"/files/{file_id}/versions/2").status == 204
    assert owner.delete(f"/files/{file_id}?permanent=true").status == 204
    counts = same_in_a_dry_run(after=2 * DAY)
    assert (counts["versions_collected"], counts["objects_deleted"]) == (4, 3)
    assert counts["files_removed"] == 1


def test_a_limit_is_kept_and_the_next_run_goes_on(owner: Client) -> None:
    for number in range(5):
        begun = owner.put(b"%d" % number)
        send(begun, b"%d" % number)
    counts = same_in_a_dry_run(after=2 * DAY, limit=3)
    assert (counts["objects_deleted"], counts["uploads_collected"]) == (3, 1)
    assert len(stored()) == 7
    counts = same_in_a_dry_run(after=2 * DAY)
    assert (counts["objects_deleted"], counts["uploads_collected"]) == (7, 4)


def test_the_command_prints_one_line_of_counts_and_names_with_dry_run(owner: Client) -> None:
    owner.put(b"pending")
    assert not any(run().values())
    Upload.objects.update(
        commit_by=timezone.now() - DAY, urls_expire_at=timezone.now() - DAY, state="aborted"
    )
    out = StringIO()
    call_command("collect_garbage", "--dry-run", "--json", stdout=out)
    name, counts = out.getvalue().splitlines()
    assert name == " ".join(*stored())
    assert json.loads(counts) == run("--limit=1", "--all")
    assert json.loads(counts)["objects_deleted"] == 1
    assert stored() == set()


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_at_a_terminal_it_says_in_words_what_it_has_done(owner: Client) -> None:
    owner.put(b"pending")
    Upload.objects.update(
        commit_by=timezone.now() - DAY, urls_expire_at=timezone.now() - DAY, state="aborted"
    )
    said = []
    for arguments in (["--dry-run"], ["-v2"], []):
        out = Terminal()
        call_command("collect_garbage", *arguments, stdout=out)
        said.append(out.getvalue().splitlines())
    assert said[0][-1] == "Would be: 1 uploads collected, 1 objects deleted (7 bytes)"
    assert said[1][-1] == "1 uploads collected, 1 objects deleted (7 bytes)"
    assert said[0][:-1] == said[1][:-1] != []
    assert said[2] == ["nothing to do"]


@pytest.mark.parametrize("wrong", ["--limit=0", "--every=0", "--every=soon"])
def test_a_number_that_cannot_be_is_refused(wrong: str) -> None:
    with pytest.raises(CommandError, match="not a whole number"):
        run(wrong)


def test_a_store_that_is_down_ends_the_run_with_2_and_keeps_what_is_done(
    owner: Client, store_proxy: TcpProxy, settings: Settings
) -> None:
    owner.put(b"aborted")
    owner.upload(b"committed")
    Upload.objects.filter(file_version=None).update(
        commit_by=timezone.now() - DAY, urls_expire_at=timezone.now() - DAY, state="aborted"
    )
    store_proxy.answer(response("503 Slow Down"), only=b"uploads&")
    store_proxy.answer(response("503 Slow Down"), only=b"GET /")
    with pytest.raises(CommandError, match="store does not answer") as stopped:
        run()
    assert stopped.value.returncode == 2
    assert Upload.objects.filter(collected_at=None).count() == 2
    store_proxy.pass_on()
    assert run()["uploads_collected"] == 1
    assert stored() == pinned()


def test_what_the_store_refuses_to_delete_is_not_collected(
    owner: Client, store_proxy: TcpProxy
) -> None:
    begun = owner.put(b"held")
    error = (
        f"<Error><Key>{begun['key']}</Key><VersionId>{next(iter(stored()))[1]}</VersionId>"
        "<Code>AccessDenied</Code></Error>"
    )
    refused = f"<DeleteResult>{error}</DeleteResult>".encode()
    Upload.objects.update(
        commit_by=timezone.now() - DAY, urls_expire_at=timezone.now() - DAY, state="aborted"
    )
    store_proxy.answer(response("200 OK", refused), only=b"POST /")
    with pytest.raises(CommandError, match="refused") as stopped:
        run()
    assert stopped.value.returncode == 2
    assert Upload.objects.get().collected_at is None
    store_proxy.pass_on()
    assert run()["uploads_collected"] == 1


def in_thread(function: Callable[[], Any]) -> threading.Thread:
    def call() -> None:
        try:
            function()
        finally:
            connections.close_all()

    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_two_runs_at_once_take_turns(owner: Client) -> None:
    owner.put(b"aborted")
    Upload.objects.update(
        commit_by=timezone.now() - DAY, urls_expire_at=timezone.now() - DAY, state="aborted"
    )
    err, counts = StringIO(), []

    def second() -> None:
        out = StringIO()
        call_command("collect_garbage", stdout=out, stderr=err)
        counts.append(json.loads(out.getvalue()))

    with alone(waiting=pytest.fail):
        thread = in_thread(second)
        thread.join(timeout=1.5)
        assert thread.is_alive()
        assert "waiting" in err.getvalue()
        assert len(stored()) == 1
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert counts[0]["uploads_collected"] == 1


def closing(call: Callable[[], Answer]) -> Callable[[], Answer]:
    def closed() -> Answer:
        try:
            return call()
        finally:
            connections.close_all()

    return closed


def collecting(**options: Any) -> Callable[[], Answer]:
    return lambda: Answer(0, {}, collect(**options), b"")


def test_a_commit_at_the_moment_of_its_collection_wins_or_loses_whole(
    owner: Client, race_rounds: int
) -> None:
    won = 0
    for number in range(race_rounds):
        data = b"%d" % number
        begun = owner.put(data)
        calls = [lambda: owner.commit(begun["key"], data), collecting(after=2 * DAY)]  # noqa: B023
        answer, _ = at_once([closing(call) for call in calls])
        if answer.status == 201:
            won += 1
            assert owner.read(answer["fileId"]) == data
        else:
            assert (answer.status, answer["code"]) in [
                (410, "upload-aborted"),
                (409, "object-missing"),
            ]
    collect(after=LATER)
    assert stored() == pinned()
    assert len(pinned()) == won


def test_a_version_restored_at_the_moment_of_its_purge_keeps_its_bytes(
    owner: Client, settings: Settings, race_rounds: int
) -> None:
    settings.GC_DELAY = 0
    for number in range(race_rounds):
        data = b"%d" % number
        file_id = owner.upload(data)["fileId"]
        owner.upload(b"second", file_id=file_id)
        version = f"/files/{file_id}/versions/1"
        calls = [lambda: owner.post(f"{version}/restore"), lambda: owner.delete(version)]  # noqa: B023
        restored, purged, _ = at_once(
            [closing(call) for call in [*calls, collecting(after=timedelta(hours=2))]]
        )
        assert (purged.status, restored.status) in [(204, 201), (204, 410)]
        collect(after=timedelta(hours=2))
        if restored.status == 201:
            assert owner.read(file_id, 3) == data
    collect(after=LATER)
    assert stored() == pinned()
