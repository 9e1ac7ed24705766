"""Traits as people define them, and the newest value of each for every account and user."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import Account, EndUser
from accounts.models.attribute import KEY
from accounts.models.traits import FoldedField
from core.models import Timestamped


class Trait(Timestamped):
    """A computed field: what it is about, how it is computed, and how its last computation went.

    `definition` is JSON in the grammar of `usage.traits.definitions`; `kind` is the kind of the value that follows from
    it. `error` says why the last computation failed; the values of the one before are kept then.
    """

    class Subject(models.TextChoices):
        """Whose field it is. A trait of a user is one of the user in an account."""

        ACCOUNT = "account", "Account"
        USER = "user", "User"

    subject = models.CharField(max_length=8, choices=Subject, default=Subject.ACCOUNT)
    key = models.CharField(max_length=60, validators=[KEY], help_text="Used in rules and the API; never changes.")
    name = models.CharField(max_length=120)
    name_folded = FoldedField(of="name")
    description = models.CharField(max_length=255, blank=True)
    method = models.CharField(max_length=20)
    definition = models.JSONField(default=dict, blank=True)
    kind = models.CharField(max_length=10, editable=False)
    active = models.BooleanField(default=True)
    computed_at = models.DateTimeField(null=True, editable=False)
    duration_ms = models.FloatField(null=True, editable=False)
    values_count = models.PositiveIntegerField(default=0, editable=False)
    error = models.CharField(max_length=500, blank=True, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ("subject", "name_folded", "id")
        constraints = [
            models.UniqueConstraint(fields=["subject", "key"], name="trait_key_unique"),
            models.UniqueConstraint(fields=["subject", "name_folded"], name="trait_name_unique"),
            models.CheckConstraint(condition=~Q(key="") & ~Q(name=""), name="trait_is_named"),
            models.CheckConstraint(condition=Q(subject__in=["account", "user"]), name="trait_subject_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def field_key(self) -> str:
        """The key of its field in rules."""
        return f"{self.subject}.trait.{self.key}"

    @property
    def band_key(self) -> str:
        """The key of the field for the bands of a score."""
        return f"{self.field_key}.band"


class AccountTraits(models.Model):
    """The traits of an account: `shown` as people read them by key, `folded` the texts among them for comparison.

    A missing value has no key. The shapes are those of `accounts.models.traits.Attributed`.
    """

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="traits")
    shown = models.JSONField(default=dict)
    folded = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "account traits"

    def __str__(self) -> str:
        return f"{len(self.shown)} traits"


class UserTraits(models.Model):
    """The traits of a user in one account; what the user did in another account is another row."""

    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="+")
    user = models.ForeignKey(EndUser, models.CASCADE, related_name="+")
    shown = models.JSONField(default=dict)
    folded = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "user traits"
        constraints = [models.UniqueConstraint(fields=["account", "user"], name="one_traits_row_per_user_and_account")]

    def __str__(self) -> str:
        return f"{len(self.shown)} traits"


class TraitDay(models.Model):
    """The numeric traits of an account that changed on a local day: their values at its end, until they change again.

    `figures` is by the trait's primary key (as text), so that a later trait of the same name has no part in it; null
    says that there was no value any more.
    """

    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="+")
    day = models.DateField()
    figures = models.JSONField(default=dict)

    class Meta:
        ordering = ("-day",)
        constraints = [
            # Also what the line of an account is read by.
            models.UniqueConstraint(fields=["account", "day"], name="one_trait_row_per_account_and_day"),
        ]

    def __str__(self) -> str:
        return f"{len(self.figures)} traits on {self.day:%d %b %Y}"
