"""Reading a body: bounded, UTF-8, not too deep, no key twice, numbers kept exactly."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from core.api.problems import ApiProblem
from core.intake import BadValue, check_depth, short

LONGEST_NUMBER = 60


class StrictJSONParser(BaseParser):
    """JSON and nothing else. Fractions become decimals, so that money is never rounded on the way in."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The value of a body. Raises 400 for what is not JSON, 413 for too much of it, 415 for another encoding."""
        self._check_charset(media_type or "")
        limit = int(settings.API_BODY_BYTES)
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise ApiProblem(
                "body-too-large",
                f"The body is larger than {limit:,} bytes. Send less at a time.",
                status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
            )
        try:
            text = raw.removeprefix(codecs.BOM_UTF8).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ApiProblem("invalid-encoding", f"Byte {error.start} of the body is not UTF-8.") from error
        return read_json(text)

    @staticmethod
    def _check_charset(media_type: str) -> None:
        for part in media_type.lower().split(";")[1:]:
            name, _, value = part.strip().partition("=")
            if name == "charset" and value.strip('"') not in ("utf-8", "utf8"):
                raise ApiProblem("unsupported-charset", "Send the body in UTF-8.", 415)


def read_json(text: str) -> Any:
    """Parse bounded JSON strictly: no key twice, no NaN, no number of thousands of digits, no deep nesting."""
    try:
        check_depth(text)
    except BadValue as error:
        raise ApiProblem("json-too-deep", str(error)) from error
    try:
        return json.loads(
            text, parse_float=_fraction, parse_int=_whole, parse_constant=_constant, object_pairs_hook=_object
        )
    except ApiProblem:
        raise
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {short(error)}.") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ApiProblem("duplicate-key", f"The key “{short(key)}” comes twice in one object. Send it once.")
        found[key] = value
    return found


def _fraction(text: str) -> Decimal:
    _bounded(text)
    return Decimal(text)


def _whole(text: str) -> int:
    _bounded(text)
    return int(text)


def _constant(text: str) -> Any:
    raise ApiProblem("number-out-of-range", f"{text} is not a number that can be kept.")


def _bounded(text: str) -> None:
    exponent = text.lower().partition("e")[2]
    if len(text) > LONGEST_NUMBER or (exponent and abs(int(exponent)) > 30):
        raise ApiProblem("number-out-of-range", "A number is too long, or too large or small, to be kept exactly.")
