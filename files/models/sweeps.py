"""Which days of keys the collector has gone through."""

from __future__ import annotations

from django.db import models


class SweptDay(models.Model):
    """A day (UTC) under whose keys nothing is left that no row pins."""

    day = models.DateField(primary_key=True)
    swept_at = models.DateTimeField()

    class Meta:
        db_table = "swept_days"

    def __str__(self) -> str:
        return str(self.day)
