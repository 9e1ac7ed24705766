"""The sanitising edge: what it lets through, and what it says when it does not."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.intake import (
    BadValue,
    check_depth,
    clean_boolean,
    clean_currency,
    clean_date,
    clean_datetime,
    clean_id,
    clean_number,
    clean_text,
    fold,
    short,
    whole,
)


@pytest.mark.parametrize(
    ("text", "most", "number"),
    [
        ("7", 9, 7), ("0", 9, 0), ("007", 9, 7), ("000", 9, 0), ("10", 9, None),
        ("9223372036854775807", None, 2**63 - 1),
        ("9223372036854775808", None, None), ("9" * 5_000, None, None), ("²", 9, None), ("٣", 9, None), ("", 9, None),
        (None, 9, None), ("-1", 9, None), (" 1", 9, None), ("1.0", 9, None), ("0", -1, None),
    ],
)  # fmt: skip
def test_a_whole_number_is_plain_digits_up_to_a_limit(text: str | None, most: int | None, number: int | None) -> None:
    assert (whole(text) if most is None else whole(text, most)) == number


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Café", "cafe\u0301", True),
        ("Café", "cafe", False),
        ("STRASSE", "straße", True),
        ("  Pro ", "pro", True),
        ("ΣΑΣ", "σας", True),
        ("İstanbul", "istanbul", False),
        ("a_b", "axb", False),
    ],
)
def test_texts_compare_without_case_but_with_accents(one: str, other: str, same: bool) -> None:
    assert (fold(one) == fold(other)) is same


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize("bad", ["a\x00b", "\ud800", 5, None, ["a"], "x" * 10_001])
def test_a_text_that_cannot_be_kept_is_refused(bad: Any) -> None:
    with pytest.raises(BadValue):
        clean_text(bad)


@pytest.mark.parametrize(
    "bad", ["", "  ", True, None, {}, 1.5, "a\x00", "a\x1fb", "zero\u200bwidth", "rtl\u202e", "x" * 256]
)
def test_an_id_that_cannot_be_kept_is_refused(bad: Any) -> None:
    with pytest.raises(BadValue):
        clean_id(bad)


def test_a_number_may_be_an_id_and_outer_space_goes() -> None:
    assert (clean_id(12345), clean_id(" A-1 ")) == ("12345", "A-1")


@pytest.mark.parametrize(
    ("given_value", "number"),
    [
        ("12.5", "12.5"),
        (0, "0"),
        ("-3", "-3"),
        (0.1, "0.1"),
        ("1e3", "1000"),
        ("99999999999999999999", "99999999999999999999"),
    ],
)
def test_numbers_are_read_exactly(given_value: Any, number: str) -> None:
    assert clean_number(given_value) == Decimal(number)


@pytest.mark.parametrize(
    "bad",
    ["NaN", "Infinity", "1,200", "$5", "1e400", 10**20, "1" * 65, "", "1_000", True, None, "٣", float("inf"), "0x10"],
)
def test_what_is_not_a_number_of_reasonable_size_is_refused(bad: Any) -> None:
    with pytest.raises(BadValue):
        clean_number(bad)


@pytest.mark.parametrize(("word", "meaning"), [("TRUE", True), ("no", False), (1, True), ("0", False), (True, True)])
def test_yes_and_no_are_read_in_the_usual_words(word: Any, meaning: bool) -> None:
    assert clean_boolean(word) is meaning


@pytest.mark.parametrize("bad", ["maybe", "", 2, None])
def test_anything_else_is_neither(bad: Any) -> None:
    with pytest.raises(BadValue):
        clean_boolean(bad)


def test_a_date_is_read_in_the_form_that_was_named() -> None:
    assert clean_date("03/04/2026", "%d/%m/%Y") == dt.date(2026, 4, 3)
    assert clean_date("2026-04-03T10:00:00Z") == dt.date(2026, 4, 3)


@pytest.mark.parametrize(
    "bad", ["03/04/2026", "2026-02-30", "0001-01-01", "9999-12-31", "", "2026-04-03x", None, 20260403]
)
def test_a_date_is_never_guessed(bad: Any) -> None:
    with pytest.raises(BadValue):
        clean_date(bad)


def test_a_time_without_a_zone_is_meant_in_the_workspaces() -> None:
    oslo = zoneinfo.ZoneInfo("Europe/Oslo")
    assert clean_datetime("2026-07-01T12:00:00", oslo) == dt.datetime(2026, 7, 1, 10, tzinfo=dt.UTC)
    assert clean_datetime("2026-07-01T12:00:00+02:00") == dt.datetime(2026, 7, 1, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize("bad", ["yesterday", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", 5, "1e18"])
def test_a_time_out_of_range_is_refused(bad: Any) -> None:
    with pytest.raises(BadValue):
        clean_datetime(bad)


def test_a_currency_is_three_letters() -> None:
    assert clean_currency(" eur ") == "EUR"
    with pytest.raises(BadValue):
        clean_currency("€")


def test_depth_is_counted_outside_of_quoted_text() -> None:
    check_depth('{"a": "[[[[[[", "b": "\\"[["}', limit=1)
    with pytest.raises(BadValue):
        check_depth("[" * 33)


def test_what_is_repeated_in_a_message_is_short_and_clean() -> None:
    assert short("a" * 100) == "a" * 59 + "…"
    assert "\x00" not in short("a\x00b")
    assert short("a\ud800").encode() == b"a?"
