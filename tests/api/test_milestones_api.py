"""Milestones over the API: definitions with ETags, figures, progress and what may be done with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Account
from alerts.milestones.tasks import look_at_milestones
from alerts.models import Milestone
from core.clock import moment
from csbox.pipeline import refresh_everything
from segments.editing import delete_segment
from tests import factories
from tests.api.conftest import ApiClient, code_of

pytestmark = pytest.mark.django_db
MANY = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 10}]}


def test_a_milestone_from_making_to_deleting(company: Any, as_: Callable[[str], ApiClient]) -> None:
    manager, csm = as_("manager"), as_("csm")
    body = {"name": "Many licences", "condition": MANY, "expected_days": 14}
    assert csm("POST", "milestones/", body).status_code == 403
    made = manager("POST", "milestones/", body)
    assert made.status_code == 201 and made.json()["key"] == "many-licences"
    at = "milestones/many-licences/"
    assert manager("PATCH", at, {"sticky": False}).status_code == 428
    changed = manager("PATCH", at, {"sticky": False, "reason": "Can stop"}, match=manager.etag(at))
    assert (changed.json()["sticky"], changed.json()["expected_days"], changed.json()["version"]) == (False, 14, 2)
    for wrong, code in (
        ({"segments": ["nothing"]}, "unknown-segment"), ({"key": "other"}, "read-only"),
        ({"condition": {"match": "all", "rules": []}}, "empty-group"), ({"start": "field"}, "validation"),
        ({"colour": "red"}, "unknown-field"), ({"expected_days": 1.5}, "invalid-type"),
    ):  # fmt: skip
        answer = manager("PATCH", at, wrong, match=manager.etag(at))
        told = answer.json()
        codes = [told["type"].rsplit("/", 1)[-1], *(fault["code"] for fault in told.get("errors", []))]
        assert answer.status_code in (400, 422) and code in codes, (wrong, answer.content)
    taken = manager("POST", "milestones/", body)
    assert (taken.status_code, code_of(taken), taken.json()["errors"][0]["pointer"]) == (409, "name-taken", "/name")
    late = factories.segment("Late", {"field": "milestone.many-licences", "op": "is", "value": "overdue"})
    used = manager("DELETE", at, match=manager.etag(at))
    assert (used.status_code, used.json()["errors"][0]["detail"]) == (409, "Used by the segment “Late”.")
    delete_segment(late)
    assert manager("POST", f"{at}move/", {"by": -1}).json()["position"] == 1
    assert manager("DELETE", at, match=manager.etag(at)).status_code == 204
    assert not Milestone.objects.exists()


def test_progress_is_read_filtered_marked_and_reset(company: Any, as_: Callable[[str], ApiClient]) -> None:
    manager, csm, viewer = as_("manager"), as_("csm"), as_("viewer")
    Account.objects.update(customer_since=moment().today - dt.timedelta(days=40), stated_licences=1)
    manager("POST", "milestones/", {"name": "Many licences", "condition": MANY, "expected_days": 14})
    refresh_everything()
    look_at_milestones()
    found = csm.get("account-milestones/?milestone=many-licences&state=overdue")["results"]
    assert len(found) == 2 and found[0]["due_on"]  # of three: the other one is somebody else's
    assert csm("GET", "account-milestones/?colour=red").status_code == 400
    at = f"account-milestones/{found[0]['id']}/"
    assert viewer("POST", f"{at}reach/", {"reason": "x"}).status_code == 403
    assert csm("POST", f"{at}reset/", {"reason": "x"}).status_code == 409
    assert csm("POST", f"{at}reach/", {}).status_code == 400
    marked = csm("POST", f"{at}reach/", {"reason": "On the phone", "on": str(moment().today - dt.timedelta(days=30))})
    assert (marked.json()["state"], marked.json()["by_hand"]) == ("reached", True)
    assert csm("POST", f"{at}reach/", {"reason": "x"}).status_code == 409
    figures = csm.get("milestones/many-licences/progress/")
    assert (figures["reached"], figures["days"]["number"], figures["days"]["median"]) == (1, 1, 10.0)
    assert csm("POST", f"{at}reset/", {"reason": "A mistake"}).json()["state"] == "overdue"
    log = csm.get(f"{at}changes/")["results"]
    assert {(one["kind"], one["origin"]) for one in log} == {
        ("reset", "hand"), ("reached", "hand"), ("overdue", "definition")
    }  # fmt: skip
