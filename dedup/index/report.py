"""What an index says of a page."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal, NamedTuple

import numpy as np

from dedup.cut import cut_text, spans_that_split
from dedup.reasons import FORMS, sentence
from dedup.settings import Split

Action = Literal["keep", "clean", "drop"]
Status = Literal["new", "unchanged", "changed"]


class BlockReport(NamedTuple):
    """What was found out about a block.

    Attributes:
        start: its first byte in the text's UTF-8; ``end``, the byte after its last.
        end: see ``start``.
        kind: one of ``dedup.schema.KINDS``.
        action: ``keep`` or ``drop``.
        reason: why, or what is reported only; None for nothing.
        partner_doc: id of the page with the block it is a copy of, None for none; ``partner_block``, which block there.
        partner_block: see ``partner_doc``.
        similarity: exact Jaccard similarity to it, None where there is none.
        cluster: name of its cluster, None where it is alone so far.
        boilerplate: probability to be boilerplate, 0-1.
        substance: 0 to 100, None where not scored.
        codes: what weighed most in its substance, or why it was not scored; ``explanations`` puts it into words.
    """

    start: int
    end: int
    kind: str
    action: str
    reason: str | None
    partner_doc: str | None
    partner_block: int | None
    similarity: float | None
    cluster: str | None
    boilerplate: float
    substance: float | None
    codes: tuple[int, ...]

    @property
    def explanations(self) -> list[str]:
        """What weighed most in its substance, or why it was not scored."""
        return [in_words(code) for code in self.codes]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        told = self._asdict()
        del told["codes"]
        return {**told, "explanations": self.explanations}


@dataclasses.dataclass(frozen=True)
class Report:
    """What an index says of a page.

    Attributes:
        id: what it is called.
        source: where it comes from.
        action: ``"drop"`` for a page that goes, ``"clean"`` for one of which blocks go, ``"keep"``.
        reason: why the page goes, or what is reported only; None for nothing.
        partner: id of the page it is a copy of, or contained in, None for none.
        similarity: Jaccard similarity to it, or share contained in it, 0-1.
        status: ``"new"``, or of an id that was known ``"unchanged"`` or ``"changed"``.
        added: whether the index has it now.
        substance: 0 to 100, None where not scored.
        low_evidence: whether too few pages of its source were seen for boilerplate to be counted.
        blocks: its blocks.
        original: its UTF-8 as it was given.
        split: how it was split into blocks.
    """

    id: str
    source: str | None
    action: Action
    reason: str | None
    partner: str | None
    similarity: float | None
    status: Status
    added: bool
    substance: float | None
    low_evidence: bool
    blocks: tuple[BlockReport, ...]
    original: bytes = dataclasses.field(repr=False)
    split: Split = dataclasses.field(repr=False)

    @functools.cached_property
    def text(self) -> str:
        """The text without the blocks that go; empty where the page goes."""
        if self.action != "clean":
            return "" if self.action == "drop" else self.original.decode()
        starts, ends = (np.array([getattr(one, name) for one in self.blocks], np.int64) for name in ("start", "end"))
        dropped = np.array([one.action == "drop" for one in self.blocks], np.bool_)
        spans = spans_that_split([self.original], [(starts, ends, dropped)], self.split)[0]
        return cut_text(self.original, spans).decode()

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        told = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del told["original"], told["split"]
        return {**told, "blocks": [block.as_dict() for block in self.blocks], "text": self.text}


def in_words(code: int) -> str:
    """Put what weighed, or what a block is that is not scored, into words."""
    return FORMS[code] if code < len(FORMS) else sentence(code)
