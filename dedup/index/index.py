"""Pages in, one at a time; whether each was seen before, wholly or in part, and what of it is worth keeping, out."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import pathlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

from dedup.errors import Corrupt, InputError, NotFound, SettingsError, SettingsMismatch, StoreError
from dedup.index.bands import RedisState
from dedup.index.furniture import looks_of
from dedup.index.judging import Judge
from dedup.index.learning import Learner
from dedup.index.opening import MEMORY, agree, differences, folder_of, must_exist, path_of, patient, settings_of
from dedup.index.pages import Page, prepare, with_signatures
from dedup.index.records import LATEST
from dedup.index.redis import RedisStore
from dedup.index.report import Report
from dedup.index.sqlite import FORMAT, SQLiteStore
from dedup.index.state import State
from dedup.index.stores import Holdings
from dedup.index.telling import Teller
from dedup.index.verifying import examine, keep_settings, salvage
from dedup.index.wire import SCHEMES
from dedup.index.writer import Arrival, Writer
from dedup.lsh import schemes
from dedup.reading import Progress, silent
from dedup.settings import Settings

BATCH = 64  # pages that are written together
EXPIRED = 1 << 16  # pages that are looked for together
log = logging.getLogger("dedup")
Item = TypeVar("Item")
Clock = Callable[[], float]


class Index:
    """What was seen, page by page: on disk, for any number of processes, or in memory.

    Every page that was added is there after a crash of the process. Reports are those of a scan of the pages in the
    order of arrival, where the first of several copies survives; a page knows the pages before it, and not those after,
    until it comes with another text: what is new of that is compared with all.

    >>> with Index.open("memory:") as index:
    ...     first = index.check("The ferry leaves the old harbour at nine in the morning.", id="a")
    ...     second = index.check("The ferry leaves the old harbour at ten in the morning.", id="b")
    >>> first.action, second.action, second.blocks[0].reason, second.blocks[0].partner_doc
    ('keep', 'clean', 'near_duplicate', 'a')
    """

    def __init__(
        self,
        store: SQLiteStore | RedisStore,
        settings: Settings,
        place: str,
        folder: pathlib.Path | None,
        clock: Clock,
    ) -> None:
        self.settings, self.place, self._clock = settings, place, clock
        self._store = store
        self.schemes = schemes(settings)
        if isinstance(store, RedisStore):
            blocks, pages = self.schemes
            self.schemes = blocks._replace(signed=True), pages._replace(signed=True)
            self._state: Holdings = RedisState(store, settings, self.schemes)
        else:
            self._state = State(store, settings, self.schemes, folder)
        self._judge = Judge(settings, store, self._state)
        self._learner = Learner(store)
        self._writer = Writer(settings, self.schemes, store, self._state, self._judge, self._learner)
        self._teller = Teller(settings, store, self._judge)
        self._lock = threading.RLock()

    @classmethod
    def open(
        cls,
        url: str | os.PathLike[str],
        settings: Settings | None = None,
        *,
        create: bool = True,
        clock: Clock = time.time,
    ) -> Self:
        """Open an index, or begin one.

        Args:
            url: ``sqlite:///seen.db`` (a file beside which the folder ``seen.db.bands`` comes to stand, which can be
                made again), the path of such a file, ``redis://HOST:PORT/DB?name=NAME`` (or ``rediss://``; NAME, by
                default ``dedup``, is what the keys of the index begin with), or ``memory:``.
            settings: those of a new index, by default with ``score``; to open one they must be the same as it was made
                with, or None.
            create: whether to begin one where there is none.
            clock: tells the time at which pages are seen, in seconds since 1970.

        Raises:
            NotFound: there is none, and none is to be begun.
            SettingsMismatch: it was made with other settings.
            SettingsError: the URL is none of these.
            VersionMismatch: another version of this package made it.
            Corrupt: it is damaged.
            StoreError: it cannot be read or written.
        """
        place = os.fspath(url)
        path = None if place == MEMORY or place.startswith(SCHEMES) else path_of(place)
        if path is not None and not create and not path.exists():
            raise NotFound(f"{path}: there is no index")
        if path is not None and path.is_dir():
            raise StoreError(f"{path} is a directory: name a file in it")
        folder = None if path is None else folder_of(path.absolute())
        store = RedisStore(place) if place.startswith(SCHEMES) else SQLiteStore(path, folder)
        try:
            if isinstance(store, RedisStore):
                place = store.place
            if not create:
                must_exist(store, place)
            made_with = agree(store, settings, place)
            if folder is not None:
                keep_settings(store, folder)
            index = cls(store, made_with, place, folder, clock)
            with store.reading():
                index._state.refresh()
        except BaseException:
            store.close()
            raise
        return index

    def __enter__(self) -> Self:
        """Return the index."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the index; what was added is there."""
        with self._lock:
            self._learner.close()
            self._store.close()

    def _prepared(self, record: Mapping[str, Any], *, add: bool) -> tuple[Page, str, str | None]:
        """Check the names of a page, and do what needs nothing but its text.

        Raises:
            InputError: its text, its id or its source is none.
        """
        name, source = checked_name("id", record.get("id", None if add else "")), record.get("source")
        if add and not name:
            raise InputError("the id is empty: a page that is added needs one")
        source = None if source is None else checked_name("source", source) or None
        return prepare(record.get("text"), self.settings, self.schemes), name, source

    @patient
    def check(self, text: str, *, id: str, source: str | None = None, add: bool = True) -> Report:  # noqa: A002
        """Say what of a page was seen before, and add it.

        A page that is known by its id and has not changed is no copy of itself: what was decided on copies when it
        came stands; of the furniture of its source more may be known by now. One that has changed takes the place of
        the old: what it still has of it is no copy of those that came after.

        Args:
            text: its text, as a scan has it.
            id: what it is called, its URL for example.
            source: the site it comes from, whose furniture it may have; None or empty where that is not known.
            add: whether to add it.

        Raises:
            InputError: the text or the id is none.
            StoreError: the index cannot be read or written.
        """
        page, name, source = self._prepared({"text": text, "id": id, "source": source}, add=add)
        with self._lock, self._transaction(write=add):
            self._state.refresh()
            self._state.expect([(page, name, source)])
            return self._check(page, name, source, int(self._clock()), add=add)

    def add(self, text: str, *, id: str, source: str | None = None) -> Report:  # noqa: A002
        """Add a page; see ``check``."""
        return self.check(text, id=id, source=source)

    def query(self, text: str, *, id: str = "", source: str | None = None) -> Report:  # noqa: A002
        """Say what of a page was seen before, without adding it; see ``check``."""
        return self.check(text, id=id, source=source, add=False)

    @contextlib.contextmanager
    def _transaction(self, *, write: bool) -> Iterator[None]:
        """Read or write; what was entered is taken out again where that fails."""
        with self._forgetting():
            with self._store.writing() if write else self._store.reading():
                yield
            if write and self._state.is_long():
                try:
                    self._state.fold()
                except StoreError as error:  # what was written is there; another time
                    log.warning("%s: postings were not folded: %s", self.place, error)

    @contextlib.contextmanager
    def _forgetting(self) -> Iterator[None]:
        """Forget what is held of the index where something fails; what rests is taken in again."""
        try:
            yield
        except BaseException:
            self._state.reset()
            self._writer.forget()
            self._learner.forget()
            raise

    def _check(self, page: Page, name: str, source: str | None, now: int, *, add: bool) -> Report:
        """Judge a page, and add it."""
        before = self._store.page_called(name) if name else None
        furniture = self._learner.furniture_of(source)
        if before is not None and before.print == page.print and before.source == source:
            if add:
                self._store.touch(before.page, now)
            judged = self._judge.judge(page, source, furniture, before, same=True)
            return self._teller.report(judged, name, "unchanged", added=True)
        judged = self._judge.judge(page, source, furniture, before)
        if add:
            said = page.said
            language, counts = (None, None) if said is None else (int(said.languages[0]), said.counts)
            if before is None:
                self._writer.add(judged, name, now, language, counts, looks_of(page))
            else:
                self._writer.replace(before, judged, now, language, counts, looks_of(page))
        return self._teller.report(judged, name, "new" if before is None else "changed", added=add)

    @patient
    def remove(self, id: str) -> bool:  # noqa: A002
        """Forget a page; what stood for it, or for a block of it, is decided on again.

        Returns:
            Whether there was such a page.
        """
        id = checked_name("id", id)  # noqa: A001
        with self._lock, self._transaction(write=True):
            self._state.refresh()
            known = self._store.page_called(id)
            if known is not None:
                self._writer.remove(known)
            return known is not None

    def check_many(self, records: Iterable[Mapping[str, Any]], *, add: bool = True) -> Iterator[Report]:
        """Say what of pages was seen before, and add them, a batch at a time; see ``check``.

        Args:
            records: of each page its ``text``, its ``id`` and its ``source``, if it has one.
            add: whether to add them.

        Yields:
            A report a page, in their order, when the batch is there to stay.

        Raises:
            InputError: a record has no text or no id; those of batches before are there.
        """
        for batch in batched(records, BATCH):
            yield from self._check_batch([self._prepared(record, add=add) for record in batch], add=add)

    @patient
    def _check_batch(self, prepared: list[tuple[Page, str, str | None]], *, add: bool) -> list[Report]:
        """Judge pages, and add them, together."""
        with self._lock, self._transaction(write=add):
            self._state.refresh()
            self._state.expect(prepared)
            now = int(self._clock())
            return [self._check(page, name, source, now, add=add) for page, name, source in prepared]

    def expire(self, before: float, progress: Progress = silent) -> int:
        """Forget the pages that were last seen before a time, in seconds since 1970; return how many there were.

        Args:
            before: the time.
            progress: called with a stage, pages done and pages in all, as far as they are known.

        Raises:
            SettingsError: it is no time.
            Corrupt: pages that are to go are not there.
        """
        if not abs(before) < LATEST:
            raise SettingsError("before", before, "seconds since 1970")
        count, seen = 0, list[int]()
        while found := self._seen_before(math.ceil(before)):
            if found == seen:
                raise Corrupt(f"{self.place} is damaged: pages that expire are not there: dedup index verify --repair")
            # the newest first: few stand for another one then when that goes
            for first in range(0, len(found), BATCH):
                count += self._expire_some(found[first : first + BATCH], math.ceil(before))
                progress("removing pages", count, count + max(0, len(found) - first - BATCH))
            seen = found
        return count

    @patient
    def _seen_before(self, before: int) -> list[int]:
        """Return pages that were last seen before a time, the newest first."""
        with self._lock, self._transaction(write=False):
            return sorted(self._store.seen_before(before, EXPIRED), reverse=True)

    @patient
    def _expire_some(self, pages: Sequence[int], before: int) -> int:
        """Forget those of some pages that were last seen before a time; return how many."""
        with self._lock, self._transaction(write=True):
            self._state.refresh()
            count = 0
            for page in pages:  # the removal of one may have changed another
                for known in self._store.pages([page]).values():
                    if known.seen < before:
                        self._writer.remove(known)
                        count += 1
            return count

    def merge(self, other: Index, progress: Progress = silent) -> int:
        """Add the pages of another index as if they came now, in their order; of an id that both have the newer stays.

        Args:
            other: another index with the same settings.
            progress: called with a stage, pages done and pages in all.

        Returns:
            How many pages were added.

        Raises:
            SettingsMismatch: the other has other settings.
        """
        unlike = differences(settings_of(other.settings), settings_of(self.settings))
        if unlike:
            raise SettingsMismatch(f"{other.place} was made with {unlike}: it cannot be merged into {self.place}")
        return self.take(other._arrivals(), other.info()["pages"], progress)

    def take(self, pages: Iterable[Arrival], total: int | None = None, progress: Progress = silent) -> int:
        """Add pages that were looked at elsewhere, a batch at a time; return how many were added.

        Args:
            pages: the pages.
            total: how many there are.
            progress: called with a stage, pages done and pages in all.
        """
        added = done = 0
        for batch in batched(pages, BATCH):
            added += self._take_batch(batch)
            done += len(batch)
            progress("adding pages", done, total)
        return added

    @patient
    def _take_batch(self, batch: list[Arrival]) -> int:
        """Add pages together; return how many were added."""
        batch = [one._replace(page=with_signatures(one.page, self.schemes)) for one in batch]
        with self._lock, self._transaction(write=True):
            self._state.refresh()
            self._state.expect([(one.page, one.id, one.source) for one in batch])
            return sum(self._writer.take(one) for one in batch)

    def _arrivals(self) -> Iterator[Arrival]:
        """Yield all pages as they come to another index."""
        last = 0
        while found := self._arrivals_after(last):
            last = found[-1][0]
            yield from (arrival for _, arrival in found)

    @patient
    def _arrivals_after(self, last: int) -> list[tuple[int, Arrival]]:
        """Return some pages that came after another as they come to another index, with their numbers."""
        with self._lock, self._transaction(write=False):
            return [(one.page, self._writer.arrival_of(one)) for one in self._store.pages_after(last, BATCH)]

    @patient
    def compact(self, progress: Progress = silent) -> dict[str, int]:
        """Delete what no page has any more, make postings and frequencies anew, and give room back.

        Returns:
            ``contents_deleted``, and the bytes ``before`` and ``after``.
        """
        with self._lock:
            before = self._size()
            with self._transaction(write=True):
                self._state.refresh()
                gone = self._writer.unused(progress)
                self._store.drop_contents(gone)
                self._state.make_again()
            with self._transaction(write=False):
                progress("making postings", 0, None)
                self._state.refresh()
            with self._forgetting():
                self._state.fold()
                self._store.shrink()
            return {"contents_deleted": len(gone), "before": before, "after": self._size()}

    @patient
    def verify(self, *, repair: bool = False, progress: Progress = silent) -> list[str]:
        """Look at everything; say what is wrong, in sentences.

        Args:
            repair: take out what is damaged (pages that go are named), make again what can be made again.
            progress: called with a stage, rows done and rows in all.
        """
        with self._lock:
            with self._transaction(write=repair):
                self._state.refresh()
                found = examine(self._store, self._state, progress)
                found.problems.extend(self._store.complaints())
                if repair and found.problems:
                    self._store.index_again()
                    self._writer.mend(found)
                    left = self._store.complaints()
                    if left:
                        raise Corrupt(f"{self.place} is damaged ({left[0]}): it has to be salvaged")
            if repair and found.problems:
                with self._forgetting():
                    self._state.fold()
            return found.problems

    @classmethod
    def salvage(cls, url: str | os.PathLike[str], progress: Progress = silent) -> list[str]:
        """Repair an index that cannot be opened: copy what can be read of its file into a new one; say what was lost.

        The damaged file stays beside it as ``NAME.damaged``.
        """
        path = path_of(os.fspath(url))
        if not path.exists():
            raise NotFound(f"{path}: there is no index")
        lost = salvage(path, folder_of(path))
        with cls.open(url, create=False) as index:
            return [*lost, *index.verify(repair=True, progress=progress)]

    def _size(self) -> int:
        """Return the bytes that the index takes."""
        return self._store.size() + self._state.size()

    @patient
    def info(self) -> dict[str, Any]:
        """Say what the index holds, how large it is, in bytes, and what it was made with."""
        with self._lock, self._transaction(write=False):
            self._state.refresh()
            counts = {name: self._store.count(name) for name in ("pages", "contents", "sources")}
            made_by = self._store.get("made_by")
            size = self._size()
        settings = settings_of(self.settings)
        return {
            "place": self.place,
            **counts,
            "bytes": size,
            "format": FORMAT,
            "made_by": made_by,
            "settings": settings,
        }


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield items, so many at a time."""
    source = iter(items)
    while batch := list(itertools.islice(source, size)):
        yield batch


def checked_name(what: str, name: object) -> str:
    """Return an id or a source.

    Raises:
        InputError: it is no string, or one that no UTF-8 can hold.
    """
    if not isinstance(name, str):
        raise InputError(f"the {what} is of type {type(name).__name__}: a string is needed")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the {what} {name!r} has half a surrogate pair: mend it") from error
    return name
