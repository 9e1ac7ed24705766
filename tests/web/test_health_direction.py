"""Which way is better, in the editor of a health config: asked where the limits do not say it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from health.editing import save_config
from tests.health.test_scores import by_number, only, share
from tests.web.conftest import Company
from tests.web.reading import text
from tests.web.test_health_editor import form, path_of, step

MIXED = by_number("mixed", "account.active_users_30d", share(50), 1)


@pytest.mark.parametrize("data", [only(MIXED), only(MIXED | {"better": "lower"})])
def test_a_form_sent_as_it_came_changes_nothing(manager: Client, company: Company, data: Any) -> None:
    config = save_config(None, name="", definition=data)
    manager.post(path_of(config), form(manager, path_of(config)))
    config.refresh_from_db()
    assert (config.definition, config.version) == (data, 1)


def test_which_way_is_better_is_asked_where_the_limits_do_not_say(manager: Client, company: Company) -> None:
    default = save_config(None, name="", definition=only(MIXED))
    path = path_of(default)
    sent = form(manager, path)
    assert sent["d0m0.better"] == ""
    sent["d0m0.better"] = "lower"
    sent, html = step(manager, path, sent, "update")
    assert sent["d0m0.better"] == "lower" and "less is better" in text(html)
    one_kind = sent.copy()
    one_kind["d0m0.good.mode"] = "number"
    one_kind, _ = step(manager, path, one_kind, "update")
    assert "d0m0.better" not in one_kind
    sent.pop("do", None)
    manager.post(path, sent)
    default.refresh_from_db()
    assert default.version == 2
    assert default.definition["dimensions"][0]["measures"][0]["better"] == "lower"
