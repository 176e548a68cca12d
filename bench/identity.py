"""Are the package's signatures datasketch's, bit for bit? Random blocks are signed by both.

datasketch's MinHash is given the same 32-bit shingle hashes; its permutations, its mixing and its minima are its own.
"""

from __future__ import annotations

import random

import click
import numpy as np
from datasketch import LeanMinHash, MinHash
from figures import Figure, finish, json_option, say

from dedup.arrays import U64
from dedup.kernels.minhash import shingles
from dedup.lsh import BLOCK_SHINGLES, DOC_SHINGLES, Scheme, permutations
from dedup.sketch import sign_rows, tokenize_text

SCRIPTS = (
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789",
    "\u00e4\u00e9\u0142\u00f8",
    "\u0431\u0433\u0434\u0436",
    "\u6f22\u5b57\u6587\u7ae0",
)


def shingle_hashes(tokens: U64, n_min: int, n_max: int) -> list[int]:
    """Return the 32-bit hash of each word n-gram, which is what both are given."""
    room = np.empty(tokens.size * (n_max - n_min + 1) + 1, np.uint64)
    count = shingles(tokens, 0, tokens.size, n_min, n_max, room)
    return [int(h) >> 32 for h in room[:count]]


def random_text(generator: random.Random) -> str:
    """Make a text of 1 to 120 words, in one of several scripts each."""
    words = []
    for _ in range(min(generator.randint(1, 120), generator.randint(1, 120))):
        letters = generator.choices(SCRIPTS, (10, 1, 1, 1, 1))[0]
        words.append("".join(generator.choices(letters, k=generator.randint(1, 9))))
    return " ".join(words)


def unequal_rows(blocks: list[U64], words: tuple[int, int], num_perm: int, seed: int) -> int:
    """Count the blocks whose signatures differ in some permutation."""
    bounds = np.concatenate([[0], np.cumsum([len(block) for block in blocks])])
    scheme = Scheme(*words, 1, num_perm, *permutations(num_perm, seed))
    signed = sign_rows(np.concatenate(blocks), bounds, np.arange(len(blocks)), scheme)
    wrong = 0
    for block, signature in zip(blocks, signed, strict=True):
        theirs = MinHash(num_perm=num_perm, seed=seed, hashfunc=int, scheme="affine32")
        theirs.update_batch(shingle_hashes(block, *words))
        ours = LeanMinHash(seed=seed, hashvalues=signature, scheme="affine32")
        wrong += not (np.array_equal(theirs.hashvalues, signature) and LeanMinHash(theirs) == ours)
    return wrong


@click.command()
@click.option("--blocks", "count", default=10_000, show_default=True, help="Random blocks.")
@click.option(
    "--seed",
    "seeds",
    type=int,
    multiple=True,
    default=(1, 7, 20261122),
    show_default=True,
    help="Seed of the permutations; repeatable.",
)
@click.option(
    "--num-perm",
    "sizes",
    type=int,
    multiple=True,
    default=(128, 168),
    show_default=True,
    help="Permutations; repeatable.",
)
@click.option("--random-seed", default=1, show_default=True, help="Seed of the blocks.")
@json_option
def main(count: int, seeds: tuple[int, ...], sizes: tuple[int, ...], random_seed: int, as_json: bool) -> None:
    """Sign random blocks with the package and with datasketch, and count those that differ."""
    generator = random.Random(random_seed)
    blocks = [tokenize_text(random_text(generator)) for _ in range(count)]
    figures = []
    for words in (BLOCK_SHINGLES, DOC_SHINGLES):
        for num_perm in sizes:
            for seed in seeds:
                say(f"word {words[0]}-{words[1]}-grams, {num_perm} permutations, seed {seed} ...")
                wrong = unequal_rows(blocks, words, num_perm, seed)
                name = f"blocks signed otherwise: {words[0]}-{words[1]}-grams, k={num_perm}, seed {seed}"
                figures.append(Figure(name, wrong, "equals", 0, f"of {count:,}"))
    finish(figures, as_json)


if __name__ == "__main__":
    main()
