"""What playbooks refuse, as problems of the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alerts.playbooks.editing import StalePlaybook
from core.api.problems import ApiProblem, faults_of, unusable
from core.intake import BadValue
from health.definition import DefinitionError


@contextmanager
def explained() -> Iterator[None]:
    """Turn what playbooks refuse into problems."""
    try:
        yield
    except DefinitionError as error:
        text = "The playbook cannot be used; “errors” says where and why."
        raise unusable(faults_of(error.problems), "invalid-definition", text) from error
    except StalePlaybook as error:
        raise ApiProblem("stale", f"{error} Read it again and send its ETag.", 412) from error
    except BadValue as error:
        raise ApiProblem("validation", str(error), 400) from error
