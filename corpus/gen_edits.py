"""Small changes to a text that make a near copy or a number-only variant of it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_NUMBER = re.compile(r"\d+")
_MARKS = ".,;:?!\"'()\uff0c\u3002\uff1f"


def _bare(word: str) -> str:
    """Return a word without punctuation and case."""
    return word.strip(_MARKS).lower()


def _other(bare: str, fresh: Callable[[], str]) -> str:
    """Draw a word that differs from the given one."""
    new = fresh()
    while new.lower() == bare:
        new = fresh()
    return new


def _edit(words: list[str], rng: random.Random, fresh: Callable[[], str]) -> None:
    """Replace, insert or delete one word in place."""
    at = int(rng.random() * len(words))
    bare = _bare(words[at])
    while not bare:
        at = (at + 1) % len(words)
        bare = _bare(words[at])
    kind = rng.random()
    if kind < 0.5 or len(words) <= 3:
        old = words[at]
        words[at] = _other(bare, fresh) + old[len(old.rstrip(_MARKS)) :]
    elif kind < 0.75:
        words.insert(at, _other(bare, fresh))
    else:
        del words[at]


def edited(words: list[str], edits: int, rng: random.Random, fresh: Callable[[], str]) -> list[str]:
    """Return the words after that many word edits; the result differs in more than case and punctuation."""
    changed = list(words)
    for _ in range(edits):
        _edit(changed, rng, fresh)
    if edits > 1 and len(changed) == len(words):
        while all(a is b or _bare(a) == _bare(b) for a, b in zip(changed, words, strict=False)):
            _edit(changed, rng, fresh)
    return changed


def renumbered(text: str, rng: random.Random) -> str | None:
    """Return the text with other numbers of the same length, or nothing if it has none."""

    def other(found: re.Match[str]) -> str:
        """Draw a number of as many digits."""
        digits = len(found[0])
        return str(int(10 ** (digits - 1) * (1 + 8.99 * rng.random())))

    if _NUMBER.search(text) is None:
        return None
    changed = _NUMBER.sub(other, text)
    while changed == text:
        changed = _NUMBER.sub(other, text)
    return changed
