"""Blocks of a batch in; marks that tell kinds of boilerplate by a block's own words out."""

from __future__ import annotations

import functools
import re

import numpy as np

from dedup.arrays import I64, U8, U32, U64, Bool
from dedup.blocks import bytes_at, spans_in_data
from dedup.kernels.classes import (
    BUTTON,
    CLAUSE,
    CONTENTS,
    CREDIT,
    DEEPEST,
    ECHO,
    LABEL,
    LEAD,
    LEVEL,
    LINE_END,
    LIST_OF_LINKS,
    NOTE,
    NUMBER_ALONE,
    NUMBERED,
    PAGE_NUMBER,
    PAGED,
    TEMPLATE,
    TITLE,
    WEAK,
)
from dedup.kernels.links import count_dividers, first_colons
from dedup.kernels.shape import ENDS, IDEOGRAPHS, LETTERS
from dedup.kernels.template import NONE, NUMBER
from dedup.kernels.triggers import flag_triggers
from dedup.lexicon import phrases
from dedup.schema import KINDS, Blocks
from dedup.shape import Shapes
from dedup.sketch import Tokens, tokenize_blocks, tokenize_texts
from dedup.templates import Templates, bare_keys, is_in

HEADING, PARAGRAPH, OTHER = (KINDS.index(kind) for kind in ("heading", "paragraph", "other"))
ECHO_SHARE = 0.85  # of a title and of a block that are the same where one repeats the other
LABEL_WORDS = 8  # words that a label has at most
BUTTON_TOKENS = 10  # tokens of what stands on a button, at most
LIST_WORDS = 40  # words that a line of links has at most
WORDS_A_LINK = 4  # words between the separators of a line of links, at most
CLAUSE_WORDS = 8  # words of a numbered sentence that may be a clause, at least
LETTERS_A_WORD = 3  # in a line of links, at least, in the mean
FENCES = (ord("`"), ord("~"))
PAGE = re.compile(r"[\s|·\[\]()~*–—-]*\d{1,5}[\s|·\[\]()~*–—-]*")  # a page's number by itself
PAGE_TOKENS = 8  # tokens of a page's number and what stands beside it, at most


@functools.cache
def known_phrases(name: str) -> U64:
    """Return the keys of a list of phrases, ascending: uint64[p]."""
    keys: U64 = np.unique(tokenize_texts(phrases(name)).fingerprints[:, 0])
    return keys


def find_marks(
    data: U8, doc_bounds: I64, blocks: Blocks, tokens: Tokens, templates: Templates, shapes: Shapes, credited: I64
) -> U32:
    """Mark ``n`` blocks: uint32[n], see ``dedup.kernels.classes``.

    Args:
        data: uint8, valid UTF-8 of the documents.
        doc_bounds: int64[docs + 1], where each document begins in ``data``.
        blocks: their blocks.
        tokens: the blocks' tokens.
        templates: the blocks' templates.
        shapes: what the blocks look like.
        credited: int64, the blocks that say who made something, see ``mask_names``.
    """
    starts, ends = spans_in_data(doc_bounds, blocks)
    lengths = np.diff(tokens.bounds)
    marks = np.zeros(blocks.starts.size, np.uint32)
    marks[templates.echoes >= ECHO_SHARE * 255] |= ECHO
    marks[templates.titles[templates.titles != NONE]] |= TITLE
    first = bytes_at(data, starts)
    lower = (first >= ord("a")) & (first <= ord("z"))  # a label begins with a capital, where there are any
    short = np.flatnonzero((templates.literals > 0) & (lengths <= LABEL_WORDS) & ~lower)
    for name, mark in (("section_labels", LABEL), ("contents_labels", CONTENTS | LABEL)):
        marks[short[is_in(templates.bare[short], label_keys(name))]] |= mark
    ends_sentence = shapes.counts[:, ENDS] != 0
    marks[ends_sentence] |= LINE_END
    marks[credited] |= CREDIT
    marks[templates.numbered > 0] |= NUMBERED
    marks[(templates.keys & np.uint64(1)) != 0] |= WEAK
    dividers = np.empty(starts.size, np.int32)
    line = ~ends_sentence & (shapes.words <= LIST_WORDS)
    count_dividers(data, starts, ends, line, dividers)
    linked = (dividers > 0) & (shapes.words <= WORDS_A_LINK * (dividers + 1)) & (templates.numbered == 0)
    letters = shapes.counts[:, LETTERS] + 2 * shapes.counts[:, IDEOGRAPHS]
    linked &= (letters >= LETTERS_A_WORD * shapes.words) & (shapes.words > dividers)
    linked &= (blocks.kinds == PARAGRAPH) & (first != ord(">")) & (first != ord("|"))
    rows = np.flatnonzero(linked)
    act = is_in(tokens.hashes[tokens.bounds[rows]], action_words())
    marks[rows[act]] |= BUTTON
    marks[rows[~act]] |= LIST_OF_LINKS
    rows = np.flatnonzero((blocks.kinds == PARAGRAPH) & ~ends_sentence & (lengths <= BUTTON_TOKENS) & (lengths > 0))
    marks[rows[is_in(tokens.fingerprints[rows, 0], known_phrases("buttons"))]] |= BUTTON
    numbers = (templates.numbered > 0) & (lengths <= PAGE_TOKENS)
    marks[numbers & (templates.numbered + templates.paged == lengths) & (templates.paged > 0)] |= PAGE_NUMBER
    for row in np.flatnonzero(numbers & (lengths == 1)):
        if PAGE.fullmatch(str(data[starts[row] : ends[row]].data, "utf-8")):
            marks[row] |= NUMBER_ALONE
    marks[templates.paged > 0] |= PAGED
    opens = bytes_at(templates.slots, templates.firsts) == NUMBER
    digit = (first >= ord("0")) & (first <= ord("9"))
    marks[opens & digit & ends_sentence & (shapes.words >= CLAUSE_WORDS)] |= CLAUSE
    heads = np.flatnonzero(blocks.kinds == HEADING)
    marks[heads] |= levels(data, starts[heads]) << LEVEL
    marks[leads(data, starts, ends, line & (blocks.kinds != OTHER) & (blocks.kinds != HEADING))] |= LEAD
    flags = np.empty(starts.size, np.bool_)
    flag_triggers(data, starts, ends, flags)
    rows = np.flatnonzero(flags)
    if rows.size:
        from dedup.placeholders import Severity, worst  # its patterns take as long to compile as NumPy to load
    for row in rows:
        if data[starts[row]] in FENCES:
            continue  # code
        severity = worst(str(data[starts[row] : ends[row]].data, "utf-8"))
        if severity is not None:
            marks[row] |= NOTE if severity == Severity.NOTE else TEMPLATE
    return marks


def levels(data: U8, starts: I64) -> U32:
    """Return how many ``#`` headings begin with: uint32[n]; 0 for underlined ones, ``DEEPEST`` at the most."""
    depth, open_ = np.zeros(starts.size, np.uint32), np.ones(starts.size, np.bool_)
    for k in range(DEEPEST):
        open_ &= bytes_at(data, starts + k) == ord("#")
        depth += open_
    return depth


@functools.cache
def label_keys(name: str) -> U64:
    """Return the keys of a list of phrases as ``Templates.bare`` has them, ascending."""
    keys: U64 = np.unique(bare_keys(phrases(name)))
    return keys


@functools.cache
def action_words() -> U64:
    """Return the hashes of words that buttons begin with, ascending."""
    tokens = tokenize_texts(phrases("actions"))
    return np.unique(tokens.hashes[tokens.bounds[:-1]])


def leads(data: U8, starts: I64, ends: I64, fit: Bool) -> I64:
    """Return the blocks, of those that are fit, that begin with words that lead to other pages, and a colon."""
    colons = np.empty(starts.size, np.int64)
    first_colons(data, starts, ends, fit, colons)
    rows = np.flatnonzero(colons >= 0)
    if rows.size == 0:
        return rows
    lengths = colons[rows] - starts[rows]
    bounds = np.cumsum(np.append(0, lengths))
    heads = data[np.repeat(starts[rows] - bounds[:-1], lengths) + np.arange(bounds[-1])]
    each = Blocks(np.arange(rows.size + 1), np.zeros(rows.size, np.int64), lengths, np.zeros(rows.size, np.uint8))
    tokens = tokenize_blocks(heads, bounds, each)
    return rows[is_in(tokens.fingerprints[:, 0], known_phrases("navigation_leads"))]
