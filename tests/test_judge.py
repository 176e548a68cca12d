"""Verdicts spelt out: strings by number, names of clusters, places in bounds; the codes that kernels know by heart."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dedup.kernels import classes, judge
from dedup.kernels.tables import FREE
from dedup.schema import BOILERPLATE, KINDS, Reason
from dedup.verdicts import cluster_names, spelt, take, word_list


def test_codes_are_those_of_the_schema() -> None:
    codes = (judge.NONE, judge.EXACT_DUPLICATE, judge.NEAR_DUPLICATE, judge.NUMBER_VARIANT)
    assert codes == (Reason.NONE, Reason.EXACT_DUPLICATE, Reason.NEAR_DUPLICATE, Reason.NUMBER_VARIANT)
    named = (
        "SITE_TEMPLATE", "NAVIGATION", "SECTION_LABEL", "TITLE_ECHO", "REPEATED_HEADER", "PAGE_HEADER", "PLACEHOLDER",
    )  # fmt: skip
    assert [getattr(classes, name) for name in named] == [Reason[name] for name in named]
    assert classes.UNSURE == Reason.LIKELY_BOILERPLATE
    assert (*named, "LIKELY_BOILERPLATE") == tuple(reason.name for reason in BOILERPLATE)
    kinds = (classes.HEADING_KIND, classes.PARAGRAPH_KIND, classes.LIST_ITEM_KIND, classes.OTHER_KIND)
    assert [KINDS[kind] for kind in kinds] == ["heading", "paragraph", "list_item", "other"]


@given(st.lists(st.text(max_size=5), min_size=1, max_size=5), st.data())
def test_strings_are_taken_by_number(table: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(FREE, len(table) - 1), max_size=9))
    taken = take(word_list(tuple(table)), np.array(rows, np.int64))
    taken.validate(full=True)
    assert taken.type == pa.large_string()  # a few long ids, repeated in every row, come to more than 2 GiB
    assert taken.to_pylist() == [None if row == FREE else table[row] for row in rows]


@given(st.lists(st.integers(0, 2), max_size=9))
def test_reasons_are_spelt(codes: list[int]) -> None:
    found = spelt(np.array(codes, np.uint8), word_list((None, "one", "two")))
    assert found.to_pylist() == [(None, "one", "two")[code] for code in codes]


@given(st.lists(st.integers(0, (1 << 64) - 1), min_size=1, max_size=4), st.data())
def test_clusters_are_named_in_hexadecimal(values: list[int], data: st.DataObject) -> None:
    fingerprints = np.array([[value, 7] for value in values], np.uint64)
    contents = data.draw(st.lists(st.integers(FREE, len(values) - 1), max_size=9))
    names = cluster_names(fingerprints, np.array(contents, np.int64)).to_pylist()
    assert names == [None if content == FREE else f"{values[content]:016x}" for content in contents]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_places_in_bounds(sizes: list[int]) -> None:
    bounds = np.array([0, *itertools.accumulate(sizes)])
    expected = [place for place, size in enumerate(sizes) for _ in range(size)]
    assert [judge.place_in(bounds, value) for value in range(bounds[-1])] == expected
