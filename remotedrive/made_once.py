"""What a process has one of, made when it is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import cache
from typing import Generic, TypeVar

T = TypeVar("T")


class made_once(Generic[T]):  # noqa: N801 - used as a decorator
    """As `functools.cache`, but threads that come at once share one value.

    By `cache` alone each makes its own, which bounds or counts by itself.
    """

    def __init__(self, make: Callable[..., T]) -> None:
        self._made = cache(make)
        self._making = threading.Lock()
        self.cache_clear = self._made.cache_clear
        self.cache_info = self._made.cache_info

    def __call__(self, *arguments: Hashable) -> T:
        with self._making:
            return self._made(*arguments)
