"""The detector that takes pages one by one, against scans of the same pages."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn.base import clone
from test_boilerplate import judged, prose, site

from dedup import BoilerplateDetector, Settings, SettingsError

SITE = [("harbour.example", text) for text in site(8)]
OTHERS = [("other.example", text) for text in site(4, 30)]


def test_pages_that_were_taken_are_judged_as_in_a_scan() -> None:
    detector = BoilerplateDetector().fit(SITE)
    _, documents = judged(SITE)
    for page, expected in zip(SITE, documents, strict=True):
        blocks = detector.judge(page)
        assert [(block.text, block.reason, "drop" if block.drop else "keep") for block in blocks] == expected
        data = page[1].encode()
        assert [data[block.start : block.end].decode() for block in blocks] == [block.text for block in blocks]
        assert not any(block.low_evidence for block in blocks)


def test_the_next_page_is_judged_by_those_before() -> None:
    detector = BoilerplateDetector()
    text = site(1, 60)[0]
    found = []
    for k in range(4):
        blocks = {block.text: block for block in detector.judge(("harbour.example", text))}
        assert all(block.low_evidence == (k < 2) for block in blocks.values())
        found.append(blocks["Subscribe to our newsletter and never miss a story again"].reason)
        assert blocks[prose(180)].reason is None
        detector.partial_fit([SITE[k]])
    assert found == [None, None, "site_template", "site_template"]


def test_sources_do_not_mix() -> None:
    detector = BoilerplateDetector().fit(SITE)
    assert all(block.low_evidence for block in detector.judge(("third.example", SITE[0][1])))
    assert detector.judge(SITE[0][1]) == BoilerplateDetector().judge(SITE[0][1])  # without a source


@hypothesis_settings(max_examples=20)
@given(st.permutations(range(12)), st.lists(st.integers(0, 3), min_size=12, max_size=12), st.sampled_from([3, 5, 1000]))
def test_neither_order_nor_shares_matter(order: list[int], shares: list[int], most: int) -> None:
    pages = [*SITE, *OTHERS]
    whole = BoilerplateDetector(most).fit(pages)
    parts = [BoilerplateDetector(most) for _ in range(4)]
    for k in order:
        parts[shares[k]].partial_fit([pages[k], pages[k]])
    merged = BoilerplateDetector(most)
    for part in parts:
        merged.merge(part)
    assert merged.pages_ == whole.pages_
    assert {source: len(kept) for source, kept in whole.pages_.items()} == {
        "harbour.example": min(most, 8), "other.example": min(most, 4)
    }  # fmt: skip


def test_the_same_pages_are_judged_the_same_in_any_order() -> None:
    shuffled = random.Random(1).sample(SITE, len(SITE))
    one, other = BoilerplateDetector().fit(SITE), BoilerplateDetector().fit(shuffled)
    new = ("harbour.example", site(1, 60)[0])
    assert [one.judge(page) for page in [*SITE, new]] == [other.judge(page) for page in [*SITE, new]]


def test_the_interface_of_an_estimator() -> None:
    detector = BoilerplateDetector(max_pages=50, settings=Settings(threshold=0.8))
    assert clone(detector).get_params() == {"max_pages": 50, "settings": Settings(threshold=0.8)}
    detector.fit(SITE)
    judged_pages = [detector.judge(page) for page in SITE]
    for blocks, probabilities in zip(judged_pages, detector.predict_proba(SITE), strict=True):
        assert probabilities.shape == (len(blocks), 2)
        assert probabilities.sum(axis=1) == pytest.approx(1)
        assert probabilities[:, 1].tolist() == pytest.approx([block.boilerplate for block in blocks])
    for blocks, labels in zip(judged_pages, detector.predict(SITE), strict=True):
        assert labels.dtype == np.int64
        assert labels.tolist() == [int(block.drop) for block in blocks]
    for blocks, text in zip(judged_pages, detector.transform(SITE), strict=True):
        assert text == "\n\n".join(block.text for block in blocks if not block.drop)
    assert sum(labels.sum() for labels in detector.predict(SITE)) >= 4 * len(SITE)
    assert detector.fit(OTHERS).pages_.keys() == {"other.example"}  # what was there before is forgotten


def test_settings_decide_what_would_go() -> None:
    keeping = BoilerplateDetector(settings=Settings(drop=frozenset())).fit(SITE)
    blocks = keeping.judge(SITE[0])
    assert {block.reason for block in blocks} >= {"site_template", "navigation"}
    assert not any(block.drop for block in blocks)


def test_little_and_nothing() -> None:
    detector = BoilerplateDetector()
    assert detector.judge("") == []
    assert detector.partial_fit([]).predict([]) == []
    assert detector.transform([("a", ""), "x"]) == ["", "x"]
    with pytest.raises(SettingsError, match="max_pages"):
        BoilerplateDetector(max_pages=2).fit(SITE)
