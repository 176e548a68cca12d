"""Blocks of a batch in; how much each looks like content, by its shape and that of its document, out.

Two logistic models, one on the other: what a block looks like, and what it is in a document of blocks that look as they
do. Both are fitted by ``bench/fit_boilerplate.py``; their coefficients are in ``boilerplate.json``.
"""

from __future__ import annotations

import functools
import importlib.resources
from typing import NamedTuple

import msgspec
import numpy as np

from dedup.arrays import F32, F64, I32, I64, U8
from dedup.kernels.shape import (
    COLUMNS,
    FEATURES,
    PAGE,
    SHAPE,
    TRANSITIONS,
    count_characters,
    page_features,
    shape_features,
)
from dedup.schema import Blocks
from dedup.unicode import character_kinds


class Model(NamedTuple):
    """A logistic model: the log-odds are ``features @ coefficients + intercept``."""

    coefficients: F64
    intercept: float


class Shapes(NamedTuple):
    """What ``n`` blocks look like.

    Attributes:
        counts: int32[n, COLUMNS], see ``dedup.kernels.shape``.
        words: float32[n], runs of letters and digits, and half an ideograph.
        odds: float32[n], log-odds that the block is content, by itself and what stands around it.
        page_odds: float32[n], the same, the whole document considered.
    """

    counts: I32
    words: F32
    odds: F32
    page_odds: F32


@functools.cache
def fitted() -> dict[str, dict[str, float]]:
    """Return the models as shipped: for each the coefficient of every feature, and the intercept."""
    text = importlib.resources.files(__package__).joinpath("boilerplate.json").read_bytes()
    models: dict[str, dict[str, float]] = msgspec.json.decode(text)["models"]
    return models


@functools.cache
def model(name: str, features: tuple[str, ...]) -> Model:
    """Return a shipped model whose coefficients are those of these features, in order."""
    values = fitted()[name]
    return Model(np.array([values[feature] for feature in features]), values["intercept"])


def describe_shapes(data: U8, doc_bounds: I64, blocks: Blocks) -> tuple[I32, F32, F32]:
    """Say what each of ``n`` blocks looks like: int32[n, COLUMNS], float32[n] and float32[n, FEATURES]."""
    n = blocks.starts.size
    counts, words = np.zeros((n, COLUMNS), np.int32), np.empty(n, np.float32)
    count_characters(
        data, doc_bounds, blocks.bounds, blocks.starts, blocks.ends, character_kinds(), TRANSITIONS, counts
    )
    features = np.empty((n, FEATURES), np.float32)
    shape_features(counts, blocks.bounds, words, features)
    return counts, words, features


def describe_pages(odds: F32, words: F32, blocks: Blocks) -> F32:
    """Say what each of ``n`` blocks is in its document: float32[n, 4]."""
    features = np.empty((odds.size, len(PAGE)), np.float32)
    page_features(odds, words, blocks.bounds, features)
    return features


def find_shapes(data: U8, doc_bounds: I64, blocks: Blocks) -> Shapes:
    """Judge blocks by their shape.

    Args:
        data: uint8, valid UTF-8 of the documents.
        doc_bounds: int64[docs + 1], where each document begins in ``data``.
        blocks: their blocks.
    """
    counts, words, features = describe_shapes(data, doc_bounds, blocks)
    odds = log_odds(model("shape", SHAPE), features)
    return Shapes(counts, words, odds, log_odds(model("page", PAGE), describe_pages(odds, words, blocks)))


def log_odds(of: Model, features: F32) -> F32:
    """Return float32[n], the log-odds of ``n`` blocks."""
    return (features @ of.coefficients.astype(np.float32) + np.float32(of.intercept)).astype(np.float32)
