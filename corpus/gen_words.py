"""Made-up running text at high speed: vocabularies, and a stream of sentences drawn from one in bulk."""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FUNCTION_TEXT = """
the of and to in a is that for it was on are as with be by he at this from or have not had but his they you
an were she which we one her has all their there been if more when would who will no said out so what up its
about than into them can only other time new some could these two may first then do any like my now over such
our man me even most made after also did many off before must well back through years where much your way
down should because long each just those people too how state good very make world still see own work men day
get here between both life being under three never know same last another while us might great since against
right came take used himself few house use during without again place around however small found
"""
FUNCTION_WORDS = _FUNCTION_TEXT.split()

FORMS = 5
PLAIN, CAPITAL, COMMA, STOP, QUESTION = range(FORMS)
_BATCH = 1 << 14
_QUANTILES = 1 << 20
_ONSETS = "b c d f g h j k l m n p r s t v w y bl br ch cl cr dr fl fr gl gr pl pr sc sh sl sp st str th tr qu"
_NUCLEI = "a e i o u a e i o u ai ea ee ie oo ou"
_CODAS = "n r s t l m d ck ng nd nt st ss rd sh ve"
_ACCENTS = dict(zip("aeioucns", "áéíöüçñš", strict=True))


@dataclass(frozen=True, slots=True)
class Language:
    """What a stream needs to know of a made-up language; `words` go from frequent to rare."""

    words: list[str]
    numbers: list[str]
    separator: str
    sentence_words: float
    exponent: float
    marks: tuple[str, str, str]


def _syllables(rng: random.Random, count: int, closed: float) -> list[str]:
    """Make syllables, that share of them with a consonant at the end."""
    onsets, nuclei, codas = _ONSETS.split(), _NUCLEI.split(), _CODAS.split()
    return [
        (rng.choice(onsets) if rng.random() < 0.93 else "")
        + rng.choice(nuclei)
        + (rng.choice(codas) if rng.random() < closed else "")
        for _ in range(count)
    ]


def _accented(rng: random.Random, word: str) -> str:
    """Return a word with one of its letters replaced by a letter that is not ASCII."""
    at = rng.choice([index for index, letter in enumerate(word) if letter in _ACCENTS])
    return word[:at] + _ACCENTS[word[at]] + word[at + 1 :]


def latin_words(rng: random.Random, count: int) -> list[str]:
    """Return distinct word forms, frequent ones first: English function words, then made-up words."""
    bulk = np.random.Generator(np.random.PCG64(rng.getrandbits(64)))
    syllables, last = _syllables(rng, 3_000, 0.25), _syllables(rng, 3_000, 0.75)
    taken = set(FUNCTION_WORDS)
    fresh: dict[str, None] = {}
    while len(fresh) < count - len(taken):
        lengths = bulk.choice(5, _BATCH, p=(0.18, 0.40, 0.27, 0.12, 0.03)).tolist()
        for length, row in zip(lengths, bulk.integers(0, 3_000, (_BATCH, 5)).tolist(), strict=True):
            word = "".join([syllables[index] for index in row[:length]]) + last[row[4]]
            if len(word) > 1 and word not in taken:
                fresh[word] = None
    words = list(fresh)[: count - len(taken)]
    for index in range(0, len(words), 50):
        words[index] = _accented(rng, words[index])
    ranks = np.array([len(word) for word in words]) + bulk.uniform(0, 9, len(words))
    return FUNCTION_WORDS + [words[index] for index in np.argsort(ranks, kind="stable").tolist()]


def _numbers(rng: random.Random, count: int) -> list[str]:
    """Return number tokens as they stand in running text."""
    made: list[str] = []
    for _ in range(count):
        kind = rng.random()
        if kind < 0.25:
            made.append(str(rng.randint(1950, 2030)))
        elif kind < 0.6:
            made.append(str(rng.randint(2, 999)))
        elif kind < 0.75:
            made.append(f"{rng.randint(1, 999)},{rng.randint(0, 999):03}")
        elif kind < 0.9:
            made.append(f"{rng.randint(0, 99)}.{rng.randint(0, 9)}")
        else:
            made.append(f"{rng.randint(1, 99)}%")
    return made


def latin(rng: random.Random) -> Language:
    """Return the made-up language written in Latin letters."""
    return Language(latin_words(rng, 60_000), _numbers(rng, 4_000), " ", 15.0, 1.0, (",", ".", "?"))


def chinese(rng: random.Random) -> Language:
    """Return the made-up language written in Chinese characters with full-width punctuation."""
    characters = [chr(code) for code in rng.sample(range(0x4E00, 0x9FA6), 3_500)]
    return Language(characters, _numbers(rng, 1_000), "", 24.0, 0.9, ("\uff0c", "\u3002", "\uff1f"))


class Stream:
    """Draws sentences of a language without end; the same seed gives the same text."""

    def __init__(self, language: Language, seed: tuple[int, ...]) -> None:
        """Lay all forms of all words out in one run of bytes, and the word at each quantile of frequency."""
        self.separator = language.separator
        self._gap = len(language.separator)
        self._language = language
        self._rng = np.random.Generator(np.random.PCG64(seed))
        words = language.words + language.numbers
        comma, stop, question = language.marks
        forms = [
            *words,
            *(word[:1].upper() + word[1:] for word in words),
            *(word + comma for word in words),
            *(word + stop for word in words),
            *(word + question for word in words),
        ]
        encoded = [(form + language.separator).encode() for form in forms]
        self._width = len(words)
        self._blob = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        self._lengths = np.array([len(form) for form in encoded], dtype=np.int64)
        self._starts = np.cumsum(self._lengths) - self._lengths
        weights = 1.0 / (np.arange(len(language.words)) + 1.5) ** language.exponent
        bounds = np.cumsum(weights) / weights.sum()
        middles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        self._quantiles = np.searchsorted(bounds[:-1], middles).astype(np.uint16)
        self._text = b""
        self._ends = [0]
        self._at = 0
        self._plain: list[str] = []
        self._plain_at = 0
        self._factors: list[float] = []

    def _draw(self, count: int) -> NDArray[np.uint16]:
        """Draw word numbers by frequency."""
        return self._quantiles.take(self._rng.integers(0, _QUANTILES, count))

    def _bytes(self, forms: NDArray[np.int64]) -> tuple[bytes, NDArray[np.int64]]:
        """Return the given word forms one after the other, and where each of them ends."""
        lengths = self._lengths.take(forms)
        ends = np.cumsum(lengths)
        places = np.repeat(self._starts.take(forms) - ends + lengths, lengths)
        places += np.arange(len(places))
        return self._blob.take(places).tobytes(), ends

    def _refill(self) -> None:
        """Draw the next batch of whole sentences."""
        rng = self._rng
        median = self._language.sentence_words
        lengths = rng.lognormal(np.log(median), 0.45, round(_BATCH / median / 1.1))
        ends = np.cumsum(np.clip(np.rint(lengths), 4, 60).astype(np.int64))
        count = int(ends[-1])
        tokens = self._draw(count).astype(np.int64)
        chance = rng.random(count, dtype=np.float32)
        numeric = np.flatnonzero(chance < 0.02)
        tokens[numeric] = len(self._language.words) + rng.integers(0, len(self._language.numbers), len(numeric))
        form = np.where(chance > 0.93, COMMA, PLAIN)
        form[ends - 1] = np.where(rng.random(len(ends)) < 0.04, QUESTION, STOP)
        form[0] = CAPITAL
        form[ends[:-1]] = CAPITAL
        self._text, byte_ends = self._bytes(form * self._width + tokens)
        self._ends = [0, *byte_ends[ends - 1].tolist()]
        self._at = 0

    def paragraph(self, median: float) -> bytes:
        """Return whole sentences: log-normally many bytes around the median."""
        ends = self._ends
        at = self._at
        if not self._factors:
            self._factors = np.clip(self._rng.lognormal(0.0, 0.6, 4096), 0.3, 4.0).tolist()
        size = median * self._factors.pop()
        goal = ends[at] + size
        index = bisect_left(ends, goal, at + 1)
        if index == len(ends):
            self._refill()
            return self.paragraph(median)
        if index > at + 1 and goal - ends[index - 1] < ends[index] - goal:
            index -= 1
        self._at = index
        return self._text[ends[at] : ends[index] - self._gap]

    def words(self, count: int) -> list[str]:
        """Return running words without capitals or punctuation."""
        if self._plain_at + count > len(self._plain):
            words = self._language.words
            self._plain = [words[index] for index in self._draw(_BATCH).tolist()]
            self._plain_at = 0
        start = self._plain_at
        self._plain_at = start + count
        return self._plain[start : start + count]

    def phrase(self, count: int) -> str:
        """Return a few words as a title or list item has them, the first with a capital."""
        text = self.separator.join(self.words(count))
        return text[:1].upper() + text[1:]

    def word(self) -> str:
        """Return one word."""
        return self.words(1)[0]
