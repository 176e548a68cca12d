"""A corpus and its boilerplate in; the substance of every block and document out."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np

from dedup.arrays import F32, I64, U8, U32, Bool
from dedup.corpus import Corpus
from dedup.grouping import runs_of_documents
from dedup.kernels.facts import HEARD, OUT, SCORED, Spoken
from dedup.reasons import BOILERPLATE, TEXT, TOLD
from dedup.schema import Reason
from dedup.substance import fitted, put_together, score
from dedup.threads import ordered_map

BLOCKS = 1 << 14  # blocks that are scored at a time
CONTENT = (Reason.NONE, Reason.LIKELY_BOILERPLATE)  # what a block is that its article says; the latter is a guess


class Substance(NamedTuple):
    """How much ``n`` blocks of ``docs`` documents say.

    Attributes:
        blocks: float32[n], 0 to 100, not-a-number where not scored.
        articles: float32[docs], likewise.
        forms: uint8[n], what a block is, if no text to score, see ``dedup.reasons``.
        reasons: uint32[n, TOLD], see there.
    """

    blocks: F32
    articles: F32
    forms: U8
    reasons: U32

    def filler(self, below: float) -> Bool:
        """Return bool[n], blocks that say less."""
        found: Bool = self.blocks < below
        return found


def spoken_in(corpus: Corpus) -> Spoken:
    """Put together what the terms of a corpus are weighed by."""
    languages = corpus.languages.map()
    return put_together(
        corpus.block_bounds.map(), corpus.content.map(), corpus.tokens.map(), corpus.token_bounds.map(),
        corpus.titles.map(), languages, corpus.frequencies.blended(languages, included=True).logarithms(),
    )  # fmt: skip


def with_boilerplate(forms: U8, boilerplate: U8) -> U8:
    """Return forms of blocks, those of boilerplate among them."""
    known = np.array([reason not in CONTENT for reason in Reason])
    told: U8 = np.where(known[boilerplate], np.uint8(BOILERPLATE), forms)
    return told


def parts_of(forms: U8) -> U8:
    """Return which part blocks take: running text is scored, boilerplate is left out, the rest is heard."""
    part: U8 = np.where(forms == TEXT, SCORED, np.where(forms == BOILERPLATE, OUT, HEARD))
    return part


def score_corpus(corpus: Corpus, boilerplate: U8, pool: Executor) -> Substance:
    """Score every block and document.

    Args:
        corpus: the corpus, with what substance is scored by.
        boilerplate: uint8[n], the class of boilerplate of each block, a code of ``Reason``.
        pool: threads to work in.
    """
    scratch, n, bounds = corpus.workspace.scratch, corpus.block_count, corpus.block_bounds.map()
    languages, spoken = corpus.languages.map(), spoken_in(corpus)
    letters, names, forms = corpus.letters.map(), corpus.names.map(), corpus.forms.map()
    found = Substance(
        scratch(n, np.float32), np.empty(languages.size, np.float32), scratch(n, np.uint8),
        scratch(n * TOLD, np.uint32).reshape(n, TOLD),
    )  # fmt: skip
    model = fitted()

    def work(run: I64) -> None:
        rows, docs = slice(bounds[run[0]], bounds[run[-1] + 1]), slice(run[0], run[-1] + 1)
        own = with_boilerplate(forms[rows], boilerplate[rows])
        part = parts_of(own)
        scores = score(run, spoken, part, letters[rows], names[rows], own, model)
        found.blocks[rows], found.articles[docs] = scores.substance, scores.articles
        found.forms[rows], found.reasons[rows] = scores.forms, scores.reasons

    runs = (run for run in runs_of_documents(np.arange(languages.size), bounds, BLOCKS) if run.size)
    for _ in ordered_map(pool, work, runs, 2):
        pass
    return found
