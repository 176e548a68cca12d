"""Cleaning removes what the verdicts drop and nothing else, says why, and can be undone byte for byte."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from endtoend import CORPUS, FERRY, dedup, files, jsonl, rows, unpacked, zstd
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from dedup import GuardRail, InputError, NotFound, Settings, SettingsError, clean, scan, undo
from dedup.blocks import split_blocks
from dedup.cut import Plan, as_dicts, cut_text, spans_to_cut
from dedup.formats.base import pack
from dedup.schema import BOILERPLATE, Blocks
from dedup.settings import DEFAULT_DROP, SPLITS, Removable, Split

ONLY_BLOCKS: frozenset[Removable] = frozenset({"exact_duplicate", "near_duplicate"})
SENTENCES = [
    FERRY,
    "Tickets are sold on board and in the kiosk beside the old customs house.",
    "In winter the boat stays in the yard, where its planks are caulked anew.",
    "Die Fähre legt um neun Uhr am alten Hafen ab, jeden Tag außer sonntags.",
    "渡轮每天早上九点从旧港口出发，船票在船上出售。",
    'He said: "Mind the gap / the step \\ the rope", and then 😀 waved at us all.',
    FERRY.replace("nine", "ten").upper(),
    "Conclusion",
    "\u0000 and \u202e odd \ufeff characters stand in this sentence of nine words.",
]
GAPS = ["\n", "\n\n", "\r\n", "\r\n\r\n", "\n \t\n", "\n\n\n", "\f", "\n- ", " "]
TEXTS = st.lists(st.tuples(st.sampled_from(GAPS), st.sampled_from(SENTENCES) | st.text(max_size=12)), max_size=7).map(
    lambda parts: "".join(gap + sentence for gap, sentence in parts)
)
OTHERS = st.dictionaries(
    st.text(max_size=5).filter(lambda name: name not in {"text", "id", "source"}),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.lists(st.text(max_size=3), max_size=2),
    max_size=3,
)


@pytest.mark.parametrize(
    ("text", "dropped", "left"),
    [
        ("A\n\nB\n\nC\n", [1], "A\n\nC\n"),
        ("A\n\nB\n\nC\n", [0], "B\n\nC\n"),
        ("A\n\nB\n\nC\n", [2], "A\n\nB\n"),
        ("A\n\nB\n\nC", [1, 2], "A"),
        ("A\n\nB\n\nC\n", [0, 1, 2], "\n"),
        ("\n\n  A\n\n\n  B\n\n", [0], "\n\n  B\n\n"),
        ("\n\n  A\n\n\n  B\n\n", [1], "\n\n  A\n\n"),
        ("A\r\n\r\nB\r\nC", [1], "A\r\n\r\nC"),
        ("A\nB\n\n\nC\nD", [1, 2], "A\n\n\nD"),
        ("A\n\nB\nC", [1], "A\n\nC"),
        ("A\nB\n\nC", [1], "A\n\nC"),
        ("A B C", [1], "A C"),
        ("A\fB\fC", [1], "A\fC"),
        ("A", [0], ""),
        ("", [], ""),
    ],
)
def test_spans_to_cut(text: str, dropped: list[int], left: str) -> None:
    data = text.encode()
    found = [match.span() for match in re.finditer(rb"[A-Z]", data)]
    starts, ends = [start for start, _ in found], [end for _, end in found]
    spans = spans_to_cut(data, starts, ends, [k in dropped for k in range(len(found))])
    assert [block for *_, block in spans] == dropped
    assert all(a <= starts[block] < ends[block] <= b for a, b, block in spans)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
    position, kept = 0, b""
    for start, end, _ in spans:
        kept += data[position:start]
        position = end
    assert (kept + data[position:]).decode() == left


UNTOLD = pa.table({})
WRAPS = ("The ferry leaves the harbour at nine and", "returns at noon. Tickets are sold in", "the kiosk.", "Close",
    "Boats stay ashore.", "\n", "- an item of some length, which", "  goes on", "# Title", "Title\n=====")  # fmt: skip


@given(st.lists(st.integers(0, 5), max_size=5), st.data())
def test_rows_of_a_table_in_parts(sizes: list[int], data: st.DataObject) -> None:
    n = sum(sizes)
    bounds = np.cumsum([0, *sizes])
    parts = [pa.table({"place": np.arange(first, end)}) for first, end in itertools.pairwise(bounds)]
    table = pa.concat_tables([pa.table({"place": np.arange(0)}), *parts])
    chosen = data.draw(st.lists(st.integers(0, n - 1)) if n else st.just([]))
    assert as_dicts(table, np.array(chosen, np.int64)) == [{"place": row} for row in chosen]


@given(st.lists(st.tuples(st.sampled_from(WRAPS), st.booleans()), max_size=12), st.sampled_from(SPLITS))
def test_what_is_left_splits_into_the_blocks_that_are_kept(lines: list[tuple[str, bool]], split: Split) -> None:
    text = "\n".join(line for line, _ in lines).encode()
    blocks = split_blocks(np.frombuffer(text, np.uint8), np.array([0, len(text)]), split)
    n = blocks.starts.size
    dropped = np.array([drop for _, drop in lines[:n]] + [False] * (n - len(lines)), np.bool_)
    kept_whole, touched = np.zeros(1, np.bool_), np.array([dropped.any()])
    first = np.zeros(1, np.int64)
    plan = Plan(np.array([0, n]), first, blocks.starts, blocks.ends, dropped, kept_whole, touched, split, UNTOLD, first)
    left = np.frombuffer(cut_text(text, plan.spans(0, text)), np.uint8)
    again = split_blocks(left, np.array([0, left.size]), split)

    def words(data: bytes, found: Blocks) -> list[bytes]:
        return [data[a:b] for a, b in zip(found.starts, found.ends, strict=True)]

    kept = [block for block, gone in zip(words(text, blocks), dropped, strict=True) if not gone]
    assert words(left.tobytes(), again) == kept


@st.composite
def lines(draw: st.DrawFn) -> tuple[bytes, dict[str, Any]]:
    """Draw a record and one of the many ways to write it down."""
    record = {"text": draw(TEXTS), **draw(OTHERS)}
    if draw(st.booleans()):
        record = {name: record[name] for name in reversed(record)}
    text = json.dumps(
        record,
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :  ")])),
    )
    if draw(st.booleans()):
        text = text.replace("/", r"\/")
    return draw(st.sampled_from(["", " ", "\t"])).encode() + text.encode() + draw(
        st.sampled_from([b"", b" ", b"\r"])
    ), record


def is_shortened(new: bytes, old: bytes) -> bool:
    """Whether a text is another with some of it left out."""
    rest = iter(old)
    return all(byte in rest for byte in new)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal; NaN equals itself."""
    return bool(one == other) or json.dumps(one) == json.dumps(other)


@given(st.lists(lines(), max_size=6), st.sampled_from(SPLITS), st.booleans(), st.sampled_from([1, 300, 1 << 20]))
def test_lines_keep_their_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[bytes, dict[str, Any]]],
    split: Split,
    ended: bool,
    size: int,
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    data = b"\n".join(line for line, _ in records) + b"\n" * (ended and bool(records))
    (folder / "in.jsonl").write_bytes(data)
    settings = Settings(split=split, batch_bytes=size, max_drop_share=1)
    cleaned = clean(folder / "in.jsonl", folder / "out.jsonl", settings)
    removals = rows(folder / "out.jsonl.removals.jsonl")
    assert rows(folder / "out.jsonl.rejects.jsonl") == []
    spans = {(row["doc"], row["block"]): row["raw"].encode() for row in removals if "block" in row}
    gone = {row["doc"] for row in removals if "block" not in row}
    kept = iter((folder / "out.jsonl").read_bytes().split(b"\n"))
    for number, (line, record) in enumerate(records, 1):
        if f"in.jsonl:{number}" in gone:
            continue
        new = next(kept)
        cut = [raw for (doc, _), raw in spans.items() if doc == f"in.jsonl:{number}"]
        assert len(new) == len(line) - sum(map(len, cut))
        assert new == line if not cut else is_shortened(new, line)
        changed = json.loads(new)
        assert list(changed) == list(record)
        assert all(same(changed[name], record[name]) for name in record if name != "text")
        lost = [json.loads(b'"%b"' % raw) for raw in cut]
        assert len(changed["text"]) == len(record["text"]) - sum(map(len, lost))
        assert [row["text"] for row in removals if row["doc"] == f"in.jsonl:{number}"] == lost
    assert cleaned.summary["blocks_dropped"] >= len(spans)
    assert undo(folder / "out.jsonl", folder / "back.jsonl").read_bytes() == data


class Producer:
    """A table for those who ask through the Arrow interface only."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, schema: object = None) -> object:
        return self._table.__arrow_c_stream__(schema)


TABLE_KINDS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int16(), pa.string())]
WRAPPERS: list[Callable[[pa.Table], Any]] = [
    lambda table: table,
    Producer,
    lambda table: table.to_reader(2),
    lambda table: pa.concat_tables([table.slice(0, 1), table.slice(1)]),
]


@given(
    st.lists(st.tuples(TEXTS, st.integers(0, 9)), max_size=6),
    st.sampled_from(TABLE_KINDS),
    st.sampled_from(WRAPPERS),
    st.sets(st.integers(0, 5)),
)
@profile(max_examples=25)
def test_dicts_and_tables_are_cleaned_like_lines(
    documents: list[tuple[str, int]], kind: pa.DataType, wrap: Callable[[pa.Table], Any], nulls: set[int]
) -> None:
    texts = [None if k in nulls else text for k, (text, _) in enumerate(documents)]
    records = [
        {"id": f"d{k}", "text": text, "n": number}
        for k, (text, (_, number)) in enumerate(zip(texts, documents, strict=True))
    ]
    settings = Settings(max_drop_share=1)
    of_dicts = clean(iter(records), settings=settings)
    assert isinstance(of_dicts.records, list)
    assert [record["n"] for record in of_dicts.records if record["text"] is None] == [
        number for k, (_, number) in enumerate(documents) if k in nulls
    ]
    schema = pa.schema(
        [("id", pa.string()), pa.field("text", kind, metadata={"of": "mine"}), ("n", pa.int8())], {"a": "b"}
    )
    columns = {name: pa.array([record[name] for record in records]) for name in schema.names}
    table = pa.table({name: column.cast(schema.field(name).type) for name, column in columns.items()}, schema=schema)
    before = table.slice(0)
    of_table = clean(wrap(table), settings=settings)
    assert isinstance(of_table.records, pa.Table)
    assert of_table.records.schema.equals(schema, check_metadata=True)
    assert of_table.records.to_pylist() == of_dicts.records
    assert of_table.removals == of_dicts.removals
    assert table.equals(before)
    untouched = {id(record) for record in records}
    assert all(id(new) in untouched for new in of_dicts.records if new in records)


def second_pass_removes(records: list[dict[str, Any]], split: Split) -> int:
    """Clean twice where only blocks are dropped; count what the second pass removes."""
    settings = Settings(split=split, drop=ONLY_BLOCKS, max_drop_share=1)
    once = clean(records, settings=settings)
    again = clean(once.records, settings=settings)
    return len(again.removals or ())


@pytest.mark.parametrize("split", SPLITS)
def test_cleaning_the_articles_twice(split: Split) -> None:
    assert second_pass_removes(rows(CORPUS / "articles.jsonl"), split) == 0


@given(st.lists(TEXTS, max_size=8), st.sampled_from(SPLITS))
@profile(max_examples=25)
def test_cleaning_twice_removes_nothing_more(texts: list[str], split: Split) -> None:
    assert second_pass_removes([{"text": text} for text in texts], split) == 0


@pytest.mark.parametrize("drop", [DEFAULT_DROP, DEFAULT_DROP | {"contained_document", "number_variant"}])
def test_removals_say_why(tmp_path: Path, drop: frozenset[Any]) -> None:
    path, out = CORPUS / "articles.jsonl", tmp_path / "out"
    cleaned = clean(path, out, Settings(drop=drop, max_drop_share=1))
    run = cleaned.run
    removals = rows(out / "removals.jsonl")
    texts = {row["id"]: row["text"].encode() for row in rows(path)}
    gone = {row["doc"]: row for row in run.documents.to_pylist() if row["action"] == "drop"}
    verdicts = {(row["doc"], row["block"]): row for row in run.verdicts.to_pylist()}
    kept = {row["id"] for row in rows(out / "articles.jsonl")}
    whole = [row for row in removals if "block" not in row]
    parts = [row for row in removals if "block" in row]
    assert {row["doc"] for row in whole} == set(gone) == set(texts) - kept
    for row in whole:
        assert all(row[name] == gone[row["doc"]][name] for name in ("reason", "partner_doc", "similarity"))
        assert row["text"].encode() == texts[row["doc"]]
        assert row["partner_doc"] in kept
    dropped = {place for place, row in verdicts.items() if row["action"] == "drop" and row["doc"] not in gone}
    assert {(row["doc"], row["block"]) for row in parts} == dropped
    for row in parts:
        verdict = verdicts[row["doc"], row["block"]]
        names = ("start", "end", "kind", "reason", "partner_doc", "partner_block", "similarity")
        assert all(row[name] == verdict[name] for name in names)
        assert row["reason"] in drop
        assert row["text"].encode().strip() == texts[row["doc"]][row["start"] : row["end"]].strip()
        if row["reason"] in {reason.name.lower() for reason in BOILERPLATE}:
            assert row["partner_doc"] is None
            continue
        partner = verdicts[row["partner_doc"], row["partner_block"]]
        assert partner["action"] == "keep"
        assert partner["doc"] in kept
    assert {row["reason"] for row in removals} <= drop
    assert [row["seq"] for row in removals] == list(range(len(removals)))


def test_keep_and_drop(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    road = "Road 1506 leads from the harbour to the old customs house."
    texts = [
        FERRY,
        f"{SENTENCES[1]}\n{FERRY}",
        f"{SENTENCES[2]}\n{road}",
        f"{SENTENCES[3]}\n{road.replace('1506', '77')}",
    ]
    path.write_bytes(jsonl({"text": text} for text in texts))
    clean(path, tmp_path / "out.jsonl", Settings(drop=frozenset({"number_variant_document"})))
    assert (tmp_path / "out.jsonl").read_bytes() == path.read_bytes()
    dropped = dedup("clean", path, "-o", "-", "--drop", "number_variant", "--keep", "exact_duplicate")
    assert [json.loads(line)["text"] for line in dropped.stdout.splitlines()] == [*texts[:3], SENTENCES[3]]


COPIES = jsonl([{"text": FERRY}, {"text": f"{SENTENCES[2]}\n{FERRY}"}, {"text": SENTENCES[1]}])
CLEANED = jsonl([{"text": FERRY}, {"text": SENTENCES[2]}, {"text": SENTENCES[1]}])


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_files_directories_and_pipes(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(pack(COPIES))
    piped = dedup("clean", "-", "-o", "-", stdin=path.read_bytes())
    (tmp_path / "piped").write_bytes(piped.stdout)
    assert b"1 dropped" in piped.stderr
    assert clean(path, tmp_path / "new" / "out.gz").path == tmp_path / "new" / "out.gz"
    assert clean([path], tmp_path / "out").path == tmp_path / "out"
    outs = [tmp_path / "piped", tmp_path / "out" / "in.jsonl", tmp_path / "new" / "out.gz"]
    assert [unpacked(out) for out in outs] == [CLEANED] * 3
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert gzip.decompress(outs[2].read_bytes()) == CLEANED
    beside = {f"out.gz.{name}" for name in ("removals.jsonl", "rejects.jsonl", "summary.json")}
    assert set(files(tmp_path / "new")) == {"out.gz", *beside}
    assert unpacked(undo(tmp_path / "new" / "out.gz", tmp_path / "back.jsonl")) == COPIES
    assert unpacked(undo(tmp_path / "out", tmp_path / "back") / "in.jsonl") == COPIES
    clean(path, path)  # in place
    assert unpacked(path) == CLEANED
    assert unpacked(undo(path, path)) == COPIES


def test_several_files_into_one_pipe_keep_their_lines_apart(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
        (tmp_path / name).write_bytes(jsonl([{"text": f"{name} is short"}])[:-1])
    piped = dedup("clean", *(tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl")), "-o", "-")
    assert [json.loads(line)["text"][:1] for line in piped.stdout.split(b"\n")] == ["a", "b", "c"]


def test_dry_runs_write_nothing(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(COPIES)
    told = dedup("clean", path, "--dry-run", "-o", tmp_path / "out.jsonl", "--json")
    assert json.loads(told.stdout)["blocks_dropped"] == 1
    assert clean(path, settings=Settings(), dry_run=True).summary["blocks_dropped"] == 1
    assert clean(rows(path), dry_run=True).records is None
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(SettingsError, match="out=None is not allowed"):
        clean(path)


def test_runs_are_used_again(tmp_path: Path) -> None:
    path, run = tmp_path / "in.jsonl", tmp_path / "run"
    path.write_bytes(COPIES.replace(b'"text"', b'"body"'))
    scan(path, Settings(text="body", survivor="longest"), out=run)
    clean(path, tmp_path / "out.jsonl", run=run)
    assert (tmp_path / "out.jsonl").read_bytes() == CLEANED.replace(b'"text"', b'"body"')
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(InputError, match="not those that"):
        clean(path, tmp_path / "again.jsonl", run=run)
    with pytest.raises(InputError, match="not those that"):
        clean([path, path], tmp_path / "again", run=run)
    with pytest.raises(NotFound, match="is no run directory"):
        clean(path, tmp_path / "again.jsonl", run=tmp_path)
    path.write_bytes(jsonl([{"body": FERRY}]))
    scan([path, path], Settings(text="body", allow=True), out=run)
    assert clean([path, path], tmp_path / "two", run=run, settings=Settings(allow=True)).path is not None
    stopped = scan([{"body": FERRY, "source": "a"}] * 20, Settings(text="body", allow=True))
    with pytest.raises(GuardRail):
        clean([{"body": FERRY, "source": "a"}] * 20, run=stopped)


def test_an_input_of_equal_size_is_told_from_that_scanned(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(COPIES)
    run = scan(path, out=tmp_path / "run")
    path.write_bytes(COPIES.replace(b"The ferry", b"His barge"))
    with pytest.raises(InputError, match="scan again"):
        clean(path, tmp_path / "out.jsonl", run=run)
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("out")] == []


def test_a_table_is_told_from_that_scanned() -> None:
    texts = [json.loads(line)["text"] for line in COPIES.splitlines()]
    run = scan([{"text": text} for text in texts])
    for other in (texts[::-1], texts[1:], [texts[0] + texts[1][:1], texts[1][1:], *texts[2:]]):
        with pytest.raises(InputError, match="scan again"):
            clean([{"text": text} for text in other], run=run)
    cleaned = clean([{"text": text} for text in texts], run=run)
    assert cleaned.records == [json.loads(line) for line in CLEANED.splitlines()]


@given(st.lists(st.tuples(TEXTS, st.sets(st.integers(0, 9))), max_size=6), st.sampled_from(SPLITS))
@profile(max_examples=25)
def test_documents_of_a_batch_are_cut_as_alone(drawn: list[tuple[str, set[int]]], split: Split) -> None:
    texts = [text.encode() for text, _ in drawn]
    bounds = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    blocks = split_blocks(np.frombuffer(b"".join(texts), np.uint8), bounds, split)
    numbers = np.arange(blocks.starts.size) - np.repeat(blocks.bounds[:-1], np.diff(blocks.bounds))
    owners = np.repeat(np.arange(len(texts)), np.diff(blocks.bounds))
    dropped = np.array([int(k) in drawn[doc][1] for k, doc in zip(numbers, owners, strict=True)], np.bool_)
    touched = np.array([dropped[owners == doc].any() for doc in range(len(texts))], np.bool_)
    rows, gone = np.arange(len(texts)), np.zeros(len(texts), np.bool_)
    plan = Plan(blocks.bounds, rows, blocks.starts, blocks.ends, dropped, gone, touched, split, UNTOLD, rows)
    nothing = [None] * len(texts)
    cuts, whole = plan.cuts(pack(texts, [str(k) for k in rows], nothing, nothing), 0)
    alone = [plan.spans(row, text) for row, text in enumerate(texts)]
    assert [list(cut or ()) if not isinstance(cut, bool) else cut for cut in cuts] == [
        [(start, end) for start, end, _ in spans] for spans in alone
    ]
    assert whole == {row: [block for *_, block in spans] for row, spans in enumerate(alone) if touched[row]}
