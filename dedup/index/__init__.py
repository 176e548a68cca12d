"""Pages of a crawl in, one at a time; what was seen of each before out. ``dedup.index.index`` is where to begin."""

from __future__ import annotations

from dedup.index.aio import AsyncIndex
from dedup.index.index import Index
from dedup.index.interop import lsh_options, minhash_of
from dedup.index.report import BlockReport, Report

__all__ = ["AsyncIndex", "BlockReport", "Index", "Report", "lsh_options", "minhash_of"]
