"""Every operator on every kind of field: what matches, what does not, what a missing value means, both edges."""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from pathlib import Path
from typing import Any

import pytest

from accounts.fields.operators import OPERATORS
from accounts.models import Account, Assignment, TeamMember
from core.clock import Moment
from segments.questions import Reader

TABLE = json.loads((Path(__file__).parent / "operators.json").read_text("utf-8"))
ROWS = TABLE["rows"]
MISSING: dict[str, list[Any]] = {"person": []}  # of a person, nobody is the only way to be missing


pytestmark = pytest.mark.usefixtures("furniture", "db")


def account_with(kind: str, number: int, value: Any) -> str:
    """An account that holds a value in the field of this kind; its id."""
    account = Account(external_id=f"a{number}", name=f"a{number}")
    if kind != "person" and value is not ...:
        account.attributes = {f"c_{kind}": value}
    account.save()
    if kind == "person" and value is not ...:
        Assignment.objects.create(account=account, member=TeamMember.objects.get(key=value), role_id="csm")
    return account.external_id


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['op']}-{row['kind']}-{n}" for n, row in enumerate(ROWS)])
def test_the_operator_means_what_the_table_says(row: dict[str, Any]) -> None:
    kind = row["kind"]
    field = "team.csm" if kind == "person" else f"account.custom.c_{kind}"
    unknown = [..., *MISSING.get(kind, [None, ""])]
    values = [(one, True) for one in row["holds"]] + [(one, False) for one in row["fails"]]
    values += [(one, row["missing"]) for one in unknown]
    wanted = {account_with(kind, number, one): holds for number, (one, holds) in enumerate(values)}
    node = {"field": field, "op": row["op"]} | ({} if row["ask"] is None else {"value": row["ask"]})
    at = Moment(dt.datetime.fromisoformat(TABLE["now"]), zoneinfo.ZoneInfo(TABLE["zone"]))
    question = Reader.now(at, me=TABLE["me"]).read({"match": "all", "rules": [node]}, personal=True)
    found = set(question.accounts().values_list("external_id", flat=True))
    assert found == {key for key, holds in wanted.items() if holds}, dict(zip(wanted, values, strict=True))


def test_every_operator_of_every_kind_has_a_row() -> None:
    declared = {(kind.value, key) for key, op in OPERATORS.items() for kind in op.kinds}
    assert {(row["kind"], row["op"]) for row in ROWS} == declared


def test_every_row_says_something_that_can_fail() -> None:
    for row in ROWS:
        assert row["holds"] or row["missing"], row
        assert row["fails"] or not row["missing"], row
