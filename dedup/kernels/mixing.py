"""Arithmetic of 64-bit words that several kernels use: hashes, and bits."""

from __future__ import annotations

import numpy as np

from dedup.kernels.compile import inline

# Odd 64-bit multipliers: the fractional digits of the square roots of 2, 3, 5, 7 and of the golden ratio.
K_TOKEN = np.uint64(0x6A09E667F3BCC909)
K_FIRST = np.uint64(0xBB67AE8584CAA73B)
K_SECOND = np.uint64(0x3C6EF372FE94F82B)
K_SHINGLE = np.uint64(0xA54FF53A5F1D36F1)
K_LENGTH = np.uint64(0x9E3779B97F4A7C15)


@inline
def mix64(h: np.uint64) -> np.uint64:
    """Finalise a 64-bit hash (fmix64 of MurmurHash3, a bijection)."""
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


@inline
def mix32(h: np.uint32) -> np.uint32:
    """Finalise a 32-bit hash (fmix32 of MurmurHash3); datasketch's affine32 scheme applies it to every item.

    Numba widens operations on uint32 to 64 bits, so each step is cut back.
    """
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h = np.uint32(h ^ (h >> np.uint32(13)))
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    return np.uint32(h ^ (h >> np.uint32(16)))


@inline
def ones(x: np.uint64) -> np.uint64:
    """Count the bits that are set (Hacker's Delight 5-1; compiles to one instruction)."""
    x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@inline
def lowest_bit(x: np.uint64) -> np.uint64:
    """Return the place of the lowest bit that is set, 64 if none is."""
    return ones(~x & (x - np.uint64(1)))
