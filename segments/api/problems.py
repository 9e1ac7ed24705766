"""What can go wrong with a rule or a segment, in the error contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.api.problems import ApiProblem, faults_of, in_use, unusable
from segments.limits import PreviewTooSlow
from segments.questions import PREVIEW_LIMIT_MS
from segments.rules.tree import RuleError
from segments.uses import SegmentInUse

TOO_SLOW = (
    f"Counting took longer than {PREVIEW_LIMIT_MS // 1000} s. Save the rule as a segment: a refresh has more time, "
    "and its members can then be read at once."
)


def rule_problem(error: RuleError, below: str = "/rule", parameter: str | None = None) -> ApiProblem:
    """422 with every place that is wrong, as a pointer into the body (or into the parameter's own JSON)."""
    faults = faults_of(error.problems, below, parameter)
    some = "1 problem" if len(faults) == 1 else f"{len(faults)} problems"
    return unusable(faults, "invalid-rule", f"The rule has {some}; “errors” says where and what would do.")


def use_problem(error: SegmentInUse) -> ApiProblem:
    """409 with the list of what uses the segment."""
    return in_use(error, error.users)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what editing and previewing raise into problems."""
    try:
        yield
    except RuleError as error:
        raise rule_problem(error) from error
    except SegmentInUse as error:
        raise use_problem(error) from error
    except PreviewTooSlow as error:
        raise ApiProblem("preview-too-slow", TOO_SLOW, 503, headers={"Retry-After": "60"}) from error
