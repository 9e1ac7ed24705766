"""Marks of accounts that must be evaluated again: none is lost, none is taken twice, nobody waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from accounts.touching import take_touched, touch, waiting_since
from tests.factories import account


@pytest.mark.django_db
def test_marks_are_taken_once_the_oldest_first() -> None:
    """However often an account was marked, it is taken once, with all its marks."""
    one, two, three = (account().pk for _ in range(3))
    touch([two])
    touch([one, two])
    touch([three, two])
    assert waiting_since() is not None
    assert take_touched(limit=1) == {two}
    assert take_touched() == {one, three}
    assert take_touched() == set()
    assert waiting_since() is None


@pytest.mark.django_db
def test_a_failed_evaluation_gives_the_marks_back() -> None:
    """What is taken in a transaction that is rolled back is there again."""
    one = account().pk
    touch([one])
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert take_touched() == {one}
        raise ZeroDivisionError
    assert take_touched() == {one}


def test_many_writers_and_takers_at_once(committed: None, at_once: Callable[..., list[Any]]) -> None:
    """Every mark of every writer is taken by one of the takers, now or later."""
    ids = [account().pk for _ in range(20)]

    def write() -> set[int]:
        for pk in ids:
            touch([pk])
        return set()

    def take() -> set[int]:
        found: set[int] = set()
        for _ in range(20):
            with transaction.atomic():
                found |= take_touched(limit=5)
        return found

    results = at_once(write, take, write, take, write, take)
    assert all(isinstance(result, set) for result in results), results
    assert set().union(*results) | take_touched() == set(ids)
