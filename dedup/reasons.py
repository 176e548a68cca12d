"""What weighed most in the score of each block in; sentences that a person understands out.

A reason is a number of 32 bits: 8 for the feature and whether it is the block's own or the article's mean, 12 for what
was found, 12 for what is usual. Shares are in parts of a thousand, letters a word in tenths, the rest are counts.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dedup.arrays import F32, F64, I64, U8, U16, U32
from dedup.kernels.facts import BARE_NUMBERS, NEW_NUMBERS, choose
from dedup.kernels.tables import FREE

FEATURES = (
    "new_rare",  # share of rare terms that neither the title nor an earlier block has
    "common",  # share of very common terms
    "new_number",  # has a number that neither the title nor an earlier block has
    "bare_numbers",  # ln(1 + numbers beside no particular word); nothing where there are no numbers
    "names",  # more words begin with a capital than there are sentences
    "hedges",  # words of each kind, a word of the block
    "amounts",
    "nouns",
    "emphasis",
    "address",
    "abstract",
    "phrases",  # stock phrases, a word of the block
    "word_length",  # letters and digits a word
)
OF_ARTICLE = len(FEATURES)
KIND_SHIFT, FOUND_SHIFT, MOST = 24, 12, (1 << 12) - 1
TENTHS, THOUSANDTHS = 10.0, 1000.0
UNITS = np.where(np.isin(FEATURES, ["word_length", "bare_numbers"]), TENTHS, THOUSANDTHS)  # that values are told in
TOLD = 3  # reasons of a block
LEAST = 0.1  # log-odds of a reason that is told
COUNTED = {"new_number": NEW_NUMBERS, "bare_numbers": BARE_NUMBERS}
# sentences of what is found and what is usual
RATES = {
    "new_rare": "{:g} % rare words not said before, usual {:g} %",
    "common": "{:g} % very common words, usual {:g} %",
    "hedges": "{:g} % words that hedge, usual {:g} %",
    "amounts": "{:g} % words for amounts without a number, usual {:g} %",
    "nouns": "{:g} % words for anything at all, usual {:g} %",
    "emphasis": "{:g} % words of emphasis and praise, usual {:g} %",
    "address": "{:g} % words that address the reader or speak for the writer, usual {:g} %",
    "abstract": "{:g} % abstract nouns, usual {:g} %",
    "phrases": "{:g} stock phrases in 100 words, usual {:g}",
    "word_length": "{:g} letters and digits a word, usual {:g}",
}
# sentences of counts: of none in a block, of one, of several; and of the article
COUNTS = {
    "new_number": (
        "no number that was not given before",
        "1 number not given before",
        "{} numbers not given before",
        "numbers not given before in {:g} % of it, usual {:g} %",
    ),
    "bare_numbers": (
        "every number stands beside a particular word",
        "1 number beside no particular word",
        "{} numbers beside no particular word",
        "{:g} numbers beside no particular word a paragraph with numbers (geometric mean), usual {:g}",
    ),
    "names": (
        "no name: no more capitals than one a sentence",
        "1 capital beyond one a sentence, as of names",
        "{} capitals beyond one a sentence, as of names",
        "names in {:g} % of it, usual {:g} %",
    ),
}
# what a block is, if no text to score
TEXT, HEADING, SHORT, CODE, TABLE, LINKS, LIST, BOILERPLATE = range(8)
FORMS = (
    "",
    "not scored: a heading",
    "not scored: fewer than 8 words, or 12 characters",
    "not scored: code",
    "not scored: a table",
    "not scored: a list of links",
    "not scored: hardly any common words, as in a list, code or a table",
    "not scored: boilerplate",
)


def pack(kinds: I64, found: F64, usual: F64) -> U32:
    """Put reasons into numbers; the kind is that of the feature, plus 1, plus OF_ARTICLE for the article's mean."""

    def whole(values: F64 | I64) -> U32:
        rounded: U32 = np.clip(np.nan_to_num(np.round(values)), 0, MOST).astype(np.uint32)
        return rounded

    reasons: U32 = np.bitwise_or(whole(kinds) << KIND_SHIFT | whole(found) << FOUND_SHIFT, whole(usual))
    return reasons


def strongest(weights: F32, features: F32, usual: F32, facts: F32, names: U16) -> U32:
    """Choose the reasons of ``m`` blocks: what weighed most in the direction that the whole went.

    Args:
        weights: float32[m, 2 f], log-odds that a block's own features and its article's added.
        features: float32[m, 2 f], what they are. ``usual``, likewise, what is usual.
        usual: see ``features``.
        facts: float32[m, FACTS], see ``find_facts``.
        names: uint16[m], words that begin with a capital, beyond one a sentence.

    Returns:
        uint32[m, TOLD], 0 for none.
    """
    order = np.empty((len(weights), TOLD), np.int64)
    choose(weights, OF_ARTICLE, LEAST, order)
    rows = np.arange(len(order))[:, None]
    found, expected = in_words(features[rows, order], order), in_words(usual[rows, order], order)
    for name, column in (*COUNTED.items(), ("names", None)):
        told = np.nonzero(order == FEATURES.index(name))
        found[told] = names[told[0]] if column is None else facts[told[0], column]
    shares = UNITS[order % OF_ARTICLE] == THOUSANDTHS
    reasons = pack(order + 1, found, np.where(shares, np.minimum(expected, THOUSANDTHS), expected))
    reasons[order == FREE] = 0
    return reasons


def in_words(values: F32, which: I64) -> F64:
    """Return values of features in the units that sentences have."""
    told: F64 = values.astype(np.float64) * UNITS[which % OF_ARTICLE]
    bare = which % OF_ARTICLE == FEATURES.index("bare_numbers")
    told[bare] = np.expm1(values[bare]) * TENTHS
    return told


def sentence(reason: int) -> str:
    """Put a reason into words.

    >>> sentence(6 << KIND_SHIFT | 83 << FOUND_SHIFT | 12)
    '8.3 % words that hedge, usual 1.2 %'
    """
    kind, found, usual = reason >> KIND_SHIFT, reason >> FOUND_SHIFT & MOST, reason & MOST
    scope, place = divmod(kind - 1, OF_ARTICLE)
    name = FEATURES[place]
    if scope or name in RATES:
        form = RATES[name] if name in RATES else COUNTS[name][-1]
        return ("the article: " if scope else "") + form.format(found / 10, usual / 10)
    return COUNTS[name][min(found, 2)].format(f"{found} or more" if found == MOST else found)


def with_forms(reasons: U32, forms: U8) -> U32:
    """Return reasons, uint32[n, TOLD], with the forms of blocks that are not scored in their place: they are less."""
    all_of = reasons.copy()
    unscored = np.flatnonzero(forms)
    all_of[unscored, 0] = forms[unscored]
    return all_of


def tell(reasons: U32, forms: U8) -> pa.ListArray:
    """Put the reasons of ``n`` blocks into words: list<string>[n].

    Args:
        reasons: uint32[n, TOLD].
        forms: uint8[n], what a block is, if no text to score.
    """
    all_of = with_forms(reasons, forms)
    codes = pa.array(all_of[all_of != 0]).dictionary_encode()
    words = [FORMS[code] if code < len(FORMS) else sentence(code) for code in codes.dictionary.to_pylist()]
    # taken, not coded: of a list that is coded a Parquet file holds other bytes each time, and far more of them
    values = pa.array(words, pa.string()).take(codes.indices)
    return pa.ListArray.from_arrays(
        np.append(0, np.cumsum(sum(column != 0 for column in all_of.T))).astype(np.int32), values
    )
