"""Outputs survive kills, interrupts and crashes; what is not ours is not touched, and undo wants what was written."""

from __future__ import annotations

import gzip
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from endtoend import FERRY, dedup, files, generate, jsonl, stop, unpacked

from dedup import Corrupt, NotFound, Settings, StoreError, clean, scan, undo

WINTER = "In winter the boat stays in the yard, where its planks are caulked anew."
COPIES = jsonl([{"text": FERRY}, {"text": f"{WINTER}\n{FERRY}"}, {"text": "The end"}])


def test_foreign_directories_stay(tmp_path: Path) -> None:
    path, out = tmp_path / "in.jsonl", tmp_path / "mine"
    path.write_bytes(COPIES)
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    failed = dedup("clean", path, "-o", out, code=1)
    assert b"was not written by dedup" in failed.stderr
    with pytest.raises(StoreError, match="was not written by dedup"):
        undo(clean(path, tmp_path / "ours").path or "", out)
    assert files(out) == {"thesis.txt": b"mine"}
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.jsonl", "mine", "ours"]


def test_an_output_does_not_replace_its_own_input(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(COPIES)
    out = clean([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], tmp_path / "out", Settings(allow=True)).path
    assert out is not None
    before = files(out)
    with pytest.raises(StoreError, match="holds the input"):
        clean(out / "a.jsonl", out)
    assert files(out) == before


def test_somebody_elses_summary_is_no_licence(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(COPIES)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "summary.json").write_text('{"title": "My thesis"}')
    (mine / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="was not written by dedup"):
        clean(tmp_path / "in.jsonl", mine)


@pytest.mark.parametrize(
    "harm", ["changed", "longer", "shorter", "empty", "gone", "no removals", "no rejects", "no summary"]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_undo_wants_what_was_written(tmp_path: Path, harm: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(pack(COPIES + b"bad"))
    for out, beside in ((tmp_path / "out.jsonl", "out.jsonl."), (tmp_path / "out", "out/")):
        clean(path, out)
        data = out / "in.jsonl" if out.is_dir() else out
        if harm in {"changed", "longer", "shorter", "empty"}:
            text = unpacked(data)
            harmed = {
                "changed": text.replace(b"winter", b"Winter"),
                "longer": text + b"\n",
                "shorter": text[:-1],
                "empty": b"",
            }
            data.write_bytes(pack(harmed[harm]))
        elif harm == "gone":
            data.unlink()
        else:
            name = harm.removeprefix("no ")
            (tmp_path / f"{beside}{name}.json{'' if name == 'summary' else 'l'}").unlink()
        with pytest.raises(Corrupt if harm in {"changed", "longer", "shorter", "empty"} else (NotFound, Corrupt)):
            undo(out, tmp_path / "back")
        assert not (tmp_path / "back").exists()


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write two corpora of some size."""
    folder = tmp_path_factory.mktemp("corpora")
    return generate(folder / "1.jsonl", 4, 1), generate(folder / "2.jsonl", 4, 2)


@pytest.mark.parametrize(("command", "watched"), [("scan", "place"), ("clean", "temporary"), ("clean", "place")])
def test_an_interrupt_leaves_the_old_output_and_nothing_else(
    tmp_path: Path, corpora: tuple[Path, Path], command: str, watched: str
) -> None:
    place, temporary = tmp_path / "place", tmp_path / "temporary"
    place.mkdir()
    temporary.mkdir()
    (scan if command == "scan" else clean)(corpora[0], out=place / "out")
    before = {file: file.stat().st_mtime_ns for file in place.rglob("*")}
    code, _ = stop([command, corpora[1], "-o", place / "out"], tmp_path / watched, signal.SIGINT, 0.02, temporary)
    assert code == 130
    assert {file: file.stat().st_mtime_ns for file in place.rglob("*")} == before
    assert list(temporary.iterdir()) == []
