"""Tokens, fingerprints and masked keys against their twins, and texts whose spelling must not matter."""

from __future__ import annotations

import gzip
import itertools
import json
import unicodedata
from pathlib import Path

import naive
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import sentences, texts, tokenized, utf8

from dedup.blocks import split_blocks
from dedup.kernels.tokens import MAX_MARKS, masked_keys
from dedup.settings import SPLITS, Split
from dedup.sketch import LEAST_WORDS, tokenize_blocks, tokenize_text


def hashes(text: str) -> list[int]:
    """Return the token hashes of a text."""
    return list(map(int, tokenize_text(text)))


def one_fingerprint(text: str) -> tuple[int, int]:
    """Return the fingerprint of a text."""
    first, second = tokenized([text])[2][0]
    return int(first), int(second)


@given(st.lists(texts, max_size=6))
def test_tokens_and_fingerprints_equal_the_twins(documents: list[str]) -> None:
    found, bounds, fingerprints = tokenized(documents)
    expected = [list(map(naive.token_hash, naive.tokenize(document))) for document in documents]
    assert bounds.tolist() == [0, *itertools.accumulate(map(len, expected))]
    assert found.tolist() == list(itertools.chain.from_iterable(expected))
    assert list(map(tuple, fingerprints.tolist())) == list(map(naive.fingerprint, expected))


@given(st.lists(st.text(st.sampled_from("aaaaaaZZ99é東\u0301 ."), max_size=200), max_size=4))
def test_long_pieces_equal_the_twins(documents: list[str]) -> None:
    found, _, _ = tokenized(documents)
    assert found.tolist() == [naive.token_hash(token) for document in documents for token in naive.tokenize(document)]


@pytest.mark.parametrize("before", [0, 1, 55, 56, 57, 63, 64, 65])
@pytest.mark.parametrize("tail", ["", " ", ".x", " " * 64])
def test_tokens_of_every_length_at_every_edge(before: int, tail: str) -> None:
    for length in (*range(1, 20), 63, 64, 65, 127, 128, 129):
        for char in "Q7é":
            assert hashes("-" * before + char * length + tail)[0] == naive.token_hash(naive.fold(char * length))


@given(texts)
def test_lowest_bit_marks_numbers(text: str) -> None:
    assert [h & 1 for h in hashes(text)] == [naive.is_number(token) for token in naive.tokenize(text)]


@given(texts, texts)
def test_fingerprints_are_equal_where_tokens_are(left: str, right: str) -> None:
    assert (one_fingerprint(left) == one_fingerprint(right)) == (naive.tokenize(left) == naive.tokenize(right))


@given(texts)
def test_composed_and_decomposed_texts_are_equal(text: str) -> None:
    composed, decomposed = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    assume("\u0345" not in decomposed)  # it folds to a letter, see test_unicode
    assert hashes(composed) == hashes(decomposed) == hashes(text)


@given(st.text(st.sampled_from("abcéßÄøçÆÞŁžŵδωΣΆжЖйЙЇґћ 12.!"), max_size=40))
def test_case_does_not_matter(text: str) -> None:
    assert hashes(text.upper()) == hashes(text.lower()) == hashes(text)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40))
def test_full_width_does_not_matter(text: str) -> None:
    wide = "".join("\u3000" if char == " " else chr(ord(char) + 0xFEE0) for char in text)
    assert hashes(wide) == hashes(text)


@given(texts, st.lists(st.integers(0, 60), max_size=5), st.sampled_from("\u00ad\u200b\u200d\u2060\ufe0f\ufeff\u200e"))
def test_invisible_characters_do_not_matter(text: str, places: list[int], invisible: str) -> None:
    other = text
    for place in places:
        other = other[:place] + invisible + other[place:]
    assert hashes(other) == hashes(text)


@given(texts, texts)
def test_a_separator_joins_two_token_sequences(left: str, right: str) -> None:
    assert hashes(f"{left} {right}") == hashes(left) + hashes(right)


@given(st.lists(st.sampled_from("\u0301\u0323\u0327\u0308\u0300\u0328\u035c"), max_size=8), st.sampled_from("aoe東"))
def test_marks_in_any_order_are_equal_if_canonically_equivalent(marks: list[str], base: str) -> None:
    by_class = sorted(marks, key=unicodedata.combining)
    assert hashes(base + "".join(marks)) == hashes(base + "".join(by_class))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        (" \n\t ", []),
        ("... --- !?", []),
        ("👍🏽🎉 😀", []),
        ("\u0301\u0323 ", []),
        ("Hello, WORLD!", ["hello", "world"]),
        ("don't stop", ["don", "t", "stop"]),
        ("3.14 1,000", ["3", "14", "1", "000"]),
        ("snake_case x2", ["snake", "case", "x2"]),
        ("a\0b", ["a", "b"]),
        ("Straße", ["strasse"]),
        ("ﬁne ①②", ["fine", "12"]),
        ("ﾊﾟﾝ", ["ハ\u309a", "ン"]),
        ("東京2020年", ["東", "京", "2020", "年"]),
        ("かがカ", ["か", "か\u3099", "カ"]),
        ("ก็ดี", ["ก็", "ดี"]),
        ("한국어", [unicodedata.normalize("NFD", "한국어")]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("مُحَمَّد", ["مُحَمَّد"]),
        ("क्षत्रिय", ["क्षत्रिय"]),
        ("x\u00ad\u200dy", ["xy"]),
    ],
)
def test_worked_examples(text: str, tokens: list[str]) -> None:
    assert naive.tokenize(text) == tokens
    assert hashes(text) == [naive.token_hash(unicodedata.normalize("NFD", token)) for token in tokens]


@pytest.mark.parametrize(
    "text", ["人民日报社论", "これはペンです", "สวสดครบ", "ກຂຄງ", "កខគឃ", "ကခဂဃ", "ㄅㄆㄇ", "ꀀꀁꀂ"]
)
def test_scripts_without_spaces_give_a_token_a_character(text: str) -> None:
    found = hashes(text)
    assert len(found) == len(text)
    assert found == [one for char in text for one in hashes(char)]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("ｶﾞｷﾞｸﾞ ﾊﾟﾋﾟ", "ガギグ パピ"),
        ("ＡＢＣ　１２３", "abc 123"),
        ("Ångström", "A\u030angstro\u0308m"),
        ("ΟΔΟΣ", "οδος"),
        ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"),
        ("ǅ Ǆ", "ǆ ǆ"),
        ("2² ½", "22 1⁄2"),
        ("㎏ ㍿", "kg 株式会社"),
        ("각", "\u1100\u1161\u11a8"),
    ],
)
def test_spellings_of_one_text_share_a_fingerprint(left: str, right: str) -> None:
    assert hashes(left)
    assert one_fingerprint(left) == one_fingerprint(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a b", "ab"),
        ("a b", "b a"),
        ("a", "a a"),
        ("", "a"),
        ("e", "é"),
        ("か", "が"),
        ("か", "カ"),
        ("1", "2"),
        ("ı", "i"),
    ],
)
def test_texts_that_differ_have_other_fingerprints(left: str, right: str) -> None:
    assert one_fingerprint(left) != one_fingerprint(right)


def test_zalgo_is_one_token_however_many_marks() -> None:
    above = "\u0301" * 500
    assert hashes(f"e{above} x") == [naive.token_hash(f"e{above}"), naive.token_hash("x")]
    mixed = "\u0301\u0323\u0327" * MAX_MARKS
    composed, decomposed = hashes(f"é{mixed}"), hashes(f"e\u0301{mixed}")
    assert len(composed) == 1
    assert composed == decomposed
    assert hashes(f"é{mixed}\u0323") != composed


@pytest.mark.parametrize("count", [MAX_MARKS - 1, MAX_MARKS])
def test_marks_are_sorted_up_to_the_limit(count: int) -> None:
    marks = ("\u0301\u0323" * MAX_MARKS)[:count]
    assert hashes("o" + marks) == [naive.token_hash(naive.fold("o" + marks))]
    assert hashes("o" + marks) == hashes("o" + "".join(sorted(marks, key=unicodedata.combining)))


def test_token_room_is_enough_for_the_longest_expansion() -> None:
    # U+3316 is three bytes and six tokens, so two tokens a byte is the most there can be
    assert len(hashes("㌖" * 50)) == 300


@given(st.lists(texts, max_size=4), st.sampled_from(SPLITS))
def test_blocks_and_documents_are_fingerprinted_together(documents: list[str], mode: Split) -> None:
    data, bounds = utf8(documents)
    blocks = split_blocks(data, bounds, mode)
    tokens = tokenize_blocks(data, bounds, blocks)
    assert tokens.hashes.tolist() == [one for document in documents for one in hashes(document)]
    assert list(map(tuple, tokens.doc_fingerprints.tolist())) == list(map(one_fingerprint, documents))
    spans = [
        documents[doc].encode()[blocks.starts[row] : blocks.ends[row]].decode()
        for doc in range(len(documents))
        for row in range(blocks.bounds[doc], blocks.bounds[doc + 1])
    ]
    assert list(map(tuple, tokens.fingerprints.tolist())) == list(map(one_fingerprint, spans))
    assert np.diff(tokens.bounds).tolist() == [len(hashes(span)) for span in spans]


def mask(text: str, least_words: int = LEAST_WORDS) -> int:
    """Return the masked key of a text."""
    tokens = tokenize_text(text)
    return int(masked_keys(tokens, np.array([0, tokens.size]), np.zeros(1, np.int64), least_words)[0])


@given(sentences, sentences, st.integers(0, 6))
def test_masked_keys_are_equal_where_masked_tokens_are(left: str, right: str, least_words: int) -> None:
    keys = [mask(text, least_words) for text in (left, right)]
    masked = [naive.mask_numbers(naive.tokenize(text), least_words) for text in (left, right)]
    assert [key != 0 for key in keys] == [one is not None for one in masked]
    if all(keys):
        assert (keys[0] == keys[1]) == (masked[0] == masked[1])


@given(st.lists(sentences, max_size=5))
def test_masked_keys_of_many_rows_are_those_of_each(documents: list[str]) -> None:
    tokens, bounds, _ = tokenized(documents)
    assert masked_keys(tokens, bounds, np.arange(len(documents)), LEAST_WORDS).tolist() == [
        mask(document) for document in documents
    ]


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=3), st.lists(st.integers(0, 10**6), min_size=3, max_size=3))
def test_texts_that_differ_in_numbers_share_a_masked_key(left: list[int], right: list[int]) -> None:
    template = "Road {} was closed on day {} for {} hours of work"
    assert mask(template.format(*left)) == mask(template.format(*right)) != 0


def test_masked_keys_by_hand() -> None:
    assert mask("open from 9 to 17 on weekdays") == mask("open from 10 to 12,30 on weekdays")  # runs count once
    assert mask("open from 9 to 17 on weekdays") != mask("open from 9 to noon on weekdays")
    assert mask("no numbers stand in this text") == 0
    assert mask("only three words 5") == 0
    assert mask("four words are enough 5") != 0
    assert mask("a b c d 1 2 3 4 5") == 0  # more numbers than words
    assert mask("a b c d 1 2 3 4") != 0
    assert mask("") == 0


@pytest.mark.parametrize("corpus", ["chinese", "japanese", "statutes", "sites"])
def test_real_texts_equal_the_twin(shared_data: Path, corpus: str) -> None:
    path = next((shared_data / corpus).glob("*.jsonl.gz"))
    with gzip.open(path, "rt", encoding="utf-8") as file:
        documents = [json.loads(line)["text"][:2000] for line in itertools.islice(file, 8)]
    found, bounds, _ = tokenized(documents)
    expected = [naive.token_hash(token) for document in documents for token in naive.tokenize(document)]
    assert documents
    assert bounds.size == len(documents) + 1
    assert found.tolist() == expected
