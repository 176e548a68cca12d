"""The words and tables everybody shares: kinds of block, actions, reasons, and the columns of the results."""

from __future__ import annotations

import enum
from typing import NamedTuple

import pyarrow as pa

from dedup.arrays import F64, I64, U8

KINDS = ("heading", "paragraph", "list_item", "other")
ACTIONS = ("keep", "drop")


class Reason(enum.IntEnum):
    """Why a verdict is what it is; the code is the position in ``REASONS``."""

    NONE = 0
    EXACT_DUPLICATE = 1
    NEAR_DUPLICATE = 2
    NUMBER_VARIANT = 3
    EXACT_DUPLICATE_DOCUMENT = 4
    NEAR_DUPLICATE_DOCUMENT = 5
    NUMBER_VARIANT_DOCUMENT = 6
    CONTAINED_DOCUMENT = 7
    NEAR_REMOVED_DOCUMENT = 8
    SITE_TEMPLATE = 9
    NAVIGATION = 10
    SECTION_LABEL = 11
    TITLE_ECHO = 12
    REPEATED_HEADER = 13
    PAGE_HEADER = 14
    PLACEHOLDER = 15
    LIKELY_BOILERPLATE = 16
    FILLER = 17
    LOW_SUBSTANCE_DOCUMENT = 18


BOILERPLATE = tuple(reason for reason in Reason if Reason.SITE_TEMPLATE <= reason <= Reason.LIKELY_BOILERPLATE)

REASONS = (None, *(reason.name.lower() for reason in Reason if reason))

VERDICTS = pa.schema(
    [
        ("doc", pa.string()),
        ("block", pa.int32()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("kind", pa.string()),
        ("action", pa.string()),
        ("reason", pa.string()),
        ("partner_doc", pa.string()),
        ("partner_block", pa.int32()),
        ("similarity", pa.float64()),
        ("cluster", pa.string()),
        ("boilerplate", pa.float32()),
        ("template", pa.string()),
    ]
)
# What comes to the tables of blocks and of documents where substance is scored.
BLOCK_SCORES = pa.schema([("substance", pa.float64()), ("scored", pa.bool_()), ("reasons", pa.list_(pa.string()))])
DOCUMENT_SCORES = pa.schema(
    [
        ("substance", pa.float64()),
        ("filler_share", pa.float64()),
        ("scored", pa.bool_()),
        ("language", pa.string()),
        ("word_lists", pa.bool_()),  # whether its language has lists of vague words
    ]
)
TEMPLATES = pa.schema(
    [
        ("template", pa.string()),
        ("source", pa.string()),
        ("reason", pa.string()),
        ("learnt", pa.bool_()),
        ("clusters", pa.int32()),
        ("source_clusters", pa.int32()),
        ("documents", pa.int32()),
        ("documents_repeating", pa.int32()),
        ("blocks", pa.int32()),
        ("from_top", pa.float64()),
        ("from_bottom", pa.float64()),
        ("doc", pa.string()),
        ("block", pa.int32()),
    ]
)
DOCUMENTS = pa.schema(
    [
        ("doc", pa.string()),
        ("action", pa.string()),
        ("reason", pa.string()),
        ("partner_doc", pa.string()),
        ("similarity", pa.float64()),
        ("cluster", pa.string()),
        ("blocks", pa.int32()),
        ("low_evidence", pa.bool_()),  # its source has too few pages for boilerplate to be counted
    ]
)


class Documents(NamedTuple):
    """A batch of documents.

    Attributes:
        ids: string[n].
        data: uint8, the documents' UTF-8, one behind the other.
        bounds: int64[n + 1], where each begins in ``data``.
        sources: string[n], null where unknown.
        ages: float64 or string[n], values of the field that tells which document is newest; null where unknown.
    """

    ids: pa.Array
    data: U8
    bounds: I64
    sources: pa.Array
    ages: pa.Array


class Reject(NamedTuple):
    """A record that could not be used.

    Attributes:
        file: number of the input file.
        line: 1-based number of the record in it, see ``InputError``.
        path: the file.
        error: what is wrong with the record.
        raw: the record as it stands in the file.
    """

    file: int
    line: int
    path: str
    error: str
    raw: bytes


class Blocks(NamedTuple):
    """Blocks of a batch of documents, in order.

    Attributes:
        bounds: int64[docs + 1], where each document's blocks begin.
        starts: int64[n], first byte, counted from the start of its document.
        ends: int64[n], the byte after its last.
        kinds: uint8[n], positions in ``KINDS``.
    """

    bounds: I64
    starts: I64
    ends: I64
    kinds: U8


class Matches(NamedTuple):
    """What matching found out about ``n`` rows (distinct blocks or documents).

    Attributes:
        keepers: int64[n], the row each stands for; itself where it survives.
        similarity: float64[n], exact Jaccard similarity to the keeper, or else to the variant.
        variants: int64[n], first keeper that differs in numbers only, -1 for none.
        resembled: int64[n] if asked for, else [0]: for keepers that stand for themselves alone the row most similar to
            them of those that another keeper stands for, -1 for none.
        compared: how many pairs were verified.
        skipped: how many were not, for the limits' sake.
    """

    keepers: I64
    similarity: F64
    variants: I64
    resembled: I64
    compared: int
    skipped: int
