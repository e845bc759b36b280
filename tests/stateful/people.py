"""Two people and what they have, in one example of a stateful test: how they ask the service.

`model.py` says what must be so; `uploading.py`, `keeping.py`, `placing.py`, `purging.py`,
`failing.py` and `following.py` have the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ClassVar, TypeVar, cast
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from files.store.breaker import FAILURES_TO_OPEN
from tests.faults.service import Service
from tests.stateful.model import Expected, File, Folder, Upload
from tests.support.client import Answer, assert_problem, sha256
from tests.support.follower import Follower
from tests.support.retries import persistently
from tests.support.server import RemoteClient

T = TypeVar("T")
Step = TypeVar("Step", bound=Callable[..., None])

PEOPLE = st.integers(0, 1)
PICKS = st.integers(0, 99)
MOST_FAILURES = FAILURES_TO_OPEN - 1
"""After so many the store comes back: one more, and the service does not ask it for seconds. Some
steps make several calls at once, so that this too is tried."""
AUDIT_EVERY = 10
"""Examples; an audit reads every byte of all of them."""


def hold(answer: Answer, expected: Expected) -> Answer:
    """Hold `answer` against what it should have been."""
    if expected.code is not None:
        return assert_problem(answer, expected.status, expected.code)
    assert answer.status == expected.status, answer.json
    return answer


def when(condition: Callable[[Any], object]) -> Callable[[Step], Step]:
    """Let a step do nothing, and not count, where `condition` does not hold.

    Hypothesis's own `precondition` decides what is drawn, and the same choices must draw the same
    again; but who wins a race decides what can be done next.
    """

    def decorate(step: Step) -> Step:
        @wraps(step)
        def perhaps(self: People, **arguments: Any) -> None:
            if condition(self):
                step(self, **arguments)
            else:
                type(self).steps -= 1

        return cast(Step, perhaps)

    return decorate


class People(RuleBasedStateMachine):
    """One example; the service goes on from example to example, with other people."""

    service: ClassVar[Service]
    probe: ClassVar[str]
    """The path of a pending multipart upload of `prober`'s: to look at it asks the store."""
    prober: ClassVar[RemoteClient]
    steps: ClassVar[int]
    """Steps taken so far, in all examples."""
    examples: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        self.people = [self.service.server.client(f"person-{uuid4()}") for _ in range(2)]
        self.followers = [Follower(person) for person in self.people]
        self.files: list[File] = []
        self.folders: list[Folder] = []
        self.uploads: list[Upload] = []
        self.used = [0, 0]
        """The bytes of all versions of each; nothing collects those that are purged."""
        self.store_up = True
        self.failures = 0
        """Calls that failed since the store was lost."""
        self.killed = False
        type(self).steps -= 1  # The invariants are looked at once before the first step.

    @invariant()
    def a_step_was_taken(self) -> None:
        type(self).steps += 1
        if self.failures >= MOST_FAILURES:
            self.bring_the_store_back()

    def teardown(self) -> None:
        if not self.store_up:
            self.bring_the_store_back()
        for follower in self.followers:
            follower.follow()
            follower.check()
        type(self).examples += 1
        if self.examples % AUDIT_EVERY == 0:
            self.service.audit()

    def pick(self, things: Sequence[T], number: int) -> T:
        """Choose one, more often of the newest."""
        recent = things[-3:] if number % 2 else things
        return recent[-1 - (number // 2) % len(recent)]

    def pick_upload(self, number: int) -> Upload:
        """Choose an upload, more often a pending one."""
        pending = [upload for upload in self.uploads if upload.state == "pending"]
        return self.pick(pending if pending and number % 4 != 3 else self.uploads, number)

    def ask(self, call: Callable[[], Answer]) -> Answer:
        """Make a call; while the store is up, what is refused for now is asked again."""
        if self.store_up:
            return persistently(call)
        answer = call()
        self.failures += answer.status == 503
        return answer

    def owner_of(self, thing: File | Folder | Upload) -> RemoteClient:
        return self.people[thing.owner]

    def place(self, who: int, number: int) -> Folder | None:
        """Choose one of the person's folders, in the trash or not, or the top."""
        own = [folder for folder in self.folders if folder.owner == who]
        return self.pick(own, number) if own and number % 3 else None

    def committed(self, upload: Upload, answer: Answer) -> None:
        """Note that `upload` became the next version of its file."""
        if upload.file is None:
            name = str(upload.body["filename"])
            upload.file = File(upload.owner, answer["fileId"], name, folder=upload.folder)
            self.files.append(upload.file)
        upload.file.versions.append(upload.data)
        self.used[upload.owner] += len(upload.data)
        upload.state, upload.result = "committed", answer.json
        assert (answer["fileId"], answer["version"]) == (
            upload.file.id,
            len(upload.file.versions),
        )
        assert (answer["key"], answer["checksum"]) == (upload.key, sha256(upload.data))

    def bring_the_store_back(self) -> None:
        """Let the store answer again, and wait until the service asks it again."""
        self.service.proxy.pass_on()
        assert persistently(lambda: self.prober.get(self.probe)).status == 200
        self.store_up = True
        self.failures = 0
