"""Blocks of a batch in; marks that tell kinds of boilerplate by a block's own words out."""

from __future__ import annotations

import functools
import re

import numpy as np

from dedup.arrays import I64, U8, U32, U64, Bool, ranges
from dedup.blocks import spans_in_data
from dedup.kernels.classes import CONTENTS, CREDIT, LABEL, LEAD, NOTE, NUMBER_ALONE, TEMPLATE, TITLE
from dedup.kernels.mark import ACTION, ON_BUTTON, mark_blocks
from dedup.kernels.template import NONE
from dedup.kernels.triggers import flag_triggers
from dedup.lexicon import Lexicon, is_in, make_table, opening_words, phrases
from dedup.schema import Blocks
from dedup.shape import Shapes
from dedup.sketch import Tokens, tokenize_blocks, tokenize_texts
from dedup.templates import Templates, bare_keys

FENCES = (ord("`"), ord("~"))
PAGE = re.compile(r"[\s|·\[\]()~*–—-]*\d{1,5}[\s|·\[\]()~*–—-]*")  # a page's number by itself


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
    marks, colons = np.empty(starts.size, np.uint32), np.empty(starts.size, np.int64)
    mark_blocks(
        data, starts, ends, blocks.kinds, tokens.hashes, tokens.bounds, templates.keys, templates.bare,
        templates.literals, templates.numbered, templates.paged, templates.echoes, templates.slots, templates.firsts,
        shapes.counts, shapes.words, *known_words(), marks, colons,
    )  # fmt: skip
    marks[templates.titles[templates.titles != NONE]] |= TITLE
    marks[credited] |= CREDIT
    for row in (marks & NUMBER_ALONE).nonzero()[0]:
        if not PAGE.fullmatch(str(data[starts[row] : ends[row]].data, "utf-8")):
            marks[row] &= ~NUMBER_ALONE
    opening = (colons >= 0).nonzero()[0]
    if opening.size:
        marks[opening[leads(data, starts[opening], colons[opening])]] |= LEAD
    flags = np.empty(starts.size, np.bool_)
    flag_triggers(data, starts, ends, flags)
    rows = flags.nonzero()[0]
    if rows.size:
        from dedup.placeholders import Severity, worst  # its patterns take as long to compile as NumPy to load
    for row in rows:
        if data[starts[row]] in FENCES:
            continue  # code
        severity = worst(str(data[starts[row] : ends[row]].data, "utf-8"))
        if severity is not None:
            marks[row] |= NOTE if severity == Severity.NOTE else TEMPLATE
    return marks


@functools.cache
def known_words() -> Lexicon:
    """Return the table of labels and buttons, as ``Templates.bare`` has them, and of what rows of these begin with."""
    roles = dict.fromkeys(opening_words("actions").tolist(), int(ACTION))
    lists = (("section_labels", LABEL), ("contents_labels", CONTENTS | LABEL), ("buttons", ON_BUTTON))
    for name, mark in lists:
        for key in bare_keys(phrases(name)).tolist():
            if key:  # nothing but slots has none
                roles[key] = roles.get(key, 0) | int(mark)
    return make_table(roles)


def leads(data: U8, starts: I64, colons: I64) -> Bool:
    """Tell which blocks begin with words that lead to other pages, and a colon."""
    lengths = colons - starts
    heads = data[ranges(starts, lengths)]
    heads.flags.writeable = False  # as the documents are, so that kernels are compiled once
    n = starts.size
    each = Blocks(np.arange(n + 1), np.zeros(n, np.int64), lengths, np.zeros(n, np.uint8))
    bounds = np.cumsum(np.append(0, lengths))
    return is_in(tokenize_blocks(heads, bounds, each).fingerprints[:, 0], known_phrases("navigation_leads"))
