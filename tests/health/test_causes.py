"""Why a band changed, as a daily scoring tells it: something was recorded of the account, or only time went by; and how
a new version, another config and a person's hand are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.models import Account, Assignment, AttributeChange, EndUser, Note, Relationship, Subscription
from core.clock import moment
from health.editing import end_override, override_health, save_config, take_pulse
from health.models import BandChange, HealthConfig, HealthOverride
from health.moves import told_changes
from health.refresh import refresh_health
from segments.questions import Reader
from tests import factories
from tests.health.test_portfolio import DAY, at
from tests.health.test_scores import USED, an_account, by_number, only, share
from usage.models import AccountUsage, Event, EventName
from usage.partitions import ensure_months, month_of

pytestmark = pytest.mark.django_db


def event(of: Account, *, days_late: int = 0) -> None:
    now = moment().now
    happened = now - DAY * days_late
    ensure_months([month_of(happened)])
    name, _ = EventName.objects.get_or_create(name="Signed in")
    Event.objects.create(account=of, name=name, at=happened, received_at=now, source="s", message_id="m")


def value(of: Account) -> None:
    AttributeChange.objects.create(
        subject="account", object_id=of.pk, key="mrr", old=1, new=2, at=moment().now, source="crm"
    )


def renamed_user(of: Account) -> None:
    Relationship.objects.get(account=of).user.save()


def changed_subscription(of: Account) -> None:
    Subscription.objects.get(account=of).save()


def left_the_team(of: Account) -> None:
    Assignment.objects.filter(account=of).update(ended_at=moment().now)


RECORDED: dict[str, Callable[[Account], object]] = {
    "a value": value,
    "an event": event,
    "an event that came a week late": lambda of: event(of, days_late=7),
    "a subscription": factories.subscription,
    "a change of a subscription": changed_subscription,
    "a note": lambda of: Note.objects.create(account=of, kind="call", text="Spoke with them."),
    "a pulse": lambda of: take_pulse(of, 2),
    "a user": factories.relationship,
    "a change of a user": renamed_user,
    "a colleague": lambda of: factories.assign(of, factories.member(), "account-manager"),
    "a colleague who left": left_the_team,
}


def the_past() -> tuple[Account, Account]:
    """Two accounts that were Good yesterday, with a user, a subscription and a colleague since long ago."""
    ago = moment().now - DAY * 30
    accounts = an_account(70, 100), an_account(70, 100)
    for one in accounts:
        factories.relationship(one)
        factories.subscription(one)
        factories.assign(one, factories.member())
    for model in (EndUser, Relationship, Subscription):
        model.objects.update(updated_at=ago)
    Assignment.objects.update(started_at=ago)
    save_config(None, name="", definition=only(USED))
    refresh_health(now=at(1))
    AccountUsage.objects.update(active_users_30d=5)
    return accounts


@pytest.mark.parametrize("what", RECORDED)
def test_what_was_recorded_of_an_account_makes_its_change_one_of_data(what: str) -> None:
    one, other = the_past()
    RECORDED[what](one)
    refresh_health()
    assert dict(BandChange.objects.filter(before="good").values_list("account", "cause")) == {
        one.pk: "data",
        other.pk: "time",
    }


def test_an_event_of_more_than_a_quarter_ago_is_not_looked_for() -> None:
    one, _ = the_past()
    event(one, days_late=120)
    refresh_health()
    assert set(BandChange.objects.filter(before="good").values_list("cause", flat=True)) == {"time"}


def test_a_version_another_config_and_a_hand_are_told_with_their_reason() -> None:
    one = an_account(45, 100, name="Alder")
    config = save_config(None, name="", definition=only(USED))
    refresh_health(now=at(3))
    easy = only(by_number("used", "account.active_users_30d", share(40), share(5)))
    save_config(config, name="", definition=easy, reason="Fewer are enough.")
    refresh_health(now=at(2))
    segment = factories.segment("Alders", {"field": "account.name", "op": "is", "value": "Alder"})
    strict = only(by_number("used", "account.active_users_30d", 200, 60))
    save_config(None, name="Strict ones", segment=segment, definition=strict)
    refresh_health(now=at(1))
    override_health(one, band="average", reason="They promised to stay.")
    refresh_health()
    HealthConfig.objects.get(segment=segment).delete()
    told = told_changes(list(BandChange.objects.filter(account=one)), Reader.now())
    assert [(row.title, row.line) for row in told][1:] == [
        ("Health fell from Good 100 to Poor 0", "Another config"),
        ("Health rose from Average 58 to Good 100", "New version of the config: Fewer are enough."),
        ("Health first scored: Average 58", "First score"),
    ]
    assert told[0].title == "Health rose from Poor to Average"
    assert told[0].line == "By hand: They promised to stay. (somebody who left)"


def test_a_persons_word_is_the_cause_though_a_version_or_another_config_came_with_it() -> None:
    """The score says the same as before, so that nothing but the word has changed the band."""
    one = an_account(5, 100, name="Alder")
    config = save_config(None, name="", definition=only(USED))
    refresh_health(now=at(3))
    override_health(one, band="average", reason="They promised to stay.")
    HealthOverride.objects.update(created_at=at(3).now)
    save_config(config, name="", definition=only(USED) | {"bands": {"good": 80, "poor": 50}}, reason="Stricter.")
    refresh_health(now=at(2))
    segment = factories.segment("Alders", {"field": "account.name", "op": "is", "value": "Alder"})
    save_config(None, name="Strict ones", segment=segment, definition=only(USED))
    end_override(one)
    refresh_health(now=at(1))
    told = told_changes(list(BandChange.objects.filter(account=one)), Reader.now())
    assert [(row.change.cause, row.title, row.line) for row in told][:2] == [
        ("override", "Health fell from Average to Poor", "By hand: left to the score again"),
        ("override", "Health rose from Poor to Average",
         "By hand: They promised to stay. (somebody who left)"),
    ]  # fmt: skip


def test_another_config_is_named_while_it_is_there() -> None:
    one = an_account(45, 100, name="Alder")
    save_config(None, name="", definition=only(USED))
    refresh_health(now=at(3))
    segment = factories.segment("Alders", {"field": "account.name", "op": "is", "value": "Alder"})
    strict = only(by_number("used", "account.active_users_30d", 200, 60))
    save_config(None, name="Strict ones", segment=segment, definition=strict)
    refresh_health()
    newest = BandChange.objects.filter(account=one).first()
    assert newest is not None
    (told,) = told_changes([newest], Reader.now())
    assert told.line == "Another config: now Strict ones"
