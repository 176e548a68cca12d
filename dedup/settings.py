"""Every choice a run depends on, in one frozen, validated value."""

from __future__ import annotations

import dataclasses
import os
from typing import Literal, get_args

from dedup.errors import SettingsError

FormatName = Literal[
    "jsonl", "json", "csv", "tsv", "parquet", "arrow", "text", "html", "warc"
]  # each is told in formats/registry.py
Split = Literal["auto", "blank", "lines"]
Survivor = Literal["first", "longest", "newest"]
Removable = Literal[
    "exact_duplicate",
    "near_duplicate",
    "number_variant",
    "exact_duplicate_document",
    "near_duplicate_document",
    "number_variant_document",
    "contained_document",
    "site_template",
    "navigation",
    "section_label",
    "title_echo",
    "repeated_header",
    "page_header",
    "placeholder",
    "likely_boilerplate",
    "filler",
]
FORMAT_NAMES: tuple[FormatName, ...] = get_args(FormatName)
SPLITS: tuple[Split, ...] = get_args(Split)
SURVIVORS: tuple[Survivor, ...] = get_args(Survivor)
REMOVABLE: tuple[Removable, ...] = get_args(Removable)
DEFAULT_DROP: frozenset[Removable] = frozenset(
    {
        "exact_duplicate", "near_duplicate", "exact_duplicate_document", "near_duplicate_document", "site_template",
        "navigation", "section_label", "title_echo", "repeated_header", "page_header", "placeholder",
    }
)  # fmt: skip

MOST_SUBSTANCE = 100
BASE_MEMORY = 320 << 20  # of a process that scans, whatever the corpus: modules, kernels, small arrays
BATCHES_A_THREAD = 16  # times the bytes of a batch: what a thread takes up
LEAST_MEMORY = 384 << 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a run.

    Attributes:
        text: field that holds the text.
        id: field that holds the document's id; records without it are named ``FILE:LINE``.
        source: field that holds the site, feed or file a document comes from; guard rails count by it.
        newest: field to compare where ``survivor`` is ``"newest"``: numbers, or strings in ISO order.
        format: what files hold, whatever their content and names tell; None to tell by these.
        split: what ends a block: ``"lines"``, ``"blank"`` lines, or what its lines look like (``"auto"``).
        threshold: least Jaccard similarity of near-duplicate blocks, 0-1, over word 1- and 2-grams.
        doc_threshold: least Jaccard similarity of near-duplicate documents, 0-1, over word 5-grams.
        containment: share of a document's blocks that must stand, in order, in the one that contains it, 0-1.
        boilerplate: least probability of a block that recurs on other pages of its source to be boilerplate, 0-1.
        score: score the substance of blocks and documents; ``min_substance`` and dropping ``filler`` do too.
        filler: substance under which a block is filler, 0-100.
        min_substance: least substance of a document that stays, 0-100; None for any.
        min_tokens: shorter blocks are counted, never dropped as duplicates.
        num_perm: permutations of a block's MinHash signature.
        doc_num_perm: permutations of a document's.
        recall: least probability that blocks exactly at the threshold are compared, 0-1; sets bands and rows.
        doc_recall: the same for documents.
        seed: seed of the permutations, as datasketch's.
        survivor: which of several copies stays.
        drop: kinds of finding that lead to removal; the others are reported only.
        max_drop_share: guard rail: share of a source's documents that may be dropped, 0-1 ...
        guard_min_docs: ... looked at in sources of at least so many documents.
        max_cluster: guard rail: most distinct texts in one cluster.
        allow: go on past the guard rails.
        strict: stop at the first unusable record instead of setting it aside.
        bucket_limit: keepers that one bucket remembers.
        candidate_limit: keepers that one block or document is compared with (twice as many at the very most).
        threads: worker threads; None for one a core.
        batch_bytes: bytes read at a time.
        max_memory: bytes of memory to make do with, beside what the system caches of files: large arrays rest in files
            then; None for what is fastest.

    Raises:
        SettingsError: a value is outside what is allowed.
    """

    text: str = "text"
    id: str = "id"
    source: str = "source"
    newest: str | None = None
    format: FormatName | None = None
    split: Split = "auto"
    threshold: float = 0.7
    doc_threshold: float = 0.8
    containment: float = 0.8
    boilerplate: float = 0.89
    score: bool = False
    filler: float = 50.0
    min_substance: float | None = None
    min_tokens: int = 8
    num_perm: int = 168
    doc_num_perm: int = 128
    recall: float = 0.96
    doc_recall: float = 0.99
    seed: int = 1
    survivor: Survivor = "first"
    drop: frozenset[Removable] = DEFAULT_DROP
    max_drop_share: float = 0.5
    guard_min_docs: int = 20
    max_cluster: int = 10_000
    allow: bool = False
    strict: bool = False
    bucket_limit: int = 64
    candidate_limit: int = 256
    threads: int | None = None
    batch_bytes: int = 2 << 20
    max_memory: int | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        self._check_numbers()
        self._check_means()
        self._check_substance()
        self._check_words()

    def _check_numbers(self) -> None:
        """Check what has a range."""
        for name in ("threshold", "doc_threshold", "containment", "boilerplate"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise SettingsError(name, value, "more than 0, at most 1")
        for name in ("recall", "doc_recall"):
            if not 0 < getattr(self, name) < 1:
                raise SettingsError(name, getattr(self, name), "between 0 and 1")
        if not 0 <= self.max_drop_share <= 1:
            raise SettingsError("max_drop_share", self.max_drop_share, "from 0 to 1")
        for name in ("min_tokens", "num_perm", "doc_num_perm", "bucket_limit", "candidate_limit", "max_cluster"):
            if getattr(self, name) < 1:
                raise SettingsError(name, getattr(self, name), "1 or more")
        if not 0 <= self.seed < 1 << 32:
            raise SettingsError("seed", self.seed, "from 0 to 2^32 - 1")

    def _check_means(self) -> None:
        """Check what a run may use of the machine."""
        if self.threads is not None and self.threads < 1:
            raise SettingsError("threads", self.threads, "1 or more, or None for one a core")
        if self.batch_bytes < 1:
            raise SettingsError("batch_bytes", self.batch_bytes, "1 or more")
        if self.max_memory is not None and self.max_memory < LEAST_MEMORY:
            raise SettingsError("max_memory", self.max_memory, f"{LEAST_MEMORY} bytes or more, or None for no limit")

    def _check_substance(self) -> None:
        """Check what is on the scale of substance."""
        for name in ("filler", "min_substance"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= MOST_SUBSTANCE:
                raise SettingsError(name, value, f"from 0 to {MOST_SUBSTANCE}")

    def _check_words(self) -> None:
        """Check what is chosen from a list."""
        if self.format is not None and self.format not in FORMAT_NAMES:
            raise SettingsError("format", self.format, "one of " + ", ".join(FORMAT_NAMES))
        if self.split not in SPLITS:
            raise SettingsError("split", self.split, "one of " + ", ".join(SPLITS))
        if self.survivor not in SURVIVORS:
            raise SettingsError("survivor", self.survivor, "one of " + ", ".join(SURVIVORS))
        if self.survivor == "newest" and self.newest is None:
            raise SettingsError("newest", self.newest, "the field to compare, since survivor is 'newest'")
        for name in ("text", "id", "source"):
            if not getattr(self, name):
                raise SettingsError(name, getattr(self, name), "the name of a field")
        unknown = self.drop - set(REMOVABLE)
        if unknown:
            raise SettingsError("drop", sorted(unknown), "some of " + ", ".join(REMOVABLE))

    @property
    def scores(self) -> bool:
        """Whether substance is scored."""
        return self.score or self.min_substance is not None or "filler" in self.drop

    @property
    def workers(self) -> int:
        """Number of worker threads: no more than there is memory for."""
        threads = self.threads or os.cpu_count() or 1
        if self.max_memory is None:
            return threads
        return max(1, min(threads, (self.max_memory - BASE_MEMORY) // (BATCHES_A_THREAD * self.batch_bytes)))

    @property
    def room(self) -> int | None:
        """Bytes of memory for arrays that grow with the corpus; None for any number."""
        if self.max_memory is None:
            return None
        return max(0, self.max_memory - BASE_MEMORY - self.workers * BATCHES_A_THREAD * self.batch_bytes)
