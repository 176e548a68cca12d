"""What does a page cost in a pipeline? An index of ten thousand to a million paragraphs, beside datasketch.

    python bench/index.py

Pages have ten paragraphs of fifty words; one in ten was seen before, one in ten with a word changed. Each page is
added and committed by itself, as a crawler does. With ``--redis URL`` an index in Redis is measured too.
"""

from __future__ import annotations

import pathlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
import numpy as np
from datasketch import MinHash, MinHashLSH
from figures import Figure, finish, json_option, say

from dedup import Settings
from dedup.index import Index

WORDS, BLOCKS, REMEMBERED, SITES = 50, 10, 1000, 300
VOCABULARY = 50_000
QUERIES = 1000  # pages that are asked for at each size; of those added the later half counts, as many at the least
TURN = 25  # pages of one and then of the other, so that both get their share of whatever else the machine does
LATE, EVERY = 99, 50  # percentiles
MOST_QUERY, MOST_CHECK, MOST_LATE, MOST_OPEN = 2.0, 4.0, 15.0, 0.5  # milliseconds; seconds
MOST_SIZE, LEAST_FASTER, REDIS_TIMES = 800, 10, 3
SETTINGS = Settings()


class Pages:
    """Makes pages, always the same ones."""

    def __init__(self, seed: int) -> None:
        self._rng, self._numbers = random.Random(seed), np.random.default_rng(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        lengths = self._numbers.integers(2, 11, VOCABULARY)
        self._words = ["".join(self._rng.choices(letters, k=int(length))) for length in lengths]
        shares = np.arange(1, VOCABULARY + 1) ** -0.9  # as frequencies of words fall
        self._shares = np.cumsum(shares / shares.sum())
        self._seen = [self._new() for _ in range(REMEMBERED)]
        self._count = 0

    def _new(self) -> str:
        places = np.searchsorted(self._shares, self._numbers.random(WORDS) * 0.999)
        return " ".join(self._words[place] for place in places).capitalize() + "."

    def _block(self) -> str:
        draw = self._rng.random()
        if draw < 0.1:
            return self._rng.choice(self._seen)
        if draw < 0.2:
            words = self._rng.choice(self._seen).split(" ")
            words[self._rng.randrange(1, WORDS - 1)] = self._rng.choice(self._words)
            return " ".join(words)
        block = self._new()
        self._seen[self._rng.randrange(REMEMBERED)] = block
        return block

    def next(self) -> dict[str, str]:
        """Return the next page: id, source and text."""
        self._count += 1
        site = f"site{self._count % SITES}.example"
        text = "\n\n".join(self._block() for _ in range(BLOCKS))
        return {"id": f"https://{site}/articles/{self._count}", "source": site, "text": text}


def timed(task: Callable[..., object], *arguments: object, **options: object) -> float:
    """Return how many milliseconds something takes."""
    begun = time.perf_counter()
    task(*arguments, **options)
    return 1000 * (time.perf_counter() - begun)


def curve(index: Index, sizes: list[int], place: str) -> Iterator[tuple[int, dict[str, float]]]:
    """Fill an index page by page; yield at each size, in paragraphs, what a page costs there."""
    pages, asked = Pages(1), Pages(2)
    queries = [asked.next() for _ in range(QUERIES)]
    added: list[float] = []
    for size in sizes:
        while len(added) * BLOCKS < size:
            page = pages.next()
            added.append(timed(index.check, page["text"], id=page["id"], source=page["source"]))
            if len(added) % 5000 == 0:
                say(f"{place}: {len(added) * BLOCKS:,} paragraphs, {np.median(added[-5000:]):.2f} ms a page")
        found = [timed(index.query, page["text"], source=page["source"]) for page in queries]
        late = added[-max(QUERIES, len(added) // 2) :]
        yield size, {
            "query p50": float(np.percentile(found, EVERY)), "query p99": float(np.percentile(found, LATE)),
            "check p50": float(np.percentile(late, EVERY)), "check p99": float(np.percentile(late, LATE)),
            "check longest": max(late), "bytes a paragraph": index.info()["bytes"] / size,
        }  # fmt: skip


def shingles(text: str, least: int, most: int) -> set[str]:
    """Return the word n-grams of a text."""
    words = text.lower().split()
    return {" ".join(words[k : k + n]) for n in range(least, most + 1) for k in range(len(words) - n + 1)}


def signed(text: str, least: int, most: int, permutations: int) -> MinHash:
    """Sign a text as datasketch's documentation does."""
    minhash = MinHash(num_perm=permutations)
    for shingle in shingles(text, least, most):
        minhash.update(shingle.encode("utf8"))
    return minhash


def datasketch_check(storage: dict[str, Any] | None) -> Callable[[dict[str, str]], None]:
    """Return what looks a page up in datasketch's ``MinHashLSH``, by paragraphs and as a whole, and inserts it."""
    options = {} if storage is None else {"storage_config": storage}
    blocks = MinHashLSH(threshold=SETTINGS.threshold, num_perm=SETTINGS.num_perm, **options)
    whole = MinHashLSH(threshold=SETTINGS.doc_threshold, num_perm=SETTINGS.doc_num_perm, **options)

    def check(page: dict[str, str]) -> None:
        for place, block in enumerate(page["text"].split("\n\n")):
            minhash = signed(block, 1, 2, SETTINGS.num_perm)
            blocks.query(minhash)
            blocks.insert(f"{page['id']}#{place}", minhash)
        minhash = signed(page["text"], 5, 5, SETTINGS.doc_num_perm)
        whole.query(minhash)
        whole.insert(page["id"], minhash)

    return check


def compare(pages: int, url: str, storage: dict[str, Any] | None) -> tuple[float, float]:
    """Return the median milliseconds a page of an index and of datasketch, some pages by turns."""
    made, check = Pages(3), datasketch_check(storage)
    ours: list[float] = []
    theirs: list[float] = []
    with Index.open(url, SETTINGS) as index:
        while len(ours) < pages:
            some = [made.next() for _ in range(TURN)]
            ours += [timed(index.check, page["text"], id=page["id"], source=page["source"]) for page in some]
            theirs += [timed(check, page) for page in some]
    return float(np.median(ours[pages // 10 :])), float(np.median(theirs[pages // 10 :]))


def measure(url: str, sizes: list[int], times: int, place: str) -> list[Figure]:
    """Measure one kind of index."""
    figures = []
    with Index.open(url, SETTINGS) as index:
        for size, told in curve(index, sizes, place):
            bars = size == 1_000_000
            say(f"{place}, {size:,} paragraphs: " + ", ".join(f"{name} {value:.2f}" for name, value in told.items()))
            for name, value in told.items():
                bar = {
                    "query p50": MOST_QUERY * times, "check p50": MOST_CHECK * times, "check p99": MOST_LATE * times,
                    "query p99": MOST_LATE * times, "bytes a paragraph": float(MOST_SIZE),
                }.get(name) if bars else None  # fmt: skip
                unit = "" if name.startswith("bytes") else ", ms"
                sense: Any = "-" if bar is None or (times > 1 and name.startswith("bytes")) else "at most"
                figures.append(Figure(f"{place}, {size:,} paragraphs: {name}{unit}", value, sense, bar or 0.0))
    return figures


@click.command()
@click.option("--paragraphs", default="10000,100000,1000000", show_default=True, help="Sizes at which to measure.")
@click.option("--peer-pages", default=500, show_default=True, help="Pages that datasketch is given too.")
@click.option("--redis", "redis_url", help="A database of a Redis server to measure too; what is in it is lost.")
@click.option("--only", type=click.Choice(["sqlite", "redis"]), help="One kind of index alone.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=pathlib.Path), help="Where to put the index.")
@json_option
def main(
    paragraphs: str,
    peer_pages: int,
    redis_url: str | None,
    only: str | None,
    folder: pathlib.Path | None,
    as_json: bool,
) -> None:
    """Measure what a page costs."""
    sizes = [int(size) for size in paragraphs.split(",")]
    figures = [] if only == "redis" else measure_sqlite(folder, sizes, peer_pages)
    if redis_url is not None and only != "sqlite":
        figures += measure_redis(redis_url, sizes, peer_pages)
    finish(figures, as_json)


def measure_sqlite(folder: pathlib.Path | None, sizes: list[int], peer_pages: int) -> list[Figure]:
    """Measure an index in a file, and datasketch in memory."""
    with tempfile.TemporaryDirectory(dir=folder) as room:
        place = pathlib.Path(room) / "seen.db"
        figures = measure(f"sqlite:///{place}", sizes, 1, "SQLite")
        begun = time.perf_counter()
        Index.open(place, create=False).close()
        bar = sizes[-1] == 1_000_000
        figures.append(Figure("SQLite: opening, s", time.perf_counter() - begun, "at most" if bar else "-", MOST_OPEN))
        ours, theirs = compare(peer_pages, f"sqlite:///{place.with_name('peer.db')}", None)
    return [
        *figures, Figure("ours on SQLite, ms a page", ours), Figure("datasketch in a dict, ms a page", theirs),
        Figure("times faster than datasketch in a dict", theirs / ours, "at least", LEAST_FASTER),
    ]  # fmt: skip


def measure_redis(url: str, sizes: list[int], peer_pages: int) -> list[Figure]:
    """Measure an index in Redis, and datasketch there."""
    import redis

    server = redis.Redis.from_url(url)

    def empty() -> None:
        server.flushdb(asynchronous=True)  # gigabytes take longer than an answer may
        while server.info("memory")["lazyfree_pending_objects"]:
            time.sleep(0.1)

    empty()
    figures = measure(f"{url}?name=bench", sizes, REDIS_TIMES, "Redis")
    empty()
    where = server.connection_pool.connection_kwargs
    storage = {"type": "redis", "basename": b"peer", "redis": {"host": where["host"], "port": where["port"]}}
    ours, theirs = compare(peer_pages, f"{url}?name=peer", storage)
    empty()
    return [
        *figures, Figure("ours on Redis, ms a page", ours), Figure("datasketch in Redis, ms a page", theirs),
        Figure("times faster than datasketch in Redis", theirs / ours, "at least", LEAST_FASTER),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
