"""Pages out of an event loop in; reports out, while the loop goes on: an index at work in a thread of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, Self, TypeVar, cast

from dedup.errors import StoreError
from dedup.index.index import Index
from dedup.index.report import Report
from dedup.settings import Settings

AHEAD = 16  # pages that are on their way beyond the one whose report is being waited for
P = ParamSpec("P")
R = TypeVar("R")


class AsyncIndex:
    """An index for event loops: what ``Index`` does, as coroutines.

    All work is done in one thread, in the order in which it was asked for. Whoever is cancelled while it waits gets no
    report; the page is added wholly if its turn had come, and not at all otherwise.

    >>> async def pages() -> list[str]:
    ...     async with await AsyncIndex.open("memory:") as index:
    ...         await index.check("The ferry leaves the old harbour at nine in the morning.", id="a")
    ...         report = await index.check("The ferry leaves the old harbour at nine in the morning.", id="b")
    ...         return [report.action, report.partner]
    >>> asyncio.run(pages())
    ['drop', 'a']
    """

    def __init__(self, index: Index, pool: ThreadPoolExecutor) -> None:
        self._index, self._pool = index, pool
        self._closed: Future[None] | None = None

    @property
    def settings(self) -> Settings:
        """The settings of the index."""
        return self._index.settings

    @property
    def place(self) -> str:
        """Where the index is, as it was opened."""
        return self._index.place

    @classmethod
    async def open(cls, url: str | os.PathLike[str], settings: Settings | None = None, *, create: bool = True) -> Self:
        """Open an index, or begin one; see ``Index.open``."""
        pool = ThreadPoolExecutor(1, "dedup-index")
        opening = pool.submit(Index.open, url, settings, create=create)
        try:
            index = await asyncio.wrap_future(opening)
        except BaseException:
            opening.add_done_callback(close_if_open)  # nobody waits for it any more
            pool.shutdown(wait=False)
            raise
        return cls(index, pool)

    async def __aenter__(self) -> Self:
        """Return the index."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """Close the index when all that it was asked for is done; what was added is there."""
        if self._closed is None:
            self._closed = self._pool.submit(self._index.close)
            self._pool.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(self._closed))  # others may wait for the same

    async def check(self, text: str, *, id: str, source: str | None = None, add: bool = True) -> Report:  # noqa: A002
        """Say what of a page was seen before, and add it; see ``Index.check``.

        Raises:
            InputError: the text or the id is none.
            StoreError: the index is closed, or cannot be read or written.
        """
        return await self._done(check_and_cut, self._index, text, id=id, source=source, add=add)

    async def add(self, text: str, *, id: str, source: str | None = None) -> Report:  # noqa: A002
        """Add a page; see ``check``."""
        return await self.check(text, id=id, source=source)

    async def query(self, text: str, *, id: str = "", source: str | None = None) -> Report:  # noqa: A002
        """Say what of a page was seen before, without adding it; see ``check``."""
        return await self.check(text, id=id, source=source, add=False)

    async def remove(self, id: str) -> bool:  # noqa: A002
        """Forget a page; see ``Index.remove``."""
        return await self._done(self._index.remove, id)

    async def expire(self, before: float) -> int:
        """Forget the pages that were last seen before a time; see ``Index.expire``."""
        return await self._done(self._index.expire, before)

    async def info(self) -> dict[str, Any]:
        """Say what the index holds; see ``Index.info``."""
        return await self._done(self._index.info)

    async def merge(self, other: AsyncIndex | Index) -> int:
        """Add the pages of another index; see ``Index.merge``."""
        return await self._done(self._index.merge, other._index if isinstance(other, AsyncIndex) else other)  # noqa: SLF001

    async def compact(self) -> dict[str, int]:
        """Delete what no page has any more, and give room back; see ``Index.compact``."""
        return await self._done(self._index.compact)

    async def verify(self, *, repair: bool = False) -> list[str]:
        """Look at everything; say what is wrong, in sentences; see ``Index.verify``."""
        return await self._done(self._index.verify, repair=repair)

    async def check_many(
        self, records: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]], *, add: bool = True
    ) -> AsyncIterator[Report]:
        """Yield what ``check`` says of each record, in their order.

        Some records are read and checked ahead: whoever stops early, or gets an error, may have a few more pages in the
        index (``AHEAD``) than reports. They are ``"unchanged"`` when they come again. A synchronous iterable is read in
        a thread of its own, so that it may take its time.

        Args:
            records: of each page its ``text``, its ``id`` and its ``source``, if it has one.
            add: whether to add them.

        Raises:
            InputError: a record has no text or no id.
            StoreError: the index is closed, or cannot be read or written.
        """
        waiting: asyncio.Queue[asyncio.Future[Report] | None] = asyncio.Queue(AHEAD - 1)

        async def feed() -> None:
            try:
                async for record in each(records):
                    checked = self._submit(self._check_record, record, add=add)
                    report = asyncio.wrap_future(checked)
                    try:
                        await waiting.put(report)
                    except asyncio.CancelledError:
                        report.cancel()
                        raise
            except Exception as error:  # noqa: BLE001 - told where the report would have been
                failed: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
                failed.set_exception(error)
                await waiting.put(failed)
            await waiting.put(None)

        feeding = asyncio.create_task(feed())
        try:
            while (first := await waiting.get()) is not None:
                yield await first
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])
            while not waiting.empty():
                left = waiting.get_nowait()
                if left is not None and not left.cancel() and not left.cancelled():
                    left.exception()  # so that asyncio does not complain that nobody looked at it

    def _check_record(self, record: Mapping[str, Any], *, add: bool) -> Report:
        """Check a record; what it lacks is told as of a page that lacks it."""
        text, name = record.get("text"), record.get("id", None if add else "")
        return check_and_cut(self._index, cast("str", text), id=cast("str", name), source=record.get("source"), add=add)

    async def _done(self, task: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Return what a task returns when its turn has come."""
        return await asyncio.wrap_future(self._submit(task, *args, **options))

    def _submit(self, task: Callable[P, R], *args: P.args, **options: P.kwargs) -> Future[R]:
        """Put a task behind all others.

        Raises:
            StoreError: the index is closed.
        """
        if self._closed is not None:
            raise StoreError(f"{self.place}: the index is closed: open it again")
        return self._pool.submit(task, *args, **options)


def check_and_cut(index: Index, text: str, *, id: str, source: str | None, add: bool = True) -> Report:  # noqa: A002
    """Check a page, and cut what goes out of its text in this thread too: for that the text is split again."""
    report = index.check(text, id=id, source=source, add=add)
    if report.action == "clean":
        _ = report.text  # which is kept
    return report


def close_if_open(opening: Future[Index]) -> None:
    """Close an index that was opened for nobody."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


async def each(records: Iterable[R] | AsyncIterable[R]) -> AsyncIterator[R]:
    """Yield records; what makes the loop wait is read in a thread."""
    if isinstance(records, AsyncIterable):
        async for record in records:
            yield record
        return
    loop, end = asyncio.get_running_loop(), object()
    iterator = iter(records)
    pool = ThreadPoolExecutor(1, "dedup-records")
    try:
        while (found := await loop.run_in_executor(pool, next, iterator, end)) is not end:
            yield found  # type: ignore[misc] # no end
    finally:
        pool.shutdown(wait=False)
