"""The columns of a corpus in; what is a copy of what, and what goes, out."""

from __future__ import annotations

import contextlib
from concurrent.futures import Executor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import xxhash

from dedup.arrays import I64, U8, U64, Bool
from dedup.articles import Substance, score_corpus
from dedup.boilerplate import Boilerplate, Columns, as_arrays, find_boilerplate, from_arrays
from dedup.cluster import match
from dedup.containment import contained_documents
from dedup.corpus import Corpus
from dedup.kernels.compare import Rows, Rules
from dedup.kernels.judge import BlockDecisions, DocDecisions
from dedup.kernels.recur import Pages
from dedup.kernels.tables import FREE, best_occurrences, count_members
from dedup.lsh import BLOCK_SHINGLES, DOC_SHINGLES
from dedup.recurrence import Sources, Texts
from dedup.schema import Matches, Reason
from dedup.settings import Settings
from dedup.version import __version__
from dedup.workspace import checksum_of


class Decisions(NamedTuple):
    """Everything that verdicts are written from.

    Attributes:
        docs: what was found out about documents.
        blocks: what was found out about blocks.
        boilerplate: what was found out about where blocks recur.
        substance: how much blocks and documents say; None where that is not scored.
        judged: uint8[n], codes of ``Reason``: the class of boilerplate of each block, or filler that goes.
        content: int64[n], number of each block's content, FREE where it goes as boilerplate.
        rank: see ``survivor_rank``.
        largest_cluster: how many different texts the largest cluster holds.
        compared: how many pairs were verified.
        skipped: how many were not, for the limits' sake.
    """

    docs: DocDecisions
    blocks: BlockDecisions
    boilerplate: Boilerplate
    substance: Substance | None
    judged: U8
    content: I64
    rank: I64
    largest_cluster: int
    compared: int
    skipped: int


def decide(corpus: Corpus, settings: Settings, positions: I64, pool: Executor) -> Decisions:
    """Match documents, then blocks of those that stay; also of those that stay when contained documents are to go.

    Args:
        corpus: the corpus.
        settings: the settings.
        positions: int64[docs], the place of each document in the input; empty where they stand like it.
        pool: threads to work in.
    """
    rank = survivor_rank(corpus, settings, positions)
    docs, doc_matches = match_documents(corpus, settings, rank, pool)
    boilerplate = judge_boilerplate(corpus, docs, settings, pool)
    substance, judged = None, boilerplate.reasons
    if settings.scores:
        substance = score_corpus(corpus, boilerplate.reasons, pool)
        docs, doc_matches = without_the_low(corpus, docs, doc_matches, substance, settings, rank, pool)
        if "filler" in settings.drop:
            judged = with_filler(judged, substance, settings)
    content = without(corpus, dropped_reasons(settings)[judged])
    blocks, matches = match_blocks(corpus, content, settings, rank, docs.alive, pool)
    compared, skipped = doc_matches.compared + matches.compared, doc_matches.skipped + matches.skipped
    if "contained_document" in settings.drop:
        before = docs.alive
        docs, left_out = find_contained(corpus, content, docs, blocks, rank, settings)
        skipped += left_out
        if not np.array_equal(docs.alive, before):
            blocks, matches = match_blocks(corpus, content, settings, rank, docs.alive, pool, "left")
            compared, skipped = compared + matches.compared, skipped + matches.skipped
    largest = max((int(np.bincount(m.keepers).max()) for m in (doc_matches, matches) if m.keepers.size), default=0)
    return Decisions(docs, blocks, boilerplate, substance, judged, content, rank, largest, compared, skipped)


def without_the_low(
    corpus: Corpus,
    docs: DocDecisions,
    matches: Matches,
    substance: Substance,
    settings: Settings,
    rank: I64,
    pool: Executor,
) -> tuple[DocDecisions, Matches]:
    """Drop the documents of too little substance; no other document goes as a copy of one of them."""
    if settings.min_substance is None:
        return docs, matches
    low = substance.articles < settings.min_substance
    if not low.any():
        return docs, matches
    docs, matches = match_documents(corpus, settings, rank, pool, ~low)
    reason = np.where(low, np.uint8(Reason.LOW_SUBSTANCE_DOCUMENT), docs.reason)
    return docs._replace(reason=reason, alive=docs.alive & ~low), matches


def with_filler(judged: U8, substance: Substance, settings: Settings) -> U8:
    """Return the reasons of blocks, with those that are filler and go for nothing else."""
    filler = substance.filler(settings.filler) & ~dropped_reasons(settings)[judged]
    told: U8 = np.where(filler, np.uint8(Reason.FILLER), judged)
    return told


def judge_boilerplate(corpus: Corpus, docs: DocDecisions, settings: Settings, pool: Executor) -> Boilerplate:
    """Find out which blocks are boilerplate."""

    def make() -> dict[str, Any]:
        columns, sources = columns_of(corpus, docs)
        return as_arrays(find_boilerplate(columns, sources, settings.boilerplate, corpus.workspace, pool))

    key = f"{__version__} {corpus.block_count} {checksum_of(docs.keeper)} {settings.boilerplate}"
    return from_arrays(corpus.workspace.remembered("boilerplate", key, make))


def columns_of(corpus: Corpus, docs: DocDecisions) -> tuple[Columns, Sources]:
    """Put together what boilerplate is judged by."""
    codes = corpus.sources.map().dictionary_encode()
    named = len(codes.dictionary)
    sources = Sources(named + (codes.null_count > 0), named if codes.null_count else FREE)
    pages = Pages(
        corpus.block_bounds.map(),
        np.asarray(codes.indices.fill_null(named)).astype(np.int32),
        np.array([*(xxhash.xxh64_intdigest(name.encode()) for name in codes.dictionary.to_pylist()), 0], np.uint64),
        np.where(docs.keeper != FREE, docs.keeper, np.arange(corpus.doc_count)),
        prints_of(corpus),
        corpus.keys.map(),
        corpus.words.map(),
        corpus.page_odds.map(),
    )
    texts = Texts(corpus.content.map(), corpus.tokens.map(), corpus.token_bounds.map())
    columns = Columns(
        pages, texts, corpus.bare.map(), corpus.kinds.map(), corpus.starts.map(), corpus.ends.map(), corpus.marks.map(),
        corpus.odds.map(),
    )  # fmt: skip
    return columns, sources


def prints_of(corpus: Corpus) -> U64:
    """Return uint64[docs], a hash of each document's content, 0 for those without a token."""
    content = corpus.doc_content.map()
    fingerprints = np.append(corpus.doc_fingerprints()[:, 0], np.uint64(0))
    prints: U64 = fingerprints[content]  # FREE is the last
    return prints


def without(corpus: Corpus, going: Bool) -> I64:
    """Return the numbers of contents, FREE where a block goes."""
    left: I64 = corpus.workspace.scratch(going.size, np.int64)
    left[:] = corpus.content.map()
    left[going] = FREE
    left.flags.writeable = False  # as a mapped column is: kernels are compiled for each kind of array
    return left


def tell_contained(corpus: Corpus, decisions: Decisions, settings: Settings) -> Decisions:
    """Add the contained documents that stay; no verdict on a block depends on them."""
    if "contained_document" in settings.drop:
        return decisions
    docs, left_out = find_contained(
        corpus, decisions.content, decisions.docs, decisions.blocks, decisions.rank, settings
    )
    return decisions._replace(docs=docs, skipped=decisions.skipped + left_out)


def find_contained(
    corpus: Corpus, content: I64, docs: DocDecisions, blocks: BlockDecisions, rank: I64, settings: Settings
) -> tuple[DocDecisions, int]:
    """Find documents that others contain; return the decisions with them, and how many comparisons were left out."""
    found = contained_documents(
        content, blocks.keepers, blocks.long, corpus.block_bounds.map(), docs.alive, rank,
        settings.containment, settings.candidate_limit, corpus.workspace,
    )  # fmt: skip
    go = "contained_document" in settings.drop
    open_to_it = (Reason.NONE, Reason.NEAR_REMOVED_DOCUMENT) if go else (Reason.NONE,)
    contained = (found.containers != FREE) & docs.alive & np.isin(docs.reason, open_to_it)
    told = docs._replace(
        reason=np.where(contained, np.uint8(Reason.CONTAINED_DOCUMENT), docs.reason),
        partner=np.where(contained, found.containers, docs.partner),
        similarity=np.where(contained, found.shares, docs.similarity),
        alive=docs.alive & ~contained if go else docs.alive,
    )
    return told, found.skipped


def survivor_rank(corpus: Corpus, settings: Settings, positions: I64) -> I64:
    """Return int64[docs], survivor order of documents but for their length; empty for their own order."""
    if settings.survivor == "first":
        return positions
    import pyarrow.compute as pc  # takes as long to import as numpy, and is needed seldom

    ids = corpus.ids.map()
    if settings.survivor == "newest":
        ages = corpus.ages.map()
        with contextlib.suppress(pa.ArrowInvalid):  # what are no numbers, ISO dates say, sorts as strings
            ages = ages.cast(pa.float64())
        keys = [("age", "descending"), ("id", "ascending")]
        order = pc.sort_indices(pa.table({"age": ages, "id": ids}), sort_keys=keys)
    else:
        order = pc.sort_indices(ids)
    rank = np.empty(len(ids), np.int64)
    rank[order.to_numpy()] = np.arange(len(ids))
    return rank


def order_rows(best: I64, doc_of_best: I64, lengths: I64, rank: I64, settings: Settings) -> I64:
    """Return the rows with a surviving occurrence, in survivor order.

    Args:
        best: int64[m], the surviving occurrence of each row, FREE for none.
        doc_of_best: int64[m], its document.
        lengths: int64[m], tokens of each row.
        rank: see ``survivor_rank``.
        settings: names the survivor.
    """
    rows = np.flatnonzero(best != FREE)
    if not rank.size:
        return rows[np.argsort(best[rows], kind="stable")]
    keys = [best[rows], rank[doc_of_best[rows]]]
    if settings.survivor == "longest":
        keys.append(-lengths[rows])
    return rows[np.lexsort(keys)]


def match_documents(
    corpus: Corpus, settings: Settings, rank: I64, pool: Executor, standing: Bool | None = None
) -> tuple[DocDecisions, Matches]:
    """Find copies among whole documents; of those that are ``standing``, bool[docs], if that is given."""
    n = corpus.doc_count
    content, first = corpus.doc_content.map(), corpus.doc_first.map()
    distinct = first.size
    best = np.full(distinct, FREE, np.int64)
    each = np.arange(n + 1)
    each.flags.writeable = False  # as the bounds of blocks are, so that the kernel is compiled once
    everything = standing is None
    standing = np.ones(n, np.bool_) if standing is None else standing
    best_occurrences(content, each, standing, rank, best)
    bounds = corpus.block_bounds.map()
    rows = Rows(
        corpus.tokens.map(scattered=True),
        corpus.token_bounds.map(),
        corpus.content.map(),
        bounds[first],
        bounds[first + 1],
    )
    order = order_rows(best, best, corpus.doc_tokens.map()[first], rank, settings)
    rules = Rules(
        *DOC_SHINGLES,
        settings.doc_threshold,
        family_matches=True,
        family_joins="number_variant_document" in settings.drop,
        bucket_limit=settings.bucket_limit,
        candidate_limit=settings.candidate_limit,
    )
    bands, bits = corpus.doc_bands.map(), corpus.doc_bits.map()

    def make() -> dict[str, Any]:
        found = match(
            rows, bands, bits, corpus.doc_families.map(), order, rules, corpus.workspace, pool, settings.workers,
            resembled=True,
        )  # fmt: skip
        return {name: np.atleast_1d(value) for name, value in found._asdict().items()}

    key = f"{__version__} {len(bands)} {checksum_of(bands[0])} {checksum_of(bits)} {checksum_of(order)} {rules}"
    found = corpus.workspace.remembered("documents" if everything else "standing", key, make)
    matches = Matches(
        found["keepers"], found["similarity"], found["variants"], found["resembled"], int(found["compared"][0]),
        int(found["skipped"][0]),
    )  # fmt: skip
    reason = np.zeros(n, np.uint8)
    partner = np.full(n, FREE, np.int64)
    similarity = np.full(n, np.nan)
    keeper = np.full(n, FREE, np.int64)
    real = np.flatnonzero((content != FREE) & standing)
    own = content[real]
    stands_for = matches.keepers[own]
    exact = (stands_for == own) & (best[own] != real)
    near = stands_for != own
    close = matches.similarity[own] >= settings.doc_threshold
    variant = (stands_for == own) & ~exact & (matches.variants[own] != FREE)
    like = (stands_for == own) & ~exact & (matches.resembled[own] != FREE)
    for which, code in (
        (exact, Reason.EXACT_DUPLICATE_DOCUMENT),
        (near & close, Reason.NEAR_DUPLICATE_DOCUMENT),
        ((near & ~close) | variant, Reason.NUMBER_VARIANT_DOCUMENT),
        (like, Reason.NEAR_REMOVED_DOCUMENT),
    ):
        reason[real[which]] = code
    partner[real[exact | near]] = best[stands_for[exact | near]]
    partner[real[variant]] = best[matches.variants[own[variant]]]
    partner[real[like]] = best[matches.resembled[own[like]]]
    told = near | variant | like
    similarity[real[told]] = matches.similarity[own[told]]
    similarity[real[exact]] = 1.0
    counts = np.bincount(stands_for, minlength=distinct)
    keeper[real] = np.where(counts[stands_for] > 1, best[stands_for], FREE)
    alive = ~dropped_reasons(settings)[reason]
    return DocDecisions(reason, partner, similarity, alive, keeper), matches


def dropped_reasons(settings: Settings) -> Bool:
    """Return, for each code of a reason, whether it leads to removal: bool[codes]."""
    dropping: Bool = np.array([bool(reason) and reason.name.lower() in settings.drop for reason in Reason])
    return dropping


def match_blocks(
    corpus: Corpus, content: I64, settings: Settings, rank: I64, alive: Bool, pool: Executor, name: str = "buckets"
) -> tuple[BlockDecisions, Matches]:
    """Find copies among the blocks of documents that stay.

    Args:
        corpus: the corpus.
        content: int64[n], number of each block's content, FREE for blocks that take no part.
        settings: the settings.
        rank: see ``survivor_rank``.
        alive: bool[docs], documents that stay.
        pool: threads to work in.
        name: under which the workspace remembers the buckets.
    """
    scratch = corpus.workspace.scratch
    bounds = corpus.block_bounds.map()
    token_bounds, sketched = corpus.token_bounds.map(), corpus.sketched.map()
    distinct = token_bounds.size - 1
    best = scratch(distinct, np.int64, FREE)
    best_occurrences(content, bounds, alive, rank, best)
    ends = np.arange(1, sketched.size + 1)
    rows = Rows(corpus.tokens.map(scattered=True), token_bounds, sketched, ends - 1, ends)
    best_of_row = best[sketched]
    doc_of_best = np.searchsorted(bounds, best_of_row, side="right") - 1 if rank.size else best_of_row
    order = order_rows(best_of_row, doc_of_best, token_bounds[sketched + 1] - token_bounds[sketched], rank, settings)
    del best_of_row, doc_of_best  # large ones
    variants_go = "number_variant" in settings.drop
    rules = Rules(
        *BLOCK_SHINGLES,
        settings.threshold,
        family_matches=variants_go,
        family_joins=variants_go,
        bucket_limit=settings.bucket_limit,
        candidate_limit=settings.candidate_limit,
    )
    matches = match(
        rows,
        corpus.bands.map(),
        corpus.bits.map(),
        corpus.families.map(),
        order,
        rules,
        corpus.workspace,
        pool,
        settings.workers,
        name=name,
    )
    keepers = scratch(distinct, np.int64)
    keepers[:] = np.arange(distinct)
    keepers[sketched] = sketched[matches.keepers]
    similarity = scratch(distinct, np.float64, 0)
    similarity[sketched] = matches.similarity
    variants = scratch(distinct, np.int64, FREE)
    has_variant = matches.variants != FREE
    variants[sketched[has_variant]] = sketched[matches.variants[has_variant]]
    long = np.zeros(distinct, np.bool_)
    long[sketched] = True
    members = scratch(distinct, np.int32, 0)
    count_members(content, bounds, alive, keepers, members)
    return BlockDecisions(best, keepers, similarity, variants, members, long), matches
