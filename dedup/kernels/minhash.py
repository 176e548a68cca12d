"""Token hashes in; shingle sets, MinHash signatures and LSH band keys out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import I64, U32, U64
from dedup.kernels.compile import inline, kernel
from dedup.kernels.mixing import K_LENGTH, K_SHINGLE, mix32

EMPTY = np.uint32(0xFFFFFFFF)
BAND_MULTIPLIER = np.uint32(0x9E3779B1)  # the golden ratio again, odd


@inline
def shingles(tokens: U64, lo: int, hi: int, n_min: int, n_max: int, out: U64) -> int:
    """Write the hashes of the shingles of ``tokens[lo:hi]`` to ``out``, with repeats; return how many.

    They are every word n-gram with n_min <= n <= n_max. A text shorter than n_min is one whole shingle, an empty
    one has none.

    A hash is the polynomial ``n * L * K^n + t[0] * K^(n-1) + ... + t[n-1]`` (Horner's rule, a step for all shingles at
    a time: that vectorises, and one made from the one before it does not). Token hashes are mixed already: no finaliser
    (which would take half the time) is needed.
    """
    row = tokens[lo:hi]  # slices, since an index that may be negative costs as much as the arithmetic
    length = row.size
    if length == 0:
        return 0
    count = 0
    for n in range(min(n_min, length), min(n_max, length) + 1):
        here = out[count : count + length - n + 1]
        first = np.uint64(n) * K_LENGTH * K_SHINGLE
        for k in range(here.size):
            here[k] = first + row[k]
        for step in range(1, n):
            following = row[step:]
            for k in range(here.size):
                here[k] = here[k] * K_SHINGLE + following[k]
        count += here.size
    return count


@inline
def sign(shingles: U64, count: int, items: U32, a: U32, b: U32, signature: U32) -> None:
    """Write the MinHash signature of ``count`` shingles to ``signature``.

    MinHash sees their high 32 bits, which every bit of their tokens has reached; ``items`` is room for them. Repeats
    change nothing but time: there are few, and to look for them takes longer than to sign them.

    Four shingles at a time: the loop over permutations vectorises, and loads and stores of the signature, which
    bound it, fall to a quarter.
    """
    for k in range(count):
        items[k] = mix32(np.uint32(shingles[k] >> np.uint64(32)))
    for j in range(a.size):
        signature[j] = EMPTY
    k = 0
    while k + 4 <= count:
        h0, h1, h2, h3 = items[k], items[k + 1], items[k + 2], items[k + 3]
        for j in range(a.size):
            x = min(np.uint32(a[j] * h0 + b[j]), np.uint32(a[j] * h1 + b[j]))
            y = min(np.uint32(a[j] * h2 + b[j]), np.uint32(a[j] * h3 + b[j]))
            z = min(x, y)
            signature[j] = min(signature[j], z)
        k += 4
    while k < count:
        for j in range(a.size):
            signature[j] = min(signature[j], np.uint32(a[j] * items[k] + b[j]))
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
    items = np.empty(found.size, np.uint32)
    out = np.empty((rows.size, a.size), np.uint32)
    for i in range(rows.size):
        lo, hi = bounds[rows[i]], bounds[rows[i] + 1]
        count = shingles(tokens, lo, hi, n_min, n_max, found)
        sign(found, count, items, a, b, out[i])
    return out


@inline
def fold_bands(signature: U32, bands: int, width: int, keys: U32) -> None:
    """Hash each band to 32 bits; it takes every ``bands``-th permutation, so that the loop over bands vectorises."""
    for band in range(bands):
        keys[band] = np.uint32(band)
    for row in range(width):
        values = signature[row * bands : (row + 1) * bands]
        for band in range(bands):
            h = np.uint32(np.uint32(keys[band] ^ values[band]) * BAND_MULTIPLIER)
            keys[band] = np.uint32(h ^ (h >> np.uint32(15)))
    for band in range(bands):
        keys[band] = mix32(keys[band])


@kernel
def band_keys(
    tokens: U64, bounds: I64, rows: I64, n_min: int, n_max: int, a: U32, b: U32, bands: int, width: int
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
        bands: number of bands; band i takes permutations i, i + bands, i + 2 * bands and so on.
        width: permutations a band; ``bands * width <= k``.

    Returns:
        uint32[bands, m], the keys; uint64[2 * m], the lowest bits of the first 128 permutations (of as many as there
        are, from the first again).
    """
    found = np.empty(longest(bounds, rows) * (n_max - n_min + 1), np.uint64)
    items = np.empty(found.size, np.uint32)
    signature = np.empty(max(128, a.size), np.uint32)
    key = np.empty(bands, np.uint32)
    keys = np.empty((bands, rows.size), np.uint32)
    bits = np.empty(2 * rows.size, np.uint64)
    for i in range(rows.size):
        lo, hi = bounds[rows[i]], bounds[rows[i] + 1]
        count = shingles(tokens, lo, hi, n_min, n_max, found)
        sign(found, count, items, a, b, signature)
        fold_bands(signature, bands, width, key)
        for band in range(bands):
            keys[band, i] = key[band]
        for j in range(a.size, 128):
            signature[j] = signature[j - a.size]
        for half in range(2):
            values = signature[64 * half : 64 * (half + 1)]
            h = np.uint64(0)
            for j in range(64):
                h |= np.uint64(values[j] & np.uint32(1)) << np.uint64(j)
            bits[2 * i + half] = h
    return keys, bits
