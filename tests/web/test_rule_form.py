"""The builder's form and the tree say the same: what is rendered is read back, and each edit does its one thing."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Account, AttributeDefinition
from segments.picker import catalogue
from segments.questions import Reader
from segments.rule_form import read_form, take_step, without_unset
from segments.rule_view import rule_view
from segments.rules.tree import RuleError, parse, to_json
from tests.web.reading import fields
from usage.models import EventName

pytestmark = pytest.mark.django_db
Tree = dict[str, Any]


PAGES: Tree = {"field": "event.properties.pages", "op": "at_least", "value": 5}
EVENT: Tree = {
    "event": "Export",
    "op": "at_least",
    "value": 3,
    "measure": "count",
    "window": {"last": 30, "unit": "day"},
}
CONDITIONS: list[Tree] = [
    {"field": "account.name", "op": "contains", "value": 'A "quoted" <name> & more'},
    {"field": "account.plan", "op": "any_of", "value": ["Growth", "a, b", "Enterprise"]},
    {"field": "account.plan", "op": "is_not_set"},
    {"field": "account.domain", "op": "matches", "value": "^a.*\\.com$"},
    {"field": "account.mrr", "op": "at_least", "value": 8000},
    {"field": "account.mrr", "op": "between", "value": [0.5, 1200]},
    {"field": "account.licences", "op": "none_of", "value": [1, 2, 3]},
    {"field": "account.active_users_30d", "op": "less_than", "value": {"percent": 70, "of": "account.licences"}},
    {"field": "account.renews_on", "op": "within_next", "value": {"n": 90, "unit": "day"}},
    {"field": "account.renews_on", "op": "more_than_ago", "value": {"n": 2, "unit": "month"}},
    {"field": "account.renews_on", "op": "between", "value": ["2026-01-01", "2026-12-31"]},
    {"field": "account.renews_on", "op": "this_quarter"},
    {"field": "account.last_seen_at", "op": "within_last", "value": {"n": 36, "unit": "hour"}},
    {"field": "account.stage", "op": "any_of", "value": ["trial", "live"]},
    {"field": "account.stage", "op": "is_not", "value": "cancelled"},
    {"field": "account.custom.sso", "op": "is_true"},
    {"field": "account.custom.tags", "op": "includes_all", "value": ["beta", "key account"]},
    {"segment": "other", "op": "not_in"},
    EVENT,
    EVENT | {"op": "between", "value": [0, 2.5], "measure": {"sum": "properties.pages printed"}},
    EVENT | {"window": {"between": [60, 30], "unit": "week"}, "anywhere": True},
    EVENT | {"window": {"since": "account.customer_since"}},
    EVENT | {"window": "ever", "measure": "users"},
    EVENT | {"op": "decreased_by", "value": {"percent": 12.5}, "window": {"last": 5, "unit": "hour"}},
    EVENT | {"where": {"match": "any", "rules": [PAGES, PAGES | {"op": "any_of", "value": [1, 2]}]}},
    EVENT | {"where": {"match": "all", "rules": [PAGES | {"op": "none_of", "value": ["1", "b"]}]}},
    EVENT | {"where": {"match": "all", "rules": [PAGES, {"match": "any", "rules": [PAGES]}]}},
    {"event": 'Plan "Chosen"', "op": "stopped", "window": {"last": 2, "unit": "month"}},
    {
        "sequence": [{"event": "Export", "where": {"match": "all", "rules": [PAGES]}}, {"event": 'Plan "Chosen"'}],
        "op": "not_then",
        "within": {"n": 36, "unit": "hour"},
        "window": {"last": 30, "unit": "day"},
    },
    {
        "sequence": [{"event": "Export"}, {"event": "Export"}],
        "op": "then",
        "within": {"n": 2, "unit": "week"},
        "window": {"since": "account.customer_since"},
        "anywhere": True,
    },
    {"segment": "other", "op": "entered", "value": {"n": 7, "unit": "day"}},
]
USER_CONDITIONS: list[Tree] = [
    {"field": "user.title", "op": "is", "value": "Buyer"},
    {"field": "relationship.role", "op": "is_not", "value": "admin"},
    {"field": "user.last_seen_at", "op": "more_than_ago", "value": {"n": 30, "unit": "day"}},
    EVENT | {"where": {"match": "all", "rules": [PAGES]}},
]
SUBSCRIPTION_CONDITIONS: list[Tree] = [
    {"field": "subscription.auto_renew", "op": "is_false"},
    {"field": "subscription.mrr", "op": "more_than", "value": 99.5},
]


@pytest.fixture
def reader() -> Reader:
    """Everything as it is, with two custom attributes and a segment to name."""
    AttributeDefinition.objects.create(subject="account", key="sso", name="Single sign-on", kind="boolean")
    AttributeDefinition.objects.create(subject="account", key="tags", name="Tags", kind="list")
    for name in ("Export", 'Plan "Chosen"'):
        EventName.objects.create(name=name)
    found = Reader.now()
    found.segments["other"] = (1, "Other")
    return found


@pytest.fixture
def drawn(reader: Reader) -> Callable[[Tree], str]:
    """Draws the builder's HTML for a tree; the picker is made once for all of a test's."""
    picker = catalogue(reader, Account.objects.live())
    return lambda tree: render_to_string("ui/_rule_editor.html", {"rule": rule_view(tree, reader), "catalogue": picker})


def group(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    """Groups of what is below."""
    return st.builds(
        lambda match, rules: {"match": match, "rules": rules},
        st.sampled_from(["all", "any", "none"]),
        st.lists(children, min_size=1, max_size=4),
    )


def quantified() -> st.SearchStrategy[Tree]:
    """Groups about users or subscriptions."""
    some = st.sampled_from(["any", "all", "none"]) | st.sampled_from([{"at_least": 2}, {"at_least_percent": 50}])
    users = st.builds(lambda q, w: {"users": q, "where": w}, some, group(st.sampled_from(USER_CONDITIONS)))
    subs = st.builds(
        lambda q, w: {"subscriptions": q, "where": w},
        st.sampled_from(["any", "all", "none"]),
        group(st.sampled_from(SUBSCRIPTION_CONDITIONS)),
    )
    return users | subs


NODES = st.recursive(st.sampled_from(CONDITIONS) | quantified(), group, max_leaves=8)
TREES = st.builds(
    lambda match, rules: {"match": match, "rules": rules},
    st.sampled_from(["all", "any", "none"]),
    st.lists(NODES, max_size=4),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES)
def test_what_is_drawn_is_read_back(drawn: Callable[[Tree], str], reader: Reader, tree: Tree) -> None:
    read, _ = read_form(fields(drawn(tree)), reader.vocabulary)
    assert without_unset(read) == tree


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: f"{c.get('field', 'other')}-{c['op']}")
def test_every_shape_of_value_is_one_the_parser_takes(
    drawn: Callable[[Tree], str], reader: Reader, condition: Tree
) -> None:
    tree = {"match": "all", "rules": [condition]}
    read, _ = read_form(fields(drawn(tree)), reader.vocabulary)
    assert to_json(parse(read, reader.vocabulary, segments={"other"})) == tree


def test_every_field_and_operator_can_be_chosen_and_comes_back(drawn: Callable[[Tree], str], reader: Reader) -> None:
    for key, field in reader.vocabulary.items():
        tree: Tree = {"match": "all", "rules": []}
        take_step(tree, {"n": ()}, f"add:n:{key}", reader.vocabulary)
        html = drawn(tree)
        read, _ = read_form(fields(html), reader.vocabulary)
        with_field = read["rules"][0]
        assert key in str(with_field), field.label
        try:
            parse(read, reader.vocabulary, segments=set())
        except RuleError as error:
            assert all(problem.code in ("required", "wrong-type", "unknown-choice") for problem in error.problems), key


A, B, C = ({"field": "account.name", "op": "is", "value": letter} for letter in "ABC")


@pytest.mark.parametrize(
    ("step", "after", "at"),
    [
        ("remove:n.0", [{"match": "any", "rules": [B, C]}], (0,)),
        ("remove:n.1", [A], (0,)),
        ("up:n.1", [{"match": "any", "rules": [B, C]}, A], (0,)),
        ("up:n.0", [A, {"match": "any", "rules": [B, C]}], (0,)),
        ("down:n.1.0", [A, {"match": "any", "rules": [C, B]}], (1, 1)),
        ("copy:n.0", [A, A, {"match": "any", "rules": [B, C]}], (1,)),
        ("wrap:n.0", [{"match": "any", "rules": [A]}, {"match": "any", "rules": [B, C]}], (0, 0)),
        ("out:n.1.0", [A, {"match": "any", "rules": [C]}, B], (2,)),
        ("negate:n.0", [A | {"op": "is_not"}, {"match": "any", "rules": [B, C]}], (0,)),
        ("negate:n.1", [A, {"match": "none", "rules": [B, C]}], (1,)),
        ("group:n", [A, {"match": "any", "rules": [B, C]}, {"match": "any", "rules": []}], (2,)),
        ("field:n.0:account.domain", [A | {"field": "account.domain"}, {"match": "any", "rules": [B, C]}], (0,)),
        (
            "field:n.0:account.mrr",
            [{"field": "account.mrr", "op": "at_least"}, {"match": "any", "rules": [B, C]}],
            (0,),
        ),
        (
            "add:n.1:account.stage",
            [A, {"match": "any", "rules": [B, C, {"field": "account.stage", "op": "any_of"}]}],
            (1, 2),
        ),
        ("nonsense:n.0", [A, {"match": "any", "rules": [B, C]}], None),
        ("remove:n.9", [A, {"match": "any", "rules": [B, C]}], None),
    ],
)
def test_each_step_does_its_one_thing(
    drawn: Callable[[Tree], str], reader: Reader, step: str, after: list[Tree], at: Any
) -> None:
    start = {"match": "all", "rules": [A, {"match": "any", "rules": [B, C]}]}
    tree, places = read_form(fields(drawn(start)), reader.vocabulary)
    assert take_step(tree, places, step, reader.vocabulary) == at
    assert tree == {"match": "all", "rules": after}


def test_the_order_of_the_inputs_is_the_order_of_the_tree(reader: Reader) -> None:
    form = QueryDict(
        "n.match=all&n.c7.field=account.name&n.c7.op=is&n.c7.value=B&n.2.field=account.name&n.2.op=is&n.2.value=A"
    )
    tree, places = read_form(form, reader.vocabulary)
    assert [rule["value"] for rule in tree["rules"]] == ["B", "A"]
    assert places == {"n": (), "n.c7": (0,), "n.2": (1,)}


def test_a_number_is_taken_as_people_type_it(reader: Reader) -> None:
    for typed, read in [
        ("8,000", 8000),
        (" 12.50 ", 12.5),
        ("−3", -3),
        ("1 000", 1000),
        ("abc", "abc"),
        ("", None),
        ("1e999", "1e999"),
    ]:
        form = QueryDict(mutable=True)
        form.update({"n.0.field": "account.mrr", "n.0.op": "at_least", "n.0.value": typed})
        assert read_form(form, reader.vocabulary)[0]["rules"][0].get("value") == read, typed


def levels(node: Tree) -> int:
    """How many groups deep a tree is."""
    below = [child for child in node.get("where", node).get("rules", []) if isinstance(child, dict)]
    grouped = "rules" in node or ("where" in node and "event" not in node)
    return 1 + max(map(levels, below), default=0) if grouped else 0


def offered(html: str) -> list[str]:
    """The steps that a drawn builder has buttons for."""
    return re.findall(r'name="do" value="([^"]+)"', html)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES)
def test_no_step_that_is_offered_goes_deeper_than_three_levels(
    drawn: Callable[[Tree], str], reader: Reader, tree: Tree
) -> None:
    html = drawn(tree)
    form, before = fields(html), levels(tree)
    for step in offered(html):
        if step.startswith(("group:", "wrap:", "negate:", "copy:")):  # what can make a group
            after, places = read_form(form, reader.vocabulary)
            take_step(after, places, step, reader.vocabulary)
            assert levels(after) <= max(before, 3), step


def test_what_is_not_offered_for_its_depth_says_why_in_the_menu(drawn: Callable[[Tree], str]) -> None:
    inner = {"match": "any", "rules": [A, B]}
    html = drawn({"match": "all", "rules": [{"match": "any", "rules": [inner, C]}, A]})
    steps = offered(html)
    assert {"group:n", "group:n.0", "wrap:n.1", "wrap:n.0.1"} <= set(steps)
    assert not {"group:n.0.0", "wrap:n.0", "wrap:n.0.0", "wrap:n.0.0.0"} & set(steps)
    for row in ("n-0", "n-0-0", "n-0-0-0", "n-0-0-1"):
        menu = html.split(f'id="more-{row}"')[1].split("</ul>")[0]
        assert "No further group: this page offers three levels." in menu, row
    assert "No further" not in html.split('id="more-n-1"')[1]


def test_fifty_conditions_are_offered_and_no_more(drawn: Callable[[Tree], str]) -> None:
    group = {"match": "any", "rules": [A, B]}
    html = drawn({"match": "all", "rules": [*[A] * 47, group]})
    assert {"add:n", "add:n.47", "copy:n.0"} <= set(offered(html))
    assert "copy:n.47" not in offered(html)  # it would make 51
    assert "No further condition: this page offers 50." in html.split('id="more-n-47"')[1].split("</ul>")[0]
    html = drawn({"match": "all", "rules": [*[A] * 48, group]})
    assert not [step for step in offered(html) if step.startswith(("add:", "group:", "copy:"))]
    assert "50 conditions are the most that this page offers." in html


def test_a_deleted_attribute_is_shown_by_its_name(drawn: Callable[[Tree], str], reader: Reader) -> None:
    AttributeDefinition.objects.create(subject="account", key="region", name="Region", kind="text", active=False)
    rules = [{"field": f"account.custom.{key}", "op": "is", "value": "EMEA"} for key in ("region", "never")]
    html = drawn({"match": "all", "rules": rules})
    shown = [unescape(re.sub("<[^>]+>", "", one)) for one in re.findall(r'data-field="n\.\d".*?</button>', html)]
    assert [one.split(">")[-1] for one in shown] == ["Region (deleted)", "account.custom.never (deleted)"]
    assert fields(html).getlist("n.0.value") == ["EMEA"]
    with pytest.raises(RuleError):  # saving waits until it is removed
        parse({"match": "all", "rules": rules[:1]}, reader.vocabulary)
