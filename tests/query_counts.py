"""How many statements a page or endpoint may take: baselines in query_counts.json, so that a new N+1 fails a test.

CSBOX_RECORD_QUERIES=1 writes what was measured instead of comparing. A page that needs fewer than its baseline passes
with the count to record; one that needs more fails with its statements.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.fields import vocabulary

BASELINE = Path(__file__).with_name("query_counts.json")
_most: dict[str, int] = {}  # what was recorded in this run, for what is counted several times
QueryCount = Callable[[str], AbstractContextManager[CaptureQueriesContext]]


@contextmanager
def counted(name: str) -> Iterator[CaptureQueriesContext]:
    """Count the statements of a block and compare them with the baseline of that name.

    The fields that live in the database are read before, as in a process that has answered already.
    """
    vocabulary()
    with CaptureQueriesContext(connection) as queries:
        yield queries
    baselines = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    if os.environ.get("CSBOX_RECORD_QUERIES") == "1":
        baselines[name] = _most[name] = max(_most.get(name, 0), len(queries))
        BASELINE.write_text(json.dumps(dict(sorted(baselines.items())), indent=2) + "\n")
        return
    assert name in baselines, f"{name} has no baseline; record it with CSBOX_RECORD_QUERIES=1"
    listed = "\n".join(query["sql"][:200] for query in queries.captured_queries)
    assert len(queries) <= baselines[name], f"{name}: {len(queries)} statements, {baselines[name]} expected\n{listed}"


@pytest.fixture
def query_count() -> QueryCount:
    """`with query_count("accounts list"): client.get(…)`."""
    return counted
