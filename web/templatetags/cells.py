"""The cells of an account's values. Written in Python: a page has four hundred, and a template for each took half of
the time in which the page is made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from web.templatetags.csbox import ago, count, day, from_today, money, percent_of, safe_link

register = template.Library()
NOTHING = mark_safe('<span aria-hidden="true" class="quiet">–</span><span class="vh">no value</span>')
NO_USAGE = mark_safe('<span aria-hidden="true" class="quiet">–</span><span class="vh">no usage</span>')
Html = SafeString | str


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
    if column.key in ("stage", "stage_type"):
        return format_html('<span class="tag">{}</span>', value)
    return _BY_KIND.get(column.kind, _text)(value, shell)


def _meter(value: Any, whole: Any) -> Html:
    if not whole:
        return format_html('<span class="small">{} active</span>', count(value))
    share = percent_of(value, whole)
    return format_html(
        '<span class="seats"><span class="small">{} / {} <span class="quiet">{}%</span></span>'
        '<svg class="meterbar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="4" rx="2"/>'
        '<rect class="val" width="{}" height="4" rx="2"/></svg></span>',
        count(value), count(whole), share, min(share or 0, 100),
    )  # fmt: skip


def _line(value: Any) -> Html:
    if not value:
        return NO_USAGE
    return format_html(
        '<svg class="spark" viewBox="0 0 88 22" preserveAspectRatio="none" aria-hidden="true"><path d="{}"/></svg>'
        '<span class="vh">{}</span>',
        value.path, value.text,
    )  # fmt: skip


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
    return format_html('<span class="clip" title="{}">{}</span>', value, value)


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
