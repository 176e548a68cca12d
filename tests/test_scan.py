"""A scan says the same however its input is cut, threaded or shuffled; guard rails stop it; runs appear whole."""

from __future__ import annotations

import gzip
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endtoend import CORPUS, FERRY, dedup, files, generate, jsonl, rows, zstd
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from dedup import GuardRail, Run, Settings, StoreError, VersionMismatch, scan
from dedup.run import FORMAT
from dedup.schema import BOILERPLATE, DOCUMENTS, VERDICTS
from dedup.settings import DEFAULT_DROP, Survivor

BAD_LINES = [b"no JSON", b'{"text": 5}', b'{"id": true, "text": "x"}', b'{"text": "\xff"}', b"", b"{", b" \t\r"]
NO_WARNING = pytest.mark.filterwarnings("ignore:Specifying null_placement:FutureWarning")
KEPT = ("verdicts.parquet", "documents.parquet", "templates.parquet", "rejects.jsonl")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the articles and a made-up corpus, with bad records between them."""
    folder = tmp_path_factory.mktemp("mixed")
    made = generate(folder / "made.jsonl", 0.3).read_bytes().splitlines()
    lines = (CORPUS / "articles.jsonl").read_bytes().splitlines() + made
    for k, bad in enumerate(BAD_LINES * 3):
        lines.insert(7 * k, bad)
    path = folder / "mixed.jsonl"
    path.write_bytes(b"\n".join(lines))
    return path


def written(path: Path | list[Path], out: Path, **settings: Any) -> dict[str, bytes]:
    """Scan, and return the bytes of what does not tell the time."""
    run = scan(path, Settings(**settings), out=out)
    assert run.summary["blocks_dropped"] > 100
    return {name: data for name, data in files(run.path).items() if name in KEPT}


@pytest.mark.parametrize("survivor", ["first", "longest"])
def test_batches_and_threads_change_nothing(mixed: Path, tmp_path: Path, survivor: Survivor) -> None:
    one = written(mixed, tmp_path / "0", survivor=survivor, threads=2)
    assert len(one) == len(KEPT)
    assert one["rejects.jsonl"].count(b"\n") == 3 * 5
    for k, (size, threads) in enumerate([(1, 1), (100, 2), (1 << 20, 1), (30_000, 2)]):
        assert written(mixed, tmp_path / str(k), survivor=survivor, batch_bytes=size, threads=threads) == one


def test_little_memory_changes_nothing(mixed: Path, tmp_path: Path) -> None:
    assert written(mixed, tmp_path / "0", max_memory=384 << 20, score=True) == written(
        mixed, tmp_path / "1", score=True
    )


def test_split_files_change_nothing(mixed: Path, tmp_path: Path) -> None:
    lines = mixed.read_bytes().splitlines(keepends=True)
    whole = written(mixed, tmp_path / "whole")
    del whole["rejects.jsonl"]  # it names the files
    cuts = [0, 5, 6, 90, len(lines)]
    parts = []
    for k, (lo, hi) in enumerate(itertools.pairwise(cuts)):
        pack = (bytes, gzip.compress, zstd, bytes)[k]
        parts.append(tmp_path / f"part{k}.jsonl")
        parts[-1].write_bytes(pack(b"".join(lines[lo:hi])))
    split = written(parts, tmp_path / "split")
    rejects = rows(tmp_path / "split" / "rejects.jsonl")
    assert split.items() >= whole.items()
    assert [cuts[int(reject["file"][-7])] + reject["line"] for reject in rejects] == [
        reject["line"] for reject in rows(tmp_path / "whole" / "rejects.jsonl")
    ]


@NO_WARNING
@pytest.mark.parametrize("survivor", ["longest", "newest"])
def test_order_changes_nothing_where_the_survivor_does_not_depend_on_it(
    mixed: Path, tmp_path: Path, survivor: Survivor
) -> None:
    lines = mixed.read_bytes().splitlines(keepends=True)
    lines[-1] += b"\n"
    results = []
    for seed in range(3):
        if seed:
            random.Random(seed).shuffle(lines)
        path = tmp_path / f"{seed}.jsonl"
        path.write_bytes(b"".join(lines))
        result = written(
            path, tmp_path / f"run{seed}", survivor=survivor, newest="date" if survivor == "newest" else None
        )
        del result["rejects.jsonl"]  # it numbers the lines
        results.append(result)
    assert results[0] == results[1] == results[2]


DATES = st.none() | st.integers(0, 3) | st.floats(0, 3) | st.sampled_from(["2025-03-14", "2024-01-01", "2025-03"])


@given(st.lists(st.tuples(st.integers(1, 3), DATES), min_size=1, max_size=6), st.randoms(use_true_random=False))
@profile(max_examples=25)
@NO_WARNING
def test_the_newest_survives(documents: list[tuple[int, int | float | str | None]], shuffled: random.Random) -> None:
    records = [{"id": k, "text": f"{FERRY} " * copies, "date": date} for k, (copies, date) in enumerate(documents)]
    ages = [date for _, date in documents if date is not None]
    if any(isinstance(age, str) for age in ages):
        ages = [str(age) for age in ages]
    newest = max(ages, default=None)
    shuffled.shuffle(records)
    table = scan(records, Settings(survivor="newest", newest="date", max_drop_share=1)).verdicts.to_pylist()
    (kept,) = (row["doc"] for row in table if row["action"] == "keep" and row["block"] == 0)
    assert newest is None or str(documents[int(kept)][1]) == str(newest)


@NO_WARNING
def test_the_newest_of_documents_that_all_have_an_age(tmp_path: Path) -> None:
    records = [{"id": k, "text": FERRY, "v": age} for k, age in enumerate([9, 10, 2.5, 10])]
    run = scan(records, Settings(survivor="newest", newest="v"))
    assert run.documents["action"].to_pylist() == ["drop", "keep", "drop", "drop"]
    dates = [{"id": k, "text": FERRY, "v": age} for k, age in enumerate(["2024-12-31", "2025-01-01"])]
    assert scan(dates, Settings(survivor="newest", newest="v")).documents["action"].to_pylist() == ["drop", "keep"]
    assert files(tmp_path) == {}


def test_the_newest_warns_of_nothing() -> None:
    run = scan([{"text": FERRY, "v": 1}], Settings(survivor="newest", newest="v"))
    assert run.documents["action"].to_pylist() == ["keep"]


def test_the_longest_survives() -> None:
    long = f"{FERRY} Dogs sail free of charge."
    records = [{"id": "b", "text": FERRY}, {"id": "c", "text": long}, {"id": "a", "text": long.upper()}]
    table = scan(records, Settings(survivor="longest", threshold=0.6)).documents.to_pylist()
    assert [(row["doc"], row["action"], row["partner_doc"]) for row in table][:2] == [
        ("a", "keep", None),
        ("b", "keep", None),
    ]
    blocks = scan(records, Settings(survivor="longest", threshold=0.6)).verdicts.to_pylist()
    assert [(row["doc"], row["action"], row["partner_doc"]) for row in blocks] == [
        ("a", "keep", None), ("b", "drop", "a"), ("c", "drop", "a"),
    ]  # fmt: skip


def test_tables_of_a_run(mixed: Path, tmp_path: Path) -> None:
    run = scan(mixed, out=tmp_path / "run")
    verdicts, documents = run.verdicts, run.documents
    assert verdicts.schema.equals(pq.read_schema(tmp_path / "run" / "verdicts.parquet"))
    for table, schema in ((verdicts, VERDICTS), (documents, DOCUMENTS)):
        assert table.column_names == schema.names
        assert [field.type for field in table.schema] == [
            pa.dictionary(pa.int32(), field.type)
            if str(table.schema.field(field.name).type)[:4] == "dict"
            else field.type
            for field in schema
        ]
    summary = json.loads((tmp_path / "run" / "summary.json").read_bytes())
    assert summary == run.summary == Run.open(tmp_path / "run").summary
    counts = (summary["documents"], summary["blocks"], summary["rejects"])
    assert counts == (documents.num_rows, verdicts.num_rows, len(run.rejects))
    dropped = [row for row in verdicts.to_pylist() if row["action"] == "drop"]
    assert summary["blocks_dropped"] == len(dropped)
    assert summary["bytes_dropped"] == sum(row["end"] - row["start"] for row in dropped)
    assert sum(documents["blocks"].to_pylist()) == verdicts.num_rows
    assert {row["reason"] for row in dropped} <= DEFAULT_DROP
    kept = {(row["doc"], row["block"]) for row in verdicts.to_pylist() if row["action"] == "keep"}
    names = {row["doc"] for row in documents.to_pylist() if row["action"] == "keep"}
    boilerplate = {reason.name.lower() for reason in BOILERPLATE}
    for row in dropped:
        if row["reason"] in boilerplate:
            assert row["partner_doc"] is row["partner_block"] is row["similarity"] is None
            continue
        assert row["partner_doc"] in names
        assert row["partner_block"] is None or (row["partner_doc"], row["partner_block"]) in kept


def test_guard_rails() -> None:
    copies = [{"id": k, "text": FERRY, "source": "a.example"} for k in range(20)]
    others = [{"id": f"o{k}", "text": f"{k} of another source", "source": "b.example"} for k in range(30)]
    with pytest.raises(
        GuardRail, match=r"19 of 20 documents of source 'a\.example' would be dropped \(max_drop_share=0\.5\)"
    ):
        scan(copies + others)
    assert scan(copies[1:] + others).alarms == []  # too few documents to tell
    assert scan(copies + others, Settings(max_drop_share=0.95)).alarms == []
    allowed = scan(copies + others, Settings(allow=True))
    assert len(allowed.alarms) == 1
    assert allowed.summary["documents_dropped"] == 19
    edits = [{"id": k, "text": FERRY.replace("nine", word)} for k, word in enumerate(["six", "seven", "eight", "ten"])]
    with pytest.raises(GuardRail, match=r"one cluster holds 4 different texts \(max_cluster=3\)") as caught:
        scan(edits, Settings(max_cluster=3))
    assert len(caught.value.alarms) == 1
    assert scan(edits, Settings(max_cluster=4)).alarms == []


def test_guard_rail_without_sources() -> None:
    with pytest.raises(GuardRail, match="19 of 20 documents of the input would be dropped"):
        scan([{"id": k, "text": FERRY} for k in range(20)])


def test_a_stopped_run_can_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl({"text": FERRY, "source": "a.example"} for _ in range(30)))
    stopped = dedup("scan", tmp_path / "in.jsonl", "-o", tmp_path / "run", code=3)
    assert b"29 of 30 documents of source 'a.example'" in stopped.stderr
    assert b"--allow" in stopped.stderr
    assert b"29 dropped" in stopped.stdout
    run = Run.open(tmp_path / "run")
    assert run.documents["action"].to_pylist().count("drop") == 29


def test_run_directories(mixed: Path, tmp_path: Path) -> None:
    run = scan(mixed, out=tmp_path / "run")
    (tmp_path / "run" / "note").write_text("mine")
    whole = {*KEPT, "summary.json"}
    assert set(files(scan([mixed], out=tmp_path / "run", keep=False).path)) == whole
    kept = scan([mixed], out=tmp_path / "run").path
    assert {name for name in files(kept) if not name.startswith("sketches/")} == whole
    summary = tmp_path / "run" / "summary.json"
    summary.write_text(summary.read_text().replace(f'"format": {FORMAT}', '"format": 999'))
    with pytest.raises(VersionMismatch, match="format 999"):
        Run.open(tmp_path / "run")
    summary.write_text("{")
    with pytest.raises(StoreError, match=r"summary\.json is damaged"):
        Run.open(tmp_path / "run")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("mine")
    for taken in (tmp_path / "foreign", tmp_path / "foreign" / "thesis.txt"):
        with pytest.raises(StoreError, match="was not written by dedup"):
            scan(mixed, out=taken)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign", "run"]
    temporary = scan(mixed)
    assert temporary.verdicts.equals(run.verdicts)
    place = temporary.path
    assert place.exists()
    del temporary
    assert not place.exists()


def test_progress_is_told(mixed: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    scan(mixed, Settings(batch_bytes=10_000), progress=lambda *event: told.append(event))
    size = mixed.stat().st_size
    reading = [done for stage, done, total in told if stage == "reading" and total == size]
    assert reading == sorted(reading)
    assert reading[-1] == size
    assert [stage for stage, _ in itertools.groupby(told, lambda event: event[0])] == [
        "reading",
        "matching",
        "writing verdicts",
    ]
