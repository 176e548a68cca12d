"""What blocks look like, against twins that count one character and one block at a time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import naive
import numpy as np
import pytest
import unicodedata2
from hypothesis import given
from hypothesis import strategies as st
from strategies import texts, utf8

from dedup.arrays import F32, I32
from dedup.blocks import split_blocks
from dedup.kernels.shape import COLUMNS, FEATURES, PAGE, SHAPE, page_features, shape_features
from dedup.schema import Blocks
from dedup.settings import SPLITS, Split
from dedup.shape import describe_pages, describe_shapes, find_shapes, log_odds, model
from dedup.unicode import character_kinds

COUNTS = (
    "letters", "lowers", "uppers", "caselesses", "numbers", "commas", "stops", "separators", "chars", "ideographs",
    "symbol_first", "ends", "dots", "colon_last",
)  # fmt: skip
KINDS = (
    "other", "space", "lower", "upper", "caseless", "digit", "mark", "ideograph", "comma", "stop", "wide stop", "colon",
    "separator", "quote", "close", "skip",
)  # fmt: skip


def whole(documents: Sequence[str]) -> Blocks:
    """Return blocks that are documents."""
    sizes = [len(document.encode()) for document in documents]
    n = len(sizes)
    return Blocks(np.arange(n + 1), np.zeros(n, np.int64), np.array(sizes, np.int64), np.zeros(n, np.uint8))


def counted(documents: Sequence[str]) -> list[dict[str, int]]:
    """Count what documents are made of."""
    counts, _, _ = describe_shapes(*utf8(documents), whole(documents))
    return [dict(zip(COUNTS, row, strict=True)) for row in counts.tolist()]


TELLING = st.sampled_from(
    [*'aZ9é東がไ٣.!?…。！,、:："”)」|>·#- \t\n\u3000\u00ad\u0301\ufe0f', "..", ". ", '."', "👍", "𠀋", "𝐀"]
)
LINES = st.lists(TELLING, max_size=40).map("".join)


@given(st.lists(st.one_of(texts, LINES, st.text(max_size=30)), max_size=5))
def test_counts_equal_the_twin(documents: list[str]) -> None:
    assert counted(documents) == list(map(naive.count_characters, documents))


def test_every_pair_of_ascii_equals_the_twin() -> None:
    # what is only ASCII is counted by bits, without the table of kinds
    pairs = [chr(a) + chr(b) for a in range(128) for b in range(128)]
    assert counted(pairs) == list(map(naive.count_characters, pairs))
    assert counted(["é" + pair for pair in pairs]) == [naive.count_characters("é" + pair) for pair in pairs]


@given(st.lists(st.tuples(st.lists(TELLING, min_size=1, max_size=4).map("".join), st.integers(1, 40)), max_size=12))
def test_mixed_blocks_equal_the_twin(runs: list[tuple[str, int]]) -> None:
    text = "".join(piece * count for piece, count in runs)
    assert counted([text, "b", text[5:]]) == list(map(naive.count_characters, (text, "b", text[5:])))


@given(st.lists(st.tuples(TELLING, st.integers(1, 300)), min_size=1, max_size=4), st.integers(0, 3))
def test_long_blocks_equal_the_twin(runs: list[tuple[str, int]], offset: int) -> None:
    text = "é" * offset + "".join(piece * count for piece, count in runs)
    assert counted([text]) == [naive.count_characters(text)]


@pytest.mark.parametrize("piece", ["a ", "Á. ", "9", "東。", "|", ",", "،", "𠀋", "👍", "x\u00ad", ".\u201d"])
@pytest.mark.parametrize("length", [254, 255, 256, 257, 509, 510, 511, 1023])
def test_counts_at_the_edges_of_a_full_word(piece: str, length: int) -> None:
    text = (piece * length)[:length]
    assert counted([text, "b" + text]) == [naive.count_characters(one) for one in (text, "b" + text)]


@pytest.mark.parametrize("plane", range(0, 0x10000, 0x4000))
def test_kinds_of_characters_are_those_of_unicode(plane: int) -> None:
    table = character_kinds()
    wrong = {
        chr(cp): KINDS[table[cp]]
        for cp in range(plane, plane + 0x4000)
        if not 0xD800 <= cp < 0xE000 and unicodedata2.category(chr(cp)) != "Cn"
        if KINDS[table[cp]] != naive.character_kind(chr(cp))
    }
    assert wrong == {}


def test_kana_with_marks_are_ideographs() -> None:
    kinds = [KINDS[character_kinds()[ord(char)]] for char in "かがハパｶう゛ゔ"]
    assert {kinds[0], kinds[1], kinds[2], kinds[3], kinds[4], kinds[5], kinds[7]} == {"ideograph"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The ferry sank.", {"lowers": 2, "uppers": 1, "letters": 12, "stops": 1, "ends": 1, "dots": 0, "chars": 15}),
        ("Wait...", {"ends": 1, "dots": 1, "stops": 1}),
        ("Wait…”", {"ends": 1, "dots": 1, "stops": 1}),
        ("Wait. .", {"ends": 1, "dots": 0, "stops": 2}),
        (".", {"ends": 1, "dots": 0, "symbol_first": 1}),
        ("3.14 a.m.", {"numbers": 2, "stops": 1}),
        ("“Go!” he said", {"stops": 1, "ends": 0, "symbol_first": 0}),
        ("(He left.)", {"stops": 0, "ends": 1}),
        ("Home > News | Contact", {"separators": 2, "uppers": 3}),
        ("- item", {"symbol_first": 1}),
        ("Related:", {"colon_last": 1, "ends": 0}),
        ("东京塔很高。", {"ideographs": 5, "stops": 1, "ends": 1, "letters": 0}),
        ("ニュース：", {"colon_last": 1}),
        ("Привет, МИР", {"lowers": 0, "uppers": 2, "commas": 1}),
        ("مرحبا بالعالم؟", {"caselesses": 2, "ends": 1}),
        ("ab\u00adcd", {"chars": 4, "lowers": 1}),
        ("e\u0301te\u0301", {"chars": 5, "letters": 5, "lowers": 1}),
        ("", dict.fromkeys(COUNTS, 0)),
        ("   ", {"chars": 3, "ends": 0}),
        ("a\u00ad", {"chars": 1, "ends": 0}),
    ],
)
def test_counts_by_hand(text: str, expected: dict[str, int]) -> None:
    (found,) = counted([text])
    assert {name: found[name] for name in expected} == expected
    assert naive.count_characters(text) == found


BLOCKS = st.builds(
    lambda numbers, flags: {
        **dict.fromkeys(COUNTS, 0),
        **dict(
            zip(("lowers", "uppers", "caselesses", "numbers", "commas", "stops", "ideographs"), numbers, strict=True)
        ),
        **dict(zip(("ends", "dots", "colon_last"), flags, strict=True)),
        "letters": 5 * sum(numbers[:4]),
        "chars": 6 * sum(numbers[:4]) + numbers[6],
    },
    st.lists(st.sampled_from([0, 0, 1, 2, 3, 12, 40, 500]), min_size=7, max_size=7),
    st.tuples(st.sampled_from([1, 1, 0]), st.sampled_from([0, 0, 1]), st.booleans().map(int)),
)


def laid_out(pages: Sequence[Sequence[dict[str, int]]]) -> tuple[I32, np.ndarray]:
    """Put counts of blocks of documents one below the other; return them, and where each document begins."""
    rows = [[block[name] for name in COUNTS] for page in pages for block in page]
    return np.array(rows, np.int32).reshape(-1, COLUMNS), np.cumsum([0, *map(len, pages)])


def described(pages: Sequence[Sequence[dict[str, int]]]) -> tuple[F32, F32]:
    """Say what blocks look like."""
    counts, bounds = laid_out(pages)
    words, features = np.full(len(counts), np.nan, np.float32), np.full((len(counts), FEATURES), np.nan, np.float32)
    shape_features(counts, bounds, words, features)
    return words, features


@given(st.lists(st.lists(BLOCKS, max_size=30), max_size=3))
def test_features_of_shapes_equal_the_twin(pages: list[list[dict[str, int]]]) -> None:
    words, features = described(pages)
    assert words.tolist() == [naive.count_words(block) for page in pages for block in page]
    expected = [row for page in pages for row in naive.describe_shapes(page)]
    assert len(features) == len(expected)
    for found, row in zip(features.tolist(), expected, strict=True):
        assert tuple(row) == SHAPE
        assert found == pytest.approx(list(row.values()), rel=1e-5, abs=1e-5)


@given(st.integers(1, 60), st.sets(st.integers(0, 59), max_size=4))
def test_distances_to_text_are_capped(size: int, sentences: set[int]) -> None:
    short = {**dict.fromkeys(COUNTS, 0), "lowers": 3}
    long = {**dict.fromkeys(COUNTS, 0), "lowers": 30, "ends": 1}
    page = [long if k in sentences else short for k in range(size)]
    _, features = described([page])
    expected = [row["far_from_text"] for row in naive.describe_shapes(page)]
    assert features[:, SHAPE.index("far_from_text")].tolist() == pytest.approx(expected, abs=1e-5)


@given(st.lists(st.lists(LINES, min_size=1, max_size=8).map("\n\n".join), max_size=3), st.sampled_from(SPLITS))
def test_shapes_of_texts_equal_the_twins(documents: list[str], mode: Split) -> None:
    data, bounds = utf8(documents)
    blocks = split_blocks(data, bounds, mode)
    spans = [
        [
            documents[doc].encode()[blocks.starts[row] : blocks.ends[row]].decode()
            for row in range(blocks.bounds[doc], blocks.bounds[doc + 1])
        ]
        for doc in range(len(documents))
    ]
    counts, words, features = describe_shapes(data, bounds, blocks)
    pages = [list(map(naive.count_characters, page)) for page in spans]
    assert counts.tolist() == [[block[name] for name in COUNTS] for page in pages for block in page]
    assert words.tolist() == [naive.count_words(block) for page in pages for block in page]
    expected = [list(row.values()) for page in pages for row in naive.describe_shapes(page)]
    assert features.tolist() == [pytest.approx(row, rel=1e-5, abs=1e-5) for row in expected]


ODDS = st.floats(-12, 12, width=32)
LENGTHS = st.sampled_from([0.0, 0.5, 1.0, 3.0, 20.0, 150.0])


def of_pages(pages: Sequence[Sequence[tuple[float, float]]]) -> list[list[list[float]]]:
    """Say what blocks are in their documents, by log-odds and words."""
    flat = list(itertools.chain.from_iterable(pages))
    bounds = np.cumsum([0, *map(len, pages)])
    odds, words = (np.array([block[k] for block in flat], np.float32) for k in (0, 1))
    features = np.full((len(flat), len(PAGE)), np.nan, np.float32)
    page_features(odds, words, bounds, features)
    return [features[lo:hi].tolist() for lo, hi in itertools.pairwise(bounds)]


@given(st.lists(st.lists(st.tuples(ODDS, LENGTHS), max_size=20), max_size=3))
def test_features_of_pages_equal_the_twin(pages: list[list[tuple[float, float]]]) -> None:
    for page, rows in zip(pages, of_pages(pages), strict=True):
        odds = [min(8.0, max(-8.0, z)) for z, _ in page]
        words = [n for _, n in page]
        if not page:
            continue
        mean = sum(naive.likelihood(z) * (n + 0.5) for z, n in zip(odds, words, strict=True)) / sum(
            n + 0.5 for n in words
        )
        mean_odds, best = np.log((mean + 0.01) / (1.01 - mean)), max(0.0, *odds)
        assert [row[:3] for row in rows] == [pytest.approx([z, mean_odds, best], abs=1e-4) for z in odds]
        inside = [k for k, row in enumerate(rows) if row[3]]
        assert {row[3] for row in rows} <= {0.0, 1.0}
        assert inside == list(range(inside[0], inside[-1] + 1))
        gains = naive.run_gains(odds, words)
        most = max(sum(gains[a:b]) for a, b in itertools.combinations(range(len(gains) + 1), 2))
        assert sum(gains[inside[0] : inside[-1] + 1]) == pytest.approx(most, rel=1e-4, abs=1e-4)


def test_the_best_run_by_hand() -> None:
    page = [(-8.0, 30.0), (5.0, 40.0), (-2.0, 3.0), (5.0, 60.0), (-8.0, 80.0), (6.0, 20.0)]
    assert [row[3] for row in of_pages([page])[0]] == [0, 1, 1, 1, 0, 0]
    assert [row[3] for row in of_pages([[(-8.0, 5.0)]])[0]] == [1]


def test_log_odds_are_those_of_the_models() -> None:
    documents = [
        "Home | News | Contact\n\n# Otters\n\nOtters, who left the bay in 1931, are back. Two sleep under it.\n\nShare",
        "",
        "东京塔今年重新开放。门票比去年贵。\n\n分享",
    ]
    data, bounds = utf8(documents)
    blocks = split_blocks(data, bounds, "auto")
    shapes = find_shapes(data, bounds, blocks)
    counts, words, features = describe_shapes(data, bounds, blocks)
    assert np.array_equal(shapes.counts, counts) and np.array_equal(shapes.words, words)
    shape, page = model("shape", SHAPE), model("page", PAGE)
    by_shape = features.astype(float) @ shape.coefficients + shape.intercept
    assert shapes.odds.tolist() == pytest.approx(by_shape.tolist(), abs=1e-3)
    by_page = describe_pages(shapes.odds, words, blocks).astype(float) @ page.coefficients + page.intercept
    assert shapes.page_odds.tolist() == pytest.approx(by_page.tolist(), abs=1e-3)
    assert shapes.page_odds.argmax() == 2  # the only sentences of the first page
    assert (shapes.page_odds[[0, 3]] < shapes.page_odds[2]).all()


@given(st.lists(LINES, min_size=1, max_size=4), st.lists(LINES, min_size=1, max_size=4))
def test_documents_are_judged_by_themselves(left: list[str], right: list[str]) -> None:
    def judged(documents: list[str]) -> list[float]:
        data, bounds = utf8(documents)
        return list(map(float, find_shapes(data, bounds, split_blocks(data, bounds, "lines")).page_odds))

    first, second = "\n".join(left), "\n".join(right)
    assert judged([first, second]) == pytest.approx(judged([first]) + judged([second]), abs=1e-4)


def test_no_blocks_have_no_odds() -> None:
    assert log_odds(model("page", PAGE), np.empty((0, len(PAGE)), np.float32)).tolist() == []
