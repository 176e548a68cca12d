"""Pages of one source in; what recurs on them, and then the class of boilerplate of each block of another page, out.

What the batch stages find about some pages of a source is kept, and a page that comes is judged by it, as one more page
of that source. So what a page costs does not depend on how many came before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

import numpy as np
import xxhash

from dedup.arrays import F32, I64, U8, U64, Bool, lengths_of
from dedup.errors import Corrupt
from dedup.index.pages import Page
from dedup.kernels.classes import LEAST_PAGES, Judgeable, classify
from dedup.kernels.context import SITE, WIDTH, site_features
from dedup.kernels.mixing import K_FIRST
from dedup.kernels.recur import Counts, Pages
from dedup.kernels.tables import FREE
from dedup.recurrence import Sources, Texts, find_recurrence, no_counts
from dedup.shape import model
from dedup.workspace import Workspace

SAMPLED = 64  # pages of a source that are kept to learn from
GROWTH, MOST_MORE = 1.5, 128  # it is learnt again when it has so many times the pages, or so many more
NO_FEATURES: F32 = np.empty((0, WIDTH), np.float32)
LOOKS = np.dtype([("key", "<u8"), ("words", "<f4"), ("page_odds", "<f4")])
TEMPLATE = np.dtype([
    ("name", "<u8"), ("docs", "<i4"), ("clusters", "<i4"), ("repeated", "<i4"), ("blocks", "<i4"), ("from_top", "<f8"),
    ("from_bottom", "<f8"), ("learnt", "?"),
])  # fmt: skip
COUNTED = 8  # bytes in which it stands of how many clusters of pages something was learnt
NOTHING_LEARNT = bytes(COUNTED)


class Sampled(NamedTuple):
    """A page to learn from.

    Attributes:
        looks: bytes, see ``looks_of``.
        contents: int64[n], the content of each block, FREE for none.
        print: the first 64 bits of its fingerprint.
    """

    looks: bytes
    contents: I64
    print: int


class Furniture(NamedTuple):
    """What recurs on the pages of a source.

    Attributes:
        clusters: how many clusters of pages it was learnt from.
        names: uint64[t], keys of templates within the source, ascending.
        counts: what is known of each.
        learnt: bool[t], whether a template was learnt from what lines share.
    """

    clusters: int
    names: U64
    counts: Counts
    learnt: Bool


class Judgement(NamedTuple):
    """What was found out about ``n`` blocks of a page.

    Attributes:
        reasons: uint8[n], codes of ``Reason``, 0 for content.
        probabilities: float32[n], to be boilerplate.
        low_evidence: whether too few pages of the source were seen for boilerplate to be counted.
    """

    reasons: U8
    probabilities: F32
    low_evidence: bool


class Done(Future[Any]):
    """A result that nobody has to wait for: a lock for that would cost more than the work."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def result(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - as for any other
        """Return it."""
        return self._value


class Inline(Executor):
    """Does at once what it is given: for so little work that threads would cost more."""

    def submit(self, task: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        """Return what is done already."""
        return Done(task(*args, **options))


def salt_of(source: str | None) -> np.uint64:
    """Return what makes the keys of a source its own."""
    return np.uint64(0 if source is None else xxhash.xxh64_intdigest(source.encode("utf-8", "surrogatepass")))


def looks_of(page: Page) -> bytes:
    """Return what of a page is needed to learn from it."""
    looks = np.empty(page.size, LOOKS)
    looks["key"], looks["words"], looks["page_odds"] = page.looks.keys, page.looks.words, page.looks.page_odds
    return looks.tobytes()


def is_whole(looks: object, blocks: int) -> bool:
    """Whether looks are those of so many blocks."""
    return isinstance(looks, bytes) and len(looks) == blocks * LOOKS.itemsize


def learn(pages: Sequence[Sampled], texts: tuple[U64, I64], source: str | None, workspace: Workspace) -> bytes:
    """Find what recurs on some pages of a source; return it as ``furniture_in`` reads it.

    Args:
        pages: the pages.
        texts: uint64, the tokens of their contents, int64[d + 1], where each begins; ``Sampled.contents`` count these.
        source: their source.
        workspace: to work in.
    """
    looks = np.frombuffer(b"".join(page.looks for page in pages), LOOKS)
    bounds = np.cumsum([0, *(page.contents.size for page in pages)])
    columns = Pages(
        bounds,
        np.zeros(len(pages), np.int32),
        np.array([salt_of(source)], np.uint64),
        np.arange(len(pages)),
        np.array([page.print for page in pages], np.uint64),
        *(np.ascontiguousarray(looks[name]) for name in ("key", "words", "page_odds")),
    )
    content = np.concatenate([page.contents for page in pages])
    found = find_recurrence(
        columns, Texts(content, *texts), Sources(1, 0 if source is None else FREE), workspace, Inline()
    )
    recurring = np.zeros(found.names.size, np.bool_)
    recurring[found.templates[found.templates != FREE]] = True
    rows = np.flatnonzero(recurring & ~found.learnt)
    rows = rows[np.argsort(found.names[rows])]
    table = np.empty(rows.size, TEMPLATE)
    table["name"], table["learnt"] = found.names[rows], found.learnt[rows]
    for name in ("docs", "clusters", "repeated", "blocks", "from_top", "from_bottom"):
        table[name] = getattr(found.counts, name)[rows]
    return int(found.clusters_of[0]).to_bytes(COUNTED, "little") + table.tobytes()


def furniture_in(learnt: bytes | None) -> Furniture:
    """Read what ``learn`` returned; None for nothing.

    Raises:
        Corrupt: it is damaged.
    """
    if learnt is None:
        return Furniture(0, np.empty(0, np.uint64), no_counts(0), np.empty(0, np.bool_))
    if len(learnt) % TEMPLATE.itemsize != COUNTED % TEMPLATE.itemsize:
        raise Corrupt("what was learnt of a source is damaged: dedup index verify --repair")
    table = np.frombuffer(learnt[COUNTED:], TEMPLATE)
    names = ("docs", "clusters", "repeated", "blocks", "from_top", "from_bottom")
    nowhere = np.full(table.size, FREE, np.int64)
    counts = Counts(**{name: np.ascontiguousarray(table[name]) for name in names}, first=nowhere)
    return Furniture(
        int.from_bytes(learnt[:COUNTED], "little"), np.ascontiguousarray(table["name"]), counts,
        np.ascontiguousarray(table["learnt"]),
    )  # fmt: skip


def judge_page(page: Page, furniture: Furniture, source: str | None, threshold: float) -> Judgement:
    """Judge the blocks of a page.

    Args:
        page: the page.
        furniture: what recurs in its source.
        source: its source.
        threshold: least probability of a block whose template recurs to be boilerplate.
    """
    n, looks = page.size, page.looks
    bounds, run = np.array([0, n]), np.zeros(1, np.int64)
    templates: I64 = np.full(n, FREE, np.int64)
    if furniture.names.size:
        keys = (looks.keys ^ salt_of(source)) * K_FIRST
        places = np.minimum(np.searchsorted(furniture.names, keys), furniture.names.size - 1)
        known = (furniture.names[places] == keys) & (looks.keys != 0)
        templates[known] = places[known]
    clusters = np.array([float(furniture.clusters)])
    content = np.where(lengths_of(page.tokens.bounds) > 0, np.arange(n), FREE)
    fitted = model("site", SITE)
    odds, usual, own_words = np.empty(n, np.float32), np.empty(n, np.bool_), np.empty(1, np.float32)
    site_features(
        run, bounds, looks.odds, looks.page_odds, looks.words, looks.keys, templates, furniture.counts,
        furniture.learnt, np.maximum(clusters, 1.0), page.blocks.kinds, looks.marks,
        fitted.coefficients.astype(np.float32), fitted.intercept, odds, usual, own_words, NO_FEATURES,
    )  # fmt: skip
    low = furniture.clusters < LEAST_PAGES
    probabilities = (1 / (1 + np.exp(-(-looks.page_odds if low else odds)))).astype(np.float32)
    reasons = np.empty(n, np.uint8)
    blocks = Judgeable(
        bounds, looks.bare, content, page.blocks.kinds, looks.marks, looks.words, templates, np.zeros(n, np.int32),
        clusters,
    )  # fmt: skip
    classify(run, blocks, probabilities, usual, own_words, threshold, reasons)
    return Judgement(reasons, probabilities, low)
