"""The small grammar that makes the sentences of the scraped-looking sites out of phrases.txt."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_SMALL_WORDS = ("and", "the", "of")


def _sections(path: Path) -> dict[str, tuple[str, ...]]:
    """Read the sections of a file of templates; lines that begin with `#!` and empty lines are left out."""
    sections: dict[str, list[str]] = {}
    name = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            name = line.removeprefix("== ")
        elif line and not line.startswith("#!"):
            sections.setdefault(name, []).append(line)
    return {name: tuple(lines) for name, lines in sections.items()}


PHRASES = _sections(Path(__file__).resolve().parent / "phrases.txt")


def headline(text: str) -> str:
    """Capitalise the words of a phrase as headlines have it."""
    return " ".join(word if word in _SMALL_WORDS else word[:1].upper() + word[1:] for word in text.split())


class Filler:
    """Fills templates for one page; its topic and actors stay the same."""

    def __init__(self, rng: random.Random) -> None:
        """Draw the topic and the actors of the page."""
        self._rng = rng
        self._fixed = {name: rng.choice(PHRASES[name]) for name in ("topic", "actors")}
        self._last: dict[str, str] = {}
        draw = rng.randint
        self._makers: dict[str, Callable[[], str]] = {
            "few": lambda: str(draw(2, 9)),
            "small": lambda: str(draw(11, 59)),
            "number": lambda: str(draw(61, 2_900)),
            "percent": lambda: str(draw(3, 97)),
            "decimal": lambda: f"{draw(1, 80)}.{draw(1, 9)}",
            "money": lambda: f"{draw(15, 990)} euros" if draw(0, 2) else f"{draw(1, 80)},{draw(0, 9)}00 euros",
            "year": lambda: str(draw(1988, 2025)),
            "date": lambda: f"{self.slot('month')} {draw(1, 28)}, {draw(2019, 2025)}",
            "person": lambda: f"{self.slot('first')} {self.slot('last')}",
            "org": lambda: f"{self.slot('place')} {self.slot('firm')}",
        }

    def slot(self, name: str) -> str:
        """Return a filling for a slot; a capital in its name asks for a headline's capitals."""
        lower = name.lower()
        if lower in self._makers:
            return self._makers[lower]()
        if lower not in PHRASES:
            return "{" + name + "}"
        text = self._fixed.get(lower) or self._other(lower)
        return headline(text) if name != lower else text

    def _other(self, name: str) -> str:
        """Draw a filling that is not the one drawn last for the slot."""
        while (text := self._rng.choice(PHRASES[name])) == self._last.get(name):
            pass
        self._last[name] = text
        return text

    def fill(self, template: str) -> str:
        """Make the choices of a template and fill its slots; what is no known slot stays as it is."""
        text = _CHOICE.sub(lambda found: self._rng.choice(found[1].split("|")), template)
        return _SLOT.sub(lambda found: self.slot(found[1]), text)

    def sentence(self, template: str) -> str:
        """Return a filled template that begins with a capital."""
        text = self.fill(template)
        return text[:1].upper() + text[1:]
