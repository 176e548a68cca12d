"""An index inside event loops: the loop goes on, cancelled callers leave no half pages, closing waits."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup import DedupError, InputError, NotFound, SettingsMismatch, StoreError
from dedup.index import AsyncIndex, Index, Report
from dedup.index.aio import AHEAD
from dedup.settings import Settings

T = TypeVar("T")
FERRY = "The ferry leaves the old harbour at nine in the morning and comes back at dusk."
LONG_ENOUGH = 600.0  # seconds after which something is taken to hang: kernels may have to be compiled


def run(task: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; one that hangs is an error."""
    return asyncio.run(asyncio.wait_for(task, LONG_ENOUGH))


def sentences(count: int, seed: int) -> str:
    """Return paragraphs of made-up words."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abdeiklmnoprstu", k=rng.randint(2, 9))) for _ in range(4000)]
    return "\n\n".join(" ".join(rng.choices(words, k=20)).capitalize() + "." for _ in range(count))


PAGES = [{"id": f"page-{k}", "text": sentences(4, k % 40), "source": f"site-{k % 3}"} for k in range(50)]


class Gate:
    """Holds the thread of an index until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        check = Index.check

        def held(index: Index, text: str, **options: Any) -> Report:
            self.reached.set()
            assert self.open.wait(LONG_ENOUGH)
            return check(index, text, **options)

        monkeypatch.setattr(Index, "check", held)


def test_reports_are_those_of_an_index() -> None:
    with Index.open("memory:") as index:
        expected = [index.check(page["text"], id=page["id"], source=page["source"]).as_dict() for page in PAGES]

    async def task() -> list[dict[str, Any]]:
        async with await AsyncIndex.open("memory:") as index:
            reports = [await index.check(page["text"], id=page["id"], source=page["source"]) for page in PAGES]
            assert (await index.info())["pages"] == len(PAGES)
            return [report.as_dict() for report in reports]

    assert run(task()) == expected


def test_the_same_methods() -> None:
    async def task() -> None:
        async with await AsyncIndex.open("memory:", Settings(threshold=0.6)) as index:
            assert (index.settings.threshold, index.place) == (0.6, "memory:")
            assert (await index.query(FERRY)).status == "new"
            assert (await index.info())["pages"] == 0
            assert (await index.add(FERRY, id="a")).added
            assert (await index.query(FERRY, id="b")).partner == "a"
            assert await index.remove("a")
            assert not await index.remove("a")

    run(task())


def test_pages_expire() -> None:
    async def task() -> None:
        async with await AsyncIndex.open("memory:") as index:
            await index.add(FERRY, id="a")
            assert await index.expire(0) == 0
            assert (await index.info())["pages"] == 1
            assert await index.expire(4e9) == 1
            assert (await index.info())["pages"] == 0

    run(task())


def test_every_coroutine_has_a_twin() -> None:
    missing = {name for name in vars(Index) if name[0] != "_"} - set(vars(AsyncIndex))
    assert not missing & {"open", "close", "check", "add", "query", "remove", "expire", "info", "check_many"}


def test_the_loop_goes_on_while_a_large_page_is_checked() -> None:
    large = sentences(80_000, 1)
    assert len(large) > 10 << 20

    async def task() -> None:
        ticks = 0

        async def ticker() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        async with await AsyncIndex.open("memory:") as index:
            ticking = asyncio.create_task(ticker())
            await asyncio.sleep(0)
            ticks = 0
            report = await index.check(large, id="large")
            ticking.cancel()
        assert report.action == "keep"
        assert ticks > 20

    run(task())


def test_the_loop_goes_on_while_the_index_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def task() -> None:
        gate = Gate(monkeypatch)
        async with await AsyncIndex.open("memory:") as index:
            waiting = asyncio.create_task(index.check(FERRY, id="a"))
            await asyncio.to_thread(gate.reached.wait)
            assert not waiting.done()
            gate.open.set()
            assert (await waiting).status == "new"

    run(task())


def test_fifty_tasks_at_once_are_taken_in_the_order_of_their_arrival() -> None:
    async def task() -> list[dict[str, Any]]:
        async with await AsyncIndex.open("memory:") as index:
            reports = await asyncio.gather(*(index.check(p["text"], id=p["id"], source=p["source"]) for p in PAGES))
            assert (await index.info())["pages"] == len(PAGES)
            return [report.as_dict() for report in reports]

    with Index.open("memory:") as index:
        expected = [index.check(page["text"], id=page["id"], source=page["source"]).as_dict() for page in PAGES]
    assert run(task()) == expected


def test_two_of_one_file(tmp_path: Path) -> None:
    async def task() -> None:
        place = f"sqlite:///{tmp_path}/seen.db"
        async with await AsyncIndex.open(place) as one, await AsyncIndex.open(place) as other:
            await asyncio.gather(*(one.add(p["text"], id=p["id"]) for p in PAGES[:10]))
            await asyncio.gather(*(other.add(p["text"], id=p["id"]) for p in PAGES[5:15]))
            assert [(await index.info())["pages"] for index in (one, other)] == [15, 15]

    run(task())


# --------------------------------------------------------------------------------------------------------- cancellation


def test_who_is_cancelled_before_its_turn_adds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def task() -> None:
        gate = Gate(monkeypatch)
        async with await AsyncIndex.open("memory:") as index:
            tasks = [asyncio.create_task(index.check(page["text"], id=page["id"])) for page in PAGES[:5]]
            await asyncio.to_thread(gate.reached.wait)
            for one in tasks[:3]:
                one.cancel()
            await asyncio.wait(tasks[:3])
            gate.open.set()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert [isinstance(one, asyncio.CancelledError) for one in done] == [True] * 3 + [False] * 2
            # the first was under way, and is there; the next two had not begun
            states = [(await index.query(page["text"], id=page["id"])).status for page in PAGES[:5]]
            assert states == ["unchanged", "new", "new", "unchanged", "unchanged"]

    run(task())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=12))
def test_after_any_cancellations_the_index_is_whole(wanted: list[tuple[int, int]]) -> None:
    async def task() -> None:
        async with await AsyncIndex.open("memory:") as index:
            tasks = [asyncio.create_task(index.check(PAGES[k]["text"], id=PAGES[k]["id"])) for k, _ in wanted]
            for one, (_, turns) in zip(tasks, wanted, strict=True):
                if turns < 4:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    one.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            reported = {one.id for one in done if isinstance(one, Report)}
            there = {
                page["id"] for page in PAGES[:10] if (await index.query(page["text"], id=page["id"])).status != "new"
            }
            assert reported <= there <= {PAGES[k]["id"] for k, _ in wanted}
            assert (await index.info())["pages"] == len(there)

    run(task())


# ------------------------------------------------------------------------------------------------------- many at a time


async def slowly(records: list[dict[str, str]]) -> AsyncIterator[dict[str, str]]:
    """Yield records with turns of the loop between them."""
    for record in records:
        await asyncio.sleep(0)
        yield record


@pytest.mark.parametrize("asynchronous", [True, False])
def test_many_are_reported_in_their_order(*, asynchronous: bool) -> None:
    async def task() -> list[dict[str, Any]]:
        async with await AsyncIndex.open("memory:") as index:
            records = slowly(PAGES) if asynchronous else iter(PAGES)
            return [report.as_dict() async for report in index.check_many(records)]

    with Index.open("memory:") as index:
        expected = [index.check(page["text"], id=page["id"], source=page["source"]).as_dict() for page in PAGES]
    assert run(task()) == expected


def test_many_may_be_asked_for_without_adding() -> None:
    async def task() -> None:
        async with await AsyncIndex.open("memory:") as index:
            reports = [report async for report in index.check_many([*PAGES, {"text": FERRY}], add=False)]
            assert [report.added for report in reports] == [False] * (len(PAGES) + 1)
            assert (await index.info())["pages"] == 0

    run(task())


def test_reports_do_not_wait_for_records_that_are_still_to_come() -> None:
    async def task() -> None:
        told = asyncio.Event()

        async def records() -> AsyncIterator[dict[str, str]]:
            yield PAGES[0]
            await told.wait()  # the second comes only when the first was reported
            yield PAGES[1]

        async with await AsyncIndex.open("memory:") as index:
            names = []
            async for report in index.check_many(records()):
                names.append(report.id)
                told.set()
            assert names == ["page-0", "page-1"]

    run(task())


def test_not_much_is_read_ahead() -> None:
    async def task() -> None:
        taken = 0

        def records() -> Iterator[dict[str, str]]:
            nonlocal taken
            for taken in itertools.count(1):
                yield {"id": str(taken), "text": FERRY}

        async with await AsyncIndex.open("memory:") as index:
            reports = index.check_many(records())
            for number in range(1, 40):
                assert (await anext(reports)).id == str(number)
                assert taken <= number + AHEAD + 1
            await asyncio.sleep(0.05)  # however long nobody asks for more
            assert taken <= 39 + AHEAD + 1
            await reports.aclose()  # type: ignore[attr-defined]
            assert 39 <= (await index.info())["pages"] <= 39 + AHEAD + 1

    run(task())


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"id": "x"}, "the text is of type NoneType: a string is needed"),
        ({"text": FERRY}, "the id is of type NoneType: a string is needed"),
        ({"text": FERRY, "id": ""}, "the id is empty"),
        ({"text": 7, "id": "x"}, "the text is of type int"),
    ],
)
def test_an_unusable_record_is_told_in_its_place(record: dict[str, Any], message: str) -> None:
    async def task() -> None:
        async with await AsyncIndex.open("memory:") as index:
            reports = index.check_many([*PAGES[:3], record, *PAGES[3:]])
            for number in range(3):
                assert (await anext(reports)).id == f"page-{number}"
            with pytest.raises(InputError, match=message):
                await anext(reports)
            assert (await index.check(FERRY, id="later")).added

    run(task())


def test_what_fails_while_records_are_read_is_told() -> None:
    def records() -> Iterator[dict[str, str]]:
        yield PAGES[0]
        raise OSError("the cable is out")

    async def task() -> list[str]:
        names = []
        async with await AsyncIndex.open("memory:") as index:
            reports = index.check_many(records())
            names.append((await anext(reports)).id)
            with pytest.raises(OSError, match="the cable is out"):
                await anext(reports)
        return names

    assert run(task()) == ["page-0"]


# ----------------------------------------------------------------------------------------------------- opening, closing


def test_closing_waits_for_what_is_under_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def task() -> None:
        gate = Gate(monkeypatch)
        index = await AsyncIndex.open(tmp_path / "seen.db")
        tasks = [asyncio.create_task(index.check(page["text"], id=page["id"])) for page in PAGES[:5]]
        await asyncio.to_thread(gate.reached.wait)
        closing = [asyncio.create_task(index.close()) for _ in range(2)]
        await asyncio.sleep(0)
        assert not closing[0].done()
        closing[0].cancel()
        gate.open.set()
        await closing[1]
        assert [(await one).status for one in tasks] == ["new"] * 5
        await index.close()
        with Index.open(tmp_path / "seen.db", create=False) as again:
            assert again.info()["pages"] == 5

    run(task())


def test_use_after_close_is_told() -> None:
    async def task() -> None:
        index = await AsyncIndex.open("memory:")
        await index.close()
        for attempt in (index.check(FERRY, id="a"), index.query(FERRY), index.remove("a"), index.info()):
            with pytest.raises(StoreError, match="memory:: the index is closed: open it again") as caught:
                await attempt
            assert isinstance(caught.value, DedupError)
        with pytest.raises(StoreError, match="closed"):
            await anext(index.check_many(PAGES))

    run(task())


def test_errors_of_opening_are_those_of_an_index(tmp_path: Path) -> None:
    async def task() -> None:
        with pytest.raises(NotFound, match="there is no index"):
            await AsyncIndex.open(tmp_path / "none.db", create=False)
        async with await AsyncIndex.open(tmp_path / "seen.db", Settings(threshold=0.6)):
            pass
        with pytest.raises(SettingsMismatch):
            await AsyncIndex.open(tmp_path / "seen.db", Settings(threshold=0.7))

    run(task())


def test_what_was_opened_for_nobody_is_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reached, go_on, closed = threading.Event(), threading.Event(), threading.Event()
    opened, close = Index.open, Index.close

    def held(*args: Any, **options: Any) -> Index:
        reached.set()
        assert go_on.wait(LONG_ENOUGH)
        return opened(*args, **options)

    def noted(index: Index) -> None:
        close(index)
        closed.set()

    async def task() -> None:
        opening = asyncio.create_task(AsyncIndex.open(tmp_path / "seen.db"))
        await asyncio.to_thread(reached.wait)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        go_on.set()
        assert await asyncio.to_thread(closed.wait, LONG_ENOUGH)

    monkeypatch.setattr(Index, "open", held)
    monkeypatch.setattr(Index, "close", noted)
    run(task())
