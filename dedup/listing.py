"""Inputs in; the templates that recur in them, with their slots and what fills them, out."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dedup.arrays import U8, U64
from dedup.blocks import split_blocks
from dedup.errors import InputError
from dedup.formats import Chunk, Inputs, check_readable_twice, chunks_of, narrow, open_inputs
from dedup.kernels.links import find_links
from dedup.kernels.shape import IDEOGRAPH
from dedup.kernels.template import LINK, LITERAL, NUMBER, TITLE
from dedup.pipeline import scan
from dedup.reading import Progress, pool_of, silent
from dedup.run import Run, TextsSum, hash_texts, place_of_run, texts_digest
from dedup.schema import Documents
from dedup.settings import Settings
from dedup.sketch import tokenize_blocks, tokenize_texts
from dedup.templates import find_templates
from dedup.threads import ordered_map
from dedup.unicode import character_kinds
from dedup.urls import hide

SLOTS = {int(NUMBER): "number", int(LINK): "link", int(TITLE): "title"}
ANY = "any"  # what fills a slot that was learnt
SAMPLES = 4  # lines that are looked at of each template
WORD = re.compile(r"([^\W_]+)")


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """A template that recurs.

    Attributes:
        template: its name, as in the verdicts.
        source: the source it recurs in, None where documents name none.
        reason: the class of its example.
        text: its text, each slot in braces, such as ``{number} min read``.
        values: for each slot a few values.
        clusters: in how many clusters of near-duplicate documents of the source it is.
        source_clusters: how many clusters the source has.
        documents: in how many documents it is; ``documents_repeating``, in how many more than once.
        documents_repeating: see ``documents``.
        blocks: how often it stands there.
        from_top: mean number of blocks above it; ``from_bottom``, below it.
        from_bottom: see ``from_top``.
        learnt: whether it was learnt from what its lines share, not from dates, numbers, links and titles.
        doc: a document with it, and ``block``, the place in that.
        block: see ``doc``.
    """

    template: str
    source: str | None
    reason: str | None
    text: str
    values: list[list[str]]
    clusters: int
    source_clusters: int
    documents: int
    documents_repeating: int
    blocks: int
    from_top: float
    from_bottom: float
    learnt: bool
    doc: str
    block: int


def headers(inputs: Any, settings: Settings | None = None, *, progress: Progress | None = None) -> list[Header]:
    r"""List the repeated headers and other templates of a corpus, by source, the commonest first.

    Args:
        inputs: as for ``scan``; read twice.
        settings: see ``Settings``.
        progress: see ``scan``.

    Raises:
        NotFound: an input does not exist.
        InputError: an input cannot be read, or is not the same when it is read again, or is a run, which has no texts.

    >>> found = headers([{"id": str(k), "source": "a.example", "text": f"{k} min read\n\n{body}"}
    ...                  for k, body in enumerate(["The kiln was cold.", "Rain fell on the pier.", "Nobody sang."])])
    >>> found[0].text, found[0].clusters, found[0].values
    ('{number} min read', 3, [['0', '1', '2']])
    """
    check_no_run(inputs)
    settings = dataclasses.replace(settings or Settings(), allow=True)
    opened = open_inputs(list(inputs) if isinstance(inputs, Iterator) else inputs, settings.format)
    check_readable_twice(opened)
    run = scan(opened, settings, progress=progress)
    wanted = lines_wanted(run)
    lines, digest = read_lines(opened, settings, wanted, progress or silent)
    if digest != run.summary["texts"]:
        raise InputError("the inputs changed while they were read: list their headers when nothing writes to them")
    return [told(row, lines.get(row["template"], [])) for row in run.templates.to_pylist()]


def check_no_run(inputs: Any) -> None:
    """Check that no run is named, which a scan would decide again, and write.

    Raises:
        InputError: one is.
    """
    place = place_of_run(inputs)
    if place is not None:
        raise InputError("a run holds no texts: name the inputs that it was made from", hide(place))


def lines_wanted(run: Run) -> dict[int, list[tuple[str, int]]]:
    """Choose lines of each template: for each document of the input, in order, names of templates and blocks."""
    verdicts = run.verdicts.select(["doc", "block", "template"])
    names = verdicts["template"].to_numpy(zero_copy_only=False)
    has = np.flatnonzero(verdicts["template"].is_valid().to_numpy(zero_copy_only=False))
    # rows stand document by document, in the order of the table of documents
    doc_of = np.repeat(np.arange(run.documents.num_rows), run.documents["blocks"].to_numpy())
    place = np.empty(run.documents.num_rows, np.int64)
    place[run.input_order()] = np.arange(run.documents.num_rows)
    blocks = verdicts["block"].to_numpy()
    listed = set(run.templates["template"].to_pylist())
    taken: dict[str, set[int]] = {}
    wanted: dict[int, list[tuple[str, int]]] = {}
    for row in has.tolist():
        name, doc = names[row], int(doc_of[row])
        docs = taken.setdefault(name, set())
        if name in listed and len(docs) < SAMPLES and doc not in docs:
            docs.add(doc)
            wanted.setdefault(int(place[doc]), []).append((name, int(blocks[row])))
    return wanted


def read_lines(
    inputs: Inputs, settings: Settings, wanted: dict[int, list[tuple[str, int]]], progress: Progress
) -> tuple[dict[str, list[list[tuple[str, int]]]], str]:
    """Read lines again.

    Returns:
        For each template, lines as pieces of text and what each is (LITERAL or a slot); a checksum of all texts.
    """
    opened = [narrow(one, settings) for one in inputs]
    total = sum(one.size or 0 for one in opened)
    lines: dict[str, list[list[tuple[str, int]]]] = {}
    texts = [TextsSum() for _ in opened]
    first = 0

    def parse(work: tuple[int, Chunk]) -> tuple[int, int, Documents, U64]:
        number, chunk = work
        documents = opened[number].parse(chunk, settings).documents
        return number, chunk.read, documents, hash_texts(documents)

    with pool_of(settings.workers) as pool:
        work = chunks_of(opened, settings.batch_bytes)
        for number, read, documents, hashes in ordered_map(pool, parse, work, settings.workers):
            texts[number].add(hashes)
            for doc in range(len(documents.ids)):
                if first + doc in wanted:
                    data = documents.data[documents.bounds[doc] : documents.bounds[doc + 1]]
                    for name, line in split_lines(data, settings, wanted[first + doc]):
                        lines.setdefault(name, []).append(line)
            first += len(documents.ids)
            progress("reading lines", read, total)
    return lines, texts_digest(texts)


def split_lines(
    data: U8, settings: Settings, wanted: Sequence[tuple[str, int]]
) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Cut blocks of a document into pieces: literals, and what fills slots."""
    whole = np.array([0, data.size])
    blocks = split_blocks(data, whole, settings.split)
    templates = find_templates(data, whole, blocks, tokenize_blocks(data, whole, blocks))
    for name, block in wanted:
        line = data[blocks.starts[block] : blocks.ends[block]]
        slots = templates.slots[templates.firsts[block] : templates.lasts[block]].tolist()
        yield name, merge(pieces(line, slots))


def pieces(line: U8, slots: list[int]) -> Iterator[tuple[str, int]]:
    """Say of each word of a line, and of what stands between words, what it is."""
    spans = np.empty((line.size, 2), np.int64)
    links = spans[: find_links(line, np.array([0, line.size]), spans)].tolist()
    at, end = 0, 0
    for start, stop in [*links, [line.size, line.size]]:
        parts = list(words_of(str(line[end:start].data, "utf-8")))
        counts = np.diff(tokenize_texts(parts).bounds).tolist() if parts else []
        for part, count in zip(parts, counts, strict=True):
            yield part, slots[at] if count and at < len(slots) else int(LITERAL)
            at += count
        if start < stop:
            yield str(line[start:stop].data, "utf-8"), int(LINK)
            at += 1
        end = stop


def words_of(text: str) -> Iterator[str]:
    """Cut a text into words, letters of scripts without spaces, and what stands between."""
    kinds = character_kinds()
    for part in WORD.split(text):
        for alone, run in itertools.groupby(part, lambda char: kinds[min(ord(char), kinds.size - 1)] == IDEOGRAPH):
            if alone:
                yield from run
            else:
                yield "".join(run)


def merge(found: Iterator[tuple[str, int]]) -> list[tuple[str, int]]:
    """Join what belongs to one slot, with what stands between its words, and literals."""
    merged: list[tuple[str, int]] = []
    for text, slot in found:
        if not text:
            continue
        if merged and merged[-1][1] == slot:
            merged[-1] = (merged[-1][0] + text, slot)
        elif len(merged) > 1 and slot == merged[-2][1] != LITERAL and not WORD.search(merged[-1][0]):
            between, _ = merged.pop()
            merged[-1] = (merged[-1][0] + between + text, slot)
        else:
            merged.append((text, slot))
    return merged


def told(row: dict[str, Any], lines: list[list[tuple[str, int]]]) -> Header:
    """Put a template and its lines into words."""
    text, values = fill(lines) if alike(lines) and not row["learnt"] else outline(lines)
    return Header(
        template=row["template"],
        source=row["source"],
        reason=row["reason"],
        text=text,
        values=values,
        clusters=row["clusters"],
        source_clusters=row["source_clusters"],
        documents=row["documents"],
        documents_repeating=row["documents_repeating"],
        blocks=row["blocks"],
        from_top=round(row["from_top"], 1),
        from_bottom=round(row["from_bottom"], 1),
        learnt=row["learnt"],
        doc=row["doc"],
        block=row["block"],
    )


def alike(lines: list[list[tuple[str, int]]]) -> bool:
    """Whether lines have the same words outside their slots; not where names fill one that words alone do not tell."""
    literals = ([part for part, slot in line if slot == LITERAL] for line in lines)
    return len({tuple(WORD.findall("".join(parts).casefold())) for parts in literals}) <= 1


def fill(lines: list[list[tuple[str, int]]]) -> tuple[str, list[list[str]]]:
    """Return a template's text with its slots named, and the values of each."""
    if not lines:
        return "", []
    text = "".join(part if slot == LITERAL else "{" + SLOTS[slot] + "}" for part, slot in lines[0])
    filled = [[part for part, slot in line if slot != LITERAL] for line in lines]
    return text, [
        distinct(column) for column in zip(*(one for one in filled if len(one) == len(filled[0])), strict=True)
    ]


def outline(lines: list[list[tuple[str, int]]]) -> tuple[str, list[list[str]]]:
    """Return what lines begin and end with alike, and what stands between."""
    words = [re.findall(r"\w+\W*|\W+", "".join(part for part, _ in line)) for line in lines]
    if not words:
        return "", []
    shortest = min(map(len, words))
    head = sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False)))
    backwards = zip(*(reversed(one) for one in words), strict=False)
    tail = sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, backwards))
    tail = min(tail, shortest - head)
    ends = "".join(words[0][len(words[0]) - tail :])
    values = distinct(["".join(one[head : len(one) - tail]).strip() for one in words])
    return "".join(words[0][:head]) + "{" + ANY + "}" + (" " + ends if ends and not ends[0].isspace() else ends), [
        values
    ]


def distinct(values: Sequence[str]) -> list[str]:
    """Leave out repetitions."""
    return list(dict.fromkeys(values))
