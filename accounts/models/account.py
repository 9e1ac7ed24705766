"""The account: a customer company, in its stage, level and status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform

from accounts.models.traits import Attributed, NameKeyField, SearchTextField
from core.intake import fold
from core.models import Timestamped

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser


LIVE = Q(archived_at__isnull=True)


class Term(models.Model):
    """One value of a list that the company may change: stable key, label, order."""

    key = models.SlugField(max_length=60, primary_key=True)
    name = models.CharField(max_length=80)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True
        ordering = ("position", "key")

    def __str__(self) -> str:
        return self.name


class LifecycleStage(Term):
    """A stage of the customer lifecycle; sub-stages belong to one of four kinds (CustomerSuccessBox's types)."""

    class Kind(models.TextChoices):
        """What a stage means to the application, whatever the company calls it."""

        TRIAL = "trial", "Trial"
        ONBOARDING = "onboarding", "Onboarding"
        LIVE = "live", "Live"
        CANCELLED = "cancelled", "Cancelled"

    kind = models.CharField(max_length=12, choices=Kind)

    class Meta(Term.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["trial", "onboarding", "live", "cancelled"]), name="stage_kind_known"
            )
        ]


class AccountLevel(Term):
    """A tier such as Target, Qualified or Strategic; the lowest position is the highest tier."""


class AccountStatus(Term):
    """What the account is to the company: Prospect, Customer, Partner, ..."""


class AccountQuerySet(models.QuerySet["Account"]):
    """Who is a customer at all, and who may see which."""

    def live(self) -> Self:
        """Every account that was not archived: the base of every segment, so that no rule has to say so."""
        return self.filter(LIVE)

    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """The live accounts this person may see: all, or own and unassigned ones in a restricted workspace."""
        member = getattr(user, "member", None)
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if getattr(user, "is_superuser", False) or (member is None and getattr(user, "is_staff", False)):
            return self.live()
        if member is None:
            return self.none()
        if not member.is_restricted():
            return self.live()
        open_ones = Q(assignments__ended_at__isnull=True, assignments__isnull=False)
        mine = models.Exists(self.model.objects.filter(open_ones, pk=models.OuterRef("pk"), assignments__member=member))
        taken = models.Exists(self.model.objects.filter(open_ones, pk=models.OuterRef("pk")))
        return self.live().filter(mine | ~taken)

    def holding(self, text: str) -> Self:
        """Those whose name, domain or id holds the text, whatever its case."""
        wanted = fold(text)
        if not wanted:
            return self
        texts = {f"{name}_text": KeyTextTransform(name, "folded") for name in ("domain", "external_id")}
        unwritten = self.model.objects.filter(search_text__isnull=True).alias(**texts)
        found = Q(name_folded__contains=wanted) | Q(domain_text__contains=wanted) | Q(external_id_text__contains=wanted)
        return self.filter(Q(search_text__contains=wanted) | Q(pk__in=unwritten.filter(found).values("pk")))


class Account(Attributed, Timestamped):
    """A customer company: the thing that health, alerts and segments are about.

    `mrr`, `licences`, `plan`, `renews_on` and the trial dates are kept by `accounts.billing` from the account's
    subscriptions; `stated_mrr` and `stated_licences` are used for an account that has none. Money is in the
    workspace's currency, a month's worth.
    """

    folded_columns: ClassVar[list[str]] = [
        "external_id",
        "name",
        "domain",
        "industry",
        "country",
        "plan",
        "churn_reason",
    ]

    external_id = models.CharField(max_length=255, unique=True, help_text="The id your own systems use; never changes.")
    name = models.CharField(max_length=255)
    name_folded = NameKeyField(of="name")
    search_text = SearchTextField(of=("name", "domain", "external_id"))
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="children")
    domain = models.CharField(max_length=255, blank=True)
    industry = models.CharField(max_length=120, blank=True)
    country = models.CharField(max_length=120, blank=True)
    stage = models.ForeignKey(LifecycleStage, models.PROTECT, null=True, blank=True, db_column="stage", db_index=False)
    level = models.ForeignKey(AccountLevel, models.PROTECT, null=True, blank=True, db_column="level", db_index=False)
    status = models.ForeignKey(AccountStatus, models.PROTECT, null=True, blank=True, db_column="status", db_index=False)
    customer_since = models.DateField(null=True, blank=True)
    churned_on = models.DateField(null=True, blank=True)
    churn_reason = models.CharField(max_length=255, blank=True)

    stated_mrr = models.DecimalField(
        "MRR without subscriptions", max_digits=20, decimal_places=2, null=True, blank=True
    )
    stated_licences = models.PositiveIntegerField("licences without subscriptions", null=True, blank=True)
    mrr = models.DecimalField("MRR", max_digits=20, decimal_places=2, null=True, blank=True, editable=False)
    licences = models.PositiveIntegerField(null=True, blank=True, editable=False)
    plan = models.CharField(max_length=120, blank=True, editable=False)
    renews_on = models.DateField(null=True, blank=True, editable=False)
    trial_starts_on = models.DateField(null=True, blank=True, editable=False)
    trial_ends_on = models.DateField(null=True, blank=True, editable=False)

    archived_at = models.DateTimeField(null=True, blank=True)

    objects = AccountQuerySet.as_manager()

    class Meta:
        ordering = ("name_folded", "id")
        constraints = [
            models.CheckConstraint(condition=~Q(external_id=""), name="account_has_external_id"),
            models.CheckConstraint(condition=Q(mrr__isnull=True) | Q(mrr__gte=0), name="account_mrr_not_negative"),
            models.CheckConstraint(
                condition=Q(stated_mrr__isnull=True) | Q(stated_mrr__gte=0), name="account_stated_mrr"
            ),
            models.CheckConstraint(condition=~Q(parent=models.F("id")), name="account_not_own_parent"),
            # Who came back has no churn date.
            models.CheckConstraint(
                condition=Q(churned_on__isnull=True)
                | Q(customer_since__isnull=True)
                | Q(churned_on__gte=models.F("customer_since")),
                name="account_churned_after_it_came",
                violation_error_message="An account cannot have churned before it became a customer. "
                "If it came back, clear the churn date.",
            ),
        ]
        indexes = [
            # Accounts 360 and the API, a page at a time in the order of the sort; deep pages too, because they are read
            # from the index alone.
            models.Index(fields=["name_folded", "id"], include=["archived_at"], name="account_by_name_live"),
            models.Index(
                models.F("mrr").desc(nulls_last=True), "name_folded", "id", condition=LIVE, name="account_by_mrr_live"
            ),
            models.Index(fields=["mrr", "name_folded", "id"], condition=LIVE, name="account_by_mrr_up_live"),
            models.Index(fields=["renews_on", "name_folded", "id"], condition=LIVE, name="account_by_renewal_live"),
            models.Index(
                models.F("renews_on").desc(nulls_last=True),
                "name_folded",
                "id",
                condition=LIVE,
                name="account_by_renewal_down",
            ),
            # The same by texts; they also tell the planner how often a value of them occurs.
            models.Index(
                KeyTextTransform("industry", "folded"), "name_folded", "id", condition=LIVE, name="account_by_industry"
            ),
            models.Index(
                KeyTextTransform("plan", "folded"), "name_folded", "id", condition=LIVE, name="account_by_plan"
            ),
            # Search, counts and filters on these columns: a seventh of the table's size, in the order in which members
            # are kept, so that a segment is narrowed by a merge of two indexes.
            models.Index(
                fields=["id"],
                include=["search_text", "name_folded", "mrr", "licences", "renews_on", "stage", "level", "status"],
                condition=LIVE,
                name="account_listed",
            ),
            # The few that are searched column by column.
            models.Index(fields=["id"], condition=Q(search_text__isnull=True), name="account_without_search_text"),
            # How many live accounts there are, from the index alone.
            models.Index(fields=["id"], condition=LIVE, name="account_live"),
        ]

    def __str__(self) -> str:
        return self.name or self.external_id

    def clean(self) -> None:
        """Refuse a circle of parents, which no constraint can."""
        seen: set[Any] = {self.pk}
        above = self.parent
        while above is not None:
            if above.pk in seen:
                raise ValidationError({"parent": f"{above} is already below this account."})
            seen.add(above.pk)
            above = above.parent
