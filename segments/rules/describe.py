"""A rule in plain English: the builder's "In words" line, the API, the change log and the strip on Accounts 360."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from accounts.fields import Category, Field, Kind, Owner, Subject
from accounts.fields.values import Between, Percent
from core.intake import fold
from core.spans import Span
from segments.rules.event_words import filters_of, happened_words, sequence_words
from segments.rules.nodes import Condition, Group, Happened, InSegment, Node, Quantified
from segments.rules.nodes import Sequence as EventSequence

_JOIN = {"all": " and ", "any": " or ", "none": " or "}
_HEAD = {"all": "all of", "any": "at least one of", "none": "none of"}
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}


class Words:
    """Describes nodes with the names of segments and the workspace's currency."""

    def __init__(self, segment_names: Mapping[str, str], currency: str = "USD", zone: dt.tzinfo = dt.UTC) -> None:
        self.segment_names, self.currency, self.zone = segment_names, currency, zone
        self._labels: dict[str, dict[str, str]] = {}

    def rule(self, root: Group, subject: Subject = Subject.ACCOUNT) -> str:
        """The whole rule as one sentence without its full stop."""
        if not root.rules:
            return f"Every {subject}"
        text = self.group(root, top=True)
        return text[:1].upper() + text[1:]

    def node(self, node: Node) -> str:
        """One node."""
        if isinstance(node, Group):
            return self.group(node)
        if isinstance(node, Condition):
            return self.condition(node)
        if isinstance(node, Happened | EventSequence):
            return self.event(node)
        return self.quantified(node) if isinstance(node, Quantified) else self.segment(node)

    def event(self, node: Happened | EventSequence) -> str:
        """What happened how often, or one event after another."""
        filters = [f" ({self.group(where, top=True)})" if where else "" for where in filters_of(node)]
        if isinstance(node, Happened):
            return happened_words(node, filters[0])
        return sequence_words(node, filters[0], filters[1])

    def group(self, group: Group, *, top: bool = False) -> str:
        """At the top the conditions are joined plainly; further down the group says what it asks for."""
        parts = [self.node(child) for child in group.rules]
        if len(parts) == 1 and group.match != "none":
            return parts[0]
        if top and group.match != "none":
            return ("," + _JOIN[group.match] if len(parts) > 2 else _JOIN[group.match]).join(parts)
        return f"{_HEAD[group.match]}: {'; '.join(parts)}"

    def quantified(self, node: Quantified) -> str:
        """How many users or subscriptions."""
        one = "user" if node.rows == "users" else "subscription"
        if node.amount is None:
            who = {"any": f"at least one {one}", "all": f"every {one}", "none": f"no {one}"}[node.quantifier]
        elif node.quantifier == "at_least":
            who = f"at least {_plain(node.amount)} {one}{'' if node.amount == 1 else 's'}"
        else:
            who = f"at least {_plain(node.amount)}% of {one}s"
        among = "" if node.of is None else f", of those for whom {self.group(node.of, top=True)},"
        return f"{who}{among} for whom {self.group(node.where, top=True)}"

    def segment(self, node: InSegment) -> str:
        """Membership."""
        name = self.segment_names.get(node.key, f"{node.key} (deleted)")
        if node.value is None:
            return f"{'not in' if node.op.negates else 'in'} {name}"
        return f"{node.op.words} {name} in the last {node.value}"

    def condition(self, node: Condition) -> str:
        """A comparison."""
        words, name = node.op.words, field_name(node.field)
        if node.value is None:
            return f"{name} {words}"
        if isinstance(node.value, Span) and "…" in words:
            return f"{name} {words.replace('…', str(node.value))}"
        return f"{name} {words} {self.value(node.field, node.value)}"

    def value(self, field: Field, value: Any) -> str:
        """A value as the screen writes it."""
        if isinstance(value, Percent):
            return f"{_plain(value.percent)}% of {field_name(value.of)}"
        if isinstance(value, Between):
            return f"{self.value(field, value.low)} and {self.value(field, value.high)}"
        if isinstance(value, tuple):
            return _listed([self.value(field, item) for item in value])
        if isinstance(value, Decimal):
            return self.number(field, value)
        if isinstance(value, dt.date):
            return f"{value.day} {value:%b %Y}"
        if isinstance(value, str):
            labels = self._labels_of(field)
            return labels.get(fold(value), value if labels else f"“{value}”")
        return str(value)

    def actual(self, field: Field, value: Any) -> str:
        """A value that an account has, as it comes out of the database or out of JSON; what does not fit, as it is."""
        try:
            return self._actual(field, value)
        except (ValueError, ArithmeticError):
            return str(value)

    def _actual(self, field: Field, value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, dict):  # money as it was written, in its own currency
            return f"{_plain(Decimal(str(value.get('amount', 0))))} {value.get('currency', '')}".strip()
        if isinstance(value, list):
            return _listed([str(item) for item in value]) if value else "none"
        if field.kind in (Kind.DATE, Kind.DATETIME):
            return self.day(value)
        if isinstance(value, int | float | Decimal):
            return self.number(field, Decimal(str(value)))
        labels = self._labels_of(field)
        return labels.get(fold(str(value)), str(value)) if labels else str(value)

    def _labels_of(self, field: Field) -> dict[str, str]:
        """The names of a field's choices by their folded values, put together once."""
        if field.key not in self._labels:
            self._labels[field.key] = {fold(choice.value): choice.label for choice in field.choices()}
        return self._labels[field.key]

    def day(self, value: Any) -> str:
        """A date, or the local day of an instant."""
        if isinstance(value, str):
            value = dt.datetime.fromisoformat(value) if "T" in value else dt.date.fromisoformat(value)
        if isinstance(value, dt.datetime):
            value = value.astimezone(self.zone).date()
        return f"{value.day} {value:%b %Y}"

    def time(self, value: str) -> str:
        """An instant by the local day and time."""
        return f"{self.day(value)} at {dt.datetime.fromisoformat(value).astimezone(self.zone):%H:%M}"

    def label(self, field: Field) -> str:
        """A field at the beginning of a sentence."""
        name = field_name(field)
        return name[:1].upper() + name[1:]

    def number(self, field: Field, value: Decimal) -> str:
        """A number with its unit, grouped by thousands."""
        if field.kind is Kind.MONEY:
            symbol = _SYMBOLS.get(self.currency)
            return f"{symbol}{_plain(value)}" if symbol else f"{_plain(value)} {self.currency}"
        return f"{_plain(value)}%" if field.kind is Kind.PERCENT else _plain(value)


def field_name(field: Field) -> str:
    """A field in a sentence; a subscription's says so, because the account may have one of the same name."""
    if field.owner is Owner.EVENT:
        return field.label
    owner = "subscription " if field.category is Category.SUBSCRIPTION else ""
    return f"{owner}{field.label if _keeps_capital(field.label) else field.label[:1].lower() + field.label[1:]}"


def _keeps_capital(label: str) -> bool:
    return label[:2].isupper() or label[:3] in ("E-m",)


def _plain(value: Decimal) -> str:
    text = f"{value:,f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "\u2212")


def _listed(items: Sequence[str]) -> str:
    if len(items) > 6:
        return f"{', '.join(items[:5])} or {len(items) - 5} more"
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} or {items[-1]}"


def describe(root: Group, *, segment_names: Mapping[str, str], currency: str = "USD") -> str:
    """The rule in plain English."""
    return Words(segment_names, currency).rule(root)
