"""What can go wrong with a health config, in the error contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError

from core.api.problems import ApiProblem, Fault
from core.deadline import TooSlow
from core.intake import BadValue
from health.definition import DefinitionError
from health.editing import OverrideRefused, StaleConfig
from health.uses import ConfigInUse
from segments.rules.tree import Problem

BESIDE = ("/name", "/segment")  # what a save checks that is no part of the definition


def faults_of(problems: list[Problem]) -> list[Fault]:
    """Problems with their places in the body that was sent."""
    found = []
    for one in problems:
        beside = one.pointer in BESIDE and one.code != "unknown-key"
        pointer = one.pointer if beside else f"/definition{one.pointer}"
        found.append(Fault(one.message, one.code, pointer, None, one.allowed[:100]))
    return found


@contextmanager
def explained() -> Iterator[None]:
    """Turn what editing and computing raise into problems."""
    try:
        yield
    except DefinitionError as error:
        faults = faults_of(error.problems)
        code = faults[0].code if len(faults) == 1 else "invalid-definition"
        raise ApiProblem(code, "The config cannot be used; “errors” says where and why.", 422, faults) from error
    except ConfigInUse as error:
        faults = [Fault(f"Used by the {use.kind} “{use.name}”.", "in-use") for use in error.uses]
        raise ApiProblem("in-use", str(error), 409, faults) from error
    except StaleConfig as error:
        raise ApiProblem("stale", f"{error} Read it again and send its ETag.", 412) from error
    except OverrideRefused as error:
        raise ApiProblem("validation", str(error), 400, [Fault(str(error), "invalid", f"/{error.place}")]) from error
    except BadValue as error:
        raise ApiProblem("validation", str(error), 400) from error


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
