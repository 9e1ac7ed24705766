"""SQL traits as fields: whose values they have, what they find of accounts and people, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from accounts.fields import Kind
from accounts.models import Account, Relationship, TeamMember
from segments.questions import read_rule
from tests import factories
from tests.traits.conftest import told
from usage.traits import sql_traits
from usage.traits.computing import compute
from usage.traits.editing import save_trait
from usage.traits.models import AccountTraits, Trait
from usage.traits.reading import TraitError, TraitFailed

GOOD = "SELECT id, mrr * 12 FROM accounts"


def saved(text: str, kind: str = "number", **more: Any) -> Trait:
    return save_trait(None, name="Yearly", method="sql", definition={"sql": text, "as": kind}, **more)


@pytest.mark.usefixtures("role")
class TestTraits:
    def test_its_values_are_a_field_and_archived_accounts_are_not_seen(self) -> None:
        for name, value, gone in (
            ("Big", 100, None),
            ("Small", 1, None),
            ("Unknown", None, None),
            ("Gone", 5, "2026-01-01T00:00Z"),
        ):
            factories.account(name, mrr=value, archived_at=gone)
        trait = saved(GOOD)
        assert not trait.error and trait.kind == "number" and trait.values_count == 2
        rows = AccountTraits.objects.values_list("account__name", "shown__yearly")
        assert {name: float(value) for name, value in rows} == {"Big": 1200, "Small": 12}
        rule = factories.rule({"field": trait.field_key, "op": "at_least", "value": 1000})
        assert [account.name for account in read_rule(rule).accounts()] == ["Big"]

    def test_a_percent_sign_is_only_a_sign_and_texts_are_folded(self) -> None:
        factories.account("Éclair & 100 % Co")
        trait = saved("select id, name from accounts where name like '%\\%%'", "text")
        rule = factories.rule({"field": trait.field_key, "op": "is", "value": "éCLAIR & 100 % co"})
        assert read_rule(rule).accounts().count() == 1

    def test_users_have_a_row_for_each_account(self) -> None:
        made = factories.relationship(factories.account(), role="admin")
        text = "select account_id, user_id, role = 'admin' from relationships"
        trait = saved(text, "boolean", subject="user")
        where = factories.rule({"field": trait.field_key, "op": "is_true"})
        assert [a.pk for a in read_rule(factories.rule({"users": "any", "where": where})).accounts()] == [
            made.account_id
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "SELECT account_id, count(*) FROM events WHERE name ~ '^Report' GROUP BY 1",  # the manual's own example
            "SELECT account_id, sum(count) FROM daily_usage WHERE name ~ '^Report' GROUP BY 1",
        ],
    )
    def test_events_go_on_being_counted_when_an_account_is_archived(self, text: str) -> None:
        stays, goes = factories.account("Stays"), factories.account("Goes")
        for account in (stays, goes):
            told(account, "Report Exported")
        trait = saved(text)
        assert trait.values_count == 2
        Account.objects.filter(pk=goes.pk).update(archived_at=timezone.now())
        compute(trait)
        assert (trait.error, trait.values_count) == ("", 1)
        assert AccountTraits.objects.get(shown__has_key=trait.key).account == stays

    @pytest.mark.parametrize("column", ["ended_at", "never there"])
    def test_events_go_on_being_counted_when_a_user_leaves(self, column: str) -> None:
        """Of the account they count, of the user they are no value any more; so do events of nobody."""
        account = factories.account()
        stays, goes = factories.relationship(account), factories.relationship(account)
        for user in (stays.user, goes.user, None):
            told(account, "Export", user=user)
        both = saved("SELECT account_id, user_id, count(*) FROM events GROUP BY 1, 2", subject="user")
        text = "SELECT account_id, count(*) FROM events GROUP BY 1"
        whole = save_trait(None, name="Whole", method="sql", definition={"sql": text, "as": "number"})
        assert (both.values_count, whole.values_count) == (2, 1)
        if column == "ended_at":
            Relationship.objects.filter(pk=goes.pk).update(ended_at=timezone.now())
        else:
            Relationship.objects.filter(pk=goes.pk).delete()
        for trait in (both, whole):
            compute(trait)
        assert (both.error, both.values_count) == ("", 1)
        assert AccountTraits.objects.get(account=account).shown[whole.key] == 3
        stranger = factories.relationship(factories.account()).user_id
        with pytest.raises(TraitFailed, match="there is no user"):
            sql_traits.checked([(account.pk, stranger, 1)], "user", Kind.NUMBER)

    @pytest.mark.parametrize(
        ("text", "kind", "says"),
        [
            ("select id from accounts", "number", "1 columns; 2 are expected"),
            ("select id, 1, 2 from accounts", "number", "3 columns"),
            ("select id + 999999, 1 from accounts", "number", "Row 1: there is no account"),
            ("select null::int8, 1 from accounts", "number", "Row 1: the id None"),
            ("select id::text, 1 from accounts", "number", "Row 1: the id"),
            ("select id, 1 from accounts union all select id, 2 from accounts", "number", "Row 2: .* comes twice"),
            ("select id, 'NaN'::float8 from accounts", "number", "Row 1: The number must be finite"),
            ("select id, 'infinity'::float8 from accounts", "number", "finite"),
            ("select id, 1e30 from accounts", "number", "out of range"),
            ("select id, name from accounts", "number", "is not a number"),
            ("select id, 1 from accounts", "text", "is not a text"),
            ("select id, rpad(name, 300) from accounts", "text", "not allowed"),
            ("select id, now() from accounts", "date", "is not a date"),
            ("select id, 1 / 0 from accounts", "number", "division by zero"),
            ("select id, nothing from accounts", "number", "nothing"),
        ],
    )
    def test_a_wrong_result_is_refused_by_its_first_row_and_nothing_is_written(
        self, text: str, kind: str, says: str
    ) -> None:
        factories.account("One")
        with pytest.raises((TraitFailed, TraitError), match=says):
            saved(text, kind)
        assert not Trait.objects.exists() and not AccountTraits.objects.exists()

    def test_a_costly_statement_is_not_even_begun(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sql_traits, "MOST_COST", 0)
        factories.account()
        with pytest.raises(TraitFailed, match="expects a cost"):
            saved(GOOD)

    def test_more_rows_than_allowed_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sql_traits, "MOST_ROWS", 1)
        factories.account()
        factories.account()
        with pytest.raises(TraitFailed, match="more than 1 rows"):
            saved(GOOD)

    def test_only_administrators_write_change_try_and_delete_it(self) -> None:
        factories.account()
        manager, admin = (
            factories.member(TeamMember.Access.MANAGER).user,
            factories.member(TeamMember.Access.ADMIN).user,
        )
        form = {"subject": "account", "method": "sql", "name": "Yearly", "active": "1", "sql": GOOD, "as": "number"}
        theirs, ours = Client(), Client()
        theirs.force_login(manager)
        ours.force_login(admin)
        assert "SQL, by administrators" not in theirs.get("/traits/new/").content.decode()
        for do in ({}, {"do": "preview"}):
            refused = theirs.post("/traits/new/", form | do)
            assert refused.status_code == 422 and "only they may define" in refused.content.decode()
        assert "accounts have a value" in ours.post("/traits/new/", form | {"do": "preview"}).content.decode()
        assert ours.post("/traits/new/", form).status_code == 302
        trait = Trait.objects.get()
        seen = theirs.get(f"/traits/{trait.pk}/")
        assert seen.status_code == 200 and "only they" not in seen.content.decode()
        assert theirs.post(f"/traits/{trait.pk}/", form | {"sql": "select id, 2 from accounts"}).status_code == 422
        theirs.post(f"/traits/{trait.pk}/delete/")
        assert Trait.objects.get().definition["sql"] == GOOD
        bad = ours.post(f"/traits/{trait.pk}/", form | {"sql": "select pg_sleep(9)"})
        assert bad.status_code == 422 and "pg_sleep is not allowed" in bad.content.decode()

    def test_the_back_office_says_what_the_database_refuses(self) -> None:
        browser = Client()
        browser.force_login(User.objects.create_superuser("root"))
        form = {"subject": "account", "name": "Y", "method": "sql", "active": "on", "description": ""}
        form["definition"] = '{"sql": "select id, 1 / (mrr - mrr) from accounts", "as": "number"}'
        factories.account(mrr=1)
        answer = browser.post("/admin/usage/trait/add/", form)
        assert answer.status_code == 200 and "division by zero" in answer.content.decode()
