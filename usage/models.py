"""What customers do in the product: every event, a day's count of them, and the newest numbers per account and user."""

from __future__ import annotations

from django.db import models

from accounts.models import Account, EndUser
from usage.feeds.models import Feed, FeedArrival, FeedEvent, FeedHour, FeedSilence
from usage.placing.models import PlacingMark
from usage.traits.models import AccountTraits, Trait, TraitDay, UserTraits

__all__ = [
    "AccountTraits", "AccountUsage", "ActiveMonth", "DailyUsage", "DirtyDay", "Event", "EventName", "Feed",
    "FeedArrival", "FeedEvent", "FeedHour", "FeedSilence", "FirstUse", "MessageReceipt", "PendingUsage", "PlacingMark",
    "PrunedMonth", "RecentCount", "RecentDay", "RecentMark", "Trait", "TraitDay", "UserActivity", "UserTraits",
]  # fmt: skip


class EventName(models.Model):
    """A kind of event by its name, so that millions of rows hold a small number instead of a text."""

    id = models.SmallAutoField(primary_key=True)
    name = models.CharField(max_length=255, unique=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Event(models.Model):
    """One thing that happened, in the context of its account; partitioned by the month of `at` (see the migration).

    `at` is the client's corrected time, `received_at` ours; `folded` holds the folds of those properties that are
    texts. An event without an account counts for no account; an `inferred` one was not named by the sender and follows
    the user's periods of belonging (`usage.placing`). An event that is not `active` tells of a user who was not there
    (a server did it): it counts as an event, and is no sign of life. The database's primary key is (id, at), because a
    partitioned table's key must hold the partition's column.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, models.DO_NOTHING, null=True, db_index=False, related_name="+")
    user = models.ForeignKey(EndUser, models.DO_NOTHING, null=True, db_index=False, related_name="+")
    name = models.ForeignKey(EventName, models.PROTECT, db_index=False, related_name="+")
    at = models.DateTimeField()
    received_at = models.DateTimeField()
    properties = models.JSONField(default=dict, blank=True)
    folded = models.JSONField(default=dict, blank=True)
    source = models.CharField(max_length=80)
    message_id = models.CharField(max_length=255)
    active = models.BooleanField(default=True)
    inferred = models.BooleanField(default=False)

    class Meta:
        ordering = ("-at",)
        managed = False
        db_table = "usage_event"

    def __str__(self) -> str:
        return f"{self.name}, {self.at:%d %b %Y %H:%M}"


class MessageReceipt(models.Model):
    """That a message of a source was taken, once and for good, whatever time its repetition claims."""

    pk = models.CompositePrimaryKey("source", "message_id")
    source = models.CharField(max_length=80)
    message_id = models.CharField(max_length=255)

    def __str__(self) -> str:
        return f"{self.source}: {self.message_id}"


class PendingUsage(models.Model):
    """What new events add to the daily counts (or, after a correction, take away from them).

    Written with the events and in the same transaction, added up and removed by the roll-up, so each event is counted
    once whatever happens in between. Rows are only added and taken, never changed, so no writer waits for another. No
    foreign key is enforced: what belongs to nobody any more counts for nobody. `first_at` and `last_at` are of the
    signs of life; where all are `absent`, there are none.
    """

    account = models.ForeignKey(Account, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    user = models.ForeignKey(
        EndUser, models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    name = models.ForeignKey(EventName, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    day = models.DateField()
    count = models.IntegerField()
    absent = models.IntegerField(default=0, db_default=0)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "pending usage"

    def __str__(self) -> str:
        return f"{self.day}: {self.count:+}"


class PrunedMonth(models.Model):
    """A month whose events were dropped; its daily counts are all that is known of it and are not made anew."""

    month = models.DateField(primary_key=True, help_text="Its first day; months are cut in UTC.")
    at = models.DateTimeField(auto_now=True, help_text="When its events were last dropped.")

    class Meta:
        ordering = ("-month",)

    def __str__(self) -> str:
        return f"{self.month:%B %Y}"


class DirtyDay(models.Model):
    """A local day that must be counted anew from its events, for all accounts; taken by the roll-up."""

    day = models.DateField(primary_key=True)

    class Meta:
        ordering = ("day",)

    def __str__(self) -> str:
        return str(self.day)


class DailyUsageQuerySet(models.QuerySet["DailyUsage"]):
    """Questions about daily usage."""

    def active(self) -> DailyUsageQuerySet:
        """Only what is a sign of life."""
        return self.filter(count__gt=models.F("absent"))


class DailyUsage(models.Model):
    """How often an event happened on a local day, per account and user (no user: the account itself did it).

    A day is active if there are more events than `absent` ones, which tell of a user who was not there.
    """

    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="+")
    user = models.ForeignKey(EndUser, models.CASCADE, null=True, db_index=False, related_name="+")
    name = models.ForeignKey(EventName, models.PROTECT, db_index=False, related_name="+")
    day = models.DateField()
    count = models.PositiveIntegerField()
    absent = models.IntegerField(
        default=0, db_default=0, help_text="Those of them that tell of a user who was not there."
    )

    objects = DailyUsageQuerySet.as_manager()

    class Meta:
        ordering = ("-day", "id")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(absent__gte=0, absent__lte=models.F("count")), name="absent_are_some_of_all"
            ),
            # "Event X in the last N days", per account; the order is that of the question. The count is in the index,
            # so that the question reads nothing else (measured: a quarter less time, a quarter of the blocks).
            models.UniqueConstraint(
                fields=["name", "day", "account", "user"],
                include=["count"],
                nulls_distinct=False,
                name="one_count_per_day",
            ),
        ]
        indexes = [
            # The usage chart of one account.
            models.Index(fields=["account", "day"], name="daily_usage_of_account"),
            # Replacing a day as a whole.
            models.Index(fields=["day"], name="daily_usage_of_day"),
            # Erasing a user, and the foreign key's own check when the user goes.
            models.Index(fields=["user"], name="daily_usage_of_user", condition=models.Q(user__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.count}"


class ActiveMonth(models.Model):
    """On which days of a month a user was active in an account (no user: what the account itself did).

    Bit 0 of `days` is the first day of the month. Kept by triggers of the daily usage, whoever writes that: the same in
    short, one small row instead of one for every day and event, from which the figures about half a year are made for
    all accounts in one pass.
    """

    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="+")
    user = models.ForeignKey(EndUser, models.CASCADE, null=True, db_index=False, related_name="+")
    month = models.DateField(help_text="Its first day.")
    days = models.IntegerField()

    class Meta:
        constraints = [
            # Adding a day; the months of some accounts.
            models.UniqueConstraint(fields=["account", "user", "month"], nulls_distinct=False, name="one_active_month"),
        ]
        indexes = [
            # The last months of all accounts.
            models.Index(fields=["month"], name="active_month_by_month"),
            # Erasing a user, and the foreign key's own check when the user goes.
            models.Index(fields=["user"], name="active_month_of_user", condition=models.Q(user__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.days.bit_count()} days of {self.month:%B %Y}"


class FirstUse(models.Model):
    """The local day on which an event happened in an account for the first time.

    Kept by triggers of the daily usage, so it is always that of the daily usage as it stands: "for the first time",
    "ever" and "never" need no look at all the days before.
    """

    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="+")
    name = models.ForeignKey(EventName, models.PROTECT, db_index=False, related_name="+")
    day = models.DateField()

    class Meta:
        constraints = [
            # Adding what happened, and the events of an account that is deleted.
            models.UniqueConstraint(fields=["account", "name"], name="one_first_use"),
        ]
        indexes = [
            # "For the first time in the last N days", for every account from the index alone.
            models.Index(fields=["name", "day", "account"], name="first_use_by_day"),
        ]

    def __str__(self) -> str:
        return f"since {self.day}"


class RecentDay(models.Model):
    """The day for which recent counts are kept."""

    day = models.DateField(primary_key=True)

    def __str__(self) -> str:
        return str(self.day)


class RecentMark(models.Model):
    """That the daily usage was written (by a trigger), with the transaction that did. While there is one, the recent
    counts are not used."""

    made_by = models.BigIntegerField()

    def __str__(self) -> str:
        return f"transaction {self.made_by}"


class RecentCount(models.Model):
    """The daily usage of an account in the last so many days up to a day, summed up once for all questions about it.

    For today, and for the day before each of the shorter windows begins, so that the two can be compared.
    The database does not check the references: that would take as long again as the rows, which are made from rows that
    were checked, and one that lost its account is met by no question.
    """

    day = models.DateField()
    days = models.PositiveSmallIntegerField()
    account = models.ForeignKey(Account, models.CASCADE, db_index=False, db_constraint=False, related_name="+")
    name = models.ForeignKey(EventName, models.PROTECT, db_index=False, db_constraint=False, related_name="+")
    count = models.PositiveBigIntegerField()
    users = models.PositiveIntegerField()
    active_days = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            # "Event X at least so often in the last N days", for every account from the index alone.
            models.UniqueConstraint(
                fields=["name", "days", "day", "account"],
                include=["count", "users", "active_days"],
                name="one_recent_count",
            ),
        ]
        indexes = [
            # Counting some accounts again, and deleting an account.
            models.Index(fields=["account", "day"], name="recent_count_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.count} in {self.days} days up to {self.day}"


class UserActivity(models.Model):
    """When a user was first and last seen in an account; "active in the last N days" follows from it."""

    account = models.ForeignKey(Account, models.CASCADE, db_index=False, related_name="+")
    user = models.ForeignKey(EndUser, models.CASCADE, related_name="activity")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "user activity"
        constraints = [models.UniqueConstraint(fields=["account", "user"], name="one_activity_per_user_and_account")]
        indexes = [
            # Active users of every account in one pass.
            models.Index(fields=["last_seen_at"], name="activity_by_last_seen"),
        ]

    def __str__(self) -> str:
        return f"last seen {self.last_seen_at:%d %b %Y}"


class AccountUsage(models.Model):
    """The newest usage numbers of an account: users who were active in the last N local days, today included.

    "Before" is the period of the same length just before. A user-day is a day on which a user was active: the busiest
    user's part in all of them says how much hangs on one person. `active_span_180d` are the days from the first active
    day of the last 180 to the last one.
    """

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="usage")
    active_users_7d = models.PositiveIntegerField(default=0)
    active_users_30d = models.PositiveIntegerField(default=0)
    active_users_90d = models.PositiveIntegerField(default=0)
    active_users_365d = models.PositiveIntegerField(default=0, db_default=0)
    active_users_before_30d = models.PositiveIntegerField(default=0, db_default=0)
    active_users_before_90d = models.PositiveIntegerField(default=0, db_default=0)
    events_30d = models.PositiveIntegerField(default=0)
    event_kinds_30d = models.PositiveSmallIntegerField(default=0, db_default=0)
    event_kinds_90d = models.PositiveSmallIntegerField(default=0, db_default=0)
    active_days_30d = models.PositiveSmallIntegerField(default=0)
    active_days_90d = models.PositiveSmallIntegerField(default=0, db_default=0)
    active_days_before_30d = models.PositiveSmallIntegerField(default=0, db_default=0)
    active_days_before_90d = models.PositiveSmallIntegerField(default=0, db_default=0)
    active_span_180d = models.PositiveSmallIntegerField(default=0, db_default=0)
    user_days_90d = models.PositiveIntegerField(default=0, db_default=0)
    busiest_user_days_90d = models.PositiveSmallIntegerField(default=0, db_default=0)
    first_seen_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "account usage"

    def __str__(self) -> str:
        return f"{self.active_users_30d} active users"
