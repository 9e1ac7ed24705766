"""What a scoring sends to the database: one statement for each config, however many accounts there are."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from health.editing import save_config
from health.refresh import refresh_health
from segments.refresh import refresh_segments
from tests import factories
from tests.health.test_scores import BOTH, SEEN, an_account, only

pytestmark = pytest.mark.django_db


def test_a_scoring_is_one_statement_for_each_config_however_many_accounts_there_are() -> None:
    large = factories.segment("Large", {"field": "account.mrr", "op": "at_least", "value": 5_000})
    save_config(None, name="", segment=large, definition=only(SEEN))
    save_config(None, name="", definition=BOTH)
    refresh_health()
    sent = []
    for number in (2, 30):
        for i in range(number):
            an_account(i, 100, seen=i, plan="Growth", mrr=9_000 if i % 2 else 0)
        refresh_segments()
        with CaptureQueriesContext(connection) as queries:
            assert refresh_health().changed == number
        scoring = [one["sql"] for one in queries if "INSERT INTO health_accounthealth" in one["sql"]]
        sent.append((len(queries), len(scoring)))
    assert sent[0] == sent[1] and sent[0][1] == 2, sent
