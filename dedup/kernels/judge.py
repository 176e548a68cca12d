"""Decisions on documents and contents of blocks in; a verdict on each block, and strings by number, out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import F32, F64, I32, I64, U8, U32, U64, Bool
from dedup.kernels.compile import helper, kernel
from dedup.kernels.tables import FREE

# the codes of dedup.schema.Reason
NONE, EXACT_DUPLICATE, NEAR_DUPLICATE, NUMBER_VARIANT, LIKELY_BOILERPLATE = 0, 1, 2, 3, 16
NAME = 16  # hexadecimal digits of a cluster's name
ZERO, A, TEN = np.uint8(ord("0")), np.uint8(ord("a")), np.uint8(10)


class DocDecisions(NamedTuple):
    """What was found out about ``docs`` documents.

    Attributes:
        reason: uint8[docs], codes of ``Reason``.
        partner: int64[docs], the document it is a copy of, or like; FREE for none.
        similarity: float64[docs], Jaccard similarity to the partner, or share contained in it.
        alive: bool[docs], whether it stays.
        keeper: int64[docs], the document whose cluster it is in; FREE where it is alone.
    """

    reason: U8
    partner: I64
    similarity: F64
    alive: Bool
    keeper: I64


class BlockDecisions(NamedTuple):
    """What was found out about ``d`` contents of blocks.

    Attributes:
        best: int64[d], the block that survives of each content; FREE where all its documents went.
        keepers: int64[d], the content each stands for.
        similarity: float64[d], Jaccard similarity to the keeper, or else to the variant.
        variants: int64[d], content that differs in numbers only, FREE for none.
        members: int32[d], how many blocks each keeper stands for, in documents that stay.
        long: bool[d], whether the content is long enough to be dropped as a duplicate.
    """

    best: I64
    keepers: I64
    similarity: F64
    variants: I64
    members: I32
    long: Bool


class Judged(NamedTuple):
    """Verdicts on ``n`` blocks.

    Attributes:
        doc: int32[n], place of the block's document in the run of documents that was judged.
        position: int32[n], place of the block in its document.
        start: int64[n], its first byte in the document; ``end``, int64[n], and ``kind``, uint8[n], likewise.
        drop: bool[n].
        reason: uint8[n], codes of ``Reason``.
        partner_doc: int64[n], FREE for none. ``partner_block``, int32[n], likewise.
        similarity: float64[n], not-a-number for none.
        cluster: int64[n], the content after which the block's cluster is named, FREE for none.
    """

    doc: I32
    position: I32
    start: I64
    end: I64
    kind: U8
    drop: Bool
    reason: U8
    partner_doc: I64
    partner_block: I32
    similarity: F64
    cluster: I64


@helper
def place_in(bounds: I64, value: int) -> int:
    """Return the last place whose bound is ``value`` or less; bounds ascend, the first is no more than ``value``."""
    place, size = 0, bounds.size
    while size > 1:  # without a branch, which would be mispredicted half the time
        half = size // 2
        place += half if bounds[place + half] <= value else 0
        size -= half
    return place


@kernel
def judge(
    run: I64,
    bounds: I64,
    content: I64,
    starts: I64,
    ends: I64,
    kinds: U8,
    boilerplate: U8,
    docs: DocDecisions,
    blocks: BlockDecisions,
    dropping: Bool,
    threshold: float,
    judged: Judged,
) -> None:
    """Judge the blocks of some documents.

    Args:
        run: int64[r], the documents.
        bounds: int64[docs + 1], where each document's blocks begin.
        content: int64, content of each block, FREE for none.
        starts: int64, first byte of each block. ``ends`` and ``kinds``, uint8, likewise.
        ends: see ``starts``.
        kinds: see ``starts``.
        boilerplate: uint8, the class of boilerplate of each block, a code of ``Reason``.
        docs: what was found out about documents.
        blocks: what was found out about contents.
        dropping: bool, for each reason whether it leads to removal.
        threshold: least similarity of near-duplicates, 0-1.
        judged: filled.
    """
    i = 0
    for place in range(run.size):
        doc = run[place]
        for row in range(bounds[doc], bounds[doc + 1]):
            judged.doc[i], judged.position[i] = place, row - bounds[doc]
            judged.start[i], judged.end[i], judged.kind[i] = starts[row], ends[row], kinds[row]
            reason, partner, similarity, cluster = NONE, FREE, np.nan, FREE
            own = content[row]
            if docs.alive[doc] and own != FREE:
                keeper = blocks.keepers[own]
                if blocks.members[keeper] > 1:
                    cluster = keeper
                if blocks.long[own]:
                    if keeper != own:
                        similarity = blocks.similarity[own]
                        reason = NEAR_DUPLICATE if similarity >= threshold else NUMBER_VARIANT
                        partner = blocks.best[keeper]
                    elif blocks.best[own] != row:
                        similarity = 1.0
                        reason = EXACT_DUPLICATE
                        partner = blocks.best[keeper]
                    elif blocks.variants[own] != FREE:
                        similarity = blocks.similarity[own]
                        reason = NUMBER_VARIANT
                        partner = blocks.best[blocks.variants[own]]
            if boilerplate[row] != NONE and (dropping[boilerplate[row]] or not dropping[reason]):
                reason, partner, similarity = boilerplate[row], FREE, np.nan
            judged.drop[i] = dropping[reason]
            judged.partner_doc[i] = judged.partner_block[i] = FREE
            if partner != FREE:
                partner_doc = place_in(bounds, partner)
                judged.partner_doc[i], judged.partner_block[i] = partner_doc, partner - bounds[partner_doc]
            if not docs.alive[doc]:
                reason, similarity = docs.reason[doc], docs.similarity[doc]
                judged.drop[i], judged.partner_doc[i] = True, docs.partner[doc]
            judged.reason[i], judged.similarity[i], judged.cluster[i] = reason, similarity, cluster
            i += 1


@kernel
def share_of_filler(
    bounds: I64,
    content: I64,
    chars: U32,
    boilerplate: U8,
    filler: Bool,
    docs: DocDecisions,
    blocks: BlockDecisions,
    threshold: float,
    shares: F32,
) -> None:
    """Find the share of each document's characters that stand in filler, boilerplate and repeats.

    A repeat is a block that stands elsewhere, or one like it does, of which that block stays; and a document that is a
    copy of another is nothing else.

    Args:
        bounds: int64[docs + 1], where each document's blocks begin.
        content: int64[n], content of each block, FREE for none and for what goes for another reason.
        chars: uint32[n], characters of each block.
        boilerplate: uint8[n], the class of boilerplate of each block, a code of ``Reason``.
        filler: bool[n].
        docs: what was found out about documents.
        blocks: what was found out about contents.
        threshold: least similarity of near-duplicates, 0-1.
        shares: float32[docs], filled; 0 for documents without a block.
    """
    for doc in range(bounds.size - 1):
        total, idle = 0, 0
        copy = not docs.alive[doc] and docs.partner[doc] != FREE
        for row in range(bounds[doc], bounds[doc + 1]):
            own = content[row]
            repeat = copy
            if docs.alive[doc] and own != FREE and blocks.long[own]:
                near = blocks.keepers[own] != own
                repeat = blocks.similarity[own] >= threshold if near else blocks.best[own] != row
            total += chars[row]
            if repeat or filler[row] or (boilerplate[row] != NONE and boilerplate[row] != LIKELY_BOILERPLATE):
                idle += chars[row]
        shares[doc] = idle / max(total, 1)


@kernel
def name_clusters(fingerprints: U64, contents: I64, offsets: I64) -> U8:
    """Write the first 64 bits of fingerprints as hexadecimal digits.

    Args:
        fingerprints: uint64[d, 2].
        contents: int64[n], whose fingerprint to write, FREE for none.
        offsets: int64[n + 1], filled with where each name begins.

    Returns:
        uint8, the names, one behind the other.
    """
    count = 0
    for content in contents:
        count += content != FREE
    names = np.empty(NAME * count, np.uint8)
    end = 0
    for i in range(contents.size):
        offsets[i] = end
        if contents[i] != FREE:
            value = fingerprints[contents[i], 0]
            for k in range(NAME):
                digit = np.uint8((value >> np.uint64(60 - 4 * k)) & np.uint64(15))
                names[end + k] = digit + (ZERO if digit < TEN else A - TEN)
            end += NAME
    offsets[contents.size] = end
    return names


@kernel
def take_strings(data: U8, bounds: I64, rows: I64, offsets: I64) -> U8:
    """Copy strings by number.

    Args:
        data: uint8, strings one behind the other.
        bounds: int64[m + 1], where each begins.
        rows: int64[n], which to copy, FREE for none.
        offsets: int64[n + 1], filled with where each copy begins.

    Returns:
        uint8, the copies, one behind the other.
    """
    size = 0
    for row in rows:
        size += bounds[row + 1] - bounds[row] if row != FREE else 0
    taken = np.empty(size, np.uint8)
    end = 0
    for i in range(rows.size):
        offsets[i] = end
        row = rows[i]
        if row != FREE:
            for k in range(bounds[row], bounds[row + 1]):
                taken[end] = data[k]
                end += 1
    offsets[rows.size] = end
    return taken
