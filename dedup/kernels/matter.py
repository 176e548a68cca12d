"""Documents that share no page layout in; their front and back matter out.

What recurs among documents without a source opens or closes them: who typed a book, what its signs mean, a licence.
Between such lines stand others of the same matter that are each document's own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import F32, F64, I32, I64, U8, U32, Bool, Index
from dedup.kernels.classes import BUTTON, LEAST_TEXT, LINE_END, NONE, SITE_TEMPLATE, TITLE, UNSURE, WEAK
from dedup.kernels.compile import helper, kernel
from dedup.kernels.shape import likely_words
from dedup.kernels.tables import FREE

OUTER = 0.1  # share of a document's own text that stands beyond its front matter, or behind its back matter, at most
MOSTLY = 0.85  # share of a template's blocks that stand there
ANCHOR = 1 / 3  # share of the clusters of documents that has one template of such matter, at least
REPEATING = 0.1  # share of the documents with a template in which one of the text itself stands again
MOST = 2 / 3  # of a document's own text that back matter and what follows it may be
GAP = 10  # blocks of a document's own between two templates, at most
LONGEST = 60  # words of a block of such matter, at most
LIKE = 0.1  # of its length, by which the rule below front matter may differ from the one above


class Shared(NamedTuple):
    """``n`` blocks of ``docs`` documents, and ``t`` templates.

    Attributes:
        bounds: int64[docs + 1], where each document's blocks begin.
        templates: int32 or int64[n], each block's template, FREE where none recurs.
        clusters: int32[t], clusters of documents with each template.
        content: int64[n], number of each block's content, FREE for blocks without a token.
        starts: int64[n], first byte of each block in its document. ``ends`` likewise, the byte after its last.
        ends: see ``starts``.
        marks: uint32[n], see ``dedup.kernels.classes``.
        words: float32[n].
        odds: float32[n], log-odds that a block is content, by its shape.
    """

    bounds: I64
    templates: Index
    clusters: I32
    content: I64
    starts: I64
    ends: I64
    marks: U32
    words: F32
    odds: F32


@helper
def measure_own(shared: Shared, doc: int, own: F64) -> bool:
    """Fill in how much of a document's own text, words that recur nowhere, stands above each block; in all at last.

    Returns:
        Whether there is any to speak of: a form that was filled in has none, and all of it recurs.
    """
    first = shared.bounds[doc]
    n = shared.bounds[doc + 1] - first
    own[0], words = 0.0, 0.0
    for k in range(n):
        row = first + k
        own[k + 1] = own[k]
        if shared.templates[row] == FREE:
            own[k + 1] += likely_words(shared.words[row], shared.odds[row])
            words += shared.words[row]
    return words >= LEAST_TEXT or words >= n


@helper
def is_line(shared: Shared, row: int) -> bool:
    """Whether a block may be a line of such matter: short, and not the title."""
    return shared.words[row] <= LONGEST and shared.marks[row] & TITLE == 0


@helper
def anchored(shared: Shared, templates: Bool, doc: int, step: int, own: F64, clusters: int) -> tuple[int, int, int]:
    """Follow templates of front matter from the top on (``step`` 1), or of back matter from the end (-1).

    Args:
        shared: the blocks.
        templates: bool[t], those of such matter.
        doc: the document.
        step: see above.
        own: float64[n + 1], the document's own text above each block.
        clusters: of documents.

    Returns:
        The first and the last row with one, as seen from there; the template that most documents have of them, FREE
        if not enough do.
    """
    first, end = shared.bounds[doc], shared.bounds[doc + 1]
    begin, last, best, gap = FREE, FREE, FREE, 0
    row = first if step == 1 else end - 1
    while first <= row < end:
        above = own[row - first] if step == 1 else own[end - first] - own[row - first + 1]
        if above > MOST * own[end - first]:
            break
        template = shared.templates[row]
        if template != FREE and templates[template] and is_line(shared, row):
            begin, last, gap = (row if begin == FREE else begin), row, 0
            if shared.marks[row] & WEAK == 0 and (best == FREE or shared.clusters[template] > shared.clusters[best]):
                best = template
        elif template == FREE:
            gap += 1
            if gap > GAP or (begin != FREE and not is_line(shared, row)):
                break
        row += step
    if best != FREE and shared.clusters[best] < ANCHOR * clusters:
        best = FREE
    return begin, last, best


@helper
def closing_rule(shared: Shared, above: int, last: int, end: int) -> int:
    """Return the row of the rule that closes front matter, as one above opens it; FREE where there are not both."""
    if shared.content[above] != FREE:
        return FREE
    size = shared.ends[above] - shared.starts[above]
    for row in range(last + 1, min(end, last + 1 + GAP)):
        if not is_line(shared, row):
            break
        differs = abs(shared.ends[row] - shared.starts[row] - size)
        if shared.content[row] == FREE and differs <= LIKE * size:
            return row
    return FREE


@helper
def take(shared: Shared, begin: int, last: int, best: int, reasons: U8, probabilities: F32) -> None:
    """Take what stands from one row to another for boilerplate, as likely as the lines of the template ``best`` are."""
    sure = np.float32(0)
    for row in range(begin, last + 1):
        if shared.templates[row] == best:
            sure = max(sure, probabilities[row])
    for row in range(begin, last + 1):
        if (reasons[row] == NONE or reasons[row] == UNSURE) and shared.marks[row] & TITLE == 0:
            reasons[row] = SITE_TEMPLATE
            probabilities[row] = max(probabilities[row], sure)


@kernel
def take_matter(docs: I64, examples: I64, shared: Shared, beginnings: int, reasons: U8, probabilities: F32) -> None:
    """Take front and back matter as a whole; let templates go that stand anywhere, again and again.

    Front matter is what stands between two rules, for a title too stands among templates at the top of a page. Back
    matter goes on to the end of the document, sentences that are its own aside.

    Args:
        docs: int64[d], the documents.
        examples: int64[c], one document of each of their clusters, in which it is seen where templates stand.
        shared: all blocks.
        beginnings: the first template that was learnt from nothing but the beginning of lines: those tell only here.
        reasons: uint8[n], codes of ``Reason``, changed in place.
        probabilities: float32[n], to be boilerplate, changed in place.
    """
    longest = 0
    for doc in docs:
        longest = max(longest, shared.bounds[doc + 1] - shared.bounds[doc])
    own = np.empty(longest + 1)
    size = shared.clusters.size
    fronts, backs, blocks = np.zeros(size, np.int32), np.zeros(size, np.int32), np.zeros(size, np.int32)
    again = np.zeros(size, np.bool_)
    held, repeated, seen = np.zeros(size, np.int32), np.zeros(size, np.int32), np.full(size, FREE, np.int64)
    for doc in examples:
        first, end = shared.bounds[doc], shared.bounds[doc + 1]
        has_text = measure_own(shared, doc, own)
        outer = OUTER * own[end - first]
        for row in range(first, end):
            template = shared.templates[row]
            if template == FREE:
                continue
            if seen[template] != doc:
                seen[template] = doc
                held[template] += 1
                again[template] = False
            elif not again[template]:
                again[template] = True
                repeated[template] += 1
            if has_text:
                blocks[template] += 1
                fronts[template] += own[row - first] <= outer
                backs[template] += own[end - first] - own[row - first + 1] <= outer
    least = np.maximum(1, MOSTLY * blocks)
    of_front, of_back = fronts >= least, backs >= least
    for doc in docs:
        first, end = shared.bounds[doc], shared.bounds[doc + 1]
        for row in range(first, end):
            template = shared.templates[row]
            if reasons[row] == SITE_TEMPLATE and template != FREE and shared.marks[row] & BUTTON == 0:
                inside = repeated[template] > REPEATING * held[template]
                if template >= beginnings or (inside and not of_front[template] and not of_back[template]):
                    reasons[row] = NONE
        if not measure_own(shared, doc, own):
            continue
        begin, last, best = anchored(shared, of_front, doc, 1, own, examples.size)
        if best != FREE and begin > first:
            rule = closing_rule(shared, begin - 1, last, end)
            if rule != FREE:
                take(shared, begin - 1, rule, best, reasons, probabilities)
        begin, last, best = anchored(shared, of_back, doc, -1, own, examples.size)
        if best != FREE:
            while begin + 1 < end and is_line(shared, begin + 1):
                if shared.templates[begin + 1] == FREE and shared.marks[begin + 1] & LINE_END:
                    break  # a postscript
                begin += 1
            take(shared, last, begin, best, reasons, probabilities)
