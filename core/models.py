"""Abstract models and the one row of settings that every app reads."""

from __future__ import annotations

import datetime as dt
import zoneinfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from core.intake import BadValue, clean_currency


class Timestamped(models.Model):
    """Rows that know when they were made and last changed (instants, UTC)."""

    created_at = models.DateTimeField(auto_now_add=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True, editable=False)

    class Meta:
        abstract = True


def validate_time_zone(name: str) -> None:
    """Refuse what is not an IANA zone, because every window of days depends on it."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"“{name}” is not a time zone. Use a name such as Europe/Oslo or America/New_York.")


CURRENCY = "^[A-Z]{3}$"  # ISO 4217, as it is stored everywhere


def validate_currency(code: str) -> None:
    """Refuse what is not a currency code as it is stored: three capital letters."""
    try:
        clean = clean_currency(code)
    except BadValue as error:
        raise ValidationError(str(error)) from error
    if clean != code:
        raise ValidationError(f"Write the currency in capital letters: {clean}.")


WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def validate_work_days(text: str) -> None:
    """Refuse what does not name at least one day of the week, each once, as iCalendar does."""
    days = text.split(",")
    if not set(days) <= set(WEEKDAYS) or len(set(days)) != len(days):
        raise ValidationError(f"“{text}” does not name days of the week. Write them like MO,TU,WE,TH,FR.")


class ApiToken(models.Model):
    """A token that lets a program act as its owner. Only its digest is kept; the token itself is shown once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60, blank=True, help_text="What uses it, for example “Nightly export”.")
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the token, in hex.")
    hint = models.CharField(max_length=4, editable=False, help_text="The last four characters of the token.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at", "-id")
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name or 'Token'} …{self.hint}"


class Workspace(models.Model):
    """The settings of this installation: one company, one row (id 1)."""

    class Reach(models.TextChoices):
        """Which accounts a customer-success manager may see; managers and administrators see all."""

        ALL = "all", "Every account"
        OWN = "own", "Own and unassigned accounts"

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(max_length=120, default="csbox")
    currency = models.CharField(
        max_length=3, default="USD", validators=[validate_currency],
        help_text="ISO 4217 code; money is compared in it.",
    )  # fmt: skip
    time_zone = models.CharField(
        max_length=64, default="UTC", validators=[validate_time_zone], help_text="Decides where a day begins."
    )
    refresh_at = models.TimeField(default=dt.time(0, 10), help_text="Local time of the daily refresh.")
    csm_reach = models.CharField(max_length=8, choices=Reach, default=Reach.ALL)
    work_days = models.CharField(
        max_length=20, default="MO,TU,WE,TH,FR", db_default="MO,TU,WE,TH,FR", validators=[validate_work_days],
        help_text="The days on which people work, as in MO,TU,WE,TH,FR. “In 3 working days” counts these.",
    )  # fmt: skip

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="one_workspace"),
            models.CheckConstraint(condition=models.Q(currency__regex=CURRENCY), name="workspace_currency_is_a_code"),
            models.CheckConstraint(condition=models.Q(csm_reach__in=["all", "own"]), name="workspace_reach_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def get(cls) -> Workspace:
        """The row, made with its defaults on a new installation."""
        found = cls.objects.filter(pk=1).first()
        return found or cls.objects.get_or_create(pk=1)[0]

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The zone in which a day begins and ends."""
        return zoneinfo.ZoneInfo(self.time_zone)

    @property
    def weekdays(self) -> tuple[int, ...]:
        """The days on which people work, Monday as 0."""
        return tuple(place for place, name in enumerate(WEEKDAYS) if name in self.work_days.split(","))


class DailyJob(models.Model):
    """A piece of work that is due once on each local date; one row per date, so that it cannot happen twice."""

    name = models.CharField(max_length=40)
    local_date = models.DateField()
    attempts = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-local_date", "name")
        constraints = [models.UniqueConstraint(fields=["name", "local_date"], name="one_job_per_local_date")]

    def __str__(self) -> str:
        return f"{self.name} of {self.local_date}"


class IdempotentAnswer(models.Model):
    """What a write over the API was answered, by the Idempotency-Key that its sender gave it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    answer = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_per_key")]
        # Those that are old enough to be forgotten.
        indexes = [models.Index(fields=["created_at"], name="answer_by_age")]

    def __str__(self) -> str:
        return self.key


class WakeUp(models.Model):
    """That a task was sent and has not begun yet, so that it need not be sent again (see `core.waking`)."""

    task = models.CharField(max_length=120, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.task}, {self.at:%H:%M:%S}"
