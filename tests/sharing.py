"""Rows that all tests of a module begin with: made once, seen by each as they were made, gone after the last."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import transaction


@contextlib.contextmanager
def shared_rows(blocker: Any) -> Iterator[None]:
    """A transaction around those of the tests, for a fixture of the scope "module"; it is rolled back at the end.

    Each test still runs in a savepoint of its own. A module that uses it holds no test that commits.
    """
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
