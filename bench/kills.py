"""What is left when a command is killed, or its disk fills up? The next run is compared with an undisturbed one.

    python bench/kills.py --kills 50 --steps 20 --fills 10

Each command runs as a process of its own. What matters lasts milliseconds (a checkpoint, a renaming), and a moment by
the clock seldom falls there: so some are killed by the clock (of the processor), others before the n-th thing that they
do to a file or directory. After each kill the old output has to be whole, or the new one; what else there is has to be
hidden. Then the same command runs to its end: its output has the bytes of an undisturbed one, and nothing is left over.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import click
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq
from figures import Figure, finish, json_option, say, share
from inputs import generate

from dedup import Corrupt, Settings, clean, runs, scan, undo

ALLOW = Settings(allow=True)
BATCH = 100_000  # bytes
HALF = 0.5
DISK = 20  # megabytes
# Checkpoints at every turn; and, if asked to, an end before the n-th thing that is done to files of a folder.
CHILD = """
import itertools, os, runpy, signal, sys, time
room, report, last = sys.argv[1:4]
del sys.argv[1:4]
if "--undo" not in sys.argv:
    import dedup.checkpoint
    dedup.checkpoint.PERIOD = 0.0
numbers, seen, last, first = itertools.count(1), 0, int(last), None
NAMED = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "shutil.rmtree"}
def is_ours(path):
    "Whether it lies in the room; in a removal of a whole folder, names stand alone. Compiled kernels lie elsewhere."
    return isinstance(path, (str, os.PathLike)) and (os.fspath(path).startswith(room) or os.sep not in os.fspath(path))
def watch(event, arguments):
    global seen, first
    if event == "open":
        counts = arguments[2] & (os.O_WRONLY | os.O_RDWR) and is_ours(arguments[0])
    elif event in NAMED:
        counts = is_ours(arguments[0])
    else:
        counts = event == "ctypes.dlsym" and arguments[1] == "renameat2"
    if counts:
        seen, first = next(numbers), first or time.process_time()
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
sys.argv[0] = "dedup"
try:
    runpy.run_module("dedup", run_name="__main__")
finally:
    told = f"{seen} {first} {time.process_time()}"
    with open(report, "w") as file:
        file.write(told)
"""


class Case(NamedTuple):
    """A command, and what stood there before it.

    Attributes:
        name: what to call it.
        arguments: of the command; the output's name is the last one, relative to its place.
        older: makes the output that is replaced, given its path; None where there is none.
        files: whether the output is files that take their places one by one.
    """

    name: str
    arguments: list[str]
    older: Callable[[pathlib.Path], object] | None
    files: bool = False

    @property
    def out(self) -> str:
        """Name of the output."""
        return self.arguments[-1]


class Result(NamedTuple):
    """How a process ended.

    Attributes:
        code: its exit code.
        seconds: processor time it took, where it came to its end; what else the machine does tells nothing of it.
        begun: after how many of them it did the first thing to a file or directory.
        steps: what it did to files and directories, where it came to its end.
        told: its stderr.
    """

    code: int
    seconds: float
    begun: float
    steps: int
    told: str


class Wrong(Exception):
    """What a kill left, or what came after it, is not what it has to be."""


def make_cases(room: pathlib.Path, megabytes: float) -> list[Case]:
    """Write inputs, runs and cleaned corpora; return the commands that work on them."""
    parts = [generate(room / f"{k}.jsonl", megabytes / 6, k) for k in range(3)]
    large = generate(room / "large.jsonl", megabytes, 3)
    with large.open(encoding="utf-8") as file:
        rows = pa.Table.from_pylist([{name: json.loads(line)[name] for name in ("id", "text")} for line in file])
    table, few = room / "1.parquet", room / "few.parquet"
    pq.write_table(rows, table, row_group_size=max(1, rows.num_rows // 5))
    pq.write_table(rows.slice(0, 60), few)
    both: list[str | pathlib.Path] = [parts[0], table]
    for name, inputs, out in (
        ("both", both, "both"),
        ("lines", large, "lines.jsonl"),
        ("table", table, "t.parquet"),
    ):
        scan(inputs, ALLOW, out=room / f"run of {name}", keep=False)
        clean(inputs, room / out, ALLOW, run=room / f"run of {name}")

    def command(name: str, *arguments: str | pathlib.Path) -> list[str]:
        return [name, *map(str, arguments), "--allow", "--batch-bytes", str(BATCH), "-o"]

    def cases(name: str, out: str, inputs: Sequence[str | pathlib.Path], other: pathlib.Path) -> Iterator[Case]:
        for more in ((), ("--run", room / f"run of {name}")):
            told = f"clean: {name}{', --run' if more else ''}"
            yield Case(
                told, [*command("clean", *inputs, *more), out], lambda path: clean(other, path, ALLOW), name != "both"
            )

    fewer = Settings(allow=True, score=True, batch_bytes=BATCH)
    return [
        Case("scan", [*command("scan", *parts), "run"], None),
        Case(
            "scan: more files, scores",
            [*command("scan", *parts, "--score"), "run"],
            lambda path: scan(parts[:1], fewer, out=path),
        ),
        *cases("both", "out", both, parts[2]),
        *cases("lines", "out.jsonl", [large], parts[2]),
        *cases("table", "out.parquet", [table], few),
        Case("undo: both", ["clean", "--undo", str(room / "both"), "-o", "out"], None),
        Case(
            "undo: lines", ["clean", "--undo", str(room / "lines.jsonl"), "-o", "out.jsonl"], lambda path: path.touch()
        ),
        Case("undo: table", ["clean", "--undo", str(room / "t.parquet"), "-o", "out.parquet"], None, files=True),
    ]


def outcome(place: pathlib.Path) -> dict[str, bytes]:
    """Return what stands in a folder but for what is hidden, sketches, and times."""
    found = {}
    for path in place.rglob("*"):
        name = path.relative_to(place)
        if path.is_file() and not name.parts[0].startswith(".") and "sketches" not in name.parts:
            found[str(name)] = re.sub(rb'"seconds": [0-9.]+', b"", path.read_bytes())
    return found


def spent(process: subprocess.Popen[bytes]) -> float:
    """Return the processor time of a process, in seconds."""
    clock = (~process.pid << 3) | 2  # as clock_getcpuclockid of Linux
    return time.clock_gettime(clock)


class Trial:
    """A command that is killed again and again.

    Args:
        case: the command.
        room: an empty folder to work in.

    Attributes:
        place: where its output goes.
        temporary: where temporary files go.
        whole: how it ended when nobody disturbed it.
        size: bytes of what it wrote.
    """

    def __init__(self, case: Case, room: pathlib.Path) -> None:
        self.case = case
        self.place, self._kept, self._report = room / "place", room / "kept", room / "report"
        self.temporary = room / "temporary"
        self._kept.mkdir(parents=True)
        if case.older is not None:
            case.older(self._kept / case.out)
        self.older = outcome(self._kept)
        self.reset()
        self.whole = self.run()
        self.check_code(self.whole)
        self.newer = outcome(self.place)
        self.size = sum(path.stat().st_size for path in self.place.rglob("*") if path.is_file())

    def reset(self) -> None:
        """Let the older output stand there, and nothing else."""
        for folder in (self.place, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)
        self.temporary.mkdir(parents=True)
        shutil.copytree(self._kept, self.place)

    def run(self, seconds: float | None = None, step: int = 0) -> Result:
        """Run the command; kill it after some seconds, or before a step of its own."""
        *arguments, out = self.case.arguments
        command = [sys.executable, "-c", CHILD, str(self.place.parent), str(self._report), str(step)]
        environment = {**os.environ, "TMPDIR": str(self.temporary)}
        with subprocess.Popen(
            [*command, *arguments, str(self.place / out)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
        ) as process:
            while seconds is not None and process.poll() is None:
                if spent(process) >= seconds:
                    process.kill()
                    break
                time.sleep(0.001)
            _, told = process.communicate()
        report = self._report.read_text().split() if process.returncode == 0 else ("0", "0", "0")
        return Result(process.returncode, float(report[2]), float(report[1]), int(report[0]), told.decode())

    def check_code(self, result: Result, code: int = 0) -> None:
        """Check how the command ended."""
        if result.code != code or "Traceback" in result.told:
            raise Wrong(f"exit code {result.code}: {result.told.strip()}")

    def hidden(self) -> list[pathlib.Path]:
        """Return what stands beside the output, and temporary files but for those with which Python tries a folder."""
        tried = (path for path in self.temporary.iterdir() if path.is_file() and path.stat().st_size <= 4)
        return sorted({*self.place.glob(".*"), *self.temporary.iterdir()} - {*tried})

    def check_left(self) -> None:
        """Check that the old output is whole, or the new one, and that what else there is is hidden."""
        found = outcome(self.place)
        if found not in (self.older, self.newer):
            names = {name for name in {*found, *self.older, *self.newer} if found.get(name) != self.newer.get(name)}
            wrong = [name for name in names if found.get(name) != self.older.get(name)]
            if wrong or not self.case.files:
                raise Wrong(f"neither the old output nor the new one: {', '.join(sorted(wrong or names))}")
            self.check_settled()
        for path in self.hidden():
            if not path.name.endswith((".unfinished", ".finished")) and not path.name.startswith(".dedup-"):
                raise Wrong(f"{path.name} was left")
        self.check_sketches()

    def check_gone(self, result: Result) -> None:
        """Check that a command that failed says why, and that all is as it was before."""
        if "disk is full" not in result.told:
            raise Wrong(f"it is not said that the disk is full: {result.told.strip()}")
        self.check_left()
        if self.where(result) != "before anything":
            raise Wrong("something was left")

    def check_settled(self) -> None:
        """Check that files some of which took their places are put together by whoever comes first: undo, here."""
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Corrupt):
            undo(self.place / self.case.out, pathlib.Path(folder, "back"))
        found = outcome(self.place)
        names = sorted(name for name in {*found, *self.newer} if found.get(name) != self.newer.get(name))
        if names:
            raise Wrong(f"not put together: {', '.join(names)}")

    def check_sketches(self) -> None:
        """Check that a run that stands there, old or new, can be gone on from."""
        run = self.place / self.case.out
        if (run / "sketches").exists():
            damaged = runs(run, verify=True)[0]["sketches"]["damaged"]
            if damaged is not None:
                raise Wrong(f"the sketches are damaged: {damaged}")

    def check_end(self, result: Result) -> None:
        """Check that the output is that of an undisturbed run, and stands there alone."""
        self.check_code(result)
        found = outcome(self.place)
        if found != self.newer:
            names = {name for name in {*found, *self.newer} if found.get(name) != self.newer.get(name)}
            raise Wrong(f"not as undisturbed: {', '.join(sorted(names))}")
        left = [path.name for path in self.hidden()]
        if left:
            raise Wrong(f"left over: {', '.join(left)}")
        self.check_sketches()

    def is_done(self) -> bool:
        """Whether there is nothing left to do: what was restored as a directory is the user's, and not replaced."""
        return "--undo" in self.case.arguments and not self.case.files and outcome(self.place) == self.newer

    def where(self, result: Result) -> str:
        """Tell where in its work a process was killed."""
        if result.code == 0 or outcome(self.place) == self.newer:
            return "after the end"
        return "in the middle" if self.hidden() or outcome(self.place) != self.older else "before anything"


def moments_of(trial: Trial, kills: int, steps: int, chance: random.Random) -> Iterator[tuple[float | None, int]]:
    """Yield when to kill: seconds, a tenth before it begins to write; then steps, a third of them the last ones."""
    whole = trial.whole
    early = kills // 10
    for k in range(early):
        yield whole.begun * (k + chance.random()) / early, 0
    for k in range(kills - early):
        yield whole.begun + (whole.seconds - whole.begun) * (k + chance.random()) / (kills - early), 0
    most = trial.whole.steps
    last = range(max(1, most - (steps + 2) // 3 + 1), most + 1)
    rest = range(min(most // 3 + 1, last[0] - 1), last[0])  # the first ones come before anything is written
    chosen = chance.sample(rest, min(steps - len(last), len(rest)))
    yield from ((None, step) for step in sorted([*chosen, *last]))


def kill(
    trial: Trial, moments: Sequence[tuple[float | None, int]], in_a_row: int = 1
) -> tuple[Counter[str], list[str]]:
    """Kill a command at each of some moments, and after every few let one end; return counts, and what is wrong."""
    counts: Counter[str] = Counter()
    wrong = []
    trial.reset()
    for number, (seconds, step) in enumerate(moments, 1):
        at = f"{trial.case.name}, killed " + (f"before step {step}" if seconds is None else f"after {seconds:.3f} s")
        try:
            result = trial.run(seconds, step)
            if result.code != 0:
                trial.check_code(result, -signal.SIGKILL)
            counts["kills"] += 1
            counts[trial.where(result)] += 1
            trial.check_left()
            done = trial.is_done()
            if done or number % in_a_row == 0 or number == len(moments):
                if not done:
                    ended = trial.run()
                    counts["resumed"] += ".unfinished" in ended.told
                    trial.check_end(ended)
                trial.reset()
        except Wrong as error:
            wrong.append(f"{at}: {error}")
            trial.reset()
    return counts, wrong


@contextlib.contextmanager
def mounted(room: pathlib.Path, megabytes: int) -> Iterator[bool]:
    """Mount a small file system on a folder, if that is allowed here, and say whether it is."""
    room.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(room)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", str(room)], check=True)


def fill(trial: Trial, disk: pathlib.Path, free: Iterable[int]) -> tuple[Counter[str], list[str]]:
    """Run a command where there is room for so many bytes, then for all; return counts, and what is wrong."""
    counts: Counter[str] = Counter()
    wrong = []
    ballast = disk / "ballast"
    for size in free:
        trial.reset()
        status = os.statvfs(disk)
        ballast.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - size)))
        try:
            result = trial.run()
            counts["rounds"] += 1
            if result.code == 0:
                counts["had room"] += 1
                trial.check_end(result)
                continue
            trial.check_code(result, 1)
            counts["filled up"] += 1
            trial.check_gone(result)
            ballast.unlink()
            trial.check_end(trial.run())
        except Wrong as error:
            wrong.append(f"{trial.case.name}, {size:,} bytes free: {error}")
        finally:
            ballast.unlink(missing_ok=True)
    return counts, wrong


@click.command()
@click.option("--kills", default=50, show_default=True, help="Kills of each command by the clock.")
@click.option("--steps", default=20, show_default=True, help="Kills of each command before a step of its own.")
@click.option("--fills", default=10, show_default=True, help="How often the disk fills up under each command.")
@click.option("--in-a-row", default=1, show_default=True, help="Kills until a command may end.")
@click.option("--megabytes", default=8.0, show_default=True, help="Size of what is cleaned; half as much is scanned.")
@click.option("--seed", default=1, show_default=True, help="Of the moments.")
@click.option("--only", default="", help="Commands whose names begin so.")
@click.option("--cache", type=click.Path(file_okay=False, path_type=pathlib.Path), help="Folder to work in.")
@json_option
def main(
    kills: int,
    steps: int,
    fills: int,
    in_a_row: int,
    megabytes: float,
    seed: int,
    only: str,
    cache: pathlib.Path | None,
    as_json: bool,
) -> None:
    """Kill scan, clean and undo, and let their disk fill up; compare what comes after with what nobody disturbed."""
    chance = random.Random(seed)
    figures, total = [], Counter[str]()
    with tempfile.TemporaryDirectory(dir=cache) as folder, contextlib.ExitStack() as stack:
        room = pathlib.Path(folder)
        cases = [case for case in make_cases(room, megabytes) if case.name.startswith(only)]
        disk = room / "disk"
        small = bool(fills) and stack.enter_context(mounted(disk, DISK))
        if fills and not small:
            say("file systems cannot be mounted here: no disk is filled up")
        for number, case in enumerate(cases):
            trial = Trial(case, room / f"case {number}")
            counts, wrong = kill(trial, list(moments_of(trial, kills, steps, chance)), in_a_row)
            total += counts
            parts = ("before anything", "in the middle", "after the end", "resumed")
            note = f"{counts['kills']} kills: " + ", ".join(f"{counts[part]} {part}" for part in parts)
            figures.append(Figure(f"{case.name}: differing", len(wrong), "equals", 0, note))
            say(f"{case.name} ({trial.whole.seconds:.1f} s, {trial.whole.steps} steps): {note}")
            if small and 2 * trial.size < DISK << 20:
                trial.place = disk / "place"
                if number % 2:
                    trial.temporary = disk / "temporary"
                counts, more = fill(trial, disk, [int(trial.size * chance.random()) for _ in range(fills)])
                note = f"{counts['rounds']} rounds: {counts['filled up']} filled up, {counts['had room']} had room"
                figures.append(Figure(f"{case.name}, a full disk: differing", len(more), "equals", 0, note))
                wrong += more
                shutil.rmtree(trial.place)
                shutil.rmtree(trial.temporary)
            for one in wrong:
                say(one)
    figures.append(Figure("kills in the middle", share(total["in the middle"], total["kills"]), "at least", HALF))
    finish(figures, as_json)


if __name__ == "__main__":
    main()
