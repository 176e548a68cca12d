"""UTF-8 bytes of blocks in; which of them hold bytes that a placeholder cannot do without, out.

Bytes that may be part of such a trigger are searched for 64 at a time, a loop that vectorises; each is then held
against the triggers that have it.
"""

from __future__ import annotations

import numpy as np

from dedup.arrays import I64, U8, U32, U64, Bool
from dedup.kernels.compile import helper, kernel
from dedup.kernels.mixing import STRIDE, lowest_bit, pack
from dedup.kernels.tokens import last_bytes

# One of TRIGGERS stands in every text that holds a placeholder, or one of OPENERS begins it, behind a marker of one
# character and a space or not. None is longer than eight bytes. \1 is a letter of ASCII or any byte beyond it, \2 a
# capital letter of ASCII, each as the second.
TRIGGERS = (
    "[\1", "{\1", "{{", "{%", "<\2", "<!", "%%", "#\2", "__", "XX", "TODO", "TBD", "TKTK", "NSERT", "Lorem", "LOREM",
    "【", "〇", "○", "◯", "△", "待补", "待補", "待填", "待定", "待确", "待確", "待核",
    "（此", "（这", "（這", "（插", "（要", "（こ", "（図", "（写", "（画",
    "［此", "［这", "［這", "［在", "［插", "［こ", "［写", "［画", "［図", "［要", "［氏", "［会", "［店", "［日",
    "［商", "［名", "［金", "［担", "［姓", "［城",
)  # fmt: skip
OPENERS = (
    "(", "Insert ", "Hier ", "Blindtex", "Platzhal", "Placehol", "Texto de", "Faux tex", "Testo se", "Текс", "PENDIENT",
    "PENDENTE", "DA FARE", "À FAIRE", "A FAIRE", "ERLEDIGE",
)  # fmt: skip
WORD, CAPITAL = 1, 2
BEYOND = 0x80


def words(triggers: list[bytes]) -> tuple[U64, U64]:
    """Return triggers as numbers, the first byte lowest, and which of their bits count."""
    exact = [bytes(c if c > CAPITAL else 0 for c in trigger) for trigger in triggers]
    counting = [bytes(0xFF if c > CAPITAL else 0 for c in trigger) for trigger in triggers]
    values, masks = ([int.from_bytes(data, "little") for data in each] for each in (exact, counting))
    return np.array(values, np.uint64), np.array(masks, np.uint64)


def table(triggers: list[bytes], places: list[int]) -> tuple[I64, U32, U32]:
    """Return how triggers, sorted by the bytes in some place of each, are found by those bytes.

    Returns:
        int64[257], the first trigger of each byte; uint32[256] and uint32[256], bits that a byte and the one behind it
        share if a trigger has both.
    """
    c = np.arange(256)
    capital = (c >= ord("A")) & (c <= ord("Z"))
    word = capital | ((c >= ord("a")) & (c <= ord("z"))) | (c >= BEYOND)
    classes = {WORD: word, CAPITAL: capital}
    found_by = [trigger[at] for trigger, at in zip(triggers, places, strict=True)]
    distinct = sorted(set(found_by))
    firsts, seconds = np.zeros(256, np.uint32), np.zeros(256, np.uint32)
    for trigger, at in zip(triggers, places, strict=True):
        bit = np.uint32(1 << distinct.index(trigger[at]))
        firsts[trigger[at]] |= bit
        seconds[classes.get(trigger[at + 1], c == trigger[at + 1])] |= bit
    return np.searchsorted(found_by, np.arange(257)), firsts, seconds


# A trigger is found by its first byte, one that begins beyond ASCII by its second.
SORTED = sorted((trigger.encode() for trigger in TRIGGERS), key=lambda data: data[data[0] >= BEYOND])
BEGINS, FIRSTS, SECONDS = table(SORTED, [int(data[0] >= BEYOND) for data in SORTED])
VALUES, MASKS = words(SORTED)
OPENER_VALUES, OPENER_MASKS = words([opener.encode() for opener in OPENERS])
OPENS = np.isin(np.arange(256), [opener.encode()[0] for opener in OPENERS])


@helper
def trigger_at(data: U8, p: int, end: int) -> np.uint64:
    """Return up to eight bytes from ``p`` on, before ``end``, as a number, the first lowest, zeros behind them."""
    return last_bytes(data, np.uint64(p), np.uint64(min(end, p + 8)))


@kernel
def flag_triggers(data: U8, starts: I64, ends: I64, flags: Bool) -> None:
    """Mark the spans that may hold a placeholder.

    Args:
        data: uint8, valid UTF-8.
        starts: int64[n], first byte of each span, ascending; spans do not overlap.
        ends: int64[n], the byte after its last.
        flags: bool[n], filled.
    """
    found = np.zeros(STRIDE, np.uint8)
    eights = found.view(np.uint64)
    n = starts.size
    i, opened = 0, 0
    base, last = (starts[0], ends[n - 1]) if n > 0 else (0, 0)
    while base < last or opened < n:
        if base + STRIDE <= data.size:
            part = data[base : base + STRIDE]
            for k in range(STRIDE):
                c = part[k]
                # # $ %, X to _, and < L N T {
                signs = (np.uint8(c - np.uint8(35)) < np.uint8(3)) | (np.uint8(c - np.uint8(88)) < np.uint8(8))
                signs |= (c == np.uint8(60)) | (c == np.uint8(76)) | (c == np.uint8(78)) | (c == np.uint8(84))
                beyond = (c == np.uint8(0x80)) | (c == np.uint8(0x96)) | (c == np.uint8(0x97)) | (c == np.uint8(0xBC))
                found[k] = signs | (c == np.uint8(123)) | beyond | (c == np.uint8(0xBE))
        else:
            for k in range(STRIDE):
                found[k] = base + k < data.size
        while opened < n and starts[opened] < base + STRIDE:
            p, end = starts[opened], ends[opened]
            flags[opened] = False
            while p < end:
                if OPENS[data[p]]:
                    word = trigger_at(data, p, end)
                    for row in range(OPENER_VALUES.size):
                        flags[opened] |= word & OPENER_MASKS[row] == OPENER_VALUES[row]
                # behind a marker too, but only once
                p = p + 2 if p == starts[opened] and p + 2 < end and data[p + 1] == 32 else end
            opened += 1
        bits = pack(eights)
        while bits != np.uint64(0):
            p = base + int(np.int64(lowest_bit(bits)))
            bits &= bits - np.uint64(1)
            while i < opened and ends[i] <= p:
                i += 1
            if i == opened or p + 1 >= ends[i] or not FIRSTS[data[p]] & SECONDS[data[p + 1]]:
                continue
            first = p - int(data[p] >= BEYOND)
            if first >= starts[i] and not flags[i]:
                word = trigger_at(data, first, ends[i])
                for row in range(BEGINS[data[p]], BEGINS[data[p] + 1]):
                    flags[i] |= word & MASKS[row] == VALUES[row]
        base += STRIDE
