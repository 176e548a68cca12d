"""A run in; its pages in an index, as if they had come one by one, without reading a word, out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.arrays import I64, Bool
from dedup.checkpoint import Sketchbook
from dedup.corpus import Corpus, Looks
from dedup.errors import NotFound, SettingsMismatch
from dedup.index.furniture import looks_of
from dedup.index.index import Index
from dedup.index.opening import differences, settings_of
from dedup.index.pages import page_of
from dedup.index.records import NO_PART, count_terms_in
from dedup.index.writer import Arrival
from dedup.reading import Progress, pool_of, silent
from dedup.run import Run
from dedup.schema import BOILERPLATE, Reason
from dedup.settings import Settings
from dedup.store import SKETCHES
from dedup.workspace import Workspace


def build(run: str | os.PathLike[str], index: Index, progress: Progress = silent) -> int:
    """Add the pages of a scanned corpus to an index, from the sketches that the run keeps.

    They come in the order of the run's input; of several with one id the last stays, as where they come one by one.

    Args:
        run: the run directory.
        index: the index; its settings must be those of the run.
        progress: called with a stage, pages done and pages in all.

    Returns:
        How many pages were added.

    Raises:
        NotFound: there is no run, it keeps no sketches, or they are damaged.
        SettingsMismatch: the index has other settings.
    """
    found = Run.open(run)
    settings = found.settings
    unlike = differences(settings_of(settings), settings_of(index.settings))
    if unlike:
        raise SettingsMismatch(f"{found.place} was made with {unlike}: it cannot be loaded into {index.place}")
    book = sketches_of(found)
    with Workspace(kept=book.path, sizes=book.state.sizes()) as workspace:
        corpus = Corpus(workspace, *book.schemes(settings), settings.min_tokens)
        return index.take(arrivals(corpus, found, settings, index), corpus.doc_count, progress)


def sketches_of(run: Run) -> Sketchbook:
    """Return the sketches that a run keeps.

    Raises:
        NotFound: it keeps none, or they are damaged.
    """
    book = Sketchbook.read(run.path / SKETCHES)
    if book is None:
        raise NotFound(f"{run.place} keeps no sketches that this version reads: scan its inputs again")
    with pool_of(run.settings.workers) as pool:
        damaged = book.verify(pool)
    if damaged is not None:
        raise NotFound(f"{book.path / damaged} is damaged: scan the inputs again")
    return book


def arrivals(corpus: Corpus, run: Run, settings: Settings, index: Index) -> Iterator[Arrival]:
    """Yield the pages of a corpus, in their order."""
    ids, sources = corpus.ids.map(), corpus.sources.map()
    bounds, content = corpus.block_bounds.map(), corpus.content.map()
    tokens, token_bounds = corpus.tokens.map(), corpus.token_bounds.map()
    prints, doc_prints, doc_content = corpus.fingerprints(), corpus.doc_fingerprints(), corpus.doc_content.map()
    columns = [getattr(corpus, name).map() for name in Looks._fields]
    languages = corpus.languages.map() if corpus.languages.size else None
    matched, low = what_is_matched(run, settings, bounds)
    now = int(time.time())
    for doc in range(corpus.doc_count):
        rows = slice(int(bounds[doc]), int(bounds[doc + 1]))
        parts = [
            NO_PART if row < 0 else (prints[row].tobytes(), tokens[token_bounds[row] : token_bounds[row + 1]])
            for row in content[rows].tolist()
        ]
        own = int(doc_content[doc])
        print_ = doc_prints[own].tobytes() if own >= 0 else b""
        page = page_of(parts, print_, settings.min_tokens, index.schemes)
        page = page._replace(looks=Looks(*(np.array(column[rows]) for column in columns)))
        language = None if languages is None else int(languages[doc])
        counts = None if language is None else count_terms_in([one for _, one in parts], language)
        yield Arrival(
            page, ids[doc].as_py(), sources[doc].as_py() or None, now, matched[rows], bool(low[doc]), language, counts,
            looks_of(page),
        )  # fmt: skip


def what_is_matched(run: Run, settings: Settings, bounds: I64) -> tuple[Bool, Bool]:
    """Return bool[n], blocks that are no boilerplate or filler that goes; bool[docs], pages of too little substance."""
    going = [reason.name.lower() for reason in (*BOILERPLATE, Reason.FILLER) if reason.name.lower() in settings.drop]
    rows = run.input_order()
    in_order = np.argsort(rows)  # of verdicts, which may stand in another
    sizes = np.diff(bounds)[in_order]
    told = np.concatenate(
        [pc.is_in(part["reason"], pa.array(going, pa.string())).to_numpy() for part in run.read_verdicts(["reason"])]
    )
    first = np.concatenate([[0], np.cumsum(sizes)])
    matched = np.empty(told.size, np.bool_)
    for place, doc in enumerate(in_order.tolist()):
        matched[bounds[doc] : bounds[doc + 1]] = ~told[first[place] : first[place + 1]]
    low = pc.is_in(run.documents["reason"], pa.array([Reason.LOW_SUBSTANCE_DOCUMENT.name.lower()])).to_numpy()
    return matched, low[rows]
