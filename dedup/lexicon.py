"""Lists of words in; the table that kernels look tokens up in out.

The lists in ``words/`` are plain text, a language or a part a line. Of words: names of months and days, what stands
beside the numbers of a date or of a page; they are in the table. Of phrases: labels, leads, buttons, credits; whoever
needs them makes a table of them.
"""

from __future__ import annotations

import functools
import importlib.resources
from typing import NamedTuple

import numpy as np

from dedup.arrays import U16, U64, Bool
from dedup.kernels import template
from dedup.sketch import tokenize_texts

PARTS = {
    "after_number": template.AFTER_NUMBER,
    "numeral": template.NUMERAL,
    "weekday": template.WEEKDAY,
    "week": template.WEEK,
    "before_number": template.BEFORE_NUMBER,
    "meridiem": template.MERIDIEM,
}
SPARE = 4  # slots of the table for each word


class Lexicon(NamedTuple):
    """An open-addressing table of token hashes.

    Attributes:
        words: uint64, a power of two; 0 where free.
        roles: uint16, what each word may be, see ``dedup.kernels.template``.
        sieve: uint64[1024], a bit for each value of the highest 16 of a word's.
    """

    words: U64
    roles: U16
    sieve: U64


def read_lines(name: str) -> list[tuple[str, str]]:
    """Read a list: of each line the language or part, and what stands behind the colon."""
    text = importlib.resources.files(__package__).joinpath("words", f"{name}.txt").read_text(encoding="utf-8")
    lines = (line.partition(":") for line in text.splitlines() if line and not line.startswith("#"))
    return [(key, rest) for key, _, rest in lines]


def read_words(name: str) -> dict[str, list[str]]:
    """Read a list of words: for each language or part its words."""
    return {key: words.split() for key, words in read_lines(name)}


def phrases(name: str) -> list[str]:
    """Read a list of phrases."""
    return [phrase.strip() for _, line in read_lines(name) for phrase in line.split(",")]


@functools.cache
def opening_words(name: str) -> U64:
    """Return the hashes of the first words of a list of phrases, ascending: uint64[p]."""
    tokens = tokenize_texts(phrases(name))
    return np.unique(tokens.hashes[tokens.bounds[:-1]])


def is_in(keys: U64, known: U64) -> Bool:
    """Look keys up in an ascending list: bool[n]."""
    found: Bool = known[np.minimum(np.searchsorted(known, keys), known.size - 1)] == keys
    return found


@functools.cache
def lexicon() -> Lexicon:
    """Return the table of all lists."""
    listed = [(word, PARTS[part]) for part, words in read_words("date_units").items() for word in words]
    listed += [(word, template.DATE) for words in read_words("dates").values() for word in words]
    listed += [(word, template.PAGE_WORD) for words in read_words("page_words").values() for word in words]
    tokens = tokenize_texts([word for word, _ in listed])
    roles: dict[int, int] = {}
    for (_, role), first, end in zip(listed, tokens.bounds[:-1].tolist(), tokens.bounds[1:].tolist(), strict=True):
        if end == first + 1 or role == template.PAGE_WORD:  # each letter of a word of a script without spaces
            for token in tokens.hashes[first:end].tolist():
                roles[token] = roles.get(token, 0) | int(role)
    return make_table(roles)


def make_table(roles: dict[int, int]) -> Lexicon:
    """Enter token hashes and their roles into a table."""
    size = 1 << (SPARE * len(roles)).bit_length()
    table = Lexicon(np.zeros(size, np.uint64), np.zeros(size, np.uint16), np.zeros(1024, np.uint64))
    taken: set[int] = set()
    for token, role in roles.items():
        place = token >> 32 & size - 1
        while place in taken:
            place = place + 1 & size - 1
        taken.add(place)
        table.words[place], table.roles[place] = token, role
        table.sieve[token >> 54] |= np.uint64(1 << (token >> 48 & 63))
    return table
