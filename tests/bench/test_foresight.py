"""What foresight is judged by, without its models, which are not installed for the tests.

The measurement itself takes minutes: `make foresight`, whose figures stand in docs/foresight.md.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from bench.foresight.histories import Nova
from bench.foresight.page import measured_config
from bench.foresight.poor import halves, poor, poor_since
from bench.foresight.replay import Row, Scored, month_ends, quarter_ends
from tests.integrations.reading import data_set


def row(day: dt.date, outcome: bool, last: dt.date, lead: dt.date | None = None) -> Row:
    return Row("a", day, outcome, last, lead)


def test_the_rows_of_nova_are_those_of_the_question() -> None:
    """698 rows, 61 lost, as counted when the question was asked; the halves part at the row in the middle."""
    rows = Nova(data_set("openstack-nova")).rows()
    assert (len(rows), sum(one.outcome for one in rows)) == (698, 61)
    earlier, later = halves(rows)
    assert (len(earlier), len(later), sum(one.outcome for one in later)) == (337, 361, 37)
    assert max(one.day for one in earlier) == dt.date(2016, 3, 31) and min(one.day for one in later) == dt.date(
        2016, 6, 30
    )
    assert all((one.day - one.last_event).days < 90 for one in rows)


def test_months_and_quarters_end_on_their_last_days() -> None:
    ends = list(month_ends(dt.date(2024, 1, 15), dt.date(2024, 4, 29)))
    assert ends == [dt.date(2024, 1, 31), dt.date(2024, 2, 29), dt.date(2024, 3, 31)]
    assert list(quarter_ends(dt.date(2023, 11, 1), dt.date(2024, 7, 1))) == [
        dt.date(2023, 12, 31), dt.date(2024, 3, 31), dt.date(2024, 6, 30)
    ]  # fmt: skip


def test_lead_time_counts_from_the_run_of_poor_months_that_the_row_is_in() -> None:
    months = list(month_ends(dt.date(2024, 1, 1), dt.date(2024, 6, 30)))
    bands = ["poor", "average", "poor", "poor", "none", "poor"]
    scores = {month: {"a": Scored(None, band)} for month, band in zip(months, bands, strict=True)}
    april, june = months[3], months[5]
    lost = row(april, True, dt.date(2024, 4, 10), dt.date(2024, 10, 7))
    assert poor_since(lost, scores) == months[2]
    assert poor_since(row(june, True, june), scores) == june
    told = poor([lost, row(june, False, june), row(months[1], True, months[0], june)], scores)
    assert (told["poor"], told["caught"], told["recall"], told["precision"]) == (2, 1, 0.5, 0.5)
    assert told["lead_days"] == (dt.date(2024, 10, 7) - months[2]).days
    assert (told["lead_days_to_last_event"], told["poor_before_last_event"]) == (10, 1)


def test_the_page_is_about_the_present_config_which_reaches_its_goal() -> None:
    """Whoever changes the stock config measures it again: `make foresight`."""
    page = (Path(__file__).resolve().parent.parent.parent / "docs" / "foresight.md").read_text(encoding="utf-8")
    assert measured_config() in page
    nova = page.split("## OpenStack Nova", 1)[1].split("\n## ", 1)[0]
    of = {
        cells[1].strip(): float(cells[2])
        for line in nova.splitlines()
        if len(cells := line.split("|")) == 7 and "0." in cells[2]
    }
    assert of["The stock config"] >= 0.8
    assert of["The stock config"] > of["Days since last seen"]
