"""Pages of sites in, one or many at a time; for each block of a page the probability to be boilerplate out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator

from dedup.boilerplate import find_boilerplate
from dedup.decide import columns_of, dropped_reasons, match_documents
from dedup.errors import SettingsError
from dedup.formats import open_inputs
from dedup.kernels.classes import LEAST_PAGES
from dedup.reading import pool_of, sketch_corpus
from dedup.schema import REASONS
from dedup.settings import Settings
from dedup.sketch import tokenize_texts
from dedup.workspace import Workspace

Page = str | tuple[str, str]


class Block(NamedTuple):
    """A block of a page, judged.

    Attributes:
        start: its first byte in the page's UTF-8; ``end``, the byte after its last.
        end: see ``start``.
        text: what stands there.
        boilerplate: probability to be boilerplate, 0-1.
        reason: the class of boilerplate it is, None for content.
        drop: whether the settings would remove it.
        low_evidence: whether there were too few other pages of its source, so that shape alone told.
    """

    start: int
    end: int
    text: str
    boilerplate: float
    reason: str | None
    drop: bool
    low_evidence: bool


class BoilerplateDetector(BaseEstimator):  # type: ignore[misc]
    r"""Learns what the pages of a site have in common, and tells it from what each says.

    A scikit-learn estimator whose samples are pages: ``(source, text)``, or a text alone. Of each source it keeps
    ``max_pages`` pages at the most, those whose contents have the smallest hashes: a random sample that depends
    neither on the order of pages nor on how they were shared out, so detectors can be merged.

    Args:
        max_pages: pages kept of each source, 3 or more.
        settings: see ``Settings``; ``boilerplate``, ``split``, ``doc_threshold`` and ``drop`` count here.

    Attributes:
        pages_: for each source its pages, by the hash of their contents.

    >>> detector = BoilerplateDetector()
    >>> body = ["The kiln was cold by noon.", "Rain fell on the old pier.", "Nobody sang at the fair this year."]
    >>> pages = [("a.example", f"{k} min read\n\n{text}\n\nSubscribe to our letter") for k, text in enumerate(body)]
    >>> detector.partial_fit(pages).judge(pages[0])[2].reason
    'site_template'
    """

    def __init__(self, max_pages: int = 1000, settings: Settings | None = None) -> None:
        self.max_pages = max_pages
        self.settings = settings

    def fit(self, X: Iterable[Page], y: object = None) -> Self:  # noqa: ARG002, N803 - scikit-learn's names
        """Forget all pages and take these."""
        self.pages_: dict[str, dict[int, str]] = {}
        return self.partial_fit(X)

    def partial_fit(self, X: Iterable[Page], y: object = None) -> Self:  # noqa: ARG002, N803
        """Take pages beside those taken before.

        Args:
            X: pages, each ``(source, text)`` or a text.
            y: not looked at.

        Raises:
            SettingsError: ``max_pages`` is too small.
        """
        if self.max_pages < LEAST_PAGES:
            raise SettingsError("max_pages", self.max_pages, f"{LEAST_PAGES} or more")
        if not hasattr(self, "pages_"):
            self.pages_ = {}
        pages = [as_pair(page) for page in X]
        prints = tokenize_texts([text for _, text in pages]).fingerprints[:, 0].tolist() if pages else []
        for (source, text), key in zip(pages, prints, strict=True):
            kept = self.pages_.setdefault(source, {})
            # of pages with the same words the one that comes first in order of characters, whatever came first in time
            kept[key] = min(text, kept.get(key, text))
            if len(kept) > self.max_pages:
                del kept[max(kept)]
        return self

    def merge(self, other: BoilerplateDetector) -> Self:
        """Take the pages that another detector holds: as if this had been given all pages of both."""
        for source, kept in getattr(other, "pages_", {}).items():
            self.partial_fit((source, text) for text in kept.values())
        return self

    def judge(self, page: Page) -> list[Block]:
        """Judge the blocks of one page, by the pages of its source taken so far."""
        return next(self._judged([page]))

    def predict_proba(self, X: Iterable[Page]) -> list[np.ndarray]:  # noqa: N803
        """Return, for each page, float64[blocks, 2]: probabilities of each block to be content and boilerplate."""
        pages = ([block.boilerplate for block in blocks] for blocks in self._judged(X))
        return [np.stack([1 - np.array(p, np.float64), np.array(p, np.float64)], axis=1) for p in pages]

    def predict(self, X: Iterable[Page]) -> list[np.ndarray]:  # noqa: N803
        """Return, for each page, int64[blocks]: 1 for blocks that the settings would remove as boilerplate, else 0."""
        return [np.array([int(block.drop) for block in blocks], np.int64) for blocks in self._judged(X)]

    def transform(self, X: Iterable[Page]) -> list[str]:  # noqa: N803
        """Return each page's text without the blocks that the settings would remove, an empty line between blocks."""
        return ["\n\n".join(block.text for block in blocks if not block.drop) for blocks in self._judged(X)]

    def _judged(self, pages: Iterable[Page]) -> Iterator[list[Block]]:
        """Judge pages one by one."""
        settings = self.settings or Settings()
        known: dict[str, dict[str, list[Block]]] = {}  # pages that were taken are judged together, a source at a time
        for page in pages:
            source, text = as_pair(page)
            kept = getattr(self, "pages_", {}).get(source, {})
            own = int(tokenize_texts([text]).fingerprints[0, 0])
            if kept.get(own) == text:
                if source not in known:
                    texts = [one for _, one in sorted(kept.items())]
                    known[source] = dict(zip(texts, judge_pages(texts, len(texts), source, settings), strict=True))
                yield known[source][text]
            else:
                texts = [text, *(one for key, one in sorted(kept.items()) if key != own)]
                yield judge_pages(texts, 1, source, settings)[0]


def as_pair(page: Page) -> tuple[str, str]:
    """Return a page's source, the empty string where it has none, and its text."""
    return ("", page) if isinstance(page, str) else page


def judge_pages(texts: Sequence[str], count: int, source: str, settings: Settings) -> list[list[Block]]:
    """Judge the blocks of the first pages, so many, of some pages of a source."""
    records = [{"id": str(k), "source": source, "text": text} for k, text in enumerate(texts)]
    settings = dataclasses.replace(settings, text="text", id="id", source="source", newest=None, survivor="first")
    dropping = dropped_reasons(settings)
    with Workspace() as workspace, pool_of(settings.workers) as pool:
        corpus, _ = sketch_corpus(open_inputs(records), settings, workspace, pool)
        docs, _ = match_documents(corpus, settings, np.empty(0, np.int64), pool)
        columns, sources = columns_of(corpus, docs)
        found = find_boilerplate(columns, sources, settings.boilerplate, workspace, pool)
        bounds = corpus.block_bounds.map().tolist()
        starts, ends = corpus.starts.map().tolist(), corpus.ends.map().tolist()
        probabilities, reasons = found.probabilities.tolist(), found.reasons.tolist()
        low = bool(found.pages[0] < LEAST_PAGES) if texts else True

    def block(row: int, data: bytes) -> Block:
        a, b, reason = starts[row], ends[row], reasons[row]
        return Block(a, b, data[a:b].decode(), probabilities[row], REASONS[reason], bool(dropping[reason]), low)

    pages = [text.encode() for text in texts[:count]]
    return [[block(row, data) for row in range(bounds[k], bounds[k + 1])] for k, data in enumerate(pages)]
