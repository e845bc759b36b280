"""Wrong passwords, counted."""

from __future__ import annotations

from django.db import models


class WrongPasswords(models.Model):
    """The number of wrong passwords for a subject from a network, in a window of time."""

    subject = models.CharField(
        max_length=80, help_text="A share, a user name (as a digest), or every sign-in."
    )
    address = models.CharField(
        max_length=45, blank=True, help_text="The network that they came from; `*` for all."
    )
    since = models.DateTimeField(db_index=True, help_text="The time of the first.")
    count = models.PositiveIntegerField()

    class Meta:
        db_table = "wrong_passwords"
        verbose_name_plural = "wrong passwords"
        constraints = (
            models.UniqueConstraint(
                fields=["subject", "address"], name="wrong_passwords_one_count"
            ),
        )

    def __str__(self) -> str:
        return f"{self.count} for {self.subject}"
