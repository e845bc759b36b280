"""The page that a browser gets under `/s/`: HTML in place of the JSON, from the same data.

It decides nothing: status, problem and what is shown of a share are the API's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from django.template.loader import render_to_string
from rest_framework.renderers import BaseRenderer

from files.api.share_serializers import PASSWORD_LENGTH_MAX
from files.services.uploads import SINGLE_PUT_MAX

_SENTENCES = {
    "not-found": (
        "This link does not work",
        "There is nothing here. The link may be incomplete, or the file was taken away.",
    ),
    "share-revoked": (
        "This link was withdrawn",
        "Whoever sent it to you has ended it. Ask them for a new one.",
    ),
    "share-expired": (
        "This link has expired",
        "It was made for a limited time. Ask whoever sent it to you for a new one.",
    ),
    "share-exhausted": (
        "This link is used up",
        "It allowed a number of downloads, and all of them were made. "
        "Ask whoever sent it to you for a new one.",
    ),
    "share-password": (
        "The password is not right",
        "Check it and try again. Small and capital letters are not the same.",
    ),
    "unavailable": ("Not available just now", "Wait a few seconds, then try again."),
    "store-unavailable": ("Not available just now", "Wait a few seconds, then try again."),
}
"""What a person is told, by the code of the problem; for all others the problem's own words."""

_LINK_IS_DEAD = frozenset({"not-found", "share-revoked", "share-expired", "share-exhausted"})


class SharePageRenderer(BaseRenderer):
    """Renders what the API says of a share, or a problem, as a page."""

    media_type = "text/html"
    format = "html"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> str:
        context = renderer_context or {}
        response = context["response"]
        if response.status_code >= 400:
            template = "share_problem.html"
            shown = _refusal(data, response.headers.get("Retry-After"))
        else:
            template, shown = "share.html", _details(data)
        token = {"token": context["kwargs"]["token"]}
        return render_to_string(f"files/{template}", _limits() | shown | token)


def _limits() -> dict[str, int]:
    return {"password_length_max": PASSWORD_LENGTH_MAX, "size_max": SINGLE_PUT_MAX}


def _details(share: dict[str, Any]) -> dict[str, Any]:
    return {"share": share, "is_locked": "filename" not in share}


def _refusal(problem: dict[str, Any], retry_after: str | None) -> dict[str, Any]:
    code = problem["code"]
    if code == "throttled":
        minutes = math.ceil(int(retry_after or 60) / 60)
        wait = "a minute" if minutes == 1 else f"{minutes} minutes"
        sentence = ("Too many attempts", f"Wait {wait}, then try again.")
    else:
        sentence = _SENTENCES.get(code, (problem["title"], problem["detail"]))
    title, detail = sentence
    return {
        "title": title,
        "detail": detail,
        "asks_password": code == "share-password",
        "leads_back": code not in _LINK_IS_DEAD,
    }
