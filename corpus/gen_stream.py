"""Documents of made-up text without end, with planted copies and a record of what was planted.

Every block of a document is one line of its text: a block's number is that of its nonempty line.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Generic, NamedTuple, TypeVar

from gen_edits import edited, renumbered
from gen_words import Stream, chinese, latin

TITLE, BYLINE, TEMPLATE, HEADING, PARAGRAPH, ITEM = "t", "b", "m", "h", "p", "l"
PROSE = PARAGRAPH + ITEM
MAX_BLOCKS = 40
MAX_BYTES = 60_000
ROOM_BLOCKS = 12  # left free for the last list of an article and the lines of the site
ROOM_BYTES = 12_000  # left free for the last paragraph and the lines of the site
SITES = 200
KEPT_BLOCKS = 48_000
KEPT_CHINESE_BLOCKS = 2_000
KEPT_DOCUMENTS = 2_000
MIN_POOL = 20
MEDIAN = 245.0  # bytes of a paragraph
CHINESE_SHARE = 0.03
EXACT_SHARE, NEAR_SHARE, EXCERPT_SHARE = 0.02, 0.02, 0.01

CHARACTERS = re.compile(r"\d[\d.,%]*|.")

_T = TypeVar("_T")


class Planted(NamedTuple):
    """One planted block: where it stands, what it was made from, how, and with how many edits."""

    block: int
    of_doc: str
    of_block: int
    relation: str
    edits: int = 0


class Day(NamedTuple):
    """A day, written for the `date` field and for a line of the text."""

    iso: str
    long: str
    chinese: str


@dataclass(frozen=True, slots=True)
class Site:
    """A site: its name and the lines around its articles."""

    name: str
    before: tuple[bytes, ...]
    after: tuple[bytes, ...]


@dataclass(slots=True)
class Document:
    """A document in the making; `kinds` has one letter a block."""

    id: str
    site: Site
    chinese: bool
    spaced: bool
    url: str
    title: str
    date: str
    kinds: str = ""
    blocks: list[bytes] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)
    of_doc: str = ""
    relation: str = ""

    def add(self, kind: str, text: bytes) -> None:
        """Append a block."""
        self.kinds += kind
        self.blocks.append(text)

    def lines(self) -> list[bytes]:
        """Return the lines of the text: the blocks, perhaps with empty lines between (not inside a list)."""
        if not self.spaced:
            return self.blocks
        parts: list[bytes] = []
        before = ""
        for kind, block in zip(self.kinds, self.blocks, strict=True):
            if before and not kind == before == ITEM:
                parts.append(b"")
            parts.append(block)
            before = kind
        return parts


class Pool(Generic[_T]):
    """A bounded sample of what went by; recent things are a little more likely to be in it."""

    def __init__(self, size: int, rng: random.Random) -> None:
        """Keep at most `size` things."""
        self._size = size
        self._random = rng.random
        self._seen = 0
        self._kept: list[_T] = []

    def __len__(self) -> int:
        """Return how many things are kept now."""
        return len(self._kept)

    def offer(self, thing: _T) -> None:
        """Keep the thing, perhaps in place of another one, or not."""
        self._seen += 1
        if len(self._kept) < self._size:
            self._kept.append(thing)
        elif self._random() < max(0.2, self._size / self._seen):
            self._kept[int(self._random() * self._size)] = thing

    def pick(self) -> _T:
        """Return one of the kept things."""
        return self._kept[int(self._random() * len(self._kept))]


@dataclass(slots=True)
class Counts:
    """What has been made so far; `slots` are paragraphs that could have been planted one by one."""

    documents: int = 0
    blocks: int = 0
    planted: int = 0
    slots: int = 0
    in_copies: int = 0


class Source:
    """Makes documents one after the other."""

    def __init__(self, seed: int, share: float) -> None:
        """Set up vocabularies, sites and pools for a seed and a share of planted blocks."""
        self.rng = rng = random.Random(seed)
        self.random = rng.random
        self.share = share
        self.counts = Counts()
        self.streams = (
            Stream(latin(rng), (seed, 1)),
            Stream(chinese(rng), (seed, 2)),
        )
        sites = [self._site() for _ in range(SITES)]
        self._sites = rng.choices(sites, [1 / (rank + 4) for rank in range(SITES)], k=4096)
        words = self.streams[0]
        self._names = [f"{words.phrase(1)} {words.phrase(1)}" for _ in range(500)]
        days = [date(2017, 1, 1) + timedelta(number) for number in range(3_200)]
        self._days = [
            Day(day.isoformat(), f"{day:%B} {day.day}, {day.year}", f"{day.year}年{day.month}月{day.day}日")
            for day in days
        ]
        self._blocks: tuple[Pool[tuple[str, int, bytes]], ...] = (
            Pool(KEPT_BLOCKS, rng),
            Pool(KEPT_CHINESE_BLOCKS, rng),
        )
        self._news: list[tuple[str, int, bytes]] = []
        self._documents: Pool[Document] = Pool(KEPT_DOCUMENTS, rng)

    def documents(self) -> Iterator[Document]:
        """Yield documents without end."""
        while True:
            chance = self.random()
            if not len(self._documents) or self.share <= 0:
                chance = 1.0
            if chance < EXACT_SHARE:
                document = self._crawled_again()
            elif chance < EXACT_SHARE + NEAR_SHARE:
                document = self._crawled_edited()
            elif chance < EXACT_SHARE + NEAR_SHARE + EXCERPT_SHARE:
                document = self._excerpt()
            else:
                document = self._fresh()
            self._count(document)
            yield document

    def _below(self, bound: int) -> int:
        """Draw a number from 0 up to but not including the bound."""
        return int(self.random() * bound)

    def _count(self, document: Document) -> None:
        """Bring the counts up to date."""
        counts = self.counts
        counts.documents += 1
        counts.blocks += len(document.blocks)
        counts.planted += len(document.planted)
        if document.of_doc:
            counts.in_copies += len(document.planted)

    def _site(self) -> Site:
        """Make a site with menu, share and footer lines of its own."""
        rng, words = self.rng, self.streams[0]
        name = f"{words.word()}{words.word()}{rng.randint(1, 99)}.example"
        menu = " | ".join(["Home", *(words.phrase(1) for _ in range(rng.randint(3, 7)))])
        lines = [
            "Share: " + ", ".join(words.phrase(1) for _ in range(rng.randint(2, 4))),
            f"Get the {words.phrase(rng.randint(2, 4))} letter every week",
            f"© {rng.randint(2018, 2025)} {name}. {words.phrase(rng.randint(3, 8))}.",
        ]
        after = tuple(line.encode() for line in lines[: rng.randint(1, 3)])
        return Site(name, (menu.encode(),)[: rng.randint(0, 1)], after)

    def _begin(self, is_chinese: bool) -> Document:
        """Begin a document: identifier, site, title, date, and the blocks above the article."""
        number = self.counts.documents + 1
        site = self._sites[self._below(4096)]
        day = self._days[self._below(len(self._days))]
        title = self.streams[is_chinese].phrase((4 + self._below(8)) * (1 + is_chinese))
        url = f"https://{site.name}/{day.iso[:4]}/{number}"
        spaced = self.random() < 0.4
        document = Document(f"d{number:07}", site, is_chinese, spaced, url, title, day.iso)
        for line in site.before:
            document.add(TEMPLATE, line)
        document.add(TITLE, (f"# {title}" if self.random() < 0.3 else title).encode())
        if self.random() < 0.85:
            document.add(BYLINE, self._byline(day, is_chinese))
        return document

    def _byline(self, day: Day, is_chinese: bool) -> bytes:
        """Make a line with author, date and reading time."""
        minutes = 1 + self._below(14)
        if is_chinese:
            return f"作者 {day.chinese} {minutes} min read".encode()
        name = self._names[self._below(len(self._names))]
        return f"By {name} | {day.long} | {minutes} min read".encode()

    def _end(self, document: Document) -> Document:
        """Finish a document with the lines of its site."""
        for line in document.site.after:
            document.add(TEMPLATE, line)
        return document

    def _fresh(self) -> Document:
        """Make a new document; some of its paragraphs are planted."""
        document = self._begin(self.random() < CHINESE_SHARE)
        goal = min(max(self.rng.lognormvariate(7.3, 0.95), 100), MAX_BYTES - ROOM_BYTES)
        median = max(MEDIAN, goal / 20)
        counts = self.counts
        chance = (self.share * counts.blocks - counts.in_copies) / max(counts.slots, 1)
        chance = min(max(chance, 0.0), 0.95, 10_000 / goal)  # copies are short, and would cut long texts short
        size = 0
        while size < goal and len(document.blocks) < MAX_BLOCKS - ROOM_BLOCKS:
            if goal > 800 and self.random() < 0.15 and document.kinds[-1] != HEADING:
                size += self._section(document)
            else:
                size += self._paragraph(document, median, chance)
        if document.kinds[-1] == HEADING:
            self._paragraph(document, median, chance)
        self._documents.offer(self._end(document))
        pool = self._blocks[document.chinese]
        for news in self._news:
            pool.offer(news)
        self._news.clear()
        return document

    def _section(self, document: Document) -> int:
        """Add a heading or a list and return how many bytes it has."""
        words = self.streams[document.chinese]
        unit = 1 + document.chinese
        if self.random() < 0.62:
            text = words.phrase(unit * (2 + self._below(7)))
            document.add(HEADING, (f"## {text}" if self.random() < 0.5 else text).encode())
            return len(document.blocks[-1])
        size = 0
        for _ in range(2 + self._below(5)):
            text = words.phrase(unit * (4 + self._below(13)))
            document.add(ITEM, f"- {text}".encode())
            size += len(document.blocks[-1])
        return size

    def _paragraph(self, document: Document, median: float, chance: float) -> int:
        """Add a paragraph, planted with the given chance, else new and remembered; return its bytes."""
        words = self.streams[document.chinese]
        pool = self._blocks[document.chinese]
        self.counts.slots += 1
        at = len(document.blocks)
        if len(pool) >= MIN_POOL and self.random() < chance:
            text, planted = self._copy(at, pool, words)
            document.planted.append(planted)
        else:
            text = words.paragraph(median)
            if len(text) > 50:
                self._news.append((document.id, at, text))
        document.add(PARAGRAPH, text)
        return len(text)

    def _copy(self, at: int, pool: Pool[tuple[str, int, bytes]], words: Stream) -> tuple[bytes, Planted]:
        """Copy an earlier paragraph: exactly, with other numbers, or with some words changed."""
        kind = self.random()
        doc, block, text = pool.pick()
        if kind < 0.5:
            return text, Planted(at, doc, block, "exact")
        if kind < 0.65:
            changed = renumbered(text.decode(), self.rng)
            if changed is not None:
                return changed.encode(), Planted(at, doc, block, "number")
        near, edits = self._near(text, words, 0.25 if kind < 0.8 else 0.1)
        return near, Planted(at, doc, block, "near", edits)

    def _near(self, text: bytes, words: Stream, most: float) -> tuple[bytes, int]:
        """Change one to several words of a text, at most that share of them, more often few than many."""
        parts = text.decode().split(" ") if words.separator else CHARACTERS.findall(text.decode())
        edits = int(1 + self.random() * self.random() * most * len(parts))
        edits = max(1, min(edits, int(most * len(parts))))
        return words.separator.join(edited(parts, edits, self.rng, words.word)).encode(), edits

    def _again(self, origin: Document, relation: str) -> tuple[Document, Day]:
        """Return a copy of a document under a new identifier, perhaps with a later date, and that date."""
        day = max(self._days[self._below(len(self._days))] for _ in range(2))
        document = replace(
            origin,
            id=f"d{self.counts.documents + 1:07}",
            date=max(origin.date, day.iso),
            blocks=list(origin.blocks),
            planted=[],
            of_doc=origin.id,
            relation=relation,
        )
        return document, day

    def _crawled_again(self) -> Document:
        """Return an earlier document with the same text."""
        origin = self._documents.pick()
        document, _ = self._again(origin, "exact")
        for index, kind in enumerate(document.kinds):
            if kind in PROSE:
                document.planted.append(Planted(index, origin.id, index, "exact"))
        return document

    def _crawled_edited(self) -> Document:
        """Return an earlier document with another date line and a few words changed in some paragraphs."""
        origin = self._documents.pick()
        document, day = self._again(origin, "near")
        words = self.streams[document.chinese]
        prose = [index for index, kind in enumerate(document.kinds) if kind in PROSE]
        sure = prose[self._below(len(prose))]
        if BYLINE in document.kinds:
            document.blocks[document.kinds.index(BYLINE)] = self._byline(day, document.chinese)
        for index in prose:
            planted = Planted(index, origin.id, index, "exact")
            if index == sure or self.random() < 0.25:
                mark = b"- " if document.kinds[index] == ITEM else b""
                text, edits = self._near(document.blocks[index].removeprefix(mark), words, 0.08)
                document.blocks[index] = mark + text
                planted = Planted(index, origin.id, index, "near", edits)
            document.planted.append(planted)
        return document

    def _excerpt(self) -> Document:
        """Return a document of its own that holds three or more paragraphs of an earlier one in a row."""
        for _ in range(50):
            origin = self._documents.pick()
            prose = [index for index, kind in enumerate(origin.kinds) if kind == PARAGRAPH]
            if len(prose) >= 3:
                break
        else:
            return self._fresh()
        document = self._begin(origin.chinese)
        document.of_doc, document.relation = origin.id, "excerpt"
        if self.random() < 0.6:
            document.add(PARAGRAPH, self.streams[origin.chinese].paragraph(MEDIAN))
        length = self.rng.randint(3, min(8, len(prose)))
        start = self.rng.randint(0, len(prose) - length)
        size = 0
        for run, index in enumerate(prose[start : start + length]):
            size += len(origin.blocks[index])
            if run >= 3 and size > MAX_BYTES - ROOM_BYTES:
                break
            document.planted.append(Planted(len(document.blocks), origin.id, index, "exact"))
            document.add(PARAGRAPH, origin.blocks[index])
        return self._end(document)
