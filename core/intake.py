"""The sanitising edge: everything that comes from outside passes one of these functions before it is stored.

Each returns the clean value or raises `BadValue` with a sentence that says what is wrong and what would do. The bounds
are the same for files, forms, the API and rules, so that a value accepted in one place is accepted in all.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Any

MAX_ID, MAX_NAME, MAX_TEXT = 255, 255, 10_000
MAX_DIGITS = 20
MAX_KEY = 2**63 - 1  # of a row
MAX_DEPTH, MAX_JSON = 32, 64 * 1024
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HIDDEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_TRUE, _FALSE = {"true", "yes", "y", "t", "1"}, {"false", "no", "n", "f", "0"}


class BadValue(ValueError):
    """A value from outside that cannot be taken; the message is written for the person who sent it."""


class NameTaken(ValueError):
    """Another record of the kind has this name (compared without case); the message is written for whoever gave it."""


def short(value: object, limit: int = 60) -> str:
    """A value as it may be repeated in a message: one line, bounded, without control characters and lone surrogates."""
    sendable = str(value)[: limit + 1].encode("utf-8", "replace").decode()
    text = _HIDDEN.sub("", _CONTROLS.sub("\ufffd", sendable)).replace("\n", " ")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def fold(text: str) -> str:
    """The form in which texts are compared: composed, trimmed, case folded, accents kept.

    Computed here and nowhere else, when a value is written and when a rule is compiled, so that the answer does not
    depend on the database's version or locale.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().casefold())


# Letters with a stroke or two in one, which Unicode does not take apart.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ŧ": "t", "ı": "i"}
)
PARTED = "\x1f"  # no clean text holds it, and it comes before every letter


def unaccented(text: str) -> str:
    """The fold of a text with plain letters: "Éclair" as "eclair"."""
    parts = unicodedata.normalize("NFD", fold(text).translate(_LETTERS))
    return unicodedata.normalize("NFC", "".join(char for char in parts if not unicodedata.combining(char)))


def name_key(text: str) -> str:
    """The form in which names are put in order and searched: with plain letters, and behind that, if it is another one,
    the fold itself. So É stands beside E on every database, and both "eclair" and "éclair" are held by it.
    """
    folded = fold(text)
    if folded.isascii():
        return folded
    plain = unaccented(folded)
    return folded if plain == folded else f"{plain}{PARTED}{folded}"


def clean_text(value: Any, limit: int = MAX_TEXT) -> str:
    """A composed, trimmed text of at most `limit` characters; NUL and lone surrogates are refused."""
    if not isinstance(value, str):
        raise BadValue(f"Expected text, got {type(value).__name__}.")
    if "\x00" in value:
        raise BadValue("The text holds a NUL character. Remove it.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadValue("The text is not valid Unicode (a lone surrogate). Send UTF-8.") from error
    text = unicodedata.normalize("NFC", _CONTROLS.sub("", value)).strip()
    if len(text) > limit:
        raise BadValue(f"The text is {len(text):,} characters long; at most {limit:,} are kept. Shorten it.")
    return text


def clean_id(value: Any) -> str:
    """An external id: text or a whole number, not empty, at most 255 characters, nothing invisible in it.

    Ids are compared exactly (they are not case folded). A control character is refused, not removed, because changing
    an id would merge two customers.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadValue("An id is text or a whole number.")
    if isinstance(value, str) and 0 < len(value) <= MAX_ID and value.isascii() and value.isprintable():
        value = value.strip()  # nothing hidden in it and nothing to compose, as in nearly every id
        if value:
            return value
    text = str(value)
    if _CONTROLS.search(text) or _HIDDEN.search(text.strip("\ufeff")):
        raise BadValue("The id holds a control or invisible character. Remove it.")
    text = clean_text(text, MAX_ID)
    if not text:
        raise BadValue("The id is empty.")
    return text


def clean_number(value: Any) -> Decimal:
    """A decimal of at most 20 digits before and 6 after the point; NaN and infinity are refused."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise BadValue("Expected a number, for example 90 or 12.5.")
    if isinstance(value, str) and (len(value) > 64 or not value.strip().isascii()):
        raise BadValue("Expected a number, for example 90 or 12.5.")
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        raise BadValue("The number is too large: at most 20 digits before the point.")
    try:
        number = Decimal(str(value).strip().replace("_", "x"))
    except InvalidOperation as error:
        raise BadValue(f"“{short(value)}” is not a number. Write it like 90 or 12.5, without separators.") from error
    if not number.is_finite():
        raise BadValue("The number must be finite.")
    if number and (number.adjusted() >= MAX_DIGITS or number.adjusted() < -12):
        raise BadValue("The number is out of range: at most 20 digits before the point and 6 after it.")
    return number.quantize(Decimal("0.000001")) if -number.as_tuple().exponent > 6 else number  # type: ignore[operator]


def whole(text: str | None, most: int = MAX_KEY) -> int | None:
    """The number from 0 to `most` that plain digits in an address or a form say; None for whatever else is there."""
    digits = (text or "").lstrip("0") or (text or "")[-1:]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(most)):
        return None
    number = int(digits)
    return number if number <= most else None


def clean_boolean(value: Any) -> bool:
    """True or false from a boolean or one of the usual words."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise BadValue(f"“{short(value)}” is neither yes nor no. Use true or false.")


def clean_date(value: Any, form: str | None = None) -> dt.date:
    """A calendar date, from a date, an ISO text or a text in the given strptime form."""
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    text = str(value).strip()[:40] if isinstance(value, str) else ""
    try:
        found = dt.datetime.strptime(text, form).date() if form else dt.date.fromisoformat(text[:10])
    except ValueError as error:
        want = f"in the form {form}" if form else "like 2026-11-22"
        raise BadValue(f"“{short(value)}” is not a date {want}.") from error
    if not form and len(text) > 10 and text[10] not in "T ":
        raise BadValue(f"“{short(value)}” is not a date like 2026-11-22.")
    if not 1900 <= found.year <= 2200:
        raise BadValue(f"The year {found.year} is out of range (1900 to 2200).")
    return found


def clean_datetime(value: Any, zone: dt.tzinfo = dt.UTC, form: str | None = None) -> dt.datetime:
    """An instant in UTC; a text without a zone is meant in `zone`, a bare date as its first instant there."""
    if isinstance(value, dt.datetime):
        found = value
    elif isinstance(value, dt.date):
        found = dt.datetime.combine(value, dt.time())
    else:
        text = str(value).strip()[:64] if isinstance(value, str) else ""
        try:
            found = dt.datetime.strptime(text, form) if form else dt.datetime.fromisoformat(text)
        except ValueError as error:
            want = f"in the form {form}" if form else "like 2026-11-22T09:30:00Z"
            raise BadValue(f"“{short(value)}” is not a time {want}.") from error
    found = found if found.tzinfo else found.replace(tzinfo=zone)
    if not 1900 <= found.year <= 2200:
        raise BadValue(f"The year {found.year} is out of range (1900 to 2200).")
    return found.astimezone(dt.UTC)


def clean_currency(value: Any) -> str:
    """A currency code of three letters (ISO 4217)."""
    code = str(value).strip().upper()
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise BadValue(f"“{short(value)}” is not a currency code such as USD or EUR.")
    return code


def check_depth(text: str, limit: int = MAX_DEPTH) -> None:
    """Refuse JSON that is nested deeper than `limit` before a parser recurses into it."""
    depth, quoted, escaped = 0, False, False
    for char in text:
        if quoted:
            escaped, quoted = char == "\\" and not escaped, char != '"' or escaped
        elif char == '"':
            quoted = True
        elif char in "[{":
            depth += 1
            if depth > limit:
                raise BadValue(f"The JSON is nested more than {limit} levels deep.")
        elif char in "]}":
            depth -= 1
