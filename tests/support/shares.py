"""What tests of shares have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.support.client import Answer, Client, put, sha256


@dataclass
class Shared:
    """A share, its token, and how a visitor uses it."""

    id: str
    token: str
    file_id: str
    visitor: Client

    @property
    def path(self) -> str:
        return f"/s/{self.token}"

    def look(self, password: str | None = None) -> Answer:
        return self.visitor.get(self.path, headers=with_password(password))

    def download(self, password: str | None = None, query: str = "") -> Answer:
        return self.visitor.get(f"{self.path}/download{query}", headers=with_password(password))

    def init(self, data: bytes, password: str | None = None, **members: Any) -> Answer:
        body = {"size": len(data)} | members
        return self.visitor.post(f"{self.path}/init-upload", body, headers=with_password(password))

    def commit(self, key: str, data: bytes, password: str | None = None, **members: Any) -> Answer:
        body = {"key": key, "size": len(data), "checksum": sha256(data)} | members
        return self.visitor.post(f"{self.path}/commit", body, headers=with_password(password))

    def upload(self, data: bytes, password: str | None = None) -> Answer:
        begun = self.init(data, password, checksum=sha256(data))
        assert begun.status == 201, begun.json
        assert put(begun["presigned_put_url"], data, begun["headers"]).status_code == 200
        return self.commit(begun["key"], data, password)


def share(owner: Client, visitor: Client, data: bytes = b"shared", **members: Any) -> Shared:
    """Upload a file of the owner's, or take `file_id`, and share it."""
    file_id = members.pop("file_id", None) or owner.upload(data, filename="shared.txt")["fileId"]
    made = owner.post("/shares", {"file_id": file_id, "permission": "read"} | members)
    assert made.status == 201, made.json
    return Shared(made["id"], made["token"], file_id, visitor)


def with_password(password: str | None) -> dict[str, str]:
    return {} if password is None else {"X-Share-Password": quote(password, safe="")}


def events(owner: Client, shared: Shared) -> list[tuple[str, str | None]]:
    """Return what the audit trail says, oldest first, with the reasons of refusals."""
    trail = owner.get(f"/shares/{shared.id}/events?page_size=200")["results"]
    return [
        (event["what"], event["reason"]) for event in reversed(trail) for _ in range(event["count"])
    ]
