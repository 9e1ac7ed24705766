"""A trait of users on the page of users, in its file and over the API: shown, sorted by, filtered by, previewed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import EndUser
from core.clock import Moment
from tests import factories
from tests.traits.conftest import Tell
from tests.web.reading import text
from usage.traits.editing import save_trait

pytestmark = pytest.mark.django_db
AT_LEAST = {"field": "user.trait.exports", "op": "at_least"}


@pytest.fixture
def people(present: Moment, tell: Tell) -> dict[str, EndUser]:
    """Ann exports twice in Alder and five times in Birch, Bo three times in Birch, Cy never, Di is nowhere."""
    alder, birch = factories.account("Alder"), factories.account("Birch")
    found = {name: factories.end_user(name) for name in ("Ann", "Bo", "Cy", "Di")}
    for account, name, times in ((alder, "Ann", 2), (birch, "Ann", 5), (birch, "Bo", 3), (alder, "Cy", 0)):
        factories.relationship(account, found[name], "Champion")
        for number in range(times):
            tell(account, "Export", user=found[name], format="csv" if number else "pdf")
    export = {"event": "Export"}
    save_trait(None, subject="user", name="Exports", method="count", definition=export)
    save_trait(None, subject="user", name="Formats", method="unique_list", definition=export | {"property": "format"})
    save_trait(None, subject="user", name="Last export", method="last", definition=export)
    return found


def listed(client: Client, **query: Any) -> list[str]:
    """The names in the list, in order."""
    html = client.get("/users/", query).content.decode()
    assert "no longer exist" not in html
    return re.findall(r'<th scope="row"><a [^>]*>(\w+)</a>', html)


def cells(client: Client, **query: Any) -> dict[str, str]:
    html = client.get("/users/", query).content.decode()
    rows = re.findall(r'<th scope="row"><a [^>]*>(\w+)</a></th>(.*?)</tr>', html, re.S)
    return {name: text(rest) for name, rest in rows}


def test_columns_show_a_value_for_each_account_and_sort_by_the_best(people: Any, admin_client: Client) -> None:
    cols = "user.trait.exports,user.trait.formats,user.trait.last_export"
    shown = cells(admin_client, cols=cols)
    assert "2, 5" in shown["Ann"] and "csv" in shown["Ann"] and "no value" in shown["Cy"]
    assert listed(admin_client, cols=cols, sort="-user.trait.exports") == ["Ann", "Bo", "Cy", "Di"]
    assert listed(admin_client, sort="user.trait.exports") == ["Cy", "Ann", "Bo", "Di"]  # by the lower of Ann's two
    assert listed(admin_client, sort="-user.trait.last_export")[-2:] == ["Cy", "Di"]
    asked = admin_client.get("/users/", {"col": ["", "user.trait.exports"], "sort": "-name"})
    assert asked.status_code == 302 and asked["Location"] == "/users/?sort=-name&cols=user.trait.exports"
    gone = admin_client.get("/users/", {"cols": "user.trait.gone", "sort": "user.trait.formats"}).content.decode()
    assert "column user.trait.gone" in gone and "sort user.trait.formats" in gone


def test_filters_mean_one_account_and_stand_in_the_address(people: Any, admin_client: Client) -> None:
    four = json.dumps(AT_LEAST | {"value": 4})
    assert listed(admin_client, f=four) == ["Ann"]
    few = [json.dumps(AT_LEAST | {"value": 2}), json.dumps(AT_LEAST | {"op": "at_most", "value": 3})]
    assert listed(admin_client, f=few) == ["Ann", "Bo"]
    alder = json.dumps({"field": "account.name", "op": "is", "value": "Alder"})
    assert listed(admin_client, f=[four, alder]) == []  # five were in Birch
    page = admin_client.get("/users/", {"f": four, "sort": "-user.trait.exports"}).content.decode()
    assert "Exports is at least 4" in text(page) and 'href="/users/filter/?f=' in page
    assert "Save filters" not in page
    editor = admin_client.get("/users/filter/", {"f": four, "place": "0"}).content.decode()
    assert "Filter users" in editor and 'action="/users/filter/"' in editor and 'value="user.trait.exports"' in editor
    typed = {"n.match": "all", "n.0.field": "user.trait.exports", "n.0.op": "at_least", "n.0.value": "3"}
    form = {"place": "0", "f": four, "apply": "1"} | typed
    applied = admin_client.get("/users/filter/", form)
    assert applied.status_code == 302
    assert re.findall(r'<th scope="row"><a [^>]*>(\w+)<', admin_client.get(applied["Location"]).content.decode()) == [
        "Ann",
        "Bo",
    ]
    bad = admin_client.get("/users/", {"f": '{"field":"user.trait.gone","op":"is_set"}'}).content.decode()
    assert "user.trait.gone" in bad


def test_the_file_and_the_api_have_them_and_a_preview_names_people(people: Any, admin_client: Client) -> None:
    file = b"".join(
        admin_client.get(
            "/users/export/", {"cols": "user.trait.exports", "sort": "-user.trait.exports"}
        ).streaming_content  # type: ignore[attr-defined]
    ).decode("utf-8-sig")
    head, ann, *_ = file.splitlines()
    assert head.endswith("Exports") and "Ann" in ann and ann.endswith('"2, 5"')
    found = admin_client.get("/api/v1/relationships/", {"fields": "user.trait.exports,relationship.role"}).json()
    told = {(row["user"], row["account"]): row["values"]["user.trait.exports"] for row in found["results"]}
    assert sorted(int(float(value)) for value in told.values()) == [0, 2, 3, 5]
    assert {row["values"]["relationship.role"] for row in found["results"]} == {"Champion"}
    refused = admin_client.get("/api/v1/relationships/", {"fields": "account.mrr"})
    assert refused.status_code == 400
    preview = admin_client.post(
        "/api/v1/traits/preview/", {"subject": "user", "method": "count", "definition": {"event": "Export"}},
        content_type="application/json",
    ).json()  # fmt: skip
    assert (preview["count"], preview["total"]) == (3, 4)
    assert preview["sample"][0]["value"] == 5 and preview["sample"][0]["user"] == people["Ann"].external_id
    counted = {"event": "Export", "where": [{"property": "pages", "op": "more_than", "value": 0.5}]}
    decimal = admin_client.post(
        "/api/v1/traits/preview/", {"subject": "user", "method": "count", "definition": counted},
        content_type="application/json",
    )  # fmt: skip
    assert decimal.status_code == 200, decimal.content
