"""The fields of accounts, their people, subscriptions and team, and the sets of rows that rules quantify over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from django.db.models import F, Q, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, NullIf

from accounts.fields import Category, Choice, Field, Kind, Owner, Rows, RowSet, provide, register, register_rows
from accounts.fields.attributes import column, custom, custom_shown, filled, text
from accounts.figures import (
    LICENCES_TOLD,
    MRR_TOLD,
    PLAN_TOLD,
    RENEWAL_TOLD,
    TRIAL_TOLD,
    last_touchpoint,
    mrr_change,
)
from accounts.models import (
    Account,
    AccountLevel,
    AccountStatus,
    Assignment,
    AssignmentRole,
    AttributeDefinition,
    LifecycleStage,
    Relationship,
    Subscription,
    SubscriptionStatus,
    Team,
    TeamMember,
    UserInAccount,
)
from accounts.models.account import Term
from core.intake import fold


def _first_set(*paths: str) -> Combinable:
    """The first of these columns that is not empty."""
    return Coalesce(*(NullIf(path, Value("")) for path in paths[:-1]), F(paths[-1]), output_field=TextField())


register_rows(
    RowSet(
        Rows.USERS,
        lambda: Relationship.objects.open(),
        "account",
        {Owner.RELATIONSHIP: "", Owner.USER: "user__"},
        _first_set("user__name", "user__email", "user__external_id"),
    ),
    RowSet(Rows.ACCOUNTS, lambda: Account.objects.live(), "pk", {}),
    RowSet(
        Rows.IN_ACCOUNTS,
        lambda: UserInAccount.objects.live(),
        "account",
        {Owner.RELATIONSHIP: "", Owner.USER: "user__", Owner.ACCOUNT: "account__"},
        _first_set("account__name", "account__external_id"),
    ),
    RowSet(
        Rows.SUBSCRIPTIONS,
        lambda: Subscription.objects.all(),
        "account",
        {Owner.SUBSCRIPTION: ""},
        _first_set("plan", "external_id"),
    ),
    RowSet(
        Rows.ASSIGNMENTS,
        lambda: Assignment.objects.filter(ended_at__isnull=True),
        "account",
        {Owner.ASSIGNMENT: ""},
    ),
)


def terms(model: type[Term]) -> Callable[[], list[Choice]]:
    """The values of a list that the company keeps."""
    return lambda: [Choice(term.key, term.name) for term in model._default_manager.all()]


def enum_choices(pairs: Iterable[tuple[str, str]]) -> Callable[[], list[Choice]]:
    """The values of a list that the code keeps."""
    return lambda: [Choice(value, label) for value, label in pairs]


def people() -> list[Choice]:
    """Every colleague."""
    return [Choice(member.key, member.name) for member in TeamMember.objects.all()]


def teams() -> list[Choice]:
    """Every team, by its folded name."""
    return [Choice(fold(team.name), team.name) for team in Team.objects.all()]


account = partial(Field, owner=Owner.ACCOUNT, category=Category.ACCOUNTS, stored=True)
register(
    account(key="account.name", stamp="name", label="Name", kind=Kind.TEXT, value=text("name"), shown=column("name")),
    account(
        key="account.external_id", label="Account id", kind=Kind.TEXT, value=text("external_id"),
        shown=column("external_id"),
    ),
    account(
        key="account.parent", stamp="parent", label="Parent account id", kind=Kind.TEXT,
        value=lambda prefix: text("external_id")(f"{prefix}parent__"), shown=column("parent__external_id"),
        description="The account id of the account that this one belongs to.",
    ),
    account(
        key="account.domain", stamp="domain", label="Domain", kind=Kind.TEXT, value=text("domain"),
        shown=column("domain"),
    ),
    account(
        key="account.industry", stamp="industry", label="Industry", kind=Kind.TEXT, value=text("industry"),
        shown=column("industry"),
    ),
    account(
        key="account.country", stamp="country", label="Country", kind=Kind.TEXT, value=text("country"),
        shown=column("country"),
    ),
    account(
        key="account.plan", known=PLAN_TOLD, label="Plan", kind=Kind.TEXT, value=text("plan"), shown=column("plan"),
        description="Of the largest active subscription.",
    ),
    account(
        key="account.stage", stamp="stage", label="Lifecycle stage", kind=Kind.CHOICE, value=column("stage_id"),
        choices=terms(LifecycleStage),
    ),
    account(
        key="account.stage_type", stamp="stage", label="Lifecycle stage type", kind=Kind.CHOICE,
        value=column("stage__kind"), choices=enum_choices(LifecycleStage.Kind.choices),
    ),
    account(
        key="account.level",
        stamp="level",
        label="Account level",
        kind=Kind.CHOICE,
        value=column("level_id"),
        choices=terms(AccountLevel),
        stored=False,  # rules may decide it, also by usage
    ),
    account(
        key="account.status", stamp="status", label="Account status", kind=Kind.CHOICE, value=column("status_id"),
        choices=terms(AccountStatus),
    ),
    account(
        key="account.mrr", known=MRR_TOLD, label="MRR", kind=Kind.MONEY, value=column("mrr"),
        description="Of all active subscriptions, a month.",
    ),
    *(
        account(
            key=f"account.mrr_change_{days}d", known=MRR_TOLD, label=f"MRR, {days} days: change", kind=Kind.PERCENT,
            value=mrr_change(days), at=mrr_change(days),
            description=f"Against the MRR of {days} days ago; missing where there was none, or none is known of then.",
        )
        for days in (30, 90)
    ),
    account(
        key="account.licences", known=LICENCES_TOLD, label="Licences", kind=Kind.NUMBER, value=column("licences"),
        unit="licences",
    ),
    account(
        key="account.renews_on", known=RENEWAL_TOLD, label="Renewal date", kind=Kind.DATE, value=column("renews_on"),
        description="The next one of the active subscriptions.",
    ),
    account(
        key="account.trial_starts_on", known=TRIAL_TOLD, label="Trial starts on", kind=Kind.DATE,
        value=column("trial_starts_on"),
    ),
    account(
        key="account.trial_ends_on", known=TRIAL_TOLD, label="Trial ends on", kind=Kind.DATE,
        value=column("trial_ends_on"),
    ),
    account(
        key="account.customer_since", stamp="customer_since", label="Customer since", kind=Kind.DATE,
        value=column("customer_since"),
    ),
    account(
        key="account.churned_on", stamp="churned_on", label="Churned on", kind=Kind.DATE, value=column("churned_on")
    ),
    account(
        key="account.churn_reason", stamp="churn_reason", label="Churn reason", kind=Kind.TEXT,
        value=text("churn_reason"), shown=column("churn_reason"),
    ),
    account(
        key="account.created_at", known=column("created_at"), label="Created in csbox", kind=Kind.DATETIME,
        value=column("created_at"),
    ),
    account(
        key="account.last_touchpoint_at", known=last_touchpoint, label="Last touchpoint", kind=Kind.DATETIME,
        value=last_touchpoint,
    ),
)  # fmt: skip

subscription = partial(Field, owner=Owner.SUBSCRIPTION, category=Category.SUBSCRIPTION, stored=True)
register(
    subscription(
        key="subscription.plan", stamp="plan", label="Plan", kind=Kind.TEXT, value=text("plan"), shown=column("plan")
    ),
    subscription(
        key="subscription.external_id", label="Subscription id", kind=Kind.TEXT, value=text("external_id"),
        shown=column("external_id"),
    ),
    subscription(
        key="subscription.status", stamp="status", label="Status", kind=Kind.CHOICE, value=column("status_id"),
        choices=terms(SubscriptionStatus),
    ),
    subscription(
        key="subscription.status_type", stamp="status", label="Status type", kind=Kind.CHOICE,
        value=column("status__kind"), choices=enum_choices(SubscriptionStatus.Kind.choices),
    ),
    subscription(key="subscription.mrr", stamp="mrr", label="MRR", kind=Kind.MONEY, value=column("mrr_base")),
    subscription(
        key="subscription.licences", stamp="quantity", label="Licences", kind=Kind.NUMBER, value=column("quantity"),
        unit="licences",
    ),
    subscription(
        key="subscription.billing_period", stamp="billing_period", label="Billing period", kind=Kind.CHOICE,
        value=filled("billing_period"), choices=enum_choices(Subscription.Period.choices),
    ),
    subscription(
        key="subscription.starts_on", stamp="starts_on", label="Starts on", kind=Kind.DATE, value=column("starts_on")
    ),
    subscription(key="subscription.ends_on", stamp="ends_on", label="Ends on", kind=Kind.DATE, value=column("ends_on")),
    subscription(
        key="subscription.trial_starts_on", stamp="trial_starts_on", label="Trial starts on", kind=Kind.DATE,
        value=column("trial_starts_on"),
    ),
    subscription(
        key="subscription.trial_ends_on", stamp="trial_ends_on", label="Trial ends on", kind=Kind.DATE,
        value=column("trial_ends_on"),
    ),
    subscription(
        key="subscription.renews_on", stamp="renews_on", label="Renewal date", kind=Kind.DATE, value=column("renews_on")
    ),
    subscription(
        key="subscription.auto_renew", stamp="auto_renew", label="Auto-renew", kind=Kind.BOOLEAN,
        value=column("auto_renew"),
    ),
)  # fmt: skip

user = partial(Field, owner=Owner.USER, category=Category.USERS, stored=True)
relationship = partial(Field, owner=Owner.RELATIONSHIP, category=Category.RELATIONSHIP, stored=True)
register(
    user(key="user.name", stamp="name", label="User name", kind=Kind.TEXT, value=text("name"), shown=column("name")),
    user(
        key="user.external_id", label="User id", kind=Kind.TEXT, value=text("external_id"), shown=column("external_id")
    ),
    user(key="user.email", stamp="email", label="E-mail", kind=Kind.TEXT, value=text("email"), shown=column("email")),
    user(key="user.title", stamp="title", label="Title", kind=Kind.TEXT, value=text("title"), shown=column("title")),
    user(
        key="user.first_seen_at", stamp="first_seen_at", label="First seen", kind=Kind.DATETIME,
        value=column("first_seen_at"), stored=False,
    ),
    relationship(
        key="relationship.role", stamp="role", label="Role in the account", kind=Kind.TEXT, value=text("role"),
        shown=column("role"),
    ),
    relationship(
        key="relationship.started_at", label="In the account since", kind=Kind.DATETIME, value=column("started_at")
    ),
)  # fmt: skip

_CUSTOM_CATEGORY = {
    Owner.ACCOUNT: Category.CUSTOM,
    Owner.SUBSCRIPTION: Category.SUBSCRIPTION,
    Owner.USER: Category.USERS,
    Owner.RELATIONSHIP: Category.RELATIONSHIP,
}


@provide(AttributeDefinition)
def custom_attributes() -> Iterable[Field]:
    """One field per active custom attribute definition."""
    for made in AttributeDefinition.objects.filter(active=True):
        kind, owner = Kind(made.kind), Owner(made.subject)
        yield Field(
            key=f"{owner}.custom.{made.key}",
            stamp=f"custom.{made.key}",
            label=made.name,
            category=_CUSTOM_CATEGORY[owner],
            kind=kind,
            owner=owner,
            value=custom(made.key, kind),
            shown=custom_shown(made.key),
            choices=partial(_custom_choices, made),
            description=made.description,
            stored=True,
        )


def _custom_choices(made: AttributeDefinition) -> list[Choice]:
    return [Choice(fold(str(item)), str(item)) for item in made.choices]


@provide(AssignmentRole)
def team_roles() -> Iterable[Field]:
    """Who plays which part: one field per assignment role, and the team behind it."""
    began = column("started_at")
    for role in AssignmentRole.objects.all():
        played = Q(role=role.key)
        team = partial(Field, owner=Owner.ASSIGNMENT, category=Category.TEAM, rows=played, stored=True, known=began)
        key = role.key.replace("-", "_")
        yield team(
            key=f"team.{key}",
            label=role.name,
            kind=Kind.PERSON,
            value=column("member__key"),
            shown=column("member__name"),
            choices=people,
        )
        yield team(
            key=f"team.{key}_team",
            label=f"Team of the {role.name}",
            kind=Kind.CHOICE,
            value=_team_name,
            shown=column("member__team__name"),
            choices=teams,
        )


def _team_name(prefix: str) -> Combinable:
    return F(prefix + "member__team__name_folded")
