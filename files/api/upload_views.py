"""`/uploads`: those that are under way."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from files.api import rows
from files.api.base import StrictViewSet, validated
from files.api.fields import StrictSerializer
from files.api.operations import Page, operation
from files.api.pagination import OrderedPageQuery, page
from files.api.upload_serializers import (
    SignedUploadSerializer,
    UploadSerializer,
    UploadWithPartsSerializer,
    UrlsRequest,
)
from files.exceptions import (
    NotFoundError,
    StoreUnavailableError,
    UploadAbortedError,
    UploadCompleteError,
    UploadExpiredError,
)
from files.services import uploads


class UploadViewSet(StrictViewSet):
    """`/uploads`: those that are under way."""

    tag = "uploads"
    lookup_value_converter = "uuid"
    queries: ClassVar[dict[str, type[StrictSerializer]]] = {"list": OrderedPageQuery}

    @operation("list_uploads", {200: Page(UploadSerializer)})
    def list(self, request: Request) -> Response:
        """List the caller's pending uploads."""
        return page(request, uploads.pending_uploads(user=self.user), self.query, rows.UPLOAD)

    @operation(
        "get_upload",
        {200: UploadWithPartsSerializer},
        problems=(NotFoundError, UploadExpiredError, StoreUnavailableError),
    )
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show an upload in any state."""
        upload = uploads.get_upload(user=self.user, upload_id=pk)
        shown = rows.UPLOAD.of(upload)
        if upload.multipart and upload.state == upload.State.PENDING:
            parts = [rows.received_part(part) for part in uploads.received_parts(upload=upload)]
            return Response({**shown, "received_parts": parts})
        return Response(shown)

    @operation(
        "abort_upload",
        {204: None},
        problems=(NotFoundError, UploadCompleteError, UploadExpiredError),
    )
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Abort an upload."""
        uploads.abort_upload(user=self.user, upload_id=pk)
        return Response(status=204)

    @action(detail=True, methods=["post"])
    @operation(
        "sign_urls",
        {200: SignedUploadSerializer},
        body=UrlsRequest,
        body_required=False,
        problems=(
            NotFoundError,
            UploadCompleteError,
            UploadAbortedError,
            UploadExpiredError,
            StoreUnavailableError,
        ),
    )
    def urls(self, request: Request, pk: UUID) -> Response:
        """Sign fresh URLs for a pending upload."""
        arguments = validated(UrlsRequest, request.data)
        signed = uploads.fresh_urls(user=self.user, upload_id=pk, **arguments)
        return Response(rows.signed_upload(signed))
