"""Decisions on pages in; pages, contents and what was learnt, written into the tables of an index."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dedup.arrays import U64, Bool
from dedup.errors import Corrupt
from dedup.frequencies import Counts
from dedup.index.judging import Judge, Judged
from dedup.index.learning import Learner
from dedup.index.pages import Page, page_of
from dedup.index.records import (
    BLOCKS,
    NO_PART,
    NOTHING_KNOWN,
    PAGES,
    Content,
    Known,
    Roles,
    count_terms_in,
    label_of,
    leads,
    pack,
    rows_of,
    signed,
    tokens_in,
    unpack,
)
from dedup.index.stores import Holdings, Store
from dedup.index.verifying import Findings, in_parts
from dedup.lsh import Scheme
from dedup.reading import Progress, silent
from dedup.schema import Reason
from dedup.settings import Settings

MOST_HOLDERS = 1 << 12  # pages that are asked for at a time
MOST_PASSED_OVER = 1 << 8  # pages with a content that go themselves, where one that stays is looked for
Decision = tuple[int | None, int | None, int | None, float | None, int | None]
Passed = tuple[Known, list[Content], Sequence[Known]]  # see ``Writer._pass_on``
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
        looks: what others of its source may learn from, None where it is not kept for that.
    """

    page: Page
    id: str
    source: str | None
    seen: int
    matched: Bool
    low: bool
    language: int | None
    counts: Counts | None
    looks: bytes | None


class Writer:
    """Adds pages, and takes them out again; what it writes it enters into the state of this process."""

    def __init__(
        self, settings: Settings, schemes: tuple[Scheme, Scheme], store: Store, state: Holdings, judge: Judge,
        learner: Learner,
    ) -> None:  # fmt: skip
        self._settings, self._schemes = settings, schemes
        self._store, self._state, self._judge, self._learner = store, state, judge, learner
        self._labels: dict[int, int] = {}  # of contents that may have another one now: what it was

    def forget(self) -> None:
        """Forget what was begun: it was not written in the end."""
        self._labels.clear()

    def add(
        self, judged: Judged, name: str, now: int, language: int | None, counts: Counts | None, looks: bytes | None
    ) -> None:
        """Write a page and what is new of it.

        Args:
            judged: what was decided on it.
            name: its id.
            now: when it was seen, in seconds since 1970.
            language: that of its text, None where that was not looked for.
            counts: of its terms, likewise.
            looks: what others of its source may learn from, None for nothing.
        """
        page, whole = judged.page, judged.whole
        number, row = (last + 1 for last in self._store.last())
        rows = self._write_parts(judged, number, row)
        record = self._record(number, judged, rows, name, now, language)
        self._store.add_page(record, self._learner.count(record, looks) if whole.stays and page.print else None)
        if leads(record):
            first = whole.compared and record.family != 0 and whole.variant is None
            roles = Roles(*(np.array([flag]) for flag in (True, whole.compared, first)))
            if judged.near_whole is not None:
                self._state.enter_found(PAGES, [number], judged.near_whole, roles)
            if counts is not None and language is not None:
                self._state.count(counts, language)
        self._state.last_page = number

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
        rows: list[int] = []
        for part in judged.parts:
            rows.append(next_row if part.known is None else part.known.row)
            next_row += part.known is None
        contents = contents_of(judged, number, rows)
        new, decided = [], []
        labels: set[int] = set()
        keepers = [part.is_decided and one.keeper == one.row for part, one in zip(judged.parts, contents, strict=True)]
        for part, content, keeps in zip(judged.parts, contents, keepers, strict=True):
            if part.known is None:
                new.append(content)
            elif part.is_decided:
                decided.append(content)
                if again:
                    self._labels.setdefault(content.row, label_of(part.known))
            elif part.known.page == number and part.position not in {None, part.known.position}:
                decided.append(part.known._replace(position=part.position))
            if again and (keeps or part.known is None):
                self._store.promote(BLOCKS, content.row)
            labels |= {content.row, label_of(content if part.is_decided or part.known is None else part.known)}
        self._store.add_contents(new)
        self._store.decide_contents(decided)
        self._store.add_holders(number, labels)
        if judged.near_parts is not None and not again:
            fresh = np.array([self._state.is_fresh(own) for own in rows], np.bool_)
            first = [
                keeps and one.family != 0 and one.variant is None for keeps, one in zip(keepers, contents, strict=True)
            ]
            roles = Roles(fresh, np.array(keepers, np.bool_), np.array(first, np.bool_))
            self._state.enter_found(BLOCKS, rows, judged.near_parts, roles)
        return rows

    def remove(self, page: Known) -> None:
        """Delete a page and what only it had; decide again on what stood for it."""
        copies = self._store.copies(page.page)
        self._store.drop_page(page.page)
        self._let_go(page, set(), set(), copies)

    def replace(
        self, old: Known, judged: Judged, now: int, language: int | None, counts: Counts | None, looks: bytes | None
    ) -> None:
        """Write a page that has changed in the place of the old; decide again on what stood for what is gone.

        Args:
            old: the page as it was.
            judged: what was decided on it; the others are as for ``add``.
            now: see there.
            language: see there.
            counts: see there.
            looks: see there.
        """
        rows = self._write_parts(judged, old.page, self._store.last()[1] + 1, again=True)
        record = self._record(old.page, judged, rows, old.id, now, language)
        stands = record._replace(seen=old.seen, source=old.source, language=old.language) == old  # from elsewhere now
        copies = [] if stands else self._store.copies(old.page)
        learns = judged.whole.stays and self._store.looks_of(old.page) is not None
        self._store.replace_page(record, looks if learns else None)
        if leads(record):
            self._store.promote(PAGES, old.page)
            if counts is not None and language is not None:
                self._state.count(counts, language)
        self._state.take_promotions()
        self._let_go(old, set(rows), judged.standing, copies)

    def _let_go(self, page: Known, kept: set[int], standing: set[int], copies: Sequence[Known]) -> None:
        """Delete the contents that only a page had, but for those that are kept; decide again on what stood for it.

        Args:
            page: the page as it was.
            kept: contents that it still has.
            standing: those of them that are still matched there.
            copies: pages that stood for it.
        """
        contents = self._store.contents(rows_of(page.contents))
        gone = [one for one in contents.values() if one.row not in kept]
        self._store.drop_holders((label, page.page) for label in {x for one in gone for x in (one.row, label_of(one))})
        self._hold(page.page, self._store.contents(kept).values())
        self._pass_on(page, [one for one in contents.values() if one.row not in standing], copies)
        left = self._store.contents(one.row for one in gone)  # as they are now
        self._store.drop_contents([one.row for one in left.values() if next(self._users_of(one), None) is None])

    def _hold(self, page: int, contents: Iterable[Content]) -> set[int]:
        """Note that a page has contents, and what they stand for; return both."""
        labels = {label for one in contents for label in (one.row, label_of(one))}
        self._store.add_holders(page, labels)
        return labels

    def _pass_on(self, page: Known, contents: Iterable[Content], copies: Sequence[Known]) -> None:
        """Decide again on what stood for a page, or for what stood first there, as if it came now.

        Args:
            page: the page as it was.
            contents: some that are matched there no more.
            copies: pages that stood for it.
        """
        waiting = [(page, list(contents), copies)]
        while waiting:  # a page that stands for another now may go, and something have stood for it
            page, contents, copies = waiting.pop()
            heir = min((one for one in copies if one.twin == page.page), default=None)
            inherited = set() if heir is None else rows_of(heir.contents)
            users: dict[int, int | None] = {}  # of contents
            for one in contents:
                if one.page == page.page:
                    users |= self._free(one, inherited)
            followers = [] if heir is None else [one for one in copies if one != heir and stands_for(one, page)]
            anew = {one.page for one in copies} - {one.page for one in followers}
            twins = {one.page for one in copies if one.twin is not None}
            chosen = {user for user in users.values() if user is not None} | anew
            for number in twins_last(chosen, twins):
                waiting += self._decide_again(number, anew=number in anew)
            if heir is not None:
                others = self._follow(page, heir.page, followers)
                for number in twins_last(others, twins):
                    waiting += self._decide_again(number, anew=True)
            # those that were left to a page that goes now
            left = [row for row, user in users.items() if user in anew or (user is None and row in inherited)]
            for one in self._store.contents(left).values():
                user = self._user_of(one) if one.keeper is None else None
                if user is not None:
                    self._decide_again(user, anew=False)
            self._label_again()

    def _follow(self, page: Known, heir: int, followers: Iterable[Known]) -> list[int]:
        """Let pages stand for the first of the exact copies of the page that they stood for; return who cannot."""
        first = self._store.pages([heir])[heir]
        alone, others = leads(first) and first.keeper is None, []
        for one in followers:
            new = one._replace(keeper=heir) if alone else one
            if one.twin == page.page:
                keeper, reason = heir, Reason.EXACT_DUPLICATE_DOCUMENT
                if not alone:
                    keeper, reason = first.keeper or heir, Reason(first.reason)
                new = one._replace(twin=heir, keeper=keeper, similarity=first.similarity, reason=int(reason))
            follows = leads(first) and (alone or one.twin == page.page)
            if follows and self._judge.goes(new.reason) == self._judge.goes(one.reason):
                self._store.decide_page(new)
            else:
                others.append(one.page)
        return others

    def _free(self, content: Content, inherited: set[int]) -> dict[int, int | None]:
        """Undo what was decided on a content and on those that stand for it.

        Args:
            content: the content.
            inherited: contents of a page that is decided on again anyway: for these few others are looked at.

        Returns:
            For each the first page where it is matched, as far as one was found.
        """
        members = self._store.members(content.row) if content.keeper == content.row else []
        users = {}
        for one in (content, *members):
            self._labels.setdefault(one.row, label_of(one))
            users[one.row] = self._user_of(one, MOST_PASSED_OVER if one.row in inherited else None)
        self._store.decide_contents(freed_of((content, *members)))
        return users

    def _user_of(self, content: Content, most: int | None = None) -> int | None:
        """Return the first page that stays where a content is matched; so many that have it are looked at."""
        users = itertools.islice(self._users_of(content), most)
        return next((user.page for user in users if self._is_matched(user, content.row)), None)

    def _label_again(self) -> None:
        """Note the labels of pages with contents that had other ones."""
        before, self._labels = self._labels, {}
        now = {row: label_of(one) for row, one in self._store.contents(before).items()}
        for row, label in sorted(before.items()):
            if now.get(row, label) == label:
                continue
            after = 0
            while pages := self._store.holders_from(row, after, MOST_HOLDERS):
                after = pages[-1] + 1
                for known in self._store.pages(pages).values():
                    contents = self._store.contents(rows_of(known.contents)).values()
                    if self._hold(known.page, contents).isdisjoint({label}):
                        self._store.drop_holders([(label, known.page)])

    def _users_of(self, content: Content) -> Iterator[Known]:
        """Yield the pages that have a content, in the order of arrival."""
        after, most = 0, 1
        while pages := self._store.holders_from(content.row, after, most):
            for known in self._store.pages(pages).values():
                if content.row in rows_of(known.contents):
                    yield known
            after, most = pages[-1] + 1, min(2 * most, MOST_HOLDERS)

    def _is_matched(self, page: Known, row: int) -> bool:
        """Whether a page stays and a block of it with some content is matched."""
        rows, matched = unpack(page.contents)
        return not self._judge.goes(page.reason) and bool((matched & (rows == row)).any())

    def _decide_again(self, number: int, *, anew: bool) -> list[Passed]:
        """Decide on a page that is there as if it came now; but only those before it may contain it.

        Args:
            number: of the page.
            anew: whether on the page as a whole too, not on its blocks alone.

        Returns:
            What stood for the page, or for blocks of it, that goes now.
        """
        page = self._store.pages([number]).get(number)
        if page is None or page.reason == Reason.LOW_SUBSTANCE_DOCUMENT:
            return []
        matched = unpack(page.contents)[1]
        again = page_of(self.parts_of(page), page.print, self._settings.min_tokens, self._schemes)
        if not anew:
            judged = self._judge.judge_blocks_again(again, matched, page)
            self._write_parts(judged, number, self._store.last()[1] + 1, again=True)
            self._state.take_promotions()
            return []
        judged = self._judge.judge_again(again, page.source, matched, page)
        whole = judged.whole
        new = page._replace(
            reason=int(whole.reason), twin=whole.twin, keeper=whole.keeper, similarity=whole.nearness,
            variant=whole.variant,
        )  # fmt: skip
        copies = self._store.copies(number)
        self._store.decide_page(new)
        self._write_parts(judged, number, self._store.last()[1] + 1, again=True)
        if leads(new) and (not leads(page) or (new.keeper is None and page.keeper is not None)):
            self._store.promote(PAGES, number)
        self._state.take_promotions()
        contents = self._store.contents(rows_of(page.contents)).values()
        fallen = [one for one in contents if one.page == number and one.row not in judged.standing]
        went = not whole.stays and not self._judge.goes(page.reason)
        return [(page, fallen, copies)] if fallen or (went and copies) else []

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
        judged = self._judge.judge_again(arrival.page, arrival.source, arrival.matched, before, low=arrival.low)
        if before is None:
            self.add(judged, arrival.id, arrival.seen, arrival.language, arrival.counts, arrival.looks)
        else:
            self.replace(before, judged, arrival.seen, arrival.language, arrival.counts, arrival.looks)
        return True

    def arrival_of(self, known: Known) -> Arrival:
        """Return a page of this index as it comes to another."""
        parts = self.parts_of(known)
        page = page_of(parts, known.print, self._settings.min_tokens, self._schemes)
        return Arrival(
            page, known.id, known.source, known.seen, unpack(known.contents)[1],
            known.reason == Reason.LOW_SUBSTANCE_DOCUMENT, known.language,
            None if known.language is None else count_terms_in([tokens for _, tokens in parts], known.language),
            self._store.looks_of(known.page),
        )  # fmt: skip

    def mend(self, found: Findings) -> None:
        """Take out what is damaged, decide again on what stood for it, and note anew which page has what."""
        self._take_out(found)
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
        again: set[tuple[bool, int]] = set()  # twins behind what they are twins of
        for pages in in_parts(self._store.pages_after, lambda one: one.page):
            for one in pages:
                rows = rows_of(one.contents)
                self._store.add_holders(one.page, rows | {keepers[row] or row for row in rows})
                lonely = one.keeper is not None and one.keeper not in numbers
                if one.page in found.astray or rows & astray or lonely:
                    again.add((one.twin is not None, one.page))
        self._state.make_again()
        self._state.refresh()
        for _, number in sorted(again):
            for passed in self._decide_again(number, anew=True):
                self._pass_on(*passed)
        self._label_again()

    def _take_out(self, found: Findings) -> None:
        """Take out what is damaged, and contents that nobody has then."""
        self._store.forget_looks(found.unlearnable)
        for name in found.unlearnt:
            self._store.set_source(name, NOTHING_KNOWN)
        for number in found.broken:
            self._store.drop_page(number)
        self._store.drop_contents(found.damaged)
        self._store.drop_contents(self.unused())

    def unused(self, progress: Progress = silent) -> list[int]:
        """Return the contents that no page has."""
        used: set[int] = set()
        last, done, total = 0, 0, self._store.count("pages")
        while pages := self._store.pages_after(last):
            for page in pages:
                used.update(rows_of(page.contents))
            last, done = pages[-1].page, done + len(pages)
            progress("looking for unused contents", done, total)
        return [row for row in self._store.content_rows() if row not in used]


def contents_of(judged: Judged, page: int, rows: Sequence[int]) -> list[Content]:
    """Return the contents of a page, of these rows, with what was decided on them now."""
    families = dict(zip(judged.page.long.tolist(), judged.page.sketches.families.tolist(), strict=True))

    def numbered(of: int | None) -> int | None:
        return of if of is None or of >= 0 else rows[~of]

    told = judged.page.tokens
    tokens, prints, bounds = told.hashes.tobytes(), told.fingerprints.tobytes(), (8 * told.bounds).tolist()
    contents = []
    for part, row in zip(judged.parts, rows, strict=True):
        decision: Decision = NOT_MATCHED
        if part.is_decided:
            decision = page, part.position, numbered(part.keeper), part.similarity, numbered(part.variant)
        block = part.block
        print_, text = prints[16 * block : 16 * block + 16], tokens[bounds[block] : bounds[block + 1]]
        contents.append(Content(row, print_, signed(families.get(block, 0)), *decision, text))
    return contents


def twins_last(pages: Iterable[int], twins: set[int]) -> list[int]:
    """Return pages in the order of arrival, those behind that may be twins of others of them."""
    return sorted(pages, key=lambda page: (page in twins, page))


def stands_for(copy: Known, page: Known) -> bool:
    """Whether a page stands for another as a copy of it, and not as a part."""
    return copy.twin == page.page or (copy.keeper == page.page and copy.reason != Reason.CONTAINED_DOCUMENT)


def freed_of(contents: Iterable[Content]) -> Iterator[Content]:
    """Yield contents as they are where nothing was decided on them."""
    for one in contents:
        yield one._replace(page=None, position=None, keeper=None, similarity=None, variant=None)
