"""Sign-in of the page at an OpenID provider.

The cookie of a session is `SameSite=Strict`: it comes with no request that another site began, and
the way back from the provider is one. So the attempt has a cookie of its own, and both ways end at
a page of this service that moves on by itself. That also keeps the provider, and wherever it
redirects to, out of `form-action`, which Chromium applies to every redirect of a form.
"""

from __future__ import annotations

import logging
import secrets

from django.conf import settings
from django.contrib.auth import login
from django.core.signing import BadSignature, TimestampSigner
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from files.exceptions import BusyError
from files.services import openid
from files.services.accounts import user_of_subject
from files.web.backend import OpenIDBackend, needs_password
from files.web.pages import page, sign_in_page
from remotedrive.http import content_policy

COOKIE = "oidc"
_PATH = "/sign-in/oidc"
_RETRY_SECONDS = 60
_BACKEND = f"{OpenIDBackend.__module__}.{OpenIDBackend.__qualname__}"
_AWAY = "The sign-in service does not answer. Try again in a minute."
_BUSY = "The service is busy. Wait a few seconds, then try again."
_CANCELLED = "The sign-in was cancelled, or the sign-in service refused it."
_UNCONFIRMED = "The sign-in could not be confirmed."
_NOT_HERE = (
    "This sign-in was used already, took longer than ten minutes, or began in another browser or "
    "tab; or this browser keeps no cookies."
)
_signer = TimestampSigner(salt=__name__)
_log = logging.getLogger(__name__)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def start(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider; by GET, to the page with the button that does so."""
    _require_provider()
    if request.method != "POST":
        return HttpResponseRedirect("/", status=303)
    seed = secrets.token_urlsafe(32)
    try:
        url = openid.authorization_url(openid.Attempt.of(seed), _address(request))
    except openid.ProviderUnavailableError:
        return sign_in_page(request, _AWAY, 503, retry_after=_RETRY_SECONDS)
    except BusyError as error:
        return sign_in_page(request, _BUSY, 503, retry_after=error.retry_after)
    response = _moving_on(request, url)
    response.set_cookie(
        COOKIE,
        _signer.sign(seed),
        max_age=openid.ATTEMPT_SECONDS,
        path=_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@require_GET
@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    """Take what the provider sends the browser back with, and begin a session."""
    _require_provider()
    attempt = _attempt_of(request)
    if attempt is None:
        # Some providers send an error without the state.
        return _refused(request, _CANCELLED if "error" in request.GET else _NOT_HERE, 400)
    response = _answered(request, attempt)
    response.delete_cookie(COOKIE, path=_PATH, samesite="Lax")
    return response


def _answered(request: HttpRequest, attempt: openid.Attempt) -> HttpResponse:
    if "error" in request.GET:
        openid.log_refusal(request.GET["error"])
        return _refused(request, _CANCELLED, 403)
    code = request.GET.get("code")
    if not code:
        return _refused(request, _UNCONFIRMED, 400)
    try:
        subject = openid.subject_of_code(attempt, code, _address(request))
    except openid.SignInRejectedError:
        return _refused(request, _UNCONFIRMED, 400)
    except openid.ProviderUnavailableError:
        return _refused(request, _AWAY, 503, retry_after=_RETRY_SECONDS)
    except BusyError as error:
        return _refused(request, _BUSY, 503, retry_after=error.retry_after)
    return _signed_in(request, subject)


def _signed_in(request: HttpRequest, subject: str) -> HttpResponse:
    user = user_of_subject(subject)
    if user is None:
        problem = "You have no account here. Ask whoever runs this service for one."
    elif not user.is_active:
        problem = "Your account is not active. Ask whoever runs this service."
    elif needs_password(user):
        problem = (
            "This account has rights in the admin and a password of its own. The sign-in service "
            "opens it only when it has no password: ask whoever runs this service."
        )
    else:
        login(request, user, backend=_BACKEND)
        _log.info("user %s signed in at the OpenID provider", user.pk)
        return _moving_on(request, "/")
    _log.info(
        "a sign-in at the OpenID provider was refused, user %s: %s", user and user.pk, problem
    )
    return _refused(request, problem, 403)


def _attempt_of(request: HttpRequest) -> openid.Attempt | None:
    """Return the attempt that this browser began and this callback ends; None: there is none."""
    try:
        seed = _signer.unsign(request.COOKIES.get(COOKIE, ""), max_age=openid.ATTEMPT_SECONDS)
    except BadSignature:
        return None
    attempt = openid.Attempt.of(seed)
    is_same = constant_time_compare(attempt.state, request.GET.get("state", ""))
    return attempt if is_same else None


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


def _require_provider() -> None:
    if settings.OIDC_ISSUER is None:
        raise Http404


def _moving_on(request: HttpRequest, url: str) -> HttpResponse:
    return _without_referrer(
        page(request, "moving_on.html", {"url": url}, content_policy.of_text())
    )


def _refused(
    request: HttpRequest, problem: str, status: int, *, retry_after: int | None = None
) -> HttpResponse:
    shown = {"problem": problem}
    response = page(request, "sign_in_refused.html", shown, content_policy.of_text(), status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return _without_referrer(response)


def _without_referrer(response: HttpResponse) -> HttpResponse:
    # The address of the callback has the code, and would go with the request for the style sheet.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
