"""Who wants to hear of what, how and when: ways by kind and by rule, quiet hours, the cap of a day."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from accounts.models import TeamMember
from alerts.models import AlertRule, NoticeChannel, NoticeSettings, RuleChoice
from alerts.models.notice import Way
from alerts.notifying.kinds import KINDS
from core.clock import Moment
from core.intake import BadValue, short


@dataclass(frozen=True)
class Wants:
    """What some colleagues chose: their settings (the defaults where there are none), their own channels, their choices
    by rule."""

    settings: Mapping[int, NoticeSettings]
    channels: Mapping[int, list[NoticeChannel]] = field(default_factory=dict)
    rules: Mapping[tuple[int, int], str] = field(default_factory=dict)

    def way(self, member: int, kind: str, rule: int | None) -> Way:
        """How one of them wants to hear of a kind: what they said of the rule, else of the kind, else its default."""
        chosen = self.rules.get((member, rule)) if rule else None
        chosen = chosen or self.settings[member].ways.get(kind)
        if chosen in Way.values and (KINDS[kind].choosable or rule):
            return Way(chosen)
        return KINDS[kind].way


def wants_of(members: Iterable[int], rules: Iterable[int] = ()) -> Wants:
    """What these colleagues (primary keys) chose; three statements."""
    ids = sorted(set(members))
    found = NoticeSettings.objects.in_bulk(ids)
    settings = {pk: found.get(pk) or NoticeSettings(member_id=pk) for pk in ids}
    channels: dict[int, list[NoticeChannel]] = {}
    for channel in NoticeChannel.objects.filter(member__in=ids, active=True):
        channels.setdefault(channel.member_id or 0, []).append(channel)
    wanted = sorted(set(rules))
    choices = RuleChoice.objects.filter(member__in=ids, rule__in=wanted) if wanted else ()
    return Wants(settings, channels, {(one.member_id, one.rule_id): one.way for one in choices})


def zone_of(settings: NoticeSettings, now: Moment) -> zoneinfo.ZoneInfo:
    """The colleague's zone, or the workspace's."""
    return zoneinfo.ZoneInfo(settings.time_zone) if settings.time_zone else now.zone


def local_day(settings: NoticeSettings, now: Moment) -> dt.date:
    """Which day it is where the colleague is."""
    return now.now.astimezone(zone_of(settings, now)).date()


def not_before(settings: NoticeSettings, now: Moment) -> dt.datetime:
    """When the colleague may be told: now, or when the quiet hours end that it lies in.

    Quiet hours may reach over midnight. They are wall-clock times: on a day without 02:30 they end at the first moment
    after it, on one that has it twice at the first.
    """
    begin, end = settings.quiet_from, settings.quiet_to
    if begin is None or end is None or begin == end:
        return now.now
    local = now.now.astimezone(zone_of(settings, now))
    time = local.time()
    inside = begin <= time < end if begin < end else time >= begin or time < end
    if not inside:
        return now.now
    day = local.date() + dt.timedelta(days=1) if begin > end and time >= begin else local.date()
    over = dt.datetime.combine(day, end, tzinfo=local.tzinfo).astimezone(dt.UTC)
    return max(over, now.now)


def settings_of(member: TeamMember) -> NoticeSettings:
    """The colleague's settings; not stored yet where nothing was chosen."""
    return NoticeSettings.objects.filter(pk=member.pk).first() or NoticeSettings(member=member)


@transaction.atomic
def save_settings(
    member: TeamMember, values: Mapping[str, Any], *, ways: Mapping[str, str], rules: Mapping[int, str] | None = None
) -> NoticeSettings:
    """Keep what a colleague chose: columns of the settings, ways by kind, and by rule (an empty one means as for alerts
    otherwise). Raises BadValue for what is no way, half of the quiet hours, and a cap out of bounds."""
    NoticeSettings.objects.get_or_create(pk=member.pk)
    found = NoticeSettings.objects.select_for_update().get(pk=member.pk)
    for kind, way in ways.items():
        if kind not in KINDS or not KINDS[kind].choosable or way not in Way.values:
            raise BadValue(f"“{short(kind)}” cannot be told “{short(way)}”.")
    found.ways = {**found.ways, **ways}
    for name, value in values.items():
        setattr(found, name, value)
    if (found.quiet_from is None) != (found.quiet_to is None):
        raise BadValue("Quiet hours need a beginning and an end. Fill in both, or neither.")
    if found.time_zone and found.time_zone not in zoneinfo.available_timezones():
        raise BadValue(f"“{short(found.time_zone)}” is not a time zone. Use a name such as Europe/Oslo.")
    if not 1 <= found.cap <= 500:
        raise BadValue("At most 1 to 500 messages a day can be asked for.")
    found.save()
    if rules is not None:
        _choose_rules(member, rules)
    return found


def _choose_rules(member: TeamMember, rules: Mapping[int, str]) -> None:
    known = set(AlertRule.objects.filter(pk__in=rules).values_list("pk", flat=True))
    for pk, way in rules.items():
        if pk not in known or (way and way not in Way.values):
            raise BadValue("There is no such alert rule, or no such way. Reload the page and choose again.")
        if way:
            RuleChoice.objects.update_or_create(member=member, rule_id=pk, defaults={"way": way})
        else:
            RuleChoice.objects.filter(member=member, rule_id=pk).delete()
