"""Serializers that take nothing for granted: unknown and read-only keys are refused, and types are not guessed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from core.intake import MAX_TEXT, BadValue, clean_boolean, clean_number, clean_text, short


def near(word: str, known: list[str]) -> str:
    """“ Did you mean “x”?” for a word that resembles a known one; empty otherwise."""
    found = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean “{found[0]}”?" if found else ""


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses keys that it does not know (`unknown-field`) and keys that nobody may write (`read-only`)."""

    def to_internal_value(self, data: Any) -> Any:
        """Look at the keys before the values."""
        if not isinstance(data, Mapping):
            message = f"Expected an object, got {type(data).__name__}."
            raise serializers.ValidationError({"non_field_errors": [message]}, code="invalid-type")
        wrong: dict[str, list[Any]] = {}
        writable = [name for name, field in self.fields.items() if not field.read_only]
        for key in map(str, data):
            if key in writable:
                continue
            if key in self.fields:
                wrong[key] = [serializers.ErrorDetail("This value is computed. Leave it out.", "read-only")]
            else:
                hint = near(key, writable)
                detail = f"“{short(key)}” is not a field here.{hint}"
                wrong[short(key)] = [serializers.ErrorDetail(detail, "unknown-field")]
        if wrong:
            raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """Text and nothing else: not a number, not a boolean; composed, trimmed, without NUL, bounded."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", MAX_TEXT)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The text as every other way in would store it."""
        try:
            return clean_text(data, self.max_length or MAX_TEXT)
        except BadValue as error:
            code = "invalid-type" if not isinstance(data, str) else "invalid-text"
            raise serializers.ValidationError(str(error), code=code) from error


class YesNo(serializers.BooleanField):
    """true or false; not 1, not “yes”."""

    def to_internal_value(self, data: Any) -> Any:
        """A JSON boolean (or null where it may be missing)."""
        if not isinstance(data, bool):
            raise serializers.ValidationError("Send true or false.", code="invalid-type")
        return clean_boolean(data)


class Whole(serializers.IntegerField):
    """A whole JSON number; not a text, not a boolean, not 1.0."""

    def to_internal_value(self, data: Any) -> int:
        """The number, within the field's bounds."""
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("Send a whole number.", code="invalid-type")
        return data


class Amount(serializers.DecimalField):
    """A decimal number, as a JSON number or as a text of digits; answered as a text, so that no cent is lost."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_digits": 24, "decimal_places": 2} | kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        """The exact number."""
        try:
            return super().to_internal_value(clean_number(data))
        except BadValue as error:
            raise serializers.ValidationError(str(error), code="number-out-of-range") from error


class Via(Text):
    """A text that is read along a path (`parent.external_id`) and written by its own name; a gap on the way is null."""

    def __init__(self, path: str, **kwargs: Any) -> None:
        self.path = path
        super().__init__(**kwargs)

    def get_attribute(self, instance: Any) -> Any:
        """Follow the path; the view selects what lies on it."""
        for part in self.path.split("."):
            instance = getattr(instance, part, None)
            if instance is None:
                return None
        return instance


class Attributes(serializers.JSONField):
    """Custom attributes by key; null clears one. Their kinds are checked where facts are recorded."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """An object of at most 200 keys."""
        if not isinstance(data, Mapping):
            raise serializers.ValidationError("Send an object of attributes by key.", code="invalid-type")
        if len(data) > 200:
            raise serializers.ValidationError("At most 200 attributes are taken at once.", code="too-many-values")
        return {str(key): value for key, value in data.items()}


class Tree(serializers.JSONField):
    """JSON of any depth, such as a rule or a definition; it is read and judged by those whose language it is in, and
    what they find wrong comes back as 422."""

    def to_internal_value(self, data: Any) -> Any:
        """The same with plain numbers."""
        return plain(data)


def plain(data: Any) -> Any:
    """The same JSON with decimals as the numbers that `json` itself would have read; for trees that are stored."""
    if isinstance(data, Decimal):
        return int(data) if data == data.to_integral_value() else float(data)
    if isinstance(data, Mapping):
        return {key: plain(value) for key, value in data.items()}
    return [plain(value) for value in data] if isinstance(data, list) else data
