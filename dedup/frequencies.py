"""Tokens of documents in; the counts of their terms, and in how many documents each stands, out.

Terms are hashed into buckets, so memory is fixed however large a corpus is. A language has buckets of its own: its
terms are neither rare because others have none of them, nor common because they share them. To its documents come a
thousand that nobody wrote, with words as common as they are in the language (``dedup.background``): they tell of a
single article, and count for little in a large corpus.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dedup.arrays import F32, I32, I64, U32, U64, Bool
from dedup.background import background, words_of
from dedup.kernels.mixing import mix64
from dedup.kernels.tables import FREE
from dedup.kernels.terms import BUCKET_SHIFT, BUCKETS, HALF, add_frequencies, count_terms
from dedup.schema import Blocks
from dedup.sketch import Tokens

if TYPE_CHECKING:
    import scipy.sparse
    from sklearn.feature_extraction.text import TfidfTransformer

PAIRED = ("ja", "zh")  # languages whose terms are pairs of characters
PRIOR = 1000  # documents that the background stands for
PRIOR_WORDS = 400  # words of each
UNLISTED = 3.0  # frequency of words that are not listed, on the Zipf scale


class Counts(NamedTuple):
    """Terms of ``docs`` documents, row by row (the arrays of a CSR matrix).

    Attributes:
        counts: int32[t], how often each term stands in its document.
        indices: int32[t], buckets of the terms.
        indptr: int64[docs + 1], where each document's begin.
    """

    counts: I32
    indices: I32
    indptr: I64

    def matrix(self) -> scipy.sparse.csr_matrix:
        """Return the counts as a matrix, int32[docs, BUCKETS]."""
        from scipy.sparse import csr_matrix

        return csr_matrix((self.counts, self.indices, self.indptr), shape=(self.indptr.size - 1, BUCKETS))


@functools.cache
def paired_languages() -> Bool:
    """Return bool[l + 1], whether a language's terms are pairs; the last is for texts of no known language."""
    return np.array([*(code in PAIRED for code in background().languages), False])


def count_terms_of(tokens: Tokens, blocks: Blocks, languages: I32) -> Counts:
    """Count the terms of documents."""
    room = tokens.hashes.size
    counts, indices, indptr = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(languages.size + 1, np.int64)
    count_terms(tokens.hashes, tokens.bounds, blocks.bounds, languages, paired_languages(), indices, counts, indptr)
    return Counts(counts[: indptr[-1]], indices[: indptr[-1]], indptr)


def keys_of_terms(keys: U32, language: int) -> U64:
    """Return what ``term_key`` makes of the upper halves of hashes: uint64[w]."""
    mixed: U64 = mix64.py_func(keys.astype(np.uint64) + (np.uint64(language + 1) << HALF))  # type: ignore[attr-defined]
    return mixed


def share_of_documents(zipf: F32 | float) -> F32:
    """Return the share of documents of PRIOR_WORDS words that have a word so common."""
    shares: F32 = 1 - np.exp(-(10.0 ** (np.asarray(zipf, np.float32) - 9)) * np.float32(PRIOR_WORDS))
    return shares


class Weights(NamedTuple):
    """What terms are weighed by.

    Attributes:
        docs: float32[l + 1], documents of each language; the last, of none that is known.
        tables: int64[l + 1], the row of each language in ``frequencies``.
        frequencies: float32[r, BUCKETS], documents that have each term, none of them 0.
    """

    docs: F32
    tables: I64
    frequencies: F32

    def logarithms(self) -> Weights:
        """Return the logarithms of both counts of documents, as ``Spoken`` has them."""
        return Weights(np.log(self.docs), self.tables, np.log(self.frequencies))


class DocumentFrequencies:
    """In how many documents each term stands, a table a language, in memory that does not grow with documents.

    Attributes:
        tables: for each language that was seen uint32[BUCKETS].
        docs: int64[l + 1], documents of each language; the last, of none that is known.
    """

    def __init__(self) -> None:
        self.tables: dict[int, U32] = {}
        self.docs: I64 = np.zeros(len(background().languages) + 1, np.int64)

    def table(self, language: int) -> U32:
        """Return the table of a language."""
        if language not in self.tables:
            self.tables[language] = np.zeros(BUCKETS, np.uint32)
        return self.tables[language]

    def add(self, counts: Counts, languages: I32, docs: I64) -> None:
        """Count some of the documents of a batch."""
        own = languages[docs]
        for language in np.unique(own).tolist():
            add_frequencies(counts.indices, counts.indptr, docs[own == language], self.table(language))
        np.add.at(self.docs, own, 1)

    def merge(self, other: DocumentFrequencies) -> None:
        """Count the documents that another has counted."""
        for language, table in other.tables.items():
            self.table(language)[:] += table
        self.docs += other.docs

    def arrays(self) -> dict[str, I64 | U32]:
        """Return what there is to be kept, by name."""
        return {"docs": self.docs, **{str(language): table for language, table in self.tables.items()}}

    @classmethod
    def restored(cls, arrays: dict[str, Any]) -> DocumentFrequencies:
        """Make one of what was kept."""
        made = cls()
        made.docs = arrays.pop("docs")
        made.tables = {int(language): table for language, table in arrays.items()}
        return made

    def blended(self, languages: I32, *, included: bool) -> Weights:
        """Put corpus and background together.

        Args:
            languages: int32, those of the documents to be weighed.
            included: whether the documents to be weighed are among those counted; each is then left out of its own
                counts, as one that was not counted is.
        """
        present, more = np.unique(languages), np.float32(not included)
        tables = np.zeros(self.docs.size, np.int64)
        tables[present] = np.arange(present.size)
        frequencies = np.full((present.size, BUCKETS), PRIOR * share_of_documents(UNLISTED) + more, np.float32)
        for row, language in enumerate(present.tolist()):
            if language != FREE:
                keys, zipf = words_of(language)
                shares = PRIOR * share_of_documents(zipf) + more
                buckets = keys_of_terms(keys, language) >> BUCKET_SHIFT
                np.maximum.at(frequencies[row], buckets, shares.astype(np.float32))
            if language in self.tables:
                frequencies[row] += self.tables[language]
        return Weights((self.docs + PRIOR + (not included)).astype(np.float32), tables, frequencies)

    def transformer(self, language: int) -> TfidfTransformer:
        """Return scikit-learn's transformer of counts, with the weights of a language's terms."""
        from sklearn.feature_extraction.text import TfidfTransformer

        weights = self.blended(np.array([language], np.int32), included=False)
        transformer = TfidfTransformer()
        transformer.idf_ = np.log(weights.docs[language] / weights.frequencies[0]).astype(np.float64) + 1
        return transformer
