"""Folders, and what is in them, as tests make and look at them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from files.models import File, Folder, User
from tests.support.client import Client
from tests.support.rows import make_file

NOBODYS = str(uuid4())
"""The id of a folder that never was."""


def make_folder(client: Client, name: str, parent_id: str | None = None) -> str:
    """Make a folder by the API; return its id."""
    made = client.post("/folders", {"name": name, "parent_id": parent_id})
    assert made.status == 201, made.json
    return str(made["id"])


def make_folders(client: Client, path: str) -> list[str]:
    """Make the folders of `a/b/c`, each in the one before; return their ids."""
    ids: list[str] = []
    for name in path.split("/"):
        ids.append(make_folder(client, name, ids[-1] if ids else None))
    return ids


def make_file_in(user: User, folder_id: str | None, name: str = "a.txt", **options: Any) -> str:
    """Insert a row of a file, which has no bytes; return its id."""
    file = make_file(user, name, **options)
    File.objects.filter(pk=file.pk).update(folder=folder_id)
    return str(file.pk)


def written_path(folder: Any) -> str:
    """Return the path of a folder as the API shows it."""
    return "/" + "/".join(step["name"] for step in folder["path"])


def names(listing: Any) -> list[str]:
    return [row["name"] for row in listing["results"]]


def drive(client: Client) -> dict[str, list[str]]:
    """Return what is present: the names of the files in each folder, by the folder's path."""
    found: dict[str, list[str]] = {}

    def look(path: str, place: str) -> None:
        found[path or "/"] = sorted(names(client.get(f"/files?folder_id={place}&page_size=200")))
        for folder in client.get(f"/folders?parent_id={place}&page_size=200")["results"]:
            look(f"{path}/{folder['name']}", folder["id"])

    look("", "root")
    return found


def depth_of(folder: Folder) -> int:
    """Return how many folders there are from the top to this one; fails where there is a loop."""
    seen = {folder.pk}
    while folder.parent is not None:
        folder = folder.parent
        assert folder.pk not in seen, "a loop"
        seen.add(folder.pk)
    return len(seen)
