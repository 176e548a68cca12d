"""One text in; its blocks, tokens, looks and sketches out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dedup.arrays import I64, U64, lengths_of
from dedup.blocks import split_blocks
from dedup.corpus import Looks, Said
from dedup.errors import InputError
from dedup.lsh import Scheme
from dedup.reading import look_at
from dedup.schema import Blocks
from dedup.settings import Settings
from dedup.sketch import Sketches, Tokens, sign_rows, sketch_rows, tokenize_blocks


class Page(NamedTuple):
    """A text of ``n`` blocks, after the stages that need nothing but itself.

    Attributes:
        data: its UTF-8.
        blocks: its blocks.
        tokens: their tokens.
        looks: what they look like.
        said: what substance is scored by, None where it is not.
        long: int64[m], blocks of tokens enough to be matched, each content once.
        sketches: of these.
        doc: sketches of the whole text; none where it has no token.
    """

    data: bytes
    blocks: Blocks
    tokens: Tokens
    looks: Looks
    said: Said | None
    long: I64
    sketches: Sketches
    doc: Sketches

    @property
    def size(self) -> int:
        """How many blocks it has."""
        return self.blocks.starts.size

    def print_of(self, block: int) -> bytes:
        """Return the fingerprint of a block, 16 bytes."""
        print_: bytes = self.tokens.fingerprints[block].tobytes()
        return print_

    @property
    def print(self) -> bytes:
        """The fingerprint of the whole text, 16 bytes; empty where it has no token."""
        return self.tokens.doc_fingerprints[0].tobytes() if self.tokens.hashes.size else b""

    def tokens_of(self, block: int) -> U64:
        """Return the tokens of a block: uint64[t]."""
        return self.tokens.hashes[self.tokens.bounds[block] : self.tokens.bounds[block + 1]]


def prepare(text: object, settings: Settings, schemes: tuple[Scheme, Scheme]) -> Page:
    """Split, tokenise, look at and sketch a text.

    Raises:
        InputError: it is no string, or one that no UTF-8 can hold.
    """
    if not isinstance(text, str):
        raise InputError(f"the text is of type {type(text).__name__}: a string is needed")
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the text has half a surrogate pair at character {error.start}: mend it") from error
    data, bounds = np.frombuffer(encoded, np.uint8), np.array([0, len(encoded)])
    blocks = split_blocks(data, bounds, settings.split)
    tokens = tokenize_blocks(data, bounds, blocks)
    looks, said = look_at(data, bounds, blocks, tokens, scored=settings.scores)
    return sketched(encoded, blocks, tokens, looks, said, settings.min_tokens, schemes)


def page_of(parts: Sequence[tuple[bytes, U64]], print_: bytes, least: int, schemes: tuple[Scheme, Scheme]) -> Page:
    """Return a page that was added, as far as it was kept: it has no text, and was looked at before.

    Args:
        parts: for each block its fingerprint, 16 bytes, and its tokens, uint64[t].
        print_: fingerprint of the whole.
        least: tokens of a block that is matched.
        schemes: how blocks and documents are sketched.
    """
    n = len(parts)
    bounds = np.cumsum([0, *(tokens.size for _, tokens in parts)])
    hashes = np.concatenate([np.empty(0, np.uint64), *(tokens for _, tokens in parts)])
    prints = np.frombuffer(b"".join(one for one, _ in parts), np.uint64).reshape(n, 2)
    whole = np.frombuffer(print_ or bytes(16), np.uint64).reshape(1, 2)
    tokens = Tokens(hashes, bounds, prints, bounds[[0, n]], whole)
    nothing = np.zeros(n, np.int64)
    blocks = Blocks(np.array([0, n]), nothing, nothing, nothing.astype(np.uint8))
    no_looks = Looks(*(np.empty(0, dtype) for dtype in ("u8", "u8", "u4", "f4", "f4", "f4")))
    return sketched(b"", blocks, tokens, no_looks, None, least, schemes)


def with_signatures(page: Page, schemes: tuple[Scheme, Scheme]) -> Page:
    """Return a page that was sketched elsewhere with its signatures, where the schemes keep them."""
    if not schemes[0].signed or page.sketches.signed is not None:
        return page
    blocks, whole = page.sketches, page.doc
    hashes, each = page.tokens.hashes, np.arange(whole.families.size)
    return page._replace(
        sketches=blocks._replace(signed=sign_rows(hashes, page.tokens.bounds, page.long, schemes[0])),
        doc=whole._replace(signed=sign_rows(hashes, page.tokens.doc_bounds, each, schemes[1])),
    )


def sketched(
    data: bytes, blocks: Blocks, tokens: Tokens, looks: Looks, said: Said | None, least: int,
    schemes: tuple[Scheme, Scheme],
) -> Page:  # fmt: skip
    """Sketch a page: its blocks of so many tokens at least, and the whole."""
    rows = (lengths_of(tokens.bounds) >= least).nonzero()[0]
    prints = tokens.fingerprints.tobytes()
    first: dict[bytes, int] = {}
    for row in rows.tolist():
        first.setdefault(prints[16 * row : 16 * row + 16], row)
    long = np.array(list(first.values()), np.int64)
    return Page(
        data, blocks, tokens, looks, said, long,
        sketch_rows(tokens.hashes, tokens.bounds, long, schemes[0]),
        sketch_rows(tokens.hashes, tokens.doc_bounds, np.arange(min(1, tokens.hashes.size)), schemes[1]),
    )  # fmt: skip
