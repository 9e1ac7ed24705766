"""Every way to change a health config, an override or a pulse. Each is one transaction that asks for a scoring."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.fields import Stage
from accounts.fields.uses import FieldUse, find_field_uses_with, follow_fields_with, texts_in
from accounts.models import Account
from core.clock import moment
from core.intake import BadValue, clean_text
from core.locks import xact_lock
from core.refusals import Problem
from core.versions import Stale
from health.definition import DefinitionError, read_definition
from health.models import AccountHealth, Band, HealthConfig, HealthConfigVersion, HealthOverride, Pulse
from health.overlap import overlaps
from health.requesting import request_scoring
from health.uses import ConfigInUse, uses_of_config, uses_without
from segments.models import Segment
from segments.questions import Reader, named_in
from segments.stages import stages_of
from segments.uses import Use, find_uses_with, follow_moves_with

DEFAULT_NAME = "Default"
OVERRIDE_DAYS = 30  # how long a band by hand counts where nobody says how long


class OverrideRefused(BadValue):
    """A band by hand that cannot be; `place` is what is wrong with it: band, reason or until."""

    def __init__(self, place: str, text: str) -> None:
        self.place = place
        super().__init__(text)


def save_config(
    config: HealthConfig | None,
    *,
    name: str,
    definition: Any,
    segment: Segment | None = None,
    active: bool = True,
    author: Any = None,
    reason: str = "",
    expected_version: int | None = None,
) -> HealthConfig:
    """Make or change a config, and have all accounts scored; a version is kept whenever the definition differs.

    Without a segment it is the default config, of which there is one. Raises DefinitionError with every problem (Good
    and Poor rules that hold for one account among them), Stale if `expected_version` is not the present one.
    """
    with transaction.atomic():
        xact_lock("health configs")
        found = HealthConfig(author=author) if config is None else HealthConfig.objects.get(pk=config.pk)
        if expected_version is not None and found.version != expected_version:
            raise Stale(found)
        reader = Reader.now()
        problems = _named(found, name, segment, reader)
        try:
            meant = read_definition(definition, reader)
            problems += overlaps(meant, reader) + _still_read(found, definition)
        except DefinitionError as error:
            problems += error.problems
        if problems:
            raise DefinitionError(problems)
        different = not found.version or found.definition != definition
        counts_for = (found.active, found.segment)
        found.definition, found.active = definition, active
        found.segment, found.is_default = segment, segment is None
        if config is None:
            last = HealthConfig.objects.aggregate(last=Max("position"))["last"]
            found.position = 0 if last is None else last + 1
        found.version += different
        found.save()
        if different:
            HealthConfigVersion.objects.create(
                config=found, number=found.version, definition=definition, author=_person(author),
                reason=clean_text(reason, 255),
            )  # fmt: skip
        request_scoring(redefined=different or counts_for != (active, segment))
    return found


def _named(config: HealthConfig, name: str, segment: Segment | None, reader: Reader) -> list[Problem]:
    """Set the name and check the segment; what is wrong is returned."""
    problems = []
    try:
        config.name = clean_text(name, 120) or (DEFAULT_NAME if segment is None else segment.name)
    except BadValue as error:
        problems.append(Problem("/name", "invalid-text", str(error)))
    return problems + segment_problems(config, segment, reader)


def segment_problems(config: HealthConfig | None, segment: Segment | None, reader: Reader) -> list[Problem]:
    """Why a config (None: a new one) cannot be of this segment; without one it is the default config."""
    problems = []
    others = HealthConfig.objects.exclude(pk=config.pk) if config else HealthConfig.objects.all()
    if segment is None:
        if others.filter(is_default=True).exists():
            problems.append(Problem("/segment", "required", "There is a default config already. Choose a segment."))
        return problems
    if segment.subject != Segment.Subject.ACCOUNT:
        problems.append(Problem("/segment", "wrong-subject", f"{segment.name} is about users. Accounts are scored."))
    if others.filter(segment=segment).exists():
        problems.append(Problem("/segment", "segment-taken", f"{segment.name} has a health config already."))
    if stages_of(Segment.everything.all(), reader.vocabulary).get(segment.key, Stage.FACTS) >= Stage.HEALTH:
        text = f"{segment.name} reads health, so it cannot decide how health is scored."
        problems.append(Problem("/segment", "later-stage", text))
    return problems


def _still_read(config: HealthConfig, definition: Any) -> list[Problem]:
    """That a dimension would go which something else reads."""
    uses = uses_without(config, definition) if config.pk else []
    listed = ", ".join(f"{use.kind} “{use.name}”" for use in uses)
    text = f"A dimension that was removed is used by {listed}. Remove it there first, or keep the dimension."
    return [Problem("/dimensions", "in-use", text)] if uses else []


def reorder_configs(ids: Sequence[int]) -> None:
    """Put the configs in this order, which decides who scores an account of several segments; the others follow."""
    with transaction.atomic():
        xact_lock("health configs")
        known = list(HealthConfig.objects.order_by("is_default", "position", "id").values_list("pk", flat=True))
        wanted = [pk for pk in dict.fromkeys(ids) if pk in known]
        for position, pk in enumerate(wanted + [pk for pk in known if pk not in wanted]):
            HealthConfig.objects.filter(pk=pk).exclude(position=position).update(position=position)
        request_scoring(redefined=True)


def clone_config(
    config: HealthConfig, *, segment: Segment | None, name: str = "", active: bool = False, author: Any = None
) -> HealthConfig:
    """A copy for another segment, asked right after the original (the default config stays the last). It scores nobody
    unless it is active. Raises DefinitionError where that segment cannot have it."""
    with transaction.atomic():
        xact_lock("health configs")
        original = HealthConfig.objects.get(pk=config.pk)
        copy = save_config(
            None, name=name, definition=original.definition, segment=segment, active=active, author=author,
            reason=f"Cloned from {original.name}"[:255],
        )  # fmt: skip
        order = [pk for pk in HealthConfig.objects.values_list("pk", flat=True) if pk != copy.pk]
        order.insert(order.index(original.pk) + 1, copy.pk)
        reorder_configs(order)
    copy.refresh_from_db()
    return copy


def delete_config(config: HealthConfig) -> None:
    """Delete a config; its accounts are scored by the next one that fits. Their history stays. Raises ConfigInUse while
    something reads a dimension that no other config has."""
    with transaction.atomic():
        xact_lock("health configs")
        if uses := uses_of_config(config):
            raise ConfigInUse(config, uses)
        config.delete()
        request_scoring(redefined=True)


def override_health(
    account: Account, *, band: str, reason: str, until: dt.date | None = None, author: Any = None
) -> HealthOverride:
    """Give an account a band by hand up to a last day; an override that is there ends. Raises OverrideRefused for what
    cannot be. Every override has a last day, so that none is forgotten."""
    today = moment().today
    until = until or default_last_day(today)
    reason = clean_text(reason, 255)
    if band not in (Band.GOOD, Band.AVERAGE, Band.POOR):
        raise OverrideRefused("band", "Choose Good, Average or Poor.")
    if not reason:
        text = "Give a reason, for example “Their sponsor left, the new one is not convinced”."
        raise OverrideRefused("reason", text)
    if until < today:
        raise OverrideRefused("until", "The last day is past. Give today or a later day.")
    with transaction.atomic():
        xact_lock("health override", account.pk)
        end_override(account)
        now = AccountHealth.objects.filter(account=account).first()
        made = HealthOverride.objects.create(
            account=account, band=band, reason=reason, until=until, author=_person(author),
            computed_band=now.computed_band if now else Band.NONE,
        )  # fmt: skip
        request_scoring([account.pk])
    return made


def default_last_day(today: dt.date) -> dt.date:
    """The last day of an override for which none was given."""
    return today + dt.timedelta(days=OVERRIDE_DAYS)


def end_override(account: Account) -> bool:
    """Leave the account to its score again; False if there was no override."""
    with transaction.atomic():
        ended = HealthOverride.objects.filter(account=account, ended_at__isnull=True).update(ended_at=timezone.now())
        if ended:
            request_scoring([account.pk])
    return bool(ended)


def take_pulse(account: Account, value: int, *, note: str = "", author: Any = None) -> Pulse:
    """Note how a CSM feels about an account, 1 to 5. Raises BadValue for another number."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 5:
        raise BadValue("Give a whole number from 1 (about to leave) to 5 (delighted).")
    with transaction.atomic():
        made = Pulse.objects.create(
            account=account, value=value, note=clean_text(note, 255), author=_person(author), at=timezone.now()
        )
        request_scoring([account.pk])
    return made


def _person(author: Any) -> Any:
    return author if getattr(author, "pk", None) else None


@find_uses_with
def configs_of_segments(segments: Collection[Segment]) -> list[tuple[Segment, Use]]:
    """The health configs of segments, and those whose rules name one."""
    found = list(HealthConfig.objects.select_related("segment"))
    return [
        (segment, Use("health config", one.name, one.pk))
        for segment in segments
        for one in found
        if one.segment_id == segment.pk or segment.key in named_in(one.definition)
    ]


@follow_moves_with
def score_who_moved(segment: Segment, redefined: bool) -> None:
    """Members of a segment that decides about health moved after a save: who is scored by what has to follow."""
    if configs_of_segments([segment]):
        request_scoring(redefined=redefined)


@find_field_uses_with
def configs_that_read() -> list[tuple[FieldUse, set[str]]]:
    """Health configs with the texts of their measures."""
    found = HealthConfig.objects.all()
    return [(FieldUse("health config", one.name, one.pk), texts_in(one.definition)) for one in found]


@follow_fields_with
def score_by(keys: Collection[str], redefined: bool) -> None:
    """Have everybody scored if a config reads one of these fields."""
    if any(texts_in(one.definition) & set(keys) for one in HealthConfig.objects.all()):
        request_scoring(redefined=redefined)
