"""Decisions on a page in; the report on it, in words, out."""

from __future__ import annotations

import collections
import math
from typing import NamedTuple

from dedup.index.judging import Judge, Judged, Part, Whole
from dedup.index.records import first_half
from dedup.index.report import BlockReport, Report, Status
from dedup.index.stores import Store
from dedup.reasons import with_forms
from dedup.schema import KINDS, REASONS, Reason
from dedup.settings import Settings


class Verdict(NamedTuple):
    """A verdict on a block: why, the content it is a copy of, how like it is, its cluster, and whether it goes."""

    reason: Reason
    partner: int | None
    similarity: float | None
    cluster: str | None
    drop: bool


class Teller:
    """Puts into words what a judge has decided."""

    def __init__(self, settings: Settings, store: Store, judge: Judge) -> None:
        self._settings, self._store, self._judge = settings, store, judge

    def report(self, judged: Judged, name: str, status: Status, *, added: bool) -> Report:
        """Put what was decided into words."""
        page, whole = judged.page, judged.whole
        places = self._places(judged)
        names = {page: known.id for page, known in self._store.pages(self._pages_of(whole, places)).items()}
        codes: list[tuple[int, ...]] = [()] * page.size
        substance: list[float | None] = [None] * page.size
        if judged.scores is not None:
            told = with_forms(judged.scores.reasons, judged.scores.forms).tolist()
            codes = [tuple(code for code in one if code) for one in told]
            substance = [number_or_none(value) for value in judged.scores.substance.tolist()]
        starts, ends, probabilities = (
            one.tolist() for one in (page.blocks.starts, page.blocks.ends, judged.boilerplate.probabilities)
        )
        kinds = [KINDS[kind] for kind in page.blocks.kinds.tolist()]
        own = collections.Counter(judged.parts[k].keeper for k in judged.part_of if k is not None)
        blocks = []
        for block in range(page.size):
            verdict = self._verdict(judged, block, own)
            partner_doc, partner_block = None, None
            if verdict.partner is not None and verdict.partner in places:
                of, partner_block = places[verdict.partner]
                partner_doc = name if of is None else names.get(of)
            elif not whole.stays and whole.partner is not None:
                partner_doc = names.get(whole.partner)
            blocks.append(
                BlockReport(
                    starts[block], ends[block], kinds[block], "drop" if verdict.drop else "keep",
                    REASONS[verdict.reason], partner_doc, partner_block, verdict.similarity, verdict.cluster,
                    probabilities[block], substance[block], codes[block],
                )
            )  # fmt: skip
        cut = any(one.action == "drop" for one in blocks)
        partner = None if whole.partner is None else names.get(whole.partner)
        article = None if judged.scores is None else number_or_none(float(judged.scores.articles[0]))
        return Report(
            name, judged.source, "drop" if not whole.stays else "clean" if cut else "keep",
            REASONS[whole.reason], partner, whole.similarity, status, added, article,
            judged.boilerplate.low_evidence, tuple(blocks), page.data, self._settings.split,
        )  # fmt: skip

    def _places(self, judged: Judged) -> dict[int, tuple[int | None, int]]:
        """Return where contents stand first that others stand for: page, None for this one, and block."""
        places: dict[int, tuple[int | None, int]] = {}
        for part in judged.parts:
            for of in (part.keeper, part.variant):
                if of is None:
                    continue
                if of < 0:
                    places[of] = None, judged.parts[~of].position or 0
                elif of in judged.known:
                    known = judged.known[of]
                    if known.page is not None:
                        places[of] = known.page, known.position or 0
        return places

    def _pages_of(self, whole: Whole, places: dict[int, tuple[int | None, int]]) -> set[int]:
        """Return the pages that a report names."""
        found = {page for page, _ in places.values() if page is not None}
        return found if whole.partner is None else found | {whole.partner}

    def _verdict(self, judged: Judged, block: int, own: collections.Counter[int | None]) -> Verdict:
        """Judge a block, as ``dedup.kernels.judge`` does.

        Args:
            judged: what was decided.
            block: which block.
            own: how many blocks of the page stand for each content.
        """
        whole, k = judged.whole, judged.part_of[block]
        reason, partner, similarity, cluster = Reason.NONE, None, None, None
        if whole.stays and k is not None and judged.matched[block]:
            part = judged.parts[k]
            itself = part.keeper == (~k if not part.settled else part.known.row if part.known else None)
            if part.settled or (part.keeper is not None and part.keeper >= 0) or own[part.keeper] > 1:
                cluster = self._cluster_of(judged, part)
            if part.long:
                if not itself:
                    close = part.similarity is not None and part.similarity >= self._settings.threshold
                    reason = Reason.NEAR_DUPLICATE if close else Reason.NUMBER_VARIANT
                    partner, similarity = part.keeper, part.similarity
                elif block != part.position or (part.settled and not self._is_own(judged, part)):
                    reason, partner, similarity = Reason.EXACT_DUPLICATE, part.keeper, 1.0
                elif part.variant is not None:
                    reason, partner, similarity = Reason.NUMBER_VARIANT, part.variant, part.similarity
        by_kind = Reason(int(judged.reasons[block]))
        if by_kind and (self._judge.goes(by_kind) or not self._judge.goes(reason)):
            reason, partner, similarity = by_kind, None, None
        if not whole.stays:
            return Verdict(whole.reason, None, whole.similarity, cluster, drop=True)
        return Verdict(reason, partner, similarity, cluster, drop=self._judge.goes(reason))

    def _is_own(self, judged: Judged, part: Part) -> bool:
        """Whether a content stands first on the page as the index has it."""
        return part.known is not None and judged.own is not None and part.known.page == judged.own.page

    def _cluster_of(self, judged: Judged, part: Part) -> str | None:
        """Return the name of the cluster of a content."""
        of = part.keeper
        if of is None:
            return None
        if of < 0:
            return f"{first_half(judged.page.print_of(judged.parts[~of].block)):016x}"
        return f"{first_half(judged.known[of].print):016x}" if of in judged.known else None


def number_or_none(value: float) -> float | None:
    """Return a number, None for not-a-number."""
    return None if math.isnan(value) else round(value, 1)
