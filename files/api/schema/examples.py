"""Examples of requests and responses, put together from an example of each member."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
_ID = "019a3f5e-7c1b-7d2e-9a4f-3b6c8d0e1f22"
_TOKEN = "3q2-7wE9vXcL0pRk5tYbNg"  # noqa: S105
_KEY = "uploads/2026/01/31/01KG9M5Z8Q3V7XH2N4C6B0T1RD-k3v9x2aq-report.pdf"
_STORE = "https://store.example.org/remotedrive"
_MEMBERS: Schema = {
    "name": "report.pdf",
    "kind": "file-created",
    "path": [{"id": _ID, "name": "Reports"}],
    "seq": 7,
    "filename": "report.pdf",
    "size": 5120,
    "content_type": "application/pdf",
    "checksum": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "key": _KEY,
    "presigned_put_url": f"{_STORE}/{_KEY}?X-Amz-Algorithm=AWS4-HMAC-SHA256",
    "presigned_get_url": f"{_STORE}/{_KEY}?X-Amz-Algorithm=AWS4-HMAC-SHA256",
    "headers": {},
    "part_size": 16777216,
    "subject": "alice",
    "username": "alice",
    "user": "alice",
    "email": "alice@example.org",
    "files": 12,
    "bytes_used": 5368709120,
    "quota_bytes": 21474836480,
    "password": "correct horse battery staple",
    "permission": "read",
    "max_downloads": 10,
    "token": _TOKEN,
    "url": f"https://drive.example.org/s/{_TOKEN}",
    "address": "192.0.2.0/24",
    "what": "downloaded",
    "part_numbers": [1, 2],
}
"""Members that are not the first value of their type."""
_NOT_SENT = {"file_id", "base_version", "multipart", "max_downloads", "expires_at"}
"""Members of requests that an example leaves out if it may."""
_FORMATS = {"uuid": _ID, "date-time": "2026-01-31T12:00:00Z", "uri": "https://drive.example.org/"}
_TYPES = {"string": "text", "integer": 1, "boolean": False}


def add(document: Schema) -> None:
    """Add an example to each JSON body of `document`."""
    for operations in document["paths"].values():
        for operation in operations.values():
            body = operation.get("requestBody", {"content": {}})
            for content in body["content"].values():
                content["example"] = _example(document, "", content["schema"], sent=True)
            for response in operation["responses"].values():
                content = response.get("content", {}).get("application/json")
                if content is not None and "example" not in content:
                    content["example"] = _example(document, "", content["schema"], sent=False)


def _example(document: Schema, name: str, schema: Schema, *, sent: bool) -> Any:
    """Return an example of the member `name`."""
    if "$ref" in schema:
        component = schema["$ref"].rpartition("/")[2]
        return _example(document, name, document["components"]["schemas"][component], sent=sent)
    if name in _MEMBERS:
        return _MEMBERS[name]
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return _example(document, name, schema[several][0], sent=sent)
    if "enum" in schema:
        return schema["enum"][0]
    kinds = schema.get("type", "object")
    if "null" in kinds:
        return None
    if kinds == "object":
        required = schema.get("required", [])
        return {
            each: _example(document, each, member, sent=sent)
            for each, member in schema.get("properties", {}).items()
            if each in required or (sent and each not in _NOT_SENT)
        }
    if kinds == "array":
        return [_example(document, "", schema["items"], sent=sent)]
    return _FORMATS.get(schema.get("format", ""), _TYPES[kinds])
