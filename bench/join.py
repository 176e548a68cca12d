"""Shingle sets in; every pair of them with Jaccard similarity at or over a threshold out, exactly.

Prefix filtering over an inverted index (Chaudhuri, Ganti & Kaushik 2006; Bayardo, Ma & Srikant, "Scaling up all
pairs similarity search", WWW 2007): if J(x, y) >= t, then with shingles sorted from rare to frequent the first
|x| - ceil(t|x|) + 1 of x and the like of y have one in common. Sets are taken by size, so that a set meets only
those between t|x| and |x|. `--check` compares the answer with brute force over all pairs.
"""

from __future__ import annotations

import math
import pathlib
import random
import time
from collections.abc import Sequence
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from figures import Figure, finish, json_option, say
from inputs import blocks_of, read_records
from reference import BLOCK_WORDS, DOC_WORDS, number_sets, shingles, tokens

from dedup.kernels.compile import kernel

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
LEAST_TOKENS = 8
TINY = 1e-9  # what rounding may take from a product that should be whole


@kernel
def count_shared(items: I64, bounds: I64, x: int, y: int) -> int:
    """Count the items that two sorted rows share."""
    i, j, shared = bounds[x], bounds[y], 0
    while i < bounds[x + 1] and j < bounds[y + 1]:
        if items[i] == items[j]:
            shared += 1
            i += 1
            j += 1
        elif items[i] < items[j]:
            i += 1
        else:
            j += 1
    return shared


@kernel
def search(items: I64, bounds: I64, threshold: float, postings: I64, heads: I64, pairs: I64, jaccards: F64) -> int:
    """Find the pairs among rows that are sorted, by size, of items numbered from rare to frequent.

    Args:
        items: int64, the rows' items.
        bounds: int64[n + 1], where each row begins in ``items``.
        threshold: least similarity.
        postings: int64, room for every row's prefix, item by item; ``heads[i]`` is where item i's begin.
        heads: int64[items + 1].
        pairs: int64[room, 2], filled as far as it goes.
        jaccards: float64[room], likewise.

    Returns:
        The number of pairs there are, be it more than there is room for.
    """
    n = bounds.size - 1
    begins, ends = heads.copy(), heads.copy()
    met = np.full(n, -1, np.int64)
    found = 0
    for x in range(n):
        size = bounds[x + 1] - bounds[x]
        prefix = size - np.int64(np.ceil(threshold * size - TINY)) + 1
        for p in range(bounds[x], bounds[x] + min(size, prefix)):
            item = items[p]
            while begins[item] < ends[item]:
                y = postings[begins[item]]
                if bounds[y + 1] - bounds[y] >= threshold * size - TINY:
                    break
                begins[item] += 1  # too small for this row, and so for all that follow
            for place in range(begins[item], ends[item]):
                y = postings[place]
                if met[y] == x:
                    continue
                met[y] = x
                shared = count_shared(items, bounds, x, y)
                jaccard = shared / (size + bounds[y + 1] - bounds[y] - shared)
                if jaccard >= threshold:
                    if found < jaccards.size:
                        pairs[found, 0], pairs[found, 1] = x, y
                        jaccards[found] = jaccard
                    found += 1
            postings[ends[item]] = x
            ends[item] += 1
    return found


def exact_join(sets: Sequence[Sequence[int]], threshold: float) -> tuple[I64, F64]:
    """Find all pairs of sets at or over a similarity.

    Args:
        sets: ``n`` sets of non-negative integers, each a sequence without repeats; empty ones match nothing.
        threshold: least Jaccard similarity, more than 0, at most 1.

    Returns:
        int64[p, 2], positions in ``sets``, a < b, sorted; float64[p], their similarities.

    >>> pairs, jaccards = exact_join([[1, 2, 3], [4, 5], [3, 2, 1], [2, 3, 9]], 0.5)
    >>> pairs.tolist(), jaccards.tolist()
    ([[0, 2], [0, 3], [2, 3]], [1.0, 0.5, 0.5])
    """
    sizes = np.fromiter((len(one) for one in sets), np.int64, len(sets))
    order = np.argsort(sizes, kind="stable")
    order = order[sizes[order] > 0]
    flat = np.fromiter((item for row in order for item in sets[row]), np.int64, int(sizes.sum()))
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[order])])
    _, items, frequencies = np.unique(flat, return_inverse=True, return_counts=True)
    rank = np.empty(frequencies.size, np.int64)
    rank[np.argsort(frequencies, kind="stable")] = np.arange(frequencies.size)
    items = rank[items]
    rows = np.repeat(np.arange(order.size), np.diff(bounds))
    items = items[np.lexsort((items, rows))]
    heads = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(items, minlength=rank.size))])
    room = 1 << 16
    while True:
        pairs, jaccards = np.empty((room, 2), np.int64), np.empty(room, np.float64)
        found = search(items, bounds, threshold, np.empty(items.size, np.int64), heads, pairs, jaccards)
        if found <= room:
            break
        room = found
    pairs, jaccards = np.sort(order[pairs[:found]], axis=1), jaccards[:found]
    sorted_rows = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[sorted_rows], jaccards[sorted_rows]


def brute_force(sets: Sequence[Sequence[int]], threshold: float) -> dict[tuple[int, int], float]:
    """Find all pairs of sets at or over a similarity by looking at each pair."""
    frozen = [frozenset(one) for one in sets]
    found = {}
    for a, x in enumerate(frozen):
        for b in range(a + 1, len(frozen)):
            shared = len(x & frozen[b])
            union = len(x) + len(frozen[b]) - shared
            if union and shared / union >= threshold:
                found[a, b] = shared / union
    return found


def random_sets(generator: random.Random, n: int) -> list[list[int]]:
    """Make sets of which many are near-copies of others, some equal, some empty."""
    sets: list[list[int]] = []
    for _ in range(n):
        if sets and generator.randrange(5) < 3:
            base = generator.choice(sets)
            kept = {item for item in base if generator.random() < generator.choice((1.0, 0.95, 0.9, 0.8))}
            new = {generator.randrange(3000) for _ in range(generator.choice((0, 0, 1, 2, 5)))}
            sets.append(list(kept | new))
        else:
            sets.append(list({math.isqrt(generator.randrange(9_000_000)) for _ in range(generator.randrange(60))}))
    return sets


def differences(sets: Sequence[Sequence[int]], threshold: float) -> int:
    """Count the pairs on which ``exact_join`` and ``brute_force`` do not agree to the last bit."""
    pairs, jaccards = exact_join(sets, threshold)
    joined = {(int(a), int(b)): float(j) for (a, b), j in zip(pairs, jaccards, strict=True)}
    truth = brute_force(sets, threshold)
    return len(set(joined.items()) ^ set(truth.items())) + len(pairs) - len(joined)


def read_sets(path: pathlib.Path, limit: int | None, unit: str) -> list[list[int]]:
    """Read documents, or their distinct blocks of 8 tokens or more, as numbered shingle sets."""
    texts = [record["text"] for record in read_records(path, limit)]
    if unit == "documents":
        return number_sets(shingles(tokens(text), *DOC_WORDS) for text in texts)
    distinct = dict.fromkeys(tokens(block) for text in texts for block in blocks_of(text))
    return number_sets(shingles(words, *BLOCK_WORDS) for words in distinct if len(words) >= LEAST_TOKENS)


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path), required=False)
@click.option("--threshold", default=0.7, show_default=True, help="Least Jaccard similarity.")
@click.option("--limit", type=int, help="Read so many records only.")
@click.option("--unit", type=click.Choice(["blocks", "documents"]), default="blocks", show_default=True)
@click.option("--check", is_flag=True, help="Compare with brute force, on made-up sets and on a sample of PATH's.")
@click.option("--sample", default=1500, show_default=True, help="Sets to check by brute force.")
@click.option("--seed", default=1, show_default=True)
@json_option
def main(
    path: pathlib.Path | None, threshold: float, limit: int | None, unit: str, check: bool, sample: int, seed: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Find all similar pairs in PATH (JSON lines, plain or gzip), and check the search itself."""
    generator = random.Random(seed)
    figures = []
    if check:
        for t in (0.3, 0.5, 0.7, 0.8, 0.9, 1.0):
            wrong = sum(differences(random_sets(generator, 300), t) for _ in range(20))
            figures.append(Figure(f"pairs wrong, 20 x 300 made-up sets, J >= {t}", wrong, "equals", 0))
    if path is not None:
        sets = read_sets(path, limit, unit)
        if check:
            # neighbours resemble one another more than chance does, so a run of sets holds pairs to find
            first = generator.randrange(max(1, len(sets) - sample))
            some: list[Any] = sets[first : first + sample]
            wrong, there = differences(some, threshold), len(brute_force(some, threshold))
            note = f"{there} pairs there"
            figures.append(Figure(f"pairs wrong, {len(some)} of the sets, J >= {threshold}", wrong, "equals", 0, note))
        begun = time.perf_counter()
        pairs, _ = exact_join(sets, threshold)
        say(f"{len(sets):,} sets joined in {time.perf_counter() - begun:.1f} s")
        figures.append(Figure(f"pairs with J >= {threshold}", len(pairs)))
    finish(figures, as_json)


if __name__ == "__main__":
    main()
