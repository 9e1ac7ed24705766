"""What accounts, users, relationships and subscriptions have in common: attributes, their folds and their origins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import models

from core.intake import PARTED, fold, name_key


class FoldedField(models.TextField):
    """The comparable form of another text column, kept by the model itself whenever a row is written.

    Bulk statements that bypass `pre_save` (`update()`, raw SQL) must write it themselves with `core.intake.fold`.
    """

    def __init__(self, *args: Any, of: str = "name", **kwargs: Any) -> None:
        self.of = of
        kwargs |= {"editable": False, "default": "", "blank": True}
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """Keep `of` in migrations."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, list(args), kwargs | {"of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        """Fold the source column as it stands."""
        value = self.folded(getattr(model_instance, self.of) or "")
        setattr(model_instance, self.attname, value)
        return value

    def folded(self, text: str) -> str:
        """The form that is kept."""
        return fold(text)


class NameKeyField(FoldedField):
    """The `core.intake.name_key` of a name, in which lists are sorted and searched, alike on every database."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"db_collation": "C"})

    def folded(self, text: str) -> str:
        """Plain letters first."""
        return name_key(text)


class SearchTextField(models.TextField):
    """The keys of several text columns in one: what a list is searched in, kept by the model like `FoldedField`.

    They are parted by a character that no clean text holds. NULL where it is not written yet, or longer than an index
    entry may be; such rows are searched column by column.
    """

    MAX_BYTES = 800  # an entry of the index that holds it has room for 2,704 bytes, and other columns need theirs

    def __init__(self, *args: Any, of: Sequence[str] = (), **kwargs: Any) -> None:
        self.of = tuple(of)
        kwargs |= {"editable": False, "null": True, "default": None}
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """Keep `of` in migrations."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, list(args), kwargs | {"of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> str | None:
        """Fold the columns as they stand, also with plain letters."""
        text = PARTED.join(name_key(getattr(model_instance, name) or "") for name in self.of)
        value = text if len(text.encode()) <= self.MAX_BYTES else None
        setattr(model_instance, self.attname, value)
        return value


def folded_values(texts: dict[str, Any]) -> dict[str, Any]:
    """The folds of the texts that are set: a text gives a text, a list of texts a list; the missing are left out."""
    found: dict[str, Any] = {}
    for key, value in texts.items():
        if isinstance(value, str) and fold(value):
            found[key] = fold(value)
        elif isinstance(value, list) and value:
            found[key] = [fold(item) for item in value if isinstance(item, str)]
    return found


class FoldsField(models.JSONField):
    """`{column or "custom.<key>": folded text or list}` for every text of the row, so that rules compare folds only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"editable": False, "default": dict, "blank": True}
        super().__init__(*args, **kwargs)

    def pre_save(self, model_instance: models.Model, add: bool) -> dict[str, Any]:
        """Fold the model's `folded_columns` and every text among its attributes."""
        columns: list[str] = getattr(model_instance, "folded_columns", [])
        texts = {name: getattr(model_instance, name) for name in columns}
        attributes: dict[str, Any] = getattr(model_instance, "attributes", None) or {}
        value = folded_values(texts | {f"custom.{key}": item for key, item in attributes.items()})
        setattr(model_instance, self.attname, value)
        return value


class Attributed(models.Model):
    """A row with custom attributes.

    `attributes` holds `{key: value}` in the JSON form of each kind: text, choice and link a string; number and percent
    a JSON number; money `{"amount": number, "currency": code}`; boolean true or false; date and datetime ISO strings
    (UTC); list an array of strings. A missing value has no key. `stamps` holds `{key or column: [instant, source]}` of
    the newest value known, so that an older message never overwrites a newer one.
    """

    folded_columns: ClassVar[list[str]] = []

    attributes = models.JSONField(default=dict, blank=True)
    folded = FoldsField()
    stamps = models.JSONField(default=dict, blank=True, editable=False)

    class Meta:
        abstract = True
