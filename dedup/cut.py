"""A run in; what to cut from each document, so that the blocks that stay still stand apart, out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.arrays import I64, Bool
from dedup.blocks import split_blocks
from dedup.errors import Corrupt, InputError
from dedup.formats import Cut
from dedup.run import Run
from dedup.schema import BLOCK_SCORES, Documents
from dedup.settings import Split
from dedup.workspace import Workspace

# What is told of a block that is removed, where the run knows it.
TOLD = ["doc", "block", "start", "end", "kind", "reason", "partner_doc", "partner_block", "similarity"]
TOLD_OF_SCORES = [name for name in BLOCK_SCORES.names if name != "scored"]
LINE_ENDS = LF, VT, FF, CR = (b"\n", b"\x0b", b"\x0c", b"\r")


class Plan(NamedTuple):
    """A run's verdicts as arrays.

    Attributes:
        bounds: int64[docs + 1], where each document's blocks begin; documents in the order of the verdicts.
        rows: int64[docs], place of each document of the input in that order.
        starts: int64[n], first byte of each block.
        ends: int64[n].
        dropped: bool[n].
        gone: bool[docs], documents that go as a whole.
        touched: bool[docs], documents of which a block is dropped.
        split: how documents were split into blocks.
        told: verdicts on the blocks that are dropped from documents that stay.
        told_rows: int64, which blocks they are, ascending.
    """

    bounds: I64
    rows: I64
    starts: I64
    ends: I64
    dropped: Bool
    gone: Bool
    touched: Bool
    split: Split
    told: pa.Table
    told_rows: I64

    def describe(self, rows: I64) -> list[dict[str, Any]]:
        """Return verdicts on blocks that are dropped as dicts, for removals."""
        return as_dicts(self.told, np.searchsorted(self.told_rows, rows))

    def spans(self, row: int, text: bytes) -> list[tuple[int, int, int]]:
        """Return what to cut from the document at ``row``: start, end and number of each block that is dropped.

        What is left splits into the blocks that are kept. Where the lines around a cut would be taken for one
        paragraph, the line ends of what is cut stay, and leave an empty line there.
        """
        return self.spans_of([row], [text])[0] if self.touched[row] else []

    def spans_of(self, rows: Sequence[int], texts: Sequence[bytes]) -> list[list[tuple[int, int, int]]]:
        """Return what ``spans`` does of touched documents, of many at once: what is left of them is split together."""
        parts = [self._blocks_of(row) for row in rows]
        for (_, ends, _), text in zip(parts, texts, strict=True):
            if ends[-1] > len(text):
                raise InputError("a text is shorter than when it was scanned: scan again")
        return spans_that_split(texts, parts, self.split)

    def _blocks_of(self, row: int) -> tuple[I64, I64, Bool]:
        """Return where the blocks of a document begin and end, and which are dropped."""
        blocks = slice(self.bounds[row], self.bounds[row + 1])
        return self.starts[blocks], self.ends[blocks], self.dropped[blocks]

    def cuts(self, documents: Documents, first: int) -> tuple[list[Cut], dict[int, list[int]]]:
        """Say for each of a batch of documents what to cut; and, where that is spans, which blocks they are."""
        rows = self.rows[first : first + len(documents.ids)]
        gone = self.gone[rows]
        cuts: list[Cut] = [whole or None for whole in gone.tolist()]
        blocks: dict[int, list[int]] = {}
        touched = np.flatnonzero(self.touched[rows] & ~gone)
        bounds = documents.bounds
        texts = [documents.data[bounds[doc] : bounds[doc + 1]].tobytes() for doc in touched]
        for doc, spans in zip(touched.tolist(), self.spans_of(rows[touched].tolist(), texts), strict=True):
            cuts[doc] = [(start, end) for start, end, _ in spans]
            blocks[doc] = [block for *_, block in spans]
        return cuts, blocks


def make_plan(run: Run, workspace: Workspace) -> Plan:
    """Read what cutting needs from a run, a part of the verdicts at a time; what grows with it rests in the workspace.

    Raises:
        Corrupt: the run is damaged.
    """
    documents = run.documents
    bounds = np.concatenate([[0], np.cumsum(documents["blocks"].to_numpy())]).astype(np.int64)
    gone = pc.equal(documents["action"], "drop").to_numpy()
    n = int(bounds[-1])
    starts, ends, dropped = (workspace.scratch(n, dtype) for dtype in (np.int64, np.int64, np.bool_))
    touched = np.zeros(gone.size, np.bool_)
    table = workspace.table("told")
    told_rows = workspace.column("told-rows", np.int64)
    first = 0
    for part in run.read_verdicts([*TOLD, *TOLD_OF_SCORES, "action"]):
        rows = slice(first, first + part.num_rows)
        first = rows.stop
        if first > n:
            break
        starts[rows], ends[rows] = part["start"].to_numpy(), part["end"].to_numpy()
        dropped[rows] = pc.equal(part["action"], "drop").to_numpy()
        going = rows.start + np.flatnonzero(dropped[rows])
        owners = np.searchsorted(bounds, going, side="right") - 1
        touched[owners] = True
        going = going[~gone[owners]]
        told_rows.append(going)
        table.append(part.drop_columns("action").take(pa.array(going - rows.start)))
    if first != n:
        raise Corrupt(f"{run.place}: documents.parquet and verdicts.parquet disagree: scan again")
    split = run.summary["settings"]["split"]
    return Plan(bounds, run.input_order(), starts, ends, dropped, gone, touched, split, table.map(), told_rows.map())


def as_dicts(table: pa.Table, rows: I64) -> list[dict[str, Any]]:
    """Return some rows of a table as dicts; no more of it is read than the parts they stand in."""
    parts = table.to_batches()
    order = np.argsort(rows, kind="stable")
    bounds = np.cumsum([0, *(part.num_rows for part in parts)])
    cuts = np.searchsorted(rows[order], bounds)
    found: list[dict[str, Any]] = [{}] * rows.size
    for k in np.flatnonzero(np.diff(cuts)).tolist():
        here = order[cuts[k] : cuts[k + 1]]
        for place, row in zip(here.tolist(), parts[k].take(pa.array(rows[here] - bounds[k])).to_pylist(), strict=True):
            found[place] = row
    return found


def line_start(data: bytes, lo: int, hi: int) -> int:
    """Return where the line begins that ``hi`` stands in, not before ``lo``."""
    rfind = data.rfind  # for each cut: a loop over the line ends takes three times as long
    return max(lo, rfind(LF, lo, hi) + 1, rfind(VT, lo, hi) + 1, rfind(FF, lo, hi) + 1, rfind(CR, lo, hi) + 1)


def spans_to_cut(
    data: bytes, starts: Sequence[int], ends: Sequence[int], dropped: Sequence[bool]
) -> list[tuple[int, int, int]]:
    r"""Return the spans (start, end, block) that remove the dropped blocks and leave the others apart.

    Of the gaps around and within a run of dropped blocks the strongest stays (that with most line ends, the first among
    equals), so that what stood apart still does. A run at the end goes from the end of the last block kept, which
    leaves the document's own ending.

    >>> data = b"One.\n\nTwo.\n\nThree.\n"
    >>> spans_to_cut(data, [0, 6, 12], [4, 10, 18], [False, True, False])
    [(6, 12, 1)]
    >>> spans_to_cut(data, [0, 6, 12], [4, 10, 18], [False, True, True])
    [(4, 10, 1), (10, 18, 2)]
    >>> spans_to_cut(b"- 1\n- 2\n\nEnd", [0, 4, 9], [3, 7, 12], [False, True, False])
    [(3, 7, 1)]
    """
    n = len(starts)
    last_kept = max((k for k in range(n) if not dropped[k]), default=-1)
    spans = []
    k = 0
    while k < n:
        if not dropped[k]:
            k += 1
            continue
        first = k
        while k < n and dropped[k]:
            k += 1
        if first > last_kept:  # the end
            spans += [(ends[m - 1] if m else starts[0], ends[m], m) for m in range(first, k)]
            continue
        gaps = [data[ends[m - 1] if m else 0 : starts[m]] for m in range(first, k + 1)]
        strength = [line_ends(gap) for gap in gaps]
        kept = first + (strength.index(max(strength)) if first else 0)  # the gap before this block stays
        for m in range(first, k):
            if m < kept:
                spans.append((ends[m - 1], ends[m], m))
            else:
                begin = line_start(data, ends[m - 1] if m else 0, starts[m])
                spans.append((begin, line_start(data, ends[m], starts[m + 1]), m))
    return spans


def spans_that_split(
    texts: Sequence[bytes], parts: Sequence[tuple[I64, I64, Bool]], split: Split
) -> list[list[tuple[int, int, int]]]:
    """Return what to cut from each of some texts, so that what is left splits into the blocks that are kept.

    Args:
        texts: the texts.
        parts: of each where its blocks begin, where they end, and which are dropped.
        split: how they were split into blocks.
    """
    found = [
        spans_to_cut(text, starts.tolist(), ends.tolist(), dropped.tolist())
        for text, (starts, ends, dropped) in zip(texts, parts, strict=True)
    ]
    lefts = [cut_text(text, spans) for text, spans in zip(texts, found, strict=True)]
    bounds = np.concatenate([[0], np.cumsum([len(left) for left in lefts])]).astype(np.int64)
    blocks = split_blocks(np.frombuffer(b"".join(lefts), np.uint8), bounds, split)
    lengths = blocks.ends - blocks.starts
    for k, (starts, ends, dropped) in enumerate(parts):
        if not np.array_equal(lengths[blocks.bounds[k] : blocks.bounds[k + 1]], (ends - starts)[~dropped]):
            found[k] = [(int(starts[m]), int(ends[m]), m) for m in np.flatnonzero(dropped).tolist()]
    return found


def cut_text(data: bytes, spans: Sequence[tuple[int, int, int]]) -> bytes:
    """Return a text without spans."""
    starts = [0, *(end for _, end, _ in spans)]
    ends = [*(start for start, _, _ in spans), len(data)]
    return b"".join(data[a:b] for a, b in zip(starts, ends, strict=True))


def line_ends(gap: bytes) -> int:
    """Count the line ends in a gap, CRLF as one."""
    lf = gap.count(LF)
    if lf == len(gap):  # the usual gap
        return lf
    return sum(gap.count(end) for end in LINE_ENDS) - gap.count(b"\r\n")
