"""Terms and characters of the blocks of documents in; how much each block says, and why it is thought so, out.

A logistic model of what blocks say and in what words, each in units of what is usual for paragraphs of its language,
length and place. It counts for the block itself, and as a mean for the article. ``bench/fit_substance.py`` fits it; the
coefficients are in ``substance.json``.
"""

from __future__ import annotations

import collections
import functools
import importlib.resources
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from dedup.arrays import F32, I32, I64, U8, U16, U32, U64, Bool
from dedup.background import background, keys_of, pairs_of
from dedup.blocks import bytes_at, spans_in_data
from dedup.frequencies import Weights, keys_of_terms, paired_languages
from dedup.kernels.classes import LIST_OF_LINKS, TABULAR
from dedup.kernels.facts import (
    BARE_NUMBERS,
    BEFORE,
    COMMONS,
    FACTS,
    HEDGES,
    NEW_NUMBERS,
    NEW_RARE,
    NUMBERS,
    OPENING,
    PHRASE,
    PHRASES,
    SCORED,
    TERMS,
    WORDS,
    Spoken,
    find_facts,
    mean_rows,
)
from dedup.kernels.shape import CASELESSES, CHARS, IDEOGRAPHS, LETTERS, LOWERS, STOPS, UPPERS
from dedup.kernels.shape import NUMBERS as NUMBER_WORDS
from dedup.kernels.tables import FREE
from dedup.kernels.terms import pair_of
from dedup.lexicon import Lexicon, make_table, read_lines, read_words
from dedup.reasons import CODE, FEATURES, HEADING, LINKS, LIST, SHORT, TABLE, TOLD, strongest
from dedup.schema import KINDS, Blocks
from dedup.sketch import tokenize_texts

LISTED = FEATURES[5:12]  # by lists of words: the kinds of ``words/vague.txt``, there in the singular, and stock phrases
KINDS_LISTED = ("hedge", "amount", "noun", "emphasis", "address", "abstract")
CASELESS = ("ar", "bn", "fa", "he", "hi", "ja", "ko", "ta", "ur", "zh")  # no capitals; words of other lengths
OTHER = "other"  # what is usual in languages without a reference of their own
MOST = 4.0  # units that a feature may be off
LEAST = np.where(np.isin(FEATURES, ["phrases"]), 0, -MOST).astype(np.float32)  # no stock phrase is no sign of substance

LEAST_TOKENS, LEAST_CHARACTERS = 8, 12  # of a block that is scored; in scripts without spaces
SYMBOLS = 0.2  # share of characters of code that are neither in words nor between them
FIGURES = 0.5  # share of words of a table that are numbers
LEAST_COMMON = 0.06  # share of very common terms that running text has
FENCES, BAR = tuple(b"`~"), ord("|")


def find_forms(data: U8, doc_bounds: I64, blocks: Blocks, lengths: I64, languages: I32, marks: U32, counts: I32) -> U8:
    """Tell running text from what is not scored: uint8[n].

    Args:
        data: uint8, valid UTF-8 of the documents.
        doc_bounds: int64[docs + 1], where each document begins in ``data``.
        blocks: their blocks.
        lengths: int64[n], tokens of each block.
        languages: int32[docs].
        marks: uint32[n], see ``dedup.kernels.classes``.
        counts: int32[n, COLUMNS], see ``dedup.kernels.shape``.
    """
    starts, _ = spans_in_data(doc_bounds, blocks)
    words = counts[:, LOWERS] + counts[:, UPPERS] + counts[:, CASELESSES] + counts[:, NUMBER_WORDS]
    symbols = counts[:, CHARS] - counts[:, LETTERS] - counts[:, IDEOGRAPHS] - np.maximum(words - 1, 0)
    least = np.where(paired_languages()[languages], LEAST_CHARACTERS, LEAST_TOKENS)
    forms = np.zeros(lengths.size, np.uint8)
    first = bytes_at(data, starts)
    fenced = np.isin(first, FENCES) & (bytes_at(data, starts + 1) == first) & (bytes_at(data, starts + 2) == first)
    figures = counts[:, NUMBER_WORDS] > FIGURES * (words + counts[:, IDEOGRAPHS] / 2)
    forms[symbols > SYMBOLS * counts[:, CHARS]] = CODE
    forms[(marks & TABULAR != 0) | figures | (first == BAR)] = TABLE
    forms[fenced] = CODE
    forms[marks & LIST_OF_LINKS != 0] = LINKS
    forms[lengths < np.repeat(least, np.diff(blocks.bounds))] = SHORT
    forms[blocks.kinds == KINDS.index("heading")] = HEADING
    return forms


def count_names(counts: I32) -> I32:
    """Count the words of each block that begin with a capital, beyond one a sentence: int32[n]."""
    names: I32 = np.maximum(counts[:, UPPERS] - np.maximum(counts[:, STOPS], 1), 0)
    return names


class Model(NamedTuple):
    """The model, with what is usual.

    Attributes:
        block: float32[f], coefficients of a block's own features, in the order of ``FEATURES``.
        article: float32[f], of their means over the article.
        intercept: log-odds of a block that is as usual in everything.
        slopes: float32[3, f], what is usual by ln(words) - 4, by ln(1 + blocks before) and its square.
        usual: float32[g, f], what is usual beside that, for each language that has a reference, and for the others.
        deviation: float32[g, f], the unit of each.
        groups: int64[l + 1], the row of each language in these.
        known: bool[l + 1, f], features that a language has; the last is for texts of none that is known.
    """

    block: F32
    article: F32
    intercept: float
    slopes: F32
    usual: F32
    deviation: F32
    groups: I64
    known: Bool


def column_of(names: Sequence[str]) -> I64:
    """Return the columns of some features."""
    return np.array([FEATURES.index(name) for name in names])


def available_features() -> Bool:
    """Return bool[l + 1, f], the features that blocks of each language have, and of none that is known."""
    languages = background().languages
    listed = listed_languages()
    known = np.ones((len(languages) + 1, len(FEATURES)), np.bool_)
    known[np.ix_(np.flatnonzero(~listed), column_of(LISTED))] = False
    caseless = [k for k, code in enumerate(languages) if code in CASELESS]
    known[np.ix_(np.array([*caseless, len(languages)]), column_of(("names", "word_length")))] = False
    known[-1, column_of(("new_rare", "common"))] = False
    return known


def make_model(values: dict[str, Any]) -> Model:
    """Put the contents of ``substance.json`` into arrays."""

    def row(by_name: dict[str, Any], column: int | None = None) -> list[float]:
        found = (by_name.get(name, 0.0 if column is None else (0.0, 1.0)) for name in FEATURES)
        return [one if column is None else one[column] for one in found]

    named = list(values["usual"])
    groups = [named.index(code if code in named else OTHER) for code in (*background().languages, OTHER)]
    return Model(
        np.array(row(values["block"]), np.float32),
        np.array(row(values["article"]), np.float32),
        values["intercept"],
        np.array([row(values["slopes"][name]) for name in ("words", "before", "before_squared")], np.float32),
        np.array([row(values["usual"][name], 0) for name in named], np.float32),
        np.array([row(values["usual"][name], 1) for name in named], np.float32),
        np.array(groups),
        available_features(),
    )


@functools.cache
def fitted() -> Model:
    """Return the model as shipped."""
    text = importlib.resources.files(__package__).joinpath("substance.json").read_bytes()
    return make_model(msgspec.json.decode(text))


def usual_substance() -> float:
    """Return the substance of a block that is as usual in everything."""
    return float(100 / (1 + np.exp(-fitted().intercept)))


@functools.cache
def listed_terms() -> Lexicon:
    """Return the table of vague words and stock phrases, see ``Spoken``."""
    roles: dict[int, int] = collections.defaultdict(int)
    for key, words in read_words("vague").items():
        code, kind = key.split()
        for terms in terms_in(words, code):
            for entry in terms.tolist():
                roles[entry] |= 1 << KINDS_LISTED.index(kind)
    for code, line in read_lines("stock_phrases"):
        for terms in terms_in(line.split(","), code):
            joined = terms[:1]
            for k in range(1, terms.size):
                joined = pair_of.py_func(joined, terms[k])  # type: ignore[attr-defined]
                roles[int(joined[0])] |= OPENING if k + 1 < terms.size else PHRASE
    return make_table(roles)


def terms_in(texts: Sequence[str], code: str) -> Iterator[U64]:
    """Yield the terms of each text of a language, by the keys of ``term_key``: uint64[t]."""
    language, tokens = background().languages.index(code), tokenize_texts(texts)
    for first, end in itertools.pairwise(tokens.bounds.tolist()):
        hashes = tokens.hashes[first:end]
        yield keys_of_terms(keys_of(pairs_of(hashes) if paired_languages()[language] else hashes), language)


@functools.cache
def listed_languages() -> Bool:
    """Return bool[l + 1], whether a language has a list of vague words; the last is for none that is known."""
    codes = {key.split()[0] for key in read_words("vague")}
    return np.array([*(code in codes for code in background().languages), False])


def put_together(
    bounds: I64, content: I64, tokens: U64, token_bounds: I64, titles: I64, languages: I32, weights: Weights
) -> Spoken:
    """Put blocks and the weights of their terms together with what is known of languages, see ``Spoken``.

    Args:
        bounds: int64[docs + 1].
        content: int64[n].
        tokens: uint64.
        token_bounds: int64[d + 1].
        titles: int64[docs].
        languages: int32[docs].
        weights: of the terms, logarithms.
    """
    return Spoken(
        bounds, content, tokens, token_bounds, titles, languages, paired_languages(), listed_languages(),
        *weights, *listed_terms(),
    )  # fmt: skip


def measure(facts: F32, letters: U32, names: U16) -> F32:
    """Return the features of ``m`` blocks, float32[m, f], not-a-number where one has no value.

    Args:
        facts: float32[m, FACTS], see ``find_facts``.
        letters: uint32[m].
        names: uint16[m].
    """
    features = np.empty((letters.size, len(FEATURES)), np.float32)
    terms, words = np.maximum(facts[:, TERMS], 1), np.maximum(facts[:, WORDS], 1)
    features[:, 0] = facts[:, NEW_RARE] / terms
    features[:, 1] = facts[:, COMMONS] / terms
    features[:, 2] = facts[:, NEW_NUMBERS] > 0
    features[:, 3] = np.where(facts[:, NUMBERS] > 0, np.log1p(facts[:, BARE_NUMBERS]), np.nan)
    features[:, 4] = names > 0
    features[:, 5:12] = facts[:, HEDGES : PHRASES + 1] / words[:, None]
    features[:, 12] = letters / words
    return features


def length_and_place(facts: F32) -> F32:
    """Return what features are normalised for: float32[m, 3], ln(words) - 4, ln(1 + blocks before) and its square."""
    before = np.log1p(facts[:, BEFORE])
    return np.stack([np.log(np.maximum(facts[:, WORDS], 1)) - 4, before, before * before], axis=1)


def expect(model: Model, facts: F32, groups: I64) -> F32:
    """Return what is usual for blocks of such length, place and language: float32[m, f]."""
    expected: F32 = model.usual[groups] + length_and_place(facts) @ model.slopes
    return expected


def units(model: Model, features: F32, usual: F32, languages: I32) -> F32:
    """Return how far features are from what is usual, in units, from LEAST to MOST; 0 where there is no value."""
    off = (features - usual) / model.deviation[model.groups[languages]]
    off = np.where(model.known[languages] & ~np.isnan(off), off, np.float32(0))
    clipped: F32 = np.clip(off, LEAST, MOST).astype(np.float32)
    return clipped


def is_list(facts: F32, languages: I32) -> Bool:
    """Tell blocks with hardly any common words, in languages whose terms are words: bool[m]."""
    told = ~paired_languages()[languages] & (languages != FREE)
    found: Bool = told & (facts[:, COMMONS] < LEAST_COMMON * facts[:, TERMS])
    return found


class Scores(NamedTuple):
    """How much ``m`` blocks of ``r`` documents say.

    Attributes:
        substance: float32[m], 0 to 100, not-a-number where not scored.
        articles: float32[r], the same of documents: the mean of their scored blocks, by their words.
        means: float32[r, f], the means of the features over scored blocks, not-a-number where there are none.
        forms: uint8[m], what a block is, if no text to score.
        reasons: uint32[m, TOLD], see ``dedup.reasons``; 0 for none.
    """

    substance: F32
    articles: F32
    means: F32
    forms: U8
    reasons: U32


def score(docs: I64, spoken: Spoken, part: U8, letters: U32, names: U16, forms: U8, model: Model) -> Scores:
    """Score the blocks of documents.

    Args:
        docs: int64[r], the documents; their blocks stand one behind the other in what follows.
        spoken: the blocks of all documents, and how terms are weighed.
        part: uint8[m], OUT, HEARD or SCORED.
        letters: uint32[m], letters and digits of each block.
        names: uint16[m], its words that begin with a capital, beyond one a sentence.
        forms: uint8[m], what it is, if no text to score.
        model: the model.
    """
    facts = np.zeros((part.size, FACTS), np.float32)
    find_facts(docs, spoken, part, facts)
    doc = np.repeat(np.arange(docs.size), spoken.bounds[docs + 1] - spoken.bounds[docs])
    scored = part == SCORED
    languages = spoken.languages[docs[doc]]
    with np.errstate(invalid="ignore"):
        listed = scored & is_list(facts, languages)
    forms = np.where(listed, np.uint8(LIST), forms)
    rows = np.flatnonzero(scored & ~listed)
    facts, doc, languages = facts[rows], doc[rows], languages[rows]
    features, usual = measure(facts, letters[rows], names[rows]), expect(model, facts, model.groups[languages])
    off = units(model, features, usual, languages)
    weights = facts[:, WORDS]
    there = np.where(np.isnan(features), np.nan, usual)
    means, told, expected = (mean_of(one, weights, doc, docs.size) for one in (off, features, there))
    own, of_article = off * model.block, (means * model.article)[doc]
    alone = np.bincount(doc, minlength=docs.size)[doc] == 1
    own[alone] += of_article[alone]  # a block that is all its article has is told of once
    of_article[alone] = 0
    odds = own.sum(axis=1) + of_article.sum(axis=1)
    substance = np.full(part.size, np.nan, np.float32)
    substance[rows] = np.round(100 / (1 + np.exp(-(odds + model.intercept))), 1)
    words = np.bincount(doc, weights, docs.size)
    with np.errstate(invalid="ignore"):
        articles = np.round(np.bincount(doc, weights * substance[rows], docs.size) / words, 1)
    reasons = np.zeros((part.size, TOLD), np.uint32)
    reasons[rows] = strongest(
        np.concatenate([own, of_article], axis=1),
        np.concatenate([features, told[doc]], axis=1),
        np.concatenate([usual, expected[doc]], axis=1),
        facts,
        names[rows],
    )
    told[~model.known[spoken.languages[docs]] | (words == 0)[:, None]] = np.nan
    return Scores(substance, articles.astype(np.float32), told, forms, reasons)


def mean_of(values: F32, weights: F32, doc: I64, count: int) -> F32:
    """Return the means of each document's blocks, those without a value aside: float32[count, f].

    Args:
        values: float32[m, f], of blocks whose documents ascend.
        weights: float32[m].
        doc: int64[m], the document of each.
        count: documents; not-a-number where none has a value.
    """
    means = np.empty((count, values.shape[1]), np.float32)
    mean_rows(values, weights, doc, means)
    return means
