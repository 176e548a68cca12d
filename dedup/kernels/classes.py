"""Marks of blocks, templates that recur and probabilities in; the class of boilerplate of each block out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import F32, F64, I32, I64, U8, U32, U64, Bool, Index
from dedup.kernels.compile import helper, kernel
from dedup.kernels.tables import FREE

# marks
ECHO, TITLE = np.uint32(1), np.uint32(2)  # says what the title says; is the title
LABEL, CONTENTS = np.uint32(4), np.uint32(8)  # a heading that names no subject; one of a table of contents
LIST_OF_LINKS, LEAD = np.uint32(16), np.uint32(32)  # short pieces between separators; words that lead to other pages
PAGE_NUMBER, NUMBER_ALONE = np.uint32(64), np.uint32(128)  # a page's number and the words beside it; one number
TEMPLATE, NOTE = np.uint32(256), np.uint32(512)  # a placeholder nobody filled; an editor's note
LINE_END = np.uint32(1024)  # ends with a stop
NUMBERED = np.uint32(2048)  # has a number
WEAK = np.uint32(4096)  # its template has hardly any literal
PAGED = np.uint32(8192)  # has a word that stands beside the number of a page
CLAUSE = np.uint32(1 << 17)  # a sentence of some length that begins with a number, as clauses of a contract do
BUTTON, CREDIT = np.uint32(1 << 18), np.uint32(1 << 19)  # what stands on a button, or as links on several; who made it
TABULAR = np.uint32(1 << 20)  # a row of a table that blanks set, with numbers
LEVEL, DEEPEST = np.uint32(14), 7  # how deep a heading is stands in the bits from this one on, three of them

# the codes of dedup.schema.Reason
NONE, SITE_TEMPLATE, NAVIGATION, SECTION_LABEL, TITLE_ECHO, REPEATED_HEADER, PAGE_HEADER, PLACEHOLDER, UNSURE = (
    0, 9, 10, 11, 12, 13, 14, 15, 16,
)  # fmt: skip
HEADING_KIND, PARAGRAPH_KIND, LIST_ITEM_KIND, OTHER_KIND = 0, 1, 2, 3  # dedup.schema.KINDS

LEAST_PAGES = 3  # clusters of documents that a source needs for its own counts to tell
PAGES = 3  # times that a page's header stands in a document
BETWEEN_PAGES = 3  # blocks from one page's header to the next, in the mean
BESIDE_NUMBERS = 0.6  # share of a running title's places beside the number of a page
LABEL_WORDS = 12  # words that a header has at most
LEAST_TEXT = 30  # words of a document's own text, or as many as it has blocks
EDGE = 4  # blocks at the top and at the end of a document where menus and paths stand
BYLINE = 8  # blocks at the top among which it stands who wrote a text, below something
ONE = 1.5  # words; what is on a button and is no more may be anything, but at the edges and among ...
LONG_SENTENCE = 12  # ... sentences of so many words
LISTED = 0.6  # share of a table of contents that stands further down as headings
SOURCES, WORDS = 3, 3  # sources that a template recurs in across a corpus, and words that it has
HELD = TITLE | CLAUSE | TABULAR  # what goes only if it is sure to be a template
LIKELY, EVEN, FAIR, SURE = 0.9, 0.5, 0.4, 0.99  # probabilities


class Judgeable(NamedTuple):
    """``n`` blocks of ``docs`` documents.

    Attributes:
        bounds: int64[docs + 1], where each document's blocks begin.
        bare: uint64[n], template keys without the slots that blocks begin with.
        content: int64[n], number of each block's content, FREE for blocks without a token.
        kinds: uint8[n].
        marks: uint32[n].
        words: float32[n].
        templates: int32 or int64[n], each block's template, FREE where none recurs.
        spread: int32[n], sources that have the block's template.
        pages: float64[docs], clusters of documents that each document's source has.
    """

    bounds: I64
    bare: U64
    content: I64
    kinds: U8
    marks: U32
    words: F32
    templates: Index
    spread: I32
    pages: F64


@helper
def group_of(value: np.uint64, slots: I64, values: U64, used: int) -> tuple[int, int]:
    """Number values of a document in order of first standing; return the number and the new count."""
    mask = np.uint64(slots.size - 1)
    place = (value ^ value >> np.uint64(32)) & mask
    while slots[place] != FREE and values[slots[place]] != value:
        place = (place + np.uint64(1)) & mask
    if slots[place] == FREE:
        slots[place] = used
        values[used] = value
        used += 1
    return slots[place], used


@helper
def room_for(count: int) -> int:
    """Return the slots of a table of so many values: a power of two."""
    room = 2
    while room < 2 * count:
        room *= 2
    return room


@helper
def closes(blocks: Judgeable, row: int, start: int, end: int) -> bool:
    """Whether a row is a heading or ends with a stop, or there is none: headers stand between such, verses do not."""
    return row < start or row >= end or blocks.kinds[row] == HEADING_KIND or blocks.marks[row] & LINE_END != 0


@helper
def spaced(first: int, last: int, count: int) -> bool:
    """Whether so many blocks, from the first to the last, are as far apart as pages are."""
    return count >= PAGES and last - first >= BETWEEN_PAGES * (count - 1)


@helper
def framed(blocks: Judgeable, row: int, start: int, end: int) -> bool:
    """Whether the blocks above and below recur and their templates tell something."""
    above = row == start or (blocks.templates[row - 1] != FREE and blocks.marks[row - 1] & WEAK == 0)
    return above and (row + 1 == end or (blocks.templates[row + 1] != FREE and blocks.marks[row + 1] & WEAK == 0))


@kernel
def classify(
    run: I64, blocks: Judgeable, probabilities: F32, usual: Bool, own_words: F32, threshold: float, reasons: U8
) -> None:
    """Tell the class of boilerplate of the blocks of some documents.

    Args:
        run: int64[r], the documents.
        blocks: all blocks.
        probabilities: float32[m], probability of each block of these documents, one behind the other, to be
            boilerplate.
        usual: bool[m], whether much of its source has each block's template, see ``site_features``.
        own_words: float32[r], words of each document's own text, see ``site_features``.
        threshold: least probability of a block whose template recurs; ``FAIR`` is enough where it is usual.
        reasons: uint8[m], filled with codes of ``Reason``.
    """
    longest = 1
    for doc in run:
        longest = max(longest, blocks.bounds[doc + 1] - blocks.bounds[doc])
    table, values = np.empty(room_for(longest), np.int64), np.empty(longest, np.uint64)
    group, header = np.empty(longest, np.int64), np.empty(longest, np.bool_)
    count, changes = np.empty(longest, np.int64), np.empty(longest, np.int64)
    first, last = np.empty(longest, np.int64), np.empty(longest, np.int64)
    beside, apart = np.empty(longest, np.int64), np.empty(longest, np.int64)
    above = np.empty(longest, np.int64)  # the heading that the first of a group stands under
    at_level, under = np.empty(DEEPEST + 1, np.int64), np.empty(longest, np.int64)
    at = 0
    for number in range(run.size):
        doc = run[number]
        start, end = blocks.bounds[doc], blocks.bounds[doc + 1]
        n = end - start
        room = room_for(n)
        slots = table[:room]
        # where hardly anything stands that recurs nowhere, there is nothing that furniture would be around
        has_text = own_words[number] >= LEAST_TEXT or own_words[number] >= n
        # numbers of pages: with the words for it, by themselves, or in a line that is else the same
        numbers, number_changes, number_first, number_last, before = 0, 0, 0, 0, FREE
        words, prose = 0.0, 0.0
        for i in range(n):
            row = start + i
            words += blocks.words[row]
            prose += blocks.words[row] if blocks.marks[row] & LINE_END and blocks.words[row] >= LONG_SENTENCE else 0.0
            header[i] = blocks.marks[row] & PAGE_NUMBER != 0
            if blocks.marks[row] & NUMBER_ALONE and blocks.kinds[row] != OTHER_KIND:
                number_first = i if numbers == 0 else number_first
                number_changes += numbers > 0 and blocks.content[row] != before
                number_last, before = i, blocks.content[row]
                numbers += 1
        alone = spaced(number_first, number_last, numbers) and number_changes == numbers - 1
        for k in range(room):
            slots[k] = FREE
        used = 0
        for i in range(n):
            row = start + i
            header[i] |= alone and blocks.marks[row] & NUMBER_ALONE != 0
            group[i] = FREE
            mark = blocks.marks[row]
            numbered = mark & (NUMBERED | LINE_END) == NUMBERED and mark & (PAGED | ECHO) != 0
            if numbered and blocks.words[row] <= LABEL_WORDS:
                g, now = group_of(blocks.bare[row], slots, values, used)
                if now > used:
                    count[g], changes[g], first[g] = 0, 0, i
                    used = now
                else:
                    changes[g] += blocks.content[row] != blocks.content[start + last[g]]
                count[g] += 1
                last[g] = i
                group[i] = g
        for i in range(n):
            g = group[i]
            if g != FREE and blocks.kinds[start + i] == PARAGRAPH_KIND and blocks.words[start + i] >= 4:
                header[i] |= spaced(first[g], last[g], count[g]) and changes[g] == count[g] - 1
        # lines that are the same word for word: running titles, headers again
        for k in range(room):
            slots[k] = FREE
        used = 0
        for level in range(DEEPEST + 1):
            at_level[level] = FREE
        for i in range(n):
            row = start + i
            group[i] = FREE
            under[i] = FREE
            if blocks.kinds[row] == HEADING_KIND:
                own = blocks.marks[row] >> LEVEL & np.uint32(DEEPEST)
                at_level[own] = i
                for level in range(own):
                    under[i] = max(under[i], at_level[level])
            if blocks.content[row] == FREE or blocks.words[row] > LABEL_WORDS:
                continue
            if blocks.kinds[row] == OTHER_KIND or blocks.kinds[row] == LIST_ITEM_KIND:
                continue
            g, now = group_of(np.uint64(blocks.content[row]), slots, values, used)
            if now > used:
                count[g], first[g], beside[g], apart[g], above[g] = 0, i, 0, 0, under[i]
                used = now
            count[g] += 1
            last[g] = i
            group[i] = g
            beside[g] += (i > 0 and header[i - 1]) or (i + 1 < n and header[i + 1])
            apart[g] += closes(blocks, row - 1, start, end) and closes(blocks, row + 1, start, end)
        for i in range(n):
            row = start + i
            g = group[i]
            mark, kind, p = blocks.marks[row], blocks.kinds[row], probabilities[at + i]
            recurs = has_text and blocks.templates[row] != FREE and blocks.pages[doc] >= LEAST_PAGES
            same = count[g] if g != FREE else 1
            least = min(FAIR, threshold) if usual[at + i] else threshold
            links = mark & (LIST_OF_LINKS | BUTTON) == LIST_OF_LINKS
            outer = i < EDGE or i >= n - EDGE
            single = mark & LIST_OF_LINKS == 0
            stands_out = p >= EVEN and prose >= EVEN * words if single else p >= LIKELY
            button = mark & BUTTON != 0 and (outer or stands_out or (single and blocks.words[row] > ONE))
            byline = mark & CREDIT != 0 and mark & TITLE == 0 and 0 < i < BYLINE and p >= FAIR
            reason = NONE
            if mark & TEMPLATE:
                reason = PLACEHOLDER
            elif header[i]:
                reason = PAGE_HEADER
            elif same >= PAGES and spaced(first[g], last[g], same) and beside[g] >= BESIDE_NUMBERS * same:
                reason = PAGE_HEADER if kind != HEADING_KIND else NONE
            elif mark & ECHO and mark & TITLE == 0:
                reason = TITLE_ECHO
            elif mark & LABEL and kind != LIST_ITEM_KIND and kind != OTHER_KIND:
                reason = SECTION_LABEL
            elif (
                same > 1
                and i != first[g]
                and mark & TITLE == 0
                and (
                    (kind == HEADING_KIND and under[i] == above[g])
                    or (kind == PARAGRAPH_KIND and apart[g] == same and mark & LINE_END == 0)
                )
            ):
                reason = REPEATED_HEADER
            elif kind == OTHER_KIND:
                reason = NONE
            elif mark & LEAD:
                reason = NAVIGATION
            elif button or byline:
                reason = SITE_TEMPLATE
            elif (
                recurs
                and p >= least
                and (
                    mark & (WEAK | HELD) == 0
                    or (mark & HELD != 0 and p >= SURE)
                    or (mark & HELD == 0 and usual[at + i] and framed(blocks, row, start, end))
                )
            ):
                reason = NAVIGATION if links else SITE_TEMPLATE
            elif links and (p >= LIKELY or outer):
                reason = NAVIGATION
            elif (
                blocks.pages[doc] < LEAST_PAGES
                and blocks.spread[row] >= SOURCES
                and blocks.words[row] >= WORDS
                and p >= EVEN
            ):
                reason = SITE_TEMPLATE
            elif p >= SURE:
                reason = UNSURE
            reasons[at + i] = reason
        # tables of contents
        listed = 0
        for i in range(n):
            listed += blocks.kinds[start + i] == LIST_ITEM_KIND
        if listed == 0:
            at += n
            continue
        for k in range(room):
            slots[k] = FREE
        used = 0
        for i in range(n):
            row = start + i
            group[i] = FREE
            if blocks.kinds[row] != OTHER_KIND and blocks.words[row] <= LABEL_WORDS and blocks.bare[row] != 0:
                g, now = group_of(blocks.bare[row], slots, values, used)
                if now > used:
                    last[g] = FREE
                    used = now
                group[i] = g
                if blocks.kinds[row] != LIST_ITEM_KIND and blocks.marks[row] & LINE_END == 0:
                    last[g] = i
        i = 0
        while i < n:
            if blocks.kinds[start + i] != LIST_ITEM_KIND:
                i += 1
                continue
            stop, listed = i, 0
            while stop < n and blocks.kinds[start + stop] == LIST_ITEM_KIND:
                listed += group[stop] != FREE and last[group[stop]] > stop
                stop += 1
            below_label = i > 0 and blocks.marks[start + i - 1] & CONTENTS != 0
            if below_label or (listed >= 2 and listed >= LISTED * (stop - i)):
                for k in range(i, stop):
                    if reasons[at + k] != PLACEHOLDER and reasons[at + k] != PAGE_HEADER:
                        reasons[at + k] = NAVIGATION
            i = stop
        at += n
