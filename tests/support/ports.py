"""Ports for the servers that tests start: chosen as `scripts/test` chooses its own."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "scripts"))

from _processes import free_port

__all__ = ["free_port"]
