"""A batch of documents in; its blocks (headings, paragraphs, list items, other) out, as byte spans."""

from __future__ import annotations

import numpy as np

from dedup.arrays import I64, U8, lengths_of
from dedup.kernels.lines import CR, LF, find_bytes, split
from dedup.schema import Blocks
from dedup.settings import SPLITS, Split


def split_blocks(data: U8, bounds: I64, mode: Split) -> Blocks:
    r"""Split ``n`` documents.

    A block is one line, or several: the lines of a hard-wrapped paragraph, of a fenced piece of code, of a heading
    with its ``===``. ``"lines"`` makes each line a block, ``"blank"`` joins lines up to a blank one, ``"auto"``
    joins them where line breaks look like wraps: in the middle of a sentence, after a line so full that the next word
    would not have fitted.

    Args:
        data: uint8, valid UTF-8.
        bounds: int64[n + 1], where each document begins in ``data``.
        mode: see above.

    Returns:
        Spans without the blanks around them, counted from the start of their document. What lies between the spans
        is white space; spans and gaps together are the document.

    >>> import numpy as np
    >>> text = b"# Title\n\nOne line.\n- an item\n"
    >>> blocks = split_blocks(np.frombuffer(text, np.uint8), np.array([0, len(text)]), "auto")
    >>> [text[a:b].decode() for a, b in zip(blocks.starts, blocks.ends)]
    ['# Title', 'One line.', '- an item']
    """
    line_ends = find_bytes(data, LF, CR)
    rows = line_ends.size + bounds.size - 1
    docs, starts, ends = (np.empty(rows, np.int64) for _ in range(3))
    kinds, line_kinds = np.empty(rows, np.uint8), np.empty(rows, np.uint8)
    lines = np.empty((rows, 3), np.int64)
    n = split(data, bounds, line_ends, SPLITS.index(mode), docs, starts, ends, kinds, lines, line_kinds)
    docs = docs[:n]
    offsets = bounds[docs]
    block_bounds = np.searchsorted(docs, np.arange(bounds.size))
    return Blocks(block_bounds, starts[:n] - offsets, ends[:n] - offsets, kinds[:n])


def spans_in_data(doc_bounds: I64, blocks: Blocks) -> tuple[I64, I64]:
    """Return where each block begins, and where it ends, in the bytes of the batch: int64[n] each."""
    offsets = np.repeat(doc_bounds[:-1], lengths_of(blocks.bounds))
    return blocks.starts + offsets, blocks.ends + offsets


def bytes_at(data: U8, places: I64) -> U8:
    """Return the bytes at some places, 0 outside: uint8[m]."""
    inside = (places >= 0) & (places < data.size)
    found = np.zeros(places.size, np.uint8)
    found[inside] = data[places[inside]]
    return found
