"""`/folders`, and `/lookup`, which follows a path through them."""

from __future__ import annotations

from functools import partial
from typing import ClassVar
from uuid import UUID

from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from files.api import rows
from files.api.base import StrictViewSet, body_of, validated
from files.api.fields import StrictSerializer
from files.api.folder_serializers import (
    ChangeFolderRequest,
    CreateFolderRequest,
    FolderSerializer,
    FoldersQuery,
    FoundSerializer,
    LookupQuery,
)
from files.api.operations import Page, operation
from files.api.pagination import page
from files.api.serializers import DeleteQuery
from files.exceptions import FolderLoopError, FolderTooDeepError, NameTakenError, NotFoundError
from files.services import folder_trash, folders


class FolderViewSet(StrictViewSet):
    """The places of the caller's files."""

    tag = "folders"
    lookup_value_converter = "uuid"
    queries: ClassVar[dict[str, type[StrictSerializer]]] = {
        "list": FoldersQuery,
        "destroy": DeleteQuery,
    }

    @operation(
        "create_folder",
        {201: FolderSerializer},
        body=CreateFolderRequest,
        problems=(NotFoundError, NameTakenError, FolderTooDeepError),
    )
    def create(self, request: Request) -> Response:
        """Make a folder."""
        arguments = validated(CreateFolderRequest, body_of(request))
        made = folders.create_folder(user=self.user, **arguments)
        return Response(rows.folder(made), status=201)

    @operation("list_folders", {200: Page(FolderSerializer)}, problems=(NotFoundError,))
    def list(self, request: Request) -> Response:
        """List the folders in one place, or those in the trash, by name."""
        where = {name: self.query[name] for name in ("parent_id", "trashed") if name in self.query}
        found = partial(folders.list_folders, user=self.user, **where)
        return page(request, found, self.query, rows.FOLDER, by="name", ascending=True)

    @operation("get_folder", {200: FolderSerializer}, problems=(NotFoundError,))
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show a folder."""
        return Response(rows.folder(folders.get_folder(user=self.user, folder_id=pk)))

    @operation(
        "change_folder",
        {200: FolderSerializer},
        body=ChangeFolderRequest,
        problems=(NotFoundError, NameTakenError, FolderLoopError, FolderTooDeepError),
    )
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Rename a folder, move it with all that is in it, or both."""
        arguments = validated(ChangeFolderRequest, body_of(request))
        changed = folders.change_folder(user=self.user, folder_id=pk, **arguments)
        return Response(rows.folder(changed))

    @operation("delete_folder", {204: None}, problems=(NotFoundError,))
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Move a folder to the trash with all that is in it, or purge it for good."""
        permanent = self.query["permanent"]
        remove = folder_trash.purge_folder if permanent else folder_trash.trash_folder
        remove(user=self.user, folder_id=pk)
        return Response(status=204)

    @action(detail=True, methods=["post"])
    @operation(
        "restore_folder",
        {200: FolderSerializer},
        problems=(NotFoundError, NameTakenError, FolderTooDeepError),
    )
    def restore(self, request: Request, pk: UUID) -> Response:
        """Take a folder out of the trash, with what went there with it."""
        validated(StrictSerializer, request.data)
        restored = folder_trash.restore_folder(user=self.user, folder_id=pk)
        return Response(rows.folder(restored))


class LookupViewSet(StrictViewSet):
    """`/lookup`: what a path leads to."""

    tag = "folders"
    basename = "lookup"
    queries: ClassVar[dict[str, type[StrictSerializer]]] = {"retrieve": LookupQuery}

    @operation("look_up", {200: FoundSerializer}, problems=(NotFoundError,))
    def retrieve(self, request: Request) -> Response:
        """Show what a path leads to: a folder, or the newest file of that name."""
        found = folders.look_up(user=self.user, names=self.query["path"])
        return Response(rows.found(found))
