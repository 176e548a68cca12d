"""Builds ``dedup/background.npz``: how common the words of many languages are.

    pip install wordfreq
    python bench/build_background.py

The counts are those of wordfreq (Robyn Speer, CC BY-SA 4.0): of books, encyclopedias, news, subtitles and the web. Of
scripts without spaces, characters and pairs of neighbours count, each as often as the words that have it.
"""

from __future__ import annotations

import collections
import pathlib

import click
import numpy as np
from figures import say

from dedup.arrays import F32, U32
from dedup.background import keys_of, pack, pairs_of
from dedup.sketch import tokenize_texts

TARGET = pathlib.Path(__file__).resolve().parent.parent / "dedup" / "background.npz"
WORDS, MORE_WORDS = 4000, {"en": 8000, "zh": 8000, "ja": 8000}  # of a language
NUMBER = np.uint64(1)  # the lowest bit of a number's hash


def words_of(frequencies: dict[str, float], most: int) -> tuple[U32, F32]:
    """Return the keys of the commonest words, and their frequencies on the Zipf scale."""
    words = list(frequencies)
    tokens = tokenize_texts(words)
    sums: dict[int, float] = collections.defaultdict(float)
    for word, first, end in zip(words, tokens.bounds[:-1].tolist(), tokens.bounds[1:].tolist(), strict=True):
        own = tokens.hashes[first:end]
        if (own & NUMBER).any():
            continue
        spaceless = 1 < len(own) == len(word)
        for key in {*keys_of(own).tolist(), *(keys_of(pairs_of(own)).tolist() if spaceless else ())}:
            sums[key] += frequencies[word]
    best = sorted(sums.items(), key=lambda one: (-one[1], one[0]))[:most]
    keys, shares = zip(*best, strict=True)
    return np.array(keys, np.uint32), (np.log10(np.array(shares)) + 9).astype(np.float32)


@click.command()
def main() -> None:
    """Read the counts of all languages and write the table."""
    from wordfreq import available_languages, get_frequency_dict

    table = {}
    for language in sorted(available_languages("small")):
        say(f"{language} ...")
        table[language] = words_of(get_frequency_dict(language, "best"), MORE_WORDS.get(language, WORDS))
    np.savez_compressed(TARGET, **pack(table))  # type: ignore[arg-type]  # its names are any but one
    click.echo(f"{len(table)} languages, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
