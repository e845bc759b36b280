"""The drive in a browser: Django's session signs people in, and their page calls the API.

The API knows no session. The page gets a bearer token from `POST /token`, which takes nothing but
the session and its CSRF token, and renews it while it is open.
"""

from __future__ import annotations

import math

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from files.exceptions import BusyError, ThrottledError
from files.services.tokens import mint_for_page
from files.web.pages import page, sign_in_page
from remotedrive.http import content_policy, problems, views

TOKEN_SECONDS = 600


@require_safe
@never_cache
def drive(request: HttpRequest) -> HttpResponse:
    """Show the drive, or the sign-in form to whoever is not signed in."""
    if not request.user.is_authenticated:
        return sign_in_page(request)
    shown = {"user_name": request.user.get_username(), "user_id": request.user.pk}
    return page(request, "drive.html", shown, content_policy.of_drive())


@sensitive_post_parameters("password")
@require_POST
@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    """Take a user name and password; wrong ones are counted as those of the admin are."""
    if not settings.PASSWORD_SIGN_IN:
        return sign_in_page(request, "Passwords are not taken here. Sign in as the page says.", 403)
    form = AuthenticationForm(request, data=request.POST)
    name = request.POST.get("username", "")
    try:
        if form.is_valid():
            login(request, form.get_user())
            return HttpResponseRedirect("/", status=303)
    except ThrottledError as error:
        minutes = math.ceil((error.retry_after or 60) / 60)
        wait = "a minute" if minutes == 1 else f"{minutes} minutes"
        problem = f"Too many wrong passwords. Wait {wait}, then try again."
        return sign_in_page(request, problem, 429, name=name, retry_after=error.retry_after)
    except BusyError as error:
        problem = "The service is busy. Wait a few seconds, then try again."
        return sign_in_page(request, problem, 503, name=name, retry_after=error.retry_after)
    problem = "The user name or the password is not right. Check both and try again."
    return sign_in_page(request, problem, 403, name=name)


@never_cache
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a form; the one of the sign-in may be older than a sign-in in another tab."""
    if request.path_info not in ("/sign-in", "/sign-in/oidc"):
        return views.csrf_failure(request, reason)
    if request.user.is_authenticated:
        return HttpResponseRedirect("/", status=303)
    problem = "The form was out of date, or this browser keeps no cookies. Sign in once more."
    return sign_in_page(request, problem, 403)


@require_POST
@never_cache
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session; tokens that were issued end by themselves, within ten minutes."""
    logout(request)
    return HttpResponseRedirect("/", status=303)


@require_POST
@never_cache
def token(request: HttpRequest) -> HttpResponse:
    """Answer with a bearer token for whoever is signed in."""
    if not request.user.is_authenticated:
        return problems.response("not-authenticated", "Nobody is signed in here.")
    issued = mint_for_page(subject=request.user.subject, ttl=TOKEN_SECONDS)
    return JsonResponse({"token": issued, "expires_in": TOKEN_SECONDS})
