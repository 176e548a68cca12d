"""Hostile inputs for every reader: ``python tests/fuzz/run.py [--reader NAME] [--inputs N] [--seed S] [--minutes M]``.

Each input is a valid file of the format that was damaged: bits, bytes, slices, numbers and words of the format, lengths
in Parquet's footer, Arrow's metadata, headers of records. It is read, parsed, edited, and what was removed is put back.
A reader may take it, reject records, or refuse it with a ``DedupError``; any other exception, the end of the process,
more than 5 seconds, more memory than a bound, or bytes that do not come back are failures: the input goes to
``tests/fuzz/found`` (``--found``), with what was said beside it.

Inputs are drawn by their number and the seed (``--engine mutations``, the default: equal from run to run), or by
atheris, which keeps those that reach new branches of the readers (``--engine atheris``; ``pip install atheris``).
``--replay FILE --reader NAME`` tries one again. Progress goes to standard error, a table to standard output; exit code
1 on failures. Ctrl-C ends it with the table of what was done.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from fuzz.readers import NAMES, READERS, case  # noqa: E402 - found by the line above
from fuzz.worker import STATE, Watch, new_sums  # noqa: E402

HANG = 5.0  # seconds that a process works on an input,
IDLE = 12  # or, so many times as long, waits
START = 300.0  # seconds that a process may take to load, compile kernels and make seeds
BATCH = 500  # inputs that a process is asked for at a time
LIFE = 20_000  # inputs after which a process is replaced
MOST_FAILURES = 20  # of a reader: then it is given up
MOST_KEPT = 3  # of a kind


class Worker:
    """A process that tries inputs.

    Attributes:
        last: number after the last one that it was asked for.
    """

    def __init__(self, name: str, seed: int, engine: str, folder: pathlib.Path, count: int) -> None:
        self.last = 0
        self.tried = 0
        self.corpus = folder / f"corpus-{name}"
        self.corpus.mkdir(exist_ok=True)
        handle, shared = tempfile.mkstemp(dir=folder)
        self._state = pathlib.Path(shared)
        os.write(handle, STATE.pack(-1, 0, 0))
        os.close(handle)
        self._log = pathlib.Path(f"{shared}.log")
        call = f"import sys; sys.path[:0] = {sys.path[:2]!r}; from fuzz.worker import main; main(*{(name, seed, shared, engine, str(self.corpus), count)!r})"  # noqa: E501
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-c", call],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"},
            )  # fmt: skip
        self._reports: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self._begun = time.monotonic()
        self._ready = False

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._reports.put(json.loads(line))
        self._reports.put(None)

    def ask(self, first: int, last: int) -> None:
        """Have inputs tried."""
        self.last = last
        self.tried += last - first
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(b"%d %d\n" % (first, last))
                self._process.stdin.flush()

    def reports(self) -> Iterator[dict[str, Any]]:
        """Yield what it says, until it is done with what it was asked for, or has ended; then ``crash`` tells how."""
        while True:
            try:
                report = self._reports.get(timeout=0.3)
            except queue.Empty:
                number, begun, worked = STATE.unpack(self._state.read_bytes()[: STATE.size])
                waited = time.monotonic() - (begun or self._begun)
                hangs = waited > HANG and (self._worked() - worked > HANG or waited > IDLE * HANG)
                if (number >= 0 and hangs) or (not self._ready and waited > START):
                    self._process.kill()
                    yield {**new_sums(), "crash": f"hang: more than {HANG:.0f} s", "number": number}
                    return
                continue
            if report is None:
                number, *_ = STATE.unpack(self._state.read_bytes()[: STATE.size])
                code, said = self._process.wait(), self._log.read_text("utf-8", "replace")[-20000:]
                yield {**new_sums(), "crash": f"{said}\nthe process ended with {code}", "number": number}
                return
            if report.get("ready"):
                self._ready = True
                continue
            yield report
            if report.get("done"):
                return

    def _worked(self) -> float:
        """Return how many seconds the process has worked: where a machine is busy it waits, too."""
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return 0.0

    def current(self) -> bytes:
        """Return the input at hand, where atheris has drawn it."""
        path = self.corpus.with_name(f"{self.corpus.name}.current")
        return path.read_bytes() if path.exists() else b""

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._state.unlink(missing_ok=True)
        self._log.unlink(missing_ok=True)


class Campaign:
    """Inputs for one reader.

    Attributes:
        sums: what was counted.
        found: failures: how many of each kind.
    """

    def __init__(self, name: str, options: argparse.Namespace, folder: pathlib.Path, deadline: float) -> None:
        self.name = name
        self.sums = new_sums()
        self.found: dict[str, int] = {}
        self._options = options
        self._folder = folder
        self._deadline = deadline
        self._lock = threading.Lock()
        self._next = options.first
        self._end = options.first + options.inputs
        self._stopped = threading.Event()

    def run(self) -> None:
        """Try all inputs, in several processes."""
        threads = [threading.Thread(target=self._drive, args=(k,)) for k in range(self._options.jobs)]
        begun = told = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                time.sleep(0.1)
                now = time.monotonic()
                if now - told > 10:
                    told = now
                    speed = self.sums["inputs"] / (now - begun)
                    say(f"{self.name}: {self.sums['inputs']:,} inputs, {speed:.0f} a second, {self.failures} failures")
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()

    @property
    def failures(self) -> int:
        """How many inputs have shown that the reader is broken."""
        return sum(self.found.values())

    def _take(self) -> tuple[int, int] | None:
        """Return numbers of inputs that nobody has tried; None if there are none, or no time is left."""
        with self._lock:
            over = self._stopped.is_set() or time.monotonic() > self._deadline or self.failures > MOST_FAILURES
            if over or self._next >= self._end:
                return None
            size = BATCH if self._options.engine == "mutations" else LIFE
            first, self._next = self._next, min(self._end, self._next + size)
            return first, self._next

    def _drive(self, number: int) -> None:
        """Have one process at a time try inputs."""
        worker: Worker | None = None
        try:
            while (numbers := self._take()) is not None:
                first, last = numbers
                while first < last and not self._stopped.is_set():
                    if worker is None or worker.tried >= LIFE or self._options.engine == "atheris":
                        if worker is not None:
                            worker.stop()
                        seed = self._options.seed + (first if self._options.engine == "atheris" else 0)
                        worker = Worker(self.name, seed, self._options.engine, self._folder, last - first)
                    worker.ask(first, last)
                    begun, tried, crashed = first, 0, False
                    for report in worker.reports():
                        tried += report["inputs"]
                        crashed = "crash" in report
                        self._add(report, worker)
                        if self._stopped.is_set():
                            return
                    if not crashed:
                        break
                    worker.stop()
                    number, worker = report["number"], None
                    first = number + 1 if self._options.engine == "mutations" else last
                    if self._options.engine == "mutations":  # those before it were tried, and not told of
                        with self._lock:
                            self.sums["inputs"] += number - begun - tried
        finally:
            if worker is not None:
                worker.stop()

    def _add(self, report: dict[str, Any], worker: Worker) -> None:
        """Count what a process tells."""
        with self._lock:
            for name in ("inputs", "accepted", "refused", "documents", "rejects"):
                self.sums[name] += report[name]
            for name in ("slowest", "peak"):
                self.sums[name] = max(self.sums[name], report[name])
        for number, failure, *data in report["failures"]:
            self._fail(number, failure, bytes.fromhex(data[0]) if data else None)
        if "crash" in report:
            with self._lock:
                self.sums["inputs"] += 1
            guided = worker.current() if self._options.engine == "atheris" else None
            if report["number"] < 0:
                raise RuntimeError(f"no process can be started: {report['crash']}")
            if guided is None and report["crash"].startswith("hang") and not self._hangs(report["number"]):
                say(f"{self.name}: input {report['number']} was slow once, and not again")
                return
            self._fail(report["number"], report["crash"], guided)

    def _hangs(self, number: int) -> bool:
        """Whether an input takes long once more: the machine may have been busy."""
        worker = Worker(self.name, self._options.seed, "mutations", self._folder, 1)
        try:
            worker.ask(number, number + 1)
            return any("crash" in report for report in worker.reports())
        finally:
            worker.stop()

    def _fail(self, number: int, failure: str, data: bytes | None) -> None:
        """Write down a failure."""
        kind = failure.strip().splitlines()[-1].split(" MB")[0]
        if kind.startswith("memory"):
            kind = "memory"
        with self._lock:
            count = self.found[kind] = self.found.get(kind, 0) + 1
        if count > MOST_KEPT:
            return
        if data is None:
            data, _ = case(self.name, self._options.seed, number)
        place = pathlib.Path(self._options.found)
        place.mkdir(parents=True, exist_ok=True)
        stem = place / f"{self.name}-{self._options.seed}-{number}"
        stem.with_suffix(".input").write_bytes(data)
        stem.with_suffix(".txt").write_text(failure, "utf-8", "replace")
        say(f"{self.name}: input {number} fails ({kind}): {stem}.input")


def say(message: str) -> None:
    """Tell the user."""
    print(message, file=sys.stderr, flush=True)


def table(campaigns: list[Campaign]) -> str:
    """Put what was counted into a table."""
    heads = ("reader", "inputs", "accepted", "refused", "documents", "rejects", "failures", "slowest s", "peak MB")
    rows: list[tuple[str, ...]] = [heads]
    for one in campaigns:
        sums = one.sums
        numbers = [f"{sums[name]:,}" for name in ("inputs", "accepted", "refused", "documents", "rejects")]
        rows.append((one.name, *numbers, str(one.failures), f"{sums['slowest']:.2f}", str(sums["peak"] >> 20)))
    widths = [max(len(row[k]) for row in rows) for k in range(len(heads))]
    lines = [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    found = [f"{one.name}: {count} x {kind}" for one in campaigns for kind, count in one.found.items()]
    return "\n".join([*lines, *found])


def replay(name: str, path: pathlib.Path, seed: int) -> int:
    """Try an input of a file; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        for chance in range(20):
            outcome, failure, seconds, grown = Watch(name, pathlib.Path(folder)).attempt(
                path.read_bytes(), random.Random(f"{seed} {chance}")
            )
            print(failure or outcome, f"{seconds:.2f} s, {grown >> 20} MB")
            if failure:
                return 1
    return 0


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--reader",
        action="append",
        choices=["all", *READERS],
        metavar="NAME",
        help=f"all, or some of {', '.join(NAMES)}",
    )
    parser.add_argument("--inputs", type=int, default=100_000, help="for each reader")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="time for all readers together")
    parser.add_argument("--engine", choices=["mutations", "atheris"], default="mutations")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--found", default=str(HERE / "found"), help="where inputs go that fail")
    parser.add_argument("--replay", type=pathlib.Path, help="try the input in this file")
    return parser.parse_args(arguments)


def run(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = options_of(arguments)
    names = list(NAMES) if not options.reader or "all" in options.reader else options.reader
    if options.replay is not None:
        return replay(names[0], options.replay, options.seed)
    campaigns: list[Campaign] = []
    begun = time.monotonic()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell has started this in the background
            signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="dedup-fuzz-", ignore_cleanup_errors=True) as folder:
        try:
            for k, name in enumerate(names):
                # the time that is left is dealt among the readers that are left
                now = time.monotonic()
                left = float("inf") if options.minutes is None else begun + 60 * options.minutes - now
                campaigns.append(Campaign(name, options, pathlib.Path(folder), now + left / (len(names) - k)))
                campaigns[-1].run()
        except KeyboardInterrupt:
            say("interrupted")
    print(table(campaigns))
    return int(any(one.failures for one in campaigns))


if __name__ == "__main__":
    sys.exit(run())
