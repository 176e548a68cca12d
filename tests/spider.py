"""An example of a crawl with an index: follows the links of a page, writes what is new, one item a line.

    python tests/spider.py http://localhost:8000/ pages.jsonl sqlite:///seen.db

A second crawl with the same index keeps the pages that it knows, tells those that have changed, and drops copies. More
settings may follow as NAME=VALUE, where VALUE is JSON. The stats are printed, the last line of stdout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Self, TextIO

import scrapy
from scrapy.crawler import Crawler, CrawlerProcess
from scrapy.http import Response, TextResponse

SETTINGS: dict[str, Any] = {
    "ITEM_PIPELINES": {"dedup.scrapy.DedupPipeline": 300, "__main__.Lines": 900},
    "CONCURRENT_REQUESTS": 1,  # pages come in the same order each time: of two copies the same one stays
    "DOWNLOAD_DELAY": 0,
    "LOG_LEVEL": "WARNING",
    "DEFAULT_DROPITEM_LOG_LEVEL": "DEBUG",
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,
}


class Stories(scrapy.Spider):
    """Follows links to stories; an item has the lines of a page, furniture and all."""

    name = "stories"

    def parse(self, response: Response, **_: Any) -> Iterator[Any]:
        """Follow the links of the listing."""
        if isinstance(response, TextResponse):
            yield from response.follow_all(css="a.story", callback=self.parse_story)

    def parse_story(self, response: Response) -> Iterator[Any]:
        """Yield a page."""
        if isinstance(response, TextResponse):
            lines = ("".join(part.css("::text").getall()) for part in response.css("h1, h2, p, li"))
            yield {"url": response.url, "text": "\n".join(lines)}


class Lines:
    """Writes items into a file as they come, so that nothing that was written is lost with the process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: TextIO | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Return what writes into the file that the settings name."""
        return cls(crawler.settings["LINES"])

    def process_item(self, item: Any, _spider: object = None) -> Any:
        """Write an item."""
        if self._file is None:
            self._file = open(self._path, "a", encoding="utf-8")  # noqa: PTH123, SIM115 - until the crawl ends
        self._file.write(json.dumps(item) + "\n")
        self._file.flush()
        return item

    def close_spider(self, _spider: object = None) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def main(start: str, out: str, index: str, *more: str) -> None:
    """Crawl."""
    given = dict(one.split("=", 1) for one in more)
    settings = SETTINGS | {"LINES": out, "DEDUP_INDEX": index} | {name: json.loads(given[name]) for name in given}
    process = CrawlerProcess(settings)
    crawler = process.create_crawler(Stories)
    process.crawl(crawler, start_urls=[start])
    process.start()
    print(json.dumps(crawler.stats.get_stats(), default=str))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
