"""Texts in; how much substance each has, and each of its blocks, out."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator, TransformerMixin

from dedup.arrays import F64, I32, I64, U8, U32
from dedup.articles import parts_of
from dedup.background import identify
from dedup.blocks import split_blocks
from dedup.corpus import Said
from dedup.errors import InputError, SettingsMismatch
from dedup.formats.kinds import is_table
from dedup.frequencies import Counts, DocumentFrequencies, Weights, count_terms_of
from dedup.kernels.facts import Spoken
from dedup.kernels.tables import FREE
from dedup.pipeline import scan
from dedup.reading import Progress, pool_of, say_of
from dedup.reasons import FEATURES, tell
from dedup.run import Run, place_of_run
from dedup.schema import BLOCK_SCORES, DOCUMENT_SCORES, Blocks
from dedup.settings import Settings
from dedup.sketch import Tokens, lay_out, tokenize_blocks
from dedup.substance import Scores, fitted, put_together
from dedup.substance import score as score_blocks
from dedup.threads import ordered_map

BATCH = 1 << 21  # characters of texts that are scored at a time
KEPT = 8  # sets of languages whose weights are kept at hand
ROWS = 1 << 12  # that are put into words at a time
TOLD_BLOCKS = 3  # that explain an article
ARTICLE_COLUMNS = ["doc", *DOCUMENT_SCORES.names]
BLOCK_COLUMNS = ["doc", "block", "start", "end", *BLOCK_SCORES.names]


def score(
    texts: Any, settings: Settings | None = None, *, blocks: bool = False, progress: Progress | None = None
) -> pa.Table:
    """Say how much substance articles have, and how much of each is filler, boilerplate and repeats.

    Args:
        texts: texts, or what ``scan`` takes: dicts, an Arrow table, ``pathlib.Path`` of files; a string is a text. Or
            a run directory, whose scores are read.
        settings: see ``Settings``; guard rails stop nothing here, for nothing is removed. None for a run, which has its
            own.
        blocks: return a row a block.
        progress: see ``scan``.

    Returns:
        A row an article: ``doc``, ``substance`` (0-100, null where not scored), ``filler_share`` (0-1, of characters),
        ``scored``, ``language`` (ISO 639, null where not known), ``word_lists`` (whether there are lists of vague words
        for it). Or a row a block: ``doc``, ``block``, ``start``, ``end`` (bytes), ``substance``, ``scored``,
        ``reasons``. Both in the order of the input, or of the run.

    Raises:
        InputError: an input cannot be read, or a text or dict is unusable.
        SettingsMismatch: a run has no scores, or was made with settings of its own.

    >>> texts = ["The ferry Ostara sank off Lund in 1931 with 40 crates of tuning forks aboard, says the log.",
    ...          "There are many things to consider, and it could be very important for you to consider all of them."]
    >>> table = score(texts)
    >>> table["substance"][0].as_py() > 70 > 50 > table["substance"][1].as_py()
    True
    """
    if isinstance(texts, str):
        texts = [texts]
    if not isinstance(texts, os.PathLike) and not is_table(texts):
        texts = list(texts)
        if not is_paths(texts):
            settings = dataclasses.replace(settings or Settings(), strict=True)
            if any(isinstance(text, str) for text in texts):
                texts = [{settings.id: str(k), settings.text: text} for k, text in enumerate(checked(texts))]
    run = scan_for_scores(texts, settings, progress)
    return run.verdicts.select(BLOCK_COLUMNS) if blocks else run.documents.select(ARTICLE_COLUMNS)


def is_paths(inputs: list[Any]) -> bool:
    """Whether inputs are files, whose unusable records are set aside; of others a row too few would go unseen."""
    return bool(inputs) and all(isinstance(one, os.PathLike) for one in inputs)


def checked(texts: Iterable[Any]) -> Iterator[str]:
    """Yield texts.

    Raises:
        InputError: one is no string, or one that no UTF-8 can hold.
    """
    for k, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"text {k} is of type {type(text).__name__}: strings are needed")
        try:
            if not text.isascii():
                text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"text {k} has half a surrogate pair at character {error.start}: mend it") from error
        yield text


def scan_for_scores(inputs: Any, settings: Settings | None, progress: Progress | None) -> Run:
    """Scan inputs, in their order, or open the run that is named as one; guard rails stop nothing.

    Raises:
        SettingsMismatch: the run has no scores, or was made with settings of its own.
    """
    place = place_of_run(inputs)
    if place is not None:
        run = Run.open(place)
        if settings is not None:
            raise SettingsMismatch(f"{run.place} is a run, whose scores are read as they are: give no options")
        if not run.settings.scores:
            raise SettingsMismatch(f"{run.place} is a run without scores: scan it again with --score (score=True)")
        return run
    settings = dataclasses.replace(settings or Settings(), score=True, allow=True, survivor="first", newest=None)
    return scan(inputs, settings, progress=progress)


def ranked_articles(run: Run, below: float | None, *, explain: bool) -> Iterator[dict[str, Any]]:
    """Yield articles, those of least substance first, then those not scored.

    Args:
        run: a run with scores.
        below: tell only of articles with less substance; None for all.
        explain: put the TOLD_BLOCKS blocks of least substance with each, under ``blocks``.
    """
    table = run.documents.select([*ARTICLE_COLUMNS, "blocks"])
    substance = table["substance"].to_numpy()
    order = np.argsort(np.where(np.isnan(substance), np.inf, substance), kind="stable")
    if below is not None:
        order = order[substance[order] < below]
    bounds = np.concatenate([[0], np.cumsum(table["blocks"].to_numpy())])
    for first in range(0, order.size, ROWS):
        rows = order[first : first + ROWS]
        told = table.select(ARTICLE_COLUMNS).take(pa.array(rows)).to_pylist()
        for row, article in zip(rows.tolist(), told, strict=True):
            if explain:
                blocks = run.verdicts.slice(bounds[row], bounds[row + 1] - bounds[row])
                article["blocks"] = least_of(blocks)
            yield article


def least_of(blocks: pa.Table) -> list[dict[str, Any]]:
    """Return the blocks of least substance of one article, with their reasons."""
    substance = blocks["substance"].to_numpy()
    rows = np.argsort(substance, kind="stable")[: min(TOLD_BLOCKS, int((~np.isnan(substance)).sum()))]
    told: list[dict[str, Any]] = blocks.select(BLOCK_COLUMNS[1:]).take(pa.array(rows)).to_pylist()
    return told


def ranked_blocks(run: Run, below: float | None) -> Iterator[dict[str, Any]]:
    """Yield blocks in the order of the input; only those of less substance, if ``below`` is given."""
    table = run.verdicts.select(BLOCK_COLUMNS)
    for batch in table.to_batches(ROWS):
        for row in batch.to_pylist():
            if below is None or (row["scored"] and row["substance"] < below):
                yield row


class ScoredBlock(NamedTuple):
    """A block of a text, scored.

    Attributes:
        start: its first byte in the text's UTF-8; ``end``, the byte after its last.
        end: see ``start``.
        text: what stands there.
        substance: 0 to 100, None where not scored.
        reasons: what weighed most, or why it was not scored.
    """

    start: int
    end: int
    text: str
    substance: float | None
    reasons: list[str]


class Scored(NamedTuple):
    """A batch of texts, scored: their bytes, their blocks, their scores, the characters of each block."""

    data: bytes
    blocks: Blocks
    scores: Scores
    chars: U32


class SubstanceScorer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Scores the substance of texts, one or many at a time, by how common words are in the texts it was given.

    A scikit-learn estimator whose samples are texts. It keeps in how many of them each term stands, in memory that does
    not grow, beside how common words are in their languages at large: it scores a single text before it was given any.
    It knows no boilerplate and no copies, which only a corpus tells: clean first.

    Args:
        settings: see ``Settings``; ``split`` and ``filler`` count here.

    Attributes:
        frequencies_: in how many texts each term stands.

    >>> scorer = SubstanceScorer()
    >>> empty = "It could perhaps be said that many different things are very important for everyone in many ways."
    >>> bool(scorer.score_samples([empty])[0] < 50)
    True
    >>> scorer.explain(empty)[0].reasons[0]
    '11.8 % words of emphasis and praise, usual 0.8 %'
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn that there is nothing to wait for."""
        return True

    def fit(self, X: Iterable[str], y: object = None) -> Self:  # noqa: ARG002, N803 - scikit-learn's names
        """Forget all texts and take these."""
        self.frequencies_ = DocumentFrequencies()
        return self.partial_fit(X)

    def partial_fit(self, X: Iterable[str], y: object = None) -> Self:  # noqa: ARG002, N803
        """Count the terms of more texts."""
        if not hasattr(self, "frequencies_"):
            self.frequencies_ = DocumentFrequencies()
        with pool_of((self.settings or Settings()).workers) as pool:
            for counts, languages in ordered_map(pool, self._count, batches(X), 2):
                self.frequencies_.add(counts, languages, np.arange(languages.size))
        return self

    def merge(self, other: SubstanceScorer) -> Self:
        """Count what another has counted: as if this had been given all texts of both."""
        if not hasattr(self, "frequencies_"):
            self.frequencies_ = DocumentFrequencies()
        if hasattr(other, "frequencies_"):
            self.frequencies_.merge(other.frequencies_)
        return self

    def score_samples(self, X: Iterable[str]) -> F64:  # noqa: N803
        """Return the substance of each text: float64[n], 0 to 100, not-a-number where not scored."""
        return self.transform(X)[:, 0]

    def transform(self, X: Iterable[str]) -> F64:  # noqa: N803
        """Return what texts are scored by: float64[n, 2 + f], see ``get_feature_names_out``.

        Substance, 0 to 100; the share of characters in filler, 0 to 1; and the means of what the model looks at, over
        scored blocks. What has no value is not-a-number.
        """
        below, rows = (self.settings or Settings()).filler, [np.empty((0, 2 + len(FEATURES)))]
        for one in self._scored(X):
            docs = one.blocks.bounds.size - 1
            doc = np.repeat(np.arange(docs), np.diff(one.blocks.bounds))
            idle = np.bincount(doc, one.chars * (one.scores.substance < below), docs)
            shares = idle / np.maximum(np.bincount(doc, one.chars, docs), 1)
            rows.append(np.c_[one.scores.articles, shares, one.scores.means])
        return np.concatenate(rows).astype(np.float64)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Return the names of the columns of ``transform``."""
        return np.array(["substance", "filler_share", *FEATURES], object)

    def explain(self, text: str) -> list[ScoredBlock]:
        """Score the blocks of one text, and say why."""
        one = next(self._scored([text]))
        reasons = tell(one.scores.reasons, one.scores.forms).to_pylist()
        found = one.scores.substance.astype(float)
        values = [None if np.isnan(value) else round(value, 1) for value in found.tolist()]
        spans = zip(one.blocks.starts.tolist(), one.blocks.ends.tolist(), strict=True)
        return [
            ScoredBlock(a, b, one.data[a:b].decode(), value, why)
            for (a, b), value, why in zip(spans, values, reasons, strict=True)
        ]

    def _split(self, texts: Sequence[str]) -> tuple[U8, I64, Blocks, Tokens]:
        """Split and tokenise texts."""
        data, bounds, _ = lay_out(texts)
        blocks = split_blocks(data, bounds, (self.settings or Settings()).split)
        return data, bounds, blocks, tokenize_blocks(data, bounds, blocks)

    def _count(self, texts: Sequence[str]) -> tuple[Counts, I32]:
        """Count the terms of texts; return also their languages."""
        *_, blocks, tokens = self._split(texts)
        languages = identify(tokens.hashes, tokens.doc_bounds)
        return count_terms_of(tokens, blocks, languages), languages

    def _scored(self, texts: Iterable[str]) -> Iterator[Scored]:
        """Score texts, a batch at a time, in threads."""
        counted = getattr(self, "frequencies_", None) or DocumentFrequencies()

        @functools.lru_cache(KEPT)
        def weights(*languages: int) -> Weights:
            return counted.blended(np.array(languages, np.int32), included=False).logarithms()

        def work(batch: list[str]) -> Scored:
            data, bounds, blocks, tokens = self._split(batch)
            said = say_of(data, bounds, blocks, tokens)
            spoken = spoken_in(blocks, tokens, said, weights(*np.unique(said.languages).tolist()))
            part, docs = parts_of(said.forms), np.arange(said.languages.size)
            scores = score_blocks(docs, spoken, part, said.letters, said.names, said.forms, fitted())
            return Scored(data.tobytes(), blocks, scores, said.chars)

        with pool_of((self.settings or Settings()).workers) as pool:
            yield from ordered_map(pool, work, batches(texts), 2)


def spoken_in(blocks: Blocks, tokens: Tokens, said: Said, weights: Weights) -> Spoken:
    """Put together what the terms of a batch are weighed by; ``weights`` are logarithms."""
    content = np.where(np.diff(tokens.bounds) > 0, np.arange(blocks.starts.size), FREE)
    return put_together(blocks.bounds, content, tokens.hashes, tokens.bounds, said.titles, said.languages, weights)


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Take texts together, as many as BATCH characters hold, one at least."""
    batch: list[str] = []
    size = 0
    for text in checked([texts] if isinstance(texts, str) else texts):
        if batch and size + len(text) > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch
