"""Makes the smoke test's request bodies and reads its responses. Standard library only."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import Any


def init_upload(path: str) -> str:
    """Return the body of init-upload for the file at `path`."""
    return json.dumps(
        {
            "filename": os.path.basename(path),
            "size": os.path.getsize(path),
            "content_type": "application/octet-stream",
        }
    )


def commit(path: str, answer: str) -> str:
    """Return the body of the commit of `path`; `answer` is init-upload's response."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    checksum = f"sha256:{digest.hexdigest()}"
    key = _read(answer)["key"]
    return json.dumps({"key": key, "size": os.path.getsize(path), "checksum": checksum})


def member(answer: str, name: str) -> str:
    """Return the member `name` of a response."""
    return str(_read(answer)[name])


def headers(answer: str) -> str:
    """Return a line `Name:value` for each header that the PUT must carry."""
    return "\n".join(f"{name}:{value}" for name, value in _read(answer)["headers"].items())


def curl_config(answer: str, name: str) -> str:
    """Return curl's configuration for the URL that is the member `name`, and the PUT's headers."""
    lines = [f'url = "{member(answer, name)}"']
    if name == "presigned_put_url":
        lines += [f'header = "{line}"' for line in headers(answer).splitlines()]
    return "\n".join(lines)


def same(first: str, second: str) -> None:
    """Raise ValueError unless both responses to the commit name the same version."""
    one, other = _read(first), _read(second)
    for name in ("fileId", "version", "key", "size", "checksum", "created_at"):
        if one[name] != other[name]:
            raise ValueError(f"{name}: {one[name]} and {other[name]}")


def split(raw: str, body: str) -> str:
    """Write the body of a raw HTTP response to the file `body`; return the status."""
    with open(raw, "rb") as file:
        head, _, rest = file.read().partition(b"\r\n\r\n")
    with open(body, "wb") as file:
        file.write(rest)
    return head.split(None, 2)[1].decode()


def _read(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        answer = json.load(file)
    if not isinstance(answer, dict):
        raise ValueError("the response is not an object")
    return answer


COMMANDS = {
    "init-upload": init_upload,
    "commit": commit,
    "member": member,
    "headers": headers,
    "curl-config": curl_config,
    "same": same,
    "split": split,
}

if __name__ == "__main__":
    try:
        printed = COMMANDS[sys.argv[1]](*sys.argv[2:])  # type: ignore[operator]
    except (OSError, ValueError, LookupError) as error:
        sys.exit(f"smoke: unexpected response: {error!r}")
    if printed:
        sys.stdout.write(f"{printed}\n")
