"""What accounts were worth on past days."""

from __future__ import annotations

from django.db import models

from accounts.models.account import Account


class MrrDay(models.Model):
    """The MRR of an account at the end of a local day on which it changed, in the workspace's currency; it holds until
    the next such day. `recalled` says that it was made afterwards, of the terms that the subscriptions had."""

    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="mrr_days")
    day = models.DateField()
    mrr = models.DecimalField("MRR", max_digits=20, decimal_places=2, null=True)
    recalled = models.BooleanField(default=False, db_default=False)

    class Meta:
        ordering = ("-day",)
        verbose_name = "MRR of a day"
        verbose_name_plural = "MRR by day"
        constraints = [
            # Also what the MRR of an account on a day is read by.
            models.UniqueConstraint(fields=["account", "day"], name="one_mrr_per_account_and_day"),
        ]

    def __str__(self) -> str:
        return f"{self.account} on {self.day:%d %b %Y}: {self.mrr}"
