"""What playbooks refuse, as problems of the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.api.problems import faults_of, unusable
from health.definition import DefinitionError


@contextmanager
def explained() -> Iterator[None]:
    """Turn what playbooks refuse into problems."""
    try:
        yield
    except DefinitionError as error:
        text = "The playbook cannot be used; “errors” says where and why."
        raise unusable(faults_of(error.problems), "invalid-definition", text) from error
