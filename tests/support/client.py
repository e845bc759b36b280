"""A person who uses the API, the steps that all tests take, and the shape of every error."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
from django.test import Client as DjangoClient
from django.test.client import ClientHandler

from files.models import User
from files.services.tokens import mint
from remotedrive.http import problems
from tests.support import log_secrets, schema

_NO_TLS = False
"""The stores of the tests speak plain HTTP, and to load all certificates takes 35 ms a call."""
PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
FILE_MEMBERS = {
    "id",
    "name",
    "size",
    "content_type",
    "checksum",
    "integrity",
    "version",
    "key",
    "created_at",
    "updated_at",
    "deleted_at",
    "folder_id",
}


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass
class Answer:
    """What came back: status, headers, and the JSON in the body, if any."""

    status: int
    headers: Mapping[str, str]
    json: Any
    content: bytes

    def __getitem__(self, member: str) -> Any:
        return self.json[member]


def answered(
    method: str, path: str, body: Any, status: int, headers: Mapping[str, str], content: bytes
) -> Answer:
    """Return what a request was answered with, which must be as the schema describes it."""
    is_json = "json" in headers.get("Content-Type", "")
    answer = Answer(status, headers, json.loads(content) if is_json and content else None, content)
    schema.check(method, path, body, status, headers, answer.json)
    return answer


def assert_problem(answer: Answer, status: int, code: str) -> Answer:
    """Assert that `answer` is a well-formed problem document of this status and code."""
    assert (answer.status, answer.json.get("code")) == (status, code), answer.json
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json.keys() >= PROBLEM_MEMBERS, answer.json
    assert answer["type"] == f"/problems/{code}"
    assert answer["status"] == status == problems.CATALOGUE[code].status
    assert all(isinstance(answer[name], str) for name in PROBLEM_MEMBERS - {"status"})
    if code == "invalid":
        assert answer["errors"]
        assert all(error.keys() == {"field", "code", "message"} for error in answer["errors"])
    if status == 401 and code != "share-password":
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if status in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 1
    return answer


def assert_invalid(answer: Answer, *fields: str) -> None:
    """Assert that `answer` is a 400 `invalid` that names exactly these fields."""
    assert_problem(answer, 400, "invalid")
    assert {error["field"] for error in answer["errors"]} == set(fields)


def put(url: str, content: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """PUT to the store as a client does."""
    return httpx.put(
        url, content=content, headers=headers, timeout=60, trust_env=False, verify=_NO_TLS
    )


def fetch(url: str) -> httpx.Response:
    return httpx.get(url, timeout=60, trust_env=False, verify=_NO_TLS)


@cache
def _handler() -> ClientHandler:
    """The middleware of all clients: loading it reads every static file there is."""
    return ClientHandler(enforce_csrf_checks=False)


class Client:
    """Calls the API in this process as `user`, or as nobody."""

    def __init__(self, user: User | None) -> None:
        self._user = user
        self.token = None if user is None else mint(subject=user.subject, ttl=3600)
        self._client = DjangoClient(raise_request_exception=False)
        self._client.handler = _handler()

    @property
    def user(self) -> User:
        assert self._user is not None
        return self._user

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        address: str | None = None,
    ) -> Answer:
        """Call `path`; the client's IP `address` is 127.0.0.1 unless another is given."""
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        peer = address or "127.0.0.1"
        response = self._client.generic(
            method, path, data, content_type=content_type, headers=sent, REMOTE_ADDR=peer
        )
        content = b"".join(response) if response.streaming else response.content
        answer = answered(method, path, body, response.status_code, response.headers, content)
        log_secrets.remember_exchange(sent, body, answer.json, raw)
        return answer

    def get(self, path: str, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.call("POST", path, body, **options)

    def patch(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.call("PATCH", path, body, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        return self.call("DELETE", path, **options)

    def init(self, data: bytes = b"", **members: Any) -> Answer:
        """Begin an upload of `data`; `members` override or add to the body."""
        body = {"filename": "a.txt", "size": len(data), "content_type": "text/plain"} | members
        return self.post("/files/init-upload", body)

    def commit(self, key: str, data: bytes, **members: Any) -> Answer:
        body = {"key": key, "checksum": sha256(data), "size": len(data)} | members
        return self.post("/files/commit", body)

    def put(self, data: bytes, **members: Any) -> Answer:
        """Begin an upload of `data` and PUT it; return the answer of init-upload."""
        begun = self.init(data, **members)
        assert begun.status == 201, begun.json
        assert put(begun["presigned_put_url"], data, begun["headers"]).status_code == 200
        return begun

    def upload(self, data: bytes, **members: Any) -> Answer:
        """Upload and commit `data`; return the answer of commit."""
        begun = self.put(data, **members)
        committed = self.commit(begun["key"], data)
        assert committed.status == 201, committed.json
        return committed

    def read(self, file_id: str, version: int | None = None) -> bytes:
        """Download the bytes of a file, by default of its newest version."""
        part = "" if version is None else f"/versions/{version}"
        return fetch(self.get(f"/files/{file_id}{part}/download")["presigned_get_url"]).content
