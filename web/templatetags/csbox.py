"""Numbers, money and dates as the dashboard writes them."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from core.clock import Moment
from core.models import Workspace

register = template.Library()

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "BRL": "R$", "KRW": "₩", "ILS": "₪"}
MISSING = mark_safe('<span aria-hidden="true">–</span><span class="vh">no value</span>')


@register.filter
def count(value: Any) -> str:
    """1284 as 1,284, with a true minus sign; a fraction keeps at most two places."""
    if value is None or value == "":
        return "–"
    number = Decimal(str(value))
    text = f"{number:,.0f}" if number == number.to_integral_value() else f"{number:,.2f}".rstrip("0").rstrip(".")
    return text.replace("-", "\u2212")


def money_text(value: Any, currency: str = "USD") -> str:
    """$14,200 or CHF 14,200; cents only where there are some."""
    amount = Decimal(str(value)).quantize(Decimal("0.01"), ROUND_HALF_UP)
    digits = f"{abs(amount):,.0f}" if amount == amount.to_integral_value() else f"{abs(amount):,.2f}"
    return f"{chr(0x2212) if amount < 0 else ''}{SYMBOLS.get(currency, currency + chr(0xA0))}{digits}"


@register.filter
def money(value: Any, currency: str = "USD") -> SafeString | str:
    """Money in full, for tables."""
    return MISSING if value is None or value == "" else money_text(value, currency)


@register.filter
def money_short(value: Any, currency: str = "USD") -> SafeString | str:
    """Money for tiles and totals: $5.83M, $21.4M, $312K, $950."""
    if value is None or value == "":
        return MISSING
    amount = Decimal(str(value))
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**4, "K")):
        if abs(amount) >= size:
            unit = amount / (1000 if letter == "K" else size)
            places = 2 if unit < 10 else 1 if unit < 100 else 0
            text = f"{unit:,.{places}f}"
            text = text.rstrip("0").rstrip(".") if places else text
            return f"{SYMBOLS.get(currency, currency + chr(0xA0))}{text}{letter}"
    return money_text(amount.quantize(Decimal(1), ROUND_HALF_UP), currency)


@register.filter
def day(value: Any) -> SafeString | str:
    """1 Jan 2027 in a time element; of an instant the day on which it was for whoever looks."""
    found = _local_date(value)
    return (
        MISSING if found is None else format_html('<time datetime="{}">{}</time>', found.isoformat(), day_text(found))
    )


def day_text(value: dt.date) -> str:
    """1 Jan 2027."""
    return f"{value.day} {value:%b %Y}"


@register.simple_tag
def from_today(value: Any, moment: Moment) -> str:
    """Where a day lies from today: in 38 days, today, 12 days ago."""
    found = _local_date(value, moment.zone)
    return "" if found is None else days_text((found - moment.today).days)


def days_text(days: int) -> str:
    """In words, from the number of days ahead (negative: ago)."""
    if days == 0:
        return "today"
    if abs(days) == 1:
        return "tomorrow" if days > 0 else "yesterday"
    if abs(days) >= 730:
        years = abs(days) // 365
        return f"in {years} years" if days > 0 else f"{years} years ago"
    return f"in {days:,} days" if days > 0 else f"{-days:,} days ago"


@register.simple_tag
def ago(value: Any, moment: Moment) -> SafeString | str:
    """How long ago an instant was, the exact time in its title: 12 days ago."""
    if value is None:
        return MISSING
    seconds = (moment.now - value).total_seconds()
    if 0 <= seconds < 90:
        words = "just now"
    elif 0 <= seconds < 5400:
        words = f"{round(seconds / 60)} min ago"
    elif 0 <= seconds < 86_400 and timezone.localdate(value) == timezone.localdate(moment.now):
        words = f"{round(seconds / 3600)} h ago"
    else:
        words = days_text((timezone.localdate(value) - timezone.localdate(moment.now)).days)
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), instant_text(value), words)


@register.filter
def instant(value: dt.datetime | None) -> str:
    """12 Nov 2026, 13:30 UTC, in the zone of whoever looks."""
    return "" if value is None else instant_text(value)


def instant_text(value: dt.datetime) -> str:
    """The day, the time and the zone, which is that of whoever looks (`web.time_zone`)."""
    local = timezone.localtime(value)
    return f"{day_text(local.date())}, {local:%H:%M} {local.tzname()}"


@register.simple_tag
def days_elsewhere(workspace: Workspace | None) -> str:
    """Whose days a rule means, for those who see times in another zone than the workspace's."""
    if not workspace or workspace.time_zone == str(timezone.get_current_timezone()):
        return ""
    return f" Its days are those of the workspace, in {workspace.time_zone}."


def _local_date(value: Any, zone: dt.tzinfo | None = None) -> dt.date | None:
    if isinstance(value, dt.datetime):
        return value.astimezone(zone or timezone.get_current_timezone()).date()
    return value if isinstance(value, dt.date) else None


@register.filter
def instant_of(value: str) -> dt.datetime | None:
    """The instant that a recorded stamp means; None if it is not one."""
    try:
        found = dt.datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else None


@register.filter
def day_of(value: str) -> dt.date | None:
    """The day that a recorded text means; None if it is not one."""
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        return None


@register.filter
def percent_of(value: Any, whole: Any) -> int | None:
    """82 for 41 of 50; None if there is nothing to divide by."""
    return round(100 * value / whole) if whole and value is not None else None


@register.filter
def at_most(value: int | None, limit: int) -> int:
    """The value, but not above the limit (a bar that would leave its track)."""
    return min(value or 0, limit)


@register.filter
def safe_link(value: Any) -> str:
    """A link that may be followed: http, https or mailto; anything else leads nowhere."""
    text = str(value).strip()
    return text if text.lower().startswith(("http://", "https://", "mailto:")) else "#"
