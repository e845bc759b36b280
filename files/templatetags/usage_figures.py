"""`{% usage_figures %}`: what the service holds, on the admin's first page."""

from __future__ import annotations

from typing import Any

from django import template

from files.admin.usage import figures

register = template.Library()


@register.inclusion_tag("usage_figures.html", takes_context=True)
def usage_figures(context: dict[str, Any]) -> dict[str, Any]:
    return {"figures": figures(context["request"])}
