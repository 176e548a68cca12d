"""A page of HTML in; whether it can be taken apart in bounded time and memory out."""

from __future__ import annotations

import functools
import re

MOST_TAGS = 100_000  # those that close among them
MOST_TABLES = 4000  # tags of tables: the extractor looks at all for each
MOST_ATTRIBUTES = 200_000
MOST_OF_A_TAG = 1000  # attributes: libxml2 compares each with all others of its tag
LONG_TAG = 2 * MOST_OF_A_TAG  # characters that so many take at least

# As HTML says: a quote means something where a value begins only, and one that is not closed reaches to the end.
ATTRIBUTE = r"""=?+[^\s/>=]++(?:\s*+=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\s>"'][^\s>]*+)?+)?+|="""
TAG = re.compile(rf"<(/?+[a-zA-Z][^\s/>]*+)(?:[\s/]++|{ATTRIBUTE})*+>?+")
ATTRIBUTES = re.compile(ATTRIBUTE)
# What stands in these is no markup.
RAW = {"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"}


@functools.lru_cache
def end_of(name: str) -> re.Pattern[str]:
    """Return what finds the end of an element."""
    return re.compile(f"</{name}", re.IGNORECASE | re.ASCII)


def check_page(page: str) -> None:
    """Check that a page has not more tags and attributes than are parsed; in time that grows with its length.

    Raises:
        ValueError: it has; the message says so.
    """
    at = tags = tables = attributes = 0
    while (at := page.find("<", at)) >= 0:
        if page.startswith("<!--", at):
            at = page.find("-->", at + 2)
            if at < 0:
                return
            continue
        tag = TAG.match(page, at)
        if tag is None:
            at += 1
            continue
        at = tag.end()
        tags += 1
        count = tag[0].count("=")
        if len(tag[0]) > LONG_TAG:
            count = sum(1 for _ in ATTRIBUTES.finditer(tag[0], len(tag[1]) + 1))
        attributes += count
        name = tag[1].lower()
        tables += name.endswith("table")
        if count > MOST_OF_A_TAG or attributes > MOST_ATTRIBUTES or tags > MOST_TAGS or tables > MOST_TABLES:
            what = "tags" if tags > MOST_TAGS else "tables" if tables > MOST_TABLES else "attributes"
            raise ValueError(f"the page has too many {what}: more than any page to be read")
        if name in RAW:
            end = end_of(name).search(page, at)
            if end is None:
                return
            at = end.start()
