"""The fold table: for each code point, what a tokeniser should see instead of it.

Folding is NFKD over full case folding (Unicode D146, compatibility caseless matching), so that upper and lower
case, full and half width, composed and decomposed spellings of a word become one sequence of code points.
The table is data: it ships as ``fold.npz`` and is rebuilt by ``python -m dedup.unicode`` when Unicode moves on.

Entry (uint32): 0 separates tokens; 1 is skipped; otherwise bits 0-20 hold the folded code point, bit 21 marks
digits and other numbers, bit 22 a character that is a token by itself, bit 23 a combining mark, whose combining
class stands in bits 24-31. Bits 22 and 23 together mean: bits 0-20 are an offset into ``expansions``, bits 24-31
how many entries to take from there.
"""

from __future__ import annotations

import functools
import importlib.resources
from types import ModuleType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CODE_POINTS = 0x110000
SEPARATOR = 0
SKIP = 1
SURROGATES = range(0xD800, 0xE000)
NUMBER = 1 << 21
ALONE = 1 << 22
MARK = 1 << 23
EXPANSION = ALONE | MARK

# Default_Ignorable_Code_Point (Unicode 16, DerivedCoreProperties): invisible, removed by NFKC_Casefold.
IGNORABLE = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
# Scripts written without spaces between words, by the prefix of their letters' Unicode names.
SPACELESS = (
    "CJK ", "IDEOGRAPHIC ", "HIRAGANA ", "KATAKANA ", "KATAKANA-HIRAGANA ", "HENTAIGANA ", "BOPOMOFO ", "YI SYLLABLE ",
    "TANGUT ", "NUSHU ", "KHITAN ", "THAI ", "LAO ", "KHMER ", "MYANMAR ", "TAI LE ", "NEW TAI LUE ", "TAI THAM ",
    "TAI VIET ", "BALINESE ", "JAVANESE ",
)  # fmt: skip


# Kinds of character that tell text from navigation, in the order of ``dedup.kernels.shape``.
PUNCTUATION = {
    "comma": ",;，、；،؛",
    "stop": ".!?…．؟।",
    "wide_stop": "。！？｡",
    "colon": ":：",
    "separator": "|›→←‹•·></\\▶►▼▲★☆✓✔■●○◆–—_=+*#~",
    "quote": "\"'“”‘’„«»",
    "close": ")]）」』",
}
FIRST_PUNCTUATION = 8


class FoldTable(NamedTuple):
    """The two-stage table that the tokeniser reads.

    Attributes:
        pages: int32[4352], for each block of 256 code points the offset of its page in ``entries``.
        entries: uint32, pages of 256 entries.
        expansions: uint32, entries of code points that fold to several.
    """

    pages: npt.NDArray[np.int32]
    entries: npt.NDArray[np.uint32]
    expansions: npt.NDArray[np.uint32]


@functools.cache
def fold_table() -> FoldTable:
    """Return the shipped table."""
    with importlib.resources.files(__package__).joinpath("fold.npz").open("rb") as file, np.load(file) as data:
        return FoldTable(data["pages"], data["entries"], data["expansions"])


def fold_character(char: str, unicodedata: ModuleType) -> str:
    """Fold one character: NFKD(casefold(NFKD(casefold(NFD(char)))))."""
    text = unicodedata.normalize("NFD", char)
    for _ in range(2):
        text = unicodedata.normalize("NFKD", text.casefold())
    return str(text)


def build_fold_table(unicodedata: ModuleType) -> FoldTable:
    """Build the table from a Unicode database (the standard ``unicodedata`` module or one of its interface)."""
    ignorable = {cp for first, last in IGNORABLE for cp in range(first, last + 1)}

    def entry(char: str) -> int:
        category = unicodedata.category(char)
        if category[0] == "M":
            return ord(char) | MARK | int(unicodedata.combining(char)) << 24
        if category[0] == "N":
            return ord(char) | NUMBER
        if category[0] != "L":
            return SEPARATOR
        return ord(char) | (ALONE if unicodedata.name(char, "").startswith(SPACELESS) else 0)

    table = np.zeros(CODE_POINTS, np.uint32)
    expansions: list[int] = []
    for cp in range(CODE_POINTS):
        if cp in ignorable:
            table[cp] = SKIP
        elif cp in SURROGATES or unicodedata.category(chr(cp)) == "Cn":
            continue
        else:
            folded = [entry(char) for char in fold_character(chr(cp), unicodedata) if ord(char) not in ignorable]
            if len(folded) == 1:
                table[cp] = folded[0]
            elif any(folded):
                table[cp] = EXPANSION | len(expansions) | len(folded) << 24
                expansions += folded
    pages, inverse = np.unique(table.reshape(-1, 256), axis=0, return_inverse=True)
    return FoldTable(
        inverse.reshape(-1).astype(np.int32) * 256, pages.reshape(-1), np.array(expansions, dtype=np.uint32)
    )


def build_kinds(fold: FoldTable, unicodedata: ModuleType) -> npt.NDArray[np.uint8]:
    """Build uint8[65537]: the kind of each code point, see ``dedup.kernels.shape``; the last is for all others."""
    letters = {"Ll": 2, "Lu": 3, "Lt": 3}
    punctuation = {char: FIRST_PUNCTUATION + k for k, chars in enumerate(PUNCTUATION.values()) for char in chars}

    def kind(char: str) -> int:
        if char in punctuation:
            return punctuation[char]
        entry = fold.entries[fold.pages[ord(char) >> 8] + (ord(char) & 0xFF)]
        category = unicodedata.category(char)
        if entry == SKIP:
            return 15
        if char.isspace():
            return 1
        if entry & EXPANSION == EXPANSION and category[0] == "L":  # a letter and its marks, taken apart
            entry = fold.expansions[entry & ((1 << 21) - 1)]
        if entry & EXPANSION == ALONE:
            return 7
        return letters.get(category) or {"L": 4, "N": 5, "M": 6}.get(category[0], 0)

    return np.array([0 if cp in SURROGATES else kind(chr(cp)) for cp in range(1 << 16)] + [0], np.uint8)


@functools.cache
def character_kinds() -> npt.NDArray[np.uint8]:
    """Return the shipped table of kinds of character."""
    with importlib.resources.files(__package__).joinpath("kinds.npz").open("rb") as file, np.load(file) as data:
        kinds: npt.NDArray[np.uint8] = data["kinds"]
        return kinds


if __name__ == "__main__":
    import pathlib

    import unicodedata2

    built = build_fold_table(unicodedata2)
    np.savez_compressed(pathlib.Path(__file__).with_name("fold.npz"), **built._asdict())
    np.savez_compressed(pathlib.Path(__file__).with_name("kinds.npz"), kinds=build_kinds(built, unicodedata2))
    print(f"Unicode {unicodedata2.unidata_version}: {built.entries.size} entries, {built.expansions.size} expansions")
