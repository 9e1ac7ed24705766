"""The cells of an account's values. Written in Python: a page has four hundred, and a template for each, or a loop of
one around them, took half of the time in which the page is made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import conditional_escape, escape, format_html
from django.utils.safestring import SafeString, mark_safe

from health.models import Band
from web.columns import ALERTS
from web.templatetags.csbox import ago, count, day, from_today, money, percent_of, safe_link

register = template.Library()
NOTHING = mark_safe('<span aria-hidden="true" class="quiet">–</span><span class="vh">no value</span>')
NO_USAGE = mark_safe('<span aria-hidden="true" class="quiet">–</span><span class="vh">no usage</span>')
Html = SafeString | str


@register.simple_tag
def cells_of(row: Any, shell: Any, why: str = "", dimensions: Sequence[tuple[str, str]] = ()) -> SafeString:
    """All cells of a row after its name, and the line of facts that stands for them on a narrow screen.

    `why` is the list's address up to the account whose health it should explain; `dimensions` are key and name of those
    that have a place in the strip.
    """
    found = []
    for item in row.cells:
        if item.column.key == "health.band":
            inner = _band_why(item, why)
        elif item.column.key == "health_dimensions":
            inner = _strip(item.value, dimensions)
        elif item.column.key == ALERTS:
            inner = _alerts(item.value, row.pk)
        else:
            inner = cell(item, shell)
        css = f"{item.column.css}{' num' if item.column.numeric else ''}"
        found.append(f'<td class="{css}" role="cell">{conditional_escape(inner)}</td>')
    facts = " · ".join(conditional_escape(_fact(item, shell)) for item in row.facts)
    return mark_safe("\n    ".join([*found, f'<td class="c-facts" role="cell">{facts}</td>']))  # noqa: S308 - escaped above


def _fact(item: Any, shell: Any) -> Html:
    if item.extra == "mrr":
        return format_html("{} MRR", money(item.value, shell.workspace.currency))
    if item.column.field:
        return format_html("{} {}", item.column.label, cell(item, shell))
    return f"renews {from_today(item.value, shell.moment)}" if item.extra == "renews" else str(item.value)


@register.simple_tag
def cell(found: Any, shell: Any) -> Html:
    """What stands in a cell; `found` has the column, the value and, for a meter, the whole in `extra`."""
    column, value = found.column, found.value
    if column.kind == "active_licences":
        return _meter(value, getattr(found, "extra", None))
    if column.kind == "weekly_users":
        return _line(value)
    if value is None:
        return NOTHING
    if column.key == "health_reason":
        css = "reason ok" if value.fine else "reason"
        whole = escape(value.reason).replace(" %", "\u00a0%")  # a number keeps its sign
        return mark_safe(f'<span class="{css}">{whole}</span>')  # noqa: S308 - escaped
    if column.key == "health.band":
        return pill(value)
    if column.key.startswith("health.change_"):
        return _change(value)
    if column.kind == "money" and getattr(found, "extra", None):
        return _money_beside(value, found.extra, shell)
    if column.key in ("stage", "stage_type", "status", "status_type"):
        return format_html('<span class="tag">{}</span>', value)
    return _BY_KIND.get(column.kind, _text)(value, shell)


@lru_cache(maxsize=16)
def pill(label: str) -> Html:
    """A band of health as word, shape and colour."""
    band = next((str(band.value) for band in Band if str(band.label) == label), "none")
    return format_html(
        '<span class="pill {0}"><svg class="glyph band-{0}" aria-hidden="true"><use href="#band-{0}"/></svg>{1}</span>',
        band, label,
    )  # fmt: skip


def _band_why(item: Any, why: str) -> Html:
    """The pill with the score, as a link to all the reasons."""
    pk, score = item.extra
    number = "" if score is None else f'<span class="score">{score:.0f}</span>'
    before, after = _why_address()
    return mark_safe(  # noqa: S308 - an address of ours, which is escaped, and numbers
        f'<a class="health-btn" href="{escape(why)}{pk}" data-why hx-get="{before}{pk}{after}">'
        f'{pill(item.value)}{number}<span class="vh">. Why?</span></a>'
    )


def _alerts(open_ones: int | None, pk: int) -> Html:
    """How many alerts are open, as a link to them; where all is quiet, nothing that draws the eye."""
    if not open_ones:
        return mark_safe('<span class="vh">0</span>')
    return format_html(
        '<a class="bell" href="{}?account={}"><svg class="icon" aria-hidden="true"><use href="#i-bell"/></svg>{}'
        '<span class="vh"> open</span></a>',
        reverse("alerts"), pk, open_ones,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _why_address() -> tuple[str, str]:
    """What stands before and after an account's id in the address of its reasons."""
    before, _, after = reverse("account_why", args=[0]).partition("0")
    return before, after


def _strip(told: Any, dimensions: Sequence[tuple[str, str]]) -> Html:
    """A glyph for each dimension in its place; none where the account's config does not have it."""
    if told is None or not told.dimensions:
        return NOTHING
    found = [dimension_glyph(*told.dimensions[key]) if key in told.dimensions else "<li></li>" for key, _ in dimensions]
    return mark_safe(f'<ul class="dims">{"".join(found)}</ul>')  # noqa: S308 - escaped below


@lru_cache(maxsize=128)
def dimension_glyph(name: str, band: str) -> SafeString:
    """One dimension as a shape, with its words for those who point at it or listen."""
    return format_html(
        '<li title="{0}: {1}"><svg class="glyph band-{2}" aria-hidden="true"><use href="#band-{2}"/></svg>'
        '<span class="vh">{0} {1}</span></li>',
        name, Band(band).label, band,
    )  # fmt: skip


def _change(value: Any) -> Html:
    """Points won or lost, with the direction as a shape."""
    if not value:
        return format_html('<span class="quiet">{}</span>', "0")
    arrow, word = ("▲", "up") if value > 0 else ("▼", "down")
    return format_html(
        '<span class="nowrap"><span aria-hidden="true" class="quiet">{}</span><span class="vh">{}</span> {}</span>',
        arrow, word, count(abs(value)),
    )  # fmt: skip


def _meter(value: Any, whole: Any) -> Html:
    active = count(value)
    if not whole:
        return mark_safe(f'<span class="small">{active} active</span>')  # noqa: S308 - numbers, here and below
    share = percent_of(value, whole) or 0
    return mark_safe(  # noqa: S308
        f'<span class="seats"><span class="small">{active} / {count(whole)} <span class="quiet">{share}%</span></span>'
        '<svg class="meterbar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="4" rx="2"/>'
        f'<rect class="val" width="{min(share, 100)}" height="4" rx="2"/></svg></span>'
    )


def _line(value: Any) -> Html:
    if not value:
        return NO_USAGE
    return format_html(
        '<svg class="spark" viewBox="0 0 88 22" preserveAspectRatio="none" aria-hidden="true"><path d="{}"/></svg>'
        '<span class="vh">{}</span>',
        value.path, value.text,
    )  # fmt: skip


def _money_beside(value: Any, own: tuple[Any, str], shell: Any) -> Html:
    """An amount in the workspace's currency, and beside it the one it comes from if that is in another."""
    amount, currency = own
    if currency == shell.workspace.currency:
        return _money(value, shell)
    return format_html('{} <span class="quiet small">{}</span>', _money(value, shell), money(amount, currency))


def _money(value: Any, shell: Any) -> Html:
    if isinstance(value, dict):
        return money(value.get("amount"), value.get("currency") or shell.workspace.currency)
    return money(value, shell.workspace.currency)


def _date(value: dt.date, shell: Any) -> Html:
    ahead = from_today(value, shell.moment)
    return format_html('<span class="renew">{}<span class="small">{}</span></span>', day(value), ahead)


def _link(value: Any, shell: Any) -> Html:
    where = safe_link(value)
    return format_html('<a class="clip" href="{}" rel="noopener noreferrer" target="_blank">{}</a>', where, value)


def _text(value: Any, shell: Any) -> Html:
    escaped = conditional_escape(value)
    return mark_safe(f'<span class="clip" title="{escaped}">{escaped}</span>')  # noqa: S308 - escaped above


_BY_KIND: dict[str, Callable[[Any, Any], Html]] = {
    "money": _money,
    "number": lambda value, shell: count(value),
    "percent": lambda value, shell: f"{count(value)}%",
    "boolean": lambda value, shell: "Yes" if value else "No",
    "date": _date,
    "datetime": lambda value, shell: format_html('<span class="nowrap">{}</span>', ago(value, shell.moment)),
    "list": lambda value, shell: format_html('<span class="clip">{}</span>', ", ".join(map(str, value))),
    "link": _link,
}
