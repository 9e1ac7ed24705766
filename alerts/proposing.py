"""Proposals to tighten or retire a rule, each with the figures that speak for it.

A proposal needs enough alerts to mean something, and names what the change would have done to those there were: a hold
of H days would have dropped an alert whose condition held for fewer than H nights, a cool-down of C days one that came
fewer than C days after the one before had ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from alerts.quality import Quality

ENOUGH = 8  # alerts, or judged alerts
HOLDS = (1, 2, 3, 5, 7, 10, 14)
COOLDOWNS = (3, 7, 14, 30)
MANY = 20  # alerts a week that a colleague can look at


@dataclass(frozen=True)
class Proposal:
    """What to change (`hold`, `cooldown`, `condition`, `retire`), to how many days where it is a time, and why."""

    change: str
    words: str
    days: int | None = None


def proposals_for(one: Quality) -> list[Proposal]:
    """What the figures of a rule speak for; nothing for a rule that is off."""
    if not one.rule.active:
        return []
    found = [_false_alarms(one) or _short_ones(one), _comes_again(one), _noise(one), _silent(one)]
    return [proposal for proposal in found if proposal is not None]


def _false_alarms(one: Quality) -> Proposal | None:
    """Half of those that were judged were false alarms: the shortest hold that spares half of these and little else."""
    if one.judged < ENOUGH or one.false * 2 < one.judged:
        return None
    start = f"{one.false} of {one.judged} judged alerts were false alarms"
    right = one.judged - one.false
    for days in HOLDS:
        dropped = _dropped(one, days, false=True)
        lost = _dropped(one, days, false=False)
        if days > one.rule.hold_days and dropped * 2 >= one.false and lost * 5 <= right:
            words = f"{start}: to raise the hold from {one.rule.hold_days} to {days} {_plural(days)}"
            words += f" would have dropped {dropped} of them"
            return Proposal("hold", f"{words}{_and_lost(lost, right)}.", days)
    if one.false * 5 >= one.judged * 4:
        return Proposal("retire", f"{start}, and no hold would have spared them. Switch it off, or ask for more.")
    return Proposal("condition", f"{start}, and no hold would have spared them. Ask for more in its condition.")


def _short_ones(one: Quality) -> Proposal | None:
    """Half of all resolved themselves within days, before anybody could do anything."""
    if one.fired < ENOUGH:
        return None
    for days in HOLDS[:4]:
        dropped = sum(part.number for part in one.lasted if part.nights is not None and part.nights < days)
        if days > one.rule.hold_days and dropped * 2 >= one.fired:
            words = f"{dropped} of {one.fired} alerts had nothing behind them within {days} {_plural(days)}: a hold of"
            return Proposal("hold", f"{words} {days} {_plural(days)} would have dropped them.", days)
    return None


def _comes_again(one: Quality) -> Proposal | None:
    """A third of all followed another one of the same account closely."""
    for days in COOLDOWNS:
        dropped = sum(number for after, number in one.again.items() if after < days)
        if one.fired >= ENOUGH and days > one.rule.cooldown_days and dropped * 3 >= one.fired:
            words = f"{dropped} of {one.fired} alerts came within {days} days after the one before of the same account:"
            return Proposal("cooldown", f"{words} a cool-down of {days} days would have dropped them.", days)
    return None


def _noise(one: Quality) -> Proposal | None:
    if one.noise is None or one.noise <= MANY:
        return None
    words = f"It raises {one.noise:g} alerts a week for each colleague, more than somebody can look at."
    return Proposal("condition", f"{words} Aim it at fewer segments, or ask for more.")


def _silent(one: Quality) -> Proposal | None:
    if one.fired or one.open or one.rule.created_at > one.since:
        return None
    return Proposal("retire", f"It raised no alert in {one.days} days. Ask for less, or delete it.")


def _dropped(one: Quality, days: int, *, false: bool) -> int:
    """How many judged alerts a hold of so many days would have dropped."""
    judged = [part for part in one.lasted if part.judged and part.false is false]
    return sum(part.number for part in judged if part.nights is not None and part.nights < days)


def _and_lost(lost: int, right: int) -> str:
    return f", and {lost} of the {right} others" if lost else ", and none of the others"


def _plural(days: int) -> str:
    return "day" if days == 1 else "days"
