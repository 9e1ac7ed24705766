"""Accounts about which something new has come in, until they are evaluated again."""

from __future__ import annotations

from django.db import models

from accounts.models.account import Account


class TouchedAccount(models.Model):
    """That new facts or events about an account were stored; written with them, taken by the next evaluation.

    Rows are only added and taken, never changed, so that two writers about one account do not wait for each other. No
    foreign key is enforced: an account that is gone by then has nothing to evaluate.
    """

    account = models.ForeignKey(Account, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    usage_only = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Nothing but usage is new: what is stored of the account is as it was.",
    )

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.account_id}, {self.at:%H:%M:%S}"
