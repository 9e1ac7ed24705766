"""Reading a definition as it was sent or stored: every problem is collected with its place, nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from accounts.fields import Field, Kind, Owner, Stage, Vocabulary
from accounts.fields.windows import Window, read_window
from core.intake import BadValue, clean_number, clean_text, short
from core.refusals import Problem, Unusable
from core.spans import ValueProblem

OWNERS = {"account": (Owner.ACCOUNT,), "user": (Owner.USER, Owner.RELATIONSHIP)}


class TraitError(Unusable):
    """The definition cannot be used."""

    def __str__(self) -> str:
        return "; ".join(one.message for one in self.problems)


class TraitFailed(Exception):
    """A computation gave something that cannot be a trait's value; the message says what."""


class Reading:
    """The keys of one definition, each asked for once; what nobody asked for is refused at the end."""

    def __init__(self, data: Any, subject: str, vocabulary: Vocabulary) -> None:
        self.subject, self.vocabulary = subject, vocabulary
        self.problems: list[Problem] = []
        self.known: set[str] = set()
        self.data: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        if not isinstance(data, Mapping):
            self.fail("", "invalid-type", f"Expected an object, got {short(data)}.")

    def fail(self, pointer: str, code: str, message: str, allowed: Iterable[str] = ()) -> None:
        """Note a problem; the definition is refused at the end."""
        self.problems.append(Problem(pointer, code, message, tuple(allowed)))

    def end(self) -> None:
        """Refuse keys that nobody asked for; raises TraitError if anything was wrong."""
        for extra in sorted(set(map(str, self.data)) - self.known):
            self.fail(f"/{short(extra)}", "unknown-key", f"“{short(extra)}” is not known here. Remove it.", self.known)
        if self.problems:
            raise TraitError(self.problems)

    def raw(self, name: str) -> Any:
        """A value as it came; None if it is missing."""
        self.known.add(name)
        return self.data.get(name)

    def text(self, name: str, what: str, *, required: bool = True, limit: int = 255) -> str:
        """A text; what is missing is said with `what`."""
        value = self.raw(name)
        if value in (None, ""):
            if required:
                self.fail(f"/{name}", "required", f"{what} is missing.")
            return ""
        return self.item(value, f"/{name}", limit)

    def item(self, value: Any, pointer: str, limit: int = 255) -> str:
        """A text that is not empty, at a place."""
        try:
            found = clean_text(value, limit)
        except BadValue as error:
            self.fail(pointer, "invalid-type", str(error))
            return ""
        if not found:
            self.fail(pointer, "required", "The text is empty.")
        return found

    def number(self, value: Any, pointer: str, low: int | None = None, high: int | None = None) -> Decimal:
        """A JSON number within bounds."""
        wrong = isinstance(value, bool) or not isinstance(value, int | float | Decimal)
        try:
            found = clean_number(value)
        except BadValue as error:
            self.fail(pointer, "invalid-type", str(error))
            return Decimal(low or 0)
        if wrong:
            self.fail(pointer, "invalid-type", f"Expected a number, got {short(repr(value))}.")
        elif low is not None and high is not None and not low <= found <= high:
            self.fail(pointer, "out-of-range", f"Enter a number from {low:,} to {high:,}.")
        return found

    def whole(self, value: Any, pointer: str, low: int, high: int) -> int:
        """A whole JSON number within bounds."""
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fail(pointer, "out-of-range", f"Enter a whole number from {low:,} to {high:,}.")
            return low
        return value

    def one_of(self, name: str, allowed: tuple[Any, ...], default: Any = None) -> Any:
        """One of a few values."""
        value = self.raw(name)
        if value is None and default is not None:
            return default
        if value not in allowed or isinstance(value, bool):
            listed = ", ".join(map(str, allowed))
            self.fail(f"/{name}", "invalid-value", f"Say one of {listed}.", map(str, allowed))
            return allowed[0]
        return value

    def window(self) -> Window:
        """{"last": 30, "unit": "day"}, {"between": [60, 30], "unit": "day"} or "ever"."""
        try:
            found = read_window(self.raw("window"), self.vocabulary)
        except ValueProblem as problem:
            self.fail(f"/window{problem.below}", problem.code, str(problem), problem.allowed)
            return Window("ever")
        if found.field is not None:
            self.fail("/window/since", "wrong-field", "A trait's window has ages, not a date: one is the same for all.")
        return found

    def field(self, name: str, kinds: tuple[Kind, ...], what: str) -> Field | None:
        """A field of the same subject by its key."""
        key = self.raw(name)
        found = self.vocabulary.get(key) if isinstance(key, str) else None
        if found is None:
            self.fail(f"/{name}", "unknown-field", f"There is no field “{short(key)}”.")
        elif found.owner not in OWNERS[self.subject]:
            self.fail(f"/{name}", "wrong-field", f"{found.label} is not a field of the {self.subject}.")
        elif found.kind not in kinds:
            self.fail(f"/{name}", "wrong-field", f"{found.label} is not {what}.")
        elif found.stage > Stage.FACTS:
            self.fail(f"/{name}", "later-stage", f"{found.label} is only known after traits are computed.")
        else:
            return found
        return None
