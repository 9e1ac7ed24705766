"""Writing notices, in the transaction that makes something happen: whoever sees the one sees the other.

A notice's key says what happened and to whom it is told, so that telling it twice is nothing new. With it come the rows
of what is to be sent; sending is another step (`sending`), woken here and looked for by the tick.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import transaction
from django.urls import reverse

from accounts.mentions import members_in
from accounts.models import Account, Mention, TeamMember
from alerts.models import Alert, AlertEntry, Delivery, Notice, NoticeChannel, RuleNotices
from alerts.models.notice import Via, Way
from alerts.notifying.choosing import Wants, not_before, wants_of
from alerts.notifying.kinds import ALERT, ASSIGNED, COMMENT, ENDED, MENTION
from alerts.notifying.listening import Listeners, listeners_of, member_behind
from alerts.reasons import reason_of
from core.clock import Moment, moment
from core.intake import short
from core.jobs import enqueue
from core.models import Workspace
from segments.holding.telling import mail_is_set_up

TASK = "alerts.tasks.send_notices"
AT_ONCE = 1_000  # rows of a statement
Word = AlertEntry.Kind
_Route = tuple[str, NoticeChannel | None, dt.datetime]


@dataclass(frozen=True)
class Telling:
    """What one colleague (or one channel) is to be told. `what` names what happened, within its kind."""

    kind: str
    what: str
    title: str
    member: int | None = None
    channel: NoticeChannel | None = None
    text: str = ""
    path: str = ""
    account: int | None = None
    alert: int | None = None
    note: int | None = None
    rule: int | None = None
    severity: str = ""
    since: dt.datetime | None = None
    at: dt.datetime | None = None

    @property
    def key(self) -> str:
        """What and whom."""
        whom = f"channel:{self.channel.pk}" if self.channel else f"member:{self.member}"
        return f"{self.kind}:{self.what}:{whom}"


def tell(tellings: Iterable[Telling], now: Moment | None = None) -> int:
    """Write the notices that are not written yet, with what is to be sent of each; how many are new. Call it in the
    transaction of what happened."""
    left, new = iter(tellings), 0
    while part := list(islice(left, AT_ONCE)):
        now = now or moment()
        new += _tell(part, now)
    return new


def _tell(given: Sequence[Telling], now: Moment) -> int:
    tellings = _seen(given)
    people = {one.member for one in tellings if one.member}
    wants = wants_of(people, {one.rule for one in tellings if one.rule})
    by_key = {one.key: one for one in tellings}
    ways = {key: _way(one, wants) for key, one in by_key.items()}
    made = [_notice(one, ways[key], now) for key, one in by_key.items() if ways[key] != Way.NEVER]
    if not made:
        return 0
    mail = mail_is_set_up()
    with transaction.atomic(savepoint=False):
        known = set(Notice.objects.filter(key__in=by_key).values_list("key", flat=True))
        Notice.objects.bulk_create(made, ignore_conflicts=True)
        fresh = [one.key for one in made if one.key not in known]
        routes = {key: list(_routes(by_key[key], ways[key], wants, now, mail)) for key in fresh}
        stored = Notice.objects.filter(key__in=[key for key in fresh if routes[key]]).only("key").order_by("pk")
        sent = [_delivery(notice, *route) for notice in stored for route in routes[notice.key]]
        Delivery.objects.bulk_create(sent, ignore_conflicts=True)
        if sent:
            enqueue(TASK)
    return len(fresh)


def _seen(tellings: Sequence[Telling]) -> list[Telling]:
    """Without what is about accounts that whoever would be told may not see."""
    workspace = Workspace.get()
    if workspace.csm_reach != Workspace.Reach.OWN:
        return list(tellings)
    about: dict[int, set[int]] = defaultdict(set)
    for one in tellings:
        if one.member and one.account:
            about[one.member].add(one.account)
    hidden: set[tuple[int | None, int | None]] = set()
    for member in TeamMember.objects.filter(pk__in=about).select_related("user"):
        if member.is_restricted(workspace):
            seen = Account.objects.visible_to(member.user).filter(pk__in=about[member.pk])
            hidden |= {(member.pk, pk) for pk in about[member.pk] - set(seen.values_list("pk", flat=True))}
    return [one for one in tellings if (one.member, one.account) not in hidden]


def _way(telling: Telling, wants: Wants) -> Way:
    return wants.way(telling.member, telling.kind, telling.rule) if telling.member else Way.NOW


def _notice(telling: Telling, way: Way, now: Moment) -> Notice:
    return Notice(
        key=telling.key, kind=telling.kind, member_id=telling.member, channel=telling.channel,
        account_id=telling.account, alert_id=telling.alert, note_id=telling.note, title=short(telling.title, 255),
        text=telling.text[:1_000], path=telling.path[:200], severity=telling.severity, at=telling.at or now.now,
        waits=way == Way.DIGEST, since=telling.since,
    )  # fmt: skip


def _routes(telling: Telling, way: Way, wants: Wants, now: Moment, mail: bool) -> Iterator[_Route]:
    """How something is sent, and not before when: to its channel, or by whatever its colleague is reached at once."""
    if telling.channel is not None:
        yield telling.channel.kind, telling.channel, now.now
        return
    if telling.member is None or way != Way.NOW:
        return
    settings = wants.settings[telling.member]
    due = not_before(settings, now)
    if settings.by_email and mail:
        yield Via.EMAIL, None, due
    for channel in wants.channels.get(telling.member, ()):
        yield channel.kind, channel, due


def _delivery(notice: Notice, via: str, channel: NoticeChannel | None, due: dt.datetime) -> Delivery:
    key = Delivery.key_of(notice.key, via, channel.pk if channel else None)
    return Delivery(notice=notice, via=via, channel=channel, key=key, due_at=due)


def is_heard(rule: int) -> bool:
    """Whether colleagues or channels hear of every alert of a rule (primary key), whoever's it is."""
    return RuleNotices.objects.filter(rule=rule).exists()


def tell_entries(entries: Sequence[AlertEntry], now: Moment | None = None) -> int:
    """What follows from something that happened to alerts (each entry with its alert): who is told of it."""
    telling = [one for one in entries if one.kind in _WORDS and not _is_no_news(one)]
    if not telling:
        return 0
    rules = {one.alert.rule_id for one in telling}
    also = listeners_of(RuleNotices.objects.filter(rule__in=rules))
    telling = [one for one in telling if one.alert.assignee_id or one.alert.rule_id in also or one.text]
    if not telling:
        return 0
    accounts = {one.alert.account_id for one in telling}
    names = dict(Account.objects.filter(pk__in=accounts).order_by().values_list("pk", "name"))
    found: list[Telling] = []
    for entry in telling:
        listeners = also.get(entry.alert.rule_id, Listeners())
        found += _of_entry(entry, names.get(entry.alert.account_id, ""), listeners)
    return tell(found, now)


def _is_no_news(entry: AlertEntry) -> bool:
    """An alert that ended because its rule was changed, or its account archived, is no change of the customer."""
    return entry.kind == Word.ENDED and entry.alert.ending in (Alert.Ending.DEFINITION, Alert.Ending.GONE)


# The kinds of what happened to an alert: to its assignee, and whether colleagues and channels of the rule hear of it.
_WORDS = {
    Word.OPENED.value: (ALERT.key, True), Word.WOKE.value: (ALERT.key, False), Word.ENDED.value: (ENDED.key, True),
    Word.ASSIGNED.value: (ASSIGNED.key, False), Word.COMMENT.value: (COMMENT.key, False),
}  # fmt: skip


def _of_entry(entry: AlertEntry, account: str, also: Listeners) -> list[Telling]:
    alert, (kind, shared) = entry.alert, _WORDS[entry.kind]
    common: dict[str, Any] = {
        "what": f"entry:{entry.pk}", "title": _title(entry, account), "text": _text(entry), "account": alert.account_id,
        "alert": alert.pk, "path": f"{reverse('alerts')}?alert={alert.pk}", "severity": alert.severity, "at": entry.at,
    }  # fmt: skip
    by = member_behind(entry.by)
    people = [alert.assignee_id, *(also.members if shared else ())]
    named = [one.pk for one in members_in(entry.text)] if entry.kind == Word.COMMENT else []
    found = [Telling(kind=MENTION.key, member=pk, **common) for pk in dict.fromkeys(named) if pk != by]
    told = {by, None, *named}
    found += [
        Telling(kind=kind, member=pk, rule=alert.rule_id, **common) for pk in dict.fromkeys(people) if pk not in told
    ]
    return found + [Telling(kind=kind, channel=one, **common) for one in (also.channels if shared else ())]


def _title(entry: AlertEntry, account: str) -> str:
    alert = entry.alert
    by = str(getattr(entry.by, "member", None) or entry.by or "")
    ended = f"{'Closed' if alert.ending == 'closed' else 'Resolved'}: {alert.rule.name}, {account}"
    return {
        Word.OPENED.value: f"{account}: {alert.rule.name}",
        Word.WOKE.value: f"Woke up: {alert.rule.name}, {account}",
        Word.ENDED.value: ended,
        Word.ASSIGNED.value: f"{by or 'A rule'} assigned to you: {alert.rule.name}, {account}",
        Word.COMMENT.value: f"{by or 'Somebody'} on {alert.rule.name}, {account}",
    }[entry.kind]


def _text(entry: AlertEntry) -> str:
    alert = entry.alert
    if entry.kind in (Word.OPENED, Word.WOKE, Word.ASSIGNED):
        return "\n".join(filter(None, [alert.message, reason_of(alert.why)]))
    if entry.kind == Word.ENDED:
        return entry.text or "\n".join(filter(None, [str(alert.get_ending_display()), reason_of(alert.proof)]))
    return entry.text


def mentions_wait() -> bool:
    """Whether somebody was named in a note and not told yet."""
    return Mention.objects.filter(told_at__isnull=True).exists()


def tell_mentions() -> int:
    """Tell whom notes name. The rows are found by their state and not by "after the last one", because one with a lower
    number may be committed later."""
    with transaction.atomic():
        rows = Mention.objects.filter(told_at__isnull=True).select_for_update(skip_locked=True, of=("self",))
        chosen = list(rows.select_related("note__account", "note__author").order_by("pk")[:AT_ONCE])
        if not chosen:
            return 0
        now = moment()
        new = tell((_of_mention(one) for one in chosen), now)
        Mention.objects.filter(pk__in=[one.pk for one in chosen]).update(told_at=now.now)
    return new


def _of_mention(mention: Mention) -> Telling:
    note = mention.note
    who = str(note.author or "Somebody")
    return Telling(
        kind=MENTION.key, what=f"note:{note.pk}", member=mention.member_id, title=f"{who} named you: {note.account}",
        text=note.text, path=f"{reverse('account', args=[note.account_id])}#timeline", account=note.account_id,
        note=note.pk,
    )  # fmt: skip
