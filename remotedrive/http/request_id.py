"""The id of the request being answered: in problem documents, log lines and `X-Request-ID`."""

from __future__ import annotations

import random
import re
from contextvars import ContextVar

_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def begin(offered: str | None) -> str:
    """Set and return the id of this request: the one offered, if well formed, or a new one."""
    request_id = offered if offered and _WELL_FORMED.fullmatch(offered) else _new()
    _current.set(request_id)
    return request_id


def _new() -> str:
    # Asking the system for it would cost a turn of the interpreter's lock.
    return f"{random.getrandbits(64):016x}"


def current() -> str | None:
    """Return the id of this request; None outside of one, and under `runserver`."""
    return _current.get()
