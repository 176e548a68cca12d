"""How common words are, and the language of texts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import texts

from dedup.background import STEP, background, identify, keys_of, pack, pairs_of, unpack, zipf_of
from dedup.kernels.tables import FREE
from dedup.sketch import tokenize_text, tokenize_texts

CORPUS = Path(__file__).resolve().parents[1] / "corpus"


def zipf(language: str, word: str) -> float:
    """Return how common a word, or a pair of characters, is."""
    tokens = tokenize_text(word)
    wanted = pairs_of(tokens) if len(tokens) > 1 else tokens
    return float(zipf_of(wanted, background().languages.index(language))[0])


def languages_of(documents: list[str]) -> list[str | None]:
    """Tell the languages of texts."""
    tokens = tokenize_texts(documents)
    return [None if k == FREE else background().languages[k] for k in identify(tokens.hashes, tokens.bounds).tolist()]


WORDS = st.dictionaries(st.integers(0, 2**32 - 1), st.floats(0, 8), min_size=1, max_size=20)


@given(st.dictionaries(st.sampled_from(["en", "de", "zh"]), WORDS, min_size=1))
def test_what_is_packed_is_unpacked(table: dict[str, dict[int, float]]) -> None:
    arrays = {
        language: (np.array(list(words), np.uint32), np.array(list(words.values()), np.float32))
        for language, words in table.items()
    }
    found = unpack(pack(arrays))
    assert found.languages == tuple(table)
    for k, words in enumerate(table.values()):
        own = slice(*found.bounds[k : k + 2].tolist())
        assert found.keys[own].tolist() == sorted(words)
        expected = [words[key] for key in sorted(words)]
        assert found.zipf[own].tolist() == pytest.approx(expected, abs=STEP / 2 + 1e-6)


def test_the_table_is_sound() -> None:
    table = background()
    assert len(table.languages) == len(set(table.languages)) == 42
    for first, end in zip(table.bounds[:-1], table.bounds[1:], strict=True):
        assert end - first >= 4000
        assert (np.diff(table.keys[first:end].astype(np.int64)) > 0).all()
    assert 2 < table.zipf.min() < table.zipf.max() < 8


@pytest.mark.parametrize(
    ("language", "common", "less", "rare"),
    [
        ("en", "the", "harbour", "quincunx"),
        ("de", "und", "Hafen", "Quincunx"),
        ("ru", "и", "город", "квинконс"),
        ("el", "και", "πόλη", "κουινκόνξ"),
        ("zh", "的", "港", "龘"),
        ("zh", "我们", "城市", "龘龘"),
        ("ja", "の", "港", "龘"),
    ],
)
def test_common_words_are_common(language: str, common: str, less: str, rare: str) -> None:
    assert zipf(language, common) > zipf(language, less) > zipf(language, rare) == 0
    assert zipf(language, common.upper()) == zipf(language, common)


def test_languages_of_the_articles() -> None:
    articles = [json.loads(line) for line in (CORPUS / "articles.jsonl").read_text(encoding="utf-8").splitlines()]
    found = languages_of([article["text"] for article in articles])
    assert Counter(zip((article["lang"] for article in articles), found, strict=True)) == Counter(
        (article["lang"], article["lang"]) for article in articles
    )


@pytest.mark.parametrize("text", ["", "1 2 3 2024", "zzxq wvvk qqrt", "👍 👍", "\N{CHEROKEE LETTER A}" * 9])
def test_texts_of_no_language(text: str) -> None:
    assert languages_of(["the end of the day", text, "le bout de la route"]) == ["en", None, "fr"]


@given(st.lists(texts, max_size=6))
def test_languages_of_texts_do_not_depend_on_others(documents: list[str]) -> None:
    assert languages_of(documents) == [languages_of([document])[0] for document in documents]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=9))
def test_keys_are_upper_halves(hashes: list[int]) -> None:
    tokens = np.array(hashes, np.uint64)
    assert keys_of(tokens).tolist() == [one >> 32 for one in hashes]
    assert len(pairs_of(tokens)) == max(0, len(hashes) - 1)
