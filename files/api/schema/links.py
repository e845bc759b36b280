"""Which operation can follow which, from the members of one's answer to the other's path."""

from __future__ import annotations

import re
from typing import Any

Schema = dict[str, Any]
_LEADS_TO: dict[str, list[tuple[str, dict[str, str]]]] = {
    "SignedUpload": [("/uploads/", {"id": "upload_id"})],
    "Upload": [("/uploads/", {"id": "upload_id"})],
    "Commit": [("/files/", {"id": "fileId", "number": "version"})],
    "File": [("/files/", {"id": "id", "number": "version"})],
    "FileWithVersions": [("/files/", {"id": "id", "number": "version"})],
    "Folder": [("/folders/", {"id": "id"})],
    "Share": [("/shares/", {"id": "id"})],
    "NewShare": [("/shares/", {"id": "id"}), ("/s/", {"token": "token"})],
}
"""The paths that an object leads to, with the member that stands for each parameter."""
# An object as requestBody, which OpenAPI allows, is more than some generators read.
_AFTER_THE_PUT = "After the PUT, with the `key` of this answer."


def add(document: Schema) -> None:
    """Add links to the responses of `document`."""
    components: Schema = {}
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if links := _links(document, operation["operationId"], status, response):
                    response["links"] = {
                        name: {"$ref": f"#/components/links/{key}"} for name, key, _ in links
                    }
                    components |= {key: link for _, key, link in links}
    document["components"]["links"] = dict(sorted(components.items()))


def _links(
    document: Schema, operation_id: str, status: str, response: Schema
) -> list[tuple[str, str, Schema]]:
    """Return the name, the key as a component, and the link itself of each."""
    content = response.get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    found = []
    for prefix, members in _LEADS_TO.get(name, ()) if status.startswith("2") else ():
        for path, operations in document["paths"].items():
            parameters = re.findall(r"\{(\w+)\}", path)
            if not path.startswith(prefix) or not parameters or set(parameters) - set(members):
                continue
            values = {each: f"$response.body#/{members[each]}" for each in parameters}
            for target in operations.values():
                link = {"operationId": target["operationId"], "parameters": values}
                found.append((target["operationId"], f"{name}.{target['operationId']}", link))
    if operation_id == "init_upload" and status == "201":
        link = {"operationId": "commit_upload", "description": _AFTER_THE_PUT}
        found.append(("commit_upload", "SignedUpload.commit_upload", link))
    if operation_id == "init_shared_upload" and status == "201":
        link = {
            "operationId": "commit_shared_upload",
            "parameters": {"token": "$request.path.token"},
            "description": _AFTER_THE_PUT,
        }
        found.append(("commit_shared_upload", "SignedUpload.commit_shared_upload", link))
    return found
