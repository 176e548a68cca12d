"""Token hashes in; shingle sets, MinHash signatures and LSH band keys out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import I64, U32, U64
from dedup.kernels.compile import inline, kernel
from dedup.kernels.mixing import K_LENGTH, K_SHINGLE, mix32, mix64

EMPTY = np.uint32(0xFFFFFFFF)


@inline
def shingle(tokens: U64, lo: int, hi: int) -> np.uint64:
    """Hash the word n-gram ``tokens[lo:hi]`` to 64 bits.

    Token hashes are mixed already, so a polynomial over them needs no finaliser (which would take half the time).
    """
    h = np.uint64(hi - lo) * K_LENGTH
    for k in range(lo, hi):
        h = h * K_SHINGLE + tokens[k]
    return h


@inline
def shingles(tokens: U64, lo: int, hi: int, n_min: int, n_max: int, out: U64) -> int:
    """Write the shingles of ``tokens[lo:hi]`` to ``out``, with repeats; return how many.

    They are every word n-gram with n_min <= n <= n_max. A text shorter than n_min is one whole shingle, an empty
    one has none.
    """
    if 0 < hi - lo < n_min:
        out[0] = shingle(tokens, lo, hi)
        return 1
    count = 0
    for n in range(n_min, n_max + 1):
        for k in range(lo, hi - n + 1):
            out[count] = shingle(tokens, k, k + n)
            count += 1
    return count


@inline
def high(item: np.uint64) -> np.uint32:
    """Return the 32 bits of a shingle that MinHash sees: the high ones, which every bit of its tokens has reached."""
    return np.uint32(item >> np.uint64(32))


@inline
def sign(shingles: U64, count: int, a: U32, b: U32, signature: U32) -> None:
    """Write the MinHash signature of ``count`` shingles (their high 32 bits) to ``signature``.

    Repeats change nothing but time, and removing them first takes longer (13 ns a shingle) than signing (9 ns).

    Four shingles at a time: the loop over permutations vectorises, and loads and stores of the signature, which
    bound it, fall to a quarter.
    """
    for j in range(a.size):
        signature[j] = EMPTY
    k = 0
    while k + 4 <= count:
        h0 = mix32(high(shingles[k]))
        h1 = mix32(high(shingles[k + 1]))
        h2 = mix32(high(shingles[k + 2]))
        h3 = mix32(high(shingles[k + 3]))
        for j in range(a.size):
            x = min(np.uint32(a[j] * h0 + b[j]), np.uint32(a[j] * h1 + b[j]))
            y = min(np.uint32(a[j] * h2 + b[j]), np.uint32(a[j] * h3 + b[j]))
            z = min(x, y)
            signature[j] = min(signature[j], z)
        k += 4
    while k < count:
        h0 = mix32(high(shingles[k]))
        for j in range(a.size):
            signature[j] = min(signature[j], np.uint32(a[j] * h0 + b[j]))
        k += 1


@inline
def longest(bounds: I64, rows: I64) -> int:
    """Return the most tokens that any of ``rows`` has."""
    most = 1
    for row in rows:
        most = max(most, bounds[row + 1] - bounds[row])
    return most


@kernel
def signatures(tokens: U64, bounds: I64, rows: I64, n_min: int, n_max: int, a: U32, b: U32) -> U32:
    """Sign ``m`` rows: bit for bit what datasketch's MinHash (scheme affine32) holds after the same shingles.

    Args:
        tokens: uint64, token hashes.
        bounds: int64[n + 1], where each row's tokens begin.
        rows: int64[m], the rows to sign.
        n_min: shortest word n-gram of the shingle set.
        n_max: longest one.
        a: uint32[k], odd multipliers of the permutations.
        b: uint32[k], their offsets.

    Returns:
        uint32[m, k].
    """
    found = np.empty(longest(bounds, rows) * (n_max - n_min + 1), np.uint64)
    out = np.empty((rows.size, a.size), np.uint32)
    for i in range(rows.size):
        lo, hi = bounds[rows[i]], bounds[rows[i] + 1]
        count = shingles(tokens, lo, hi, n_min, n_max, found)
        sign(found, count, a, b, out[i])
    return out


@kernel
def band_keys(
    tokens: U64, bounds: I64, rows: I64, n_min: int, n_max: int, a: U32, b: U32, bands: int
) -> tuple[U32, U64]:
    """Sign ``m`` rows and fold each band of their signatures into a key, without keeping the signatures.

    Args:
        tokens: uint64, token hashes.
        bounds: int64[n + 1], where each row's tokens begin.
        rows: int64[m], the rows to sign; each has a token at least.
        n_min: shortest word n-gram of the shingle set.
        n_max: longest one.
        a: uint32[k], odd multipliers of the permutations.
        b: uint32[k], their offsets.
        bands: number of bands; each takes ``k // bands`` permutations, the rest is left over.

    Returns:
        uint32[bands, m], the keys; uint64[2 * m], the lowest bits of the first 128 permutations (of as many as there
        are, from the first again).
    """
    found = np.empty(longest(bounds, rows) * (n_max - n_min + 1), np.uint64)
    signature = np.empty(a.size, np.uint32)
    keys = np.empty((bands, rows.size), np.uint32)
    bits = np.empty(2 * rows.size, np.uint64)
    width = a.size // bands
    for i in range(rows.size):
        lo, hi = bounds[rows[i]], bounds[rows[i] + 1]
        count = shingles(tokens, lo, hi, n_min, n_max, found)
        sign(found, count, a, b, signature)
        for band in range(bands):
            h = np.uint64(band + 1) * K_LENGTH
            for j in range(band * width, (band + 1) * width):
                h = (h ^ np.uint64(signature[j])) * K_SHINGLE
                h ^= h >> np.uint64(32)
            keys[band, i] = np.uint32(mix64(h) >> np.uint64(32))
        j = 0
        for half in range(2):
            h = np.uint64(0)
            for _ in range(64):
                h = h << np.uint64(1) | np.uint64(signature[j] & np.uint32(1))
                j += 1
                if j == a.size:
                    j = 0
            bits[2 * i + half] = h
    return keys, bits
