"""Inputs read in pieces of some size, edited by a rule, and restored: what tests of formats share."""

from __future__ import annotations

import dataclasses
import io
import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

from endtoend import unpacked

from dedup import Settings, clean, undo
from dedup.formats import Cut, File, Parsed, open_inputs
from dedup.formats.sinks import Checksum
from dedup.run import raw_fields
from dedup.undoing import restore_bytes

Rule = Callable[[int, bytes], Cut]  # what to cut from a document, by its number and text


class Result(NamedTuple):
    """What a file holds.

    Attributes:
        documents: id, source, age and text of each.
        rejects: line, message and raw bytes of each.
        output: what is left when a rule is followed.
        restored: what undoing it gives.
    """

    documents: list[tuple[Any, ...]]
    rejects: list[tuple[int, str, bytes]]
    output: bytes
    restored: bytes


def columns(part: Parsed) -> list[tuple[Any, ...]]:
    """Lay the documents of a chunk out."""
    documents = part.documents
    data, bounds = documents.data.tobytes(), documents.bounds.tolist()
    texts = [data[a:b] for a, b in itertools.pairwise(bounds)]
    names = (documents.ids.to_pylist(), documents.sources.to_pylist(), documents.ages.to_pylist())
    return list(zip(*names, texts, strict=True))


def read(path: Path, size: int, rule: Rule, settings: Settings) -> Result:
    """Read a file in pieces of a size, edit it by a rule, and undo that."""
    (source,) = cast("list[File]", open_inputs(path))
    documents: list[tuple[Any, ...]] = []
    rejects: list[tuple[int, str, bytes]] = []
    rows: list[dict[str, Any]] = []
    output, kept = b"", 0
    for chunk in source.chunks(size):
        parsed = source.parse(chunk, settings)
        found = columns(parsed)
        cuts = [rule(len(documents) + k, row[-1]) for k, row in enumerate(found)]
        bad = frozenset(reject.line for reject in parsed.rejects)
        edited = source.edit(dataclasses.replace(chunk, kept=kept), cuts, bad, settings)
        rows += [
            {"offset": len(output) + one.offset, "added": one.added, **raw_fields(one.raw or b"")}
            for one in edited.removed
        ]
        output += b"".join(data for _, data in edited.pieces)
        documents += found
        rejects += [(reject.line, reject.error, reject.raw) for reject in parsed.rejects]
        kept += len(cuts) - cuts.count(True)
    target, checksum = io.BytesIO(), Checksum()
    checksum.add(output)
    held = path.with_name("output")
    held.write_bytes(output)
    restore_bytes(held, checksum.as_dict(), rows, target)
    return Result(documents, rejects, output, target.getvalue())


def assert_nothing_is_lost(path: Path, data: bytes, documents: int, settings: Settings) -> None:
    """Check that a file, which holds some data when unpacked, stays what it is, read, cleaned and restored."""
    for size in (1, 1 << 20):
        result = read(path, size, nothing, settings)
        assert (len(result.documents), result.rejects, result.output) == (documents, [], data)
    out = path.with_name(f"out{path.suffix}")
    cleaned = clean(path, out)
    assert cleaned.run.summary["documents"] == documents
    assert unpacked(out) == data
    assert unpacked(undo(out, path.with_name(f"back{path.suffix}"))) == data


def nothing(number: int, text: bytes) -> Cut:
    """Cut nothing."""


def drawn(seed: int) -> Rule:
    """Return a rule that draws what to cut: nothing, all, or spans between characters."""

    def rule(number: int, text: bytes) -> Cut:
        chance = random.Random(f"{seed} {number}")
        kind = chance.random()
        if kind < 0.3:
            return None
        if kind < 0.5:
            return True
        places = [k for k in range(len(text) + 1) if k == len(text) or text[k] & 0xC0 != 0x80]
        edges = sorted(chance.sample(places, min(len(places) // 2 * 2, 2 * chance.randint(1, 3))))
        if kind < 0.6:
            edges = [0, len(text)] if text else []
        return list(zip(edges[::2], edges[1::2], strict=True)) or None

    return rule


def left_of(text: bytes, cut: Cut) -> bytes | None:
    """Return a text without what is cut; None where all of the record goes."""
    if isinstance(cut, bool):
        return None
    left, position = b"", 0
    for start, end in cut or ():
        left += text[position:start]
        position = end
    return left + text[position:]
