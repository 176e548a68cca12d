"""The fold table: what it holds for every code point, and that it is what its builder builds."""

from __future__ import annotations

import functools
import itertools
import unicodedata

import naive
import numpy as np
import pytest
import unicodedata2
from strategies import is_settled, tokenized

from dedup.sketch import tokenize_text
from dedup.unicode import (
    ALONE,
    CODE_POINTS,
    EXPANSION,
    IGNORABLE,
    MARK,
    NUMBER,
    SEPARATOR,
    SKIP,
    SPACELESS,
    FoldTable,
    build_fold_table,
    fold_character,
    fold_table,
)

OFFSET = NUMBER - 1  # the bits that hold a code point or an offset


def entry(table: FoldTable, char: str) -> int:
    """Look a character up."""
    page, place = divmod(ord(char), 256)
    return int(table.entries[table.pages[page] + place])


def meaning(table: FoldTable, char: str) -> list[int]:
    """Return the entries a character stands for, wherever they rest."""
    found = entry(table, char)
    if found & EXPANSION != EXPANSION:
        return [found]
    start = found & OFFSET
    return list(map(int, table.expansions[start : start + (found >> 24)]))


@functools.cache
def assigned() -> list[str]:
    """Return every character that the standard library knows and all Pythons since 3.11 fold alike."""
    chars = (chr(cp) for cp in range(CODE_POINTS) if not 0xD800 <= cp < 0xE000)
    return [char for char in chars if unicodedata.category(char) != "Cn" and is_settled(char)]


def test_every_character_folds_as_its_twin() -> None:
    chars = assigned()
    hashes, bounds, _ = tokenized(chars)
    expected = [list(map(naive.token_hash, naive.tokenize(char))) for char in chars]
    assert len(chars) > 100_000
    assert bounds.tolist() == [0, *itertools.accumulate(map(len, expected))]
    assert hashes.tolist() == list(itertools.chain.from_iterable(expected))


def test_shipped_table_is_what_the_builder_builds() -> None:
    shipped, built = fold_table(), build_fold_table(unicodedata2)
    # a later Unicode adds characters, and may renumber what the older ones stand for
    differing = [char for char in assigned() if meaning(shipped, char) != meaning(built, char)]
    assert differing == []


def test_shape_of_the_table() -> None:
    table = fold_table()
    assert [column.dtype for column in table] == [np.int32, np.uint32, np.uint32]
    assert table.pages.size == CODE_POINTS // 256
    assert table.entries.size % 256 == 0
    assert set(table.pages.tolist()) == set(range(0, table.entries.size, 256))
    assert fold_table() is table


def test_expansions_lie_inside_and_never_nest() -> None:
    table = fold_table()
    entries = table.entries[table.entries & EXPANSION == EXPANSION]
    starts, lengths = entries & OFFSET, entries >> 24
    assert entries.size > 10_000
    assert lengths.min() >= 2
    assert (starts + lengths).max() <= table.expansions.size
    assert not np.any(table.expansions & EXPANSION == EXPANSION)
    assert not np.any(table.expansions == SKIP)


@pytest.mark.parametrize(
    ("char", "entries"),
    [
        ("a", [ord("a")]),
        ("A", [ord("a")]),
        ("\uff21", [ord("a")]),
        ("7", [ord("7") | NUMBER]),
        ("\u0667", [0x667 | NUMBER]),
        ("\u2167", [ord("v"), *[ord("i")] * 3]),  # a Roman numeral folds to letters
        ("\u3007", [0x3007 | NUMBER]),
        ("\u6771", [0x6771 | ALONE]),
        ("\u0e01", [0xE01 | ALONE]),
        ("\u0301", [0x301 | MARK | 230 << 24]),
        ("\u20dd", [0x20DD | MARK]),
        ("\u00e9", [ord("e"), 0x301 | MARK | 230 << 24]),
        ("\u00df", [ord("s"), ord("s")]),
        ("\u0130", [ord("i"), 0x307 | MARK | 230 << 24]),
        ("\uff8a", [0x30CF | ALONE]),
        ("\u33a5", [ord("m"), ord("3") | NUMBER]),
        ("\ufb01", [ord("f"), ord("i")]),
        (" ", [SEPARATOR]),
        ("\0", [SEPARATOR]),
        ("_", [SEPARATOR]),
        ("\U0001f600", [SEPARATOR]),
        ("\ue000", [SEPARATOR]),  # private use
        ("\ud7ff", [SEPARATOR]),  # not assigned
        ("\u00ad", [SKIP]),
        ("\ufe0f", [SKIP]),
        ("\U000e0041", [SKIP]),
    ],
)
def test_entries_by_hand(char: str, entries: list[int]) -> None:
    assert meaning(fold_table(), char) == entries


def test_ignorable_characters_are_skipped_and_nothing_else_is() -> None:
    table = fold_table()
    every = table.entries.reshape(-1, 256)[table.pages // 256].reshape(-1)
    skipped = set(np.flatnonzero(every == SKIP).tolist())
    assert skipped == {cp for first, last in IGNORABLE for cp in range(first, last + 1)}
    assert skipped == {cp for cp in range(CODE_POINTS) if naive.IGNORABLE.fullmatch(chr(cp))}


def test_scripts_without_spaces_stand_alone() -> None:
    table = fold_table()
    for char in "\u4e00\u3042\u30a2\u3105\ua000\U00017000\u0e01\u0e81\u1780\u1000":
        assert unicodedata2.name(char).startswith(SPACELESS)
        assert entry(table, char) & EXPANSION == ALONE
    for char in "aя\u05d0\u0627\u0915\uac00\u1200":
        assert not any(one & ALONE for one in meaning(table, char))


@pytest.mark.parametrize(
    ("char", "folded"),
    [("\u1e9e", "ss"), ("\u03c2", "\u03c3"), ("\u212b", "a\u030a"), ("\u0149", "\u02bcn"), ("\uff76", "\u30ab")],
)
def test_fold_character_by_hand(char: str, folded: str) -> None:
    assert fold_character(char, unicodedata) == fold_character(char, unicodedata2) == folded


def test_folding_twice_is_folding_once() -> None:
    for char in assigned():
        folded = fold_character(char, unicodedata)
        assert "".join(fold_character(one, unicodedata) for one in folded) == folded


@pytest.mark.xfail(strict=True, reason="the table is built with the case folding of the Python at hand, Unicode 14's")
def test_case_pairs_newer_than_the_building_python_fold() -> None:
    # LATIN CAPITAL LETTER RAMS HORN, Unicode 16; its small letter is as old as Unicode 1.1
    assert tokenize_text("\ua7cb").tolist() == tokenize_text("\u0264").tolist()


@pytest.mark.xfail(strict=True, reason="U+0345 folds to a letter before marks behind it are put in canonical order")
def test_iota_subscript_in_any_order_is_canonically_equivalent() -> None:
    assert unicodedata.normalize("NFC", "\u1fb3\u0301") == "\u1fb4"
    assert tokenize_text("\u1fb3\u0301").tolist() == tokenize_text("\u1fb4").tolist()
