"""The steps from init-upload to commit or abort, right and wrong, again, and at the same moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.stateful import model
from tests.stateful.model import (
    COMMITTED,
    NOT_FOUND,
    CommitArguments,
    Expected,
    File,
    Folder,
    Upload,
)
from tests.stateful.people import PEOPLE, PICKS, People, hold, when
from tests.support.client import Answer, assert_problem, put, sha256
from tests.support.together import at_once

SIZES = st.sampled_from([0, 1, 100, 5_000, 70_000])

BASES = st.sampled_from([None, None, 0, -1, 5])
"""What a `base_version` adds to the file's newest version."""
KINDS = ["right"] * 5 + ["wrong size", "wrong checksum", "current base", "stale base"]

_seeds = count(1)


class Uploading(People):
    """Begin, PUT, commit, abort."""

    def begin_one(
        self,
        who: int,
        size: int,
        *,
        bound: bool = False,
        multipart: bool = False,
        file: File | None = None,
        base_version: int | None = None,
        folder: Folder | None = None,
        again: bool = False,
    ) -> Upload | None:
        """Begin an upload and hold the answer; None where it was right to refuse it."""
        data = model.bytes_of(next(_seeds), size)
        body: dict[str, Any] = {"filename": f"{size}.bin", "size": size, "multipart": multipart}
        body |= {"checksum": sha256(data)} if bound else {}
        body |= {"file_id": file.id} if file is not None else {}
        body |= {"base_version": base_version} if base_version is not None else {}
        body |= {"folder_id": folder.id} if folder is not None else {}
        key = str(uuid4()) if again else None
        upload = Upload(who, data, bound, multipart, file, base_version, body, key, folder)
        answer = self.ask(lambda: self.init(upload))
        expected = COMMITTED
        if multipart and not size:
            expected = Expected(400, "invalid")
        elif any(each is not None and each.trashed for each in (file, folder)):
            expected = NOT_FOUND
        elif multipart and not self.store_up:
            expected = model.STORE_DOWN
        if hold(answer, expected).status != 201:
            return None
        upload.id, upload.key = answer["upload_id"], answer["key"]
        self.take_urls(upload, answer)
        self.uploads.append(upload)
        return upload

    def target(self, who: int, onto: int, base: int | None) -> tuple[File | None, int | None]:
        """Choose the file of a new version and its base version, or none."""
        own = [file for file in self.files if file.owner == who]
        if not own or onto % 3 == 0:
            return None, None
        file = self.pick(own, onto)
        return file, None if base is None else max(1, len(file.versions) + base)

    def init(self, upload: Upload, **changes: Any) -> Answer:
        key = {} if upload.idempotency_key is None else {"Idempotency-Key": upload.idempotency_key}
        body = {**upload.body, **changes}
        return self.owner_of(upload).post("/files/init-upload", body, headers=key)

    def take_urls(self, upload: Upload, answer: Answer) -> None:
        signed = answer.json
        if upload.multipart:
            signed = answer["parts"][0] if answer["parts"] else None
        if signed is not None:
            upload.url, upload.headers = signed["presigned_put_url"], signed["headers"]

    @rule(
        who=PEOPLE,
        size=SIZES,
        bound=st.booleans(),
        multipart=st.booleans(),
        onto=PICKS,
        base=BASES,
        again=st.booleans(),
    )
    def begin(
        self,
        who: int,
        size: int,
        bound: bool,
        multipart: bool,
        onto: int,
        base: int | None,
        again: bool,
    ) -> None:
        file, base_version = self.target(who, onto, base)
        self.begin_one(
            who,
            size,
            bound=bound,
            multipart=multipart,
            file=file,
            base_version=base_version,
            folder=None if file else self.place(who, onto // 3),
            again=again,
        )

    @rule(number=PICKS, changed=st.booleans())
    @when(lambda self: any(upload.idempotency_key for upload in self.uploads))
    def begin_again(self, number: int, changed: bool) -> None:
        upload = self.pick([each for each in self.uploads if each.idempotency_key], number)
        if changed:
            answer = self.ask(lambda: self.init(upload, filename="another"))
            assert_problem(answer, 409, "idempotency-conflict")
            return
        answer = self.ask(lambda: self.init(upload))
        if upload.state != "pending":
            hold(answer, model.expect_ended(upload))
            return
        assert (answer.status, answer["upload_id"], answer["key"]) == (201, upload.id, upload.key)
        self.take_urls(upload, answer)

    @rule(number=PICKS, kind=st.sampled_from(["right", "right", "other bytes", "other length"]))
    @when(lambda self: self.uploads)
    def put(self, number: int, kind: model.PutKind) -> None:
        self.put_one(self.pick_upload(number), kind)

    def put_one(self, upload: Upload, kind: model.PutKind = "right") -> None:
        if kind == "other bytes" and not upload.data:
            kind = "right"
        sent = upload.data + b"!" if kind == "other length" else upload.data
        if kind == "other bytes":
            sent = model.other_bytes(upload.data)
        allowed = model.expect_put(upload, kind)
        answer = put(upload.url, sent, upload.headers)
        assert answer.status_code in allowed, (answer.status_code, answer.text)

    def arguments(self, upload: Upload, kind: str) -> CommitArguments:
        right = CommitArguments(sha256(upload.data), len(upload.data))
        newest = len(upload.file.versions) if upload.file is not None else 1
        return {
            "wrong size": CommitArguments(right.checksum, right.size + 1),
            "wrong checksum": CommitArguments(sha256(b"wrong"), right.size),
            "current base": CommitArguments(right.checksum, right.size, newest),
            "stale base": CommitArguments(right.checksum, right.size, newest + 1),
        }.get(kind, right)

    @rule(
        number=PICKS,
        kind=st.sampled_from(KINDS),
        times=st.sampled_from([1, 1, 1, 2, 5]),
    )
    @when(lambda self: self.uploads)
    def commit(self, number: int, kind: str, times: int) -> None:
        upload = self.pick_upload(number)
        self.commit_one(upload, self.arguments(upload, kind), times)

    def commit_call(self, upload: Upload, said: CommitArguments) -> Callable[[], Answer]:
        body = said.body(upload)
        return lambda: self.ask(lambda: self.owner_of(upload).post("/files/commit", body))

    def commit_one(self, upload: Upload, said: CommitArguments, times: int = 1) -> None:
        expected = model.expect_commit(upload, said, store_up=self.store_up)
        answers = at_once([self.commit_call(upload, said)] * times)
        if expected == COMMITTED:
            assert Counter(answer.status for answer in answers) == Counter(
                [201, *[200] * times][:times]
            )
            assert all(answer.json == answers[0].json for answer in answers)
            self.committed(upload, answers[0])
        for answer in answers if expected != COMMITTED else []:
            hold(answer, expected)
            self.hold_commit_members(upload, answer)

    def hold_commit_members(self, upload: Upload, answer: Answer) -> None:
        """Hold what an answer has beside its status."""
        if answer.status == 200:
            same = ("fileId", "version", "key", "size", "checksum", "created_at")
            assert [answer[name] for name in same] == [upload.result[name] for name in same]
        elif answer.status == 412:
            assert upload.file is not None
            assert answer["version_current"] == len(upload.file.versions)
        elif answer["code"] == "parts-missing":
            assert answer["part_numbers"] == [1]

    @initialize(size=SIZES)
    def each_has_a_file_and_begins_its_next_version(self, size: int) -> None:
        for who in range(len(self.people)):
            upload = self.begin_one(who, size)
            assert upload is not None
            self.put_one(upload)
            self.commit_one(upload, self.arguments(upload, "right"))
            self.begin_one(who, size, file=upload.file, multipart=size > 100)

    @rule(
        who=PEOPLE,
        size=SIZES,
        bound=st.booleans(),
        onto=PICKS,
        base=BASES,
        put=st.sampled_from(["right", "right", "other bytes"]),
        kind=st.sampled_from(KINDS),
    )
    def upload(
        self,
        who: int,
        size: int,
        bound: bool,
        onto: int,
        base: int | None,
        put: model.PutKind,
        kind: str,
    ) -> None:
        file, base_version = self.target(who, onto, base)
        upload = self.begin_one(
            who,
            size,
            bound=bound,
            multipart=onto % 4 == 0,
            file=file,
            base_version=base_version,
            folder=None if file else self.place(who, onto // 3),
            again=onto % 5 == 0,
        )
        if upload is not None:
            self.put_one(upload, put)
            self.commit_one(upload, self.arguments(upload, kind))

    @rule(number=PICKS, many=st.integers(2, 5))
    @when(lambda self: self.store_up and any(not file.trashed for file in self.files))
    def many_versions_at_once(self, number: int, many: int) -> None:
        file = self.pick([file for file in self.files if not file.trashed], number)
        uploads = []
        for _ in range(many):
            upload = self.begin_one(file.owner, 100, file=file)
            assert upload is not None
            self.put_one(upload)
            uploads.append(upload)
        answers = at_once(
            [self.commit_call(upload, self.arguments(upload, "right")) for upload in uploads]
        )
        for upload, answer in sorted(
            zip(uploads, answers, strict=True), key=lambda each: int(each[1].json.get("version", 0))
        ):
            self.committed(upload, hold(answer, COMMITTED))

    @rule(number=PICKS)
    @when(lambda self: self.uploads)
    def abort(self, number: int) -> None:
        upload = self.pick_upload(number)
        expected = model.expect_abort(upload)
        hold(self.ask(lambda: self.owner_of(upload).delete(upload.path)), expected)
        upload.state = "aborted" if expected.status == 204 else upload.state

    @rule(number=PICKS, slow_store=st.booleans())
    @when(lambda self: self.uploads)
    def commit_against_abort(self, number: int, slow_store: bool) -> None:
        """At the same moment; with a slow store the abort comes while the commit asks it."""
        upload = self.pick_upload(number)
        said = self.arguments(upload, "right")
        was = upload.state
        expected = model.expect_commit(upload, said, store_up=self.store_up)
        if slow_store and self.store_up:
            self.service.proxy.delay(0.1)
        committed, aborted = at_once(
            [
                self.commit_call(upload, said),
                partial(self.ask, lambda: self.owner_of(upload).delete(upload.path)),
            ]
        )
        if self.store_up:
            self.service.proxy.pass_on()
        if committed.status == 201:
            assert expected == COMMITTED
            self.committed(upload, committed)
            assert_problem(aborted, 409, "upload-complete")
            return
        if was == "pending":
            upload.state = "aborted"
        if was != "pending" or committed.status != 410:
            hold(committed, expected)
        hold(aborted, model.expect_abort(upload))

    @rule(number=PICKS)
    @when(lambda self: self.uploads)
    def fresh_urls(self, number: int) -> None:
        upload = self.pick_upload(number)
        expected = model.expect_urls(upload, store_up=self.store_up)
        answer = self.ask(lambda: self.owner_of(upload).post(f"{upload.path}/urls", {}))
        if hold(answer, expected).status == 200:
            if upload.lists_parts:
                missing = [1] if upload.stored is None else []
                assert [part["part_number"] for part in answer["parts"]] == missing
            self.take_urls(upload, answer)
