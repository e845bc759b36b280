"""What Schemathesis cannot know from the schema: what is in the drive, bytes, cursors and time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from schemathesis import Case, HookContext, Response

from tests.conformance.drive import BYTES, CHECKSUM, Drive, put

INITS = {"init_upload", "init_shared_upload"}
COMMITS = {"commit_upload", "commit_shared_upload"}
BATCHES = {"init_uploads", "commit_uploads"}
RESTORES = {"restore_file", "restore_folder"}
STAY = {"get_upload", "get_share", "list_share_events", "get_version"} | RESTORES
"""Operations that show what was aborted, revoked or purged, or take things out of the trash."""
PLACES = {"folder_id", "parent_id", "within"}
"""Members and parameters that are the id of a folder."""
KNOWN_BY_THE_SERVICE_ALONE = {
    ("cursor", "invalid_cursor"),  # It signed those that it handed out.
    ("expires_at", "out_of_range"),  # It depends on the time.
    ("part_numbers", "invalid"),  # It depends on the upload.
    ("base_version", "invalid"),
    ("folder_id", "invalid"),  # It depends on whether the upload makes a file.
    ("after", "invalid"),  # It depends on what has happened.
    ("max_downloads", "invalid"),  # It depends on the downloads so far.
    ("X-Share-Password", "invalid"),  # What is UTF-8 is more than the pattern says.
}
"""What is refused of a request that the schema allows: field and code."""

drive = Drive()
restored: set[str] = set()
"""The ids of files that were taken out of the trash."""
given: set[str] = set()
"""The ids, tokens and keys, and whatever else, that the service gave to what was made."""


def operation_id(case: Case[Any]) -> str:
    return str(case.operation.definition.raw["operationId"])


def whole(value: Any) -> Any:
    """Return `value` with `1` for `1.0`, which is an integer to JSON Schema, and not to us."""
    if isinstance(value, dict):
        return {name: whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Say in a form that Schemathesis follows what the links to the commits have in words."""
    for name in COMMITS:
        raw_schema["components"]["links"][f"SignedUpload.{name}"]["requestBody"] = {
            "key": "$response.body#/key",
            "checksum": "$request.body#/checksum",
            "size": "$request.body#/size",
        }


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Speak of what is there, where a request is meant to succeed and its values do not matter."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if isinstance(case.body, dict):
        case.body = whole(case.body)
    phase = case.meta.phase.name.value
    if phase in ("fuzzing", "stateful"):
        _name_what_is_there(case)
    if phase == "stateful" and isinstance(case.body, dict):
        if operation_id(case) in INITS:
            case.body |= {"size": len(BYTES), "checksum": CHECKSUM}
            for name in ("file_id", "base_version", "multipart"):
                case.body.pop(name, None)
        if isinstance(case.body.get("expires_at"), str):
            case.body["expires_at"] = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def _name_what_is_there(case: Case[Any]) -> None:
    """Put what is in the drive in the place of ids that the service never gave."""
    parameters, body = case.path_parameters, case.body
    if "id" in parameters and parameters["id"] not in given:
        of = {
            "files": lambda: drive.file["fileId"],
            "uploads": lambda: drive.upload["upload_id"],
            "shares": lambda: drive.share["id"],
            "folders": lambda: drive.folder["id"],
        }
        parameters["id"] = of[case.operation.path.split("/")[1]]()
        if "number" in parameters:
            parameters["number"] = 1
    if "token" in parameters and parameters["token"] not in given:
        parameters["token"] = drive.share["token"]
    for name in PLACES & case.query.keys():
        if case.query[name] != "root":
            case.query[name] = drive.folder["id"]
    if not isinstance(body, dict):
        return
    for name in PLACES & body.keys():
        if body[name] is not None and body[name] not in given:
            body[name] = drive.folder["id"]
    if operation_id(case) == "create_share" and body.get("file_id") not in given:
        body["file_id"] = drive.file["fileId"]
    if operation_id(case) == "commit_upload" and body.get("key") not in given:
        body |= {"key": drive.upload["key"], "size": len(BYTES), "checksum": CHECKSUM}


@schemathesis.hook
def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
    """PUT the bytes of an upload that was begun, so that its link leads to a commit."""
    named = operation_id(case)
    if named in RESTORES and response.status_code == 200:
        restored.add(case.path_parameters["id"])
    if response.status_code == 201:
        given.update(value for value in response.json().values() if isinstance(value, str))
    if named in INITS and response.status_code == 201:
        sent = case.body if isinstance(case.body, dict) else {}
        if (sent.get("checksum"), sent.get("size")) == (CHECKSUM, len(BYTES)):
            put(response.json())
    elif response.status_code < 300 and (case.method == "DELETE" or named in COMMITS):
        drive.forget()


@schemathesis.hook
def filter_failure(context: HookContext, failure: Any, case: Case[Any], response: Response) -> bool:
    """Return whether this is a failure: not where only the service could know."""
    named = operation_id(case)
    if failure.code == "ST202" and response.status_code == 400:
        errors = {(error["field"], error["code"]) for error in response.json().get("errors", ())}
        return not errors or not errors <= KNOWN_BY_THE_SERVICE_ALONE
    if failure.code == "ST301":
        return named not in STAY and case.path_parameters.get("id") not in restored
    # An item of a batch that is invalid is answered in its place, with the others.
    return not (failure.code == "ST201" and named in BATCHES and response.status_code == 200)
