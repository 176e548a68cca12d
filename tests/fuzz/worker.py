"""Numbers of inputs in, one line each; what came of them out: one process that may crash, hang or grow."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import pathlib
import resource
import struct
import sys
import tempfile
import time
import traceback
from random import Random
from typing import Any

from fuzz.readers import READERS, TRAPS, Outcome, attempt, case

STATE = struct.Struct("<qdd")  # number of the input at hand, when it began, and how long the process had worked then
ROOM = 6 << 30  # bytes of addresses that a process may take
GROWTH = 160 << 20  # bytes that an input may take beyond what was taken before
TOLD = 0.5  # seconds between reports


def memory(name: str) -> int:
    """Return bytes of memory: ``VmRSS``, those taken now, or ``VmHWM``, the most since it was asked to forget."""
    status = pathlib.Path("/proc/self/status").read_text("ascii")
    return int(status.split(f"{name}:")[1].split(maxsplit=1)[0]) << 10


def forget_peak() -> None:
    """Have the most memory counted from now on."""
    pathlib.Path("/proc/self/clear_refs").write_text("5", "ascii")


class Watch:
    """Tries inputs, and tells of each what it took."""

    def __init__(self, name: str, folder: pathlib.Path) -> None:
        self.reader = READERS[name]
        self.unraised: list[str] = []
        self._folder = folder
        sys.unraisablehook = lambda told: self.unraised.append(
            f"not raised: {told.exc_type.__name__}: {told.exc_value}"
        )

    def warm_up(self) -> None:
        """Have modules and kernels loaded, which takes its time where a machine is busy."""
        for number, data in enumerate(self.reader.mutator().seeds):
            if self.reader.name != TRAPS:
                self.attempt(data, Random(number))

    def attempt(self, data: bytes, rng: Random) -> tuple[Outcome, str | None, float, int]:
        """Try an input: what came of it, what is wrong with the reader, seconds, bytes."""
        forget_peak()
        before, begun = memory("VmRSS"), time.monotonic()
        outcome, failure = Outcome(), None
        try:
            outcome = attempt(self.reader, self._folder, data, rng)
        except BaseException as error:  # what Rust code ends in is no Exception
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            failure = told(error)
        seconds, grown = time.monotonic() - begun, memory("VmHWM") - before
        if self.unraised:
            failure = failure or self.unraised[0]
            self.unraised.clear()
        if failure is None and grown > GROWTH:
            failure = f"memory: {grown >> 20} MB for {len(data)} bytes"
        return outcome, failure, seconds, grown


def told(error: BaseException) -> str:
    """Say what was raised, and where; the last line names it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/dedup/" in frame.filename or "/fuzz/" in frame.filename]
    where = f"{pathlib.Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
    return f"{''.join(traceback.format_exception(error))}\n{type(error).__name__} at {where}"


def work(name: str, seed: int, state: mmap.mmap, folder: pathlib.Path) -> None:
    """Try inputs: for each line ``FIRST LAST`` on standard input those of these numbers; lines of JSON tell of them."""
    watch = Watch(name, folder)
    watch.warm_up()
    say({"ready": True})
    for line in sys.stdin:
        first, last = map(int, line.split())
        sums = new_sums()
        reported = time.monotonic()
        for number in range(first, last):
            data, rng = case(name, seed, number)
            state[: STATE.size] = STATE.pack(number, time.monotonic(), time.process_time())
            add(sums, number, *watch.attempt(data, rng))
            if time.monotonic() - reported > TOLD or sums["failures"]:
                say(sums)
                sums, reported = new_sums(), time.monotonic()
        state[: STATE.size] = STATE.pack(-1, 0, 0)
        say({**sums, "done": True})


def new_sums() -> dict[str, Any]:
    """Return what is counted, of no inputs."""
    counts = dict.fromkeys(("inputs", "accepted", "refused", "documents", "rejects", "peak"), 0)
    return {**counts, "slowest": 0.0, "failures": []}


def add(sums: dict[str, Any], number: int, outcome: Outcome, failure: str | None, seconds: float, grown: int) -> None:
    """Count an input."""
    sums["inputs"] += 1
    sums["accepted"] += failure is None and outcome.refused is None
    sums["refused"] += outcome.refused is not None
    sums["documents"] += outcome.documents
    sums["rejects"] += outcome.rejects
    sums["slowest"] = max(sums["slowest"], seconds)
    sums["peak"] = max(sums["peak"], grown)
    sums["failures"] += [] if failure is None else [[number, failure]]


def say(what: dict[str, Any]) -> None:
    """Tell whoever started this process."""
    os.write(REPORTS, json.dumps(what).encode() + b"\n")


def guide(name: str, seed: int, state: mmap.mmap, folder: pathlib.Path, corpus: pathlib.Path, count: int) -> None:
    """Try inputs that atheris draws: mutations, and those of them kept that reach what none did before."""
    import atheris

    instrument(atheris)
    watch = Watch(name, folder)
    mutator = watch.reader.mutator()
    for number, data in enumerate(mutator.seeds):
        (corpus / f"seed{number}").write_bytes(data)
    current = corpus.with_name(f"{corpus.name}.current")
    sums, tried, reported = [new_sums()], [0], [time.monotonic()]

    def one_input(data: bytes) -> None:
        current.write_bytes(data)
        state[: STATE.size] = STATE.pack(tried[0], time.monotonic(), time.process_time())
        rng = Random(f"{seed} {len(data)} {sum(data[:64])}")
        add(sums[0], tried[0], *watch.attempt(data, rng))
        for failure in sums[0]["failures"]:
            failure.append(data.hex())
        tried[0] += 1
        if time.monotonic() - reported[0] > TOLD or sums[0]["failures"] or tried[0] == count:
            say(sums[0])
            sums[0], reported[0] = new_sums(), time.monotonic()
        if tried[0] >= count:
            state[: STATE.size] = STATE.pack(-1, 0, 0)
            say({**new_sums(), "done": True})
            os._exit(0)

    def mutate(data: bytes, size: int, chance: int) -> bytes:
        rng = Random(chance)
        if rng.random() < 0.3:
            return bytes(atheris.Mutate(data, size))
        return mutator.mutate(rng, data)[:size]

    watch.warm_up()
    say({"ready": True})
    sys.stdin.readline()
    # whoever started this process looks after time and memory
    options = [f"-seed={seed}", "-max_len=32768", "-timeout=9999", "-rss_limit_mb=0", f"-artifact_prefix={corpus}."]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one_input, custom_mutator=mutate)
    atheris.Fuzz()


def instrument(atheris: Any) -> None:
    """Let atheris see which branches the readers take."""
    for name, module in list(sys.modules.items()):
        if not name.startswith(("dedup.formats", "dedup.undoing", "dedup.rejoining", "dedup.run")):
            continue
        for item in list(vars(module).values()):
            if getattr(item, "__module__", None) != name:
                continue
            members = [item] if not isinstance(item, type) else list(vars(item).values())
            for one in members:
                function = getattr(one, "__func__", getattr(one, "fget", getattr(one, "func", one)))
                function = getattr(function, "__wrapped__", function)
                if type(function).__name__ == "function":
                    function.__code__ = atheris.instrument_func(function).__code__


REPORTS = 1


def main(name: str, seed: int, shared: str, engine: str, corpus: str, count: int) -> None:
    """Work until standard input ends; see ``work`` and ``guide``."""
    global REPORTS  # noqa: PLW0603 - what libraries print goes elsewhere
    REPORTS = os.dup(1)
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with (
        contextlib.suppress(KeyboardInterrupt),
        open(shared, "r+b") as file,  # noqa: PTH123
        mmap.mmap(file.fileno(), STATE.size) as state,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
    ):
        if engine == "atheris":
            guide(name, seed, state, pathlib.Path(folder), pathlib.Path(corpus), count)
        else:
            work(name, seed, state, pathlib.Path(folder))
