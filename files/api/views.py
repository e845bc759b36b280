"""The viewsets: authenticate, validate, call one service function, serialize."""

from __future__ import annotations

import re
from typing import ClassVar
from uuid import UUID

from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from files.api.base import StrictViewSet, body_of, invalid, validated
from files.api.fields import StrictSerializer
from files.api.pagination import OrderedPageQuery, PageQuery, page
from files.api.serializers import (
    CommitRequest,
    CommitSerializer,
    DownloadQuery,
    DownloadSerializer,
    FileSerializer,
    FilesQuery,
    FileVersionSerializer,
    InitUploadRequest,
    ReceivedPartSerializer,
    RenameRequest,
    SignedUploadSerializer,
    UploadSerializer,
    UrlsRequest,
)
from files.services import commits, downloads, files, uploads
from files.services.downloads import Download

_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")


def download_response(download: Download, *, redirect: bool) -> HttpResponseBase:
    """Answer with the presigned URL: as JSON, or by sending the client there."""
    headers = {"Cache-Control": "no-store"}
    if redirect:
        return HttpResponseRedirect(download.url, headers=headers)
    return Response(DownloadSerializer(download).data, headers=headers)


class FileViewSet(StrictViewSet):
    """`/files`: uploads into the drive, and what is in it."""

    lookup_value_converter = "uuid"
    queries: ClassVar[dict[str, type[StrictSerializer]]] = {
        "list": FilesQuery,
        "versions": PageQuery,
        "download": DownloadQuery,
        "download_version": DownloadQuery,
    }

    @action(detail=False, methods=["post"], url_path="init-upload")
    def init_upload(self, request: Request) -> Response:
        arguments = validated(InitUploadRequest, body_of(request))
        idempotency_key = request.headers.get("Idempotency-Key")
        if idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            raise invalid("Idempotency-Key", "1 to 255 visible ASCII characters are required.")
        signed = uploads.init_upload(user=self.user, idempotency_key=idempotency_key, **arguments)
        return Response(SignedUploadSerializer(signed).data, status=201)

    @action(detail=False, methods=["post"])
    def commit(self, request: Request) -> Response:
        commit = commits.commit_upload(user=self.user, **validated(CommitRequest, body_of(request)))
        return Response(CommitSerializer(commit).data, status=201 if commit.created else 200)

    def list(self, request: Request) -> Response:
        filters = {
            name: value
            for name, value in self.query.items()
            if name not in OrderedPageQuery().fields
        }
        return page(
            request, files.list_files(user=self.user, **filters), self.query, FileSerializer
        )

    def retrieve(self, request: Request, pk: UUID) -> Response:
        file, newest = files.get_file(user=self.user, file_id=pk)
        versions = FileVersionSerializer(newest, many=True)
        return Response({**FileSerializer(file).data, "versions": versions.data})

    def partial_update(self, request: Request, pk: UUID) -> Response:
        arguments = validated(RenameRequest, body_of(request))
        file = files.rename_file(user=self.user, file_id=pk, **arguments)
        return Response(FileSerializer(file).data)

    def destroy(self, request: Request, pk: UUID) -> Response:
        files.trash_file(user=self.user, file_id=pk)
        return Response(status=204)

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: UUID) -> Response:
        validated(StrictSerializer, request.data)
        return Response(FileSerializer(files.restore_file(user=self.user, file_id=pk)).data)

    @action(detail=True)
    def download(self, request: Request, pk: UUID) -> HttpResponseBase:
        return self._download(pk, None)

    @action(detail=True)
    def versions(self, request: Request, pk: UUID) -> Response:
        found = files.list_versions(user=self.user, file_id=pk)
        return page(request, found, self.query, FileVersionSerializer, by="version")

    @action(detail=True, url_path="versions/<int:number>")
    def version(self, request: Request, pk: UUID, number: int) -> Response:
        found = files.get_version(user=self.user, file_id=pk, version=number)
        return Response(FileVersionSerializer(found).data)

    @action(detail=True, url_path="versions/<int:number>/download")
    def download_version(self, request: Request, pk: UUID, number: int) -> HttpResponseBase:
        return self._download(pk, number)

    def _download(self, file_id: UUID, version: int | None) -> HttpResponseBase:
        inline = self.query["disposition"] == "inline"
        download = downloads.download(
            user=self.user, file_id=file_id, version=version, inline=inline
        )
        return download_response(download, redirect=self.query["redirect"])


class UploadViewSet(StrictViewSet):
    """`/uploads`: those that are under way."""

    lookup_value_converter = "uuid"
    queries: ClassVar[dict[str, type[StrictSerializer]]] = {"list": OrderedPageQuery}

    def list(self, request: Request) -> Response:
        return page(request, uploads.pending_uploads(user=self.user), self.query, UploadSerializer)

    def retrieve(self, request: Request, pk: UUID) -> Response:
        upload = uploads.get_upload(user=self.user, upload_id=pk)
        shown = UploadSerializer(upload).data
        if upload.multipart and upload.state == upload.State.PENDING:
            parts = ReceivedPartSerializer(uploads.received_parts(upload=upload), many=True)
            return Response({**shown, "received_parts": parts.data})
        return Response(shown)

    def destroy(self, request: Request, pk: UUID) -> Response:
        uploads.abort_upload(user=self.user, upload_id=pk)
        return Response(status=204)

    @action(detail=True, methods=["post"])
    def urls(self, request: Request, pk: UUID) -> Response:
        arguments = validated(UrlsRequest, request.data)
        signed = uploads.fresh_urls(user=self.user, upload_id=pk, **arguments)
        return Response(SignedUploadSerializer(signed).data)
