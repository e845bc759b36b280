"""What files and folders have in common: they may be in the trash, or purged."""

from __future__ import annotations

from typing import Self, TypeVar

from django.db import models
from django.db.models import Q

from files.models.users import User

RowT = TypeVar("RowT", bound=models.Model)
PRESENT, TRASHED = Q(deleted_at__isnull=True), Q(deleted_at__isnull=False)


class TrashQuerySet(models.QuerySet[RowT]):
    def visible_to(self, user: User) -> Self:
        """Return the user's own rows, including those in the trash, without the purged ones."""
        return self.filter(user=user, purged_at=None)

    def present(self) -> Self:
        return self.filter(PRESENT)

    def trashed(self) -> Self:
        """Return the rows in the trash; what is purged is in none."""
        return self.filter(TRASHED, purged_at=None)
