"""Blocks of a batch in; token hashes, fingerprints and LSH band keys out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dedup.arrays import I64, U8, U32, U64
from dedup.kernels.masks import STRIDE
from dedup.kernels.minhash import band_keys, signatures
from dedup.kernels.tokens import find_pieces, masked_keys, tokenize
from dedup.lsh import Scheme
from dedup.schema import KINDS, Blocks
from dedup.unicode import fold_table

LEAST_WORDS = 4  # tokens beside numbers that texts need to count as differing in numbers only


class Tokens(NamedTuple):
    """Tokens of a batch.

    Attributes:
        hashes: uint64, 64-bit hashes of the folded tokens; the lowest bit is set where a token is all numbers.
        bounds: int64[n + 1], where each block begins in ``hashes``.
        fingerprints: uint64[n, 2], 128 bits of each block's token sequence.
        doc_bounds: int64[docs + 1], where each document begins in ``hashes``.
        doc_fingerprints: uint64[docs, 2].
    """

    hashes: U64
    bounds: I64
    fingerprints: U64
    doc_bounds: I64
    doc_fingerprints: U64


def tokenize_blocks(data: U8, doc_bounds: I64, blocks: Blocks) -> Tokens:
    """Fold and hash the tokens of every block.

    Args:
        data: uint8, valid UTF-8 of the documents.
        doc_bounds: int64[docs + 1], where each document begins in ``data``.
        blocks: their blocks.
    """
    inside = np.empty(data.size // STRIDE + 1, np.uint64)
    hashes = np.empty(find_pieces(data, inside) + blocks.starts.size, np.uint64)
    bounds, fingerprints, doc_fingerprints = tokenize(
        data, doc_bounds, blocks.bounds, blocks.starts, blocks.ends, inside, *fold_table(), hashes
    )
    return Tokens(hashes[: bounds[-1]], bounds, fingerprints, bounds[blocks.bounds], doc_fingerprints)


def lay_out(texts: Sequence[str]) -> tuple[U8, I64, Blocks]:
    """Put texts behind each other, each a document of one block: a paragraph."""
    encoded = [text.encode() for text in texts]
    bounds, n = np.cumsum([0, *map(len, encoded)]), len(texts)
    kinds = np.full(n, KINDS.index("paragraph"), np.uint8)
    blocks = Blocks(np.arange(n + 1), np.zeros(n, np.int64), np.diff(bounds), kinds)
    return np.frombuffer(b"".join(encoded), np.uint8), bounds, blocks


def tokenize_texts(texts: Sequence[str]) -> Tokens:
    """Hash the tokens of texts, each a block and a document."""
    return tokenize_blocks(*lay_out(texts))


def tokenize_text(text: str) -> U64:
    """Hash the tokens of one text: uint64[n]."""
    return tokenize_texts([text]).hashes


class Sketches(NamedTuple):
    """Sketches of ``m`` rows.

    Attributes:
        keys: uint32[bands, m], LSH band keys.
        bits: uint64[2 * m], 128 one-bit MinHash values of each row.
        families: uint64[m], equal and not 0 where rows differ in numbers only.
        signed: uint32[m, k], the signatures, where the scheme keeps them.
    """

    keys: U32
    bits: U64
    families: U64
    signed: U32 | None = None


def sketch_rows(hashes: U64, bounds: I64, rows: I64, scheme: Scheme) -> Sketches:
    """Sketch some of the rows ``hashes[bounds[i]:bounds[i + 1]]``; each of them has a token at least."""
    keys, bits = band_keys(
        hashes, bounds, rows, scheme.n_min, scheme.n_max, scheme.a, scheme.b, scheme.bands, scheme.rows
    )
    signed = sign_rows(hashes, bounds, rows, scheme) if scheme.signed else None
    return Sketches(keys, bits, masked_keys(hashes, bounds, rows, LEAST_WORDS), signed)


def sign_rows(hashes: U64, bounds: I64, rows: I64, scheme: Scheme) -> U32:
    """Sign rows: uint32[m, k], what datasketch's ``MinHash`` (scheme affine32) holds after the same shingles."""
    return signatures(hashes, bounds, rows, scheme.n_min, scheme.n_max, scheme.a, scheme.b)
