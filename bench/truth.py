"""A corpus in; what the package made of it, beside the truth worked out from the texts, out."""

from __future__ import annotations

import functools
import pathlib
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from figures import Figure, Sense, share
from join import I64, exact_join
from reference import BLOCK_WORDS, DOC_WORDS, Shingles, jaccard, number_sets, shingles, tokens

from dedup.cluster import candidate_pairs
from dedup.formats import open_inputs
from dedup.reading import sketch_corpus
from dedup.run import Run
from dedup.settings import Settings
from dedup.workspace import Workspace

Words = tuple[str, ...]
NEAR, EXACT, VARIANT = "near_duplicate", "exact_duplicate", "number_variant"
NEAR_DOCUMENT, LIKE_REMOVED = "near_duplicate_document", "near_removed_document"


class Sketched(NamedTuple):
    """Distinct blocks of a corpus.

    Attributes:
        words: their tokens, by the reference.
        keys: for each band uint32[n], the package's band keys.
        blocks: how many blocks the corpus has.
        misnumbered: how many of them the package counts as equal where the reference does not, or the other way.
    """

    words: list[Words]
    keys: list[npt.NDArray[np.uint32]]
    blocks: int
    misnumbered: int


def sketch(path: pathlib.Path, texts: Sequence[str], settings: Settings) -> Sketched:
    """Sketch a corpus as a scan does, and tokenise its blocks once more by the reference.

    Args:
        path: the corpus, JSON lines without unusable records.
        texts: its texts.
        settings: of the scan.
    """
    data = [text.encode() for text in texts]
    with tempfile.TemporaryDirectory() as room, Workspace(room) as workspace:
        with ThreadPoolExecutor(settings.workers) as pool:
            corpus, ledger = sketch_corpus(open_inputs(path), settings, workspace, pool)
        if ledger.rejected or corpus.doc_count != len(texts):
            raise ValueError(f"{path}: {ledger.rejected} records were rejected; the bench needs a clean corpus")
        docs = np.repeat(np.arange(len(data)), np.diff(corpus.block_bounds.map()))
        words_of = functools.lru_cache(1 << 16)(tokens)
        numbers: dict[Words, int] = {}
        by_number: dict[int, Words] = {}
        misnumbered = 0
        columns = (corpus.content.map(), docs, corpus.starts.map(), corpus.ends.map())
        for content, doc, start, end in zip(*(column.tolist() for column in columns), strict=True):
            words = words_of(data[doc][start:end].decode())
            if not words or content < 0:
                misnumbered += bool(words) != (content >= 0)
            else:
                misnumbered += numbers.setdefault(words, content) != content
                misnumbered += by_number.setdefault(content, words) != words
        sketched = corpus.sketched.map().tolist()
        keys = [np.array(band) for band in corpus.bands.map()]
        return Sketched([by_number[content] for content in sketched], keys, len(docs), misnumbered)


def candidate_figures(name: str, sketched: Sketched, threshold: float) -> list[Figure]:
    """Say which of the truly similar pairs of distinct blocks share a band."""
    sets = number_sets(shingles(words, *BLOCK_WORDS) for words in sketched.words)
    pairs, jaccards = exact_join(sets, threshold)
    n = len(sets)
    candidates = candidate_pairs(sketched.keys)
    found = np.isin(as_number(pairs, n), as_number(candidates, n))
    note = f"{sketched.blocks:,} blocks"
    figures = [Figure(f"{name}: blocks told apart or joined wrongly", sketched.misnumbered, "equals", 0, note)]
    senses: tuple[tuple[float, Sense], ...] = ((0.8, "at least"), (threshold, "-"))
    for least, sense in senses:
        high = jaccards >= least
        hits, there = int(found[high].sum()), int(high.sum())
        title = f"{name}: pairs of J >= {least} that are candidates"
        figures.append(Figure(title, share(hits, there), sense, 0.99, f"{hits:,} of {there:,}"))
    note = f"{n:,} distinct blocks"
    return [*figures, Figure(f"{name}: candidates a distinct block", share(len(candidates), n), note=note)]


def as_number(pairs: I64, n: int) -> I64:
    """Write each pair of numbers under ``n`` as one number."""
    numbers: I64 = pairs[:, 0] * n + pairs[:, 1]
    return numbers


class Reported(NamedTuple):
    """What a run reports, with every row's text.

    Attributes:
        blocks: rows of verdicts.parquet. ``documents``: rows of documents.parquet.
        texts: text of each document by id.
        first: place of each document's first block among ``blocks``.
    """

    blocks: list[dict[str, Any]]
    documents: list[dict[str, Any]]
    texts: dict[str, str]
    first: dict[str, int]

    @classmethod
    def read(cls, run: Run, texts: dict[str, str]) -> Reported:
        """Read a run; the documents' ids have to be unique."""
        blocks, documents = run.verdicts.to_pylist(), run.documents.to_pylist()
        if len(texts) != len(documents):
            raise ValueError(f"{len(documents)} documents, but {len(texts)} ids: the bench needs unique ids")
        first: dict[str, int] = {}
        for place, row in enumerate(blocks):
            first.setdefault(row["doc"], place)
        return cls(blocks, documents, texts, first)

    def partner(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the block that a row names as its partner."""
        found: dict[str, Any] = self.blocks[self.first[row["partner_doc"]] + row["partner_block"]]
        if (found["doc"], found["block"]) != (row["partner_doc"], row["partner_block"]):
            raise ValueError(f"blocks of {row['partner_doc']} are not in order")
        return found

    def words(self, row: dict[str, Any]) -> Words:
        """Return the tokens of a block."""
        return tokens(self.texts[row["doc"]].encode()[row["start"] : row["end"]].decode())


class Tally:
    """Counts of what is wrong with reported pairs."""

    def __init__(self) -> None:
        self.pairs = self.unequal = self.under = self.dangling = 0

    def add(self, truth: float, row: dict[str, Any], threshold: float, partner: dict[str, Any]) -> None:
        """Count one pair: its true similarity, what is reported, and its partner's own row."""
        self.pairs += 1
        self.unequal += truth != row["similarity"]
        self.under += truth < threshold
        self.dangling += partner["action"] != "keep"

    def figures(self, name: str) -> list[Figure]:
        """Put the counts into figures."""
        note = f"of {self.pairs:,}"
        return [
            Figure(f"{name}: similarity is not the naive one", self.unequal, "equals", 0, note),
            Figure(f"{name}: under the threshold to the keeper", self.under, "equals", 0, note),
            Figure(f"{name}: partner is not kept itself", self.dangling, "equals", 0, note),
        ]


def verdict_figures(name: str, reported: Reported, settings: Settings) -> list[Figure]:
    """Work out every reported similarity once more, and look at the partners."""

    @functools.lru_cache(1 << 15)
    def block_set(words: Words) -> Shingles:
        return shingles(words, *BLOCK_WORDS)

    near, exact, variants, docs, like_removed = (Tally() for _ in range(5))
    for row in reported.blocks:
        if row["reason"] not in {NEAR, EXACT, VARIANT}:
            continue
        partner = reported.partner(row)
        mine, other = reported.words(row), reported.words(partner)
        if row["reason"] == EXACT:
            exact.add(float(mine == other), row, 1.0, partner)
        elif row["reason"] == VARIANT:
            variants.add(jaccard(block_set(mine), block_set(other)), row, 0.0, partner)
        else:
            near.add(jaccard(block_set(mine), block_set(other)), row, settings.threshold, partner)
    rows = {row["doc"]: row for row in reported.documents}
    for row in reported.documents:
        if row["reason"] in {NEAR_DOCUMENT, LIKE_REMOVED}:
            mine, other = (tokens(reported.texts[doc]) for doc in (row["doc"], row["partner_doc"]))
            truth = jaccard(shingles(mine, *DOC_WORDS), shingles(other, *DOC_WORDS))
            tally = docs if row["reason"] == NEAR_DOCUMENT else like_removed
            # what is like a removed document names that one: it is no copy, and stays
            stays = rows[row["partner_doc"]] if row["reason"] == NEAR_DOCUMENT else row
            tally.add(truth, row, settings.doc_threshold, stays)
    tallies = (
        ("near blocks", near),
        ("equal blocks", exact),
        ("number variants", variants),
        ("near documents", docs),
        ("documents like a removed one", like_removed),
    )
    return [figure for kind, tally in tallies if tally.pairs for figure in tally.figures(f"{name}: {kind}")]
