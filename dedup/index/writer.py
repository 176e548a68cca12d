"""Decisions on pages in; pages, contents and what was learnt, written into the tables of an index."""

from __future__ import annotations

import collections
import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dedup.arrays import U64, Bool
from dedup.errors import Corrupt
from dedup.frequencies import Counts
from dedup.index.furniture import GROWTH, MOST_MORE, SAMPLED, Furniture, Sampled, furniture_in, learn, looks_of
from dedup.index.judging import Judge, Judged
from dedup.index.pages import Page, page_of, with_signatures
from dedup.index.records import (
    BLOCKS,
    NO_PART,
    NO_TOKENS,
    PAGES,
    Content,
    Known,
    Roles,
    Source,
    count_terms_in,
    first_half,
    pack,
    rows_of,
    signed,
    tokens_in,
    unpack,
)
from dedup.index.stores import Holdings, Store
from dedup.index.verifying import Findings, in_parts
from dedup.kernels.classes import LEAST_PAGES
from dedup.lsh import Scheme
from dedup.reading import Progress
from dedup.schema import Reason
from dedup.settings import Settings
from dedup.workspace import Workspace

MOST_HOLDERS = 1 << 12  # pages that are asked for at a time
MOST_LEARNT = 256  # sources whose furniture is kept at hand
UNNAMED = ""  # the source of pages without one
Decision = tuple[int | None, int | None, int | None, float | None, int | None]
NOT_MATCHED: Decision = (None,) * 5  # page, position, keeper, similarity and variant of such a content


class Arrival(NamedTuple):
    """A page that was looked at elsewhere.

    Attributes:
        page: the page, see ``page_of``.
        id: what it is called.
        source: where it comes from.
        seen: when, in seconds since 1970.
        matched: bool[n], blocks that are matched if it stays.
        low: whether it says too little.
        language: a number of ``dedup.background``, None where it was not looked for.
        counts: of its terms, likewise.
    """

    page: Page
    id: str
    source: str | None
    seen: int
    matched: Bool
    low: bool
    language: int | None
    counts: Counts | None


class Writer:
    """Adds pages, and takes them out again; what it writes it enters into the state of this process."""

    def __init__(
        self, settings: Settings, schemes: tuple[Scheme, Scheme], store: Store, state: Holdings, judge: Judge
    ) -> None:
        self._settings, self._schemes = settings, schemes
        self._store, self._state, self._judge = store, state, judge
        self._workspace: Workspace | None = None  # made when something is learnt
        self._furniture: collections.OrderedDict[str, tuple[int | None, Furniture]] = collections.OrderedDict()

    def close(self) -> None:
        """Delete what was needed for the work."""
        if self._workspace is not None:
            self._workspace.close()
            self._workspace = None

    def furniture_of(self, source: str | None) -> Furniture:
        """Return what recurs in a source."""
        key = UNNAMED if source is None else source
        number = self._store.source(key).learnt
        held = self._furniture.get(key)
        if held is None or held[0] != number:
            held = number, furniture_in(None if number is None else self._store.learnt(number))
            self._furniture[key] = held
            if len(self._furniture) > MOST_LEARNT:
                self._furniture.popitem(last=False)
        self._furniture.move_to_end(key)
        return held[1]

    def add(self, judged: Judged, name: str, now: int, language: int | None, counts: Counts | None) -> None:
        """Write a page and what is new of it.

        Args:
            judged: what was decided on it.
            name: its id.
            now: when it was seen, in seconds since 1970.
            language: that of its text, None where that was not looked for.
            counts: of its terms, likewise.
        """
        page, whole = judged.page, judged.whole
        number, row = (last + 1 for last in self._store.last())
        rows = self._write_parts(judged, number, row)
        record = self._record(number, judged, rows, name, now, language)
        learns = whole.stays and bool(page.print) and page.looks.keys.size == page.size
        self._store.add_page(record, self._learn(judged, record) if learns else None)
        if self._is_found(judged):
            leads = whole.compared and record.family != 0 and whole.variant is None
            roles = Roles(*(np.array([flag]) for flag in (True, whole.compared, leads)))
            if judged.near_whole is not None:
                self._state.enter_found(PAGES, [number], judged.near_whole, roles)
            if counts is not None and language is not None:
                self._state.count(counts, language)
        self._state.last_page = number

    def _is_found(self, judged: Judged) -> bool:
        """Whether others are to find a page by its fingerprint: it is the first with its tokens."""
        whole = judged.whole
        return bool(judged.page.print) and whole.twin is None and whole.reason != Reason.LOW_SUBSTANCE_DOCUMENT

    def _record(
        self, number: int, judged: Judged, rows: Sequence[int], name: str, now: int, language: int | None
    ) -> Known:
        """Put together what is written of a page; ``rows`` are those of its parts."""
        page, whole = judged.page, judged.whole
        family = int(page.doc.families[0]) if page.print else 0
        packed = pack([None if k is None else rows[k] for k in judged.part_of], judged.matched)
        return Known(
            number, name, judged.source, now, page.print, signed(family), int(whole.reason), whole.twin, whole.keeper,
            whole.nearness, whole.variant, language, packed,
        )  # fmt: skip

    def _write_parts(self, judged: Judged, number: int, next_row: int, *, again: bool = False) -> list[int]:
        """Write what is new of the contents of a page, or decided on them; return their rows.

        Args:
            judged: what was decided.
            number: of the page.
            next_row: of the first content that is new.
            again: whether the page is there, and was decided on again.
        """
        page, parts = judged.page, judged.parts
        families = dict(zip(page.long.tolist(), page.sketches.families.tolist(), strict=True))
        rows: list[int] = []
        for part in parts:
            rows.append(next_row if part.known is None else part.known.row)
            next_row += part.known is None

        def numbered(of: int | None) -> int | None:
            return of if of is None or of >= 0 else rows[~of]

        new, decided, keepers, leaders, labels = [], [], [], [], set()
        for part, own in zip(parts, rows, strict=True):
            now_matched = not part.settled and part.keeper is not None
            tokens, family = page.tokens_of(part.block), families.get(part.block, 0)
            decision: Decision = NOT_MATCHED
            if now_matched:
                decision = number, part.position, numbered(part.keeper), part.similarity, numbered(part.variant)
            content = Content(own, page.print_of(part.block), signed(family), *decision, tokens.tobytes())
            if part.known is None:
                new.append(content)
            elif now_matched:
                decided.append(content)
            keeps = now_matched and content.keeper == own
            keepers.append(keeps)
            leaders.append(keeps and family != 0 and content.variant is None)
            if again and (keeps or part.known is None):
                self._store.promote(BLOCKS, own)
            keeper = part.known.keeper if part.known is not None and part.keeper is None else numbered(part.keeper)
            labels.add(own if keeper is None else keeper)
        self._store.add_contents(new)
        self._store.decide_contents(decided)
        self._store.add_holders(number, labels)
        if judged.near_parts is not None and not again:
            fresh = np.array([self._state.is_fresh(own) for own in rows], np.bool_)
            roles = Roles(fresh, np.array(keepers, np.bool_), np.array(leaders, np.bool_))
            self._state.enter_found(BLOCKS, rows, judged.near_parts, roles)
        return rows

    def _learn(self, judged: Judged, record: Known) -> bytes | None:
        """Count a page of a source, and learn from those there are if it is time; return what is kept of this one."""
        key = UNNAMED if record.source is None else record.source
        known = self._store.source(key)
        own = signed(first_half(record.print))
        looks = looks_of(judged.page) if known.cut is None or own < known.cut else None
        pages = known.pages + 1
        if pages < max(LEAST_PAGES, known.due):
            self._store.set_source(key, known._replace(pages=pages))
            return looks
        sample = self._store.sample(record.source)
        if looks is not None:
            sample.append((record.page, record.print, record.contents, looks))
        sample.sort(key=lambda one: signed(first_half(one[1])))
        cut, due = None, pages + min(MOST_MORE, math.ceil((GROWTH - 1) * pages))
        if len(sample) > SAMPLED:
            gone = {page for page, *_ in sample[SAMPLED:]}
            self._store.forget_looks(gone - {record.page})
            looks = None if record.page in gone else looks
            cut = signed(first_half(sample[SAMPLED][1]))
        learnt = self._learnt_from(sample[:SAMPLED], record.source)
        self._store.set_source(key, Source(pages, due, cut, self._store.set_learnt(known.learnt, learnt)))
        return looks

    def _learnt_from(self, sample: list[tuple[int, bytes, bytes, bytes]], source: str | None) -> bytes:
        """Find what recurs on some pages of a source."""
        contents = [unpack(packed)[0] for _, _, packed, _ in sample]
        found = self._store.contents(set().union(*(rows_of(packed) for _, _, packed, _ in sample)))
        places = {row: k for k, row in enumerate(found)}
        bounds = np.cumsum([0, *(len(one.tokens) // 8 for one in found.values())])
        tokens = np.concatenate([NO_TOKENS, *(tokens_in(one) for one in found.values())])
        pages = [
            Sampled(looks, np.array([places.get(row, -1) for row in rows.tolist()], np.int64), first_half(print_))
            for (_, print_, _, looks), rows in zip(sample, contents, strict=True)
        ]
        self._workspace = self._workspace or Workspace()
        return learn(pages, (tokens, bounds), source, self._workspace)

    def remove(self, page: Known) -> None:
        """Delete a page and what only it had; decide again on what stood for it."""
        copies = self._copies_of(page)
        self._store.drop_page(page.page)
        self._let_go(page, set(), copies)

    def replace(self, old: Known, judged: Judged, now: int, language: int | None, counts: Counts | None) -> None:
        """Write a page that has changed in the place of the old; decide again on what stood for what is gone.

        Args:
            old: the page as it was.
            judged: what was decided on it; the others are as for ``add``.
            now: see there.
            language: see there.
            counts: see there.
        """
        page, whole = judged.page, judged.whole
        rows = self._write_parts(judged, old.page, self._store.last()[1] + 1, again=True)
        record = self._record(old.page, judged, rows, old.id, now, language)
        looks = looks_of(page) if self._store.looks_of(old.page) is not None and whole.stays else None
        copies = self._copies_of(old)
        self._store.replace_page(record, looks)
        if self._is_found(judged):
            self._store.promote(PAGES, old.page)
            if counts is not None and language is not None:
                self._state.count(counts, language)
        self._state.take_promotions()
        self._let_go(old, set(rows), copies)

    def _copies_of(self, page: Known) -> dict[int, Known]:
        """Return the pages that stand for a page, by number."""
        return {one.page: one for one in self._store.copies(page.page) if one.page != page.page}

    def _let_go(self, page: Known, kept: set[int], again: dict[int, Known]) -> None:
        """Delete the contents that only a page had, but for those that are kept; decide again on what stood for them.

        Args:
            page: the page as it was.
            kept: contents that it still has.
            again: pages to decide on again beside.
        """
        contents = self._store.contents(rows_of(page.contents) - kept)
        gone = {label for one in contents.values() for label in (one.row, one.keeper)} - {None}
        self._store.drop_holders([(label, page.page) for label in gone if label is not None])
        if kept:
            self._hold(page.page, self._store.contents(kept))
        labels: set[int] = set()
        for one in contents.values():
            if one.page == page.page:
                again.update(self._free(one))
                labels.add(one.row if one.keeper is None else one.keeper)
        for number in sorted(again):
            self._decide_again(again[number])
        for label in sorted(labels):
            self._label_again(label)
        left = self._store.contents(contents)  # as they are now
        self._store.drop_contents([one.row for one in left.values() if next(self._users_of(one), None) is None])

    def _hold(self, page: int, contents: Mapping[int, Content]) -> set[int]:
        """Note that a page has contents; return their labels."""
        labels = {one.row if one.keeper is None else one.keeper for one in contents.values()}
        self._store.add_holders(page, labels)
        return labels

    def _free(self, content: Content) -> dict[int, Known]:
        """Undo what was decided on a content and on those that stand for it; return the pages to decide on again."""
        members = self._store.members(content.row) if content.keeper == content.row else []
        again = {}
        for one in (content, *members):
            user = next((user for user in self._users_of(one) if self._is_matched(user, one.row)), None)
            if user is not None:
                again[user.page] = user
        self._store.decide_contents(freed_of((content, *members)))
        return again

    def _label_again(self, label: int) -> None:
        """Note the labels of pages that had one which may stand for nothing any more."""
        after = 0
        while pages := self._store.holders_from(label, after, MOST_HOLDERS):
            after = pages[-1] + 1
            for known in self._store.pages(pages).values():
                contents = self._store.contents(rows_of(known.contents))
                if label not in self._hold(known.page, contents):
                    self._store.drop_holders([(label, known.page)])

    def _users_of(self, content: Content) -> Iterator[Known]:
        """Yield the pages that have a content, in the order of arrival."""
        labels = {content.row, content.row if content.keeper is None else content.keeper}
        found = heapq.merge(*(self._holders_of(label) for label in labels))
        for number, _ in itertools.groupby(found):
            known = self._store.pages([number]).get(number)
            if known is not None and content.row in rows_of(known.contents):
                yield known

    def _holders_of(self, label: int) -> Iterator[int]:
        """Yield the pages with a label, ascending."""
        after, most = 0, 1
        while pages := self._store.holders_from(label, after, most):
            yield from pages
            after, most = pages[-1] + 1, min(2 * most, MOST_HOLDERS)

    def _is_matched(self, page: Known, row: int) -> bool:
        """Whether a page stays and a block of it with some content is matched."""
        rows, matched = unpack(page.contents)
        return not self._judge.goes(page.reason) and bool((matched & (rows == row)).any())

    def _decide_again(self, page: Known) -> None:
        """Decide on a page that is there as if it came at its place."""
        if page.reason == Reason.LOW_SUBSTANCE_DOCUMENT:
            return
        matched = unpack(page.contents)[1]
        parts = self.parts_of(page)
        again = page_of(parts, page.print, self._settings.min_tokens, self._schemes)
        judged = self._judge.judge_again(again, page.source, matched, page)
        whole = judged.whole
        self._store.decide_page(
            page._replace(
                reason=int(whole.reason), twin=whole.twin, keeper=whole.keeper, similarity=whole.nearness,
                variant=whole.variant,
            )
        )  # fmt: skip
        self._write_parts(judged, page.page, self._store.last()[1] + 1, again=True)
        if (
            page.print
            and whole.twin is None
            and (page.twin is not None or (whole.compared and page.keeper is not None))
        ):
            self._store.promote(PAGES, page.page)
        self._state.take_promotions()

    def parts_of(self, known: Known) -> list[tuple[bytes, U64]]:
        """Return fingerprints and tokens of a page's blocks."""
        rows = unpack(known.contents)[0].tolist()
        contents = self._store.contents(rows_of(known.contents))
        try:
            return [(contents[row].print, tokens_in(contents[row])) if row >= 0 else NO_PART for row in rows]
        except KeyError as error:
            raise Corrupt(f"page {known.id!r} has contents that are missing: dedup index verify --repair") from error

    def take(self, arrival: Arrival) -> bool:
        """Add a page that was looked at elsewhere; return whether it was: of an id that is there the newer stays."""
        before = self._store.page_called(arrival.id)
        if before is not None:
            if before.seen > arrival.seen:
                return False
            if before.print == arrival.page.print and before.source == arrival.source:
                self._store.touch(before.page, arrival.seen)
                return False
            self.remove(before)
        page = with_signatures(arrival.page, self._schemes)
        judged = self._judge.judge_again(page, arrival.source, arrival.matched, None, low=arrival.low)
        self.add(judged, arrival.id, arrival.seen, arrival.language, arrival.counts)
        return True

    def arrival_of(self, known: Known) -> Arrival:
        """Return a page of this index as it comes to another."""
        parts = self.parts_of(known)
        page = page_of(parts, known.print, self._settings.min_tokens, self._schemes)
        return Arrival(
            page, known.id, known.source, known.seen, unpack(known.contents)[1],
            known.reason == Reason.LOW_SUBSTANCE_DOCUMENT, known.language,
            None if known.language is None else count_terms_in([tokens for _, tokens in parts], known.language),
        )  # fmt: skip

    def mend(self, found: Findings) -> None:
        """Take out what is damaged, decide again on what stood for it, and note anew which page has what."""
        for number in found.broken:
            self._store.drop_page(number)
        self._store.drop_contents(found.damaged)
        numbers: set[int] = set()
        keepers: dict[int, int | None] = {}
        lost: set[int] = set()  # contents of which nobody knows where they stand first
        for pages in in_parts(self._store.pages_after, lambda one: one.page):
            numbers.update(page.page for page in pages)
        for contents in in_parts(self._store.contents_after, lambda one: one.row):
            keepers.update({one.row: one.keeper for one in contents})
            lost.update(one.row for one in contents if one.keeper is not None and one.page not in numbers)
        lost.update(row for row, keeper in keepers.items() if keeper is not None and keepers.get(keeper) != keeper)
        astray = lost | {row for row, keeper in keepers.items() if keeper in lost}
        for contents in in_parts(self._store.contents_after, lambda one: one.row):
            self._store.decide_contents(freed_of(one for one in contents if one.row in astray))
        keepers.update(dict.fromkeys(astray))
        self._store.clear_holders()
        again: dict[int, Known] = {}
        for pages in in_parts(self._store.pages_after, lambda one: one.page):
            for one in pages:
                rows = rows_of(one.contents)
                self._store.add_holders(one.page, {keepers[row] or row for row in rows})
                lonely = one.keeper is not None and one.keeper not in numbers
                if one.page in found.astray or rows & astray or lonely:
                    again[one.page] = one
        self._state.make_again()
        self._state.refresh()
        for number in sorted(again):
            self._decide_again(again[number])

    def unused(self, progress: Progress) -> list[int]:
        """Return the contents that no page has."""
        used: set[int] = set()
        last, done, total = 0, 0, self._store.count("pages")
        while pages := self._store.pages_after(last):
            for page in pages:
                used.update(rows_of(page.contents))
            last, done = pages[-1].page, done + len(pages)
            progress("looking for unused contents", done, total)
        return [row for row in self._store.content_rows() if row not in used]


def freed_of(contents: Iterable[Content]) -> Iterator[Content]:
    """Yield contents as they are where nothing was decided on them."""
    for one in contents:
        yield one._replace(page=None, position=None, keeper=None, similarity=None, variant=None)
