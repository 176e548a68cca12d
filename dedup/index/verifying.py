"""The tables and files of an index in; what is wrong with them, in sentences, and what can be done about it, out."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np

from dedup.arrays import U64
from dedup.index.sqlite import SCHEMA, TABLES, Content, Known, SQLiteStore
from dedup.index.state import NO_TOKENS, State, tokens_in, unpack
from dedup.kernels.tokens import fingerprint_rows
from dedup.reading import Progress

MOST_LOST = 500  # places of a table that cannot be read, before it is given up
Row = TypeVar("Row", Content, Known)


class Findings(NamedTuple):
    """What is wrong.

    Attributes:
        problems: all of it, in sentences.
        damaged: contents whose tokens are not what their fingerprints say, or that are not there.
        broken: pages that have such contents, or of which nothing can be read.
        astray: pages that stand for what is not there, or whose contents do.
    """

    problems: list[str]
    damaged: set[int]
    broken: set[int]
    astray: set[int]


def examine(store: SQLiteStore, state: State, progress: Progress) -> Findings:
    """Look at everything; inside a transaction."""
    found = Findings([], set(), set(), set())
    keepers = examine_contents(store, found, progress)
    examine_pages(store, found, keepers, progress)
    found.problems.extend(
        f"segment {name} is damaged or missing: it can be made again" for name in state.damaged_segments()
    )
    return found


def examine_contents(store: SQLiteStore, found: Findings, progress: Progress) -> dict[int, int | None]:
    """Look at the contents; return what each stands for."""
    keepers: dict[int, int | None] = {}
    for contents in in_parts(store.contents_after, lambda one: one.row):
        tokens = [tokens_of(one) for one in contents]
        bounds = np.cumsum([0, *(one.size for one in tokens)])
        prints = fingerprint_rows(np.concatenate([NO_TOKENS, *tokens]), bounds)
        for one, print_ in zip(contents, prints, strict=True):
            keepers[one.row] = one.keeper
            if print_.tobytes() != one.print:
                found.damaged.add(one.row)
                found.problems.append(f"content {one.row} is damaged: its tokens are not those of its fingerprint")
        progress("looking at contents", len(keepers), None)
    for row, keeper in keepers.items():
        if keeper is not None and keepers.get(keeper) != keeper:
            found.problems.append(f"content {row} stands for content {keeper}, which does not stand for itself")
    return keepers


def examine_pages(store: SQLiteStore, found: Findings, keepers: dict[int, int | None], progress: Progress) -> None:
    """Look at the pages."""
    every = in_parts(store.pages_after, lambda one: one.page)
    leading = {page.page for pages in every for page in pages if page.keeper is None}
    done, total = 0, store.count("pages")
    for pages in in_parts(store.pages_after, lambda one: one.page):
        for page in pages:
            try:
                rows = set(unpack(page.contents)[0].tolist()) - {-1}
            except (IndexError, ValueError):
                found.broken.add(page.page)
                found.problems.append(f"page {page.id!r} is damaged: its contents cannot be read")
                continue
            if rows - keepers.keys() or rows & found.damaged:
                found.broken.add(page.page)
                found.problems.append(f"page {page.id!r} has contents that are damaged or missing")
                continue
            if page.keeper is not None and page.keeper not in leading:
                found.astray.add(page.page)
                found.problems.append(f"page {page.id!r} stands for a page that is not there, or stands for another")
            labels = {keepers[row] or row for row in rows}  # no row is 0
            if not labels <= keepers.keys():
                found.astray.add(page.page)
            if not store.holds(page.page, labels):
                found.astray.add(page.page)
                found.problems.append(f"page {page.id!r} is not noted with all of its contents")
        done += len(pages)
        progress("looking at pages", done, total)


def tokens_of(content: Content) -> U64:
    """Return the tokens of a content, none where they are damaged."""
    return tokens_in(content) if len(content.tokens) % 8 == 0 else NO_TOKENS


def in_parts(after: Callable[[int], list[Row]], number: Callable[[Row], int]) -> Iterator[list[Row]]:
    """Yield all rows of a table, some at a time."""
    last = 0
    while rows := after(last):
        yield rows
        last = number(rows[-1])


def salvage(path: pathlib.Path) -> list[str]:
    """Copy what can be read of a damaged file into a new one that takes its place; say what could not.

    The damaged file stays beside it as ``NAME.damaged``.
    """
    fresh = path.with_name(path.name + ".salvaged")
    fresh.unlink(missing_ok=True)
    lost = []
    with (
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as old,
        contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as new,
    ):
        for statement in SCHEMA.split(";\n"):
            new.execute(statement)
        new.execute("BEGIN")
        for table, key in TABLES.items():
            missing = copy_rows(old, new, table, key)
            lost += [f"{table}: {missing} parts could not be read"] if missing else []
        new.execute("COMMIT")
    for ending in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).unlink()
    path.replace(path.with_name(path.name + ".damaged"))
    fresh.replace(path)
    return lost


def copy_rows(old: sqlite3.Connection, new: sqlite3.Connection, table: str, key: str) -> int:
    """Copy the rows of a table, around those that cannot be read; return how many times that was necessary."""
    width = len(old.execute(f"PRAGMA table_info({table})").fetchall()) or len(
        new.execute(f"PRAGMA table_info({table})").fetchall()
    )
    marks, missing, last = ", ".join("?" * width), 0, None
    while True:
        where, values = ("", ()) if last is None else (f"WHERE {key} > ?", (last,))
        try:
            for row in old.execute(f"SELECT {key}, * FROM {table} {where} ORDER BY {key}", values):  # noqa: S608
                with contextlib.suppress(sqlite3.IntegrityError):
                    new.execute(f"INSERT INTO {table} VALUES ({marks})", row[1:])  # noqa: S608
                last = row[0]
        except sqlite3.DatabaseError:
            missing += 1
            if not isinstance(last, int) or missing > MOST_LOST:
                return missing
            last += 1 << min(missing, 20)
        else:
            return missing
