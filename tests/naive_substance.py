"""Slow and obvious twins of what scores substance: token hashes, dictionaries and sets in, the same scores out.

They share with what they mirror the table of word frequencies, the lists of vague words and stock phrases, the
coefficients, and the constants; they call none of its functions. At the end stand what several tests draw their
documents from, and how those are laid out in columns.
"""

from __future__ import annotations

import functools
import importlib.resources
import itertools
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from naive import count_characters, mix64
from strategies import frozen

from dedup import frequencies, substance
from dedup.arrays import I32, I64, U8
from dedup.background import COMMON as KNOWN
from dedup.background import LEAST_SHARE, SAMPLE, STEP, background
from dedup.frequencies import Counts, DocumentFrequencies, Weights
from dedup.kernels.facts import COMMON, OPENING, PHRASE, RARE, REFERENT, WORDS_A_TOKEN, Spoken
from dedup.kernels.tables import FREE
from dedup.schema import Blocks
from dedup.sketch import Tokens, tokenize_text

FIRST, SECOND = 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B  # factors of the hash of a pair
WORD = 1 << 64
UPPER = 32  # bits below the upper half of a hash
BELOW_BUCKET = 45  # bits below the upper nineteen
KINDS_OF_WORDS = ("hedge", "amount", "noun", "emphasis", "address", "abstract")
OUT, HEARD, SCORED = range(3)

Facts = dict[str, float]
Features = dict[str, float | None]


class Text(NamedTuple):
    """A document.

    Attributes:
        blocks: the token hashes of each block.
        part: OUT, HEARD or SCORED for each.
        title: which of them is the title.
        language: its code, None where not known.
    """

    blocks: Sequence[Sequence[int]]
    part: Sequence[int]
    title: int | None
    language: str | None


# ------------------------------------------------------------------------------------------------------ terms, counted


def number_of(language: str | None) -> int:
    """Return the number of a language."""
    return FREE if language is None else background().languages.index(language)


def is_number(token: int) -> bool:
    """Whether a token is all digits."""
    return token % 2 == 1


def pair_hash(first: int, second: int) -> int:
    """Hash two neighbours."""
    return (first * FIRST + second) * SECOND % WORD


def key_of(upper: int, language: str | None) -> int:
    """Hash the upper half of a term's hash, and its language."""
    return mix64(upper + ((number_of(language) + 1) << UPPER))


def bucket_of(key: int) -> int:
    """Return the bucket of a term."""
    return key >> BELOW_BUCKET


def read(block: Sequence[int], language: str | None) -> list[tuple[int | None, bool]]:
    """Return the keys of what stands in a block in order, None for what is no term, and whether each is a number."""
    found: list[tuple[int | None, bool]] = []
    for token, following in itertools.zip_longest(block, block[1:]):
        if is_number(token):
            found.append((key_of(token >> UPPER, language), True))
        elif language not in frequencies.PAIRED:
            found.append((key_of(token >> UPPER, language), False))
        elif following is None or is_number(following):
            found.append((None, False))
        else:
            found.append((key_of(pair_hash(token, following) >> UPPER, language), False))
    return found


def keys_in(block: Sequence[int], language: str | None) -> tuple[int | None, ...]:
    """Return the keys of what stands in a block, numbers among it, None for what is no term."""
    return tuple(key for key, _ in read(block, language))


def words_in(block: Sequence[int], language: str | None) -> list[int]:
    """Return the keys of a block's terms."""
    return [key for key, number in read(block, language) if key is not None and not number]


def count_terms(text: Text) -> Counter[int]:
    """Count the buckets of a document's terms, in order of first standing."""
    return Counter(bucket_of(key) for block in text.blocks for key in words_in(block, text.language))


@functools.cache
def listed(language: str) -> dict[int, float]:
    """Return how common each listed word of a language is, by the upper half of its hash."""
    table, k = background(), number_of(language)
    own = slice(int(table.bounds[k]), int(table.bounds[k + 1]))
    return dict(zip(table.keys[own].tolist(), table.zipf[own].tolist(), strict=True))


@functools.cache
def commonest_in(language: str) -> dict[int, float]:
    """Return the frequency of the commonest listed word of each bucket."""
    found: dict[int, float] = {}
    for upper, zipf in listed(language).items():
        bucket = bucket_of(key_of(upper, language))
        found[bucket] = max(zipf, found.get(bucket, 0.0))
    return found


def expected_documents(zipf: float) -> float:
    """Return how many documents that nobody wrote have a word: each has PRIOR_WORDS draws."""
    return float(frequencies.PRIOR * (1 - math.exp(-(10 ** (zipf - 9)) * frequencies.PRIOR_WORDS)))


class Blend:
    """Documents of each language and of each of its buckets, those that nobody wrote among them.

    Args:
        counted: the documents that were counted.
        included: whether those that are to be weighed are among them.
    """

    def __init__(self, counted: Iterable[Text], *, included: bool) -> None:
        self.docs: Counter[str | None] = Counter()
        self.terms: Counter[tuple[str | None, int]] = Counter()
        for text in counted:
            self.docs[text.language] += 1
            self.terms.update((text.language, bucket) for bucket in set(count_terms(text)))
        self.one = 0 if included else 1

    def documents(self, language: str | None) -> float:
        """Return the documents of a language."""
        return self.docs[language] + frequencies.PRIOR + self.one

    def having(self, bucket: int, language: str | None) -> float:
        """Return the documents of a language that have a bucket's terms."""
        zipf = 0.0 if language is None else commonest_in(language).get(bucket, 0.0)
        return self.terms[language, bucket] + expected_documents(max(frequencies.UNLISTED, zipf)) + self.one

    def weight(self, key: int, language: str | None) -> float:
        """Return the logarithm of one over the share of documents that have a term."""
        return math.log(self.documents(language) / self.having(bucket_of(key), language))


# ------------------------------------------------------------------------------------------------------------ languages


@functools.cache
def telling_words() -> dict[int, list[tuple[str, int]]]:
    """Return the common words of all languages, by upper halves: whose they are, and what they weigh."""
    found = defaultdict(list)
    for language in background().languages:
        for upper, zipf in listed(language).items():
            if round(zipf / STEP) >= round(KNOWN / STEP):
                found[upper].append((language, round((zipf - KNOWN + 1) / STEP)))
    return found


def identify(tokens: Sequence[int]) -> str | None:
    """Tell the language of a text: that in which its common words are most common."""
    sums: Counter[str] = Counter()
    words: Counter[str] = Counter()
    sample = tokens[:: max(1, len(tokens) // SAMPLE)]
    for token in sample:
        for language, weight in telling_words().get(token >> UPPER, []):
            sums[language] += weight
            words[language] += 1
    best = max(background().languages, key=lambda language: sums[language])
    return best if words[best] >= max(1, LEAST_SHARE * len(sample)) else None


# --------------------------------------------------------------------------------------------------- what blocks say


def lines_of(name: str) -> list[tuple[str, str]]:
    """Return what stands before and behind the colon in each line of a list."""
    text = importlib.resources.files("dedup").joinpath("words", f"{name}.txt").read_text(encoding="utf-8")
    lines = [line.partition(":") for line in text.splitlines() if line and not line.startswith("#")]
    return [(before, behind) for before, _, behind in lines]


@functools.cache
def vague_words() -> dict[str, dict[int, set[str]]]:
    """Return the kinds of the vague words of each language, by their keys."""
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for names, words in lines_of("vague"):
        language, kind = names.split()
        for word in words.split():
            for key in words_in(tokenize_text(word).tolist(), language):
                found[language][key].add(kind)
    return found


@functools.cache
def listed_phrases() -> dict[str, list[str]]:
    """Return the stock phrases of each language, as they are listed."""
    return {language: [phrase.strip() for phrase in line.split(",")] for language, line in lines_of("stock_phrases")}


def keys_of(phrase: str, language: str) -> tuple[int, ...]:
    """Return the keys of a phrase's terms, and of numbers."""
    return tuple(key for key in keys_in(tokenize_text(phrase).tolist(), language) if key is not None)


@functools.cache
def stock_phrases(language: str | None) -> set[tuple[int, ...]]:
    """Return the stock phrases of a language, by the keys of their terms."""
    return {keys_of(phrase, language) for phrase in listed_phrases().get(language, [])} if language else set()


def count_phrases(block: Sequence[int], language: str | None) -> int:
    """Count the places of a block that stand for a term, no number, and that a stock phrase begins at."""
    known, keys = stock_phrases(language), keys_in(block, language)
    sizes = sorted(set(map(len, known)))
    places = [place for place, token in enumerate(block) if not is_number(token)]
    return sum(any(keys[place : place + size] in known for size in sizes) for place in places)


def roles_of(phrases: Iterable[Sequence[int]]) -> dict[int, int]:
    """Return what the hashes of pairs of pairs stand for: whole phrases, and beginnings of two terms or more."""
    roles: dict[int, int] = defaultdict(int)
    for keys in phrases:
        *openings, whole = list(itertools.accumulate(keys, pair_hash))[1:]
        roles[whole] |= PHRASE
        for opening in openings:
            roles[opening] |= OPENING
    return roles


def find_facts(text: Text, weight: Callable[[int, str | None], float]) -> list[Facts | None]:
    """Describe the scored blocks of a document."""
    said: set[int] = set()
    if text.title is not None:
        said.update(key for key, _ in read(text.blocks[text.title], text.language) if key is not None)
    found: list[Facts | None] = []
    before = 0
    for block, part in zip(text.blocks, text.part, strict=True):
        found.append(None)
        if part == OUT or not block:
            continue
        if part == SCORED:
            found[-1] = describe(block, said, text.language, weight) | {"before": before}
        said.update(key for key, _ in read(block, text.language) if key is not None)
        before += 1
    return found


def describe(
    block: Sequence[int], said: set[int], language: str | None, weight: Callable[[int, str | None], float]
) -> Facts:
    """Describe a block by its terms and what was said before it."""
    there = read(block, language)
    words = words_in(block, language)
    # groups of digits with no word between them are one number
    runs = [
        [place for place, _ in run]
        for number, run in itertools.groupby(enumerate(there), lambda one: one[1][1])
        if number
    ]

    def refers(place: int) -> bool:
        """Whether a term that is no number, and not common, stands at a place."""
        key, number = there[place] if 0 <= place < len(there) else (None, False)
        return key is not None and not number and weight(key, language) > REFERENT

    bare = [run for run in runs if not refers(run[0] - 1) and not refers(run[-1] + 1)]
    known, fresh = set(said), 0
    for run in runs:
        keys = {key for key, _ in there[run[0] : run[-1] + 1] if key is not None}
        fresh += bool(keys - known)
        known |= keys
    vague = vague_words().get(language or "", {})
    kinds = Counter(kind for key in words for kind in vague.get(key, ()))
    return {
        "words": len(block) * WORDS_A_TOKEN if language in frequencies.PAIRED else len(block),
        "terms": len(words),
        "new_rare": sum(weight(key, language) > RARE for key in set(words) - said),
        "commons": sum(weight(key, language) < COMMON for key in words),
        "numbers": len(runs),
        "new_numbers": fresh,
        "bare_numbers": len(bare),
        **{kind: kinds[kind] for kind in KINDS_OF_WORDS},
        "phrase": count_phrases(block, language),
    }


# -------------------------------------------------------------------------------------------------------------- scores


@functools.cache
def coefficients() -> dict[str, Any]:
    """Return the model as it stands in its file."""
    text = importlib.resources.files("dedup").joinpath("substance.json").read_text(encoding="utf-8")
    model: dict[str, Any] = json.loads(text)
    return model


def measure(facts: Facts, letters: int, names: int) -> Features:
    """Return the features of a block, None where one has no value."""
    terms, words = max(facts["terms"], 1), max(facts["words"], 1)
    return {
        "new_rare": facts["new_rare"] / terms,
        "common": facts["commons"] / terms,
        "new_number": float(facts["new_numbers"] > 0),
        "bare_numbers": math.log(1 + facts["bare_numbers"]) if facts["numbers"] else None,
        "names": float(names > 0),
        "hedges": facts["hedge"] / words,
        "amounts": facts["amount"] / words,
        "nouns": facts["noun"] / words,
        "emphasis": facts["emphasis"] / words,
        "address": facts["address"] / words,
        "abstract": facts["abstract"] / words,
        "phrases": facts["phrase"] / words,
        "word_length": letters / words,
    }


def usual_in(language: str | None) -> dict[str, list[float]]:
    """Return what is usual in a language, and the unit of each feature."""
    usual: dict[str, dict[str, list[float]]] = coefficients()["usual"]
    return usual[language] if language in usual else usual["other"]


def expect(facts: Facts, language: str | None) -> dict[str, float]:
    """Return what is usual for a block of such length, place and language."""
    slopes = coefficients()["slopes"]
    length, place = math.log(max(facts["words"], 1)) - 4, math.log(1 + facts["before"])
    return {
        name: usual
        + slopes["words"][name] * length
        + slopes["before"][name] * place
        + slopes["before_squared"][name] * place**2
        for name, (usual, _) in usual_in(language).items()
    }


def has_feature(name: str, language: str | None) -> bool:
    """Whether blocks of a language have a feature."""
    if name in {"hedges", "amounts", "nouns", "emphasis", "address", "abstract"}:
        return language in vague_words()
    if name == "phrases":
        return language in listed_phrases()
    if name in {"names", "word_length"}:
        return language is not None and language not in substance.CASELESS
    return language is not None or name not in {"new_rare", "common"}


def units(features: Features, usual: dict[str, float], language: str | None) -> dict[str, float]:
    """Return how far features are from what is usual, in units; fewer stock phrases than usual are as many as usual."""
    found = {}
    for name, value in features.items():
        off = 0.0
        if value is not None and has_feature(name, language):
            off = (value - usual[name]) / usual_in(language)[name][1]
        found[name] = min(max(off, 0.0 if name == "phrases" else -substance.MOST), substance.MOST)
    return found


def is_list(facts: Facts, language: str | None) -> bool:
    """Whether a block has hardly any common words."""
    told = language is not None and language not in frequencies.PAIRED
    return told and facts["commons"] < substance.LEAST_COMMON * facts["terms"]


class Scored(NamedTuple):
    """What becomes of a document: its blocks' substance, which of them are lists, its own substance, its means."""

    blocks: list[float | None]
    lists: list[bool]
    article: float | None
    means: Features  # None where no block has a value


def mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """Return a weighted mean."""
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def mean_of_some(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """Return the weighted mean of the values that there are, None where there are none."""
    there = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    return mean(*zip(*there, strict=True)) if there else None


def score(facts: Sequence[Facts | None], letters: Sequence[int], names: Sequence[int], language: str | None) -> Scored:
    """Score the blocks of a document, by their facts."""
    model = coefficients()
    lists = [one is not None and is_list(one, language) for one in facts]
    rows = [(k, one) for k, one in enumerate(facts) if one is not None and not lists[k]]
    blocks: list[float | None] = [None] * len(facts)
    if not rows:
        return Scored(blocks, lists, None, dict.fromkeys(model["block"]))
    features = [measure(one, letters[k], names[k]) for k, one in rows]
    offs = [units(own, expect(one, language), language) for own, (_, one) in zip(features, rows, strict=True)]
    weights = [one["words"] for _, one in rows]
    odds_of_article = sum(
        coefficient * mean([off[name] for off in offs], weights) for name, coefficient in model["article"].items()
    )
    for off, (k, _) in zip(offs, rows, strict=True):
        odds = sum(coefficient * off[name] for name, coefficient in model["block"].items())
        blocks[k] = round(100 / (1 + math.exp(-(odds + odds_of_article + model["intercept"]))), 1)
    article = round(mean([blocks[k] or 0.0 for k, _ in rows], weights), 1)
    means = {
        name: mean_of_some([own[name] for own in features], weights) if has_feature(name, language) else None
        for name in model["block"]
    }
    return Scored(blocks, lists, article, means)


def count_names(text: str) -> int:
    """Count words that begin with a capital, beyond one a sentence."""
    counts = count_characters(text)
    return max(counts["uppers"] - max(counts["stops"], 1), 0)


def form_of(  # noqa: PLR0911 - a case for each form
    text: str, kind: str, tokens: int, language: str | None, marks: Iterable[str]
) -> str:
    """Tell what a block is, "text" if that is to be scored."""
    counts = count_characters(text)
    words = counts["lowers"] + counts["uppers"] + counts["caselesses"] + counts["numbers"]
    inside_words = counts["letters"] + counts["ideographs"]
    symbols = counts["chars"] - inside_words - max(words - 1, 0)
    least = substance.LEAST_CHARACTERS if language in frequencies.PAIRED else substance.LEAST_TOKENS
    if kind == "heading":
        return "heading"
    if tokens < least:
        return "short"
    if "list of links" in marks:
        return "links"
    if text.startswith(("```", "~~~")):
        return "code"
    figures = counts["numbers"] > substance.FIGURES * (words + counts["ideographs"] / 2)
    if "tabular" in marks or figures or text.startswith("|"):
        return "table"
    if symbols > substance.SYMBOLS * counts["chars"]:
        return "code"
    return "text"


# ------------------------------------------------------------------------------------------------ documents for tests

WORDS: dict[str | None, str] = {
    "en": "the of and in to could things very many you analysis harbour bridge river metres city quincunx Ostara forks",
    "de": "der die und in zu könnte Dinge sehr viele Sie Analyse Hafen Brücke Fluss Meter Stadt Quincunx Stimmgabeln",
    "fr": "le la et de peut choses très plusieurs vous analyse port rivière mètres ville quinconce diapasons",
    "el": "και το της να με πόλη λιμάνι ποτάμι μέτρα κουινκόνξ διαπασών",
    "zh": "我们 的 是 在 可能 事情 非常 许多 发展 港口 城市 龘龘 音叉 了",
    "ja": "この の は です かも こと もの 非常 多く 発展 港町 音叉 龘龘 ます",
    None: "zzxq wvvk qqrt the und",
}
VOCABULARY = {language: words.split() for language, words in WORDS.items()}
NUMBERS = ("17", "2024", "1931", "1,000", "３")


@functools.cache
def hashes(text: str) -> tuple[int, ...]:
    """Return the token hashes of a text."""
    return tuple(tokenize_text(text).tolist())


def cut(phrase: str) -> str:
    """Leave out the last word of a phrase, or the last character where there are no spaces."""
    return phrase.rpartition(" ")[0] or phrase[:-1]


def split(phrase: str) -> str:
    """Put a number behind the first word of a phrase, or behind two characters where there are no spaces."""
    return phrase.replace(" ", " 17 ", 1) if " " in phrase else f"{phrase[:2]}17{phrase[2:]}"


def typeset(phrase: str) -> str:
    """Print a phrase as a typographer does."""
    return phrase.capitalize().replace("'", "’")


def pieces(language: str | None) -> st.SearchStrategy[str]:
    """Draw what blocks are put together from: words, numbers, stock phrases, and what is nearly one."""
    words = st.sampled_from([*VOCABULARY[language], *VOCABULARY[language], *NUMBERS, "river", "…"])
    # languages that have no list are given that of another
    phrases = st.sampled_from(listed_phrases().get(language or "", listed_phrases()["en"]))
    changed = st.builds(
        lambda change, phrase: str(change(phrase)), st.sampled_from([str.upper, typeset, cut, split]), phrases
    )
    return st.one_of(words, words, words, phrases, changed)


@st.composite
def drawn_texts(draw: st.DrawFn, least: int = 0) -> list[Text]:
    """Draw documents whose blocks are taken from a few, so that many have the same."""
    found = []
    pools: dict[str | None, list[tuple[int, ...]]] = {}
    for _ in range(draw(st.integers(least, 5))):
        language = draw(st.sampled_from(list(VOCABULARY)))
        if language not in pools:
            block = st.lists(pieces(language), max_size=14).map(" ".join).map(hashes)
            pools[language] = draw(st.lists(block, max_size=5))
        blocks = draw(st.lists(st.sampled_from(pools[language]), max_size=7)) if pools[language] else []
        part = [draw(st.sampled_from([OUT, HEARD, SCORED, SCORED])) if block else HEARD for block in blocks]
        title = draw(st.none() | st.integers(0, len(blocks) - 1)) if blocks else None
        found.append(Text(blocks, part, title, language))
    return found


def languages_of(texts: Sequence[Text]) -> I32:
    """Return the numbers of the documents' languages."""
    return np.array([number_of(text.language) for text in texts], np.int32)


def laid_out(texts: Sequence[Text]) -> tuple[Tokens, Blocks]:
    """Lay documents out as a batch of which nothing is known but its tokens."""
    blocks = [block for text in texts for block in text.blocks]
    bounds = np.cumsum([0, *map(len, blocks)])
    doc_bounds = np.cumsum([0, *(len(text.blocks) for text in texts)])
    none, no_fingerprints = np.zeros(len(blocks), np.int64), np.empty((0, 2), np.uint64)
    tokens = np.array([token for block in blocks for token in block], np.uint64)
    return (
        Tokens(tokens, bounds, no_fingerprints, bounds[doc_bounds], no_fingerprints),
        Blocks(doc_bounds, none, none, np.zeros(len(blocks), np.uint8)),
    )


def count(texts: Sequence[Text]) -> Counts:
    """Count the terms of documents, by what is tested."""
    return frequencies.count_terms_of(*laid_out(texts), languages_of(texts))


def frequencies_of(texts: Sequence[Text]) -> DocumentFrequencies:
    """Count the documents of terms, by what is tested."""
    found = DocumentFrequencies()
    found.add(count(texts), languages_of(texts), np.arange(len(texts)))
    return found


def spoken(texts: Sequence[Text], weights: Weights) -> Spoken:
    """Lay documents out as a corpus does, each distinct content once."""
    contents = sorted({tuple(block) for text in texts for block in text.blocks if block})
    numbers = {content: k for k, content in enumerate(contents)}
    return Spoken(
        bounds=frozen(np.cumsum([0, *(len(text.blocks) for text in texts)]), np.int64),
        content=frozen([numbers.get(tuple(block), FREE) for text in texts for block in text.blocks], np.int64),
        tokens=frozen([token for content in contents for token in content], np.uint64),
        token_bounds=frozen(np.cumsum([0, *map(len, contents)]), np.int64),
        titles=frozen([FREE if text.title is None else text.title for text in texts], np.int64),
        languages=frozen(languages_of(texts), np.int32),
        paired=frequencies.paired_languages(),
        listed=substance.listed_languages(),
        log_docs=np.log(weights.docs),
        tables=weights.tables,
        log_frequencies=np.log(weights.frequencies),
        **substance.listed_terms()._asdict(),
    )


def part_of(texts: Sequence[Text], docs: I64) -> U8:
    """Return the part that the blocks of some documents take, one behind the other."""
    return np.array([one for doc in docs.tolist() for one in texts[doc].part], np.uint8)
