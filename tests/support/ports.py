"""Ports for the servers that tests start: chosen as `scripts/test` chooses its own."""

from __future__ import annotations

from scripts.lib.processes import free_port

__all__ = ["free_port"]
