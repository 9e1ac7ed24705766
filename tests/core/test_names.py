"""Free names: each copy is told apart from the others, however long its name is."""

from __future__ import annotations

import pytest

from core.names import LONGEST, free_name
from segments.models import Segment
from tests import factories

pytestmark = pytest.mark.django_db
MRR = {"field": "account.mrr", "op": "at_least", "value": 1}


def test_a_taken_name_gets_the_first_free_number_that_of_a_copy_in_its_brackets() -> None:
    for name in ("Large", "large 2", "Large (copy)"):
        factories.segment(name, MRR)
    rows = Segment.objects.all()
    assert [free_name(name, rows) for name in ("Small", "LARGE", "Large (copy)")] == [
        "Small", "LARGE 3", "Large (copy 2)"
    ]  # fmt: skip


def test_a_long_name_keeps_its_number_within_what_is_stored() -> None:
    factories.segment("x" * LONGEST, MRR)
    found = free_name("x" * (LONGEST + 30), Segment.objects.all())
    assert found.endswith(" 2") and len(found) <= LONGEST
