"""What a transfer tells whoever watches it."""

from __future__ import annotations

from typing import Protocol


class Transfer(Protocol):
    """The progress of one file. Called from several threads."""

    def advance(self, count: int) -> None:
        """So many bytes went forward; a negative count: they must go again."""

    def end(self) -> None:
        """It is done, or has failed."""


class Progress(Protocol):
    """The progress of a command."""

    def expect(self, size: int) -> None:
        """So many more bytes are to be transferred; a negative size: fewer."""

    def reading(self, name: str, size: int) -> Transfer:
        """A local file of `size` bytes is read, before its transfer."""

    def begin(self, name: str, size: int, done: int = 0) -> Transfer:
        """A file of `size` bytes begins, of which `done` are there from an earlier run."""


class Silent:
    """Progress that nobody watches; also each of its transfers."""

    def expect(self, size: int) -> None:
        pass

    def reading(self, name: str, size: int) -> Silent:
        return self

    def begin(self, name: str, size: int, done: int = 0) -> Silent:
        return self

    def advance(self, count: int) -> None:
        pass

    def end(self) -> None:
        pass
