"""What an account bought, and the money of it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models.account import Account, Term
from accounts.models.traits import Attributed
from core.models import CURRENCY, Timestamped


class SubscriptionStatus(Term):
    """A company's own status name, which belongs to one of four kinds (CustomerSuccessBox's types)."""

    class Kind(models.TextChoices):
        """What a status means to the application. A trial is a Future subscription: it earns nothing yet."""

        ACTIVE = "active", "Active"
        CANCELLED = "cancelled", "Cancelled"
        FUTURE = "future", "Future"
        SUSPENDED = "suspended", "Suspended"

    kind = models.CharField(max_length=12, choices=Kind)

    class Meta(Term.Meta):
        verbose_name_plural = "subscription statuses"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["active", "cancelled", "future", "suspended"]),
                name="subscription_status_kind_known",
            )
        ]


class ExchangeRate(models.Model):
    """What one unit of a currency is worth in the workspace's currency."""

    currency = models.CharField(max_length=3, primary_key=True)
    rate = models.DecimalField(max_digits=18, decimal_places=8)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("currency",)
        constraints = [
            models.CheckConstraint(condition=Q(rate__gt=0), name="exchange_rate_positive"),
            models.CheckConstraint(condition=Q(currency__regex=CURRENCY), name="exchange_rate_currency_is_a_code"),
        ]

    def __str__(self) -> str:
        return f"1 {self.currency} = {self.rate.normalize()}"


class Subscription(Attributed, Timestamped):
    """A contract for a plan. `mrr` is a month's worth in `currency`; `mrr_base` the same in the workspace's currency.

    MRR as Stripe defines it: a trial does not count until it becomes active, and it stops counting when cancelled.
    """

    class Period(models.TextChoices):
        """How often it is billed."""

        MONTHLY = "monthly", "Monthly"
        QUARTERLY = "quarterly", "Quarterly"
        YEARLY = "yearly", "Yearly"
        OTHER = "other", "Other"

    folded_columns: ClassVar[list[str]] = ["external_id", "plan"]

    external_id = models.CharField(max_length=255, unique=True)
    account = models.ForeignKey(Account, models.CASCADE, related_name="subscriptions")
    plan = models.CharField(max_length=120, blank=True)
    status = models.ForeignKey(SubscriptionStatus, models.PROTECT, db_column="status", db_index=False)
    mrr = models.DecimalField("MRR", max_digits=20, decimal_places=2, default=0)
    currency = models.CharField(max_length=3)
    mrr_base = models.DecimalField(
        "MRR in the workspace's currency", max_digits=20, decimal_places=2, null=True, editable=False
    )
    quantity = models.PositiveIntegerField("licences", null=True, blank=True)
    billing_period = models.CharField(max_length=12, choices=Period, blank=True)
    starts_on = models.DateField(null=True, blank=True)
    ends_on = models.DateField(null=True, blank=True)
    trial_starts_on = models.DateField(null=True, blank=True)
    trial_ends_on = models.DateField(null=True, blank=True)
    renews_on = models.DateField(null=True, blank=True)
    auto_renew = models.BooleanField(null=True, blank=True)

    class Meta:
        ordering = ("id",)
        constraints = [
            models.CheckConstraint(condition=~Q(external_id=""), name="subscription_has_external_id"),
            models.CheckConstraint(condition=Q(mrr__gte=0), name="subscription_mrr_not_negative"),
            models.CheckConstraint(condition=Q(currency__regex=CURRENCY), name="subscription_currency_is_a_code"),
            models.CheckConstraint(
                condition=Q(billing_period__in=["", "monthly", "quarterly", "yearly", "other"]),
                name="subscription_billing_period_known",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(starts_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="subscription_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(trial_ends_on__isnull=True)
                | Q(trial_starts_on__isnull=True)
                | Q(trial_ends_on__gte=F("trial_starts_on")),
                name="subscription_trial_ends_after_start",
            ),
        ]
        indexes = [
            # Subscription 360, soonest renewal first.
            models.Index(fields=["renews_on", "id"], name="subscription_by_renewal"),
        ]

    def __str__(self) -> str:
        return f"{self.plan or self.external_id} of {self.account}"
