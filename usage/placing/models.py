"""Whose events are to be placed anew."""

from __future__ import annotations

from django.db import models

from accounts.models import EndUser


class PlacingMark(models.Model):
    """That a user's events without a context must be placed anew, in all time or from one instant to another.

    Set by a trigger of the relationships, whoever writes those, for users who have such events; and with such events,
    because their sender may have looked at the relationships before another transaction changed them. Rows are only
    added and taken, and no foreign key is enforced: nobody waits, and a user who is gone has no events.
    """

    user = models.ForeignKey(EndUser, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"user {self.user_id}"
