"""The tables and files of an index in; what is wrong with them, in sentences, and what can be done about it, out."""

from __future__ import annotations

import contextlib
import itertools
import json
import pathlib
import sqlite3
import types
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from dedup.background import background
from dedup.errors import Corrupt, Locked
from dedup.index.furniture import furniture_in, is_whole
from dedup.index.records import NO_TOKENS, Content, Known, rows_of, tokens_in, unpack
from dedup.index.sqlite import TABLES, make_tables, turn_in
from dedup.index.stores import Holdings, Store
from dedup.kernels.tables import FREE
from dedup.kernels.tokens import fingerprint_rows
from dedup.reading import Progress
from dedup.schema import REASONS, Reason
from dedup.store import atomic_file, told_when_unwritable

NEEDED = ("format", "made_by", "settings")  # of what is known of an index as a whole
KEPT = "settings.json"
PRINT = 16  # bytes of a fingerprint
MOST_LOST = 500  # places of a table that cannot be read, before it is given up
NUMBERS = ("page", "row", "learnt")  # keys of tables after which what cannot be read can be passed over
LONGEST_STEP = 1 << 20  # rows that are passed over at once
Row = TypeVar("Row", Content, Known)


class Findings(NamedTuple):
    """What is wrong.

    Attributes:
        problems: all of it, in sentences.
        damaged: contents whose tokens are not what their fingerprints say, or that are not there.
        broken: pages that have such contents, or of which nothing can be read.
        astray: pages that stand for what is not there, or whose contents do.
        unlearnable: pages from which nothing can be learnt, though they are kept for that.
        unlearnt: sources of which nothing can be read that was learnt.
    """

    problems: list[str]
    damaged: set[int]
    broken: set[int]
    astray: set[int]
    unlearnable: set[int]
    unlearnt: set[str]


def examine(store: Store, state: Holdings, progress: Progress) -> Findings:
    """Look at everything; inside a transaction."""
    found = Findings([], *(set() for _ in Findings._fields[1:]))
    keepers = examine_contents(store, found, progress)
    examine_pages(store, found, keepers, progress)
    examine_sources(store, found)
    found.problems.extend(state.complaints())
    return found


def examine_contents(store: Store, found: Findings, progress: Progress) -> dict[int, int | None]:
    """Look at the contents; return what each stands for."""
    keepers: dict[int, int | None] = {}
    for contents in in_parts(store.contents_after, lambda one: one.row):
        tokens = [tokens_in(one) if is_sound(one) else NO_TOKENS for one in contents]
        bounds = np.cumsum([0, *(one.size for one in tokens)])
        prints = fingerprint_rows(np.concatenate([NO_TOKENS, *tokens]), bounds)
        for one, print_ in zip(contents, prints, strict=True):
            keepers[one.row] = one.keeper if is_sound(one) else None
            if print_.tobytes() != one.print or not is_sound(one):
                found.damaged.add(one.row)
                found.problems.append(f"content {one.row} is damaged: its tokens are not those of its fingerprint")
        progress("looking at contents", len(keepers), None)
    for row, keeper in keepers.items():
        if keeper is not None and keepers.get(keeper) != keeper:
            found.problems.append(f"content {row} stands for content {keeper}, which does not stand for itself")
    return keepers


def examine_pages(store: Store, found: Findings, keepers: dict[int, int | None], progress: Progress) -> None:
    """Look at the pages."""
    every = in_parts(store.pages_after, lambda one: one.page)
    alone = {page.page: page.keeper is None for pages in every for page in pages}
    done, total = 0, store.count("pages")
    for pages in in_parts(store.pages_after, lambda one: one.page):
        for page in pages:
            rows = readable_rows(page) if is_sound_page(page) else None
            if rows is None:
                found.broken.add(page.page)
                found.problems.append(f"page {page.id!r} is damaged")
                continue
            if rows - keepers.keys() or rows & found.damaged:
                found.broken.add(page.page)
                found.problems.append(f"page {page.id!r} has contents that are damaged or missing")
                continue
            contained = page.reason == Reason.CONTAINED_DOCUMENT  # by a page that may stand for another
            keeper = page.keeper
            stands = keeper is None or (keeper in alone if contained else alone.get(keeper, False))
            if not (stands and (page.twin is None or page.twin in alone)):
                found.astray.add(page.page)
                found.problems.append(f"page {page.id!r} stands for a page that is not there, or stands for another")
            # a content may have been noted before it was decided on
            if not store.holds(page.page, [{keepers[row] or row, row} for row in rows]):
                found.astray.add(page.page)
                found.problems.append(f"page {page.id!r} is not noted with all of its contents")
            looks = store.looks_of(page.page)
            if looks is not None and not is_whole(looks, unpack(page.contents)[0].size):
                found.unlearnable.add(page.page)
                found.problems.append(f"what others learn from page {page.id!r} is damaged")
        done += len(pages)
        progress("looking at pages", done, total)


def examine_sources(store: Store, found: Findings) -> None:
    """Look at what was learnt of sources."""
    for name in store.sources():
        known = store.source(name)
        try:
            furniture_in(None if known.learnt is None else store.learnt(known.learnt))
            sound = all(is_number(value) for value in known)
        except Corrupt:
            sound = False
        if not sound:
            found.unlearnt.add(name)
            found.problems.append(f"what was learnt of source {name!r} is damaged: it is learnt again")


def has_kind(value: object, kind: type | types.UnionType) -> bool:
    """Whether a value is what its column holds; SQLite itself takes anything."""
    return isinstance(value, kind)


def is_number(value: object, *, none: bool = True) -> bool:
    """Whether a value is an integer, or none where that is allowed."""
    return (value is None and none) or isinstance(value, int)


def is_sound(one: Content) -> bool:
    """Whether what was read of a content is of the right kinds."""
    decided = (one.page, one.position, one.keeper)
    return (
        has_kind(one.tokens, bytes) and len(one.tokens) % 8 == 0
        and has_kind(one.print, bytes) and len(one.print) == PRINT
        and is_number(one.family, none=False) and all(is_number(value) for value in (*decided, one.variant))
        and has_kind(one.similarity, float | None) and decided.count(None) in {0, len(decided)}
    )  # fmt: skip


def is_sound_page(one: Known) -> bool:
    """Whether what was read of a page is of the right kinds."""
    return (
        has_kind(one.id, str) and has_kind(one.source, str | None) and has_kind(one.contents, bytes)
        and has_kind(one.print, bytes) and len(one.print) in {0, PRINT}
        and all(is_number(value, none=False) for value in (one.seen, one.family, one.reason))
        and all(is_number(value) for value in (one.twin, one.keeper, one.variant, one.language))
        and has_kind(one.similarity, float | None) and 0 <= one.reason < len(REASONS)
        and (one.language is None or FREE <= one.language < len(background().languages))
    )  # fmt: skip


def readable_rows(page: Known) -> set[int] | None:
    """Return the contents of a page, None where they cannot be read."""
    try:
        return rows_of(page.contents)
    except (Corrupt, ValueError):
        return None


def in_parts(after: Callable[[int], list[Row]], number: Callable[[Row], int]) -> Iterator[list[Row]]:
    """Yield all rows of a table, some at a time."""
    last = 0
    while rows := after(last):
        yield rows
        last = number(rows[-1])


def keep_settings(store: Store, folder: pathlib.Path) -> None:
    """Write into the folder of an index what nothing can be salvaged without, if it does not stand there already.

    Raises:
        StoreError: it cannot be written.
    """
    with store.reading():
        path, data = folder / KEPT, json.dumps({name: store.get(name) for name in NEEDED}).encode()
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == data:
            return
    # where another process writes it, it is the same
    with told_when_unwritable(path), contextlib.suppress(Locked), atomic_file(path) as file:
        file.write(data)


def kept_settings(folder: pathlib.Path) -> dict[str, str | int]:
    """Return what ``keep_settings`` wrote, as far as it can be read."""
    try:
        found = json.loads((folder / KEPT).read_bytes())
        return {name: found[name] for name in NEEDED}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def salvage(path: pathlib.Path, folder: pathlib.Path) -> list[str]:
    """Copy what can be read of a damaged file into a new one that takes its place; say what could not.

    The damaged file stays beside it as ``NAME.damaged``. Processes that have it open are told when they use it next.

    Args:
        path: the file.
        folder: the folder of the index, where its settings stand once more.

    Raises:
        Corrupt: hardly anything can be read.
        Locked: another process is writing.
    """
    folder.mkdir(exist_ok=True)
    with turn_in(folder, str(path)):
        fresh = path.with_name(path.name + ".salvaged")
        fresh.unlink(missing_ok=True)
        try:
            lost = copy_readable(path, fresh, kept_settings(folder))
        except (sqlite3.Error, UnicodeDecodeError) as error:
            fresh.unlink(missing_ok=True)
            raise Corrupt(f"{path} cannot be salvaged ({error}): begin a new index") from error
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        damaged = unused_name(path.with_name(path.name + ".damaged"))
        try:
            damaged.hardlink_to(path)  # so that there is an index at any moment
        except OSError:
            path.replace(damaged)
        fresh.replace(path)
        return lost


def unused_name(path: pathlib.Path) -> pathlib.Path:
    """Return a path where nothing stands: this one, or one with a number."""
    numbered = (path.with_name(f"{path.name}.{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([path], numbered) if not one.exists())


def copy_readable(path: pathlib.Path, fresh: pathlib.Path, settings: Mapping[str, str | int]) -> list[str]:
    """Copy what can be read of a file, and its settings from where they stand once more, into a new one.

    Returns:
        What could not be read, in sentences.
    """
    lost = []
    with (
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as old,
        contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as new,
    ):
        old.execute("PRAGMA writable_schema = ON")  # what can be read of a damaged schema is used
        make_tables(new)
        new.execute("BEGIN")
        for table, key in TABLES.items():
            missing = copy_rows(old, new, table, key)
            lost += [f"{table}: {missing} parts could not be read"] if missing else []
        new.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", settings.items())
        new.execute("COMMIT")
        names = [name for (name,) in new.execute("SELECT name FROM meta")]
    if not set(NEEDED) <= set(names):
        raise sqlite3.DatabaseError("its settings are lost")
    return lost


def copy_rows(old: sqlite3.Connection, new: sqlite3.Connection, table: str, key: str) -> int:
    """Copy the rows of a table, around those that cannot be read; return how many times that was necessary."""
    width = len(new.execute(f"PRAGMA table_info({table})").fetchall())
    marks, numbered = ", ".join("?" * width), key in NUMBERS
    missing, step, last = 0, 1, 0
    while True:
        where = f"WHERE {key} > {last}" if numbered else ""
        try:
            for row in old.execute(f"SELECT {key}, * FROM {table} {where} ORDER BY {key}"):  # noqa: S608
                with contextlib.suppress(sqlite3.IntegrityError, sqlite3.ProgrammingError):
                    new.execute(f"INSERT INTO {table} VALUES ({marks})", row[1:])  # noqa: S608
                last, step = row[0], 1
        except (sqlite3.Error, UnicodeDecodeError):
            missing += 1
            if not numbered or missing > MOST_LOST:
                return missing
            last, step = last + step, min(2 * step, LONGEST_STEP)
        else:
            return missing
