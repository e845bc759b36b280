#!/usr/bin/env python3
"""Fetches what the pages use from npm, as `files/static/files/vendor/vendored.json` pins it.

`scripts/vendor.py` writes the files; needs npm. Each package's integrity and each file's SHA-256
must be those that are recorded; `--record` writes them anew, after a version was changed there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "files" / "static" / "files" / "vendor"
LIST = FOLDER / "vendored.json"


def main() -> int:
    """Write the files; return 1 if something is not what was recorded."""
    record = sys.argv[1:] == ["--record"]
    packages = json.loads(LIST.read_text(encoding="utf-8"))
    for package in packages:
        archive = _fetch(package["name"], package["version"])
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
        if record:
            package["integrity"] = integrity
        elif integrity != package["integrity"]:
            sys.stderr.write(f"{package['name']} is not what was recorded\n")
            return 1
        for file in package["files"]:
            content = _member(archive, file["from"])
            digest = hashlib.sha256(content).hexdigest()
            if record:
                file["sha256"] = digest
            elif digest != file["sha256"]:
                sys.stderr.write(f"{file['from']} is not what was recorded\n")
                return 1
            (FOLDER / file["to"]).write_bytes(content)
    if record:
        LIST.write_text(json.dumps(packages, indent=2) + "\n", encoding="utf-8")
    return 0


def _fetch(name: str, version: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{name}@{version}"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)  # noqa: S603
        (packed,) = Path(folder).glob("*.tgz")
        return packed.read_bytes()


def _member(archive: bytes, name: str) -> bytes:
    with tempfile.TemporaryFile() as file:
        file.write(archive)
        file.seek(0)
        with tarfile.open(fileobj=file) as members:
            found = members.extractfile(f"package/{name}")
            if found is None:
                raise SystemExit(f"{name} is not in the package")
            return found.read()


if __name__ == "__main__":
    sys.exit(main())
