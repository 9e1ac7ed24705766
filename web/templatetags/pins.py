"""Pins as pages write them."""

from __future__ import annotations

from django import template

from segments.models import Pin
from segments.pins import author_name
from segments.pins import pin_words as words_of

register = template.Library()


@register.filter
def pin_words(pin: Pin) -> str:
    """Pinned in by Ada until 1 Dec 2026: board decision."""
    return words_of(pin)


@register.filter
def pin_author(pin: Pin) -> str:
    """Who pinned it."""
    return author_name(pin)
