"""Items of a Scrapy crawl in; the same items, judged, cleaned or dropped by what the index has seen before, out.

In a project's settings::

    ITEM_PIPELINES = {"dedup.scrapy.DedupPipeline": 300}
    DEDUP_INDEX = "sqlite:///seen.db"

| setting | what | by default |
|---|---|---|
| ``DEDUP_INDEX`` | URL of the index | none: the pipeline stays out |
| ``DEDUP_ACTION`` | ``annotate``, ``clean`` or ``drop``, see ``DedupPipeline`` | ``clean`` |
| ``DEDUP_FIELD`` | field of items that holds the text | ``text`` |
| ``DEDUP_ID_FIELD`` | field that holds what the page is called | ``url`` |
| ``DEDUP_SOURCE_FIELD`` | field that holds the site | none: the host of the id, which is an address |
| ``DEDUP_REPORT_FIELD`` | field that ``annotate`` writes | ``dedup`` |
| ``DEDUP_SETTINGS`` | fields of ``dedup.Settings`` of a new index | none: those that an index has by default |
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, ParamSpec, Self, TypeVar, get_args

from dedup.errors import DedupError, InputError, MissingExtra, SettingsError
from dedup.formats.html import host_of
from dedup.index import Index, Report
from dedup.index.aio import check_and_cut
from dedup.settings import Settings

try:
    from itemadapter import ItemAdapter
    from scrapy.exceptions import DropItem, NotConfigured
    from scrapy.pipelines import ItemPipelineManager
    from scrapy.utils.defer import deferred_from_coro
except ImportError as missing:
    raise MissingExtra("dedup.scrapy", "scrapy") from missing

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings
    from twisted.internet.defer import Deferred

ActionName = Literal["annotate", "clean", "drop"]
ACTIONS: tuple[ActionName, ...] = get_args(ActionName)
# before Scrapy 2.14 only `process_item` may be a coroutine; since then it wants no Deferred
TAKES_COROUTINES = hasattr(ItemPipelineManager, "open_spider_async")
P = ParamSpec("P")
R = TypeVar("R")
logger = logging.getLogger(__name__)


class Choices(NamedTuple):
    """What a project's settings say; see the head of this module."""

    place: str
    action: str
    field: str
    id_field: str
    source_field: str | None
    report_field: str
    settings: Settings | None


class PageDropped(DropItem):
    """A page goes; ``report`` tells why."""

    def __init__(self, report: Report) -> None:
        super().__init__(why_dropped(report))
        self.report = report


class DedupPipeline:
    """Judges the text of each item by those that came before, in this crawl and in all with the same index.

    Pages are known by their ids: one that is crawled again is no copy of itself. Actions:

    - ``annotate``: the report, as a dict, is put into a field of the item; nothing goes.
    - ``clean``: the text is left without blocks that go, and pages that go are dropped.
    - ``drop``: pages that go are dropped; others stay as they are.

    Items are judged in the order in which they come, in a thread, so that the crawl goes on meanwhile. Items without a
    text or an id pass as they are; the first of a kind is told in the log, all are counted. Whatever went is in the
    stats: ``dedup/pages`` were judged, of which ``dedup/pages_dropped`` and ``dedup/pages_cleaned`` (with ``annotate``:
    would have been); see ``count``.
    """

    def __init__(self, crawler: Crawler, choices: Choices) -> None:
        self.choices = choices
        self._crawler = crawler
        self._pool = ThreadPoolExecutor(1, "dedup-index")
        self._index: Index | None = None
        self._told: set[tuple[str, ...]] = set()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Return the pipeline of a crawl.

        Raises:
            NotConfigured: no index is named.
            SettingsError: a setting has a value that is not allowed.
        """
        return cls(crawler, choices_in(crawler.settings))

    def open_spider(self, _spider: object = None) -> Awaitable[None]:
        """Open the index; a crawl does not begin where that fails.

        Raises:
            StoreError: it cannot be opened, or was made with other settings.
        """
        return fitting(self._open())

    def close_spider(self, _spider: object = None) -> Awaitable[None]:
        """Close the index."""
        return fitting(self._close())

    async def process_item(self, item: Any, _spider: object = None) -> Any:
        """Judge an item.

        Raises:
            PageDropped: it goes.
            StoreError: the index cannot be read or written.
        """
        page = self._page_of(item)
        if page is None or self._index is None:
            return item
        text, name, source = page
        try:
            report = await self._soon(check_and_cut, self._index, text, id=name, source=source)
        except InputError as error:
            self._count("dedup/unusable")
            self._tell(item, "unusable", f"{name!r}: {error}; such items pass as they are")
            return item
        except DedupError:
            self._count("dedup/errors")
            raise
        for stat, number in count(report, text).items():
            self._count(stat, number)
        action = self.choices.action
        if action == "annotate":
            self._write(item, self.choices.report_field, report.as_dict(), "DEDUP_REPORT_FIELD")
        elif report.action == "drop":
            raise PageDropped(report)
        elif action == "clean" and report.action == "clean":
            self._write(item, self.choices.field, report.text, "DEDUP_FIELD")
        return item

    async def _open(self) -> None:
        """Open the index in the thread."""
        self._index = await self._soon(Index.open, self.choices.place, self.choices.settings)

    async def _close(self) -> None:
        """Close the index in the thread, and end that."""
        if self._index is not None:
            await self._soon(self._index.close)
            self._index = None
        self._pool.shutdown(wait=False)

    def _soon(self, task: Callable[P, R], *args: P.args, **options: P.kwargs) -> Awaitable[R]:
        """Do something in the thread, behind all else that it was given."""
        return awaitable(self._pool.submit(task, *args, **options))

    def _page_of(self, item: Any) -> tuple[str, str, str | None] | None:
        """Return text, id and source of an item, None where it lacks text or id, which is counted and told."""
        if not ItemAdapter.is_item(item):
            self._count("dedup/no_text")
            self._tell(item, "kind", "items of this kind are not known to itemadapter: they pass as they are")
            return None
        adapter = ItemAdapter(item)
        text = adapter.get(self.choices.field)
        if not isinstance(text, str):
            self._count("dedup/no_text")
            self._tell_missing(item, self.choices.field, text, "DEDUP_FIELD")
            return None
        name = adapter.get(self.choices.id_field)
        if isinstance(name, int):
            name = str(name)
        if not isinstance(name, str) or not name:
            self._count("dedup/no_id")
            self._tell_missing(item, self.choices.id_field, name, "DEDUP_ID_FIELD")
            return None
        source = None if self.choices.source_field is None else adapter.get(self.choices.source_field)
        return text, name, source if isinstance(source, str) else host_of(name)

    def _write(self, item: Any, field: str, value: Any, setting: str) -> None:
        """Set a field of an item; one that does not let itself be set is counted and told."""
        if not has_field(item, field) and not isinstance(item, dict):
            self._count("dedup/not_written")
            self._tell_missing(item, field, None, setting)
            return
        try:
            ItemAdapter(item)[field] = value
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # frozen, or of a type that is checked
            self._count("dedup/not_written")
            self._tell(item, field, f"field {field!r} cannot be set ({error}): such items pass as they are")

    def _tell_missing(self, item: Any, field: str, value: object, setting: str) -> None:
        """Say that a field is missing, or what is wrong with its value."""
        if not has_field(item, field):
            there = ", ".join(map(str, ItemAdapter(item).field_names())) or "none"
            problem = f"there is no field {field!r} (fields there: {there})"
        elif value is None or value == "":
            problem = f"field {field!r} is empty"
        else:
            problem = f"field {field!r} is of type {type(value).__name__}, a string is needed"
        problem += f": such items pass as they are; name another field by {setting}, or fill this one"
        self._tell(item, field, problem)

    def _tell(self, item: Any, about: str, problem: str) -> None:
        """Log a problem, once for each kind of items."""
        kind = f"{type(item).__module__}.{type(item).__qualname__}"
        if (kind, about) not in self._told:
            self._told.add((kind, about))
            logger.error("dedup: items of %s: %s. This is said once, and counted in the stats.", kind, problem)

    def _count(self, stat: str, number: int = 1) -> None:
        """Count in the stats of the crawl."""
        self._crawler.stats.inc_value(stat, number)


def has_field(item: Any, field: str) -> bool:
    """Whether an item has a field, filled or not."""
    return field in ItemAdapter(item).field_names()


def choices_in(settings: BaseSettings) -> Choices:
    """Read a project's settings.

    Raises:
        NotConfigured: no index is named.
        SettingsError: a value is not allowed.
    """
    place = settings.get("DEDUP_INDEX")
    if not place:
        raise NotConfigured("DEDUP_INDEX names no index, such as sqlite:///seen.db")
    action = settings.get("DEDUP_ACTION", "clean")
    if action not in ACTIONS:
        raise SettingsError("DEDUP_ACTION", action, "one of " + ", ".join(ACTIONS))
    names = [
        settings.get(name, usual)
        for name, usual in (("DEDUP_FIELD", "text"), ("DEDUP_ID_FIELD", "url"), ("DEDUP_REPORT_FIELD", "dedup"))
    ]
    chosen = settings.get("DEDUP_SETTINGS")
    if chosen is not None and not isinstance(chosen, Settings):
        try:
            chosen = settings_from(settings.getdict("DEDUP_SETTINGS"))
        except (TypeError, ValueError) as error:  # of JSON on the command line, or of a type that cannot be compared
            if isinstance(error, DedupError):
                raise
            raise SettingsError("DEDUP_SETTINGS", chosen, f"a dict of fields of dedup.Settings ({error})") from error
    field, id_field, report_field = names
    source_field = settings.get("DEDUP_SOURCE_FIELD") or None
    return Choices(str(place), action, field, id_field, source_field, report_field, chosen)


def settings_from(fields: Mapping[str, Any]) -> Settings | None:
    """Return settings of an index; None for none.

    Raises:
        SettingsError: there is no such setting, or a value is not allowed.
    """
    known = {field.name for field in dataclasses.fields(Settings)}
    for name in fields:
        if name not in known:
            raise SettingsError("DEDUP_SETTINGS", name, "some of " + ", ".join(sorted(known)))
    if not fields:
        return None
    drop = {"drop": frozenset(fields["drop"])} if "drop" in fields else {}
    return Settings(**{"score": True, **fields, **drop})


def why_dropped(report: Report) -> str:
    """Say why a page goes.

    >>> with Index.open("memory:") as index:
    ...     first = index.check("The ferry leaves the old harbour at nine in the morning.", id="a")
    ...     why_dropped(index.check("The ferry leaves the old harbour at nine in the morning.", id="b"))
    'exact_duplicate_document of a (similarity 1)'
    """
    told = report.reason or "dropped"
    if report.partner is not None:
        told += f" of {report.partner}"
    return told if report.similarity is None else f"{told} (similarity {report.similarity:.3g})"


def count(report: Report, text: str) -> dict[str, int]:
    """Return by how much the stats of a crawl grow.

    ``dedup/pages``, ``dedup/blocks`` and ``dedup/chars`` were judged; those with ``_dropped`` went, or would go.
    ``dedup/reason/REASON`` tells for what reasons: of pages that go, and of blocks that go of pages that stay.

    Args:
        report: on a page.
        text: the page.
    """
    gone = [] if report.action == "drop" else [block.reason for block in report.blocks if block.action == "drop"]
    stats = {
        "dedup/pages": 1,
        f"dedup/status/{report.status}": 1,
        "dedup/pages_dropped": int(report.action == "drop"),
        "dedup/pages_cleaned": int(report.action == "clean"),
        "dedup/pages_kept": int(report.action == "keep"),
        "dedup/low_evidence": int(report.low_evidence),
        "dedup/blocks": len(report.blocks),
        "dedup/blocks_dropped": len(report.blocks) if report.action == "drop" else len(gone),
        "dedup/chars": len(text),
        "dedup/chars_dropped": len(text) - len(report.text),
    }
    for reason in [report.reason] if report.action == "drop" else gone:
        stats[f"dedup/reason/{reason}"] = stats.get(f"dedup/reason/{reason}", 0) + 1
    return {name: number for name, number in stats.items() if number}


def fitting(task: Coroutine[Any, Any, None]) -> Awaitable[None]:
    """Return what this version of Scrapy awaits when a crawl begins and ends."""
    return task if TAKES_COROUTINES else deferred_from_coro(task)


def awaitable(future: Future[R]) -> Awaitable[R]:
    """Return what a coroutine of Scrapy may await: asyncio's own where that runs, else what Twisted's reactor knows."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return deferred_of(future)
    return asyncio.wrap_future(future)


def deferred_of(future: Future[R]) -> Deferred[R]:
    """Return a Deferred that gets, in the reactor's thread, what a future gets in its own."""
    from twisted.internet import reactor  # importing it chooses one: it must be there by now
    from twisted.internet.defer import Deferred

    loop: Any = reactor
    found: Deferred[R] = Deferred()

    def deliver() -> None:
        error = future.exception()
        if error is None:
            found.callback(future.result())
        else:
            found.errback(error)

    future.add_done_callback(lambda _: loop.callFromThread(deliver))
    return found
