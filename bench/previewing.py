"""What the preview costs while somebody edits a segment: the builder's own form, sent to its own view."""

from __future__ import annotations

import argparse
import time
from html.parser import HTMLParser
from statistics import median, quantiles
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from bench import events
from bench.asking import Effort
from bench.questions import all_, any_, is_, questions, span
from segments.models import Segment
from segments.refresh import refresh_segments

GOALS_MS = {"attributes": 300, "users and events": 1_500}
SMALL = 10_000  # up to this size everything has the goal of attributes
OF_ATTRIBUTES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 23, 28)


def rules() -> dict[str, dict[str, dict[str, Any]]]:
    """The rules by what they are about and name: single conditions, long groups of them, one inside the other."""
    made = questions(30)
    attributes = {one.name: one.rule for i, one in enumerate(made) if i in OF_ATTRIBUTES}
    plain = [is_("account.mrr", "at_least", 3_000), is_("account.licences", "between", [20, 200])]
    plain += [
        is_("account.industry", "any_of", ["Retail", "Health"]),
        is_("account.renews_on", "within_next", span(90)),
    ]
    plain += [is_("account.custom.seats", "at_least", 100), is_("account.country", "is_not", "Norway")]
    attributes |= {
        "six, all": all_(*plain),
        "six, any": any_(*plain),
        "nested": any_(all_(*plain[:3]), all_(*plain[3:])),
    }
    others = {one.name: one.rule for i, one in enumerate(made) if i not in OF_ATTRIBUTES}
    nodes = events.questions()
    others |= {name: all_(node) for name, node in nodes.items()}
    people = {
        "users": "any",
        "where": all_(is_("user.title", "contains", "admin"), is_("user.last_seen_at", "within_last", span(30))),
    }
    twice = nodes["typical, at least 3 times"]
    others |= {
        "user and event, all": all_(people, twice, plain[0]),
        "user and event, any": any_(people, twice, plain[0]),
        "two events, any": any_(twice, nodes["rare, at least 3 times"], nodes["typical, stopped"]),
        "event or nested": any_(twice, all_(people, plain[1])),
    }
    return {"attributes": attributes, "users and events": others}


class Form(HTMLParser):
    """The inputs of the builder's form, as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.data, self.select = QueryDict(mutable=True), ""
        self.chosen: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the value of a control."""
        found = {name: value or "" for name, value in attrs}
        name, kind = found.get("name", ""), found.get("type", "text")
        if tag == "select":
            self.select, self.chosen = name, None
        elif tag == "option" and self.select and (self.chosen is None or "selected" in found):
            self.chosen = found.get("value", "")
        elif tag == "input" and name and (kind not in ("checkbox", "radio") or "checked" in found):
            self.data.appendlist(name, found.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        """Leave a control."""
        if tag == "select" and self.select:
            self.data.appendlist(self.select, self.chosen or "")
            self.select = ""


def form_of(client: Client, segment: Segment) -> QueryDict:
    """The form of the builder for a segment."""
    form = Form()
    form.feed(client.get(reverse("segment_edit", args=[segment.pk]), secure=True).content.decode())
    form.data["segment"] = str(segment.pk)
    return form.data


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of each preview, from the form to the last byte, for each kind of rule."""
    rows = events.fill(asked.accounts, asked.seed)
    Segment.everything.create(key="ours-0", name="Ours 0", rule=questions(1)[0].rule, version=1)
    Segment.everything.create(key="ours-8", name="Ours 8", rule=questions(9)[8].rule, version=1)
    refresh_segments()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return {"measured": "preview", "rows": rows, **timed(asked.rounds, asked.accounts, asked.every)}


def timed(rounds: int, accounts: int, step: int) -> dict[str, Any]:
    """Ask for every preview in turn (or for each `step`-th); the first round warms up."""
    client = Client(SERVER_NAME="localhost", raise_request_exception=True)
    login, _ = get_user_model().objects.get_or_create(username="bench", is_superuser=True, is_staff=True)
    client.force_login(login, "django.contrib.auth.backends.ModelBackend")
    draft = Segment.everything.create(key="draft", name="Draft", rule=all_(), version=1)
    effort = Effort()
    found: dict[str, Any] = {}
    for kind, asked in rules().items():
        single = {name: _one(client, effort, draft, rule, rounds) for name, rule in list(asked.items())[::step]}
        every = [took for one in single.values() for took in one.pop("all_ms")]
        goal = GOALS_MS["attributes" if accounts <= SMALL else kind]
        p95 = round(quantiles(every, n=20)[-1], 1)
        effort_p95 = round(quantiles([one["cpu_p50_ms"] for one in single.values()], n=20)[-1], 1)
        found[kind] = {"p50_ms": round(median(every), 1), "p95_ms": p95, "goal_p95_ms": goal, "cpu_p95_ms": effort_p95}
        found[kind] |= {"not_counted": [name for name, one in single.items() if not one["counted"]], "rules": single}
    draft.delete()
    return found


def _one(client: Client, effort: Effort, draft: Segment, rule: dict[str, Any], rounds: int) -> dict[str, Any]:
    Segment.everything.filter(pk=draft.pk).update(rule=rule)
    body = form_of(client, draft).urlencode()
    took, efforts, answer = [], [], b""
    for number in range(rounds + 1):
        began, before = time.perf_counter(), effort.spent()
        response = client.post(
            reverse("segment_preview"), body, content_type="application/x-www-form-urlencoded", secure=True
        )
        answer = response.content
        if response.status_code != 200:
            raise SystemExit(f"A preview was answered with {response.status_code}.")
        if number:
            took.append((time.perf_counter() - began) * 1000)
            efforts.append(effort.spent() - before)
    return {
        "p50_ms": round(median(took), 1),
        "cpu_p50_ms": round(median(efforts), 1),
        "counted": b"pv-count" in answer,
        "all_ms": took,
    }
