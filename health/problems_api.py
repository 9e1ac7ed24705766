"""What can go wrong with a health config, in the error contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError

from core.api.problems import ApiProblem, Fault, in_use, unusable
from core.api.problems import faults_of as faults_at
from core.deadline import TooSlow
from core.refusals import Problem
from health.definition import DefinitionError
from health.editing import OverrideRefused
from health.uses import ConfigInUse

BESIDE = ("/name", "/segment")  # what a save checks that is no part of the definition


def faults_of(problems: list[Problem]) -> list[Fault]:
    """Problems with their places in the body that was sent."""
    found: list[Fault] = []
    for one in problems:
        beside = one.pointer in BESIDE and one.code != "unknown-key"
        found += faults_at([one], "" if beside else "/definition")
    return found


@contextmanager
def explained() -> Iterator[None]:
    """Turn what editing and computing raise into problems."""
    try:
        yield
    except DefinitionError as error:
        text = "The config cannot be used; “errors” says where and why."
        raise unusable(faults_of(error.problems), "invalid-definition", text) from error
    except ConfigInUse as error:
        raise in_use(error, error.uses) from error
    except OverrideRefused as error:
        raise ApiProblem("validation", str(error), 400, [Fault(str(error), "invalid", f"/{error.place}")]) from error


@contextmanager
def computed(limit_ms: int) -> Iterator[None]:
    """Turn what a computation that took too long, or that PostgreSQL refuses, raises into problems."""
    try:
        yield
    except TooSlow as error:
        text = f"Computing took longer than {limit_ms // 1000} s. Saving works; the scores come with the next scoring."
        raise ApiProblem("too-slow", text, 503, headers={"Retry-After": "60"}) from error
    except DatabaseError as error:
        text = f"The draft cannot be computed: {str(error).splitlines()[0][:200]}."
        raise ApiProblem("not-computable", text, 422) from error
