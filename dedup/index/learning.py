"""Pages that are added in; what recurs on the pages of their source, learnt at growing distances, out."""

from __future__ import annotations

import collections
import math

import numpy as np

from dedup.index.furniture import (
    GROWTH,
    MOST_MORE,
    NOTHING_LEARNT,
    SAMPLED,
    Furniture,
    Sampled,
    furniture_in,
    is_whole,
    learn,
)
from dedup.index.records import NO_TOKENS, Known, Source, first_half, rows_of, signed, tokens_in, unpack
from dedup.index.stores import Store
from dedup.kernels.classes import LEAST_PAGES
from dedup.workspace import Workspace

MOST_LEARNT = 256  # sources whose furniture is kept at hand
UNNAMED = ""  # the source of pages without one


class Learner:
    """Learns what recurs in sources."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._workspace: Workspace | None = None  # made when something is learnt
        self._held: collections.OrderedDict[str, tuple[int | None, Furniture]] = collections.OrderedDict()

    def close(self) -> None:
        """Delete what was needed for the work."""
        if self._workspace is not None:
            self._workspace.close()
            self._workspace = None

    def forget(self) -> None:
        """Forget what is kept at hand: it may be of what was not written in the end."""
        self._held.clear()

    def furniture_of(self, source: str | None) -> Furniture:
        """Return what recurs in a source."""
        key = UNNAMED if source is None else source
        number = self._store.source(key).learnt
        held = self._held.get(key)
        if held is None or held[0] != number:
            held = number, furniture_in(None if number is None else self._store.learnt(number))
            self._held[key] = held
            if len(self._held) > MOST_LEARNT:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return held[1]

    def count(self, record: Known, looks: bytes | None) -> bytes | None:
        """Count a page of a source, and learn from those there are if it is time; return what is kept of this one."""
        key = UNNAMED if record.source is None else record.source
        known = self._store.source(key)
        own = signed(first_half(record.print))
        looks = looks if known.cut is None or own < known.cut else None
        pages = known.pages + 1
        if pages < max(LEAST_PAGES, known.due):
            self._store.set_source(key, known._replace(pages=pages))
            return looks
        sample = self._store.sample(record.source)
        if looks is not None:
            sample.append((record.page, record.print, record.contents, looks))
        sample.sort(key=lambda one: signed(first_half(one[1])))
        cut, due = None, pages + min(MOST_MORE, math.ceil((GROWTH - 1) * pages))
        if len(sample) > SAMPLED:
            gone = {page for page, *_ in sample[SAMPLED:]}
            self._store.forget_looks(gone - {record.page})
            looks = None if record.page in gone else looks
            cut = signed(first_half(sample[SAMPLED][1]))
        learnt = self._learn(sample[:SAMPLED], record.source)
        self._store.set_source(key, Source(pages, due, cut, self._store.set_learnt(known.learnt, learnt)))
        return looks

    def _learn(self, sample: list[tuple[int, bytes, bytes, bytes]], source: str | None) -> bytes:
        """Find what recurs on some pages of a source."""
        contents = [unpack(packed)[0] for _, _, packed, _ in sample]
        found = self._store.contents(set().union(*(rows_of(packed) for _, _, packed, _ in sample)))
        places = {row: k for k, row in enumerate(found)}
        bounds = np.cumsum([0, *(len(one.tokens) // 8 for one in found.values())])
        tokens = np.concatenate([NO_TOKENS, *(tokens_in(one) for one in found.values())])
        pages = [
            Sampled(looks, np.array([places.get(row, -1) for row in rows.tolist()], np.int64), first_half(print_))
            for (_, print_, _, looks), rows in zip(sample, contents, strict=True)
            if is_whole(looks, rows.size)
        ]
        if not pages:
            return NOTHING_LEARNT
        self._workspace = self._workspace or Workspace()
        return learn(pages, (tokens, bounds), source, self._workspace)
