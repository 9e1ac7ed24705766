"""Ways from a page to the admin's form of what it shows, for those who may open it."""

from __future__ import annotations

from typing import Any

from django import template
from django.apps import apps
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from core.backoffice import door_to

register = template.Library()
ICON = mark_safe('<svg class="icon" aria-hidden="true"><use href="#i-sliders"/></svg>')


@register.simple_tag(takes_context=True)
def in_admin(context: Any, about: Any, css: str = "btn ghost hide-s", row: str = "") -> SafeString | str:
    """A link to the form of a record, or to the list of a model that is named like "segments.Segment".

    Nothing for whoever may not open it, and for what is not saved yet. `row` is what a row of a list is called: the
    link is short there, and says the name only to those who listen.
    """
    found = apps.get_model(about) if isinstance(about, str) and about else about
    if not found or (not isinstance(found, type) and found.pk is None):
        return ""
    door = door_to(context["request"], found)
    if door is None:
        return ""
    text = "Edit in Admin" if door.may_change else "Open in Admin"
    if row:
        return format_html('<a class="{}" href="{}">Admin<span class="vh">: {}</span></a>', css, door.address, row)
    icon = ICON if css.startswith("btn") else ""
    return format_html('<a class="{}" href="{}">{}{}</a>', css, door.address, icon, text)
