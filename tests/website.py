"""A made-up newspaper with furniture on every page, copies under other addresses and pages that change; its server."""

from __future__ import annotations

import contextlib
import html
import http.server
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

ORIGINALS, NEAR, EXACT, CHANGING = 250, 30, 20, 15
HOST = "127.0.0.1"
NAME = "The Gull Courier"
COOKIES = "This site keeps cookies to remember what you read. Accept all | Only the needed ones"
MENU = "Home | Harbour | Islands | Market | Archive | Contact"
LETTER = f"Get the weekly letter of {NAME} every Friday, free of charge."
FOOTER = f"© 2025 {NAME}. All rights reserved. Imprint | Privacy | Terms of use"
FURNITURE = (COOKIES, MENU, LETTER, FOOTER)


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


NOUNS = words(
    "anchor baker barge bell bridge buoy captain carpenter chandler cooper crane crew current depot dredger engine "
    "ferry fisher gale glazier granary gull harpoon hull inlet island jetty keeper kiln ladder lantern lighthouse loom "
    "mason mast miller mooring net oar orchard pier pilot quarry quay reef rope rudder sail shoal signal silo slipway "
    "smith sluice spar steamer tannery tide tiller tower trawler tug tunnel vat vault warden weaver weir wharf winch"
)
ADJECTIVES = words(
    "amber brittle broad calm clumsy copper crooked damp distant drowsy dusty early empty faded foggy frozen gentle "
    "gilded hollow humble idle jagged late leaky lively lonely mossy muddy narrow nimble pale patient quiet ragged "
    "rusty salty scarlet shallow sleepy slender smoky sodden spare steep stubborn sturdy tarred tender tidy timber "
    "tired upright velvet weary whitewashed windy wooden"
)
VERBS = words(
    "admired anchored borrowed bought carried counted crossed delivered drained drew examined fetched flooded followed "
    "guarded hauled heated heard ignored inspected lifted loaded lowered measured mended missed moved noticed painted "
    "patched praised raised refused repaired replaced rescued restored searched sketched sold spotted steered stored "
    "survived swept towed unloaded visited warned washed watched weighed"
)
PLACES = words(
    "Aldermouth Brackness Candlewick Dunmarrow Eelbrook Fenwharf Gorsehaven Hollowmere Inchbay Jarrowby Kelphaven "
    "Larkstrand Mizzenport Nethersand Oxholm Pebbleford Quillness Rookholm Saltmarsh Tarnmouth Underness Vinterby "
    "Wrackline Yarrowsound"
)
PEOPLE = words("Ada Bram Cleo Dirk Edda Finn Greta Hal Ines Jory Kaja Lars Mona Nils Oda Piet Runa Sten Tilda Ulf")
WHEN = (
    "before dawn", "after the storm", "at low water", "in the evening", "on market day", "without a word",
    "twice a week", "for a wager",
)  # fmt: skip
SHAPES = (
    "The {a} {n} of {p} {v} a {a} {n} {w}, and the {n} {v} {m} {a} {n}s.",
    "{q} {v} the {a} {n} while the {n} near {p} {v} its {a} {n}.",
    "Nobody in {p} {v} the {n}, although {m} {n}s and a {a} {n} {v} it {w}.",
    "{w}, {q} from {p} {v} {m} {a} {n}s and {v} the {n}.",
    "A {a} {n} {v} {p} for {m} days, which the {n} of the {a} {n} never {v}.",
)


class Page(NamedTuple):
    """A page: its path, headline, line of credit and paragraphs, and the headlines it links to."""

    path: str
    title: str
    credit: str
    paragraphs: list[str]
    related: list[str]

    @property
    def markup(self) -> str:
        """What the server sends."""
        lines = [f"<p>{html.escape(one)}</p>" for one in (self.credit, *self.paragraphs)]
        links = [f'<li><a href="#">{html.escape(one)}</a></li>' for one in self.related]
        return (
            f"<!DOCTYPE html><html><head><meta charset=utf-8><title>{html.escape(self.title)}</title></head><body>"
            f"<p>{COOKIES}</p><p>{MENU}</p><h1>{html.escape(self.title)}</h1>{''.join(lines)}"
            f"<h2>Read on</h2><ul>{''.join(links)}</ul><p>{LETTER}</p><p>{FOOTER}</p></body></html>"
        )


class Site:
    """The pages of the newspaper.

    Args:
        seed: another gives other pages.
        share: of the pages of the whole newspaper, 0-1.

    Attributes:
        pages: by path, as they are now.
        copies: for the path of each copy, that of its original; of ``near`` ones some words are others.
        near: see ``copies``.
        changing: paths of pages that ``change`` writes anew.
        taken: path of the page that ``change`` makes a copy, and that of its original.
        asked: paths that were asked for, in order.
        watch: is told how many pages were sent before each page.
    """

    def __init__(self, seed: int, share: float = 1.0) -> None:
        self._rng = random.Random(seed)
        originals, near, exact, changing = (round(share * n) for n in (ORIGINALS, NEAR, EXACT, CHANGING))
        titles: dict[str, None] = {}
        while len(titles) < originals:
            titles[self._title()] = None
        self.pages = {f"/story/{k}": self._page(f"/story/{k}", title, [*titles]) for k, title in enumerate(titles)}
        chosen = self._rng.sample([*self.pages], near + exact + changing + 2)
        self.copies: dict[str, str] = {}
        for k, original in enumerate(chosen[: near + exact]):
            path = f"/copy/{k}"
            self.copies[path] = original
            page = self.pages[original]._replace(path=path)
            self.pages[path] = page if k >= near else page._replace(paragraphs=self._edited(page.paragraphs))
        self.near = {f"/copy/{k}" for k in range(near)}
        self.changing = chosen[near + exact : -2]
        self.taken = chosen[-2], chosen[-1]
        self.asked: list[str] = []
        self.watch: Callable[[int], None] = lambda _: None

    def _of(self, words: Sequence[str]) -> str:
        return self._rng.choice(words)

    def _sentence(self) -> str:
        shape = self._of(SHAPES)
        for slot, words in (("{a}", ADJECTIVES), ("{n}", NOUNS), ("{v}", VERBS), ("{p}", PLACES), ("{q}", PEOPLE)):
            while slot in shape:
                shape = shape.replace(slot, self._of(words), 1)
        told = shape.replace("{w}", self._of(WHEN)).replace("{m}", str(self._rng.randint(3, 480)))
        return told[0].upper() + told[1:]

    def _title(self) -> str:
        return f"{self._of(ADJECTIVES).capitalize()} {self._of(NOUNS)} {self._of(VERBS)} in {self._of(PLACES)}"

    def _paragraph(self) -> str:
        return " ".join(self._sentence() for _ in range(self._rng.randint(2, 4)))

    def _page(self, path: str, title: str, titles: list[str]) -> Page:
        credit = f"By {self._of(PEOPLE)} {self._of(PLACES)}, {self._rng.randint(2, 9)} min read"
        paragraphs = [self._paragraph() for _ in range(self._rng.randint(3, 6))]
        return Page(path, title, credit, paragraphs, self._rng.sample([one for one in titles if one != title], 3))

    def _edited(self, paragraphs: list[str]) -> list[str]:
        """Change two words of the text."""
        edited = [*paragraphs]
        for k in (0, len(edited) - 1):
            words = edited[k].split(" ")
            words[self._rng.randrange(1, len(words) - 1)] = self._of(ADJECTIVES)
            edited[k] = " ".join(words)
        return edited

    def change(self) -> None:
        """Write some pages anew, two paragraphs each; make one a copy of another."""
        for path in self.changing:
            page = self.pages[path]
            self.pages[path] = page._replace(paragraphs=[self._paragraph(), *page.paragraphs[1:-1], self._paragraph()])
        path, original = self.taken
        self.pages[path] = self.pages[original]._replace(path=path)

    @property
    def listing(self) -> str:
        """A page that links to all others."""
        return "".join(f'<a class="story" href="{path}">{path}</a>' for path in sorted(self.pages))

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """Serve the pages; gives the address of the listing."""
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # head and body in one packet: else each page waits for an acknowledgement

            def do_GET(self) -> None:
                site.watch(len(site.asked))
                page = site.pages.get(self.path)
                if page is not None:
                    site.asked.append(self.path)
                body = (site.listing if page is None else page.markup).encode()
                self.send_response(200 if page is not None or self.path == "/" else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_address[1]}/"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
