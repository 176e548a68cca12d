"""Template keys of blocks in; in how many clusters of documents, and where, each template occurs out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import F32, F64, I32, I64, U16, U64, Bool, Index
from dedup.kernels.compile import helper, kernel
from dedup.kernels.mixing import K_FIRST, mix64
from dedup.kernels.shape import likely_words
from dedup.kernels.tables import FREE
from dedup.kernels.template import DATE, SEED, SLOT, in_sieve, role_of, take_item

BODY_WORDS = 12  # a block of the body of a page has so many words,
RARE = 3  # pages of a source that may have what is on few of them, whatever their share
CANDIDATES = 32  # pages that one page's body is compared with
BELOW, ABOVE = 1, 2
PLAINLY_CONTENT = 2.0  # log-odds above which a block is not looked at again
LONGEST_LINE = 40  # words of a block that is known by what stands beside it too, ...
SHORT_LINE = 10  # ... or by its beginning alone
ZERO, ONE = np.uint64(0), np.uint64(1)


class Pages(NamedTuple):
    """``n`` blocks of ``docs`` documents from ``s`` sources.

    Attributes:
        bounds: int64[docs + 1], where each document's blocks begin.
        sources: int32[docs], each document's source.
        salts: uint64[s], a hash of each source's name.
        clusters: int64[docs], the document that stands for its near-duplicates, itself where there are none.
        prints: uint64[docs], a hash of each document's content.
        keys: uint64[n], template keys, see ``dedup.kernels.template``.
        words: float32[n], words of each block.
        odds: float32[n], log-odds that a block is content, by its shape.
    """

    bounds: I64
    sources: I32
    salts: U64
    clusters: I64
    prints: U64
    keys: U64
    words: F32
    odds: F32


class Part(NamedTuple):
    """Some of the blocks, ``m`` of them.

    Attributes:
        bounds: int64[docs + 1], where each document's begin among them.
        rows: int64[m], which they are, ascending; empty for all there are.
    """

    bounds: I64
    rows: I64


class Counts(NamedTuple):
    """What was counted about ``t`` templates: keys that several blocks of a source share.

    Attributes:
        docs: int32[t], documents with it.
        clusters: int32[t], clusters of documents with it.
        repeated: int32[t], documents in which it stands more than once.
        blocks: int32[t], blocks with it.
        from_top: float64[t], mean number of blocks above it in its document; ``from_bottom``, below it.
        first: int64[t], a document with it: the one of the smallest hash.
    """

    docs: I32
    clusters: I32
    repeated: I32
    blocks: I32
    from_top: F64
    from_bottom: F64
    first: I64


@kernel
def keys_in_sources(pages: Pages, keys: U64, alone: Bool) -> None:
    """Make keys that are the same only within a source.

    Args:
        pages: the blocks.
        keys: uint64[n], filled.
        alone: bool[n], filled: whether there is no key to count.
    """
    for doc in range(pages.sources.size):
        salt = pages.salts[pages.sources[doc]]
        for row in range(pages.bounds[doc], pages.bounds[doc + 1]):
            alone[row] = pages.keys[row] == ZERO
            keys[row] = (pages.keys[row] ^ salt) * K_FIRST


@helper
def root_of(clusters: I64, doc: int) -> int:
    """Return the document that stands for a document's cluster."""
    while clusters[doc] != doc:
        clusters[doc] = clusters[clusters[doc]]
        doc = clusters[doc]
    return doc


@helper
def in_body(pages: Pages, row: int, template: int, counts: Counts, most: int) -> bool:
    """Whether a block may be part of the body of a page: it is long, and no more than ``most`` documents have it."""
    return pages.words[row] >= BODY_WORDS and (template == FREE or counts.docs[template] <= most)


@kernel
def join_copies(
    pages: Pages, templates: Index, counts: Counts, pages_of: I32, rare_share: float, body_share: float
) -> None:
    """Put documents with the same body into one cluster, however much the rest of the page differs.

    The body is what looks like content and what few pages of a source have; boilerplate of a source, which may look
    like content too, is on many. A document is compared with those that stand for the templates it has.

    Args:
        pages: the blocks; ``clusters`` are joined in place.
        templates: int32 or int64[n], each block's template, FREE where no other block has it.
        counts: ``docs`` and ``first`` of the templates.
        pages_of: int32[s], documents of each source.
        rare_share: share of a source's pages that has what is on few of them, at the most.
        body_share: share of a body that is the same in copies, at the least.
    """
    docs = pages.sources.size
    masses = np.full(docs, np.float32(-1))  # few are asked for
    others, shared = np.empty(CANDIDATES, np.int64), np.empty(CANDIDATES, np.float32)
    for doc in range(docs):
        most = max(RARE, int(rare_share * pages_of[pages.sources[doc]]))
        found = 0
        for row in range(pages.bounds[doc], pages.bounds[doc + 1]):
            template = templates[row]
            if template == FREE or counts.first[template] == doc or not in_body(pages, row, template, counts, most):
                continue
            k = 0
            while k < found and others[k] != counts.first[template]:
                k += 1
            if k == found and found < CANDIDATES:
                others[k], shared[k] = counts.first[template], np.float32(0)
                found += 1
            if k < found:
                shared[k] += np.float32(likely_words(pages.words[row], pages.odds[row]))
        for k in range(found):
            least = np.float32(np.inf)
            for one in (doc, others[k]):
                if masses[one] < 0:
                    mass = np.float32(0)
                    for row in range(pages.bounds[one], pages.bounds[one + 1]):
                        if in_body(pages, row, templates[row], counts, most):
                            mass += np.float32(likely_words(pages.words[row], pages.odds[row]))
                    masses[one] = mass
                least = min(least, masses[one])
            if shared[k] >= body_share * least:
                one, other = root_of(pages.clusters, doc), root_of(pages.clusters, others[k])
                pages.clusters[max(one, other)] = min(one, other)
    for doc in range(docs):
        pages.clusters[doc] = root_of(pages.clusters, doc)


@helper
def row_of(part: Part, k: int) -> int:
    """Return the ``k``-th block of a part."""
    return part.rows[k] if part.rows.size > 0 else k


@kernel
def count_documents(pages: Pages, part: Part, templates: Index, counts: Counts, shortest: F64) -> None:
    """Count the documents with each template, and note the one of the smallest hash.

    Args:
        pages: the blocks.
        part: those to look at.
        templates: int32 or int64[m], the template of each of them, FREE where no other has it.
        counts: ``docs`` and ``first`` are filled.
        shortest: float64[t], all infinite; filled with the fewest words of a block with each template.
    """
    last = np.full(counts.docs.size, FREE, np.int64)
    for doc in range(pages.sources.size):
        for k in range(part.bounds[doc], part.bounds[doc + 1]):
            template = templates[k]
            if template == FREE:
                continue
            shortest[template] = min(shortest[template], pages.words[row_of(part, k)])
            if last[template] != doc:
                last[template] = doc
                counts.docs[template] += 1
                first = counts.first[template]
                if first == FREE or pages.prints[doc] < pages.prints[first]:
                    counts.first[template] = doc


@kernel
def count_clusters(pages: Pages, part: Part, order: I64, templates: Index, counts: Counts) -> None:
    """Count the clusters with each template, and what else is to be known of it.

    Args:
        pages: the blocks.
        part: those to look at.
        order: int64[docs], the documents, those of a cluster one behind the other.
        templates: int32 or int64[m], the template of each of them, FREE where no other has it.
        counts: filled; all zero before.
    """
    last = np.full(counts.docs.size, FREE, np.int64)
    last_cluster = np.full(counts.docs.size, FREE, np.int64)
    again = np.zeros(counts.docs.size, np.bool_)
    for doc in order:
        cluster = pages.clusters[doc]
        for k in range(part.bounds[doc], part.bounds[doc + 1]):
            template = templates[k]
            if template == FREE:
                continue
            row = row_of(part, k)
            if last_cluster[template] != cluster:
                last_cluster[template] = cluster
                counts.clusters[template] += 1
            if last[template] != doc:
                last[template] = doc
                again[template] = False
            elif not again[template]:
                again[template] = True
                counts.repeated[template] += 1
            counts.blocks[template] += 1
            counts.from_top[template] += row - pages.bounds[doc]
            counts.from_bottom[template] += pages.bounds[doc + 1] - 1 - row
    for template in range(counts.docs.size):
        counts.from_top[template] /= max(1, counts.blocks[template])
        counts.from_bottom[template] /= max(1, counts.blocks[template])


@helper
def item(token: np.uint64, words: U64, roles: U16, sieve: U64) -> np.uint64:
    """Return a token as a template sees it: SLOT for numbers and names of months and days."""
    dated = in_sieve(token, sieve) & ONE != ZERO and role_of(token, words, roles) & DATE != 0
    return SLOT if token & ONE != ZERO or dated else token


@helper
def outer(
    tokens: U64, lo: int, hi: int, wanted: int, step: int, words: U64, roles: U16, sieve: U64
) -> tuple[np.uint64, int]:
    """Hash so many items from the beginning (step 1) or the end (-1) of a block, runs of slots one item each.

    Returns:
        The hash; how many tokens they are, all of them and one more where there are fewer items.
    """
    h, found, before = SEED, 0, ZERO
    at = lo if step == 1 else hi - 1
    taken = 0
    while found < wanted and at >= lo and at < hi:
        this = item(tokens[at], words, roles, sieve)
        if this != SLOT or before != SLOT:
            h = take_item(h, this, found)
            found += 1
        before = this
        at += step
        taken += 1
    return h, taken if found == wanted else hi - lo + 1


@kernel
def outline_keys(
    pages: Pages,
    part: Part,
    known: Index,
    names: U64,
    content: I64,
    tokens: U64,
    token_bounds: I64,
    words: U64,
    roles: U16,
    sieve: U64,
    outline: tuple[int, int, int],
    unnamed: int,
    first_doc: int,
    end_doc: int,
    keys: U64,
    alone: Bool,
) -> None:
    """Hash what blocks that have no template share with others: their outer literals, or those and what stands beside.

    Args:
        pages: the blocks.
        part: those to look at; they have a token, and do not plainly look like content.
        known: int32 or int64[n], each block's template, FREE for none yet.
        names: uint64[t], what tells a template from others.
        content: int64[n], number of each block's content.
        tokens: uint64, token hashes of the contents.
        token_bounds: int64, where each content begins in ``tokens``.
        words: uint64, see ``template_keys``. ``roles`` and ``sieve`` likewise.
        roles: see ``words``.
        sieve: see ``words``.
        outline: how many items from the beginning count, how many from the end, and which neighbours' templates: none,
            BELOW, ABOVE, or both.
        unnamed: the source of documents without one, FREE if all have one. Of theirs the beginnings of longer lines
            count too, whatever they look like: many documents must share them, see ``dedup.kernels.matter``.
        first_doc: the first document to look at; ``end_doc``, the one after the last.
        end_doc: see ``first_doc``.
        keys: uint64[m], filled.
        alone: bool[m], filled: whether the block takes no part.
    """
    head, tail, beside = outline
    by_beginning = tail == 0 and beside == 0
    for doc in range(first_doc, end_doc):
        any_shape = by_beginning and pages.sources[doc] == unnamed
        longest = LONGEST_LINE if beside or any_shape else (SHORT_LINE if by_beginning else np.inf)
        salt = pages.salts[pages.sources[doc]]
        first, end = pages.bounds[doc], pages.bounds[doc + 1]
        for k in range(part.bounds[doc], part.bounds[doc + 1]):
            row = part.rows[k]
            alone[k] = True
            if known[row] != FREE or pages.words[row] > longest:
                continue
            above = known[row - 1] if row > first else FREE
            below = known[row + 1] if row + 1 < end else FREE
            if (beside & BELOW and below == FREE) or (beside & ABOVE and above == FREE):
                continue
            if pages.odds[row] > PLAINLY_CONTENT and not any_shape:
                continue
            lo, hi = token_bounds[content[row]], token_bounds[content[row] + 1]
            if hi - lo < head + tail:
                continue
            front, used = outer(tokens, lo, hi, head, 1, words, roles, sieve)
            back, used_back = outer(tokens, lo, hi, tail, -1, words, roles, sieve)
            if used + used_back > hi - lo:
                continue
            h = take_item(take_item(salt, front, 1), back, 2)
            if beside & BELOW:
                h = take_item(h, names[below], 3)
            if beside & ABOVE:
                h = take_item(h, names[above], 4)
            alone[k] = False
            keys[k] = mix64(h)


@kernel
def count_sources(pages: Pages, order: I64, templates: Index, counts: I32, spread: I32) -> None:
    """Count the sources with each template.

    Args:
        pages: the blocks.
        order: int64[docs], the documents, those of a source one behind the other.
        templates: int32 or int64[n], each block's template in the whole corpus, FREE where no other block has it.
        counts: int32[t], all zero; filled with the sources that have each template.
        spread: int32[n], filled with the count of each block's template, 0 for none.
    """
    last = np.full(counts.size, FREE, np.int64)
    for doc in order:
        for row in range(pages.bounds[doc], pages.bounds[doc + 1]):
            template = templates[row]
            if template != FREE and last[template] != pages.sources[doc]:
                last[template] = pages.sources[doc]
                counts[template] += 1
    for row in range(templates.size):
        spread[row] = counts[templates[row]] if templates[row] != FREE else 0
