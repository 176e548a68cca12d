"""The short version of ``fuzz/run.py``: every reader takes, rejects or refuses what it is given; the command works."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz import mutations, seeds
from fuzz.readers import CODECS, NAMES, READERS, case
from fuzz.run import run
from fuzz.worker import Watch
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

COMMAND = Path(__file__).parent / "fuzz" / "run.py"
INPUTS = 150
SLOW = {"run": 10, "undo": 25, "html": 30, "warc": 30}  # inputs of those that take long
chances = st.randoms(use_true_random=False)


@pytest.fixture
def watch(tmp_path: Path, name: str) -> Iterator[Watch]:
    """Return what tries inputs of a reader."""
    (tmp_path / "inputs").mkdir()
    hook = sys.unraisablehook
    yield Watch(name, tmp_path / "inputs")
    sys.unraisablehook = hook


@pytest.mark.parametrize("name", NAMES)
def test_seeded_inputs(name: str, watch: Watch) -> None:
    for number in range(SLOW.get(name, INPUTS)):
        data, rng = case(name, 20, number)
        _, failure, seconds, _ = watch.attempt(data, rng)
        assert failure is None, (number, failure)
        assert seconds < 30  # kernels may be compiled


@pytest.mark.parametrize("name", NAMES)
def test_drawn_inputs(name: str, watch: Watch) -> None:
    @profile(max_examples=max(4, SLOW.get(name, INPUTS) // 5), suppress_health_check=list(HealthCheck))
    @given(chances)
    def draw(rng: random.Random) -> None:
        data = READERS[name].mutator().draw(rng)
        _, failure, _, _ = watch.attempt(data, random.Random(len(data)))
        assert failure is None, failure

    draw()


@pytest.mark.parametrize("name", NAMES)
def test_seeds_are_read(name: str, watch: Watch) -> None:
    found = [watch.attempt(data, random.Random(k)) for k, data in enumerate(READERS[name].mutator().seeds[:8])]
    assert [failure for _, failure, *_ in found if failure] == []
    assert sum(outcome.documents for outcome, *_ in found) > 0
    if name not in {"detect", "arrow", "arrows", *CODECS}:  # where names tell something else, or columns are odd
        assert [outcome.refused for outcome, *_ in found if outcome.refused] == []


def test_failures_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fuzz.run.HANG", 2.0)
    assert run(["--reader", "traps", "--inputs", "7", "--seed", "29", "--jobs", "1", "--found", str(tmp_path)]) == 1
    table = capsys.readouterr().out
    for kind in ("KeyError at readers.py", "the process ended with -6", "hang: more than 2 s", "x memory"):
        assert kind in table
    kinds = {path.read_bytes() for path in tmp_path.glob("*.input")}
    assert kinds == {b"r", b"h", b"c", b"m"}
    raising = next(path for path in tmp_path.glob("*.input") if path.read_bytes() == b"r")
    assert run(["--reader", "traps", "--replay", str(raising)]) == 1
    assert table.splitlines()[1].split()[1] == "7"


def test_the_command(tmp_path: Path) -> None:
    options = ["--reader", "jsonl", "--reader", "csv", "--inputs", "150", "--found", str(tmp_path / "found")]
    done = subprocess.run([sys.executable, COMMAND, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    heads, *readers = done.stdout.splitlines()
    assert heads.split()[:3] == ["reader", "inputs", "accepted"]
    assert [row.split()[:2] for row in readers] == [["jsonl", "150"], ["csv", "150"]]
    assert not (tmp_path / "found").exists()


def test_inputs_are_those_of_their_numbers() -> None:
    assert case("parquet", 3, 17)[0] == case("parquet", 3, 17)[0]
    assert len({case("csv", 3, number)[0] for number in range(50)}) > 40


def test_parquet_is_taken_apart() -> None:
    data = seeds.of_parquet()[0]
    spans, begin = mutations.thrift_of(data)
    assert sum(start < begin for start, _ in spans) > 50
    assert sum(start >= begin for start, _ in spans) > 200
    assert spans[-1][1] < len(data) - 8


def test_nothing_of_an_input_stays(tmp_path: Path) -> None:
    watch = Watch("text", tmp_path)
    watch.attempt(mutations.join([("../../up.txt", b"x"), ("/abs.txt", b"y"), ("a.txt", b"z")]), random.Random(1))
    assert list(tmp_path.iterdir()) == []
    assert not Path("/abs.txt").exists()
    assert not (tmp_path.parent / "up.txt").exists()
