"""What follows when a rule opens an alert: who hears of it besides its assignee, and the playbooks that begin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import TeamMember
from alerts.models import AlertRule, NoticeChannel, Playbook, RuleNotices
from alerts.playbooks.editing import Coming, save_playbook
from core.intake import BadValue, clean_text
from core.names import free_name
from health.definition import DefinitionError

TASK_DAYS = 2  # working days, if nothing is said


@dataclass(frozen=True)
class Consequences:
    """Colleagues and channels that are told, and playbooks that an alert of the rule brings its account into."""

    members: tuple[TeamMember, ...] = ()
    channels: tuple[NoticeChannel, ...] = ()
    playbooks: tuple[Playbook, ...] = ()


@dataclass(frozen=True)
class NewTask:
    """A task that is to be made with every alert, in so many working days, for whoever the alerts are given to."""

    title: str
    days: int = TASK_DAYS


def shared_channels() -> QuerySet[NoticeChannel]:
    """The channels that a rule can tell: nobody's own."""
    return NoticeChannel.objects.filter(member__isnull=True)


def free_playbooks(rule: AlertRule | None) -> QuerySet[Playbook]:
    """The playbooks that an alert of the rule can begin: those of the rule, and those that only people begin."""
    mine = Q(rule=rule) if rule is not None and rule.pk else Q(pk__in=[])
    return Playbook.objects.filter(Q(entry=Playbook.Entry.HAND) | mine)


def copy_consequences(of: AlertRule, to: AlertRule, *, author: Any = None) -> None:
    """Let another rule tell whom a rule tells, and begin copies of its playbooks: a playbook is begun by one rule.

    Raises BadValue for a playbook that cannot be read any more.
    """
    now = consequences_of(of)
    save_consequences(to, replace(now, playbooks=()), author=author)
    for playbook in now.playbooks:
        copy = free_name(f"{playbook.name[:105]} (copy)", Playbook.objects.all())
        _begin(playbook, to, author, copy=copy)


def consequences_of(rule: AlertRule) -> Consequences:
    """As they are saved."""
    row = RuleNotices.objects.filter(rule=rule).prefetch_related("members", "channels").first()
    told = (tuple(row.members.all()), tuple(row.channels.all())) if row else ((), ())
    return Consequences(*told, tuple(Playbook.objects.filter(rule=rule)))


def save_consequences(
    rule: AlertRule, wanted: Consequences, *, task: NewTask | None = None, author: Any = None
) -> None:
    """Make it so. A playbook that is not wanted any more is begun by people only. Raises BadValue for a playbook that
    begins with something else, one that cannot be read any more, and a task without a title."""
    with transaction.atomic():
        _tell(rule, wanted.members, wanted.channels)
        now = {one.pk: one for one in Playbook.objects.filter(rule=rule)}
        chosen = {one.pk for one in wanted.playbooks}
        steps = _steps(rule, task) if task is not None else None
        made = {one.pk for one in now.values() if steps is not None and one.definition == steps}
        chosen |= made  # the task that it makes already is not made twice, however often it is asked for
        for playbook in (one for pk, one in now.items() if pk not in chosen):
            _begin(playbook, None, author)
        for playbook in (one for one in wanted.playbooks if one.pk not in now):
            if playbook.entry != Playbook.Entry.HAND:
                raise BadValue(f"{playbook.name} begins with something else. Change that in the playbook first.")
            _begin(playbook, rule, author)
        if steps is not None and not made:
            _add_task(rule, steps, author)


def _tell(rule: AlertRule, members: Iterable[TeamMember], channels: Iterable[NoticeChannel]) -> None:
    members, channels = list(members), list(channels)
    row = RuleNotices.objects.filter(rule=rule).first()
    if row is None and (members or channels):
        row = RuleNotices.objects.create(rule=rule)
    if row is not None:
        row.members.set(members)
        row.channels.set(channels)


def _begin(playbook: Playbook, rule: AlertRule | None, author: Any, *, copy: str = "") -> None:
    """Let alerts of a rule (or people only) begin a playbook, or a `copy` of it under another name."""
    try:
        save_playbook(
            None if copy else playbook, name=copy or playbook.name, description=playbook.description,
            active=playbook.active, definition=playbook.definition, coming=replace(Coming.of(playbook), rule=rule),
            author=author,
        )  # fmt: skip
    except DefinitionError as error:
        what = "copied" if copy else "changed"
        raise BadValue(f"{playbook.name} cannot be {what}: {error.first}") from error


def _steps(rule: AlertRule, task: NewTask) -> dict[str, Any]:
    """The definition of a playbook of one step, so that there is one way in which tasks come about, and a page to
    change it on."""
    title = clean_text(task.title, 150)
    if not title:
        raise BadValue("Give the task a title, for example Call {{ account.name }}.")
    whom = {"role": rule.role_id} if rule.role_id else {}
    whom |= {"to": rule.fallback.key} if rule.fallback else {}
    return {"steps": [{"key": "task", "kind": "task", "title": title, **whom, "due": {"days": task.days}}]}


def _add_task(rule: AlertRule, steps: dict[str, Any], author: Any) -> None:
    coming = Coming(rule=rule, again=Playbook.Again.ALWAYS)
    name = free_name(f"{rule.name[:112]}: task", Playbook.objects.all())
    try:
        save_playbook(None, name=name, definition=steps, coming=coming, author=author)
    except DefinitionError as error:
        raise BadValue(f"The task cannot be made: {error.first}") from error
