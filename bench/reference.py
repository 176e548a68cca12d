"""The slow and obvious meaning of the numbers: texts in; tokens, shingle sets and exact similarities out.

Written from the definition and not from the package: NFKC with case folding, runs of letters, numbers and marks,
one token a character where a script is written without spaces. It uses only the standard library.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence

Shingles = frozenset[tuple[str, ...]]

BLOCK_WORDS = (1, 2)
DOC_WORDS = (5, 5)

# Default_Ignorable_Code_Point: dropped before anything else.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Blocks of scripts written without spaces between words.
_SPACELESS = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b\u303c\u3041-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"  # Han, Kana, Bopomofo
    "\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Thai, Lao, Khmer, Burmese
    "\ua000-\ua48f\U00017000-\U00018d08\U0001b170-\U0001b2fb\U00018b00-\U00018cff"  # Yi, Tangut, Nushu, Khitan
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf\u1b00-\u1b7f\ua980-\ua9df]"  # Tai, Balinese, Javanese
)
_TOKEN = re.compile("AM*|L[LM]*")


@functools.cache
def _char_class(char: str) -> str:
    """Tell what a folded character is: A a token by itself, L part of a word, M a mark, S a separator."""
    category = unicodedata.category(char)
    if category[0] == "M":
        return "M"
    if category[0] == "L":
        return "A" if _SPACELESS.match(char) else "L"
    return "L" if category[0] == "N" else "S"


class _Classes(dict[int, str]):
    """Classes by code point, for ``str.translate``; worked out when first asked for."""

    def __missing__(self, key: int) -> str:
        """Work out a class."""
        self[key] = _char_class(chr(key))
        return self[key]


_CLASSES = _Classes()


def fold(text: str) -> str:
    """Fold a text so that spellings that only look different become equal (Unicode D146, without invisibles)."""
    text = unicodedata.normalize("NFD", text)
    for _ in range(2):
        text = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFD", _IGNORABLE.sub("", text))


def tokens(text: str) -> tuple[str, ...]:
    """Return the tokens of a text.

    >>> tokens("Ferry No. 7, \uff26\uff45\uff52\uff52\uff59 \u6e21\u8239")
    ('ferry', 'no', '7', 'ferry', '\u6e21', '\u8239')
    """
    folded = fold(text)
    return tuple(folded[m.start() : m.end()] for m in _TOKEN.finditer(folded.translate(_CLASSES)))


def shingles(words: Sequence[str], n_min: int, n_max: int) -> Shingles:
    """Return the word n-grams of a text, n_min <= n <= n_max; a shorter text is one whole shingle.

    >>> sorted(shingles(["a", "b"], 1, 2)), len(shingles(["a", "b"], 5, 5))
    ([('a',), ('a', 'b'), ('b',)], 1)
    """
    if 0 < len(words) < n_min:
        return frozenset([tuple(words)])
    return frozenset(tuple(words[k : k + n]) for n in range(n_min, n_max + 1) for k in range(len(words) - n + 1))


def jaccard(a: Shingles, b: Shingles) -> float:
    """Return |a & b| / |a | b|; 0 where both are empty, since empty text matches nothing."""
    shared = len(a & b)
    union = len(a) + len(b) - shared
    return shared / union if union else 0.0


def block_jaccard(a: str, b: str) -> float:
    """Return the similarity of two blocks: over their word 1- and 2-grams."""
    return jaccard(shingles(tokens(a), *BLOCK_WORDS), shingles(tokens(b), *BLOCK_WORDS))


def document_jaccard(a: str, b: str) -> float:
    """Return the similarity of two documents: over their word 5-grams."""
    return jaccard(shingles(tokens(a), *DOC_WORDS), shingles(tokens(b), *DOC_WORDS))


def number_sets(sets: Iterable[Shingles]) -> list[list[int]]:
    """Replace shingles by integers, the same for equal ones."""
    numbers: dict[tuple[str, ...], int] = {}
    return [[numbers.setdefault(shingle, len(numbers)) for shingle in one] for one in sets]
