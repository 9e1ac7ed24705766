"""A trait is a field like any other, whatever its kind: in rules, as a chip, a column, the order of a list, a line over
time, in a file, and over the API, which is what anybody who carries accounts elsewhere reads."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account
from core.clock import Moment, moment
from segments.questions import read_rule
from tests import factories
from tests.traits.conftest import Tell
from tests.web.reading import names, text
from usage.traits.computing import compute, refresh_traits
from usage.traits.days import KEPT_DAYS, daily_values, thin_days
from usage.traits.editing import delete_trait, save_trait
from usage.traits.models import AccountTraits, Trait, TraitDay
from usage.traits.storing import write_values
from web.trait_line import SPANS, steps, value_chart

pytestmark = pytest.mark.django_db
PAGES, FORMAT = {"event": "Export", "property": "pages"}, {"event": "Export", "property": "format"}
LEFT = {"left": "account.mrr", "right": "account.licences"}
ACTIVE = {"field": "account.mrr", "op": "at_least", "value": 200}
BOTH = {"Busy", "Calm"}
# Method, definition, kind, a condition, the accounts that it is true of (None: Busy), what Busy's value is.
TRAITS: list[tuple[str, dict[str, Any], str, dict[str, Any], set[str] | None, Any]] = [
    ("count", {"event": "Export"}, "number", {"op": "at_least", "value": 3}, None, 3),
    ("sum", PAGES, "number", {"op": "more_than", "value": 20}, None, 21),
    ("avg", PAGES, "number", {"op": "equals", "value": 7}, None, 7),
    ("min", PAGES, "number", {"op": "between", "value": [5, 6]}, None, 5),
    ("max", PAGES, "number", {"op": "at_most", "value": 8}, {"Calm"}, 9),
    ("most_frequent", FORMAT, "text", {"op": "is", "value": "PDF"}, None, "pdf"),
    ("first", FORMAT | {"as": "text"}, "text", {"op": "starts_with", "value": "p"}, None, "pdf"),
    ("last", {"event": "Export"}, "datetime", {"op": "after", "value": "2026-11-10"}, None, "2026-11-19"),
    ("unique_list", FORMAT, "list", {"op": "includes_all", "value": ["csv", "pdf"]}, None, ["csv", "pdf"]),
    ("unique_count", FORMAT, "number", {"op": "more_than", "value": 1}, None, 2),
    ("ratio", LEFT, "number", {"op": "more_than", "value": 25}, None, 30),
    ("difference", LEFT | {"right": "account.mrr"}, "money", {"op": "equals", "value": 0}, BOTH, 0),
    ("percent_change", LEFT, "percent", {"op": "at_least", "value": 2000}, None, 2900),
    ("tenure", {"since": "account.customer_since"}, "number", {"op": "more_than", "value": 300}, None, 500),
    ("engagement", {"weights": [{"event": "Export", "weight": 5}], "days": 30}, "number",
     {"op": "at_least", "value": 90}, None, 100),
    ("activation", {"rule": {"match": "all", "rules": [ACTIVE]}}, "percent", {"op": "equals", "value": 100}, None, 100),
]  # fmt: skip
# Kinds that only SQL gives; what it found is put in by hand, because its role needs a database of its own.
WRITTEN = [
    ("boolean", {"op": "is_true"}, True, False),
    ("date", {"op": "after", "value": "2026-02-01"}, "2026-12-24", "2026-01-31"),
]


@pytest.fixture
def company(present: Moment, tell: Tell) -> dict[str, Account]:
    """Busy exports three times and pays, Calm once and long ago, of Quiet nothing is known."""
    today = moment().today
    rows: dict[str, dict[str, Any]] = {
        "Busy": {"mrr": 300, "licences": 10, "customer_since": today - dt.timedelta(days=500)},
        "Calm": {"mrr": 100, "licences": 5, "customer_since": today - dt.timedelta(days=10)},
        "Quiet": {},
    }
    found = {name: factories.account(name, **values) for name, values in rows.items()}
    for days, pages, form in ((9, 5, "pdf"), (5, 7, "pdf"), (1, 9, "csv")):
        tell(found["Busy"], "Export", days=days, pages=pages, format=form)
    tell(found["Calm"], "Export", days=40, pages=2, format="csv")
    return found


@pytest.fixture
def traits(company: Any) -> list[tuple[Trait, dict[str, Any], set[str], Any]]:
    """One of each method and kind, computed: with a condition, whom it is true of, and Busy's value."""
    made = []
    for method, definition, kind, condition, whom, value in TRAITS:
        if method == "tenure":
            definition = definition | {"unit": "day"}
        trait = save_trait(None, name=f"My {method}", method=method, definition=definition)
        assert (trait.kind, trait.error) == (kind, "")
        made.append((trait, condition, whom or {"Busy"}, value))
    for kind, condition, busy, calm in WRITTEN:
        trait = Trait.objects.create(name=f"My {kind}", key=f"my_{kind}", method="sql", kind=kind)
        source = "SELECT id, (CASE name WHEN 'Busy' THEN %s WHEN 'Calm' THEN %s END)::jsonb FROM accounts_account"
        write_values("account", trait.key, (source, [json.dumps(busy), json.dumps(calm)]))
        made.append((trait, condition, {"Busy"}, busy))
    return made


def test_every_kind_of_trait_filters_shows_sorts_and_leaves(
    traits: list[tuple[Trait, dict[str, Any], set[str], Any]], company: dict[str, Account], admin_client: Client
) -> None:
    for trait, condition, whom, value in traits:
        node, short = {"field": trait.field_key, **condition}, trait.field_key.removeprefix("account.")
        rule = read_rule(factories.rule(node))
        assert set(rule.accounts().values_list("name", flat=True)) == whom, trait
        page = admin_client.get("/accounts/", {"f": json.dumps(node), "cols": short, "sort": "name"}).content.decode()
        assert set(names(page)) == whom and f"{trait.name} " in text(page), trait
        sent = {"cols": short} | ({} if trait.kind == "list" else {"sort": f"-{short}"})
        page = admin_client.get("/accounts/", sent).content.decode()
        assert "no longer" not in page
        assert trait.kind == "list" or names(page)[0] == "Busy" and len(names(page)) == 3, trait
        file = b"".join(admin_client.get("/accounts/export/", sent).streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
        told = next(line for line in csv.DictReader(io.StringIO(file)) if "Busy" in line.values())[trait.name]
        if isinstance(value, int) and not isinstance(value, bool):
            assert Decimal(told) == value, trait
        else:
            assert told and (not isinstance(value, str) or told.lower().startswith(value)), trait


def test_the_api_yields_them_beside_accounts_for_whoever_carries_them_elsewhere(
    traits: list[tuple[Trait, dict[str, Any], set[str], Any]], company: dict[str, Account], admin_client: Client
) -> None:
    wanted = [trait.field_key for trait, *_ in traits]
    found = admin_client.get("/api/v1/accounts/", {"fields": ",".join(wanted)}).json()["results"]
    values = {row["name"]: row["values"] for row in found}
    assert {tuple(row) for row in values.values()} == {tuple(wanted)} and len(values) == 3
    for trait, _, _, value in traits:
        told = values["Busy"][trait.field_key]
        if isinstance(value, int) and not isinstance(value, bool):
            assert Decimal(str(told)) == value, trait
        else:
            assert told == value or str(told).startswith(str(value)), trait
    missing = {trait.field_key for trait, *_ in traits if values["Quiet"][trait.field_key] is None}
    assert missing == {t.field_key for t, *_ in traits} - {
        f"account.trait.my_{name}" for name in ("count", "sum", "unique_count", "engagement", "activation")
    }
    for trait, _, _, _ in traits[:1]:
        one = admin_client.get(f"/api/v1/accounts/{company['Busy'].external_id}/", {"fields": trait.field_key})
        assert one.json()["values"] == {trait.field_key: values["Busy"][trait.field_key]}
        assert (
            one.headers["ETag"] == admin_client.get(f"/api/v1/accounts/{company['Busy'].external_id}/").headers["ETag"]
        )
    band = admin_client.get("/api/v1/accounts/", {"fields": "account.trait.my_engagement.band"}).json()["results"]
    assert {row["name"]: row["values"]["account.trait.my_engagement.band"] for row in band} == {
        "Busy": "High", "Calm": "Low", "Quiet": "Low",
    }  # fmt: skip
    wrong = admin_client.get("/api/v1/accounts/", {"fields": "account.trait.my_cuont,account.mrr"})
    assert wrong.status_code == 400 and "account.trait.my_count" in wrong.json()["errors"][0]["detail"]
    many = admin_client.get("/api/v1/accounts/", {"fields": ",".join([*wanted, *wanted])})
    assert (many.status_code, many.json()["errors"][0]["code"]) == (400, "too-many-values")


def test_the_account_page_draws_every_numeric_trait(
    traits: list[tuple[Trait, dict[str, Any], set[str], Any]], company: dict[str, Account], admin_client: Client
) -> None:
    page = f"/accounts/{company['Busy'].pk}/"
    for trait, _, _, _ in traits:
        answer = admin_client.get(
            page, {"trait": trait.key, "past": "30d"}, headers={"HX-Request": "true", "HX-Target": "trait"}
        )
        html = answer.content.decode()
        drawn = trait.kind in ("number", "money", "percent")
        assert (f'<option value="{trait.key}" selected' in html) is drawn, trait
        assert (f"Days on which {trait.name} changed" in text(html)) is drawn, trait
        assert html.count('<svg class="chart') == 2
    whole = admin_client.get(page, {"trait": "my_count", "past": "12m", "from": "q=a"}).content.decode()
    assert 'id="trait"' in whole and "past=90d&amp;from=q%3Da#trait" in whole
    quiet = admin_client.get(f"/accounts/{company['Quiet'].pk}/", {"trait": "my_avg"}).content.decode()
    assert "My avg had no value in this period" in quiet


class TestDays:
    def test_each_day_keeps_its_last_value_until_the_next_change(self, present: Moment, tell: Tell) -> None:
        account, other = factories.account(), factories.account()
        tell(account, "Export", days=3, pages=5)
        trait = save_trait(None, name="P", method="sum", definition={**PAGES, "window": {"last": 5, "unit": "day"}},
                           compute_now=False)  # fmt: skip
        avg = save_trait(None, name="A", method="avg", definition={**PAGES, "window": {"last": 5, "unit": "day"}},
                         compute_now=False)  # fmt: skip
        Trait.objects.update(created_at=present.now)
        trait.refresh_from_db()

        def at(days: int) -> Moment:
            return Moment(present.now + dt.timedelta(days=days), present.zone)

        refresh_traits(present)
        tell(account, "Export", pages=2)
        refresh_traits(present)  # the same day again: 7 counts
        refresh_traits(at(1))  # nothing new
        refresh_traits(at(2))  # the first export is out of the window
        refresh_traits(at(5))  # the second one too
        assert TraitDay.objects.count() == 3 and not TraitDay.objects.filter(account=other).exists()

        def line(which: Trait, of: Account = account) -> list[int | None]:
            return [None if v is None else int(v * 2) for _, v in daily_values(of, which, at(6), 9)]

        assert line(trait) == [None, None, 14, 14, 4, 4, 4, 0, 0]
        assert line(avg) == [None, None, 7, 7, 4, 4, 4, None, None]
        assert line(trait, other) == [None, None, 0, 0, 0, 0, 0, 0, 0]
        assert [v for _, v in daily_values(account, trait, at(6), 3)] == [
            2,
            0,
            0,
        ]  # what was before the first day holds
        assert [v for _, v in daily_values(account, avg, at(6), 2)] == [None, None]
        delete_trait(avg)
        assert {key for row in TraitDay.objects.all() for key in row.figures} == {str(trait.pk)}
        delete_trait(trait)
        assert not TraitDay.objects.exists()

    def test_days_older_than_any_line_are_thinned_and_no_line_changes(
        self, present: Moment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of each trait what held stays, though it was noted on an older day than that of another."""
        accounts = [factories.account() for _ in range(3)]
        one, two = (
            save_trait(None, name=name, method="ratio", definition={"left": "account.mrr", "right": "account.licences"})
            for name in "AB"
        )
        first, second = str(one.pk), str(two.pk)
        noted = {900: {first: 1, second: 5}, 700: {first: 2}, 500: {first: None}, 401: {first: 3}, 400: {first: 4},
                 60: {second: 6}, 2: {first: 7}}  # fmt: skip
        TraitDay.objects.bulk_create(
            TraitDay(account=account, day=present.today - dt.timedelta(days=back), figures=figures)
            for account in accounts[:2] for back, figures in noted.items()
        )  # fmt: skip
        TraitDay.objects.create(account=accounts[2], day=present.today - dt.timedelta(days=800), figures={first: 9})

        def lines() -> list[Any]:
            return [daily_values(of, which, present, 365) for of in accounts for which in (one, two)]

        before = lines()
        assert {value for line in before for _, value in line} == {4, 5, 6, 7, 9, None}
        monkeypatch.setattr("usage.traits.days._AT_ONCE", 1)
        assert thin_days(present.today) == 6 and lines() == before
        kept = TraitDay.objects.filter(account=accounts[0]).earliest("day")
        assert (kept.day, kept.figures) == (present.today - dt.timedelta(days=401), {first: 3, second: 5})
        assert thin_days(present.today) == 0
        assert max(back for _, back in SPANS.values()) < KEPT_DAYS

    def test_a_part_of_the_accounts_is_noted_like_all(self, present: Moment, tell: Tell) -> None:
        first, second = factories.account(), factories.account()
        trait = save_trait(None, name="N", method="count", definition={"event": "Export"}, compute_now=False)
        for account in (first, second):
            tell(account, "Export")
        compute(trait, present, accounts=[first.pk])
        assert list(TraitDay.objects.values_list("account", "figures")) == [(first.pk, {str(trait.pk): 1})]
        compute(trait, present)
        assert TraitDay.objects.count() == 2 and AccountTraits.objects.count() == 2

    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [(0, 7, [0, 2, 4, 6, 8]), (0, 0, [0, 0.25, 0.5, 0.75, 1]), (-3, 5, [-4, -2, 0, 2, 4, 6]),
         (0, 0.3, [0, 0.1, 0.2, 0.3]),
         (0, 1234, [0, 500, 1000, 1500]), (-0.02, 0, [-0.02, -0.015, -0.01, -0.005, 0])],
    )  # fmt: skip
    def test_axes_have_round_numbers_around_all_values(self, low: float, high: float, expected: list[float]) -> None:
        assert steps(low, high) == expected

    def test_a_line_breaks_where_there_was_no_value(self) -> None:
        day = dt.date(2026, 11, 1)
        given = [None, Decimal(-2), Decimal(3), None, Decimal("0.5")]
        values = [(day + dt.timedelta(days=n), value) for n, value in enumerate(given)]
        drawn = value_chart(values, width=340, text=str)  # type: ignore[arg-type]
        assert drawn.line.count("M") == drawn.area.count("Z") == 2
        assert (drawn.last.text, drawn.ticks[0].text) == ("0.5", "-2.0")
