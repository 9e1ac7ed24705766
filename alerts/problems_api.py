"""What alert rules and milestones refuse, as problems of the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.api.problems import faults_of, unusable
from segments.rules.tree import RuleError


@contextmanager
def explained() -> Iterator[None]:
    """Say every place of a rule that is wrong; the pointers are those of the body, in which the rule has several
    parts."""
    try:
        yield
    except RuleError as error:
        text = "The rule cannot be used; “errors” says where and why."
        raise unusable(faults_of(error.problems), "invalid-rule", text) from error
