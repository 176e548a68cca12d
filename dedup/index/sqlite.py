"""Pages and contents of blocks in an SQLite file: what an index knows, a transaction a page."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dedup.errors import Corrupt, DedupError, Locked, NotFound, StoreError
from dedup.index.records import ASKED, NOTHING_KNOWN, Content, Known, Source

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
OURS = 0x64647570  # what the header of a file says whose it is: "ddup"
PATIENCE, PAUSE = 60.0, 0.0005  # seconds to wait for another process that writes, and between two looks
CACHE = 32 << 20  # bytes of the file that are kept in memory
MAPPED = 1 << 40  # bytes of it that may be mapped
PAGE_SIZE = 4096
LOG_PAGES = 4000  # of the write-ahead log, before it is written back
SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE pages (
    page INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, source TEXT, seen INTEGER NOT NULL, print BLOB NOT NULL,
    family INTEGER NOT NULL, reason INTEGER NOT NULL, twin INTEGER, keeper INTEGER, similarity REAL, variant INTEGER,
    language INTEGER, contents BLOB NOT NULL, looks BLOB
);
CREATE INDEX sampled ON pages (source, page) WHERE looks IS NOT NULL;
CREATE INDEX by_age ON pages (seen);
CREATE INDEX twins ON pages (twin) WHERE twin IS NOT NULL;
CREATE INDEX copies ON pages (keeper) WHERE keeper IS NOT NULL;
CREATE TABLE contents (
    row INTEGER PRIMARY KEY, print BLOB NOT NULL, family INTEGER NOT NULL, page INTEGER, position INTEGER,
    keeper INTEGER, similarity REAL, variant INTEGER, tokens BLOB NOT NULL
);
CREATE INDEX members ON contents (keeper) WHERE keeper <> row;
CREATE TABLE holders (label INTEGER, page INTEGER, PRIMARY KEY (label, page)) WITHOUT ROWID;
CREATE TABLE sources (
    source TEXT PRIMARY KEY, pages INTEGER NOT NULL, due INTEGER NOT NULL, cut INTEGER, learnt INTEGER
) WITHOUT ROWID;
CREATE TABLE learnt (learnt INTEGER PRIMARY KEY, furniture BLOB NOT NULL);
CREATE TABLE segments (kind TEXT, place INTEGER, file TEXT NOT NULL, PRIMARY KEY (kind, place));
CREATE TABLE frequencies (language INTEGER PRIMARY KEY, docs INTEGER NOT NULL, counts BLOB);
CREATE TABLE promoted (event INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, row INTEGER NOT NULL);
"""

# the tables with pages and contents, and by what they are ordered; the others can be made again
TABLES = {"meta": "name", "pages": "page", "contents": "row", "sources": "source", "learnt": "learnt"}


CONTENT = ", ".join(Content._fields)
KNOWN = ", ".join(Known._fields)


def make_tables(db: sqlite3.Connection) -> None:
    """Make the tables of an index, and let the file tell that it is one."""
    db.execute(f"PRAGMA application_id = {OURS}")
    for statement in SCHEMA.split(";\n"):
        db.execute(statement)


def busy(place: str) -> str:
    """Say that another process keeps writing."""
    return f"{place}: another process has been writing for {PATIENCE:g} s: try again"


def damaged(place: str, told: str) -> str:
    """Say that a file is damaged."""
    return f"{place} is damaged or no index ({told}): dedup index verify {place} --repair"


@contextlib.contextmanager
def turn(lock: int, place: str) -> Iterator[None]:
    """Hold the right to write into an index.

    Args:
        lock: a descriptor of its folder.
        place: the index.

    Raises:
        Locked: another process has been writing for long.
    """
    if fcntl is None:
        yield
        return
    given_up = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > given_up:
                    raise Locked(busy(place)) from error
                time.sleep(PAUSE)
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)


@contextlib.contextmanager
def turn_in(folder: pathlib.Path, place: str) -> Iterator[None]:
    """Hold the right to write into the index of a folder; see ``turn``."""
    if fcntl is None:
        yield
        return
    lock = os.open(folder, os.O_RDONLY)
    try:
        with turn(lock, place):
            yield
    finally:
        os.close(lock)


class SQLiteStore:
    """The tables of an index.

    Args:
        path: the file; None for one in memory.
        folder: a folder of the index, by which processes take turns in writing; None for no others.
    """

    def __init__(self, path: pathlib.Path | None, folder: pathlib.Path | None = None) -> None:
        self._place = "the index" if path is None else str(path)  # as it was named
        self.path = None if path is None else path.absolute()
        self._lock: int | None = None
        self._process = os.getpid()
        with self._told():
            self._db = sqlite3.connect(
                ":memory:" if path is None else str(path), PATIENCE, isolation_level=None, check_same_thread=False
            )
            try:
                self._set_up()
                self._file = None if path is None else path.stat().st_ino
                if folder is not None and fcntl is not None:
                    folder.mkdir(exist_ok=True)
                    self._lock = os.open(folder, os.O_RDONLY)
            except OSError as error:
                self.close()
                raise StoreError(f"{folder}: {error.strerror}: see that its directory is writable") from error
            except BaseException:
                self.close()
                raise
        self._version = -1

    def _set_up(self) -> None:
        """Prepare the connection, and make the tables where there are none."""
        ask = self._db.execute
        tables = ask("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and ask("PRAGMA application_id").fetchone()[0] != OURS:  # before anything is written
            raise Corrupt(f"{self._place} is no index, but a file of another application: name another")
        ask(f"PRAGMA page_size = {PAGE_SIZE}")
        ask("PRAGMA journal_mode = WAL")
        ask("PRAGMA synchronous = NORMAL")  # a crash of the machine may cost the last pages, never the file
        ask(f"PRAGMA cache_size = -{CACHE >> 10}")
        ask(f"PRAGMA mmap_size = {MAPPED}")
        ask(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        ask("PRAGMA trusted_schema = OFF")
        if ask("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            ask("BEGIN IMMEDIATE")
            if ask("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:  # nobody was faster
                make_tables(self._db)
            ask("COMMIT")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Say of errors which file they are about, and what can be done.

        Raises:
            Locked: another process has been writing for long.
            Corrupt: the file is damaged, or none of ours.
            StoreError: it cannot be read or written, or was opened before this process was forked: neither SQLite nor
                the lock would tell the two apart.
        """
        place = self._place
        if self.path is not None and self._process != os.getpid():
            raise StoreError(f"{place}: the index was opened before this process was forked: open it again here")
        try:
            yield
        except DedupError:
            raise
        except sqlite3.ProgrammingError as error:
            raise StoreError(f"{place}: the index is closed: open it again") from error
        except sqlite3.OperationalError as error:
            told = str(error)
            if "locked" in told or "busy" in told:
                raise Locked(busy(place)) from error
            if "decode" in told or "malformed" in told:
                raise Corrupt(damaged(place, told)) from error
            if "no such table" in told or "no such column" in told:
                raise Corrupt(f"{place} is no index ({told}): name another file") from error
            raise StoreError(f"{place}: {told}: see that its directory is there, writable and not full") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise Corrupt(damaged(place, str(error))) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the right to write until all of it is written, or nothing."""
        with self._told(), self._turn():
            self._must_be_there()
            nested = self._db.in_transaction  # which SQLite refuses
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction and not nested:
                    self._db.execute("ROLLBACK")
                raise

    def _turn(self) -> contextlib.AbstractContextManager[None]:
        """Wait until no other process writes: SQLite by itself looks again after a tenth of a second only.

        Raises:
            Locked: another one has been writing for long.
        """
        return contextlib.nullcontext() if self._lock is None else turn(self._lock, self._place)

    def _must_be_there(self) -> None:
        """See that the file that was opened stands where it stood: what is written into another one is lost.

        Raises:
            NotFound: it does not.
        """
        if self.path is None:
            return
        try:
            same = self.path.stat().st_ino == self._file
        except OSError:
            same = False
        if not same:
            raise NotFound(f"{self._place}: the index that was opened is there no more: open it again")

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """See everything as it is now until the end."""
        with self._told():
            self._must_be_there()
            nested = self._db.in_transaction
            try:
                self._db.execute("BEGIN")
                yield
            finally:
                if self._db.in_transaction and not nested:
                    self._db.execute("ROLLBACK")

    def is_new(self) -> bool:
        """Whether nothing was written into the tables yet."""
        return bool(self._db.execute("SELECT count(*) FROM meta").fetchone()[0] == 0)

    def changed(self) -> bool:
        """Whether another connection has written since this was asked last."""
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        before, self._version = self._version, version
        return bool(version != before)

    def forget_version(self) -> None:
        """Let ``changed`` say so when it is asked next."""
        self._version = -1

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value by its name."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return default if row is None else row[0]

    def set(self, name: str, value: Any) -> None:
        """Keep a value under a name."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def _some(self, statement: str, keys: Iterable[int]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows that a statement finds for keys; it ends with IN."""
        every = list(keys)
        for first in range(0, len(every), ASKED):
            asked = every[first : first + ASKED]
            asked += [-1] * (-len(asked) % 8)  # so that there are few statements
            yield from self._db.execute(f"{statement} ({', '.join('?' * len(asked))})", asked)

    def contents(self, rows: Iterable[int]) -> dict[int, Content]:
        """Return contents by number; those that are gone are left out."""
        found = self._some(f"SELECT {CONTENT} FROM contents WHERE row IN", rows)  # noqa: S608 - names of ours
        return {row[0]: Content(*row) for row in found}

    def pages(self, numbers: Iterable[int]) -> dict[int, Known]:
        """Return pages by number; those that are gone are left out."""
        found = self._some(f"SELECT {KNOWN} FROM pages WHERE page IN", numbers)  # noqa: S608
        return {row[0]: Known(*row) for row in found}

    def page_called(self, name: str) -> Known | None:
        """Return the page with an id."""
        row = self._db.execute(f"SELECT {KNOWN} FROM pages WHERE id = ?", (name,)).fetchone()  # noqa: S608
        return None if row is None else Known(*row)

    def pages_after(self, number: int, count: int = ASKED) -> list[Known]:
        """Return pages that arrived after another, so many at the most, in the order of arrival."""
        found = self._db.execute(
            f"SELECT {KNOWN} FROM pages WHERE page > ? ORDER BY page LIMIT ?",  # noqa: S608
            (number, count),
        )
        return [Known(*row) for row in found]

    def last(self) -> tuple[int, int]:
        """Return the highest numbers that pages and contents have had."""
        found = self._db.execute(
            "SELECT max(page), (SELECT max(row) FROM contents), (SELECT value FROM meta WHERE name = 'last_page'), "
            "(SELECT value FROM meta WHERE name = 'last_row') FROM pages"
        ).fetchone()
        page, row, last_page, last_row = (value or 0 for value in found)
        return max(page, last_page), max(row, last_row)

    def add_page(self, page: Known, looks: bytes | None) -> None:
        """Add a page."""
        marks = ", ".join("?" * (len(page) + 1))
        self._db.execute(f"INSERT INTO pages VALUES ({marks})", (*page, looks))  # noqa: S608

    def add_contents(self, contents: Sequence[Content]) -> None:
        """Add contents."""
        marks = ", ".join("?" * len(Content._fields))
        self._db.executemany(f"INSERT INTO contents VALUES ({marks})", contents)  # noqa: S608

    def decide_contents(self, decided: Iterable[Content]) -> None:
        """Write what was decided on contents that were there."""
        self._db.executemany(
            "UPDATE contents SET page = ?, position = ?, keeper = ?, similarity = ?, variant = ? WHERE row = ?",
            [(one.page, one.position, one.keeper, one.similarity, one.variant, one.row) for one in decided],
        )

    def add_holders(self, page: int, labels: Iterable[int]) -> None:
        """Note which labels a page has."""
        self._db.executemany("INSERT OR IGNORE INTO holders VALUES (?, ?)", [(label, page) for label in labels])

    def holders(self, labels: Iterable[int], before: int, most: int) -> dict[int, list[int]]:
        """Return for each label pages with it that arrived before another, so many at the most."""
        ask = "SELECT page FROM holders WHERE label = ? AND page < ? LIMIT ?"
        return {label: [row[0] for row in self._db.execute(ask, (label, before, most))] for label in labels}

    def holders_from(self, label: int, page: int, most: int) -> list[int]:
        """Return the pages with a label from a number on, ascending, so many at the most."""
        found = self._db.execute(
            "SELECT page FROM holders WHERE label = ? AND page >= ? ORDER BY page LIMIT ?", (label, page, most)
        )
        return [row[0] for row in found]

    def holds(self, page: int, choices: Sequence[Iterable[int]]) -> bool:
        """Whether it is noted that a page has one label of each of these."""
        ask = "SELECT 1 FROM holders WHERE label = ? AND page = ?"
        return all(any(self._db.execute(ask, (label, page)).fetchone() for label in labels) for labels in choices)

    def clear_holders(self) -> None:
        """Forget which labels pages have."""
        self._db.execute("DELETE FROM holders")

    def drop_holders(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Forget that pages have labels: (label, page)."""
        self._db.executemany("DELETE FROM holders WHERE label = ? AND page = ?", pairs)

    def members(self, keeper: int) -> list[Content]:
        """Return the contents that stand for another, in the order in which they came."""
        found = self._db.execute(
            f"SELECT {CONTENT} FROM contents WHERE keeper = ?1 AND keeper <> row ORDER BY page, position",  # noqa: S608
            (keeper,),
        )
        return [Content(*row) for row in found]

    def copies(self, page: int) -> list[Known]:
        """Return the pages that stand for another, in the order of arrival."""
        found = self._db.execute(
            f"SELECT {KNOWN} FROM pages WHERE keeper = ?1 OR twin = ?1 ORDER BY page",  # noqa: S608
            (page,),
        )
        return [Known(*row) for row in found]

    def drop_page(self, page: int) -> None:
        """Delete a page; its number is not given again."""
        self.set("last_page", self.last()[0])
        self.set("removed", 1)
        self._db.execute("DELETE FROM pages WHERE page = ?", (page,))

    def drop_contents(self, rows: Iterable[int]) -> None:
        """Delete contents; their numbers are not given again."""
        self.set("last_row", self.last()[1])
        self._db.executemany("DELETE FROM contents WHERE row = ?", [(row,) for row in rows])

    def decide_page(self, page: Known) -> None:
        """Write what was decided on a page that is there."""
        self._db.execute(
            "UPDATE pages SET reason = ?, twin = ?, keeper = ?, similarity = ?, variant = ? WHERE page = ?",
            (page.reason, page.twin, page.keeper, page.similarity, page.variant, page.page),
        )

    def replace_page(self, page: Known, looks: bytes | None) -> None:
        """Write a page anew under its number."""
        columns = ", ".join(f"{name} = ?" for name in Known._fields)
        self._db.execute(f"UPDATE pages SET {columns}, looks = ? WHERE page = ?", (*page, looks, page.page))  # noqa: S608

    def seen_before(self, time: int, count: int) -> list[int]:
        """Return pages that were last seen before a time, in seconds since 1970; so many at the most."""
        found = self._db.execute("SELECT page FROM pages WHERE seen < ? ORDER BY seen, page LIMIT ?", (time, count))
        return [row[0] for row in found]

    def touch(self, page: int, seen: int) -> None:
        """Note that a page was seen again."""
        self._db.execute("UPDATE pages SET seen = ? WHERE page = ?", (seen, page))

    def source(self, name: str) -> Source:
        """Return what is known of a source."""
        row = self._db.execute("SELECT pages, due, cut, learnt FROM sources WHERE source = ?", (name,)).fetchone()
        return NOTHING_KNOWN if row is None else Source(*row)

    def set_source(self, name: str, known: Source) -> None:
        """Write what ``source`` returns."""
        self._db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?)", (name, *known))

    def learnt(self, number: int) -> bytes | None:
        """Return what was learnt of a source, see ``dedup.index.furniture``; None where it is gone."""
        row = self._db.execute("SELECT furniture FROM learnt WHERE learnt = ?", (number,)).fetchone()
        return None if row is None else row[0]

    def set_learnt(self, old: int | None, furniture: bytes) -> int:
        """Keep what was learnt of a source for what was learnt before; return its number, which is new."""
        number = int(self.get("last_learnt", 0)) + 1
        self.set("last_learnt", number)
        self._db.execute("DELETE FROM learnt WHERE learnt = ?", (old,))
        self._db.execute("INSERT INTO learnt VALUES (?, ?)", (number, furniture))
        return number

    def sample(self, name: str | None) -> list[tuple[int, bytes, bytes, bytes]]:
        """Return the pages of a source that are kept to learn from: number, fingerprint, contents, looks."""
        found = self._db.execute(
            "SELECT page, print, contents, looks FROM pages WHERE source IS ? AND looks IS NOT NULL ORDER BY page",
            (name,),
        )
        return found.fetchall()

    def forget_looks(self, pages: Iterable[int]) -> None:
        """Keep pages no longer to learn from."""
        self._db.executemany("UPDATE pages SET looks = NULL WHERE page = ?", [(page,) for page in pages])

    def promote(self, kind: str, row: int) -> None:
        """Note that a row is a keeper from now on."""
        self._db.execute("INSERT INTO promoted (kind, row) VALUES (?, ?)", (kind, row))

    def promoted_after(self, event: int) -> list[tuple[int, str, int]]:
        """Return what was promoted after an event: event, kind, row."""
        found = self._db.execute("SELECT event, kind, row FROM promoted WHERE event > ? ORDER BY event", (event,))
        return found.fetchall()

    def forget_promotions(self, event: int) -> None:
        """Forget what was promoted up to an event: segments have it, or all pages are entered anew."""
        self._db.execute("DELETE FROM promoted WHERE event <= ?", (event,))

    def segments(self, kind: str) -> list[str]:
        """Return the files of a kind of postings, in order."""
        found = self._db.execute("SELECT file FROM segments WHERE kind = ? ORDER BY place", (kind,))
        return [row[0] for row in found]

    def set_segments(self, kind: str, files: Sequence[str]) -> None:
        """Write what ``segments`` returns."""
        self._db.execute("DELETE FROM segments WHERE kind = ?", (kind,))
        self._db.executemany(
            "INSERT INTO segments VALUES (?, ?, ?)", [(kind, place, file) for place, file in enumerate(files)]
        )

    def frequencies(self) -> list[tuple[int, int, bytes | None]]:
        """Return the frequencies of terms: language, documents, counts."""
        return self._db.execute("SELECT language, docs, counts FROM frequencies").fetchall()

    def clear_frequencies(self) -> None:
        """Forget the frequencies of terms."""
        self._db.execute("DELETE FROM frequencies")

    def set_frequencies(self, rows: Iterable[tuple[int, int, bytes | None]]) -> None:
        """Write what ``frequencies`` returns."""
        self._db.executemany("INSERT OR REPLACE INTO frequencies VALUES (?, ?, ?)", rows)

    def write_back(self) -> None:
        """Write what is in the log into the file, as far as nobody reads the old."""
        with self._told():
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return int(self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - names of ours

    def sources(self) -> Iterator[str]:
        """Yield the names of all sources of which something is known."""
        return (row[0] for row in self._db.execute("SELECT source FROM sources").fetchall())

    def content_rows(self) -> Iterator[int]:
        """Yield the numbers of all contents."""
        return (row[0] for row in self._db.execute("SELECT row FROM contents").fetchall())

    def page_numbers(self) -> Iterator[int]:
        """Yield the numbers of all pages."""
        return (row[0] for row in self._db.execute("SELECT page FROM pages").fetchall())

    def contents_after(self, row: int, count: int = ASKED) -> list[Content]:
        """Return contents of higher numbers, so many at the most, ascending."""
        found = self._db.execute(f"SELECT {CONTENT} FROM contents WHERE row > ? ORDER BY row LIMIT ?", (row, count))  # noqa: S608
        return [Content(*one) for one in found]

    def looks_of(self, page: int) -> bytes | None:
        """Return what a page is learnt from, None where it is not kept for that."""
        row = self._db.execute("SELECT looks FROM pages WHERE page = ?", (page,)).fetchone()
        return None if row is None else row[0]

    def complaints(self) -> list[str]:
        """Return what SQLite finds wrong with the file."""
        with self._told():
            found = [row[0] for row in self._db.execute("PRAGMA integrity_check(20)")]
        return [] if found == ["ok"] else found

    def index_again(self) -> None:
        """Make the indices of the tables again."""
        self._db.execute("REINDEX")

    def shrink(self) -> None:
        """Give the room of what was deleted back to the system."""
        with self._told():
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def size(self) -> int:
        """Return the bytes of the file, and of its log."""
        if self.path is None:
            return int(self._db.execute("PRAGMA page_count").fetchone()[0]) * PAGE_SIZE
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())
