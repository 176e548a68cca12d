"""Bytes of blocks in; counts of kinds of character, and from them what a block looks like among its neighbours, out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import F32, F64, I32, I64, U8, U64
from dedup.kernels.compile import helper, inline, kernel
from dedup.kernels.masks import STRIDE, between
from dedup.kernels.mixing import lowest_bit, ones
from dedup.kernels.tokens import ALL_BITS, BEYOND_ASCII, ONE, TWO_BYTES, ZERO, code_point, eight_bytes

# kinds of character, as numbered in the table of ``dedup.unicode``
(
    OTHER, SPACE, LOWER, UPPER, CASELESS, DIGIT, MARK, IDEOGRAPH, COMMA, STOP, WIDE_STOP, COLON, SEPARATOR, QUOTE,
    CLOSE, SKIP,
) = range(16)  # fmt: skip
KINDS = 16
LAST_TABLED = np.uint32(65536)  # the entry of the table for all code points beyond it
SUPPLEMENT = np.uint32(0x20000)  # ideographs from here ...
SUPPLEMENT_END = np.uint32(0x32000)  # ... to there

# columns of the counts; beyond ASCII the first eight are counted together, a byte of a word each
(
    LETTERS, LOWERS, UPPERS, CASELESSES, NUMBERS, COMMAS, STOPS, SEPARATORS, CHARS, IDEOGRAPHS, SYMBOL_FIRST, ENDS,
    DOTS, COLON_LAST,
) = range(14)  # fmt: skip
COLUMNS = 14
PACKED = 8
FULL = 255  # characters after which the bytes of the word may be full
FULL_STOP, ELLIPSIS = np.uint32(0x2E), np.uint32(0x2026)


def transitions() -> U64:
    """Build uint64[256]: what a character of one kind after one of another adds to the packed counts."""
    table = np.zeros((KINDS, KINDS), np.uint64)
    for before in range(KINDS):
        inside = LOWER <= before <= MARK
        for kind in range(KINDS):
            counted = []
            if LOWER <= kind <= MARK:
                counted.append(LETTERS)
            if kind in {LOWER, UPPER, CASELESS, DIGIT} and not inside:
                counted.append({LOWER: LOWERS, UPPER: UPPERS, CASELESS: CASELESSES, DIGIT: NUMBERS}[kind])
            if kind == COMMA:
                counted.append(COMMAS)
            if kind == WIDE_STOP or (before == STOP and kind in {SPACE, QUOTE}):
                counted.append(STOPS)
            if kind == SEPARATOR:
                counted.append(SEPARATORS)
            table[before, kind] = sum(1 << 8 * column for column in counted)
    return table.reshape(-1)


TRANSITIONS = transitions()


@helper
def kind_of(kinds: U8, cp: np.uint32) -> np.uint8:
    """Return the kind of a code point."""
    if cp < LAST_TABLED:
        return kinds[cp]
    return np.uint8(IDEOGRAPH) if cp >= SUPPLEMENT and cp < SUPPLEMENT_END else kinds[LAST_TABLED]


@helper
def note_ends(data: U8, lo: np.uint64, hi: np.uint64, kinds: U8, row: I32) -> None:
    """Note how a block begins and how it ends, closing quotation marks and brackets aside."""
    first = np.uint32(data[lo])
    if data[lo] >= TWO_BYTES:
        first, _ = code_point(data, lo, data[lo])
    kind = kind_of(kinds, first)
    row[SYMBOL_FIRST] = kind == OTHER or (kind >= COMMA and kind <= SEPARATOR)
    full_stops = 0
    p = hi
    while p > lo:
        p -= np.uint64(1)
        while p > lo and data[p] & np.uint8(0xC0) == np.uint8(0x80):
            p -= np.uint64(1)
        cp = np.uint32(data[p])
        if data[p] >= TWO_BYTES:
            cp, _ = code_point(data, p, data[p])
        kind = kind_of(kinds, cp)
        if full_stops == 1:
            row[DOTS] = cp == FULL_STOP
            break
        if kind != SPACE and kind != QUOTE and kind != CLOSE and kind != SKIP:
            row[ENDS] = kind == STOP or kind == WIDE_STOP
            row[COLON_LAST] = kind == COLON
            row[DOTS] = cp == ELLIPSIS
            if cp != FULL_STOP:
                break
            full_stops = 1


@kernel
def count_characters(
    data: U8, doc_bounds: I64, block_bounds: I64, starts: I64, ends: I64, kinds: U8, transitions: U64, counts: I32
) -> None:
    """Count what ``n`` blocks are made of.

    Args:
        data: uint8, valid UTF-8 of the documents.
        doc_bounds: int64[docs + 1], where each document begins in ``data``.
        block_bounds: int64[docs + 1], where each document's blocks begin.
        starts: int64[n], first byte of each block, counted from the start of its document. ``ends`` likewise.
        ends: see ``starts``.
        kinds: uint8[65537], kind of each code point, see ``dedup.unicode``.
        transitions: uint64[256], see there.
        counts: int32[n, COLUMNS], all zero; filled: letters and digits; words that begin with a small letter, a
            capital, a letter without case, a digit; commas, stops (before white space, a quotation mark or the end),
            separators; characters, ideographs; whether the block begins with a symbol, ends with a stop, with dots,
            with a colon.
    """
    last_whole = data.size - STRIDE
    for doc in range(block_bounds.size - 1):
        for block in range(block_bounds[doc], block_bounds[doc + 1]):
            lo, hi = np.uint64(doc_bounds[doc] + starts[block]), np.uint64(doc_bounds[doc] + ends[block])
            if lo == hi:
                continue
            row = counts[block]
            chars, ideographs = 0, 0
            letters, lowers, uppers, numbers, commas, stops, separators = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
            before = SPACE * KINDS
            p = lo
            while p < hi:
                if np.int64(p) <= last_whole and eight_bytes(data, p) & BEYOND_ASCII == ZERO:
                    # what stands before the next character beyond ASCII, 64 at the most
                    base = int(np.int64(p))
                    size = min(int(np.int64(lowest_bit(between(data, base, 0x80, 0xFF)))), int(np.int64(hi)) - base)
                    taken = ALL_BITS >> np.uint64(STRIDE - size)
                    small, capital = between(data, base, 97, 122) & taken, between(data, base, 65, 90) & taken
                    digit = between(data, base, 48, 57) & taken
                    blank = (between(data, base, 9, 13) | between(data, base, 28, 32)) & taken
                    inside = small | capital | digit
                    kind = before // KINDS
                    carried = np.uint64(kind >= LOWER and kind <= MARK)
                    begins = inside & ~(inside << ONE | carried)
                    letters += ones(inside)
                    lowers += ones(begins & small)
                    uppers += ones(begins & capital)
                    numbers += ones(begins & digit)
                    stop, quote = ZERO, ZERO
                    signs = taken & ~(inside | blank)
                    while signs != ZERO:
                        at = lowest_bit(signs)
                        kind = int(kinds[data[p + at]])
                        commas += np.uint64(kind == COMMA)
                        separators += np.uint64(kind == SEPARATOR)
                        stop |= np.uint64(kind == STOP) << at
                        quote |= np.uint64(kind == QUOTE) << at
                        signs &= signs - ONE
                    stops += ones((stop << ONE | np.uint64(before == STOP * KINDS)) & (blank | quote))
                    chars += size
                    p += np.uint64(size)
                    before = int(kinds[data[p - ONE]]) * KINDS
                    continue
                packed = np.uint64(0)
                end = min(hi, p + np.uint64(FULL))
                while p < end:
                    c = data[p]
                    if c < TWO_BYTES:
                        if np.int64(p) <= last_whole and eight_bytes(data, p) & BEYOND_ASCII == ZERO:
                            break
                        kind = int(kinds[c])
                        p += ONE
                    else:
                        cp, p = code_point(data, p, c)
                        kind = int(kind_of(kinds, cp))
                        ideographs += kind == IDEOGRAPH
                        if kind == SKIP:
                            continue
                    packed += transitions[before | kind]
                    before = kind * KINDS
                    chars += 1
                for column in range(PACKED):
                    row[column] += np.int32(packed >> np.uint64(8 * column) & np.uint64(255))
            row[LETTERS] += np.int32(letters)
            row[LOWERS] += np.int32(lowers)
            row[UPPERS] += np.int32(uppers)
            row[NUMBERS] += np.int32(numbers)
            row[COMMAS] += np.int32(commas)
            row[STOPS] += np.int32(stops) + (before == STOP * KINDS)
            row[SEPARATORS] += np.int32(separators)
            row[CHARS], row[IDEOGRAPHS] = chars, ideographs
            note_ends(data, lo, hi, kinds, row)


# what a block looks like, in the order of the coefficients; words are runs of letters and digits, and half an ideograph
SHAPE = (
    "length",  # ln(1 + characters), an ideograph counting 3
    "length_beyond_25",  # the same beyond 25 characters
    "letters_per_word",  # at most 12, a word of ideographs counting 5
    "lower_case",  # share of words in small letters times ln(1 + words); .6 of words without case count
    "commas",  # at most 4
    "capitals",  # share of words that begin with a capital
    "ends",  # ends with a stop, and not with dots
    "ends_with_colon",
    "page_words",  # ln(1 + words of the document)
    "page_sentences",  # share of the document's words in blocks that end with a stop, squared
    "against_page",  # ln(1 + words) less ln(1 + mean words of the document's blocks)
    "above",  # ln(1 + blocks above)
    "below",  # ln(1 + blocks below)
    "through_text",  # share of the words in sentences that stand above the block's middle
    "in_the_middle",  # q (1 - q) of it
    "text_above",  # ln(1 + words in sentences above)
    "text_below",
    "between_texts",  # the smaller of the two
    "far_from_text",  # product of ln(distance in blocks) to the next long sentences above and below
    "uneven",  # difference of ln(1 + words) to the block above, and to that below
    "around",  # ln(1 + mean words of the blocks around, 8 each way)
    "stops_around",  # stops a word, 3 blocks each way
)
FEATURES = 22
# and what it is in its document
PAGE = (
    "odds",  # of the shape, at most 8 either way
    "mean_odds",  # of the document's mean probability, weighted by words
    "best_odds",  # the highest in the document, at least 0
    "in_best_run",  # in the run of blocks where the sum of (probability - .6 mean probability) x words is largest
)
SENTENCE, LONG_SENTENCE = 5, 12  # words of a block that ends with a stop
FARTHEST = 20  # blocks to the next sentence, at most
AROUND, NEAR = 8, 3
TABLED = 2048  # halves whose logarithms are kept at hand


@helper
def log_table() -> F64:
    """Return logarithms, float64: of what is looked up most, they take most of the time."""
    logs = np.empty(TABLED)
    for k in range(TABLED):
        logs[k] = np.log(1.0 + k / 2)
    return logs


@inline
def log_of(count: float, logs: F64) -> float:
    """Return the logarithm of 1 and a count, whole or half, of no less than 0."""
    k = int(2 * count)
    return logs[k] if k < TABLED else np.log(1.0 + count)


@helper
def within(sums: F64, i: int, n: int, reach: int) -> float:
    """Return what ``sums`` (running, [n + 1]) grew by in the blocks within ``reach`` of block ``i``."""
    return sums[min(n, i + reach + 1)] - sums[max(0, i - reach)]


@helper
def likely_words(words: np.float32, odds: np.float32) -> float:
    """Return how many of a block's words are content, by its log-odds to be."""
    return words / (1.0 + np.exp(-odds))


@kernel
def shape_features(counts: I32, block_bounds: I64, words: F32, features: F32) -> None:
    """Say what ``n`` blocks look like in their documents, see ``SHAPE``.

    Args:
        counts: int32[n, COLUMNS], see ``count_characters``.
        block_bounds: int64[docs + 1], where each document's blocks begin.
        words: float32[n], filled: words of each block.
        features: float32[n, FEATURES], filled.
    """
    longest = 0
    for doc in range(block_bounds.size - 1):
        longest = max(longest, block_bounds[doc + 1] - block_bounds[doc])
    sums, stops, mass = np.zeros(longest + 1), np.zeros(longest + 1), np.zeros(longest + 1)
    logs, gaps, table = np.zeros(longest + 2), np.zeros(longest + 1), log_table()
    for doc in range(block_bounds.size - 1):
        first = block_bounds[doc]
        n = block_bounds[doc + 1] - first
        gap = FARTHEST
        logs[0] = 0.0
        logs[n + 1] = 0.0
        for i in range(n):
            row = counts[first + i]
            own = row[LOWERS] + row[UPPERS] + row[CASELESSES] + row[NUMBERS] + row[IDEOGRAPHS] / 2
            words[first + i] = own
            ends = row[ENDS] and not row[DOTS]
            sums[i + 1], stops[i + 1] = sums[i] + own, stops[i] + row[STOPS]
            mass[i + 1] = mass[i] + (own if ends and own >= SENTENCE else 0.0)
            logs[i + 1] = log_of(own, table)
            gaps[i] = log_of(gap - 1.0, table)
            gap = 1 if ends and own >= LONG_SENTENCE else min(gap + 1, FARTHEST)
        gap = FARTHEST
        total, text = sums[n], mass[n]
        log_total, log_mean = np.log(1.0 + total), np.log(1.0 + total / n)
        for i in range(n - 1, -1, -1):
            row, out = counts[first + i], features[first + i]
            own = float(words[first + i])
            one = max(own, 1.0)
            ends = row[ENDS] and not row[DOTS]
            length = log_of(float(row[CHARS] + 2 * row[IDEOGRAPHS]), table)
            lower = row[LOWERS] + 0.6 * (row[CASELESSES] + row[IDEOGRAPHS] / 2)
            above, below = mass[i], text - mass[i + 1]
            through = (above + (mass[i + 1] - mass[i]) / 2) / max(text, 1.0)
            out[0], out[1] = length, max(length - np.log(26.0), 0.0)
            out[2] = min(12.0, (row[LETTERS] + 2.5 * row[IDEOGRAPHS]) / one)
            out[3], out[4], out[5] = lower / one * logs[i + 1], min(row[COMMAS], 4), row[UPPERS] / one
            out[6], out[7] = ends, row[COLON_LAST]
            out[8], out[9] = log_total, (text / max(total, 1.0)) ** 2
            out[10] = logs[i + 1] - log_mean
            out[11], out[12] = log_of(float(i), table), log_of(n - 1.0 - i, table)
            out[13], out[14] = through, through * (1 - through)
            out[15], out[16] = log_of(above, table), log_of(below, table)
            out[17] = min(out[15], out[16])
            out[18] = gaps[i] * log_of(gap - 1.0, table)
            out[19] = abs(logs[i + 1] - logs[i]) + abs(logs[i + 1] - logs[i + 2])
            out[20] = np.log(1.0 + within(sums, i, n, AROUND) / (min(n, i + AROUND + 1) - max(0, i - AROUND)))
            out[21] = within(stops, i, n, NEAR) / max(within(sums, i, n, NEAR), 1.0)
            gap = 1 if ends and own >= LONG_SENTENCE else min(gap + 1, FARTHEST)


@kernel
def page_features(odds: F32, words: F32, block_bounds: I64, features: F32) -> None:
    """Say what ``n`` blocks are in their documents, once it is known what each looks like.

    Args:
        odds: float32[n], log-odds of each block to be content.
        words: float32[n], its words.
        block_bounds: int64[docs + 1], where each document's blocks begin.
        features: float32[n, 4], filled, see ``PAGE``.
    """
    inverse = np.empty(1024)
    for doc in range(block_bounds.size - 1):
        first, end = block_bounds[doc], block_bounds[doc + 1]
        likely, total, best = 0.0, 0.0, 0.0
        if end - first > inverse.size:
            inverse = np.empty(2 * (end - first))
        for i in range(first, end):
            z = min(8.0, max(-8.0, float(odds[i])))
            weight = words[i] + 0.5
            inverse[i - first] = 1.0 + np.exp(-z)  # of the probability
            likely += weight / inverse[i - first]
            total += weight
            best = max(best, z)
            features[i, 0] = z
        mean = likely / max(total, 0.5)
        run, most, start, run_start, run_end = 0.0, 0.0, first, first, first
        for i in range(first, end):
            if run <= 0.0:
                run, start = 0.0, i
            run += (1.0 / inverse[i - first] - 0.6 * mean) * (words[i] + 0.5)
            if run > most:
                most, run_start, run_end = run, start, i + 1
        for i in range(first, end):
            features[i, 1], features[i, 2] = np.log((mean + 0.01) / (1.01 - mean)), best
            features[i, 3] = i >= run_start and i < run_end
