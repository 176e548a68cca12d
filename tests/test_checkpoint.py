"""A scan that was stopped, or has more inputs or another threshold, ends as an undisturbed one; or says why not."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import re
import shutil
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from endtoend import FERRY, dedup, files, jsonl
from hypothesis import Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from dedup import (
    Corrupt,
    InputError,
    Locked,
    NotFound,
    Run,
    Settings,
    SettingsMismatch,
    StoreError,
    checkpoint,
    runs,
    scan,
    store,
    workspace,
)
from dedup.display import tell_unused
from dedup.formats import Inputs
from dedup.ledger import Kept, Known, Ledger, Parts, Read, find_parts
from dedup.schema import Reject

SMALL = Settings(batch_bytes=2000, allow=True)
PLACES = ["harbour", "mill", "market", "chapel", "bridge", "quarry", "school", "ferry", "tower", "well"]
THINGS = ["lamp", "rope", "barrel", "ledger", "kettle", "ladder", "net", "bell", "sack", "oar"]


def sentence(random: random.Random) -> str:
    """Make a sentence of which others are near-duplicates."""
    place, thing, number = random.choice(PLACES), random.choice(THINGS), random.randint(1, 30)
    return f"The keeper of the {place} counted {number} times each {thing} that the storm had left on the old stones"


def write(path: Path, seed: int, docs: int = 40, *, named: bool = True) -> Path:
    """Write JSON lines: documents with copies and near-copies of their own and of other files, and a bad record.

    Those that are not named have no ids.
    """
    own = random.Random(seed)
    records = [
        {
            **({"id": f"{seed}-{k}"} if named else {}),
            "source": f"s{k % 3}",
            "text": "\n\n".join(sentence(own) for _ in range(own.randint(1, 5))),
        }
        for k in range(docs)
    ]
    path.write_bytes(jsonl(records[: docs // 2]) + b'{"text": 7}\n' + jsonl(records[docs // 2 :]))
    return path


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a checkpoint after each batch."""
    monkeypatch.setattr(checkpoint, "PERIOD", 0.0)


@pytest.fixture
def corpus(tmp_path: Path) -> list[Path]:
    """Write three files."""
    (tmp_path / "in").mkdir()
    return [write(tmp_path / "in" / f"{name}.jsonl", seed) for seed, name in enumerate("ace")]


def outcome(run: Path) -> dict[str, bytes]:
    """Return what a scan wrote, but for its time and its sketches."""
    found = {name: data for name, data in files(run).items() if not name.startswith("sketches/")}
    return {name: re.sub(rb'"seconds": [0-9.]+', b'"seconds": 0', data) for name, data in found.items()}


def fresh(inputs: Sequence[Path], tmp_path: Path, settings: Settings) -> dict[str, bytes]:
    """Scan without anything to go on from."""
    out = tmp_path / "fresh"
    shutil.rmtree(out, ignore_errors=True)
    scan(list(inputs), settings, out=out, keep=False)
    assert not (out / "sketches").exists()
    return outcome(out)


def interrupt_after(batches: int) -> Callable[[str, int, int | None], None]:
    """Return a progress function that stops the scan."""
    left = iter(range(batches))

    def progress(stage: str, _done: int, _total: int | None) -> None:
        if stage == "reading" and next(left, None) is None:
            raise KeyboardInterrupt

    return progress


def counted() -> tuple[list[str], Callable[[str, int, int | None], None]]:
    """Return a list, and a progress function that enters stages there."""
    stages: list[str] = []
    return stages, lambda stage, *_: stages.append(stage)


@pytest.mark.parametrize("settings", [SMALL, dataclasses.replace(SMALL, score=True, survivor="longest")])
@pytest.mark.parametrize("batches", [0, 1, 2, 5, 9])
def test_an_interrupted_scan_goes_on_where_it_was(
    corpus: list[Path], tmp_path: Path, batches: int, settings: Settings
) -> None:
    whole, progress = counted()
    scan(corpus, settings, out=tmp_path / "whole", progress=progress)
    with pytest.raises(KeyboardInterrupt):
        scan(corpus, settings, out=tmp_path / "run", progress=interrupt_after(batches))
    assert not (tmp_path / "run").exists()
    rest, progress = counted()
    scan(corpus, settings, out=tmp_path / "run", progress=progress)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole") == fresh(corpus, tmp_path, settings)
    most = whole.count("reading") - max(0, batches - settings.workers - 3)  # some batches are under way
    assert most >= rest.count("reading") >= whole.count("reading") - batches
    assert sorted(one.name for one in tmp_path.iterdir()) == ["fresh", "in", "run", "whole"]


def test_it_goes_on_more_than_once(corpus: list[Path], tmp_path: Path) -> None:
    for batches in (2, 3, 1, 4):
        with pytest.raises(KeyboardInterrupt):
            scan(corpus, SMALL, out=tmp_path / "run", progress=interrupt_after(batches))
    scan(corpus, SMALL, out=tmp_path / "run")
    assert outcome(tmp_path / "run") == fresh(corpus, tmp_path, SMALL)


@pytest.mark.parametrize("survivor", ["first", "longest"])
@pytest.mark.parametrize("scored", [False, True])
def test_more_files_are_read_alone(corpus: list[Path], tmp_path: Path, survivor: Any, *, scored: bool) -> None:
    settings = dataclasses.replace(SMALL, survivor=survivor, score=scored)
    run = tmp_path / "run"
    scan(corpus, settings, out=run)
    # one at the end, one in the middle, one in front: the same as if all had been there from the first
    for seed, name in ((7, "z"), (8, "b"), (9, "0")):
        corpus = sorted([*corpus, write(tmp_path / "in" / f"{name}.jsonl", seed)])
        stages, progress = counted()
        scan(corpus, settings, out=run, progress=progress)
        alone, progress = counted()
        scan([tmp_path / "in" / f"{name}.jsonl"], settings, progress=progress)
        assert stages.count("reading") == alone.count("reading")
        assert outcome(run) == fresh(corpus, tmp_path, settings)


def test_an_unchanged_corpus_is_not_read(corpus: list[Path], tmp_path: Path) -> None:
    scan(corpus, SMALL, out=tmp_path / "run")
    before = outcome(tmp_path / "run")
    stages, progress = counted()
    scan(corpus, SMALL, out=tmp_path / "run", progress=progress)
    assert "reading" not in stages
    assert outcome(tmp_path / "run") == before


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.95])
def test_a_new_threshold_decides_again_without_the_inputs(corpus: list[Path], tmp_path: Path, threshold: float) -> None:
    run, other = tmp_path / "run", dataclasses.replace(SMALL, threshold=threshold)
    scan(corpus, SMALL, out=run)
    expected = fresh(corpus, tmp_path, other)
    shutil.rmtree(tmp_path / "in")
    again = scan(run, dataclasses.replace(Run.open(run).settings, threshold=threshold))
    assert again.path == run
    if threshold <= SMALL.threshold:
        assert outcome(run) == expected
    else:  # with bands made for less, a few more are found
        whole = json.loads(expected["summary.json"])
        assert again.summary["blocks_dropped"] >= whole["blocks_dropped"]
        assert again.summary["settings"] == whole["settings"]
        near = [row for row in again.verdicts.to_pylist() if row["reason"] == "near_duplicate"]
        assert all(row["similarity"] >= threshold for row in near)
        assert near or threshold > 0.9
    scan(run, SMALL)
    assert Run.open(run).settings == SMALL


def test_documents_are_sketched_again_too(corpus: list[Path], tmp_path: Path) -> None:
    other = dataclasses.replace(SMALL, doc_threshold=0.5, threshold=0.55)
    scan(corpus, SMALL, out=tmp_path / "run")
    scan(tmp_path / "run", other)
    assert outcome(tmp_path / "run") == fresh(corpus, tmp_path, other)
    # more files come in as the others now are
    corpus.append(write(tmp_path / "in" / "f.jsonl", 5))
    scan(corpus, other, out=tmp_path / "run")
    assert outcome(tmp_path / "run") == fresh(corpus, tmp_path, other)


def test_a_run_is_decided_on_into_another(corpus: list[Path], tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    scan(corpus, SMALL, out=run)
    before = outcome(run)
    scan(run, dataclasses.replace(SMALL, threshold=0.9), out=other)
    assert outcome(run) == before
    # both grow, and neither takes anything from the other
    more = [*corpus, write(tmp_path / "in" / "x.jsonl", 11)], [*corpus, write(tmp_path / "in" / "y.jsonl", 12)]
    scan(more[0], SMALL, out=run)
    scan(more[1], SMALL, out=other)
    scan(more[0], SMALL, out=run)
    assert (outcome(run), outcome(other)) == (fresh(more[0], tmp_path, SMALL), fresh(more[1], tmp_path, SMALL))


CHANGES: dict[str, Callable[[list[Path]], list[Path]]] = {
    "is not among the inputs": lambda corpus: corpus[1:],
    "has changed": lambda corpus: [write(corpus[0], 99), *corpus[1:]],
}


@pytest.mark.parametrize("reason", CHANGES)
def test_inputs_that_changed_are_noticed(
    corpus: list[Path], tmp_path: Path, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dedup")
    scan(corpus, SMALL, out=tmp_path / "run")
    assert not caplog.messages
    corpus = CHANGES[reason](corpus)
    scan(corpus, SMALL, out=tmp_path / "run")
    assert [reason in message for message in caplog.messages] == [True]
    assert outcome(tmp_path / "run") == fresh(corpus, tmp_path, SMALL)


@pytest.mark.parametrize(
    "changed", [{"split": "lines"}, {"min_tokens": 5}, {"source": "id"}, {"seed": 3}, {"score": True}, {"text": "id"}]
)
def test_settings_that_changed_are_noticed(
    corpus: list[Path], tmp_path: Path, changed: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dedup")
    scan(corpus, SMALL, out=tmp_path / "run")
    other = dataclasses.replace(SMALL, **changed)
    before = outcome(tmp_path / "run")
    with pytest.raises(SettingsMismatch, match="made with" if changed != {"score": True} else "without scores"):
        scan(tmp_path / "run", other)
    assert outcome(tmp_path / "run") == before
    scan(corpus, other, out=tmp_path / "run")
    assert ["reading everything again" in message for message in caplog.messages] == [True]
    assert outcome(tmp_path / "run") == fresh(corpus, tmp_path, other)


def test_another_batch_size_matters_only_in_the_middle_of_a_file(corpus: list[Path], tmp_path: Path) -> None:
    other = dataclasses.replace(SMALL, batch_bytes=700)
    scan(corpus[:2], SMALL, out=tmp_path / "run")
    stages, progress = counted()
    scan(corpus, other, out=tmp_path / "run", progress=progress)
    alone, progress = counted()
    scan(corpus[2:], other, progress=progress)
    assert stages.count("reading") == alone.count("reading")
    with pytest.raises(KeyboardInterrupt):
        scan(corpus, SMALL, out=tmp_path / "new", progress=interrupt_after(4))
    scan(corpus, other, out=tmp_path / "new")
    expected = fresh(corpus, tmp_path, other)
    assert outcome(tmp_path / "new") == expected == outcome(tmp_path / "run")


def test_runs_without_sketches_say_so(corpus: list[Path], tmp_path: Path) -> None:
    scan(corpus, SMALL, out=tmp_path / "run", keep=False)
    with pytest.raises(NotFound, match="keeps no sketches"):
        scan(tmp_path / "run")


def test_tables_in_memory_are_decided_on_again(tmp_path: Path) -> None:
    scan([{"text": FERRY}, {"text": FERRY + " So it is."}], SMALL, out=tmp_path / "run")
    kept = scan(tmp_path / "run", dataclasses.replace(SMALL, threshold=0.99)).summary["blocks_dropped"]
    assert (kept, scan(tmp_path / "run", dataclasses.replace(SMALL, threshold=0.5)).summary["blocks_dropped"]) == (0, 1)


# ------------------------------------------------------------------------------------------------------------- faults


def sketches(run: Path) -> Iterator[Path]:
    """Yield the files of sketches that are not empty."""
    return (path for path in sorted((run / "sketches").iterdir()) if path.is_file() and path.stat().st_size)


@pytest.mark.parametrize("harm", ["flipped", "shorter", "gone"])
def test_damaged_sketches_are_noticed(
    corpus: list[Path], tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dedup")
    run, whole = tmp_path / "run", tmp_path / "whole"
    scan(corpus, dataclasses.replace(SMALL, score=True), out=whole)
    names = [path.name for path in sketches(whole) if path.name != checkpoint.REJECTS]
    assert len(names) > 60
    for name in [*random.Random(harm).sample(names, 10), *(name for name in names if name.endswith(".npz"))]:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(whole, run)
        path = run / "sketches" / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        if harm == "flipped":
            path.write_bytes(data)
        elif harm == "shorter":
            path.write_bytes(data[:-1])
        else:
            path.unlink()
        gone = NotFound if (name, harm) == (checkpoint.STATE, "gone") else Corrupt
        with pytest.raises(gone):
            scan(run, dataclasses.replace(SMALL, threshold=0.8))
        assert outcome(run) == outcome(whole)
        caplog.clear()
        scan(corpus, dataclasses.replace(SMALL, score=True), out=run)
        assert harm == "gone" or any("damaged" in message for message in caplog.messages)
        assert outcome(run) == outcome(whole)


def test_two_scans_of_one_run_keep_apart(corpus: list[Path], tmp_path: Path) -> None:
    def progress(*_: object) -> None:
        with pytest.raises(Locked, match="another process is writing"):
            scan(corpus, SMALL, out=tmp_path / "run")

    scan(corpus, SMALL, out=tmp_path / "run", progress=progress)
    assert outcome(tmp_path / "run") == fresh(corpus, tmp_path, SMALL)


@pytest.mark.parametrize("what", ["grows", "shrinks", "goes"])
def test_an_input_that_changes_while_it_is_read(corpus: list[Path], tmp_path: Path, what: str) -> None:
    scan(corpus, SMALL, out=tmp_path / "run")
    before, path = outcome(tmp_path / "run"), write(tmp_path / "in" / "d.jsonl", 4)

    def progress(*_: object) -> None:
        if path.exists():
            if what == "goes":
                path.unlink()
            else:
                with path.open("r+b") as file:
                    file.truncate(path.stat().st_size + (100 if what == "grows" else -100))

    with pytest.raises(InputError, match=r"d\.jsonl: changed while it was read") as caught:
        scan([*corpus, path], SMALL, out=tmp_path / "run", progress=progress)
    assert outcome(tmp_path / "run") == before
    assert caught.value.__notes__ == [
        f"what was done so far is kept in {tmp_path / '.run.unfinished'}: the same command goes on from there"
    ]
    inputs = [*corpus, path] if path.exists() else corpus
    scan(inputs, SMALL, out=tmp_path / "run")
    assert outcome(tmp_path / "run") == fresh(inputs, tmp_path, SMALL)
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith(".")]


def test_an_error_costs_nothing_of_what_was_read(corpus: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "in" / "z.csv"
    bad.write_text("name\nnobody\n")
    with pytest.raises(InputError, match=r"z\.csv") as caught:
        scan([*corpus, bad], SMALL, out=tmp_path / "run")
    assert "the same command goes on from there" in caught.value.__notes__[0]
    bad.write_text("text\nnobody\n")
    stages, progress = counted()
    scan([*corpus, bad], SMALL, out=tmp_path / "run", progress=progress)
    assert stages.count("reading") == 1
    assert outcome(tmp_path / "run") == fresh([*corpus, bad], tmp_path, SMALL)


def test_strict_scans_stop_at_what_was_set_aside_before(corpus: list[Path], tmp_path: Path) -> None:
    scan(corpus, SMALL, out=tmp_path / "run")
    before = outcome(tmp_path / "run")
    with pytest.raises(InputError, match=r"a\.jsonl:21: field 'text' is no string"):
        scan(corpus, dataclasses.replace(SMALL, strict=True), out=tmp_path / "run")
    assert outcome(tmp_path / "run") == before


def test_files_that_others_are_told_apart_from_are_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dedup")
    paths = [tmp_path / name / "a.jsonl" for name in "xy"]
    for seed, path in enumerate(paths):
        path.parent.mkdir()
        write(path, seed, named=False)
    scan(paths[0], SMALL, out=tmp_path / "run")
    scan(paths[::-1], SMALL, out=tmp_path / "run")
    assert "is told apart from others as a-2.jsonl now" in caplog.text
    assert outcome(tmp_path / "run") == fresh(paths[::-1], tmp_path, SMALL)


def test_other_bands_of_documents_are_matched_again(tmp_path: Path) -> None:
    """As many bands, of other lengths: 9 of 13 and of 14 rows."""
    words, chance = [f"word{k}" for k in range(3000)], random.Random(4)
    texts = []
    for _ in range(60):
        text = chance.sample(words, 300)
        texts += [
            " ".join(word if chance.random() > 0.011 else chance.choice(words) for word in text) for _ in range(5)
        ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl({"text": text} for text in texts))
    settings = [Settings(doc_threshold=0.9, doc_recall=recall, allow=True) for recall in (0.895, 0.92)]
    scan(path, settings[0], out=tmp_path / "run")
    scan(tmp_path / "run", settings[1])
    assert outcome(tmp_path / "run") == fresh([path], tmp_path, settings[1])


def test_what_fails_under_a_lock_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    made = tmp_path / ".run.unfinished"
    with pytest.raises(FileNotFoundError, match="gone"), store.locked_directory(made, tmp_path / "run"):
        raise FileNotFoundError("gone")
    with pytest.raises(BlockingIOError, match="busy"), store.locked_directory(made, tmp_path / "run"):
        raise BlockingIOError("busy")


def test_a_full_disk_is_told_and_leaves_nothing(
    corpus: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(corpus, SMALL, out=tmp_path / "run")
    before = outcome(tmp_path / "run")
    written = workspace.Column._write

    def full(column: workspace.Column, values: Any) -> None:
        if column.path.name == "tokens" and len(values):
            raise OSError(28, "No space left on device")
        written(column, values)

    monkeypatch.setattr(workspace.Column, "_write", full)
    with pytest.raises(StoreError, match=r"the disk is full, or the quota used up, while .*run was written: make room"):
        scan([*corpus, write(tmp_path / "in" / "d.jsonl", 4)], SMALL, out=tmp_path / "run")
    assert outcome(tmp_path / "run") == before
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith(".")]


@given(st.data())
@profile(max_examples=12, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_any_way_to_the_same_corpus(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Files come, scans are stopped, thresholds change: at the end it is as if nothing had happened."""
    room = tmp_path_factory.mktemp("room")
    (room / "in").mkdir()
    names = data.draw(st.permutations("abcd"))
    run, inputs = room / "run", list[Path]()
    named = data.draw(st.booleans())
    for seed, name in enumerate(names):
        path = room / "in" / name / "x.jsonl"  # all of one name
        path.parent.mkdir()
        inputs = sorted([*inputs, write(path, seed, docs=12, named=named)])
        for batches in data.draw(st.lists(st.integers(0, 6), max_size=3)):
            size = data.draw(st.sampled_from([700, 2000]))
            with contextlib.suppress(KeyboardInterrupt):
                scan(inputs, dataclasses.replace(SMALL, batch_bytes=size), out=run, progress=interrupt_after(batches))
        if run.exists() and data.draw(st.booleans()):
            scan(run, dataclasses.replace(SMALL, threshold=data.draw(st.sampled_from([0.5, 0.9]))))
    settings = dataclasses.replace(SMALL, threshold=0.5)
    scan(inputs, settings, out=run)
    assert outcome(run) == fresh(inputs, room, settings)


def test_the_command_goes_on_and_says_so(corpus: list[Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    dedup("scan", *corpus, "-o", run, "--allow", "--batch-bytes", "2000")
    before = outcome(run)
    again = dedup("scan", *corpus, "-o", run, "--allow", "--batch-bytes", "2000")
    rejects = [f"dedup: {path}:21: field 'text' is no string" for path in corpus]
    assert again.stderr.decode().splitlines() == [f"dedup: going on from {run}: 3 of 3 inputs read", *rejects]
    assert outcome(run) == before
    # a run as input: the settings not given are the run's
    told = json.loads(dedup("scan", run, "--threshold", "0.9", "--drop", "number_variant", "--json").stdout)
    assert told["settings"] == {
        **json.loads(before["summary.json"])["settings"],
        "threshold": 0.9,
        "drop": sorted([*SMALL.drop, "number_variant"]),
    }
    missing = dedup("scan", corpus[0], code=2)
    assert b"Missing option '-o' / '--out'" in missing.stderr
    bare = dedup("scan", *corpus, "-o", tmp_path / "bare", "--allow", "--no-sketches", "--batch-bytes", "2000")
    assert bare.stderr.decode().splitlines() == rejects
    assert outcome(tmp_path / "bare") == before
    assert not (tmp_path / "bare" / "sketches").exists()


def test_positions_are_those_of_the_inputs(tmp_path: Path) -> None:
    known = [
        Known(Read(str(k), str(k), 1, str(k), 1, place=k, docs=docs, done=True)) for k, docs in enumerate((2, 0, 3))
    ]
    parts = find_parts(Inputs([Kept([known[k]]) for k in (2, 0, 1)]), known, SMALL)
    assert isinstance(parts, Parts)
    ledger = Ledger(parts, tmp_path / "rejects")
    assert ledger.positions().tolist() == [3, 4, 0, 1, 2]


def test_however_many_records_are_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dedup.ledger.PIECE", 1 << 16)
    read = Read("in.jsonl", "in.jsonl", 1, "1", 1, done=True)
    parts = find_parts(Inputs([Kept([Known(read)])]), [Known(read)], SMALL)
    assert isinstance(parts, Parts)
    ledger = Ledger(parts, tmp_path / "rejects")
    for k in range(100):
        ledger.set_aside(read, [Reject(0, k * 100 + j, "in.jsonl", "broken", b"x" * 2000) for j in range(1, 101)])
    tracemalloc.start()
    try:
        assert ledger.write_rejects(tmp_path / "rejects.jsonl") == 10_000
        run = Run(tmp_path, {"rejects": 10_000})
        tell_unused(run)
        assert sum(row["line"] for row in run.read_rejects()) == sum(range(10_001))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert (tmp_path / "rejects.jsonl").read_bytes() == (tmp_path / "rejects").read_bytes()
    assert (tmp_path / "rejects").stat().st_size > 20_000_000
    assert capsys.readouterr().err.splitlines() == [
        *(f"dedup: in.jsonl:{k}: broken" for k in (1, 2, 3)),
        "dedup: 10,000 records could not be used in all",
    ]


def test_runs_are_told(corpus: list[Path], tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one"
    scan(corpus, dataclasses.replace(SMALL, threshold=0.8), out=run)
    scan(corpus, SMALL, out=tmp_path / "runs" / "two", keep=False)
    with pytest.raises(KeyboardInterrupt):
        scan(corpus, SMALL, out=tmp_path / "runs" / "three", progress=interrupt_after(9))
    (tmp_path / "runs" / "notes").mkdir()
    three, one, two = told = runs(tmp_path / "runs", verify=True)
    assert runs(run) == [{**one, "sketches": {k: v for k, v in one["sketches"].items() if k != "damaged"}}]
    assert [Path(found["run"]).name for found in told] == [".three.unfinished", "one", "two"]
    assert [found["state"].split(":")[0] for found in told] == ["stopped", "whole", "whole"]
    assert (one["documents"], one["rejects"], two["sketches"]) == (120, 3, None)
    assert one["settings"] == {"threshold": 0.8, "batch_bytes": 2000, "allow": True}
    assert one["sketches"] | {"made_by": ""} == {
        "made_by": "", "inputs": 3, "inputs_read": 3, "documents": 120, "scored": False, "damaged": None,
    }  # fmt: skip
    assert 0 < three["sketches"]["documents"] < 120
    assert one["bytes"]["sketches"] == sum(
        path.stat().st_size for path in (run / "sketches").rglob("*") if path.is_file()
    )
    shown = dedup("runs", run, "--verify").stdout.decode()
    assert "120 documents" in shown
    assert "3 of 3 inputs, sound" in shown
    assert [
        json.loads(line) for line in dedup("runs", tmp_path / "runs", "--json", "--verify").stdout.splitlines()
    ] == told
    path = run / "sketches" / "tokens"
    path.write_bytes(bytes(path.stat().st_size))
    assert b"damaged: tokens" in dedup("runs", run, "--verify", code=1).stdout
    assert b"is no run directory" in dedup("runs", tmp_path / "in", code=1).stderr
