"""Corpora in; short paragraphs, each beside a copy in which one word is another, out."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from figures import Figure, share
from join import exact_join
from reference import BLOCK_WORDS, block_jaccard, document_jaccard, number_sets, shingles, tokens
from truth import Reported

from dedup.settings import Settings

ENGLISH_WORDS, HAN_CHARACTERS, HAN_WORD = 10, 18, 2
UNLIKE = 0.5
_WORD = re.compile("[A-Za-z]+")
_HAN = re.compile("[\u4e00-\u9fff]")
_HAN_RUN = re.compile("(?:[\u4e00-\u9fff][\uff0c\u3001\uff1b\uff1a\u201c\u201d\uff08\uff09]?){18,}")


class Edit(NamedTuple):
    """A paragraph and a copy of it with one word replaced."""

    original: str
    edited: str


def english_edits(texts: Sequence[str], count: int, generator: random.Random) -> list[Edit]:
    """Draw runs of ten words; in each copy one word is replaced by another of the corpus' distinct words.

    A word drawn among the distinct ones is seldom in the sentence already: the copy is as unlike as one word makes it.
    """
    vocabulary = sorted({word.lower() for text in texts for word in _WORD.findall(text)})
    edits: dict[str, Edit] = {}
    while len(edits) < count:
        words = generator.choice(texts).split()
        first = generator.randrange(max(1, len(words) - ENGLISH_WORDS + 1))
        sentence = words[first : first + ENGLISH_WORDS]
        if len(sentence) < ENGLISH_WORDS or not all(_WORD.fullmatch(word) for word in sentence):
            continue
        changed = list(sentence)
        place = generator.randrange(ENGLISH_WORDS)
        changed[place] = other(vocabulary, sentence[place].lower(), generator)
        edits.setdefault(" ".join(sentence), Edit(" ".join(sentence), " ".join(changed)))
    return list(edits.values())


def chinese_edits(texts: Sequence[str], count: int, generator: random.Random) -> list[Edit]:
    """Draw runs of 18 characters; in each copy two neighbours are replaced by two neighbours from elsewhere."""
    runs = [run for text in texts for run in _HAN_RUN.findall(text)]
    pairs = sorted({run[k : k + HAN_WORD] for run in runs for k in range(len(run) - 1) if _HAN.match(run[k + 1])})
    pairs = [pair for pair in pairs if all(map(_HAN.match, pair))]
    edits: dict[str, Edit] = {}
    for _ in range(100 * count):
        if len(edits) == count:
            break
        run = "".join(_HAN.findall(generator.choice(runs)))
        first = generator.randrange(len(run) - HAN_CHARACTERS + 1)
        piece = run[first : first + HAN_CHARACTERS]
        place = generator.randrange(HAN_CHARACTERS - HAN_WORD + 1)
        new = other(pairs, piece[place : place + HAN_WORD], generator)
        edits.setdefault(piece, Edit(piece, piece[:place] + new + piece[place + HAN_WORD :]))
    return list(edits.values())


def unlike(edits: Sequence[Edit], count: int) -> list[Edit]:
    """Keep edits whose originals have less than half in common with every other original kept, ``count`` at most.

    Where two originals are alike the second is dropped itself, and its copy need not be like the first: that would
    measure the rule that clusters stand around a keeper, not whether edits are found.
    """
    pairs, _ = exact_join(number_sets(shingles(tokens(edit.original), *BLOCK_WORDS) for edit in edits), UNLIKE)
    earlier: dict[int, list[int]] = {}
    for a, b in pairs.tolist():
        earlier.setdefault(b, []).append(a)
    kept: set[int] = set()
    for k in range(len(edits)):
        if len(kept) < count and kept.isdisjoint(earlier.get(k, ())):
            kept.add(k)
    return [edits[k] for k in sorted(kept)]


def other(words: Sequence[str], old: str, generator: random.Random) -> str:
    """Draw a word that is not ``old``."""
    while (word := generator.choice(words)) == old:
        pass
    return word


def edit_records(edits: Iterable[Edit]) -> list[dict[str, str]]:
    """Make a document of each paragraph: the originals first, then the copies."""
    edits = list(edits)
    originals = [{"id": f"original-{k}", "text": edit.original} for k, edit in enumerate(edits)]
    return originals + [{"id": f"edited-{k}", "text": edit.edited} for k, edit in enumerate(edits)]


def edit_figures(name: str, edits: Sequence[Edit], reported: Reported, settings: Settings) -> list[Figure]:
    """Say which copies were found, and which paragraphs were matched that are unlike.

    A copy is found where it is dropped as a copy of its original, or of what its original was dropped for.
    """
    rows = {row["doc"]: row for row in reported.blocks}

    def keeper(doc: str) -> str:
        return str(rows[doc]["partner_doc"]) if rows[doc]["action"] == "drop" else doc

    found = sum(
        rows[f"edited-{k}"]["action"] == "drop" and keeper(f"edited-{k}") in {f"original-{k}", keeper(f"original-{k}")}
        for k in range(len(edits))
    )
    alike = sum(block_jaccard(edit.original, edit.edited) >= settings.threshold for edit in edits)
    unrelated = 0
    for doc, row in rows.items():
        partner = row["partner_doc"]
        if row["action"] != "drop" or doc.partition("-")[2] == partner.partition("-")[2]:
            continue
        near_blocks = block_jaccard(reported.texts[doc], reported.texts[partner]) >= settings.threshold
        near_documents = document_jaccard(reported.texts[doc], reported.texts[partner]) >= settings.doc_threshold
        unrelated += not (near_documents if row["reason"].endswith("_document") else near_blocks)
    return [
        Figure(
            f"{name}: one-word edits found", share(found, len(edits)), "at least", 0.95, f"{found:,} of {len(edits):,}"
        ),
        Figure(f"{name}: one-word edits at or over the threshold", share(alike, len(edits))),
        Figure(f"{name}: unrelated paragraphs matched", unrelated, "equals", 0),
    ]
