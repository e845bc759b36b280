"""The step of a program that follows what a person does, by the feed of changes alone."""

from __future__ import annotations

from hypothesis.stateful import rule

from tests.stateful.people import PEOPLE, People


class Following(People):
    """Catch up with the changes since the last time, few or many, and compare with the listings."""

    @rule(who=PEOPLE)
    def follow(self, who: int) -> None:
        self.followers[who].follow()
        self.followers[who].check()
