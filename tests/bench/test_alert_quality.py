"""What the page about ready-made alert rules is judged by; the measurement itself takes long: `make alert-quality`."""

from __future__ import annotations

import datetime as dt

from alerts.stock import STOCK
from bench.alertquality import PAGE, Opened, Truth, _silences, judge
from bench.alertquality_page import HEAD, measured_rules, write

FIRST = dt.date(2024, 1, 7)
WEEKS = [FIRST + dt.timedelta(days=7 * n) for n in range(20)]


def opened(account: str, week: int, rule: str = "Silent account") -> Opened:
    return Opened(rule, account, WEEKS[week])


def test_an_alert_is_right_if_its_account_is_lost_within_the_horizon() -> None:
    lost = {"a": [WEEKS[6]], "b": [WEEKS[15]], "c": []}
    truth = Truth(lost, 28, WEEKS[-1], lambda account, day: account != "c" or day < WEEKS[2],
                  lambda account, day: account == "a" and day >= WEEKS[3])  # fmt: skip
    alerts = [opened("a", 3), opened("a", 6), opened("b", 5), opened("b", 12), opened("c", 1), opened("c", 19)]
    found = judge(WEEKS, alerts, truth, ["a", "b", "c"])
    silent = found["rules"]["Silent account"]
    # Right: a in week 3 and b in week 12. That of week 6 comes on the day itself, that of 19 cannot be judged yet.
    assert (silent["alerts"], silent["judged"], silent["right"], silent["precision"]) == (6, 5, 2, 0.4)
    assert (silent["lead_days"], silent["caught"], silent["recall"]) == (21, 2, 1.0)
    assert found["together"] == silent and found["rules"]["Sole user"]["precision"] is None
    # 16 judged weeks of a and b and two of c; four weeks before each of the two losses are right.
    assert found["base"] == round(8 / 34, 4)
    assert found["base_in_use"] == round(3 / 13, 4)  # of a from week 3 on, of which three are before its loss
    page = write({"ravenstack": {"title": "RavenStack: cancelled"} | found})
    assert (
        "| Silent account | 6 | 5 | 2 | 40 % | 21 days | 2 of 2 |" in page
        and "Base rate: 24 %, of accounts in use 23 %." in page
    )


def test_a_silence_is_a_loss_when_180_days_are_over() -> None:
    days = [dt.date(2020, 1, 1), dt.date(2020, 1, 9), dt.date(2020, 9, 1)]
    events = [(day, "u", "Commit") for day in days]
    assert _silences(events, dt.date(2020, 12, 31)) == [dt.date(2020, 7, 7)]
    assert _silences(events, dt.date(2021, 4, 1)) == [dt.date(2020, 7, 7), dt.date(2021, 2, 28)]


def test_the_page_is_about_the_present_rules_and_both_histories() -> None:
    """Whoever changes a stock rule, or the health that one of them reads, measures again: `make alert-quality`."""
    page = PAGE.read_text(encoding="utf-8")
    assert measured_rules() in page and page.startswith(HEAD)
    for title in ("RavenStack", "OpenStack Nova"):
        part = page.split(f"## {title}", 1)[1].split("\n## ", 1)[0]
        rows = {
            cells[1].strip(): cells[2:]
            for line in part.splitlines()
            if len(cells := line.split("|")) == 9 and cells[1].strip() not in ("Rule", "---")
        }
        assert list(rows) == [*(stock.name for stock in STOCK), "All of them"]
        judged = [int(cells[1].replace(",", "")) for cells in rows.values()]
        assert judged[-1] == sum(judged[:-1]) > 0
