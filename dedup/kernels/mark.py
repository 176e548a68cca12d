"""What was found out about blocks, and their bytes, in; the marks that a block's own words leave on it out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import F32, I32, I64, U8, U16, U32, U64
from dedup.kernels.classes import (
    BUTTON,
    CLAUSE,
    CONTENTS,
    DEEPEST,
    ECHO,
    HEADING_KIND,
    LABEL,
    LEVEL,
    LINE_END,
    LIST_OF_LINKS,
    NUMBER_ALONE,
    NUMBERED,
    OTHER_KIND,
    PAGE_NUMBER,
    PAGED,
    PARAGRAPH_KIND,
    TABULAR,
    WEAK,
)
from dedup.kernels.compile import helper, kernel
from dedup.kernels.links import COLON, SLASH, SPACE
from dedup.kernels.masks import STRIDE, between, equal, roomy
from dedup.kernels.mixing import lowest_bit
from dedup.kernels.shape import COLON_LAST, ENDS, IDEOGRAPHS, LETTERS
from dedup.kernels.template import NUMBER, in_sieve, role_of

# what is in a table beside LABEL and CONTENTS: a word that rows of buttons begin with, what stands on one
ACTION, ON_BUTTON = np.uint16(1), np.uint16(2)
COLUMNS_OF_TABLE = 3  # of a line that is a row of a table, at least
ECHO_SHARE = 0.85  # of a title and of a block that are the same where one repeats the other
LABEL_WORDS = 8  # words that a label has at most
LIST_WORDS = 40  # words that a line of links has at most
WORDS_A_LINK = 4  # words between the separators of a line of links, at most
CLAUSE_WORDS = 8  # words of a numbered sentence that may be a clause, at least
LETTERS_A_WORD = 3  # in a line of links, at least, in the mean
PAGE_TOKENS = 8  # tokens of a page's number and what stands beside it, at most
TAB = np.uint8(9)
HEAD = 48  # bytes of a block in which a colon is looked for
ZERO, ONE = np.uint64(0), np.uint64(1)


@helper
def known_as(key: np.uint64, words: U64, roles: U16, sieve: U64) -> np.uint16:
    """Return what a key is known as; 0 for others."""
    return role_of(key, words, roles) if in_sieve(key, sieve) & ONE != ZERO else np.uint16(0)


@helper
def divider_at(data: U8, p: int, start: int, end: int) -> tuple[int, int, int]:
    """Say what stands at ``p`` between others of the block from ``start`` to ``end``.

    Returns:
        1 for a bar between links, 1 for a step of a path, 1 for an ideographic space; 0 each for something else.
    """
    c, spaced = data[p], data[p - 1] == SPACE
    if c == 124 or c == SLASH:  # | /
        return int(spaced and data[p + 1] == SPACE), 0, 0
    if c == 62:  # >
        return 0, int(spaced and data[p + 1] == SPACE), 0
    if c == 0xC2:  # middle dot, double angle quotation mark
        return int(spaced and data[p + 1] == 0xB7), int(spaced and data[p + 1] == 0xBB), 0
    if p + 2 >= end:
        return 0, 0, 0
    if c == 0xE2:  # bullet, single angle quotation mark, arrow
        bullet = data[p + 1] == 0x80 and data[p + 2] == 0xA2
        angle = data[p + 1] == 0x80 and data[p + 2] == 0xBA
        arrow = data[p + 1] == 0x86 and data[p + 2] == 0x92
        return int(spaced and bullet), int(spaced and (angle or arrow)), 0
    if c == 0xE3:  # ideographic space, alone: a run of them sets a table
        blank = data[p + 1] == 0x80 and data[p + 2] == 0x80
        again = p + 5 < end and data[p + 3] == 0xE3 and data[p + 4] == 0x80 and data[p + 5] == 0x80
        before = p >= start + 3 and data[p - 3] == 0xE3 and data[p - 2] == 0x80 and data[p - 1] == 0x80
        return 0, 0, int(blank and not again and not before)
    bar = data[p + 1] == 0xBD and data[p + 2] == 0x9C  # full-width bar
    return int(bar), int(data[p + 1] == 0xBC and data[p + 2] == 0x9E), 0  # and greater-than sign


@helper
def count_dividers(data: U8, start: int, end: int) -> tuple[int, int]:
    """Count what stands between the links of a menu of three (``|``, ``/``, a dot), or the steps of a path (``>``).

    Returns:
        How many there are; those of a path among them.
    """
    bars, paths, wide = 0, 0, 0
    for base in range(start + 1, end - 1, STRIDE):
        bits = equal(data, base, 47) | equal(data, base, 62) | equal(data, base, 124)
        if between(data, base, 0xC2, 0xEF) != ZERO:
            bits |= equal(data, base, 0xC2) | between(data, base, 0xE2, 0xE3) | equal(data, base, 0xEF)
        if base + STRIDE > end - 1:
            bits &= (ONE << np.uint64(end - 1 - base)) - ONE
        while bits != ZERO:
            bar, path, blank = divider_at(data, base + int(np.int64(lowest_bit(bits))), start, end)
            bits &= bits - ONE
            bars += bar
            paths += path
            wide += blank
    return paths + (bars if bars > 1 else 0) + (wide if wide > 2 else 0), paths


@helper
def count_gaps(data: U8, start: int, end: int) -> int:
    """Count the runs of blanks that set columns off: two blanks or more, or a tab."""
    gaps, run, tab = 0, 0, False
    for p in range(start, end):
        if data[p] == SPACE or data[p] == TAB:
            run += 1
            tab |= data[p] == TAB
        else:
            gaps += run > 1 or tab
            run, tab = 0, False
    return gaps


@helper
def first_colon(data: U8, start: int, end: int) -> int:
    """Return where the first colon, of any width, stands among the first bytes of a block; -1 where none does."""
    bits = (equal(data, start, 58) | equal(data, start, 0xEF)) & (ONE << np.uint64(min(HEAD, end - start))) - ONE
    while bits != ZERO:
        p = start + int(np.int64(lowest_bit(bits)))
        bits &= bits - ONE
        if data[p] == COLON or (p + 2 < end and data[p + 1] == 0xBC and data[p + 2] == 0x9A):
            return p
    return -1


@kernel
def mark_blocks(
    data: U8,
    starts: I64,
    ends: I64,
    kinds: U8,
    hashes: U64,
    bounds: I64,
    keys: U64,
    bare: U64,
    literals: I32,
    numbered: I32,
    paged: I32,
    echoes: U8,
    slots: U8,
    firsts: I64,
    counts: I32,
    words: F32,
    known: U64,
    roles: U16,
    sieve: U64,
    marks: U32,
    colons: I64,
) -> None:
    """Mark ``n`` blocks by what was found out about them.

    Args:
        data: uint8, valid UTF-8.
        starts: int64[n], first byte of each block. ``ends`` likewise, the byte after its last.
        ends: see ``starts``.
        kinds: uint8[n].
        hashes: uint64, tokens of the blocks.
        bounds: int64[n + 1], where each block's begin.
        keys: uint64[n], see ``template_keys``. So are ``bare`` to ``echoes``, and ``slots``.
        bare: see ``keys``.
        literals: see ``keys``.
        numbered: see ``keys``.
        paged: see ``keys``.
        echoes: see ``keys``.
        slots: see ``keys``.
        firsts: int64[n], each block's first token in ``slots``.
        counts: int32[n, COLUMNS], see ``count_characters``.
        words: float32[n].
        known: uint64, an open-addressing table of keys and tokens, see ``dedup.lexicon``.
        roles: uint16, what each of them is: ACTION, ON_BUTTON, LABEL, CONTENTS.
        sieve: uint64[1024], see there.
        marks: uint32[n], filled, see ``dedup.kernels.classes``; NUMBER_ALONE is on all blocks that are one token, a
            number.
        colons: int64[n], filled: the place of the first colon near the beginning of each line that words may lead to
            other pages in; -1 for none, and for others.
    """
    data = roomy(data)
    for i in range(starts.size):
        start, end, kind, size = starts[i], ends[i], kinds[i], bounds[i + 1] - bounds[i]
        first = data[start] if start < end else np.uint8(0)
        sentence = counts[i, ENDS] != 0
        mark = np.uint32(0)
        colons[i] = -1
        if echoes[i] >= ECHO_SHARE * 255:
            mark |= ECHO
        name = known_as(bare[i], known, roles, sieve) if literals[i] > 0 else np.uint16(0)
        # a label begins with a capital, where there are any
        if size <= LABEL_WORDS and not (first >= 97 and first <= 122):
            mark |= np.uint32(name) & (LABEL | CONTENTS)
        if sentence:
            mark |= LINE_END
        if numbered[i] > 0:
            mark |= NUMBERED
        if keys[i] & ONE != ZERO:
            mark |= WEAK
        if paged[i] > 0:
            mark |= PAGED
        if numbered[i] > 0 and size <= PAGE_TOKENS:
            if paged[i] > 0 and numbered[i] + paged[i] == size:
                mark |= PAGE_NUMBER
            if size == 1:
                mark |= NUMBER_ALONE
        begins_with_digit = size > 0 and first >= 48 and first <= 57
        if sentence and words[i] >= CLAUSE_WORDS and begins_with_digit and slots[firsts[i]] == NUMBER:
            mark |= CLAUSE
        if kind == HEADING_KIND:
            level = 0
            while level < DEEPEST and start + level < data.size and data[start + level] == 35:
                level += 1
            mark |= np.uint32(level) << LEVEL
        if not sentence and words[i] <= LIST_WORDS and start < end:
            if kind != OTHER_KIND and kind != HEADING_KIND:
                colons[i] = first_colon(data, start, end)
            if kind == PARAGRAPH_KIND and first != 62 and first != 124 and numbered[i] == 0:  # > |
                dividers, paths = count_dividers(data, start, end)
                letters = counts[i, LETTERS] + 2 * counts[i, IDEOGRAPHS]
                linked = words[i] <= WORDS_A_LINK * (dividers + 1) and letters >= LETTERS_A_WORD * words[i]
                if dividers > 0 and words[i] > dividers and linked:
                    opening = hashes[bounds[i]] if size > 0 else ZERO
                    if known_as(opening, known, roles, sieve) & ACTION == 0:
                        mark |= LIST_OF_LINKS
                    elif paths == 0:
                        mark |= BUTTON | LIST_OF_LINKS
                elif name & ON_BUTTON != 0 and literals[i] == size and counts[i, COLON_LAST] == 0:
                    mark |= BUTTON
            if numbered[i] > 0 and count_gaps(data, start, end) >= COLUMNS_OF_TABLE - 1:
                mark |= TABULAR
        marks[i] = mark
