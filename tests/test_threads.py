"""Ordered work in a pool: order, bounds and failures, without a clock."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.threads import ordered_map


class HandPool(Executor):
    """Runs nothing until so many pieces of work have come; then does with them what it is told to."""

    def __init__(self, count: int, then: Callable[[HandPool], None]) -> None:
        self.futures: list[Future[Any]] = []
        self.work: list[Callable[[], Any]] = []
        self._count = count
        self._then = then

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Note the work down."""
        self.futures.append(Future())
        self.work.append(lambda: fn(*args, **kwargs))
        if len(self.work) == self._count:
            self._then(self)
        return self.futures[-1]

    def finish(self, *which: int) -> None:
        """Do some of the work, in this order."""
        for k in which:
            self.futures[k].set_result(self.work[k]())


class EagerPool(HandPool):
    """Runs everything at once, in the caller's thread."""

    def __init__(self) -> None:
        super().__init__(0, HandPool.finish)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do the work."""
        future = super().submit(fn, *args, **kwargs)
        self.finish(len(self.futures) - 1)
        return future


@given(st.lists(st.integers(), max_size=30), st.integers(0, 8), st.integers(1, 4))
def test_results_come_in_the_order_of_the_items(items: list[int], ahead: int, workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        assert list(ordered_map(pool, lambda item: item * 2, items, ahead)) == [item * 2 for item in items]


@given(st.integers(0, 20), st.integers(0, 6))
def test_never_more_than_asked_for_are_in_flight(count: int, ahead: int) -> None:
    pool = EagerPool()
    taken = 0
    for taken, result in enumerate(ordered_map(pool, str, range(count), ahead), 1):
        assert result == str(taken - 1)
        # beside the one the caller has just got, and those before it
        assert len(pool.futures) == min(count, taken + ahead)
    assert taken == count


def test_items_are_asked_for_only_when_there_is_room() -> None:
    asked = []

    def items() -> Iterator[int]:
        for k in range(10):
            asked.append(k)
            yield k

    results = ordered_map(EagerPool(), str, items(), ahead=2)
    assert asked == []
    assert next(results) == "0"
    assert asked == [0, 1, 2]
    assert next(results) == "1"
    assert asked == [0, 1, 2, 3]


@given(st.permutations(range(6)))
def test_order_holds_whatever_finishes_first(order: list[int]) -> None:
    pool = HandPool(6, lambda pool: pool.finish(*order))
    assert list(ordered_map(pool, str, range(6), ahead=5)) == list("012345")


@pytest.mark.parametrize("bad", [0, 3, 9])
def test_an_exception_reaches_the_caller_after_the_results_before_it(bad: int) -> None:
    def work(item: int) -> int:
        if item == bad:
            message = f"item {item}"
            raise LookupError(message)
        return item

    got: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        results = ordered_map(pool, work, range(10), ahead=3)
        with pytest.raises(LookupError, match=f"item {bad}"):
            got.extend(results)
    assert got == list(range(bad))


def test_an_exception_in_the_items_reaches_the_caller() -> None:
    def items() -> Iterator[int]:
        yield 1
        message = "no more"
        raise LookupError(message)

    with pytest.raises(LookupError, match="no more"):
        list(ordered_map(EagerPool(), str, items(), ahead=3))


def test_what_waits_is_cancelled_when_one_fails() -> None:
    pool = HandPool(4, lambda pool: pool.futures[0].set_exception(LookupError("broken")))
    with pytest.raises(LookupError, match="broken"):
        next(ordered_map(pool, str, range(10), ahead=3))
    assert [future.cancelled() for future in pool.futures] == [False, True, True, True]


def test_what_waits_is_cancelled_when_the_caller_stops() -> None:
    pool = HandPool(3, lambda pool: pool.finish(0))
    with contextlib.closing(ordered_map(pool, str, range(10), ahead=2)) as results:  # type: ignore[type-var]
        assert next(results) == "0"
    assert [future.cancelled() for future in pool.futures] == [False, True, True]
