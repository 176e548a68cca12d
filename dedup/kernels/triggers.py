"""UTF-8 bytes of blocks in; which of them hold bytes that a placeholder cannot do without, out.

Bytes that may be part of such a trigger are searched for 64 at a time; each is then held against the triggers that
have it.
"""

from __future__ import annotations

import numpy as np

from dedup.arrays import I64, U8, U32, U64, Bool
from dedup.kernels.compile import helper, kernel
from dedup.kernels.masks import STRIDE, between, equal, roomy
from dedup.kernels.mixing import lowest_bit
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
ZERO, ONE, LAST = np.uint64(0), np.uint64(1), np.uint64(1 << 63)
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
        behind = trigger[at + 1 : at + 2]
        seconds[classes.get(behind[0], c == behind[0]) if behind else c >= 0] |= bit
    return np.searchsorted(found_by, np.arange(257)), firsts, seconds


# A trigger is found by its first byte, one that begins beyond ASCII by its second.
SORTED = sorted((trigger.encode() for trigger in TRIGGERS), key=lambda data: data[data[0] >= BEYOND])
BEGINS, FIRSTS, SECONDS = table(SORTED, [int(data[0] >= BEYOND) for data in SORTED])
VALUES, MASKS = words(SORTED)
SORTED_OPENERS = sorted(opener.encode() for opener in OPENERS)
OPENER_BEGINS, OPENER_FIRSTS, OPENER_SECONDS = table(SORTED_OPENERS, [0] * len(SORTED_OPENERS))
OPENER_VALUES, OPENER_MASKS = words(SORTED_OPENERS)


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
    data = roomy(data)
    n = starts.size
    for i in range(n):
        flags[i] = False
        p, end = starts[i], ends[i]
        while p < end:
            if OPENER_FIRSTS[data[p]] & OPENER_SECONDS[data[min(p + 1, data.size - 1)]]:
                word = trigger_at(data, p, end)
                for row in range(OPENER_BEGINS[data[p]], OPENER_BEGINS[data[p] + 1]):
                    flags[i] |= word & OPENER_MASKS[row] == OPENER_VALUES[row]
            # behind a marker too, but only once
            p = p + 2 if p == starts[i] and p + 2 < end and data[p + 1] == 32 else end
    i = 0
    first, last = (starts[0], ends[n - 1]) if n > 0 else (0, 0)
    carried = ZERO
    for base in range(first, last, STRIDE):
        # L N T X, where one of B K O S X o follows, or what does stands behind these 64
        x = equal(data, base, 88)
        behind = equal(data, base, 66) | equal(data, base, 75) | equal(data, base, 79) | equal(data, base, 83) | x
        behind |= equal(data, base, 111)
        bits = equal(data, base, 76) | equal(data, base, 78) | equal(data, base, 84) | x
        bits &= behind >> ONE | LAST
        # # before a capital, % and _ twice, < [ {
        percent, line = equal(data, base, 37), equal(data, base, 95)
        bits |= equal(data, base, 35) & (between(data, base, 65, 90) >> ONE | LAST)
        bits |= percent & (percent >> ONE | LAST) | line & (line >> ONE | LAST)
        bits |= equal(data, base, 60) | equal(data, base, 91) | equal(data, base, 123)
        # the second bytes of three
        leads = between(data, base, 0xE2, 0xEF)
        threes = leads << ONE | carried
        carried = leads >> np.uint64(63)
        if threes != ZERO:
            seconds = equal(data, base, 0x80) | between(data, base, 0x96, 0x97)
            bits |= threes & (seconds | equal(data, base, 0xBC) | equal(data, base, 0xBE))
        while bits != ZERO:
            p = base + int(np.int64(lowest_bit(bits)))
            bits &= bits - ONE
            if p + 1 >= last or not FIRSTS[data[p]] & SECONDS[data[p + 1]]:
                continue
            while ends[i] <= p:
                i += 1
            if p + 1 >= ends[i]:
                continue
            begin = p - int(data[p] >= BEYOND)
            if begin >= starts[i] and not flags[i]:
                word = trigger_at(data, begin, ends[i])
                for row in range(BEGINS[data[p]], BEGINS[data[p] + 1]):
                    flags[i] |= word & MASKS[row] == VALUES[row]
