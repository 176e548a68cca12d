"""Blocks of a batch and their tokens in; template keys out: equal where blocks differ in what fills a slot only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dedup.arrays import I32, I64, U8, U64, Bool, lengths_of, ranges
from dedup.blocks import bytes_at, spans_in_data
from dedup.kernels.links import find_links
from dedup.kernels.shape import CASELESSES, ENDS, LOWERS, UPPERS
from dedup.kernels.template import LINK_TOKEN, LONGEST_TITLE, NONE, find_repeated_tops, template_keys
from dedup.lexicon import is_in, lexicon, opening_words
from dedup.schema import KINDS, Blocks
from dedup.sketch import Tokens, lay_out, tokenize_blocks

HEADING, PARAGRAPH, LIST_ITEM = (KINDS.index(kind) for kind in ("heading", "paragraph", "list_item"))
CREDIT_KEY = np.uint64(0xD1B54A32D192ED03)  # makes the key of a line of credit of its first word
CREDIT_TOKENS, CASELESS_CREDIT = 12, 6  # tokens that such a line has at most; in scripts without capitals
LEAST_CAPITALS = 2  # words of it that begin with a capital
SMALL_WORDS = 3  # words of it that do not, where no colon tells: "and", "editing by"
FIRST_WORD = re.compile(r"[\W_]*[^\W_]+[ \u3000]?[:：/]")
TITLE_TOKENS = range(2, LONGEST_TITLE + 1)  # tokens that a title has


class Templates(NamedTuple):
    """Templates of ``n`` blocks.

    Attributes:
        keys: uint64[n], equal where blocks differ in links, dates, numbers and the title of their document only (and
            in names where ``mask_names`` made a slot of them, of which the other columns know nothing); 0 for blocks
            without a token. The lowest bit is set where hardly any literal is left.
        bare: uint64[n], the same without the slots that a block begins with; 0 where nothing else is there.
        literals: int32[n], tokens that are in no slot.
        numbered: int32[n], tokens that are numbers; ``paged``: int32[n], words that stand beside the number of a page.
        echoes: uint8[n], how much of the title and of the block are the same, from 0 to 255.
        titles: int64[docs], the block with each document's title, NONE where there is none.
        slots: uint8, for each token what it is, see ``dedup.kernels.template``; the tokens of blocks with links stand
            at the end.
        firsts: int64[n], each block's first token in ``slots``. ``lasts`` likewise, the token after its last.
    """

    keys: U64
    bare: U64
    literals: I32
    numbered: I32
    paged: I32
    echoes: U8
    titles: I64
    slots: U8
    firsts: I64
    lasts: I64


def find_templates(data: U8, doc_bounds: I64, blocks: Blocks, tokens: Tokens) -> Templates:
    """Mask the slots of each block.

    Args:
        data: uint8, valid UTF-8 of the documents.
        doc_bounds: int64[docs + 1], where each document begins in ``data``.
        blocks: their blocks.
        tokens: the blocks' tokens.
    """
    n = blocks.starts.size
    hashes, firsts, lasts = replace_links(data, doc_bounds, blocks, tokens)
    _, ends = spans_in_data(doc_bounds, blocks)
    last = bytes_at(data, ends - 1)
    sentences = (last == ord(".")) | (last == ord(",")) | (last == ord(";"))
    titles = find_titles(blocks, hashes, firsts, lasts, sentences)
    slots, echoes = np.empty(hashes.size, np.uint8), np.empty(n, np.uint8)
    keys, bare = np.empty(n, np.uint64), np.empty(n, np.uint64)
    literals, numbered, paged = (np.empty(n, np.int32) for _ in range(3))
    template_keys(
        hashes, firsts, lasts, blocks.bounds, titles, *lexicon(), slots, keys, bare, literals, numbered, paged, echoes
    )
    return Templates(keys, bare, literals, numbered, paged, echoes, titles, slots, firsts, lasts)


def mask_names(
    data: U8, doc_bounds: I64, blocks: Blocks, tokens: Tokens, counts: I32, templates: Templates
) -> tuple[Templates, I64]:
    """Make one slot of the names in lines that say who made a text or its pictures: "By NAME", "Photo: NAME".

    Such a line is a short paragraph that begins with a word for it, and nearly all of its words begin with a capital;
    in scripts without capitals it is shorter still. Its key is made of its first word alone.

    Args:
        data: uint8, valid UTF-8 of the documents.
        doc_bounds: int64[docs + 1], where each document begins in ``data``.
        blocks: their blocks.
        tokens: the blocks' tokens.
        counts: int32[n, COLUMNS], see ``dedup.kernels.shape``.
        templates: of the blocks.

    Returns:
        The templates with other keys; int64, the blocks that are such lines, ascending.
    """
    lengths = lengths_of(tokens.bounds)
    capitals, others, caseless = counts[:, UPPERS], counts[:, LOWERS], counts[:, CASELESSES]
    named = (capitals >= LEAST_CAPITALS) & (others < capitals)
    named |= (capitals == 0) & (others == 0) & (caseless > 1) & (caseless <= CASELESS_CREDIT)
    line = (blocks.kinds == PARAGRAPH) & (counts[:, ENDS] == 0) & (lengths > 1) & (lengths <= CREDIT_TOKENS)
    rows = (named & line).nonzero()[0]
    if not rows.size:
        return templates, rows
    opening = tokens.hashes[tokens.bounds[rows]]
    by_itself = is_in(opening, opening_words("credits")) & (others[rows] <= SMALL_WORDS)
    before_colon = is_in(opening, opening_words("credits_before_colon"))
    starts, ends = spans_in_data(doc_bounds, blocks)
    for k in np.flatnonzero(before_colon).tolist():
        before_colon[k] = FIRST_WORD.match(str(data[starts[rows[k]] : ends[rows[k]]].data, "utf-8")) is not None
    credited = by_itself | before_colon
    rows, opening = rows[credited], opening[credited]
    keys, bare = templates.keys.copy(), templates.bare.copy()
    keys[rows] = bare[rows] = (opening ^ CREDIT_KEY) & ~np.uint64(1)
    return templates._replace(keys=keys, bare=bare), rows


def find_titles(blocks: Blocks, hashes: U64, firsts: I64, lasts: I64, sentences: Bool) -> I64:
    """Return int64[docs], the block with each document's title, NONE where none is known.

    The title is the first heading. Where that is not at the top, it is the first block there that stands there again,
    but for links, and is no sentence: scraped pages have it bare, as a link and once more.
    """
    lengths = lasts - firsts
    fit = (lengths >= TITLE_TOKENS.start) & (lengths < TITLE_TOKENS.stop)
    headings = np.concatenate([((blocks.kinds == HEADING) & fit).nonzero()[0], [blocks.starts.size]])
    first = headings[np.searchsorted(headings, blocks.bounds[:-1])]
    titles = np.where(first < blocks.bounds[1:], first, NONE)
    find_repeated_tops(hashes, firsts, lasts, blocks.bounds, (blocks.kinds == LIST_ITEM) | sentences, titles)
    return titles


def replace_links(data: U8, doc_bounds: I64, blocks: Blocks, tokens: Tokens) -> tuple[U64, I64, I64]:
    """Put one token for each link.

    Returns:
        uint64, the tokens, and behind them those of blocks with links; int64[n], each block's first token; int64[n],
        the token after its last.
    """
    firsts, lasts = tokens.bounds[:-1], tokens.bounds[1:]
    spans = np.empty((256, 2), np.int64)
    count = find_links(data, doc_bounds, spans)
    if count > len(spans):
        spans = np.empty((count, 2), np.int64)
        find_links(data, doc_bounds, spans)
    starts, ends = spans_in_data(doc_bounds, blocks)
    rows = np.searchsorted(starts, spans[:count, 0], side="right") - 1
    inside = (rows >= 0) & (spans[:count, 0] < ends[rows])
    if not inside.any():
        return tokens.hashes, firsts, lasts
    rows, links = rows[inside], spans[:count][inside]
    # what stands between the links of a block: before each, and behind the last
    with_links, first_link = np.unique(rows, return_index=True)
    closes = np.append(first_link[1:], rows.size)
    piece_ends = np.insert(links[:, 0], closes, ends[with_links])
    piece_starts = np.insert(np.minimum(links[:, 1], ends[rows]), first_link, starts[with_links])
    closing = np.zeros(piece_ends.size, np.bool_)
    closing[closes + np.arange(closes.size)] = True
    whole = np.array([0, data.size])
    pieces = Blocks(np.array([0, piece_ends.size]), piece_starts, piece_ends, np.zeros(piece_ends.size, np.uint8))
    between = tokenize_blocks(data, whole, pieces)
    lengths = np.diff(between.bounds)
    sizes = lengths + ~closing  # a link follows each piece but the last
    places = np.cumsum(sizes) - sizes
    spliced = np.full(sizes.sum(), LINK_TOKEN, np.uint64)
    spliced[ranges(places, lengths)] = between.hashes
    firsts, lasts = firsts.copy(), lasts.copy()
    opens = np.append(0, np.flatnonzero(closing)[:-1] + 1)
    firsts[with_links] = places[opens] + tokens.hashes.size
    lasts[with_links] = np.append(places[opens[1:]], spliced.size) + tokens.hashes.size
    return np.concatenate([tokens.hashes, spliced]), firsts, lasts


def bare_keys(texts: Sequence[str]) -> U64:
    """Return ``Templates.bare`` of texts by themselves: uint64[n]."""
    data, bounds, blocks = lay_out(texts)
    return find_templates(data, bounds, blocks, tokenize_blocks(data, bounds, blocks)).bare
