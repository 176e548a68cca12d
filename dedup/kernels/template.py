"""Token hashes of blocks in; template keys out: equal where blocks differ in dates, numbers and titles only."""

from __future__ import annotations

import numpy as np

from dedup.arrays import I32, I64, U8, U16, U64, Bool
from dedup.kernels.compile import helper, inline, kernel
from dedup.kernels.mixing import K_FIRST, K_LENGTH, mix64

# what a word may be; a word may be several things
DATE = np.uint16(1)  # name of a month or a day
AFTER_NUMBER = np.uint16(2)  # unit of a date or a time, in scripts without spaces
NUMERAL = np.uint16(4)  # numeral that is a letter
WEEKDAY = np.uint16(8)  # letter that stands for a day
WEEK = np.uint16(16)  # letter of the words for week or weekday
BEFORE_NUMBER = np.uint16(32)  # half of an era's name, or of the words for morning and evening
MERIDIEM = np.uint16(64)  # what follows a time
PAGE_WORD = np.uint16(256)  # what stands beside the number of a page
NEAR = np.uint16(2 | 4 | 8 | 16 | 32 | 64)  # what is part of a date because of what stands beside it

LITERAL, NUMBER, LINK, TITLE = np.uint8(0), np.uint8(1), np.uint8(2), np.uint8(3)  # what a token is in a template
LINK_TOKEN = np.uint64(0x13198A2E03707344)  # stands for a URL or an e-mail address; even, for it is no number
SLOT = np.uint64(0xA4093822299F31D0)
SEED = np.uint64(0x082EFA98EC4E6C89)
ZERO, ONE = np.uint64(0), np.uint64(1)
LONGEST_TITLE = 64  # tokens; longer first lines are no titles
LEAST_RUN = 4  # tokens of a title that stand together before they are taken for the title; fewer in shorter titles
OPENING = 1 << 20  # place of a slot that a block begins with: the places of what follows are those without it
ROOM = 256  # slots of the table of a title's tokens
NONE = -1
TOP = 8  # blocks of a document among which its title is looked for
LEAST_TITLE = 4  # tokens of a title that is known by standing there again


@inline
def in_sieve(token: np.uint64, sieve: U64) -> np.uint64:
    """Return, in the lowest bit, whether a token may be in a table, by a small one that the nearest cache holds."""
    return sieve[token >> np.uint64(54)] >> (token >> np.uint64(48) & np.uint64(63))


@helper
def role_of(token: np.uint64, words: U64, roles: U16) -> np.uint16:
    """Look a token up in an open-addressing table; 0 for other tokens."""
    mask = np.uint64(words.size - 1)
    place = token >> np.uint64(32) & mask
    while words[place] != ZERO and words[place] != token:
        place = (place + ONE) & mask
    return roles[place]


@inline
def take_item(h: np.uint64, token: np.uint64, place: int) -> np.uint64:
    """Take a token, or SLOT, into the running hash of a template.

    A sum of hashes of what stands and where: a hash of hashes would wait for itself at each token.
    """
    item = (token ^ np.uint64(place) * K_LENGTH) * K_FIRST
    return h + (item ^ item >> np.uint64(32))


@helper
def take_items(h: np.uint64, tokens: U64, lo: int, hi: int, place: int) -> np.uint64:
    """Take the tokens from ``lo`` to ``hi`` into the running hash of a template, as ``take_item`` does."""
    offset = np.uint64(place) * K_LENGTH
    for i in range(lo, hi):
        item = (tokens[i] ^ offset) * K_FIRST
        h += item ^ item >> np.uint64(32)
        offset += K_LENGTH
    return h


@helper
def mask_dates(tokens: U64, lo: int, hi: int, words: U64, roles: U16, slots: U8) -> None:
    """Mark what belongs to a date because of what stands beside it, in ``tokens[lo:hi]``."""
    i = lo
    while i < hi:
        role = role_of(tokens[i], words, roles)
        before = i > lo and slots[i - 1] == NUMBER
        if slots[i] == LITERAL and role & NEAR != 0:
            last = role_of(tokens[i - 1], words, roles) if before else np.uint16(0)
            if before and (role & (AFTER_NUMBER | MERIDIEM) or (role & WEEKDAY and last & AFTER_NUMBER)):
                slots[i] = NUMBER
            elif role & (NUMERAL | WEEKDAY | WEEK):
                # numerals up to a unit; the word for week and a day; a day and the word for weekday
                end = i
                while end < hi and role_of(tokens[end], words, roles) & NUMERAL:
                    end += 1
                found = end > i and end < hi and role_of(tokens[end], words, roles) & AFTER_NUMBER != 0
                if not found:
                    end = i
                    while end < hi and role_of(tokens[end], words, roles) & WEEK:
                        end += 1
                    found = end > i and end < hi and role_of(tokens[end], words, roles) & WEEKDAY != 0
                if not found and role & WEEKDAY:
                    end = i + 1
                    found = end < hi and role_of(tokens[end], words, roles) & WEEK != 0 and (before or i == lo)
                if found:
                    for k in range(i, end + 1):
                        slots[k] = NUMBER
                    i = end
        i += 1
    for i in range(hi - 2, lo, -1):  # halves of eras' names, and of morning and evening, that stand before a number
        if slots[i + 1] != NUMBER or slots[i] != LITERAL or slots[i - 1] != LITERAL:
            continue
        if role_of(tokens[i], words, roles) & role_of(tokens[i - 1], words, roles) & BEFORE_NUMBER:
            slots[i] = slots[i - 1] = NUMBER


@helper
def note_title(tokens: U64, lo: int, hi: int, places: I32, following: I32, sieve: U64) -> None:
    """Enter a title's tokens into a table.

    Args:
        tokens: uint64, token hashes.
        lo: the title's first token.
        hi: the token after its last.
        places: int32[ROOM], filled: for each slot the last place in the title whose token falls there, NONE for none.
        following: int32[LONGEST_TITLE], filled: for each place the one before it in the same slot.
        sieve: uint64[1024], see ``template_keys``; their bits are set.
    """
    for slot in range(places.size):
        places[slot] = NONE
    for k in range(hi - lo):
        token = tokens[lo + k]
        slot = token & np.uint64(ROOM - 1)
        following[k] = places[slot]
        places[slot] = k
        sieve[token >> np.uint64(54)] |= ONE << (token >> np.uint64(48) & np.uint64(63))


@helper
def title_run(tokens: U64, i: int, hi: int, title: int, size: int, places: I32, following: I32) -> int:
    """Return how many tokens from ``i`` on stand in the title one behind the other, at the most."""
    longest = 0
    place = places[tokens[i] & np.uint64(ROOM - 1)]
    while place != NONE:
        run = 0
        while place + run < size and i + run < hi and tokens[title + place + run] == tokens[i + run]:
            run += 1
        longest = max(longest, run)
        place = following[place]
    return longest


@kernel
def template_keys(
    tokens: U64,
    firsts: I64,
    lasts: I64,
    block_bounds: I64,
    titles: I64,
    words: U64,
    roles: U16,
    sieve: U64,
    slots: U8,
    keys: U64,
    bare: U64,
    literals: I32,
    numbered: I32,
    paged: I32,
    echoes: U8,
) -> None:
    """Mask the slots of ``n`` blocks and hash what is left.

    Masked are links, numbers, dates, and runs of the tokens of the document's title, but in the title
    itself; slots that touch become one.

    Args:
        tokens: uint64, token hashes; the lowest bit tells of numbers.
        firsts: int64[n], each block's first token. ``lasts`` likewise, the token after its last.
        lasts: see ``firsts``.
        block_bounds: int64[docs + 1], where each document's blocks begin.
        titles: int64[docs], the block with each document's title, NONE where none is known.
        words: uint64, a power of two: open-addressing table of token hashes, 0 where free.
        roles: uint16, what each of them may be.
        sieve: uint64[1024], a bit for each value of the highest 16 of a token's that is in the table.
        slots: uint8, like ``tokens``, filled with what each token is in its template.
        keys: uint64[n], filled; 0 for blocks without a token. The lowest bit tells that hardly any literal is left.
        bare: uint64[n], filled: the same of what follows the slots that the block begins with; 0 where nothing does.
        literals: int32[n], filled with the number of tokens that are not masked.
        numbered: int32[n], filled with the number of tokens that are numbers.
        paged: int32[n], filled with the number of words that stand beside the number of a page.
        echoes: uint8[n], filled with the share of the title that stands in the block, or of the block, links aside,
            that stands in the title, whichever is less, from 0 to 255.
    """
    places, following = np.empty(ROOM, np.int32), np.empty(LONGEST_TITLE, np.int32)
    longest = 0
    for block in range(firsts.size):
        longest = max(longest, lasts[block] - firsts[block])
    telling = np.empty(longest + 1, np.int64)  # tokens of a block that may be in a slot, or stand beside one
    wide_sieve = sieve.copy()  # lets them through
    wide_sieve[LINK_TOKEN >> np.uint64(54)] |= ONE << (LINK_TOKEN >> np.uint64(48) & np.uint64(63))
    for doc in range(titles.size):
        title, size = 0, 0
        if titles[doc] != NONE:
            title = firsts[titles[doc]]
            size = lasts[titles[doc]] - title
            if size > LONGEST_TITLE:
                size = 0
        noted = size if size > 1 else 0
        if noted > 0:
            note_title(tokens, title, title + noted, places, following, wide_sieve)
        least = min(LEAST_RUN, size)
        for block in range(block_bounds[doc], block_bounds[doc + 1]):
            lo, hi = firsts[block], lasts[block]
            count = 0
            for i in range(lo, hi):
                token = tokens[i]
                slots[i] = LITERAL
                telling[count] = i
                count += int(np.int64((token | in_sieve(token, wide_sieve)) & ONE))
            near = False
            numbers, words_of_page, links = 0, 0, 0
            for i in telling[:count]:
                token = tokens[i]
                is_number = token & ONE
                slots[i] = is_number  # NUMBER or LITERAL
                numbers += int(np.int64(is_number))
                if in_sieve(token, sieve) & ONE != ZERO:
                    role = role_of(token, words, roles)
                    slots[i] |= np.uint8(role & DATE)
                    near |= role & NEAR != 0
                    words_of_page += role & PAGE_WORD != 0 and is_number == ZERO
                if token == LINK_TOKEN:
                    slots[i] = LINK
                    links += 1
            if near:
                mask_dates(tokens, lo, hi, words, roles, slots)
            echo = 0
            if noted > 0 and block != titles[doc]:
                for j in range(count - least + 1):
                    i = telling[j]
                    if telling[j + least - 1] != i + least - 1 or slots[i] == TITLE:
                        continue
                    run = title_run(tokens, i, hi, title, size, places, following)
                    if run >= least:
                        echo += run
                        for k in range(i, i + run):
                            slots[k] = TITLE
            g, left, masked, at = SEED, 0, 0, lo
            for i in telling[:count]:
                if slots[i] != LITERAL:
                    g = take_items(g, tokens, at, i, left + masked)
                    left += i - at
                    if i > at:  # else it touches the slot before, or opens the block
                        g = take_item(g, SLOT, left + masked)
                        masked += 1
                    at = i + 1
            g = take_items(g, tokens, at, hi, left + masked)
            left += hi - at
            h = take_item(g, SLOT, OPENING) if hi > lo and slots[lo] != LITERAL else g
            weak = left == 0
            keys[block] = mix64(h) & ~ONE | np.uint64(weak) if hi > lo else ZERO
            bare[block] = mix64(g) if left > 0 else ZERO
            literals[block], numbered[block], paged[block] = left, numbers, words_of_page
            most = max(size, hi - lo - links)
            echoes[block] = 255 * min(echo, most) // most if most > 0 else 0
        for i in range(title, title + noted):
            slot = tokens[i] >> np.uint64(54)
            wide_sieve[slot] = sieve[slot]
        wide_sieve[LINK_TOKEN >> np.uint64(54)] |= ONE << (LINK_TOKEN >> np.uint64(48) & np.uint64(63))


@helper
def same_but_links(tokens: U64, firsts: I64, lasts: I64, a: int, b: int) -> bool:
    """Whether the tokens of block ``b`` are those of block ``a``, and links behind them."""
    i, j = firsts[a], firsts[b]
    while i < lasts[a] and j < lasts[b] and tokens[i] == tokens[j]:
        i += 1
        j += 1
    while j < lasts[b] and tokens[j] == LINK_TOKEN:
        j += 1
    return i == lasts[a] and j == lasts[b]


@kernel
def find_repeated_tops(tokens: U64, firsts: I64, lasts: I64, block_bounds: I64, skipped: Bool, titles: I64) -> None:
    """Find titles that stand among the first blocks of their document twice, but for links, and nowhere else.

    Args:
        tokens: uint64, token hashes.
        firsts: int64[n], each block's first token. ``lasts`` likewise, the token after its last.
        lasts: see ``firsts``.
        block_bounds: int64[docs + 1], where each document's blocks begin.
        skipped: bool[n], blocks that are no titles.
        titles: int64[docs], the first heading of each document, NONE where there is none; overwritten where a title is
            found that stands before it, and the heading is not among the first blocks.
    """
    for doc in range(titles.size):
        start, end = block_bounds[doc], min(block_bounds[doc + 1], block_bounds[doc] + TOP)
        if titles[doc] != NONE and titles[doc] < end:
            continue
        found = NONE
        for a in range(start, end):
            size = lasts[a] - firsts[a]
            if found != NONE or skipped[a] or size < LEAST_TITLE or size > LONGEST_TITLE:
                continue
            for b in range(a + 1, end):
                if same_but_links(tokens, firsts, lasts, a, b):
                    found = a
        if found != NONE:
            elsewhere = False
            for b in range(end, block_bounds[doc + 1]):
                elsewhere |= same_but_links(tokens, firsts, lasts, found, b)
            if not elsewhere:
                titles[doc] = found
