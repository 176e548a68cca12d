"""Pages and contents of blocks in Redis: what an index knows, for any number of machines, a script a page.

What a transaction reads is remembered, and what it writes waits here, until one script writes all of it: if nobody else
has written since the transaction began, and else nothing. So a page is there wholly or not at all, whoever is killed
at whatever moment. A lock that expires lets only one transaction at a time try, which saves work and decides nothing.
Each answer comes with the version of the index, so that nothing is decided on halves of two.
"""

from __future__ import annotations

import builtins
import collections
import contextlib
import hashlib
import itertools
import logging
import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from dedup.errors import Corrupt, Locked, NotFound, StoreError
from dedup.index.records import ASKED, BLOCKS, LATEST, NOTHING_KNOWN, PAGES, Content, Known, Source
from dedup.index.scripts import ALL, BEGIN, COMMIT, HOLD
from dedup.index.stores import Overtaken
from dedup.index.wire import Command, Script, Wire

PATIENCE = 60.0  # seconds to wait for another process that writes
LIFE = 10_000  # milliseconds after which a lock expires that nobody prolongs
PROLONGED = 3.0  # seconds after which it is
FIRST_PAUSE, LONGEST_PAUSE = 0.0005, 0.02  # seconds between two looks at a lock
PATIENT_READERS = 3  # times that a reader is overtaken before it takes the lock
TOGETHER = 1000  # fields in one command
LONGEST_STEP = 1 << 14  # numbers that are looked through at once for those that are in use
SAMPLED = 20  # keys of a kind that are measured
FIXED = ("ids", "seen", "records", "contents", "looks", "sources", "learnt")  # tables
MEASURED = tuple(f"{kind}{end}" for kind in (BLOCKS, PAGES) for end in ("_keys", ":marks", ":prints", ":families"))
encode = msgspec.msgpack.encode
log = logging.getLogger("dedup")
Key = TypeVar("Key", int, str)
Value = TypeVar("Value")


def field_of(key: int | str) -> bytes:
    """Return the field of a key in a hash."""
    return b"%d" % key if isinstance(key, int) else key.encode()


def command(*words: Any) -> Command:
    """Return a command."""
    return words


class Table(Generic[Key, Value]):
    """A hash in Redis: what was read of it, and what is to be written.

    Args:
        key: of the hash.
        ask: asks the server.
        kind: type of its values.
        blank: makes a value for one that cannot be read, None to raise an error.
    """

    def __init__(
        self, key: str, ask: Callable[[Sequence[Command]], list[Any]], kind: Any,
        blank: Callable[[Any], Value] | None = None,
    ) -> None:  # fmt: skip
        self._key, self._ask, self._blank = key, ask, blank
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(kind)
        self.clear()

    def clear(self) -> None:
        """Forget what was read and written."""
        self._held: dict[Key, Value | None] = {}
        self._written: set[Key] = set()

    def some(self, keys: Iterable[Key], *, remember: bool = True) -> dict[Key, Value]:
        """Return the values of keys, of those that have one, in their order."""
        wanted = list(dict.fromkeys(keys))
        missing = [key for key in wanted if key not in self._held]
        found = self._held if remember else {key: self._held[key] for key in wanted if key in self._held}
        parts = [missing[first : first + TOGETHER] for first in range(0, len(missing), TOGETHER)]
        if parts:
            answers = self._ask([command("HMGET", self._key, *map(field_of, part)) for part in parts])
            for part, answer in zip(parts, answers, strict=True):
                found.update(zip(part, map(self._decoded, part, answer), strict=True))
        return {key: value for key in wanted if (value := found[key]) is not None}

    def request(self, keys: Iterable[Key]) -> list[Command]:
        """Return the command that asks for keys, if any is not at hand, for ``take`` to take the answer."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._held]
        return [command("HMGET", self._key, *map(field_of, missing))] if missing else []

    def take(self, keys: Iterable[Key], answer: list[bytes | None]) -> None:
        """Take in the answer to ``request``."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._held]
        self._held.update(zip(missing, map(self._decoded, missing, answer), strict=True))

    def _decoded(self, key: Key, data: bytes | None) -> Value | None:
        """Return a value that came.

        Raises:
            Corrupt: it is damaged.
        """
        if data is None:
            return None
        try:
            value: Value = self._decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if self._blank is None:
                raise Corrupt(f"{key!r} in {self._key} is damaged ({error})") from error
            return self._blank(key)
        return value

    def get(self, key: Key) -> Value | None:
        """Return the value of a key."""
        return self.some([key]).get(key)

    def put(self, key: Key, value: Value | None) -> None:
        """Write a value; None for none."""
        self._held[key] = value
        self._written.add(key)

    def commands(self) -> Iterator[Command]:
        """Yield what writes what is to be written."""
        put = [(field_of(key), encode(value)) for key in self._written if (value := self._held[key]) is not None]
        gone = [field_of(key) for key in self._written if self._held[key] is None]
        for first in range(0, len(put), TOGETHER):
            yield command("HSET", self._key, *itertools.chain.from_iterable(put[first : first + TOGETHER]))
        for first in range(0, len(gone), TOGETHER):
            yield command("HDEL", self._key, *gone[first : first + TOGETHER])


class RedisStore:
    """The tables of an index.

    Args:
        url: ``redis://host:6379/0?name=dedup``, see ``dedup.index.wire``.

    Attributes:
        place: the server and the name, as they may be shown.
        name: what the keys of the index begin with.
        limit: rows that a bucket takes in.
    """

    def __init__(self, url: str) -> None:
        self._wire = Wire(url, ALL)
        self.place, self.name = self._wire.place, self._wire.name
        self.limit = 0
        self._born: str | None = None  # tells this index from another that may come to stand in its place
        self._overtaken = 0
        key = self.key
        self._records: Table[int, Known] = Table(key("records"), self.ask, Known, unreadable_page)
        self._contents: Table[int, Content] = Table(key("contents"), self.ask, Content, unreadable_content)
        self._ids: Table[str, int] = Table(key("ids"), self.ask, int)
        self._looks: Table[int, bytes] = Table(key("looks"), self.ask, bytes)
        self._sources: Table[str, Source] = Table(key("sources"), self.ask, Source)
        self._learnt: Table[int, bytes] = Table(key("learnt"), self.ask, bytes)
        self._tables: tuple[Table[Any, Any], ...] = (
            self._records, self._contents, self._ids, self._looks, self._sources, self._learnt,
        )  # fmt: skip
        self._forget()

    def _forget(self) -> None:
        """Forget what was read and what is to be written."""
        for table in self._tables:
            table.clear()
        self._version: bytes | None = None  # None outside a transaction
        self._token, self._prolonged = "", 0.0
        self._meta: dict[str, Any] = {}
        self.documents: dict[int, int] = {}
        self._set: dict[str, Any] = {}
        self._sets: dict[str, dict[int, bool]] = {}  # of sets what is added, and what is taken out
        self._held: dict[int, dict[int, bool]] = {}  # likewise of the pages with a label
        self._seen: dict[int, int | None] = {}
        self._emptied = False  # whether it is to be forgotten which labels pages have
        self._first: list[Command] = []  # what is to be written before all else
        self._languages: collections.Counter[int] = collections.Counter()  # documents of languages
        self.orders: list[Command] = []  # to the bands, see ``dedup.index.scripts.COMMIT``
        self._promoted: list[tuple[str, int]] = []

    def key(self, *parts: object) -> str:
        """Return a key of the index."""
        return ":".join([self.name, *map(str, parts)])

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()

    def call(self, code: Script, *words: Any) -> Command:
        """Return the command that runs a script."""
        return ("EVALSHA", code.digest, 0, *words)

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Return the answers to some commands.

        Raises:
            Overtaken: another process has written since the transaction began.
            StoreError: the server does not answer, or refuses.
        """
        if self._version is None:
            return self._wire.ask(commands)
        more: list[Command] = [("GET", self.key("version"))]
        now = time.monotonic()
        if self._token and now > self._prolonged + PROLONGED:
            more.insert(0, self.call(HOLD, self.name, self._token, LIFE))
            self._prolonged = now
        answers = self._wire.ask([*commands, *more])
        if (answers[-1] or b"") != self._version:
            raise Overtaken(f"{self.place}: another process has written in between: try again")
        return answers[: len(commands)]

    def _begin(self, *, locked: bool) -> None:
        """Begin a transaction.

        Raises:
            Locked: another process has been writing for long.
            NotFound: the index that was opened is there no more.
        """
        self._forget()
        token = secrets.token_hex(8) if locked else ""
        pause, end = FIRST_PAUSE, time.monotonic() + PATIENCE
        while True:
            begun = time.monotonic()
            answer = self._wire.ask([self.call(BEGIN, self.name, token, LIFE)])[0]
            if answer[0]:
                break
            if begun > end:
                raise Locked(f"{self.place}: another process has been writing for {PATIENCE:g} s: try again")
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that processes do not keep step
            pause = min(1.5 * pause, LONGEST_PAUSE)
        self._token, self._prolonged = token, begun
        try:
            self._take_meta(answer)
        except BaseException:
            self._abandon()
            raise

    def _take_meta(self, answer: list[Any]) -> None:
        """Take in what is known of the index as a whole."""
        _, self._version, meta, documents = answer
        try:
            self._meta = {
                field.decode(): msgspec.msgpack.decode(value)
                for field, value in zip(meta[::2], meta[1::2], strict=True)
            }
            self.documents = {
                int(field): int(value) for field, value in zip(documents[::2], documents[1::2], strict=True)
            }
            strange = bool(self._meta) and "born" not in self._meta
        except (msgspec.DecodeError, ValueError):
            strange = True
        if strange:
            raise Corrupt(f"{self.place}: keys of that name hold something else: choose another name with ?name=")
        born = self._meta.get("born")
        if self._born is not None and born != self._born:
            gone = "is there no more: see whether Redis was emptied, or started without its files, and open it again"
            raise NotFound(f"{self.place}: the index that was opened {gone}")
        self._born = born

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the right to write until all of it is written, or nothing.

        Raises:
            Overtaken: another process has written in between; nothing was written.
        """
        with self._counted():
            self._begin(locked=True)
            try:
                yield
                self._commit()
            except BaseException:
                self._abandon()
                raise
            self._forget()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """See everything as it is now until the end; who was overtaken again and again keeps others from writing.

        Raises:
            Overtaken: another process has written in between.
        """
        with self._counted():
            self._begin(locked=self._overtaken >= PATIENT_READERS)
            try:
                yield
            finally:
                self._abandon()

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """Count how often this was overtaken since it last was not."""
        try:
            yield
        except Overtaken:
            self._overtaken += 1
            raise
        self._overtaken = 0

    def _abandon(self) -> None:
        """End a transaction without writing."""
        token = self._token
        self._forget()
        if token:
            with contextlib.suppress(StoreError):
                self._wire.ask([self.call(HOLD, self.name, token, 0)])

    def _commit(self) -> None:
        """Write everything, if nobody else has written.

        Raises:
            Overtaken: somebody has.
        """
        commands = list(self._commands())
        if not commands and not self.orders:
            self._abandon()
            return
        if self._born is None:
            self._born = secrets.token_hex(16)
            commands.append(("HSET", self.key("meta"), "born", encode(self._born)))
        words: list[Any] = [self.name, self._version, secrets.token_hex(16), self._token, self.limit]
        for command in commands:
            words.append(len(command))
            words.extend(command)
        words.append(0)
        for order in self.orders:
            words.extend(order)
        if not self._wire.ask([self.call(COMMIT, *words)])[0]:
            raise Overtaken(f"{self.place}: another process has written in between: try again")

    def write_orders(self, first: int) -> None:
        """Do at once what was ordered after so many orders; what is read of the index stays as it was.

        Raises:
            Overtaken: another process has written since the transaction began.
        """
        orders, self.orders[first:] = self.orders[first:], []
        token = secrets.token_hex(16)
        ordinal = ("HSET", self.key("meta"), "last_ordinal", encode(self.get("last_ordinal", 0)))
        words = (self.name, self._version, token, "", self.limit, len(ordinal), *ordinal, 0)
        if not self._wire.ask([self.call(COMMIT, *words, *itertools.chain.from_iterable(orders))])[0]:
            raise Overtaken(f"{self.place}: another process has written in between: try again")
        self._version = token.encode()

    def _commands(self) -> Iterator[Command]:
        """Yield the commands that write what is to be written."""
        yield from self._first
        for table in self._tables:
            yield from table.commands()
        if self._set:
            yield ("HSET", self.key("meta"), *(word for one in self._set.items() for word in (one[0], encode(one[1]))))
        for name, changes in self._sets.items():
            for command, added in (("SADD", True), ("SREM", False)):
                chosen = [row for row, is_added in changes.items() if is_added == added]
                for first in range(0, len(chosen), TOGETHER):
                    yield command, name, *chosen[first : first + TOGETHER]
        for label, changes in self._held.items():
            added_pages = [page for page, is_added in changes.items() if is_added]
            gone = [page for page, is_added in changes.items() if not is_added]
            yield from scored(self.key("holders", label), added_pages, added_pages, gone)
        for language, times in self._languages.items():
            yield "HINCRBY", self.key("languages"), language, times
        seen = {page: when for page, when in self._seen.items() if when is not None}
        yield from scored(self.key("seen"), list(seen.values()), list(seen), [p for p in self._seen if p not in seen])

    def order(self, *words: Any) -> None:
        """Note what is to be done with bands, see ``dedup.index.scripts.COMMIT``."""
        self.orders.append((*words, *[b""] * (6 - len(words))))

    def count_document(self, language: int, terms: bytes) -> None:
        """Count a document of a language, and its terms: buckets and counts of 4 bytes each."""
        self.documents[language] = self.documents.get(language, 0) + 1
        self._languages[language] += 1
        self.order("count", self.key("terms", language), b"", terms)

    def terms(self, language: int) -> bytes:
        """Return how many documents have each term of a language: 4 bytes each, big-endian, to the last one."""
        return self.ask([("GET", self.key("terms", language))])[0] or b""

    def set_terms(self, documents: dict[int, int], tables: dict[int, bytes]) -> None:
        """Replace what was counted."""
        old = self.documents.keys() | documents.keys()
        self._first.append(("DEL", self.key("languages"), *(self.key("terms", language) for language in old)))
        self._first += [("HSET", self.key("languages"), language, docs) for language, docs in documents.items()]
        self._first += [("SET", self.key("terms", language), table) for language, table in tables.items()]
        self.orders = [order for order in self.orders if order[0] != "count"]
        self._languages.clear()
        self.documents = dict(documents)

    def requests(self, names: Sequence[str], sources: Sequence[str]) -> list[Command]:
        """Return the commands that ask for pages by their ids, and for sources, for ``take`` to take the answers."""
        return [*self._ids.request(names), *self._sources.request(sources)]

    def take(self, names: Sequence[str], sources: Sequence[str], answers: list[Any]) -> None:
        """Take in the answers to ``requests``."""
        answers = list(answers)
        if self._ids.request(names):
            self._ids.take(names, answers.pop(0))
        if self._sources.request(sources):
            self._sources.take(sources, answers.pop(0))

    def is_new(self) -> bool:
        """Whether nothing was written yet.

        Raises:
            Corrupt: parts of an index are there.
        """
        if self._version is None:
            with self.reading():
                return self.is_new()
        if self._meta:
            return False
        if any(self.ask([("EXISTS", self.key(name)) for name in FIXED])):
            raise Corrupt(f"{self.place}: there is a part of an index without its head: choose another name")
        policy = policy_in(self.ask([("INFO", "memory")])[0])
        if policy.startswith("allkeys"):
            log.warning("%s: maxmemory-policy %s lets Redis drop pages: set noeviction", self.place, policy)
        return True

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value by its name."""
        return self._meta.get(name, default)

    def set(self, name: str, value: Any) -> None:
        """Keep a value under a name."""
        self._meta[name] = self._set[name] = value

    def contents(self, rows: Iterable[int]) -> dict[int, Content]:
        """Return contents by number; those that are gone are left out."""
        return self._contents.some(rows)

    def pages(self, numbers: Iterable[int]) -> dict[int, Known]:
        """Return pages by number; those that are gone are left out."""
        return self._records.some(numbers)

    def page_called(self, name: str) -> Known | None:
        """Return the page with an id."""
        number = self._ids.get(name)
        return None if number is None else self._records.get(number)

    def pages_after(self, number: int, count: int = ASKED) -> list[Known]:
        """Return pages that arrived after another, so many at the most, in the order of arrival."""
        return rows_after(self._records, number, self.last()[0], count)

    def contents_after(self, row: int, count: int = ASKED) -> list[Content]:
        """Return contents of higher numbers, so many at the most, ascending."""
        return rows_after(self._contents, row, self.last()[1], count)

    def content_rows(self) -> Iterator[int]:
        """Yield the numbers of all contents."""
        last = 0
        while found := self.contents_after(last, TOGETHER):
            yield from (one.row for one in found)
            last = found[-1].row

    def last(self) -> tuple[int, int]:
        """Return the highest numbers that pages and contents have had."""
        if self._version is not None:
            return self.get("last_page", 0), self.get("last_row", 0)
        page, row = self.ask([("HMGET", self.key("meta"), "last_page", "last_row")])[0]
        return (msgspec.msgpack.decode(page), msgspec.msgpack.decode(row)) if page and row else (0, 0)

    def add_page(self, page: Known, looks: bytes | None) -> None:
        """Add a page."""
        self._ids.put(page.id, page.page)
        self._write_page(page, looks)
        self.set("last_page", max(self.last()[0], page.page))

    def replace_page(self, page: Known, looks: bytes | None) -> None:
        """Write a page anew under its number."""
        old = self.pages([page.page])[page.page]
        self._note_copy(old, there=False)
        self._forget_looks(old)
        self._drop(PAGES, old.page, old.print, old.family)
        self._write_page(page, looks)

    def _write_page(self, page: Known, looks: bytes | None) -> None:
        """Write a page, and where it is to be found."""
        self._records.put(page.page, page)
        self._seen[page.page] = page.seen
        self._note_copy(page, there=True)
        if looks is not None:
            self._looks.put(page.page, looks)
            self._change(self._sampled(page.source), page.page, there=True)

    def _note_copy(self, page: Known, *, there: bool) -> None:
        """Note of which pages a page is a copy, or that it is none any more."""
        for of in {page.keeper, page.twin} - {None}:
            self._change(self.key("copies", of), page.page, there=there)

    def _change(self, name: str, row: int, *, there: bool) -> None:
        """Put a row into a set, or take it out."""
        self._sets.setdefault(name, {})[row] = there

    def _members(self, name: str) -> builtins.set[int]:
        """Return the rows in a set."""
        changes = self._sets.get(name, {})
        found = {int(row) for row in self.ask([("SMEMBERS", name)])[0]}
        return {row for row in found | changes.keys() if changes.get(row, True)}

    def _sampled(self, source: str | None) -> str:
        """Return the key of the pages of a source that are kept to learn from; a source may be called anything."""
        return self.key("sampled", "" if source is None else hashlib.sha256(source.encode()).hexdigest())

    def add_contents(self, contents: Sequence[Content]) -> None:
        """Add contents."""
        for one in contents:
            self._contents.put(one.row, one)
            self._note_member(one, there=True)
        if contents:
            self.set("last_row", max(self.last()[1], *(one.row for one in contents)))

    def _note_member(self, content: Content, *, there: bool) -> None:
        """Note for which content one stands, or that it does no more."""
        if content.keeper is not None and content.keeper != content.row:
            self._change(self.key("members", content.keeper), content.row, there=there)

    def decide_contents(self, decided: Iterable[Content]) -> None:
        """Write what was decided on contents that were there."""
        decided = list(decided)
        before = self.contents([one.row for one in decided])
        for one in decided:
            old = before.get(one.row)
            if old is None:
                continue
            self._note_member(old, there=False)
            self._note_member(one, there=True)
            self._contents.put(
                one.row,
                old._replace(
                    page=one.page, position=one.position, keeper=one.keeper, similarity=one.similarity,
                    variant=one.variant,
                ),
            )  # fmt: skip
            if old.keeper == old.row != one.keeper:
                self._unlist(BLOCKS, one.row)

    def _unlist(self, kind: str, row: int) -> None:
        """Take a row out of its bands."""
        self.order("unlist", self.key(kind), row)

    def _drop(self, kind: str, row: int, print_: bytes, family: int) -> None:
        """Take a row out of everything that it is found by."""
        self._unlist(kind, row)
        if print_:
            self.order("take", self.key(kind, "prints"), row, print_[:8])
        if family:
            self.order("take", self.key(kind, "families"), row, (family % (1 << 64)).to_bytes(8, "little"))

    def add_holders(self, page: int, labels: Iterable[int]) -> None:
        """Note which labels a page has."""
        for label in labels:
            self._held.setdefault(label, {})[page] = True

    def holders(self, labels: Iterable[int], before: int, most: int) -> dict[int, list[int]]:
        """Return for each label pages with it that arrived before another, so many at the most."""
        return self._holders(list(labels), "-inf", before - 1, most)

    def holders_from(self, label: int, page: int, most: int) -> list[int]:
        """Return the pages with a label from a number on, ascending, so many at the most."""
        return self._holders([label], page, LATEST, most)[label]

    def _holders(self, labels: Sequence[int], first: int | str, last: int, most: int) -> dict[int, list[int]]:
        """Return the pages with labels in a range, ascending, so many of each at the most."""
        changes = [self._held.get(label, {}) for label in labels]
        if self._emptied or not labels:
            answers: list[list[bytes]] = [[] for _ in labels]
        else:
            answers = self.ask([
                ("ZRANGEBYSCORE", self.key("holders", label), first, last, "LIMIT", 0, most + len(changed))
                for label, changed in zip(labels, changes, strict=True)
            ])  # fmt: skip
        least = 0 if isinstance(first, str) else first
        found = {}
        for label, changed, answer in zip(labels, changes, answers, strict=True):
            pages = {page for page in map(int, answer) if changed.get(page, True)}
            pages |= {page for page, there in changed.items() if there and least <= page <= last}
            found[label] = sorted(pages)[:most]
        return found

    def holds(self, page: int, choices: Sequence[Iterable[int]]) -> bool:
        """Whether it is noted that a page has one label of each of these."""
        labels = sorted({label for some in choices for label in some})
        answers: list[Any] = [None] * len(labels)
        if labels and not self._emptied:
            answers = self.ask([("ZSCORE", self.key("holders", label), page) for label in labels])
        has = {
            label: self._held.get(label, {}).get(page, score is not None)
            for label, score in zip(labels, answers, strict=True)
        }
        return all(any(has[label] for label in some) for some in choices)

    def clear_holders(self) -> None:
        """Forget which labels pages have."""
        self._held.clear()
        self._emptied = True
        last = self.last()[1]
        for first in range(1, last + 1, TOGETHER):
            rows = range(first, min(first + TOGETHER, last + 1))
            self._first.append(("DEL", *(self.key("holders", row) for row in rows)))

    def drop_holders(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Forget that pages have labels: (label, page)."""
        for label, page in pairs:
            self._held.setdefault(label, {})[page] = False

    def members(self, keeper: int) -> list[Content]:
        """Return the contents that stand for another, in the order in which they came."""
        found = self.contents(self._members(self.key("members", keeper))).values()
        return sorted(found, key=lambda one: (one.page or 0, one.position or 0))

    def copies(self, page: int) -> list[Known]:
        """Return the pages that stand for another, in the order of arrival."""
        return sorted(self.pages(self._members(self.key("copies", page))).values())

    def drop_page(self, page: int) -> None:
        """Delete a page; its number is not given again."""
        known = self._records.get(page)
        if known is None:
            return
        self._records.put(page, None)
        if self._ids.get(known.id) == page:
            self._ids.put(known.id, None)
        self._seen[page] = None
        self._note_copy(known, there=False)
        self._forget_looks(known)
        self._drop(PAGES, page, known.print, known.family)

    def drop_contents(self, rows: Iterable[int]) -> None:
        """Delete contents; their numbers are not given again."""
        for row, content in self.contents(rows).items():
            self._contents.put(row, None)
            self._note_member(content, there=False)
            self._drop(BLOCKS, row, content.print, content.family)

    def decide_page(self, page: Known) -> None:
        """Write what was decided on a page that is there."""
        old = self.pages([page.page])[page.page]
        new = old._replace(
            reason=page.reason, twin=page.twin, keeper=page.keeper, similarity=page.similarity, variant=page.variant
        )
        self._note_copy(old, there=False)
        self._note_copy(new, there=True)
        self._records.put(page.page, new)
        if old.keeper is None and new.keeper is not None:
            self._unlist(PAGES, page.page)

    def seen_before(self, time: int, count: int) -> list[int]:
        """Return pages that were last seen before a time, in seconds since 1970; so many at the most."""
        most = count + len(self._seen)
        answer = self.ask([("ZRANGEBYSCORE", self.key("seen"), "-inf", time - 1, "LIMIT", 0, most)])[0]
        found = [page for page in map(int, answer) if page not in self._seen]
        found += [page for page, when in self._seen.items() if when is not None and when < time]
        return found[:count]

    def touch(self, page: int, seen: int) -> None:
        """Note that a page was seen again."""
        known = self._records.get(page)
        if known is not None and known.seen != seen:
            self._records.put(page, known._replace(seen=seen))
            self._seen[page] = seen

    def source(self, name: str) -> Source:
        """Return what is known of a source."""
        return self._sources.get(name) or NOTHING_KNOWN

    def sources(self) -> Iterator[str]:
        """Yield the names of all sources of which something is known."""
        return (name.decode() for names in self.scan(self.key("sources")) for name in names)

    def set_source(self, name: str, known: Source) -> None:
        """Write what ``source`` returns."""
        self._sources.put(name, known)

    def learnt(self, number: int) -> bytes | None:
        """Return what was learnt of a source; None where it is gone."""
        return self._learnt.get(number)

    def set_learnt(self, old: int | None, furniture: bytes) -> int:
        """Keep what was learnt of a source for what was learnt before; return its number, which is new."""
        number = int(self.get("last_learnt", 0)) + 1
        self.set("last_learnt", number)
        if old is not None:
            self._learnt.put(old, None)
        self._learnt.put(number, furniture)
        return number

    def sample(self, name: str | None) -> list[tuple[int, bytes, bytes, bytes]]:
        """Return the pages of a source that are kept to learn from: number, fingerprint, contents, looks."""
        known = self.pages(sorted(self._members(self._sampled(name))))
        looks = self._looks.some(known)
        return [(page, one.print, one.contents, looks[page]) for page, one in known.items() if page in looks]

    def looks_of(self, page: int) -> bytes | None:
        """Return what a page is learnt from, None where it is not kept for that."""
        return self._looks.get(page)

    def forget_looks(self, pages: Iterable[int]) -> None:
        """Keep pages no longer to learn from."""
        for known in self.pages(pages).values():
            self._forget_looks(known)

    def _forget_looks(self, known: Known) -> None:
        """Keep a page no longer to learn from."""
        self._looks.put(known.page, None)
        self._change(self._sampled(known.source), known.page, there=False)

    def promote(self, kind: str, row: int) -> None:
        """Note that a row is a keeper from now on."""
        self._promoted.append((kind, row))

    def take_promoted(self) -> list[tuple[str, int]]:
        """Return what was promoted since this was asked last: kind, row."""
        found, self._promoted = self._promoted, []
        return found

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return int(self.ask([("HLEN", self.key("records" if table == "pages" else table))])[0])

    def scan(self, name: str) -> Iterator[list[bytes]]:
        """Yield the fields of a hash, some at a time; some may come twice."""
        cursor: bytes | int = 0
        while True:
            cursor, found = self._wire.ask([("HSCAN", name, cursor, "COUNT", TOGETHER)])[0]
            yield found[::2]
            if int(cursor) == 0:
                return

    def complaints(self) -> list[str]:
        """Return what Redis finds wrong: it has no way to look."""
        return []

    def index_again(self) -> None:
        """Do nothing: there is nothing of that kind."""

    def shrink(self) -> None:
        """Give room back: Redis does so by itself."""

    def size(self) -> int:
        """Return about how many bytes of Redis' memory it takes; keys of a kind are measured by some of them."""
        names = [self.key(name) for name in (*FIXED, "meta", *MEASURED)]
        total = sum(self._measured(names))
        for kind in (BLOCKS, PAGES):
            total += self._size_of_bands(self.key(kind))
        rows = self._wire.ask([("HRANDFIELD", self.key("contents"), SAMPLED), ("HLEN", self.key("contents"))])
        each = self._measured([self.key("holders", int(row)) for row in rows[0]])
        return total + sum(each) * int(rows[1]) // max(1, len(each))

    def _measured(self, names: Sequence[Any]) -> list[int]:
        """Return the bytes of keys."""
        if not names:
            return []
        return [size or 0 for size in self._wire.ask([("MEMORY", "USAGE", name, "SAMPLES", SAMPLED) for name in names])]

    def _size_of_bands(self, base: str) -> int:
        """Return about how many bytes the bands of a kind take: lists of rows, buckets, and their hashes."""
        total = 0
        rows, count = self._wire.ask([("HRANDFIELD", f"{base}_keys", SAMPLED), ("HLEN", f"{base}_keys")])
        each = self._measured([f"{base}_keys".encode() + row for row in rows])
        total += sum(each) * int(count) // max(1, len(each))
        for band in itertools.count():
            bucket = base.encode() + b"_bucket_" + band.to_bytes(2, "big")
            values, count = self._wire.ask([("HRANDFIELD", bucket, SAMPLED), ("HLEN", bucket)])
            if not count:
                return total
            each = self._measured([bucket + value for value in values])
            total += sum(each) * int(count) // len(each) + self._measured([bucket])[0]
        return total


def unreadable_page(number: int) -> Known:
    """Return what stands for a page that cannot be read: its contents cannot be, either."""
    return Known(number, "", None, 0, b"", 0, 0, None, None, None, None, None, b"")


def unreadable_content(row: int) -> Content:
    """Return what stands for a content that cannot be read: its fingerprint is not that of its tokens."""
    return Content(row, b"", 0, None, None, None, None, None, b"")


def rows_after(table: Table[int, Value], number: int, last: int, count: int) -> list[Value]:
    """Return values of numbers above one and up to another, so many at the most, ascending."""
    found: list[Value] = []
    step = count
    while number < last and len(found) < count:
        end = min(last, number + step)
        found += table.some(range(number + 1, end + 1), remember=False).values()
        number, step = end, min(2 * step, LONGEST_STEP)
    return found[:count]


def scored(key: str, scores: Sequence[int], added: Sequence[int], gone: Sequence[int]) -> Iterator[Command]:
    """Yield the commands that put members into a sorted set, and take others out."""
    for first in range(0, len(added), TOGETHER):
        part = slice(first, first + TOGETHER)
        yield "ZADD", key, *itertools.chain.from_iterable(zip(scores[part], added[part], strict=True))
    for first in range(0, len(gone), TOGETHER):
        yield "ZREM", key, *gone[first : first + TOGETHER]


def policy_in(info: bytes) -> str:
    """Return what a server does when its memory is full, out of what it tells of itself."""
    return info.decode().partition("maxmemory_policy:")[2].partition("\r")[0]
