"""Inputs of any kind in; batches of documents out, and the same input without what was cut.

One small module a format, all behind ``Input``; ``open_inputs`` chooses.
"""

from __future__ import annotations

from dedup.formats.base import Chunk, Cut, Edited, File, Input, Inputs, Parsed, Tree, chunks_of, narrow
from dedup.formats.detect import check_readable_twice, open_inputs

__all__ = [
    "Chunk", "Cut", "Edited", "File", "Input", "Inputs", "Parsed", "Tree", "check_readable_twice", "chunks_of",
    "narrow", "open_inputs",
]  # fmt: skip
