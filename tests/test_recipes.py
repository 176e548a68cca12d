"""The recipes of the documentation do what they say, as they stand there."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import scrapy
from website import Site

from dedup import Settings
from dedup.index import Index
from dedup.scrapy import Choices, choices_in

PAGE = Path(__file__).resolve().parents[1] / "docs" / "recipes.md"
ADDRESS = "https://gull.example"


def recipe(title: str) -> Any:
    """Return the code of a section, compiled."""
    (part,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (code,) = re.findall(r"^```python\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    return compile(code, f"{PAGE.name}: {title}", "exec")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def test_every_block_is_run() -> None:
    titles = re.findall(r"^## (.*)", PAGE.read_text("utf-8"), re.MULTILINE)
    assert titles == ["Scrapy", "Fetch, extract, check", "The same in an event loop", "Messages that may come twice"]
    assert len(re.findall(r"^```", PAGE.read_text("utf-8"), re.MULTILINE)) == 2 * len(titles)


def test_settings_of_a_project() -> None:
    space: dict[str, Any] = {}
    exec(recipe("Scrapy"), space)  # noqa: S102 - our own text
    settings = scrapy.settings.Settings({name: space[name] for name in space if name.isupper()})
    threshold = Settings(threshold=0.8, score=True)
    assert choices_in(settings) == Choices("sqlite:///seen.db", "clean", "text", "url", None, "dedup", threshold)
    assert settings["ITEM_PIPELINES"] == {"dedup.scrapy.DedupPipeline": 300}


@pytest.mark.parametrize("title", ["Fetch, extract, check", "The same in an event loop"])
def test_pages_are_fetched(here: Path, title: str, capsys: pytest.CaptureFixture[str]) -> None:
    site = Site(7, 0.1)
    with site.served() as address:
        urls = [address.rstrip("/") + path for path in ("/missing", *site.pages)]
        kept: dict[str, str] = {}
        space: dict[str, Any] = {"urls": urls, "keep": kept.__setitem__, "__name__": "recipe"}
        exec(recipe(title), space)  # noqa: S102
        groups = [{path, original} for path, original in site.copies.items()]
        paths = {"/" + url.split("/", 3)[3] for url in kept}
        assert len(paths) == len(site.pages) - len(groups)
        assert all(len(group & paths) == 1 for group in groups)
        for url, text in kept.items():
            assert all(one in text for one in site.pages["/" + url.split("/", 3)[3]].paragraphs)
        if title.startswith("Fetch"):
            assert len(capsys.readouterr().out.splitlines()) == 1 + len(groups)
        site.change()
        again: dict[str, str] = {}
        exec(recipe(title), space | {"keep": again.__setitem__})  # noqa: S102
    assert again.keys() <= kept.keys()  # some have become copies
    texts = {"/" + url.split("/", 3)[3]: text for url, text in again.items()}
    assert texts.keys() >= set(site.changing)
    assert all(one in text for path, text in texts.items() for one in site.pages[path].paragraphs)
    with Index.open(here / "seen.db", create=False) as index:
        assert index.info()["pages"] == len(site.pages)


def test_what_was_not_kept_is_kept_when_it_comes_again(here: Path) -> None:
    site, kept = Site(7, 0.1), dict[str, str]()

    def keep(url: str, text: str) -> None:
        if len(kept) == 3:
            raise Stopped
        kept[url] = text

    with site.served() as address:
        space = {"urls": [address.rstrip("/") + path for path in site.pages], "keep": keep}
        with pytest.raises(Stopped):
            exec(recipe("Fetch, extract, check"), dict(space))  # noqa: S102
        with Index.open(here / "seen.db", create=False) as index:
            assert index.info()["pages"] == 4
        exec(recipe("Fetch, extract, check"), space | {"keep": kept.__setitem__})  # noqa: S102
    assert len(kept) == len(site.pages) - len(site.copies)


# ------------------------------------------------------------------------------------------------------------- messages


class Stopped(Exception):
    """The process died."""


class Message(NamedTuple):
    """What a broker delivers."""

    value: bytes


class World:
    """A broker, what was published, and processes that die, each at some step.

    Args:
        pages: the messages.
    """

    def __init__(self, pages: list[dict[str, str]]) -> None:
        self._pages = pages
        self.committed = self._taken = self._steps = self._last = 0
        self.published: dict[str, str] = {}
        self.delivered = 0

    def _step(self) -> None:
        self._steps += 1
        if self._steps == self._last:
            raise Stopped

    def __iter__(self) -> Iterator[Message]:
        """Deliver messages from what was committed last."""
        for taken in range(self.committed, len(self._pages)):
            self._step()
            self.delivered += 1
            self._taken = taken
            yield Message(json.dumps(self._pages[self._taken]).encode())

    def commit(self) -> None:
        """Note how far messages were dealt with; the process may die before, or when that is done."""
        self._step()
        self.committed = self._taken + 1
        self._step()

    def publish(self, name: str, text: str) -> None:
        """Put a page into the sink."""
        self._step()
        self.published[name] = text

    def retract(self, name: str) -> None:
        """Take a page out of the sink, where it has it."""
        self._step()
        self.published.pop(name, None)

    def consume(self, lives: Iterator[int]) -> None:
        """Run the recipe until all is committed.

        Args:
            lives: at which step each process dies; the last one does not.
        """
        code = recipe("Messages that may come twice")
        space = {"consumer": self, "publish": self.publish, "retract": self.retract}
        while self.committed < len(self._pages):
            self._steps, self._last = 0, next(lives, 0)
            with contextlib.suppress(Stopped):
                exec(code, dict(space))  # noqa: S102


def messages() -> list[dict[str, str]]:
    """Return pages, copies among them, some of which change later."""
    site = Site(8, 0.1)

    def message(path: str) -> dict[str, str]:
        page = site.pages[path]
        return {"url": ADDRESS + path, "site": "gull.example", "text": "\n\n".join([page.title, *page.paragraphs])}

    first = [message(path) for path in site.pages]
    site.change()
    return first + [message(path) for path in (*site.changing, site.taken[0])]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.usefixtures("here")
def test_messages_that_come_twice_change_nothing(seed: int) -> None:
    pages, rng = messages(), random.Random(seed)
    calm, stormy = World(pages), World(pages)
    calm.consume(iter(()))
    assert calm.delivered == len(pages)
    Path("seen.db").rename("calm.db")
    stormy.consume(rng.randint(1, 9) for _ in range(60))
    assert stormy.published == calm.published
    assert stormy.delivered > calm.delivered
    with Index.open("calm.db") as one, Index.open("seen.db") as other:
        assert one.info()["pages"] == other.info()["pages"] == len({page["url"] for page in pages})
    assert ADDRESS + Site(8, 0.1).taken[0] not in calm.published
    assert len(calm.published) == len({page["url"] for page in pages}) - len(Site(8, 0.1).copies) - 1


def test_a_broker_delivers_again_what_was_not_committed() -> None:
    world = World([{"url": "a"}, {"url": "b"}])
    assert [json.loads(one.value)["url"] for one in world] == ["a", "b"]
    next(iter(world))
    world.commit()
    assert [json.loads(one.value)["url"] for one in world] == ["b"]
    assert world.committed == 1
