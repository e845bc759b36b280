"""The admin: users can be edited, shares revoked; all else is read-only, and no secret is shown."""

from files.admin import drive, users

__all__ = ["drive", "users"]
