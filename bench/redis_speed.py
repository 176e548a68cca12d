"""Made-up pages in; how long an index in Redis takes for each, at several sizes, out.

python bench/redis_speed.py redis://127.0.0.1:6379/0?name=bench 10000 100000
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator

import numpy as np

from dedup import Settings
from dedup.index import Index

BLOCKS, WORDS, SOURCES, VOCABULARY = 10, 50, 300, 50_000
ASKED = 200  # pages that are timed at each size


def pages(seed: int) -> Iterator[tuple[str, str, str]]:
    """Yield pages without end: id, source, text; a tenth of the blocks are copies, a tenth nearly."""
    chance = np.random.default_rng(seed)
    words = [f"w{k:x}" for k in range(VOCABULARY)]
    ranks = 1 / np.arange(1, VOCABULARY + 1)
    cumulated = np.cumsum(ranks / ranks.sum())
    pool: list[list[int]] = []
    number = 0
    while True:
        texts = []
        for _ in range(BLOCKS):
            kind = chance.random()
            if pool and kind < 0.2:
                block = list(pool[int(chance.integers(len(pool)))])
                if kind < 0.1:
                    block[int(chance.integers(WORDS))] = int(chance.integers(VOCABULARY))
            else:
                block = np.minimum(np.searchsorted(cumulated, chance.random(WORDS)), VOCABULARY - 1).tolist()
                if len(pool) < 20_000:
                    pool.append(block)
                else:
                    pool[int(chance.integers(len(pool)))] = block
            texts.append(" ".join(words[k] for k in block).capitalize() + ".")
        yield f"https://site{number % SOURCES}.example/{number}", f"site{number % SOURCES}", "\n\n".join(texts)
        number += 1


def told(what: str, times: list[float]) -> str:
    """Put times into words."""
    times = sorted(times)
    middle, late = statistics.median(times), times[int(0.95 * len(times))]
    return f"{what} p50 {1e3 * middle:.2f} ms, p95 {1e3 * late:.2f} ms"


def main() -> None:
    """Fill an index, and time it at each size."""
    place, sizes = sys.argv[1], [int(one) for one in sys.argv[2:]]
    with Index.open(place, Settings(score=True)) as index:
        made = pages(1)
        done, spent = 0, 0.0
        for size in sizes:
            while done < size // BLOCKS:
                batch = [dict(zip(("id", "source", "text"), next(made), strict=True)) for _ in range(64)]
                begun = time.perf_counter()
                list(index.check_many(batch))
                spent += time.perf_counter() - begun
                done += len(batch)
            asked, added = [], []
            for _ in range(ASKED):
                name, source, text = next(made)
                begun = time.perf_counter()
                index.query(text, id=name, source=source)
                asked.append(time.perf_counter() - begun)
                begun = time.perf_counter()
                index.check(text, id=name, source=source)
                added.append(time.perf_counter() - begun)
            done += ASKED
            found = index.info()
            size_of = found["bytes"] / found["contents"] / 1e3
            rate = f"{1e3 * spent / done:.2f} ms a page in batches, {size_of:.1f} kB a content"
            print(f"{BLOCKS * done:,} paragraphs: {told('query', asked)}; {told('check', added)}; {rate}", flush=True)


if __name__ == "__main__":
    main()
