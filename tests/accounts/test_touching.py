"""Marks of accounts that must be evaluated again: none is lost, none goes before its work is done, nobody waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from accounts.touching import read_touched, settle, touch, waiting_since
from tests.factories import account


@pytest.mark.django_db
def test_marks_are_read_the_oldest_first_and_settled_once() -> None:
    """However often an account was marked, it is read once, with all its marks."""
    one, two, three = (account().pk for _ in range(3))
    touch([two])
    touch([one, two])
    touch([three, two])
    assert waiting_since() is not None
    first = read_touched(limit=1)
    assert first.accounts == {two} and len(first.marks) == 3
    settle(first)
    assert read_touched().accounts == {one, three}
    settle(read_touched())
    assert read_touched().accounts == set()
    assert waiting_since() is None


@pytest.mark.django_db
def test_marks_stay_until_they_are_settled_and_later_ones_stay_after_that() -> None:
    """An evaluation that dies settles nothing; what is touched while it runs waits for the next one."""
    one = account().pk
    touch([one])
    assert read_touched() == read_touched()
    taken = read_touched()
    touch([one])
    settle(taken)
    assert read_touched().accounts == {one}
    assert not set(read_touched().marks) & set(taken.marks)


@pytest.mark.django_db
def test_an_account_is_told_of_if_one_mark_says_more_than_usage() -> None:
    one, two, three = (account().pk for _ in range(3))
    touch([one, two], usage_only=True)
    touch([two, three])
    touch([three], usage_only=True)
    found = read_touched()
    assert found.accounts == {one, two, three} and found.told == {two, three}
    settle(found)
    touch([two], usage_only=True)
    assert read_touched().told == set()


@pytest.mark.django_db
def test_a_write_that_is_rolled_back_marks_nothing() -> None:
    """The mark belongs to the data."""
    one = account().pk
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        touch([one])
        raise ZeroDivisionError
    assert read_touched().accounts == set()


def test_many_writers_and_takers_at_once(committed: None, at_once: Callable[..., list[Any]]) -> None:
    """Every mark of every writer is read by one of the takers, now or later."""
    ids = [account().pk for _ in range(20)]

    def write() -> set[int]:
        for pk in ids:
            touch([pk])
        return set()

    def take() -> set[int]:
        found: set[int] = set()
        for _ in range(20):
            taken = read_touched(limit=5)
            found |= taken.accounts
            settle(taken)
        return found

    results = at_once(write, take, write, take, write, take)
    assert all(isinstance(result, set) for result in results), results
    assert set().union(*results) | read_touched().accounts == set(ids)
