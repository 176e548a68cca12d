"""Crawls with an index: copies and furniture go, pages that are crawled again do not; items of every kind."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import logging
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import attrs
import pydantic
import pytest
import scrapy
import website
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem, NotConfigured
from website import Site

from dedup import InputError, MissingExtra, Settings, SettingsError, SettingsMismatch, StoreError
from dedup.index import Index, Report
from dedup.scrapy import DedupPipeline, PageDropped

T = TypeVar("T")
SPIDER = Path(__file__).with_name("spider.py")
LONG_ENOUGH = 600.0  # seconds after which something is taken to hang: kernels may have to be compiled
SOON = 30  # pages after which furniture is known
BODY = (
    "The ferry leaves the old harbour at nine in the morning and comes back at dusk.\n\n"
    "In winter the boat stays in the yard, where its planks are caulked anew."
)
OTHER = "Tickets are sold on board and in the kiosk beside the old customs house, which opens at noon."


class Crawled(NamedTuple):
    """What a crawl wrote: its items in order, what it counted, what it logged."""

    items: list[dict[str, Any]]
    stats: dict[str, Any]
    log: str

    @property
    def paths(self) -> list[str]:
        """The paths of its items."""
        return [path_of(item["url"]) for item in self.items]

    @property
    def texts(self) -> dict[str, str]:
        """The texts of its items by their paths."""
        return {path_of(item["url"]): item["text"] for item in self.items}


def path_of(url: str) -> str:
    """Return the path of an address."""
    return "/" + url.split("/", 3)[3]


def command(address: str, out: Path, index: Path, **settings: Any) -> list[str]:
    """Return the command line of a crawl."""
    more = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
    return [sys.executable, "-W", "error", str(SPIDER), address, str(out), f"sqlite:///{index}", *more]


def read(out: Path) -> list[dict[str, Any]]:
    """Read the items of a crawl."""
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()] if out.exists() else []


def crawl(address: str, out: Path, index: Path, **settings: Any) -> Crawled:
    """Crawl in a process of its own."""
    line = command(address, out, index, **settings)
    done = subprocess.run(line, capture_output=True, check=False, text=True, timeout=LONG_ENOUGH)
    assert done.returncode == 0, done.stderr
    return Crawled(read(out), json.loads(done.stdout.splitlines()[-1]), done.stderr)


def groups_of(site: Site) -> list[set[str]]:
    """Return the paths of pages that are copies of one another."""
    return [{path, original} for path, original in site.copies.items()]


# --------------------------------------------------------------------------------------------------------- whole crawls


def test_a_site_is_crawled_twice(tmp_path: Path) -> None:
    site, index = Site(1), tmp_path / "seen.db"
    with site.served() as address:
        first = crawl(address, tmp_path / "first.jsonl", index)
        site.change()
        second = crawl(address, tmp_path / "second.jsonl", index)
    assert not first.log
    assert not second.log

    # each page was judged, one of each pair of copies was dropped, whichever came later
    stays = len(site.pages) - len(site.copies)
    assert (first.stats["dedup/pages"], first.stats["dedup/status/new"]) == (len(site.pages),) * 2
    assert first.stats["dedup/pages_dropped"] == first.stats["item_dropped_count"] == len(site.copies)
    assert first.stats["dedup/reason/near_duplicate_document"] == len(site.near)
    assert first.stats["dedup/reason/exact_duplicate_document"] == len(site.copies) - len(site.near)
    assert first.stats["item_scraped_count"] == len(set(first.paths)) == len(first.paths) == stays
    assert all(len(group & set(first.paths)) == 1 for group in groups_of(site))
    assert first.stats["dedup/blocks_dropped"] > 4 * stays

    # furniture goes as soon as enough pages were seen, and nothing that is a page's own
    for item in first.items[SOON:]:
        assert not [line for line in website.FURNITURE if line in item["text"]], item["url"]
    assert website.FOOTER in first.items[0]["text"]
    texts = first.texts
    originals = {path: page for path, page in Site(1).pages.items() if path in texts}
    assert all(page.title in texts[path] for path, page in originals.items())
    assert all(one in texts[path] for path, page in originals.items() for one in page.paragraphs)

    # crawled again, pages are no copies of themselves; those that changed are known, and so is what became a copy
    changed = {*site.changing, site.taken[0]}
    assert "dedup/status/new" not in second.stats
    assert second.stats["dedup/status/changed"] == len(changed)
    assert second.stats["dedup/status/unchanged"] == len(site.pages) - len(changed)
    assert set(first.paths) - set(second.paths) == {site.taken[0]}
    assert set(second.paths) <= set(first.paths)
    assert second.stats["dedup/pages_dropped"] == len(site.copies) + 1
    again = second.texts
    assert all(one in again[path] for path in again for one in site.pages[path].paragraphs)
    assert not [path for path, text in again.items() for line in website.FURNITURE if line in text]
    with Index.open(index, create=False) as opened:
        assert opened.info()["pages"] == len(site.pages)
        assert opened.info()["sources"] == 1


REACTORS = {
    "asyncio": {"TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor"},
    "select": {"TWISTED_REACTOR": "twisted.internet.selectreactor.SelectReactor"},
}


@pytest.mark.parametrize(
    ("action", "reactor"), [("annotate", "asyncio"), ("clean", "asyncio"), ("clean", "select"), ("drop", "select")]
)
def test_actions_and_reactors(tmp_path: Path, reactor: str, action: str) -> None:
    site = Site(2, 0.1)
    settings = {"DEDUP_ACTION": action, "CONCURRENT_REQUESTS": 8} | REACTORS[reactor]
    with site.served() as address:
        found = crawl(address, tmp_path / "out.jsonl", tmp_path / "seen.db", **settings)
    assert not found.log
    assert found.stats["dedup/pages"] == len(site.pages)
    assert found.stats["dedup/pages_dropped"] == len(site.copies)
    dropped = 0 if action == "annotate" else len(site.copies)
    assert found.stats.get("item_dropped_count", 0) == dropped
    assert len(found.items) == len(site.pages) - dropped
    whole = [item for item in found.items if website.FOOTER in item["text"]]
    if action == "clean":
        assert len(whole) < 10
    else:
        assert len(whole) == len(found.items)
    if action == "annotate":
        verdicts = Counter(item["dedup"]["action"] for item in found.items)
        assert verdicts["drop"] == len(site.copies)
        for item in found.items:
            told = item["dedup"]
            assert (told["id"], told["source"], told["status"]) == (item["url"], website.HOST, "new")
            if told["action"] == "drop":
                assert told["reason"] in {"near_duplicate_document", "exact_duplicate_document"}
                assert {path_of(told["partner"]), path_of(item["url"])} in groups_of(site)
    else:
        assert all("dedup" not in item for item in found.items)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    folder = tmp_path_factory.mktemp("whole")
    with Site(3, 0.2).served() as address:
        return crawl(address, folder / "whole.jsonl", folder / "whole.db")


@pytest.mark.parametrize("after", [7, 31])
def test_a_crawl_that_is_killed_loses_no_page_and_has_none_twice(tmp_path: Path, whole: Crawled, after: int) -> None:
    site, index = Site(3, 0.2), tmp_path / "seen.db"
    with site.served() as address:
        killed = subprocess.Popen(
            command(address, tmp_path / "killed.jsonl", index), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        site.watch = lambda sent: killed.kill() if sent >= after else None
        assert killed.wait(LONG_ENOUGH) == -signal.SIGKILL
        site.watch = lambda _: None
        before = read(tmp_path / "killed.jsonl")
        again = crawl(address, tmp_path / "again.jsonl", index)
    # the crawl that begins anew has each page that an undisturbed one has, and no copy beside it
    assert again.paths == whole.paths
    written = [path_of(item["url"]) for item in before]
    assert written == whole.paths[: len(written)]
    known = again.stats.get("dedup/status/unchanged", 0)
    assert len(written) <= known <= after
    assert known + again.stats["dedup/status/new"] == len(site.pages)
    assert again.stats["dedup/pages_dropped"] == len(site.copies)
    with Index.open(index, create=False) as opened:
        assert opened.info()["pages"] == len(site.pages)


def test_two_crawls_share_an_index(tmp_path: Path, whole: Crawled) -> None:
    site, index = Site(3, 0.2), tmp_path / "seen.db"
    with site.served() as address:
        outs = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
        both = [subprocess.Popen(command(address, out, index), stdout=subprocess.PIPE, text=True) for out in outs]
        stats = [json.loads(one.communicate(timeout=LONG_ENOUGH)[0].splitlines()[-1]) for one in both]
    assert [one.returncode for one in both] == [0, 0]
    for out in outs:
        assert {path_of(item["url"]) for item in read(out)} == set(whole.paths)
    assert sum(one.get("dedup/status/new", 0) for one in stats) == len(site.pages)
    with Index.open(index, create=False) as opened:
        assert opened.info()["pages"] == len(site.pages)


def test_a_crawl_does_not_begin_with_an_index_of_other_settings(tmp_path: Path) -> None:
    site, index = Site(5, 0.02), tmp_path / "seen.db"
    Index.open(index, Settings(threshold=0.6)).close()
    with site.served() as address:
        line = command(address, tmp_path / "out.jsonl", index, DEDUP_SETTINGS={"threshold": 0.7})
        done = subprocess.run(line, capture_output=True, check=False, text=True, timeout=LONG_ENOUGH)
    assert "was made with threshold=0.6" in done.stderr
    assert not site.asked
    assert not (tmp_path / "out.jsonl").exists()


def test_a_crawl_without_an_index_goes_without_the_pipeline(tmp_path: Path) -> None:
    site = Site(5, 0.02)
    with site.served() as address:
        found = crawl(address, tmp_path / "out.jsonl", tmp_path / "seen.db", DEDUP_INDEX=None)
    assert "Disabled dedup.scrapy.DedupPipeline: DEDUP_INDEX names no index" in found.log
    assert len(found.items) == len(site.pages)
    assert not [name for name in found.stats if name.startswith("dedup/")]


# ---------------------------------------------------------------------------------------------------------------- items


class Stats(Counter[str]):
    """What a crawl counts."""

    def inc_value(self, name: str, number: int = 1) -> None:
        self[name] += number


class FakeCrawler:
    """The little of a crawl that the pipeline looks at."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = scrapy.settings.Settings(settings)
        self.stats = Stats()


def pipeline_of(**settings: Any) -> tuple[DedupPipeline, Stats]:
    """Return a pipeline, and where it counts."""
    crawler = FakeCrawler({"DEDUP_INDEX": "memory:"} | settings)
    return DedupPipeline.from_crawler(cast("Crawler", crawler)), crawler.stats


def run(task: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; one that hangs is an error."""
    return asyncio.run(asyncio.wait_for(task, LONG_ENOUGH))


def process(items: Sequence[Any], **settings: Any) -> tuple[list[Any], Stats]:
    """Send items through a pipeline; an exception stands where an item was dropped."""

    async def task() -> list[Any]:
        await pipeline.open_spider()
        try:
            return await asyncio.gather(*map(pipeline.process_item, items), return_exceptions=True)
        finally:
            await pipeline.close_spider()

    pipeline, stats = pipeline_of(**settings)
    return run(task()), stats


class OfScrapy(scrapy.Item):
    url = scrapy.Field()
    text = scrapy.Field()
    dedup = scrapy.Field()


@dataclasses.dataclass
class OfData:
    url: str
    text: str
    dedup: dict[str, Any] | None = None


@attrs.define
class OfAttrs:
    url: str
    text: str
    dedup: dict[str, Any] | None = None


class OfPydantic(pydantic.BaseModel):
    url: str
    text: str
    dedup: dict[str, Any] | None = None


@dataclasses.dataclass
class Bare:
    url: str
    text: str


@dataclasses.dataclass(frozen=True)
class Frozen:
    url: str
    text: str
    dedup: dict[str, Any] | None = None


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(validate_assignment=True)
    url: str
    text: str
    dedup: None = None


KINDS = [dict, OfScrapy, OfData, OfAttrs, OfPydantic]


def value(item: Any, field: str) -> Any:
    """Return a field of an item."""
    return item[field] if isinstance(item, (dict, scrapy.Item)) else getattr(item, field)


@pytest.mark.parametrize("kind", KINDS)
def test_items_of_every_kind_are_annotated(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    items = [kind(url="https://a.example/1", text=BODY), kind(url="https://a.example/2", text=BODY)]
    found, stats = process(items, DEDUP_ACTION="annotate")
    assert [one is item for one, item in zip(found, items, strict=True)] == [True, True]
    assert [value(item, "text") for item in found] == [BODY, BODY]
    told = [value(item, "dedup") for item in found]
    assert [(one["action"], one["reason"], one["partner"], one["source"]) for one in told] == [
        ("keep", None, None, "a.example"),
        ("drop", "exact_duplicate_document", "https://a.example/1", "a.example"),
    ]
    json.dumps(told)
    assert stats["dedup/pages"] == 2
    assert not caplog.records


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", ["clean", "drop"])
def test_items_of_every_kind_are_cleaned_and_dropped(kind: Any, action: str) -> None:
    first, second = BODY.split("\n\n")
    mixed = f"{first}\n\n{OTHER}\n\nNobody knows who built the stone pier that stands beside the kiosk, or when."
    items = [kind(url=f"https://a.example/{k}", text=text) for k, text in enumerate([BODY, BODY, mixed])]
    found, stats = process(items, DEDUP_ACTION=action)
    assert value(found[0], "text") == BODY
    assert isinstance(found[1], PageDropped)
    assert isinstance(found[1], DropItem)
    assert str(found[1]) == "exact_duplicate_document of https://a.example/0 (similarity 1)"
    assert found[1].report.id == "https://a.example/1"
    rest = mixed.removeprefix(f"{first}\n\n")
    assert value(found[2], "text") == (rest if action == "clean" else mixed)
    assert stats == {
        "dedup/pages": 3, "dedup/status/new": 3, "dedup/pages_kept": 1, "dedup/pages_dropped": 1,
        "dedup/pages_cleaned": 1, "dedup/low_evidence": 3, "dedup/blocks": 7, "dedup/blocks_dropped": 3,
        "dedup/chars": 2 * len(BODY) + len(mixed), "dedup/chars_dropped": len(BODY) + len(mixed) - len(rest),
        "dedup/reason/exact_duplicate_document": 1, "dedup/reason/exact_duplicate": 1,
    }  # fmt: skip
    assert second not in value(found[2], "text")


def check_told_once(log: pytest.LogCaptureFixture, message: str) -> None:
    """Check that there is one line in the log."""
    assert len(log.records) == 1
    assert log.records[0].levelno == logging.ERROR
    assert message in log.text
    assert "This is said once" in log.text


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Bare, "there is no field 'dedup' (fields there: url, text)"),
        (Frozen, "field 'dedup' cannot be set (cannot assign to field 'dedup')"),
        (Strict, "field 'dedup' cannot be set (1 validation error"),
    ],
)
def test_reports_that_items_have_no_room_for(kind: Any, message: str, caplog: pytest.LogCaptureFixture) -> None:
    items = [kind(url=f"https://a.example/{k}", text=f"{k} {BODY}") for k in range(5)]
    found, stats = process(items, DEDUP_ACTION="annotate")
    assert all(one is item for one, item in zip(found, items, strict=True))
    assert (stats["dedup/pages"], stats["dedup/not_written"]) == (5, 5)
    check_told_once(caplog, message)


@pytest.mark.parametrize(
    ("item", "stat", "message"),
    [
        ({"url": "u"}, "no_text", "there is no field 'text' (fields there: url): such items pass as they are; name"),
        ({}, "no_text", "there is no field 'text' (fields there: none)"),
        ({"url": "u", "text": None}, "no_text", "field 'text' is empty"),
        ({"url": "u", "text": [BODY]}, "no_text", "field 'text' is of type list, a string is needed"),
        (OfScrapy(url="u"), "no_text", "field 'text' is empty"),
        ({"text": BODY}, "no_id", "there is no field 'url' (fields there: text)"),
        ({"text": BODY, "url": ""}, "no_id", "field 'url' is empty"),
        ({"text": BODY, "url": 1.5}, "no_id", "field 'url' is of type float"),
        ({"text": "half \ud800", "url": "u"}, "unusable", "'u': the text has half a surrogate pair"),
        ({"text": BODY, "url": "\ud800"}, "unusable", "has half a surrogate pair"),
        ("no item", "no_text", "items of builtins.str: items of this kind are not known to itemadapter"),
    ],
)
def test_items_that_cannot_be_judged_pass(item: Any, stat: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    found, stats = process([item] * 4)
    assert all(one is item for one in found)
    assert stats == {f"dedup/{stat}": 4}
    check_told_once(caplog, message)


def test_fields_are_those_that_the_settings_name(caplog: pytest.LogCaptureFixture) -> None:
    items = [{"number": 7, "body": BODY, "site": "north"}, {"number": 8, "body": BODY, "site": None}]
    found, _ = process(
        items, DEDUP_FIELD="body", DEDUP_ID_FIELD="number", DEDUP_SOURCE_FIELD="site", DEDUP_REPORT_FIELD="seen",
        DEDUP_ACTION="annotate",
    )  # fmt: skip
    assert [(one["seen"]["id"], one["seen"]["source"], one["seen"]["partner"]) for one in found] == [
        ("7", "north", None), ("8", None, "7"),
    ]  # fmt: skip
    assert not caplog.records


def test_empty_texts_are_pages() -> None:
    items = [{"url": "a", "text": ""}, {"url": "b", "text": ""}]
    found, stats = process(items)
    assert found == items
    assert stats["dedup/pages_kept"] == 2


def test_items_are_judged_in_the_order_of_arrival() -> None:
    site = Site(6, 0.2)
    items = [
        {"url": f"https://a.example{path}", "text": "\n".join([page.title, *page.paragraphs])}
        for path, page in site.pages.items()
    ]
    with Index.open("memory:") as index:
        expected = [index.check(one["text"], id=one["url"], source="a.example").as_dict() for one in items]
    found, _ = process([dict(item) for item in items], DEDUP_ACTION="annotate")
    assert [item["dedup"] for item in found] == expected


def test_the_loop_goes_on_while_a_page_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    reached, go_on = threading.Event(), threading.Event()
    check = Index.check

    def held(index: Index, text: str, **options: Any) -> Report:
        reached.set()
        assert go_on.wait(LONG_ENOUGH)
        return check(index, text, **options)

    async def task() -> None:
        await pipeline.open_spider()
        judging = asyncio.ensure_future(pipeline.process_item({"url": "a", "text": BODY}))
        await asyncio.to_thread(reached.wait)
        assert not judging.done()
        go_on.set()
        await judging
        await pipeline.close_spider()

    monkeypatch.setattr(Index, "check", held)
    pipeline, _ = pipeline_of()
    run(task())


def test_an_index_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> Report:
        raise StoreError("the disk is full")

    monkeypatch.setattr(Index, "check", failing)
    found, stats = process([{"url": "a", "text": BODY}])
    assert isinstance(found[0], StoreError)
    assert stats == {"dedup/errors": 1}


def test_closing_what_did_not_open(tmp_path: Path) -> None:
    Index.open(tmp_path / "seen.db", Settings(threshold=0.6)).close()
    pipeline, _ = pipeline_of(DEDUP_INDEX=str(tmp_path / "seen.db"), DEDUP_SETTINGS={"threshold": 0.8})

    async def task() -> None:
        with pytest.raises(SettingsMismatch, match="threshold"):
            await pipeline.open_spider()
        await pipeline.close_spider()

    run(task())


# ------------------------------------------------------------------------------------------------------------- settings


def test_no_index_is_named() -> None:
    with pytest.raises(NotConfigured, match="DEDUP_INDEX names no index"):
        pipeline_of(DEDUP_INDEX="")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"DEDUP_ACTION": "erase"}, "DEDUP_ACTION='erase' is not allowed: one of annotate, clean, drop"),
        (
            {"DEDUP_SETTINGS": {"treshold": 0.8}},
            "DEDUP_SETTINGS='treshold' is not allowed: some of allow, batch_bytes, ",
        ),
        ({"DEDUP_SETTINGS": {"threshold": 8}}, "threshold=8 is not allowed"),
        ({"DEDUP_SETTINGS": {"drop": "filler"}}, "drop="),
        ({"DEDUP_SETTINGS": {"threshold": "high"}}, "a dict of fields of dedup.Settings"),
        ({"DEDUP_SETTINGS": "{broken"}, "a dict of fields of dedup.Settings"),
        ({"DEDUP_SETTINGS": 7}, "a dict of fields of dedup.Settings"),
    ],
)
def test_settings_that_are_not_allowed_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        pipeline_of(**settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ({}, None),
        ({"threshold": 0.8}, Settings(threshold=0.8, score=True)),
        ({"score": False}, Settings()),
        ('{"drop": ["exact_duplicate"]}', Settings(drop=frozenset({"exact_duplicate"}), score=True)),
        (Settings(threshold=0.8), Settings(threshold=0.8)),
    ],
)
def test_settings_of_the_index(given: Any, expected: Settings | None) -> None:
    assert pipeline_of(DEDUP_SETTINGS=given)[0].choices.settings == expected


@pytest.mark.parametrize("package", ["scrapy.exceptions", "itemadapter"])
def test_scrapy_is_not_installed(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.delitem(sys.modules, "dedup.scrapy")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"dedup\.scrapy needs .* pip install 'corpus-dedup\[scrapy\]'$"):
        importlib.import_module("dedup.scrapy")


def test_errors_of_items_are_no_errors_of_the_index() -> None:
    assert not issubclass(InputError, StoreError)  # the first pass, the second are raised
