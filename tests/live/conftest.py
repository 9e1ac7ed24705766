"""Fixtures of this folder: a company whose accounts are evaluated as its data comes in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from health.models import HealthConfig
from segments.models import RefreshRun, Segment
from tests.committing import at_once, committed
from usage.models import Trait

__all__ = ["at_once", "committed"]


@pytest.fixture
def live(committed: None) -> Iterator[None]:
    """What other connections see, with segments, traits and runs taken away afterwards."""
    _empty()
    yield
    _empty()


def _empty() -> None:
    HealthConfig.objects.all().delete()
    Segment.everything.all().delete()
    RefreshRun.objects.all().delete()
    Trait.objects.all().delete()
