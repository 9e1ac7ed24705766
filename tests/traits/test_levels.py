"""Account levels by rules: the topmost match wins, what people and imports told stays, and nothing circles."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from accounts.facts import Fact, record_accounts
from accounts.levels import SOURCE
from accounts.models import Account, AccountLevel, AttributeChange, TeamMember
from core.api.tokens import make_token
from csbox.pipeline import refresh_everything
from segments.levels.deciding import decide_levels, remove_level_rule, save_level_rule
from segments.levels.models import LevelRule
from segments.rules.tree import RuleError
from tests import factories
from usage.traits.editing import TraitInUse, delete_trait, save_trait

pytestmark = pytest.mark.django_db


def mrr(value: int) -> dict[str, Any]:
    return factories.rule({"field": "account.mrr", "op": "at_least", "value": value})


@pytest.fixture
def tiers(db: None) -> dict[str, AccountLevel]:
    """Three levels in order, those with rules first."""
    AccountLevel.objects.all().delete()
    names = ("strategic", "qualified", "target")
    return {key: AccountLevel.objects.create(key=key, name=key.title(), position=i) for i, key in enumerate(names)}


def levels() -> dict[str, str | None]:
    return dict(Account.objects.values_list("name", "level_id"))


def told(account: Account, level: str | None, at: dt.datetime | None = None) -> None:
    """A level as a person or an import tells it."""
    outcome = record_accounts([Fact(account.external_id, {"level": level}, at or timezone.now())], source="crm")
    assert not outcome.rejected


class TestDeciding:
    def test_the_topmost_matching_level_wins_and_who_matches_none_has_none(self, tiers: Any) -> None:
        for value in (100, 50, 10, 1):
            factories.account(str(value), mrr=value)
        factories.account("Unknown")
        save_level_rule(tiers["qualified"], rule=mrr(40))
        save_level_rule(tiers["target"], rule=mrr(5))
        save_level_rule(tiers["strategic"], rule=mrr(90))
        assert levels() == {"100": "strategic", "50": "qualified", "10": "target", "1": None, "Unknown": None}

    def test_the_order_of_the_levels_decides_not_that_of_the_rules(self, tiers: Any) -> None:
        factories.account("One", mrr=100)
        save_level_rule(tiers["strategic"], rule=mrr(1))
        save_level_rule(tiers["target"], rule=mrr(1))
        AccountLevel.objects.filter(pk="target").update(position=0)
        AccountLevel.objects.filter(pk="strategic").update(position=9)
        decide_levels()
        assert levels() == {"One": "target"}

    def test_a_level_follows_its_data_with_history_and_goes_with_its_rule(self, tiers: Any) -> None:
        account = factories.account("One", mrr=100)
        save_level_rule(tiers["strategic"], rule=mrr(50))
        Account.objects.update(mrr=10)
        assert decide_levels() == {account.pk} and decide_levels() == set()
        assert levels() == {"One": None}
        rows = AttributeChange.objects.filter(object_id=account.pk, key="level").order_by("id")
        assert [(row.old, row.new, row.source) for row in rows] == [
            (None, "strategic", SOURCE), ("strategic", None, SOURCE),
        ]  # fmt: skip
        Account.objects.update(mrr=100)
        decide_levels()
        remove_level_rule(tiers["strategic"])
        assert levels() == {"One": None}

    def test_what_a_person_or_an_import_told_stays_even_if_it_is_older(self, tiers: Any) -> None:
        by_hand, by_rule = factories.account("Hand", mrr=100), factories.account("Rule", mrr=100)
        told(by_hand, "target")
        save_level_rule(tiers["strategic"], rule=mrr(50))
        assert levels() == {"Hand": "target", "Rule": "strategic"}
        told(by_rule, "qualified", at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        decide_levels()
        assert levels() == {"Hand": "target", "Rule": "qualified"}
        told(by_rule, None)
        decide_levels()
        assert levels() == {"Hand": "target", "Rule": "strategic"}

    def test_archived_accounts_keep_their_level_and_some_can_be_decided_alone(self, tiers: Any) -> None:
        old = factories.account("Old", mrr=100, archived_at=timezone.now())
        one, two = factories.account("One", mrr=1), factories.account("Two", mrr=1)
        save_level_rule(tiers["strategic"], rule=mrr(50))
        Account.objects.filter(pk__in=[one.pk, two.pk]).update(mrr=100)
        assert decide_levels(accounts=[one.pk]) == {one.pk}
        assert levels() == {"Old": None, "One": "strategic", "Two": None}
        assert old.pk

    def test_one_broken_rule_moves_nobody_and_says_why(self, tiers: Any) -> None:
        factories.account("One", mrr=100)
        save_level_rule(tiers["strategic"], rule=mrr(50))
        save_level_rule(tiers["target"], rule=mrr(1))
        LevelRule.objects.filter(level="strategic").update(
            rule=factories.rule({"field": "account.gone", "op": "is", "value": "x"})
        )
        decide_levels()
        assert levels() == {"One": "strategic"}
        assert "account.gone" in LevelRule.objects.get(level="strategic").error

    def test_traits_come_before_levels_and_levels_before_segments(self, tiers: Any) -> None:
        account = factories.account("One", stated_mrr=100, stated_licences=4)
        trait = save_trait(None, name="Per seat", method="ratio",
                           definition={"left": "account.mrr", "right": "account.licences"})  # fmt: skip
        save_level_rule(
            tiers["strategic"], rule=factories.rule({"field": trait.field_key, "op": "at_least", "value": 25})
        )
        segment = factories.segment("Best", {"field": "account.level", "op": "is", "value": "strategic"})
        refresh_everything()
        segment.refresh_from_db()
        assert segment.member_count == 1 and levels() == {account.name: "strategic"}
        with pytest.raises(TraitInUse, match="account level “Strategic”"):
            delete_trait(trait)


@pytest.mark.parametrize(
    "rule",
    [
        {"match": "all", "rules": []},
        factories.rule({"field": "account.level", "op": "is_set"}),
        factories.rule({"field": "account.mrr", "op": "contains", "value": 5}),
        {"match": "all", "rules": [{"segment": "seg", "op": "in"}]},
        "x",
    ],
)
def test_a_rule_that_a_level_cannot_have_is_refused(rule: Any, tiers: Any) -> None:
    segment = factories.segment("Some")
    if isinstance(rule, dict) and rule["rules"] and "segment" in rule["rules"][0]:
        rule["rules"][0]["segment"] = segment.key
    with pytest.raises(RuleError):
        save_level_rule(tiers["strategic"], rule=rule)
    assert not LevelRule.objects.exists()


class TestPages:
    def test_a_manager_builds_a_rule_and_sees_who_has_the_level(self, tiers: Any) -> None:
        factories.account("One", mrr=100)
        browser = Client()
        browser.force_login(factories.member(TeamMember.Access.MANAGER).user)
        form = {"active": "1", "n.match": "all", "n.0.field": "account.mrr", "n.0.op": "at_least", "n.0.value": "50"}
        assert browser.get("/levels/strategic/").status_code == 200
        assert browser.post("/levels/strategic/", form | {"do": "add:n:account.plan"}).status_code == 200
        assert not LevelRule.objects.exists()
        assert browser.post("/levels/strategic/", form)["Location"] == "/levels/"
        assert levels() == {"One": "strategic"}
        text = browser.get("/levels/").content.decode()
        assert "MRR is at least $50" in text and "decided anew" in text
        bad = browser.post("/levels/strategic/", form | {"n.0.field": "account.level", "n.0.op": "is_set"})
        assert bad.status_code == 422 and "cannot ask for the level" in bad.content.decode()
        browser.post("/levels/strategic/", form | {"do": "remove-rule"})
        assert levels() == {"One": None}

    def test_others_read_the_list_only(self, tiers: Any) -> None:
        browser = Client()
        browser.force_login(factories.member(TeamMember.Access.CSM).user)
        assert "Strategic" in browser.get("/levels/").content.decode()
        assert browser.get("/levels/strategic/").status_code == 403
        assert browser.post("/levels/strategic/", {}).status_code == 403

    def test_the_api_reads_and_changes_rules(self, tiers: Any) -> None:
        factories.account("One", mrr=100)
        token = make_token(factories.member(TeamMember.Access.MANAGER).user)[1]

        def api(method: str, address: str, data: Any = None, **headers: str) -> Any:
            sent = {"Authorization": f"Token {token}", **headers}
            return Client().generic(
                method, f"/api/v1/levels/{address}", json.dumps(data), "application/json", headers=sent
            )

        assert [row["key"] for row in api("GET", "").json()["results"]] == ["strategic", "qualified", "target"]
        etag = api("GET", "strategic/")["ETag"]
        answer = api("PATCH", "strategic/", {"rule": mrr(50)}, **{"If-Match": etag})
        assert answer.status_code == 200 and answer.json()["active"] is True
        assert levels() == {"One": "strategic"}
        assert api("PATCH", "strategic/", {"rule": mrr(60)}, **{"If-Match": etag}).status_code == 412
        bad = api("PATCH", "strategic/", {"rule": {"match": "all", "rules": []}}, **{"If-Match": answer["ETag"]})
        assert bad.status_code == 422
        gone = api("PATCH", "strategic/", {"rule": None}, **{"If-Match": answer["ETag"]})
        assert gone.json()["rule"] is None and levels() == {"One": None}

    def test_the_back_office_has_the_builder(self, tiers: Any) -> None:
        factories.account("One", mrr=100)
        browser = Client()
        browser.force_login(User.objects.create_superuser("root"))
        assert browser.get("/admin/segments/levelrule/add/").status_code == 200
        form = {"level": "strategic", "active": "on", "rule.match": "all", "rule.0.field": "account.mrr"}
        form |= {"rule.0.op": "at_least", "rule.0.value": "50"}
        assert browser.post("/admin/segments/levelrule/add/", form).status_code == 302
        assert levels() == {"One": "strategic"}
        assert "Strategic" in browser.get("/admin/segments/levelrule/").content.decode()
