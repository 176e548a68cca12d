"""A page and what an index holds in; the decisions on it and on each of its blocks out.

The order of the stages is that of ``dedup.decide``: the page, its boilerplate, its substance, then the blocks of a page
that stays, and whether another contains it.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dedup.arrays import U8, Bool, lengths_of
from dedup.articles import parts_of, with_boilerplate
from dedup.decide import dropped_reasons
from dedup.index.arrivals import Keys, Neighbours, Other, bits_apart, joined, neighbours_of, settle, take_sketches
from dedup.index.furniture import Furniture, Judgement, judge_page
from dedup.index.pages import Page
from dedup.index.records import BLOCKS, LATEST, PAGES, Content, Known, leads, tokens_in, unpack, unsigned
from dedup.index.stores import Holdings, Store
from dedup.kernels.compare import Rules
from dedup.kernels.contain import longest_common
from dedup.kernels.tables import FREE
from dedup.lsh import BLOCK_SHINGLES, DOC_SHINGLES
from dedup.schema import Reason
from dedup.settings import Settings
from dedup.substance import Scores, fitted, put_together, score

LOOKED_UP = 1 << 10  # contents that are looked up at a time
COMMON = 64  # pages beyond which a block does not tell which page contains another
MOST_COMPARED = 1 << 24  # pairs of blocks that are compared to find out whether a page contains another


class Whole(NamedTuple):
    """What was decided on a page.

    Attributes:
        reason: why it goes, or what is reported only.
        partner: the page that reason speaks of, None for none.
        similarity: to the partner, None where there is none.
        stays: whether it does.
        twin: the first page with the same tokens, None for itself.
        keeper: the page it stands for, see ``Known``.
        variant: first keeper of its family, where it keeps itself beside it.
        nearness: what is kept as similarity, see ``Known``.
        compared: whether others are compared with it.
    """

    reason: Reason
    partner: int | None
    similarity: float | None
    stays: bool
    twin: int | None
    keeper: int | None
    variant: int | None
    nearness: float | None
    compared: bool


ALONE = Whole(Reason.NONE, None, None, stays=True, twin=None, keeper=None, variant=None, nearness=None, compared=True)
LOW = ALONE._replace(reason=Reason.LOW_SUBSTANCE_DOCUMENT, stays=False, compared=False)


class Part(NamedTuple):
    """A distinct content of a page's blocks, and what was decided on it.

    Attributes:
        block: the first of the page's blocks with it; ``position``, the first that is matched, None for none.
        position: see ``block``.
        known: what the index knows of it; None for nothing.
        long: whether it has tokens enough to be dropped as a duplicate.
        settled: whether it had been decided on.
        keeper: what it stands for: a row of the index, ``~k`` for the k-th content of the page, None where no block
            with it is matched.
        similarity: to the keeper, or else to the variant.
        variant: like ``keeper``, first keeper of its family.
    """

    block: int
    position: int | None
    known: Content | None
    long: bool
    settled: bool
    keeper: int | None
    similarity: float | None
    variant: int | None

    @property
    def is_decided(self) -> bool:
        """Whether it was decided on now."""
        return not self.settled and self.keeper is not None


UNDECIDED = (False, None, None, None)  # the last columns of a content on which nothing was decided


class Judged(NamedTuple):
    """All that was decided.

    Attributes:
        page: the page; ``source``, where it comes from.
        source: see ``page``.
        boilerplate: what of it is.
        scores: how much it says, None where that is not scored.
        reasons: uint8[n], why each block goes for what it is, a code of ``Reason``.
        matched: bool[n], blocks that are matched if the page stays.
        own: the page as the index has it, None for one that it has not.
        near_whole: what the page was looked up by, None where it was not; ``near_parts``, its contents, likewise.
        near_parts: see ``near_whole``.
        whole: what was decided on the page.
        parts: its contents; ``part_of``, the content of each block, None for blocks without a token.
        part_of: see ``parts``.
        known: contents of the index that were looked at.
    """

    page: Page
    source: str | None
    boilerplate: Judgement
    scores: Scores | None
    reasons: U8
    matched: Bool
    own: Known | None
    near_whole: Neighbours | None
    near_parts: Neighbours | None
    whole: Whole
    parts: list[Part]
    part_of: list[int | None]
    known: dict[int, Content]

    @property
    def standing(self) -> set[int]:
        """Contents that the index knew and that are matched on the page, if it stays."""
        return {part.known.row for part in self.parts if part.known is not None and part.position is not None}


class Judge:
    """Decides on pages by what an index holds; writes nothing."""

    def __init__(self, settings: Settings, store: Store, state: Holdings) -> None:
        self._settings, self._store, self._state = settings, store, state
        self._dropping = dropped_reasons(settings)
        variants_go = "number_variant" in settings.drop
        limits = settings.bucket_limit, settings.candidate_limit
        self._of_blocks = Rules(*BLOCK_SHINGLES, settings.threshold, variants_go, variants_go, *limits)
        family_matches, joins = True, "number_variant_document" in settings.drop
        self._of_pages = Rules(*DOC_SHINGLES, settings.doc_threshold, family_matches, joins, *limits)

    def goes(self, reason: int) -> bool:
        """Whether what has this reason goes."""
        return reason == Reason.LOW_SUBSTANCE_DOCUMENT or bool(self._dropping[reason])

    def judge(
        self, page: Page, source: str | None, furniture: Furniture, own: Known | None = None, *, same: bool = False
    ) -> Judged:
        """Decide on a page.

        Args:
            page: the page.
            source: where it comes from.
            furniture: what recurs there.
            own: the page as the index has it, which is no copy of itself; None for one that it has not.
            same: whether it is that page still, so that what was decided on its copies stands.
        """
        boilerplate = judge_page(page, furniture, source, self._settings.boilerplate)
        scores = self._score(page, boilerplate)
        reasons = boilerplate.reasons
        if scores is not None and "filler" in self._settings.drop:
            filler = (scores.substance < self._settings.filler) & ~self._dropping[reasons]
            reasons = np.where(filler, np.uint8(Reason.FILLER), reasons)
        matched = lengths_of(page.tokens.bounds) > 0
        matched &= ~self._dropping[reasons]
        least = self._settings.min_substance
        low = scores is not None and least is not None and bool(scores.articles[0] < least)
        if own is not None and same:
            whole, near = self._whole_of(own), None
        else:
            whole, near = (LOW, None) if low else self._judge_whole(page, own)
        before = LATEST if own is None else own.page
        stands = own is not None and same and own.reason != Reason.CONTAINED_DOCUMENT
        rest = self._judge_rest(page, whole, matched, own, None if stands else before, same=same)
        return Judged(page, source, boilerplate, scores, reasons, matched, own, near, *rest)

    def judge_again(
        self, page: Page, source: str | None, matched: Bool, own: Known | None, *, low: bool = False
    ) -> Judged:
        """Decide on a page that was looked at before, see ``page_of``.

        Args:
            page: the page.
            source: where it comes from.
            matched: bool[n], blocks that are matched if it stays.
            own: the page as the index has it, which is no copy of itself; None for one that it has not.
            low: whether it says too little.
        """
        whole, near = (LOW, None) if low else self._judge_whole(page, own)
        return self._judged_again(page, source, matched, own, whole, near, LATEST if own is None else own.page)

    def judge_blocks_again(self, page: Page, matched: Bool, own: Known) -> Judged:
        """Decide on the blocks of a page as the index has it; what was decided on it as a whole stands."""
        return self._judged_again(page, own.source, matched, own, self._whole_of(own), None, None)

    def _judged_again(
        self, page: Page, source: str | None, matched: Bool, own: Known | None, whole: Whole, near: Neighbours | None,
        before: int | None,
    ) -> Judged:  # fmt: skip
        """Decide on the rest of a page that was looked at before."""
        nothing = Judgement(np.zeros(page.size, np.uint8), np.zeros(page.size, np.float32), low_evidence=True)
        rest = self._judge_rest(page, whole, matched, own, before)
        return Judged(page, source, nothing, None, nothing.reasons, matched, own, near, *rest)

    def _judge_rest(
        self, page: Page, whole: Whole, matched: Bool, own: Known | None, before: int | None, *, same: bool = False
    ) -> tuple[Neighbours | None, Whole, list[Part], list[int | None], dict[int, Content]]:
        """Decide on the blocks of a page, if it stays, and whether a page that arrived before some other contains it.

        Args:
            page: the page.
            whole: what was decided on it.
            matched: bool[n], blocks that are matched if it stays.
            own: the page as the index has it, None for one that it has not.
            before: the other page; None to leave that open.
            same: whether the page is what ``own`` says.
        """
        known: dict[int, Content] = {}
        undecided, part_of = self._find_parts(page)
        if not undecided:
            return None, whole, undecided, part_of, known
        replaced = None if same else own
        parts, near = self._judge_parts(page, undecided, part_of, matched & whole.stays, known, replaced)
        if whole.stays and whole.reason == Reason.NONE and before is not None:
            decided = [parts[k] for k, yes in zip(part_of, matched.tolist(), strict=True) if k is not None and yes]
            labels = [one.keeper for one in decided if one.long and one.keeper is not None]
            whole = self._contained(whole, labels, own, before)
            if not whole.stays:
                parts, near = self._judge_parts(page, undecided, part_of, matched & False, known, replaced)
        return near, whole, parts, part_of, known

    def _whole_of(self, own: Known) -> Whole:
        """Return what was decided on a page of the index."""
        reason, stays = Reason(own.reason), not self.goes(own.reason)
        if reason == Reason.CONTAINED_DOCUMENT and stays:
            reason = Reason.NONE  # it is looked for anew
        partner, nearness = own.variant if own.keeper is None else own.keeper, own.similarity
        if own.keeper is None and own.variant is not None:
            first = self._store.pages([own.variant]).get(own.variant)
            if first is None or not leads(first) or first.keeper is not None:  # which is gone, or another page by now
                reason, partner, nearness = Reason.NONE, None, None
        similarity = 1.0 if reason == Reason.EXACT_DUPLICATE_DOCUMENT else nearness
        return Whole(
            reason, partner, similarity, stays, own.twin, own.keeper, own.variant, nearness, own.keeper is None
        )

    def _score(self, page: Page, boilerplate: Judgement) -> Scores | None:
        """Score the substance of a page."""
        said = page.said
        if said is None:
            return None
        lengths = lengths_of(page.tokens.bounds)
        content = np.where(lengths > 0, np.arange(page.size), FREE)
        spoken = put_together(
            page.blocks.bounds, content, page.tokens.hashes, page.tokens.bounds, said.titles, said.languages,
            self._state.weights(int(said.languages[0])),
        )  # fmt: skip
        forms = with_boilerplate(said.forms, boilerplate.reasons)
        return score(np.zeros(1, np.int64), spoken, parts_of(forms), said.letters, said.names, forms, fitted())

    def _judge_whole(self, page: Page, own: Known | None) -> tuple[Whole, Neighbours | None]:
        """Decide on a page as a whole; return also what it was looked up by."""
        if not page.print:
            return ALONE._replace(compared=False), None
        keys = Keys(page.tokens.doc_fingerprints[:, 0], np.zeros(1, np.int64), page.doc)
        hits = self._state.find(PAGES, keys, bits_apart(self._of_pages.threshold))
        near = neighbours_of(keys, hits, self._of_pages.candidate_limit)
        return self._decide_whole(page, near, own), near

    def _decide_whole(self, page: Page, near: Neighbours, own: Known | None) -> Whole:
        """Decide on a page by those that share a key with it."""
        found = self._store.pages({*near.prints[0], *near.families[0], *near.near[0]})
        # what stands for the page as it was is decided on after it
        earlier = {
            number: one for number, one in found.items()
            if leads(one) and (own is None or own.page not in {number, one.keeper})
        }  # fmt: skip
        twin = min((n for n in near.prints[0] if n in earlier and earlier[n].print == page.print), default=None)
        family = int(page.doc.families[0])
        if twin is not None:
            same = earlier[twin]
            keeper = twin if same.keeper is None else same.keeper
            nearness = same.similarity or 0.0
            exact = same.keeper is None
            reason = Reason.EXACT_DUPLICATE_DOCUMENT if exact else self._nearly(nearness)
            stays = not self.goes(reason)
            similarity = 1.0 if exact else nearness
            return Whole(reason, keeper, similarity, stays, twin, keeper, None, same.similarity, compared=False)
        alone = {n: one for n, one in earlier.items() if one.keeper is None}
        relatives = [n for n in near.families[0] if n in alone and unsigned(alone[n].family) == family]
        candidates = [n for n in near.near[0] if n in alone]
        if not candidates and not relatives:
            return ALONE

        def other(number: int) -> Other:
            return Other(np.concatenate(self._state.tokens_of(alone[number])), unsigned(alone[number].family))

        settled = settle(
            [page.tokens.hashes], page.doc, near.sizes[: self._state.bands(PAGES)], [candidates],
            [min(relatives, default=None)], near.ordinals, other, self._of_pages,
        )  # fmt: skip
        keeper, variant, similarity = settled.keepers[0], settled.variants[0], float(settled.similarity[0])
        if keeper >= 0:
            reason = self._nearly(similarity)
            stays = not self.goes(reason)
            return Whole(reason, keeper, similarity, stays, None, keeper, None, similarity, compared=False)
        if variant is not None:
            reason = Reason.NUMBER_VARIANT_DOCUMENT
            stays = not self.goes(reason)
            return Whole(reason, variant, similarity, stays, None, None, variant, similarity, compared=True)
        return ALONE

    def _nearly(self, similarity: float) -> Reason:
        """Say what a page is that stands for another."""
        close = similarity >= self._settings.doc_threshold
        return Reason.NEAR_DUPLICATE_DOCUMENT if close else Reason.NUMBER_VARIANT_DOCUMENT

    def _find_parts(self, page: Page) -> tuple[list[Part], list[int | None]]:
        """Return the distinct contents of a page as yet undecided, and which each block has."""
        numbers: dict[bytes, int] = {}
        part_of: list[int | None] = []
        blocks: list[int] = []
        lengths = lengths_of(page.tokens.bounds).tolist()
        prints = page.tokens.fingerprints.tobytes()
        for block, length in enumerate(lengths):
            if length == 0:
                part_of.append(None)
                continue
            number = numbers.setdefault(prints[16 * block : 16 * block + 16], len(numbers))
            if number == len(blocks):
                blocks.append(block)
            part_of.append(number)
        least = self._settings.min_tokens
        return [Part(block, None, None, lengths[block] >= least, *UNDECIDED) for block in blocks], part_of

    def _judge_parts(
        self,
        page: Page,
        parts: list[Part],
        part_of: Sequence[int | None],
        matched: Bool,
        known: dict[int, Content],
        replaced: Known | None,
    ) -> tuple[list[Part], Neighbours]:
        """Decide on the contents of a page, in the order in which they are matched.

        Args:
            page: the page.
            parts: its contents.
            part_of: the content of each block, None for none.
            matched: bool[n], blocks that are matched.
            known: contents of the index that were looked at; others are added.
            replaced: the page that this one takes the place of, None for none. What stands first there and is matched
                here stands; of the rest nothing is a copy.
        """
        positions: dict[int, int] = {}
        for block, k in enumerate(part_of):
            if k is not None and matched[block]:
                positions.setdefault(k, block)
        long = np.flatnonzero([part.long for part in parts])
        looked_up = np.array([k in positions for k in long.tolist()], np.bool_)
        sketches, long = take_sketches(page.sketches, looked_up), long[looked_up]
        keys = Keys(page.tokens.fingerprints[[part.block for part in parts], 0], long, sketches)
        rules = self._of_blocks
        near = self._look_up(keys, rules)
        known.update(self._store.contents({row for rows in (*near.prints, *near.families, *near.near) for row in rows}))
        decided = [
            self._recognised(page, part, near.prints[k], positions.get(k), known) for k, part in enumerate(parts)
        ]
        self._fetch_keepers(decided, known)
        standing = standing_on(replaced, decided)
        known.update(standing)
        decided = [as_it_stands(part, replaced, standing, known) for part in decided]
        place = {k: column for column, k in enumerate(long.tolist())}
        fresh = [k for k in sorted(positions, key=positions.__getitem__) if not decided[k].settled]
        for k in fresh:
            if not parts[k].long:
                decided[k] = decided[k]._replace(keeper=~k)
        fresh = [k for k in fresh if parts[k].long]
        if not fresh:
            return decided, near
        columns = np.array([place[k] for k in fresh])

        def earlier(row: int) -> bool:
            one = known.get(row)
            return one is not None and one.keeper == row and not fell(row, replaced, standing, known)

        def relative(k: int) -> int | None:
            family = int(sketches.families[place[k]])
            same = (row for row in near.families[k] if earlier(row) and unsigned(known[row].family) == family)
            return next(same, None)

        settled = settle(
            [page.tokens_of(parts[k].block) for k in fresh],
            sketches if fresh == long.tolist() else take_sketches(sketches, columns),
            near.sizes[: self._state.bands(BLOCKS), fresh],
            [[row for row in near.near[k] if earlier(row)] for k in fresh],
            [relative(k) for k in fresh],
            near.ordinals,
            lambda row: Other(tokens_in(known[row]), unsigned(known[row].family)),
            rules,
        )

        def told(row: int | None) -> int | None:
            return row if row is None or row >= 0 else ~fresh[~row]

        for k, keeper, similarity, variant in zip(
            fresh, settled.keepers, settled.similarity.tolist(), settled.variants, strict=True
        ):
            decided[k] = decided[k]._replace(keeper=told(keeper), similarity=similarity or None, variant=told(variant))
        return decided, near

    def _look_up(self, keys: Keys, rules: Rules) -> Neighbours:
        """Look contents up, so many at a time: each may have a bucket full of candidates in every band."""
        slices = [
            neighbours_of(part, self._state.find(BLOCKS, part, bits_apart(rules.threshold)), rules.candidate_limit)
            for part in keys.parts(LOOKED_UP)
        ]
        return slices[0] if len(slices) == 1 else joined(keys, slices)

    def _recognised(
        self, page: Page, part: Part, rows: Sequence[int], position: int | None, known: dict[int, Content]
    ) -> Part:
        """Return a content with what the index knows of it, and what was decided on it."""
        print_ = page.print_of(part.block)
        same = next((known[row] for row in rows if row in known and known[row].print == print_), None)
        if same is None or same.keeper is None:
            return Part(part.block, position, same, part.long, *UNDECIDED)
        decided = same.keeper, same.similarity, same.variant
        return Part(part.block, position, same, part.long, True, *decided)  # noqa: FBT003 - as they stand

    def _fetch_keepers(self, parts: Sequence[Part], known: dict[int, Content]) -> None:
        """Look up what contents that were decided on stand for."""
        rows = {row for part in parts if part.settled for row in (part.keeper, part.variant) if row is not None}
        rows -= known.keys()
        if rows:
            known.update(self._store.contents(rows))

    def _contained(self, whole: Whole, labels: Sequence[int], own: Known | None, before: int) -> Whole:
        """Find a page that contains this one: most of its blocks, two at least, stand there in the same order."""
        size = len(labels)
        needed = max(2, math.ceil(self._settings.containment * size - 1e-9))
        if size < needed or sum(label >= 0 for label in labels) < needed:
            return whole
        shared: collections.Counter[int] = collections.Counter()
        usual = 0
        holders = self._store.holders({label for label in labels if label >= 0}, before, COMMON + 1)
        for label, times in collections.Counter(labels).items():
            pages = holders.get(label, [])
            if len(pages) > COMMON:
                usual += times
            else:
                for page in pages:
                    shared[page] += times if own is None or page != own.page else 0
        candidates = [page for page, count in shared.most_common() if count + usual >= needed]
        candidates = candidates[: self._settings.candidate_limit]
        best: tuple[float, int] | None = None
        for page in sorted(candidates):
            theirs = self._labels_of(page)
            if len(theirs) < size or size * len(theirs) > MOST_COMPARED:
                continue
            found = longest_common(np.array(labels), np.array(theirs))
            if found >= needed and (best is None or found / size > best[0]):
                best = found / size, page
        if best is None:
            return whole
        share, page = best
        whole = whole._replace(reason=Reason.CONTAINED_DOCUMENT, partner=page, similarity=share)
        if self.goes(whole.reason):
            return whole._replace(stays=False, keeper=page, nearness=share, compared=False)
        return whole

    def _labels_of(self, page: int) -> list[int]:
        """Return the labels of a page's blocks that count."""
        known = self._store.pages([page]).get(page)
        if known is None or self.goes(known.reason):
            return []
        rows, matched = unpack(known.contents)
        rows = rows[matched]
        contents = self._store.contents(set(rows.tolist()))
        least = 8 * self._settings.min_tokens
        found = (contents.get(row) for row in rows.tolist())
        return [one.keeper for one in found if one is not None and one.keeper is not None and len(one.tokens) >= least]


def standing_on(page: Known | None, parts: Sequence[Part]) -> dict[int, Content]:
    """Return the contents that stand first on a page and for themselves, and still do, where they do now.

    Args:
        page: the page as it was, None for none.
        parts: its contents as they are recognised now.
    """
    return {
        part.known.row: part.known._replace(position=part.position)
        for part in parts
        if page is not None and part.known is not None and part.position is not None
        and part.known.page == page.page and part.known.keeper == part.known.row
    }  # fmt: skip


def fell(row: int | None, page: Known | None, standing: Container[int], known: Mapping[int, Content]) -> bool:
    """Whether a content stood first on a page, and does so no more."""
    one = None if row is None else known.get(row)
    return page is not None and one is not None and one.page == page.page and one.row not in standing


def as_it_stands(part: Part, page: Known | None, standing: Container[int], known: Mapping[int, Content]) -> Part:
    """Return a content, undecided if what it stood for fell, and no variant of what is gone."""
    if part.settled and fell(part.keeper, page, standing, known):
        return part._replace(settled=False, keeper=None, similarity=None, variant=None)
    if part.settled and part.variant is not None:
        first = known.get(part.variant)
        if first is None or first.keeper != first.row or fell(first.row, page, standing, known):
            return part._replace(similarity=None, variant=None)
    return part
