"""Who is told what, how and when: what follows from alerts and notes, choices, quiet hours, caps, digests, channels."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone

from accounts.models import Account, Mention, TeamMember
from accounts.notes import save_note, write_note
from alerts import handling
from alerts.channels import Later, Message, Refused, sender_for
from alerts.channels.editing import save_channel
from alerts.channels.slack import body_of
from alerts.editing import Assigning, save_alert_rule
from alerts.models import Alert, AlertRule, Delivery, Notice, NoticeChannel, NoticeSettings, RuleNotices
from alerts.notifying.choosing import not_before, save_settings
from alerts.notifying.digests import make_digests
from alerts.notifying.inbox import forget_notices_before
from alerts.notifying.kinds import ALERT, DIGEST
from alerts.notifying.sending import GIVE_UP, send_due
from alerts.notifying.telling import Telling, tell, tell_mentions
from alerts.raising import raise_alerts
from core.clock import Moment, moment
from core.intake import BadValue
from core.models import Workspace
from core.signing import signature
from csbox.pipeline import refresh_everything
from segments.refresh import refresh_due
from tests import factories
from tests.alerts.receiving import Receiver, receiving

pytestmark = [pytest.mark.django_db, pytest.mark.once]
FEW = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 5}]}
NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)  # a Monday


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """Slack and a webhook on this machine, which may be asked."""
    settings.FETCH_ALLOWED = ["127.0.0.1"]
    with receiving() as found:
        yield found


def person(**values: Any) -> TeamMember:
    """A colleague with an address; no digests unless they are asked for."""
    found = factories.member()
    found.user.email = f"{found.key}@example.com"
    found.user.save()
    NoticeSettings.objects.create(**{"member": found, "digest": False} | values)
    return found


def raised(csm: TeamMember, **given: Any) -> Alert:
    """An alert of the CSM's, raised by a refresh."""
    account = factories.account("Harbour", stated_licences=30)
    factories.assign(account, csm)
    refresh_everything()
    role = account.assignments.get().role
    save_alert_rule(
        None, name="Few licences", condition=FEW, message="{{ account.name }} is down",
        assigning=Assigning(role=role), **given,
    )  # fmt: skip
    refresh_due()
    Account.objects.filter(pk=account.pk).update(stated_licences=3)
    refresh_everything()
    return Alert.objects.get()


def inbox(member: TeamMember) -> list[tuple[str, str]]:
    """Kind and title, the oldest first."""
    return list(Notice.objects.filter(member=member).order_by("pk").values_list("kind", "title"))


def test_an_alert_is_told_to_its_assignee_once_whatever_is_repeated() -> None:
    csm = person()
    alert = raised(csm)
    assert inbox(csm) == [("alert", "Harbour: Few licences")]
    (notice,) = Notice.objects.all()
    assert (notice.text, notice.path) == ("Harbour is down\nLicences is at most 5 (3)", f"/alerts/?alert={alert.pk}")
    key = Delivery.objects.get().key
    raise_alerts()
    assert send_due() == 1 and send_due() == 0
    (sent,) = mail.outbox
    assert sent.to == [csm.user.email] and sent.subject == "Harbour: Few licences"
    assert f"<{key}@" in sent.extra_headers["Message-ID"] and f"/alerts/?alert={alert.pk}" in sent.body
    Delivery.objects.update(state="sending", due_at=timezone.now())  # a worker that died before it could say so
    assert send_due() == 1 and mail.outbox[1].extra_headers["Message-ID"] == sent.extra_headers["Message-ID"]
    assert Notice.objects.count() == Delivery.objects.count() == 1
    # Told anew after its rows were lost, it has the key that it had.
    made = Telling(ALERT.key, "entry:7", "t", member=csm.pk)
    tell([made])
    first = Delivery.objects.get(notice__key=made.key).key
    Notice.objects.filter(key=made.key).delete()
    tell([made, made])
    assert Delivery.objects.get(notice__key=made.key).key == first


def test_what_people_do_is_told_to_others_and_not_to_themselves() -> None:
    csm, lead, other = person(), person(), person()
    alert = raised(csm)
    handling.comment(alert, f"@{lead.key} and @{csm.key}: see ann@{other.key}.example", by=csm.user)
    handling.assign([alert], other, by=csm.user)
    before = handling.close([alert], outcome="success", by=lead.user)
    handling.undo(before, by=lead.user)
    assert inbox(csm) == [("alert", "Harbour: Few licences")]
    assert inbox(lead) == [("mention", f"{csm} on Few licences, Harbour")]
    assert inbox(other) == [
        ("assigned", f"{csm} assigned to you: Few licences, Harbour"), ("ended", "Closed: Few licences, Harbour"),
    ]  # fmt: skip
    assert not Delivery.objects.filter(notice__kind="ended").exists(), "it is for the inbox only"
    Account.objects.update(stated_licences=30)
    refresh_everything()
    assert inbox(other)[-1] == ("ended", "Resolved: Few licences, Harbour")


def test_a_note_names_a_colleague_who_is_told_once() -> None:
    author, lucas = person(), person()
    account = factories.account("Quay")
    note = write_note(
        account=account, author=author, text=f"@{lucas.key.upper()}, call @{author.key}; not x@{lucas.key}"
    )
    assert [one.member for one in Mention.objects.all()] == [lucas]
    assert tell_mentions() == 1 and tell_mentions() == 0
    note.text = f"@{lucas.key} did."
    save_note(note)
    assert tell_mentions() == 0 and inbox(lucas) == [("mention", f"{author} named you: Quay")]


def test_each_chooses_by_kind_and_by_rule() -> None:
    quiet, curious, inactive = person(ways={"alert": "never"}), person(), person()
    rule = raised(quiet).rule
    assert inbox(quiet) == []
    RuleNotices.objects.create(rule=rule).members.set([curious, quiet])
    save_settings(curious, {}, ways={"alert": "never"}, rules={rule.pk: "inbox"})
    with pytest.raises(BadValue):
        save_settings(curious, {}, ways={"digest": "never"})
    with pytest.raises(BadValue):
        save_settings(curious, {"quiet_from": dt.time(22)}, ways={})
    with pytest.raises(BadValue):
        save_settings(curious, {"time_zone": "Mars/Olympus"}, ways={})
    handling.close(Alert.objects.all())
    Account.objects.update(stated_licences=30)
    refresh_everything()
    Account.objects.update(stated_licences=3)
    refresh_everything()
    assert inbox(quiet) == [("ended", "Closed: Few licences, Harbour")]
    assert inbox(curious)[-1] == ("alert", "Harbour: Few licences") and not Delivery.objects.exists()
    tell([Telling(ALERT.key, "x", "t", member=inactive.pk)])
    inactive.user.is_active = False
    inactive.user.save()
    assert send_due() == 0 and Delivery.objects.get().state == "dropped"


def test_quiet_hours_end_by_the_colleagues_own_clock() -> None:
    zone = Workspace.get().zone
    night = {"quiet_from": dt.time(22), "quiet_to": dt.time(6), "time_zone": "America/New_York"}
    wanted = {  # UTC in March and November 2026, when New York's clocks change
        "2026-03-08T02:59:00": "2026-03-08T02:59:00", "2026-03-08T03:00:00": "2026-03-08T10:00:00",
        "2026-03-08T09:59:00": "2026-03-08T10:00:00", "2026-03-08T10:00:00": "2026-03-08T10:00:00",
        "2026-11-01T03:00:00": "2026-11-01T11:00:00", "2026-11-01T11:00:00": "2026-11-01T11:00:00",
    }  # fmt: skip
    for at, until in wanted.items():
        now = Moment(dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC), zone)
        assert not_before(NoticeSettings(**night), now).isoformat()[:19] == until, at
    gap = NoticeSettings(quiet_from=dt.time(1), quiet_to=dt.time(2, 30), time_zone="America/New_York")
    now = Moment(dt.datetime(2026, 3, 8, 6, 30, tzinfo=dt.UTC), zone)
    assert not_before(gap, now) == dt.datetime(2026, 3, 8, 7, 30, tzinfo=dt.UTC), "02:30 is skipped: 03:30 comes then"
    day = NoticeSettings(quiet_from=dt.time(12), quiet_to=dt.time(14), time_zone="UTC")
    assert not_before(day, Moment(NOON, zone)) == NOON + dt.timedelta(hours=2)


def test_nothing_is_sent_in_quiet_hours_even_if_it_was_due_before(time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    csm = person(quiet_from=dt.time(20), quiet_to=dt.time(7), time_zone="UTC")
    tell([Telling(ALERT.key, "x", "t", member=csm.pk)])
    time_machine.move_to(NOON + dt.timedelta(hours=9), tick=False)
    assert send_due() == 0 and Delivery.objects.get().due_at == NOON + dt.timedelta(hours=19)
    time_machine.move_to(NOON + dt.timedelta(hours=19), tick=False)
    assert send_due() == 1


def test_beyond_the_cap_the_digest_carries_the_rest(time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    csm = person(cap=3, digest_at=dt.time(7), time_zone="UTC")
    make_digests()  # of today, when there is nothing
    tell(Telling(ALERT.key, f"{n}", f"Number {n}", member=csm.pk) for n in range(5))
    assert send_due() == 3 and Delivery.objects.filter(state="folded").count() == 2
    save_settings(csm, {}, ways={"comment": "digest"})
    tell([Telling("comment", "c", "A comment", member=csm.pk)])
    assert send_due() == 0
    time_machine.move_to(NOON + dt.timedelta(hours=18), tick=False)
    assert make_digests() == 0
    time_machine.move_to(NOON + dt.timedelta(hours=19), tick=False)
    assert make_digests() == 1 and make_digests() == 0
    digest = Notice.objects.get(kind=DIGEST.key)
    assert digest.title == "Your day, 5 May: 3 notifications" and digest.carried.count() == 3
    assert send_due() == 1
    assert "Number 3" in mail.outbox[-1].body and "A comment" in mail.outbox[-1].body
    assert "Number 0" not in mail.outbox[-1].body and len(mail.outbox) == 4
    tell(Telling(ALERT.key, f"late {n}", "Late", member=csm.pk) for n in range(3))
    assert send_due() == 3, "a new day has its own three"
    assert forget_notices_before(NOON + dt.timedelta(days=9)) > 0


def test_the_digest_tells_what_changed_and_the_week_tells_the_portfolio(time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    csm = person(digest=True, weekly=True, digest_at=dt.time(7), time_zone="UTC")
    lazy = person(digest=True)
    raised(csm)
    assert make_digests() == 2 and inbox(lazy) == []
    titles = [title for _, title in inbox(csm)]
    assert titles[1:] == ["Your day, 4 May: 1 of your accounts changed", "Your portfolio, week of 4 May 2026"]
    assert send_due() == 3
    day, week = (one.body for one in mail.outbox[1:])
    assert "Harbour (Not scored" in day and "- Alert: Few licences: Harbour is down" in day
    assert "1 account, " in week and "Silent for 30 days: 1" in week
    assert all(one.alternatives for one in mail.outbox)
    time_machine.move_to(NOON + dt.timedelta(days=1), tick=False)
    assert make_digests() == 0, "nothing changed since, and the week is over on Monday"


def test_slack_and_webhooks_get_what_their_contracts_ask(receiver: Receiver) -> None:
    csm = person(by_email=False)
    slack, _ = save_channel(None, name="Team", kind="slack", address=receiver.slack)
    hook, receiver.secret = save_channel(None, name="Mine", kind="webhook", address=receiver.hook, member=csm)
    assert receiver.slack not in slack.address and slack.hint == "127.0.0.1…/xyz" and hook.secret != receiver.secret
    rule = raised(csm).rule
    assert send_due() == 1, "the colleague's own webhook"
    RuleNotices.objects.create(rule=rule).channels.set([slack])
    Account.objects.update(stated_licences=30, name="A <b> & c")
    refresh_everything()
    assert send_due() == 1
    (key, event), (slack_key, said) = receiver.got
    assert event["type"] == "notification.alert" and event["data"]["id"] == key and event["data"]["account"]
    assert {key, slack_key} == {str(one.key) for one in Delivery.objects.filter(state="sent")}
    assert "&lt;b&gt; &amp; c" in said["text"] and said["blocks"][0]["text"]["text"].startswith("*<http")
    long = Message("k", "alert", "t" * 900, "x" * 9_000, "https://x", NOON, receiver.slack)
    assert len(body_of(long)["blocks"][0]["text"]["text"]) < 3_000
    sender_for("slack").send(long)


def test_the_signature_is_that_of_the_specification() -> None:
    secret, key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    made = signature(secret, key, 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_fails_is_tried_later_with_the_same_key_and_what_is_refused_is_not(
    receiver: Receiver, time_machine: Any
) -> None:
    time_machine.move_to(NOON, tick=False)
    slack, _ = save_channel(None, name="Team", kind="slack", address=receiver.slack)
    tell(Telling(ALERT.key, str(n), "t", channel=slack) for n in range(2))
    receiver.answers = [(429, "rate_limited", {"Retry-After": "90"}), (500, "rollup_error", {})]
    assert send_due() == 0 and len(receiver.answers) == 1, "the channel rests, so the second one was not tried"
    first = Delivery.objects.get(attempts=1)
    assert (first.state, first.due_at) == ("waiting", NOON + dt.timedelta(seconds=90)) and "429" in first.error
    time_machine.move_to(NOON + dt.timedelta(seconds=91), tick=False)
    assert send_due() == 0
    time_machine.move_to(NOON + dt.timedelta(hours=2), tick=False)
    assert send_due() == 2 and len({key for key, _ in receiver.got}) == 2
    slack.refresh_from_db()
    assert (slack.failures, slack.error, slack.rests_until) == (0, "", None)
    receiver.answers = [(410, "channel_is_archived", {})]
    tell(Telling(ALERT.key, f"late {n}", "t", channel=slack) for n in range(2))
    assert send_due() == 0
    slack.refresh_from_db()
    assert not slack.active and "channel_is_archived" in slack.error
    assert sorted(Delivery.objects.exclude(state="sent").values_list("state", flat=True)) == ["dropped", "failed"]
    Delivery.objects.update(state="waiting", attempts=GIVE_UP - 1, sent_at=None)
    NoticeChannel.objects.update(active=True)
    receiver.answers = [(503, "", {})]
    send_due()
    assert Delivery.objects.filter(state="failed").count() == 1


def test_an_address_inside_is_not_asked_and_redirects_are_not_followed(receiver: Receiver, settings: Any) -> None:
    receiver.answers = [(302, "", {"Location": receiver.slack})]
    message = Message("k", "alert", "t", "x", "https://x", NOON, receiver.slack)
    with pytest.raises(Refused):
        sender_for("slack").send(message)
    settings.FETCH_ALLOWED = []
    with pytest.raises(BadValue):
        save_channel(None, name="Inside", kind="slack", address="http://127.0.0.1/x")
    made, _ = save_channel(None, name="Inside", kind="webhook", address="https://localhost:1/x")
    tell([Telling(ALERT.key, "x", "t", channel=made)])
    assert send_due() == 0 and "private network" in Delivery.objects.get().error and receiver.got == []
    with pytest.raises(BadValue):
        save_channel(None, name="INSIDE", kind="slack", address="https://hooks.example/x")


def test_nobody_is_told_of_an_account_that_they_may_not_see_nor_of_a_changed_rule() -> None:
    csm, stranger = person(), person()
    Workspace.objects.update_or_create(pk=1, defaults={"csm_reach": Workspace.Reach.OWN})
    alert = raised(csm)
    handling.comment(alert, f"@{stranger.key} @{csm.key} look", by=None)
    assert inbox(stranger) == [] and [kind for kind, _ in inbox(csm)] == ["alert", "mention"]
    never = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 900}]}
    save_alert_rule(alert.rule, name="Few licences", condition=never)
    refresh_due()
    raise_alerts()
    assert Alert.objects.get().ending == "definition" and len(inbox(csm)) == 2


def test_one_message_that_cannot_be_made_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    csm = person()
    tell(Telling(ALERT.key, str(n), f"Number {n}", member=csm.pk) for n in range(3))
    from alerts.notifying import sending

    made = sending.composed

    def fails(notice: Notice, **given: Any) -> Message:
        if notice.title == "Number 1":
            raise ObjectDoesNotExist("gone")
        return made(notice, **given)

    monkeypatch.setattr(sending, "composed", fails)
    assert send_due() == 2 and "ObjectDoesNotExist" in Delivery.objects.exclude(state="sent").get().error
    assert issubclass(Later, Exception) and AlertRule.objects.count() == 0 and moment().now
