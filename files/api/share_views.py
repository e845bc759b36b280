"""`/shares`, for the owner of a file, and `/s/{token}`, for whoever holds the token."""

from __future__ import annotations

import re
from typing import Any, ClassVar
from urllib.parse import unquote
from uuid import UUID

from django.http import QueryDict
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from rest_framework.decorators import action
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response

from files.api import rows
from files.api.base import StrictViewSet, body_of, invalid, validated
from files.api.fields import StrictSerializer
from files.api.links import absolute
from files.api.operations import Page, RequestHeader, operation
from files.api.pagination import PageQuery, page
from files.api.parsers import StrictJSONParser
from files.api.serializers import DownloadQuery, DownloadSerializer
from files.api.share_page import SharePageRenderer
from files.api.share_serializers import (
    PASSWORD_LENGTH_MAX,
    ChangeShareRequest,
    CreateShareRequest,
    NewShareSerializer,
    PasswordRequest,
    ShareCommitRequest,
    SharedFileSerializer,
    ShareEventSerializer,
    ShareInitUploadRequest,
    ShareSerializer,
    SharesQuery,
)
from files.api.throttling import ShareThrottle
from files.api.upload_serializers import CommitSerializer, SignedUploadSerializer
from files.api.views import COMMIT_ERRORS, download_response
from files.exceptions import (
    CorruptError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    ShareExhaustedError,
    ShareExpiredError,
    SharePasswordError,
    ShareRevokedError,
    ThrottledError,
    TooManySharesError,
    TooManyUploadsError,
)
from files.services import share_access, shares
from files.services.share_access import ShareAccess
from remotedrive.http import content_policy
from remotedrive.http.views import prefers_html

SHARE_PASSWORD = RequestHeader(
    "X-Share-Password",
    # A character has up to four bytes, each of them three characters when it is encoded.
    re.compile(rf"[\t -~]{{0,{12 * PASSWORD_LENGTH_MAX}}}"),
    f"The password of the share, in UTF-8, percent-encoded; at most {PASSWORD_LENGTH_MAX} "
    "characters before.",
)
OPENING_ERRORS = (
    NotFoundError,
    ShareRevokedError,
    ShareExpiredError,
    ShareExhaustedError,
    ThrottledError,
)
PASSWORD_ERRORS = (*OPENING_ERRORS, SharePasswordError)


class ShareViewSet(StrictViewSet):
    """The shares of the caller's files."""

    tag = "shares"
    lookup_value_converter = "uuid"
    queries: ClassVar[dict[str, type[StrictSerializer]]] = {
        "list": SharesQuery,
        "events": PageQuery,
    }

    @operation(
        "create_share",
        {201: NewShareSerializer},
        body=CreateShareRequest,
        problems=(NotFoundError, TooManySharesError),
    )
    def create(self, request: Request) -> Response:
        """Share one of the caller's files.

        The `token` and the `url` of the share are shown this once.
        """
        arguments = validated(CreateShareRequest, body_of(request))
        created = shares.create_share(user=self.user, **arguments)
        url = absolute(request, f"/s/{created.token}")
        shown = {**rows.SHARE.of(created.share), "token": created.token, "url": url}
        return Response(shown, status=201, headers={"Cache-Control": "no-store"})

    @operation("list_shares", {200: Page(ShareSerializer)})
    def list(self, request: Request) -> Response:
        """List the shares of the caller's files."""
        found = shares.list_shares(user=self.user, file_id=self.query["file_id"])
        return page(request, found, self.query, rows.SHARE)

    @operation("get_share", {200: ShareSerializer}, problems=(NotFoundError,))
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show a share."""
        return Response(rows.SHARE.of(shares.get_share(user=self.user, share_id=pk)))

    @operation(
        "change_share",
        {200: ShareSerializer},
        body=ChangeShareRequest,
        problems=(NotFoundError, ShareRevokedError),
    )
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change a share.

        What is not given stays; null takes a limit away. URLs that were handed out still work until
        they expire.
        """
        members = validated(ChangeShareRequest, body_of(request))
        share = shares.change_share(user=self.user, share_id=pk, members=members)
        return Response(rows.SHARE.of(share))

    @operation("revoke_share", {204: None}, problems=(NotFoundError,))
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Revoke a share."""
        shares.revoke_share(user=self.user, share_id=pk)
        return Response(status=204)

    @action(detail=True)
    @operation("list_share_events", {200: Page(ShareEventSerializer)}, problems=(NotFoundError,))
    def events(self, request: Request, pk: UUID) -> Response:
        """List what was done and refused through a share, newest first."""
        found = shares.list_events(user=self.user, share_id=pk)
        return page(request, found, self.query, rows.EVENT, by="at")


class SharedFileViewSet(StrictViewSet):
    """The file that a share opens to whoever has its token, without an account.

    Where `has_page`, a client that prefers HTML gets a page.
    """

    tag = "shared files"
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (ShareThrottle,)
    # Mail programs and networks add parameters to links that people pass on.
    ignores_unknown_parameters = True
    has_page = False
    page_preferred = False
    queries: ClassVar[dict[str, type[StrictSerializer]]] = {
        "download": DownloadQuery,
        "download_with_password": DownloadQuery,
    }

    @operation(
        "get_shared_file",
        {200: SharedFileSerializer},
        headers=(SHARE_PASSWORD,),
        problems=OPENING_ERRORS,
    )
    def retrieve(self, request: Request, token: str) -> HttpResponseBase:
        """Show what a share opens."""
        access = self._open_share(token)
        password = header_password(request)
        if password is None and access.share.password is not None:
            share_access.require_not_throttled(access)
            return Response(rows.locked_share(access.share))
        try:
            share_access.check_password(access=access, password=password)
        except SharePasswordError:
            return Response(rows.locked_share(access.share))
        return Response(rows.open_share(access.share, shares.newest_version(access.share)))

    @operation(
        "download_shared_file",
        {200: DownloadSerializer, 302: None},
        headers=(SHARE_PASSWORD,),
        problems=(*PASSWORD_ERRORS, CorruptError),
    )
    def download(self, request: Request, token: str) -> HttpResponseBase:
        """Sign a URL for the newest version, and count a download.

        The URL ends with the share at the latest. HEAD is 405.
        """
        access = self._open_checked(token, header_password(request))
        return self._download(access, redirect=self.page_preferred or self.query["redirect"])

    @operation(
        "download_shared_file_with_password",
        {200: DownloadSerializer, 302: None, 303: None},
        body=PasswordRequest,
        body_required=False,
        headers=(SHARE_PASSWORD,),
        problems=(*PASSWORD_ERRORS, CorruptError),
    )
    def download_with_password(self, request: Request, token: str) -> HttpResponseBase:
        """Sign a URL for the newest version, with the share's password in the body.

        A form is answered 303 to the store.
        """
        data = request.data
        is_form = isinstance(data, QueryDict)
        given = validated(PasswordRequest, data.dict() if isinstance(data, QueryDict) else data)
        password = given["password"] or header_password(request)
        access = self._open_checked(token, password)
        is_browser = is_form or self.page_preferred
        response = self._download(access, redirect=is_browser or self.query["redirect"])
        if is_browser:
            response.status_code = 303
        return response

    @operation(
        "init_shared_upload",
        {201: SignedUploadSerializer},
        body=ShareInitUploadRequest,
        headers=(SHARE_PASSWORD,),
        problems=(
            *PASSWORD_ERRORS,
            PermissionDeniedError,
            TooManyUploadsError,
            QuotaExceededError,
        ),
    )
    def init_upload(self, request: Request, token: str) -> Response:
        """Begin the upload of a new version, through a `write` share."""
        access = self._open_checked(token, header_password(request))
        if "Idempotency-Key" in request.headers:
            raise invalid("Idempotency-Key", "Unknown field.", "unknown")
        arguments = validated(ShareInitUploadRequest, body_of(request))
        signed = shares.init_upload(access=access, **arguments)
        return Response(rows.signed_upload(signed), status=201)

    @operation(
        "commit_shared_upload",
        {201: CommitSerializer, 200: CommitSerializer},
        body=ShareCommitRequest,
        headers=(SHARE_PASSWORD,),
        problems=(*PASSWORD_ERRORS, *COMMIT_ERRORS, PermissionDeniedError),
    )
    def commit(self, request: Request, token: str) -> Response:
        """Record what was uploaded through this share.

        The same commit again answers 200 with the same version.
        """
        access = self._open_checked(token, header_password(request))
        commit = shares.commit(access=access, **validated(ShareCommitRequest, body_of(request)))
        return Response(rows.commit(commit), status=201 if commit.created else 200)

    def get_parsers(self) -> list[Any]:
        # A form, as the page sends it without JavaScript, is for the download only.
        parsers: list[Any] = [StrictJSONParser()]
        if getattr(self, "action_map", {}).get("post") == "download_with_password":
            parsers.append(FormParser())
        return parsers

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        self.page_preferred = self.has_page and prefers_html(request)
        if self.page_preferred:
            return SharePageRenderer(), SharePageRenderer.media_type
        return super().perform_content_negotiation(request, force)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if self.page_preferred:
            response.headers["Content-Security-Policy"] = content_policy.of_share_page()
        if self.has_page:
            patch_vary_headers(response, ["Accept"])
        return response

    def _open_share(self, token: str) -> ShareAccess:
        return share_access.open_by_token(
            token=token, address=self.request.META.get("REMOTE_ADDR", "")
        )

    def _open_checked(self, token: str, password: str | None) -> ShareAccess:
        access = self._open_share(token)
        share_access.check_password(access=access, password=password)
        return access

    def _download(self, access: ShareAccess, *, redirect: bool) -> HttpResponseBase:
        inline = self.query["disposition"] == "inline"
        return download_response(shares.download(access=access, inline=inline), redirect=redirect)


def header_password(request: Request) -> str | None:
    """Return the password in `X-Share-Password` (UTF-8, percent-encoded), None without one."""
    value = request.headers.get("X-Share-Password")
    if not value:
        return None
    try:
        password = unquote(value.encode("ascii").decode("ascii"), errors="strict")
    except UnicodeError as error:
        raise invalid("X-Share-Password", "Percent-encoded UTF-8 is required.") from error
    if len(password) > PASSWORD_LENGTH_MAX or "\0" in password:
        raise invalid("X-Share-Password", f"At most {PASSWORD_LENGTH_MAX} characters.")
    return password
