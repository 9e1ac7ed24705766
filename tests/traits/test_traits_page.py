"""The pages, the API and the back office of traits, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from accounts.models import TeamMember
from core.api.tokens import make_token
from core.clock import Moment
from tests import factories
from tests.traits.conftest import Tell
from usage.traits.editing import save_trait
from usage.traits.models import AccountTraits, Trait

pytestmark = pytest.mark.django_db
FORM = {"subject": "account", "method": "count", "name": "Exports made", "active": "1", "event": "Export"}
FORM |= {"window.kind": "last", "window.n": "30", "window.unit": "day"}


def client(access: str = TeamMember.Access.MANAGER) -> Client:
    found = Client()
    found.force_login(factories.member(access).user)
    return found


class Api:
    """Speaks JSON with the token of a log-in."""

    def __init__(self, user: User) -> None:
        self.headers = {"Authorization": f"Token {make_token(user)[1]}"}

    def __call__(self, method: str, address: str, data: Any = None, **headers: str) -> Any:
        body = b"" if data is None else json.dumps(data)
        return Client(raise_request_exception=False).generic(
            method, f"/api/v1/traits/{address}", body, "application/json", headers=self.headers | headers
        )


class TestPage:
    def test_a_trait_is_previewed_then_saved_and_listed(self, present: Moment, tell: Tell) -> None:
        tell(factories.account("Acme"), "Export", form="pdf")
        browser = client()
        more = {"where.property": ["form", ""], "where.op": ["is", "is"], "where.value": ["PDF", ""]}
        shown = browser.post("/traits/new/", FORM | more | {"do": "preview"}).content.decode()
        assert "<b>1</b> of 1 accounts have a value" in shown
        assert "Number of Export events in the last 30 days where form is “PDF”" in shown
        assert "Acme" in shown and not Trait.objects.exists()
        assert browser.post("/traits/new/", FORM | more)["Location"] == "/traits/"
        trait = Trait.objects.get()
        assert trait.definition == {
            "event": "Export", "window": {"last": 30, "unit": "day"},
            "where": [{"property": "form", "op": "is", "value": "PDF"}],
        }  # fmt: skip
        listed = browser.get("/traits/?q=EXPORTS").content.decode()
        assert "Exports made saved. 1 values computed." in listed and "Event counter" in listed
        edited = browser.get(f"/traits/{trait.pk}/").content.decode()
        assert 'value="PDF"' in edited and "account.trait.exports_made" in edited

    def test_a_mistake_is_said_and_what_was_typed_stays(self, present: Moment) -> None:
        answer = client().post("/traits/new/", FORM | {"window.n": "x", "event": "Export\nShare"})
        text = answer.content.decode()
        assert answer.status_code == 422 and not Trait.objects.exists()
        assert "Enter a number of days, for example 30." in text
        assert "Export\nShare" in text and 'value="Exports made"' in text

    @pytest.mark.parametrize("method", ["count", "first", "ratio", "tenure", "unique_list"])
    def test_each_method_shows_the_inputs_that_it_needs(self, method: str) -> None:
        text = client().get(f"/traits/new/?method={method}").content.decode()
        wanted = {"count": "window.kind", "first": 'name="as"', "ratio": 'name="left"', "tenure": 'name="since"'}
        assert wanted.get(method, 'name="property"') in text

    def test_a_score_is_made_of_lines_and_comes_back_as_lines(self, present: Moment, tell: Tell) -> None:
        tell(factories.account(), "Export")
        body = {"subject": "account", "method": "engagement", "name": "Engagement", "active": "1", "days": "7"}
        body |= {"weights": "Export = 5\nA = B = 2", "bands": "Cold = 1\nHot = 50"}
        browser = client()
        assert browser.post("/traits/new/", body).status_code == 302
        trait = Trait.objects.get()
        assert trait.definition == {
            "weights": [{"event": "Export", "weight": 5}, {"event": "A = B", "weight": 2}], "days": 7,
            "bands": [{"name": "Cold", "from": 1}, {"name": "Hot", "from": 50}],
        }  # fmt: skip
        shown = browser.get(f"/traits/{trait.pk}/").content.decode()
        assert "Export = 5\nA = B = 2" in shown and "Cold = 1\nHot = 50" in shown

    def test_those_who_may_not_edit_read(self, present: Moment) -> None:
        trait = save_trait(None, name="Logins", method="count", definition={"event": "Login"})
        reader = client(TeamMember.Access.CSM)
        assert "Only administrators and managers" in reader.get("/traits/").content.decode()
        assert reader.get(f"/traits/{trait.pk}/").status_code == 200
        for address in ("new/", f"{trait.pk}/", f"{trait.pk}/delete/", f"{trait.pk}/compute/"):
            assert reader.post(f"/traits/{address}", FORM).status_code == 403

    def test_a_trait_whose_field_is_gone_opens_and_says_so(self, present: Moment) -> None:
        definition = {"left": "account.mrr", "right": "account.licences"}
        trait = save_trait(None, name="Ratio", method="ratio", definition=definition)
        Trait.objects.update(definition=definition | {"right": "account.gone"})
        answer = client().get(f"/traits/{trait.pk}/")
        text = answer.content.decode()
        assert answer.status_code == 200 and "There is no field “account.gone”." in text and "Not saved" not in text

    def test_a_used_trait_is_not_deleted_and_the_page_says_by_what(self, present: Moment) -> None:
        trait = save_trait(None, name="Logins", method="count", definition={"event": "Login"})
        factories.segment("Active", {"field": trait.field_key, "op": "at_least", "value": 1})
        browser = client()
        browser.post(f"/traits/{trait.pk}/delete/")
        assert "Logins is used by segment “Active”." in browser.get("/traits/").content.decode()
        assert Trait.objects.exists()

    def test_computing_now_brings_the_values(self, present: Moment, tell: Tell) -> None:
        trait = save_trait(None, name="Logins", method="count", definition={"event": "Login"})
        account = factories.account()
        tell(account, "Login")
        client().post(f"/traits/{trait.pk}/compute/")
        assert AccountTraits.objects.get(account=account).shown == {"logins": 1}


class TestApi:
    def test_a_trait_is_made_changed_and_deleted(self, present: Moment, tell: Tell) -> None:
        tell(factories.account(), "Export")
        api = Api(factories.member(TeamMember.Access.MANAGER).user)
        made = api("POST", "", {"name": "Exports", "method": "count", "definition": {"event": "Export"}})
        assert made.status_code == 201, made.content
        told = made.json()
        assert told["field"] == "account.trait.exports" and told["values"] == 1 and told["kind"] == "number"
        assert told["words"] == "Number of Export events ever"
        address = f"{told['id']}/"
        changed = api("PATCH", address, {"name": "All exports"}, **{"If-Match": made["ETag"]})
        assert changed.status_code == 200 and changed.json()["key"] == "exports"
        assert api("PATCH", address, {"name": "Late"}, **{"If-Match": made["ETag"]}).status_code == 412
        assert api("PATCH", address, {"subject": "user"}, **{"If-Match": changed["ETag"]}).status_code == 400
        assert api("DELETE", address).status_code == 428
        assert api("DELETE", address, **{"If-Match": changed["ETag"]}).status_code == 204
        assert not Trait.objects.exists()

    def test_a_wrong_definition_is_422_with_a_pointer_and_a_taken_name_409(self, present: Moment) -> None:
        api = Api(factories.member(TeamMember.Access.MANAGER).user)
        body = {"name": "X", "method": "count", "definition": {"event": "a", "window": {"last": 1e400, "unit": "day"}}}
        answer = api("POST", "", body | {"definition": {"event": "a", "window": {"last": -1, "unit": "day"}}})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/definition/window/last"
        save_trait(None, name="Taken", method="count", definition={"event": "a"})
        taken = api("POST", "", {"name": "taken", "method": "count", "definition": {"event": "a"}})
        assert (taken.status_code, taken.json()["errors"][0]["code"]) == (409, "name-taken")

    def test_everybody_may_preview_what_they_may_see_and_only_managers_write(self, present: Moment, tell: Tell) -> None:
        tell(factories.account(external_id="a1"), "Export", pages=7)
        api = Api(factories.member(TeamMember.Access.VIEWER).user)
        asked = {"method": "sum", "definition": {"event": "Export", "property": "pages"}}
        found = api("POST", "preview/", asked).json()
        assert (found["count"], found["total"]) == (1, 1)
        assert found["sample"] == [{"account": "a1", "user": None, "value": 7}]
        assert api("POST", "", asked | {"name": "S"}).status_code == 403
        assert {item["key"] for item in api("GET", "methods/").json()["results"]} >= {"count", "ratio", "tenure"}


class TestBackOffice:
    def test_an_administrator_edits_a_definition_with_the_same_checks(self, present: Moment) -> None:
        trait = save_trait(None, name="Logins", method="count", definition={"event": "Login"})
        browser = Client()
        browser.force_login(User.objects.create_superuser("root"))
        address = f"/admin/usage/trait/{trait.pk}/change/"
        body = {"name": "Logins", "method": "count", "active": "on", "description": ""}
        refused = browser.post(address, body | {"definition": '{"event": ""}'})
        assert refused.status_code == 200 and "Name the event" in refused.content.decode()
        assert browser.post(address, body | {"definition": '{"event": "Sign in"}'}).status_code == 302
        trait.refresh_from_db()
        assert trait.definition == {"event": "Sign in"}
        assert "Logins" in browser.get("/admin/usage/trait/").content.decode()
