"""Two texts in; how alike they are and where they differ, out."""

from __future__ import annotations

import dataclasses
import difflib
import re

import numpy as np

from dedup.lsh import schemes
from dedup.settings import Settings
from dedup.sketch import sign_rows, tokenize_text

PIECES = re.compile(r"\w+|[^\w\s]+|\s+")
LONG = 50_000  # pieces


@dataclasses.dataclass(frozen=True)
class Similarity:
    """Likeness of two texts as sets of word n-grams.

    Attributes:
        shingles: what the sets hold, in words.
        exact: Jaccard similarity, 0-1.
        estimate: the same, estimated from MinHash signatures.
        permutations: how many the estimate rests on.
        shared: shingles that both sets hold.
        union: shingles that either holds.
    """

    shingles: str
    exact: float
    estimate: float
    permutations: int
    shared: int
    union: int


@dataclasses.dataclass(frozen=True)
class Change:
    """A stretch of the aligned texts: ``a`` and ``b`` are equal, or ``a`` was replaced by ``b``."""

    equal: bool
    a: str
    b: str


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How two texts compare.

    Attributes:
        as_blocks: their likeness as paragraphs (word 1- and 2-grams).
        as_documents: their likeness as documents (word 5-grams).
        same_tokens: whether they are equal but for case, width, punctuation and white space.
        changes: the aligned texts, in order.
    """

    as_blocks: Similarity
    as_documents: Similarity
    same_tokens: bool
    changes: list[Change]


def compare(a: str, b: str, settings: Settings | None = None) -> Comparison:
    """Compare two texts.

    Args:
        a: a text.
        b: another.
        settings: permutations, recall and thresholds as for ``scan``.

    Returns:
        Exact and estimated similarities, and an aligned diff by words.

    >>> result = compare("The ferry leaves at nine.", "The ferry leaves at ten.")
    >>> result.as_blocks.shared, result.as_blocks.union, round(result.as_blocks.exact, 2)
    (7, 11, 0.64)
    >>> [(change.a, change.b) for change in result.changes if not change.equal]
    [('nine', 'ten')]
    """
    settings = settings or Settings()
    left, right = tokenize_text(a), tokenize_text(b)
    similarities = []
    for scheme, name in zip(schemes(settings), ("word 1- and 2-grams", "word 5-grams"), strict=True):
        one, two = (shingle_set(tokens.tolist(), scheme.n_min, scheme.n_max) for tokens in (left, right))
        bounds = np.array([0, left.size, left.size + right.size])
        signatures = sign_rows(np.concatenate([left, right]), bounds, np.arange(2), scheme)
        estimate = float((signatures[0] == signatures[1]).mean()) if one and two else 0.0
        union = len(one | two)
        exact = len(one & two) / union if union else 0.0
        similarities.append(Similarity(name, exact, estimate, scheme.a.size, len(one & two), union))
    same = left.size > 0 and np.array_equal(left, right)
    return Comparison(similarities[0], similarities[1], same, align(a, b))


def shingle_set(tokens: list[int], n_min: int, n_max: int) -> set[tuple[int, ...]]:
    """Return the word n-grams with n_min <= n <= n_max; a shorter text is one whole shingle, an empty one has none."""
    if 0 < len(tokens) < n_min:
        return {tuple(tokens)}
    return {tuple(tokens[k : k + n]) for n in range(n_min, n_max + 1) for k in range(len(tokens) - n + 1)}


def align(a: str, b: str) -> list[Change]:
    """Align two texts by words (Ratcliff & Obershelp, as in difflib)."""
    left, right = PIECES.findall(a), PIECES.findall(b)
    # White space never anchors a match: time would grow with the square of the length (8,000 words: 24 s, not 1).
    # In long texts frequent words do not either.
    matcher = difflib.SequenceMatcher(str.isspace, left, right, autojunk=max(len(left), len(right)) > LONG)
    return [
        Change(tag == "equal", "".join(left[i:j]), "".join(right[k:m])) for tag, i, j, k, m in matcher.get_opcodes()
    ]
