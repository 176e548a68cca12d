"""Terms of documents, block by block, in; what each block says that is new, and in what words, out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import F32, I32, I64, U8, U16, U64, Bool
from dedup.kernels.compile import helper, kernel
from dedup.kernels.tables import FREE
from dedup.kernels.template import in_sieve, role_of
from dedup.kernels.terms import BUCKET_SHIFT, NUMBER, ONE, pair_of, term_key

ZERO = np.uint64(0)
# weights of terms: natural logarithms of one over the share of documents that have them
RARE, REFERENT, COMMON = 4.8, 3.5, 1.1  # more than; more than; less than
WORDS_A_TOKEN = 1 / 1.7  # of scripts without spaces
SLOT_SHIFT = np.uint64(12)

# parts that blocks take
OUT, HEARD, SCORED = np.uint8(0), np.uint8(1), np.uint8(2)  # left out; its terms are said; is described too

# what is told of a block: counts, all of them
(
    WORDS, TERMS, NEW_RARE, COMMONS, NUMBERS, NEW_NUMBERS, BARE_NUMBERS, HEDGES, AMOUNTS, NOUNS, EMPHASIS, ADDRESS,
    ABSTRACT, PHRASES, BEFORE,
) = range(15)  # fmt: skip
FACTS = 15
KINDS = 6  # of vague words
OPENING, PHRASE = 1 << KINDS, 2 << KINDS  # what a stock phrase begins with, two terms or more; a whole one


class Spoken(NamedTuple):
    """Blocks of documents, and the statistics their terms are weighed by.

    Attributes:
        bounds: int64[docs + 1], where each document's blocks begin.
        content: int64[n], number of each block's content, FREE for blocks without a token.
        tokens: uint64, token hashes of distinct contents.
        token_bounds: int64[d + 1], where each content begins in ``tokens``.
        titles: int64[docs], the block with each document's title, counted from its first, FREE where there is none.
        languages: int32[docs], FREE where not known.
        paired: bool[l + 1], whether a language's terms are pairs; the last, FREE, is of no language.
        listed: bool[l + 1], whether it has a list of vague words.
        log_docs: float32[l + 1], logarithm of the number of documents that terms were counted in.
        tables: int64[l + 1], the row of each language in ``log_frequencies``.
        log_frequencies: float32[r, BUCKETS], logarithm of the number of documents that have a term.
        words: see ``Lexicon``, as ``roles`` and ``sieve``: vague words, by the keys of ``term_key``, and stock phrases,
            by those of their terms, each joined to the ones before by ``pair_of``.
        roles: a bit for each kind of vague word, and OPENING and PHRASE.
        sieve: see ``words``.
    """

    bounds: I64
    content: I64
    tokens: U64
    token_bounds: I64
    titles: I64
    languages: I32
    paired: Bool
    listed: Bool
    log_docs: F32
    tables: I64
    log_frequencies: F32
    words: U64
    roles: U16
    sieve: U64


@helper
def slots_for(blocks: Spoken, doc: int) -> int:
    """Return the slots of a table of a document's terms: a power of two."""
    count = 0
    for block in range(blocks.bounds[doc], blocks.bounds[doc + 1]):
        content = blocks.content[block]
        if content != FREE:
            count += blocks.token_bounds[content + 1] - blocks.token_bounds[content]
    size = 64
    while size < 3 * count:
        size *= 2
    return size


@helper
def begins_phrase(ahead: U64, at: int, end: int, blocks: Spoken) -> bool:
    """Tell whether a stock phrase begins at a term, by the keys of the terms of its block."""
    key = ahead[at]
    for k in range(at + 1, end):
        key = pair_of(key, ahead[k])
        if in_sieve(key, blocks.sieve) & ONE == ZERO:
            return False
        role = role_of(key, blocks.words, blocks.roles)
        if role & PHRASE:
            return True
        if not role & OPENING:
            return False
    return False


@kernel
def find_facts(docs: I64, blocks: Spoken, part: U8, facts: F32) -> None:
    """Describe blocks by their terms.

    A term is new where neither the title nor an earlier block of the document has it. Groups of digits with no word
    between them are one number, which is new if one of them is ("1,500", "9:30"). A number is bare where neither
    neighbour in its block is a term that fewer than one document in 33 has.

    Args:
        docs: int64, documents whose blocks stand one behind the other in what follows.
        blocks: the blocks of all documents.
        part: uint8[m], OUT, HEARD or SCORED.
        facts: float32[m, FACTS], filled for the scored ones: words; terms beside numbers; rare new terms; common terms;
            numbers; new numbers; bare numbers; six kinds of vague words; terms at which a stock phrase begins; blocks
            that were heard before.
    """
    room = 64
    for doc in docs:
        room = max(room, slots_for(blocks, doc))
    ahead, weights = np.empty(room, np.uint64), np.empty(room, np.float32)
    slots = np.empty(room, np.uint64)  # keys of terms that were said; 0 where free
    at = 0
    for doc in docs:
        first, count = blocks.bounds[doc], blocks.bounds[doc + 1] - blocks.bounds[doc]
        language, title = blocks.languages[doc], blocks.titles[doc]
        pairs, listed, log_docs = blocks.paired[language], blocks.listed[language], blocks.log_docs[language]
        table = blocks.tables[language]
        size = slots_for(blocks, doc)
        mask = np.uint64(size - 1)
        slots[:size] = ZERO
        heard = 0
        for step in range(-1, count):  # the title first, then the blocks in order
            titled = step < 0
            if (titled and title == FREE) or (not titled and part[at + step] == OUT):
                continue
            content = blocks.content[first + (title if titled else step)]
            if content == FREE:
                continue
            lo, hi = blocks.token_bounds[content], blocks.token_bounds[content + 1]
            scored = not titled and part[at + step] == SCORED
            row = facts[at + max(step, 0)]
            if scored:
                row[:] = 0
            new_rare, common, numbers, new_numbers, anchored, terms = 0, 0, 0, 0, 0, 0
            # whether the term before refers to something; a number waits for the next; goes on; was told to be new
            before, waits, running, told = False, False, False, False
            for k in range(lo, hi):  # looked up ahead, where nothing is waited for
                token = blocks.tokens[k]
                if pairs and k + 1 < hi and token & NUMBER == ZERO:
                    token = pair_of(token, blocks.tokens[k + 1])
                key = term_key(token, language)
                ahead[k - lo], weights[k - lo] = (
                    max(key, ONE),
                    log_docs - blocks.log_frequencies[table, key >> BUCKET_SHIFT],
                )
            for k in range(lo, hi):
                token = blocks.tokens[k]
                number = token & NUMBER != ZERO
                if pairs and not number and (k + 1 == hi or blocks.tokens[k + 1] & NUMBER != ZERO):
                    before, waits, running = False, False, False
                    continue
                key = ahead[k - lo]
                slot = key >> SLOT_SHIFT & mask
                while slots[slot] != ZERO and slots[slot] != key:
                    slot = (slot + ONE) & mask
                new = slots[slot] != key
                slots[slot] = key
                if not scored:
                    continue
                if number:
                    if not running:
                        numbers += 1
                        anchored += before
                        waits, before, running, told = not before, False, True, False
                    new_numbers += new and not told
                    told |= new
                    continue
                weight = weights[k - lo]
                before = weight > REFERENT
                anchored += waits and before
                waits, running = False, False
                terms += 1
                common += weight < COMMON
                new_rare += new and weight > RARE
                if listed and in_sieve(key, blocks.sieve) & ONE != ZERO:
                    role = role_of(key, blocks.words, blocks.roles)
                    for kind in range(KINDS):
                        row[HEDGES + kind] += role >> kind & 1
                row[PHRASES] += listed and begins_phrase(ahead, k - lo, hi - lo, blocks)
            if scored:
                row[WORDS] = (hi - lo) * WORDS_A_TOKEN if pairs else hi - lo
                row[TERMS], row[NEW_RARE], row[COMMONS] = terms, new_rare, common
                row[NUMBERS], row[NEW_NUMBERS], row[BARE_NUMBERS] = numbers, new_numbers, numbers - anchored
                row[BEFORE] = heard
            heard += not titled
        at += count


@kernel
def mean_rows(values: F32, weights: F32, groups: I64, means: F32) -> None:
    """Find the weighted means of groups of rows, column by column, values that are not a number aside.

    Args:
        values: float32[m, f].
        weights: float32[m].
        groups: int64[m], the group of each row, ascending.
        means: float32[g, f], filled; not-a-number where a group has no value.
    """
    sums, totals = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    i = 0
    for group in range(means.shape[0]):
        sums[:] = 0.0
        totals[:] = 0.0
        while i < groups.size and groups[i] == group:
            for column in range(values.shape[1]):
                value = values[i, column]
                if not np.isnan(value):
                    sums[column] += value * weights[i]
                    totals[column] += weights[i]
            i += 1
        for column in range(values.shape[1]):
            means[group, column] = sums[column] / totals[column]


@kernel
def choose(weights: F32, article: int, least: float, places: I64) -> None:
    """Choose what weighed most in each row, in the direction that the whole went.

    Args:
        weights: float32[m, f], what each column added.
        article: the first column of those that are the same in all blocks of an article; one of these at most is taken.
        least: what is lighter is not taken.
        places: int64[m, k], filled with columns, the heaviest first, the first of equal ones; FREE for no more.
    """
    heaviest = np.zeros(places.shape[1], np.float32)
    for i in range(weights.shape[0]):
        row = weights[i]
        total = np.float32(0)
        best = article
        for column in range(row.size):
            total += row[column]
        sign = np.float32(1 if total > 0 else -1)
        for column in range(article + 1, row.size):
            if sign * row[column] > sign * row[best]:
                best = column
        places[i] = FREE
        heaviest[:] = least
        for column in range(article + 1):
            place = column if column < article else best
            weight = sign * row[place]
            k = places.shape[1]
            while k > 0 and (weight > heaviest[k - 1] or (weight == heaviest[k - 1] and places[i, k - 1] == FREE)):
                k -= 1
            if k < places.shape[1]:
                for later in range(places.shape[1] - 1, k, -1):
                    places[i, later], heaviest[later] = places[i, later - 1], heaviest[later - 1]
                places[i, k], heaviest[k] = place, weight
