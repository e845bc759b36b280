"""The admin: users can be edited, shares revoked; all else is read-only, and no secret is shown."""

from django.contrib import admin

from files.admin import drive, users

admin.site.index_template = "admin_index.html"

__all__ = ["drive", "users"]
