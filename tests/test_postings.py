"""Postings find what a dictionary of lists finds, however they were entered, folded, merged and written."""

from __future__ import annotations

import collections
import pathlib
import tempfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.errors import Corrupt
from dedup.index.postings import Postings, merge, read_segment, write_segment
from dedup.kernels.arrive import sift
from dedup.kernels.postings import Wanted

SECTIONS = 3
# keys at both ends, in one run, and spread
KEYS = st.sampled_from([0, 1, 2, 7, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 2, (1 << 32) - 1])
ROWS = st.lists(st.tuples(st.lists(KEYS, min_size=SECTIONS, max_size=SECTIONS), st.integers(0, 7)), max_size=40)
STEPS = st.lists(st.one_of(ROWS, st.sampled_from(["fold", "merge", "write"])), max_size=12)


def wanted(keys: list[list[int]], sifted: int = 0, apart: int = 128) -> Wanted:
    table = np.array(keys, np.uint32).reshape(-1, SECTIONS).T
    bits = np.zeros(2 * len(keys), np.uint64)
    return Wanted(np.arange(SECTIONS), table, np.ones(table.shape, np.bool_), sifted, bits, apart)


def apply(step: Any, postings: Postings, names: dict[tuple[int, int], list[int]], count: int) -> int:
    """Do a step, and the same to a dictionary; return how many rows there are."""
    segments = list(postings.segments)
    recent = [postings.fold()] if postings.recent else []
    if step == "fold":
        postings.replace([*segments, *recent])
    elif step == "merge" and len(segments) > 1:
        postings.replace([*segments[:-2], merge(segments[-2], segments[-1]), *recent])
    elif step == "write" and segments:
        with tempfile.TemporaryDirectory() as folder:
            write_segment(pathlib.Path(folder) / "one.segment", segments[-1])
            postings.replace([*segments[:-1], read_segment(pathlib.Path(folder) / "one.segment"), *recent])
    elif isinstance(step, list) and step:
        allowed = np.array([[mask >> section & 1 for _, mask in step] for section in range(SECTIONS)], np.bool_)
        rows = np.arange(count, count + len(step)) * 10  # numbers need not follow one another
        keys = np.array([one for one, _ in step], np.uint32).T
        postings.enter(rows, np.zeros(2 * len(step), np.uint64), np.ascontiguousarray(keys), allowed)
        for place, (own, mask) in enumerate(step):
            for section in range(SECTIONS):
                if mask >> section & 1:
                    names[section, own[section]].append(count + place)
        return count + len(step)
    return count


@settings(max_examples=60, deadline=None)
@given(STEPS, st.lists(st.lists(KEYS, min_size=SECTIONS, max_size=SECTIONS), min_size=1, max_size=5))
def test_postings_are_a_dictionary_of_lists(steps: list[Any], asked: list[list[int]]) -> None:
    postings, naive, count = Postings(SECTIONS), collections.defaultdict[tuple[int, int], list[int]](list), 0
    for step in steps:
        count = apply(step, postings, naive, count)
        assert postings.size == count
    found = postings.find(wanted(asked))
    told = sorted((x, line, ordinal, row) for x, line, row, ordinal in found.table.tolist())
    assert told == sorted(
        (x, line, ordinal, 10 * ordinal)
        for x, keys in enumerate(asked)
        for line, key in enumerate(keys)
        for ordinal in naive[line, key]
    )
    assert found.sizes.T.tolist() == [[len(naive[line, key]) for line, key in enumerate(keys)] for keys in asked]


def test_rows_of_too_many_other_bits_are_counted_and_left_out() -> None:
    postings = Postings(SECTIONS)
    bits = np.array([0, 0, 255, 0, (1 << 64) - 1, 1], np.uint64)  # 0, 8 and 65 bits
    postings.enter(np.arange(3), bits, np.full((SECTIONS, 3), 5, np.uint32), np.ones((SECTIONS, 3), np.bool_))
    for _ in range(2):
        found = postings.find(wanted([[5, 5, 5]], sifted=2, apart=8))
        assert sorted(found.table[:, 1:3].tolist()) == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1], [2, 2]]
        assert found.sizes.tolist() == [[3], [3], [3]]
        postings.replace([postings.fold()] if postings.recent else postings.segments)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 9)), max_size=60),
    st.integers(1, 6),
)
def test_of_too_many_candidates_those_in_most_bands_stay(hits: list[tuple[int, int, int]], limit: int) -> None:
    bands = 4
    table = np.array([(x, line, 100 + ordinal, ordinal) for x, line, ordinal in hits], np.int64).reshape(-1, 4)
    bounds, found, ordinals = np.empty(5, np.int64), np.empty(len(table), np.int64), np.empty(len(table), np.int64)
    sift(table, bands, limit, bounds, found, ordinals)
    for x in range(4):
        votes = collections.Counter(ordinal for own, line, ordinal in hits if own == x and line < bands)
        chosen = sorted(sorted(votes, key=lambda one: (-votes[one], one))[:limit])
        assert ordinals[bounds[x] : bounds[x + 1]].tolist() == chosen
        assert found[bounds[x] : bounds[x + 1]].tolist() == [100 + one for one in chosen]


@pytest.mark.parametrize("size", [0, 40, 47, 100])
def test_a_segment_that_is_cut_is_damaged(tmp_path: pathlib.Path, size: int) -> None:
    path = tmp_path / "one.segment"
    postings = Postings(SECTIONS)
    postings.enter(
        np.arange(3), np.zeros(6, np.uint64), np.ones((SECTIONS, 3), np.uint32), np.ones((SECTIONS, 3), np.bool_)
    )
    write_segment(path, postings.fold())
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(Corrupt, match="damaged"):
        read_segment(path)
