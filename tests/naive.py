"""Slow and obvious twins of the kernels: text, lists and sets in, the same answers out; nothing here imports dedup."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import unicodedata2 as unicodedata  # the standard module of this Python may know fewer characters than the fold table

T = TypeVar("T", bound=Hashable)

# ---------------------------------------------------------------------------------------------------- folding, tokens

IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
SPACELESS = re.compile(
    r"(CJK|IDEOGRAPHIC|HIRAGANA|KATAKANA|KATAKANA-HIRAGANA|HENTAIGANA|BOPOMOFO|YI SYLLABLE|TANGUT|NUSHU|KHITAN|THAI|LAO"
    r"|KHMER|MYANMAR|TAI LE|NEW TAI LUE|TAI THAM|TAI VIET|BALINESE|JAVANESE) "
)


def fold_character(char: str) -> str:
    """Return a character as compatibility caseless matching sees it (Unicode D146)."""
    folded = unicodedata.normalize("NFD", char).casefold()
    folded = unicodedata.normalize("NFKD", folded).casefold()
    return str(unicodedata.normalize("NFKD", folded))


def fold(text: str) -> str:
    """Fold a text: ``fold("\\uff23af\\u00e9\\u00ad") == "cafe\\u0301"``."""
    folded = "".join(fold_character(char) for char in IGNORABLE.sub("", text))
    return str(unicodedata.normalize("NFD", IGNORABLE.sub("", folded)))


def major(char: str) -> str:
    """Return the first letter of a character's category: L, M, N, P, S, Z or C."""
    return str(unicodedata.category(char))[0]


def stands_alone(char: str) -> bool:
    """Whether a character is a letter of a script written without spaces."""
    return major(char) == "L" and SPACELESS.match(unicodedata.name(char, "")) is not None


def tokenize(text: str) -> list[str]:
    """Split a text: ``tokenize("Don't 東京!") == ["don", "t", "東", "京"]``."""
    tokens: list[str] = []
    grows = False  # whether the next letter belongs to the last token
    inside = False  # whether the next mark does
    for char in fold(text):
        if major(char) == "M":
            if inside:
                tokens[-1] += char
        elif major(char) in "LN":
            if grows and not stands_alone(char):
                tokens[-1] += char
            else:
                tokens.append(char)
            inside = True
            grows = not stands_alone(char)
        else:
            inside = grows = False
    return tokens


def is_number(token: str) -> bool:
    """Whether a token is all numbers, marks aside."""
    return all(major(char) in "NM" for char in token)


def mask_numbers(tokens: Sequence[str], least_words: int) -> tuple[str, ...] | None:
    """Put one ``#`` for each run of numbers; None without numbers, or where words are too few or fewer than numbers."""
    numbers = sum(map(is_number, tokens))
    words = len(tokens) - numbers
    if numbers == 0 or words < least_words or words < numbers:
        return None
    masked: list[str] = []
    for number, run in itertools.groupby(tokens, is_number):
        masked += ["#"] if number else run
    return tuple(masked)


# ------------------------------------------------------------------------------------------------------------- hashes

WORD = (1 << 64) - 1
K_TOKEN, K_FIRST, K_SECOND, K_SHINGLE = (math.isqrt(root << 128) & WORD | 1 for root in (2, 3, 5, 7))
K_LENGTH = (math.isqrt(5 << 128) - (1 << 64)) // 2 | 1  # the golden ratio
PI = 0x243F6A8885A308D3


def mix64(h: int) -> int:
    """Finalise a 64-bit hash as MurmurHash3 does."""
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCD & WORD
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53 & WORD
    return h ^ h >> 33


def character_bytes(char: str) -> list[int]:
    """Return the bytes that a folded character enters a token's hash with: one of ASCII as it is, others seven bits."""
    code = ord(char)
    return [code] if code < 0x80 else [0x80 | code >> 14, 0x80 | code >> 7 & 0x7F, 0x80 | code & 0x7F]


def token_hash(token: str) -> int:
    """Hash a token to 64 bits, eight bytes at a time; the lowest bit tells whether it is all numbers."""
    data = bytes(byte for char in token for byte in character_bytes(char))
    h = PI
    for k in range(0, len(data), 8):
        h = (h ^ int.from_bytes(data[k : k + 8], "little")) * K_TOKEN & WORD
        h ^= h >> 32
    return mix64(h) & ~1 | is_number(token)


def fingerprint(hashes: Sequence[int]) -> tuple[int, int]:
    """Hash a sequence of token hashes to 128 bits."""
    first, second = PI, K_LENGTH
    for h in hashes:
        first = (first ^ h) * K_FIRST & WORD
        first ^= first >> 32
        second = (second + h) * K_SECOND & WORD
        second ^= second >> 29
    length = len(hashes) * K_LENGTH & WORD
    return mix64(first ^ length), mix64(second + length & WORD)


def shingle_hash(shingle: Sequence[int]) -> int:
    """Hash a word n-gram to 64 bits; token hashes are mixed already."""
    h = len(shingle) * K_LENGTH & WORD
    for token in shingle:
        h = (h * K_SHINGLE + token) & WORD
    return h


def mix32(h: int) -> int:
    """Finalise a 32-bit hash as MurmurHash3 does."""
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16


def band_key(band: int, values: Iterable[int]) -> int:
    """Hash the values of one band of a signature to 32 bits."""
    h = band
    for value in values:
        h = (h ^ value) * 0x9E3779B1 & 0xFFFFFFFF
        h ^= h >> 15
    return mix32(h)


# ------------------------------------------------------------------------------------------------ similarity, clusters


def shingles(tokens: Sequence[T], n_min: int, n_max: int) -> set[tuple[T, ...]]:
    """Return the word n-grams: ``shingles("abc", 1, 2) == {("a",), ("b",), ("c",), ("a", "b"), ("b", "c")}``."""
    if 0 < len(tokens) < n_min:
        return {tuple(tokens)}
    return {tuple(tokens[k : k + n]) for n in range(n_min, n_max + 1) for k in range(len(tokens) - n + 1)}


def jaccard(a: set[T], b: set[T]) -> float:
    """Return the share of all items that both sets hold; 0 for two empty sets."""
    return len(a & b) / len(a | b) if a or b else 0.0


def all_pairs(sets: Sequence[set[T]], threshold: float) -> dict[tuple[int, int], float]:
    """Compare everything with everything."""
    pairs = {(i, j): jaccard(sets[i], sets[j]) for i, j in itertools.combinations(range(len(sets)), 2)}
    return {pair: similarity for pair, similarity in pairs.items() if similarity >= threshold}


def prefix_join(sets: Sequence[set[T]], threshold: float) -> dict[tuple[int, int], float]:
    """Compare what shares one of its rarest items: the same pairs as ``all_pairs`` (Chaudhuri, Ganti & Kaushik 2006).

    Of a set's items at least ``threshold * size`` stand in its partner, so one of any ``size - that + 1`` does.
    """
    frequency = Counter(itertools.chain.from_iterable(sets))
    rank = {item: k for k, (item, _) in enumerate(reversed(frequency.most_common()))}
    holders: dict[T, list[int]] = defaultdict(list)
    found = {}
    for j, items in enumerate(sets):
        needed = math.ceil(threshold * len(items) - 1e-9)
        prefix = sorted(items, key=rank.__getitem__)[: len(items) - needed + 1]
        for i in sorted({i for item in prefix for i in holders[item]}):
            similarity = jaccard(sets[i], items)
            if similarity >= threshold:
                found[i, j] = similarity
        for item in prefix:
            holders[item].append(j)
    return found


class Cluster(NamedTuple):
    """What became of one row."""

    keeper: int
    similarity: float
    variant: int


def cluster(
    sets: Sequence[set[T]],
    order: Sequence[int],
    threshold: float,
    families: Sequence[int],
    meet: Callable[[int, int], bool],
    variants: str,
) -> list[Cluster]:
    """Let each row, in order, join the most similar keeper it meets, or become one.

    ``variants`` says what happens to rows of one family, which differ in numbers only: ``"apart"`` never match,
    ``"match"`` by similarity like others, ``"join"`` also the family's first keeper where nothing else is near.
    """
    result = [Cluster(row, 0.0, -1) for row in range(len(sets))]
    keepers: list[int] = []
    first_of_family: dict[int, int] = {}
    for row in order:
        best, similarity = row, 0.0
        for keeper in keepers:
            apart = variants == "apart" and families[row] and families[row] == families[keeper]
            found = jaccard(sets[row], sets[keeper])
            if meet(row, keeper) and not apart and found >= threshold and found > similarity:
                best, similarity = keeper, found
        relative = first_of_family.get(families[row], -1) if families[row] else -1
        if best == row and relative >= 0:
            similarity = jaccard(sets[row], sets[relative])
            best = relative if variants == "join" else row
        result[row] = Cluster(best, similarity, relative if best == row else -1)
        if best == row:
            keepers.append(row)
            if families[row]:
                first_of_family.setdefault(families[row], row)
    return result


def group_by_key(keys: Iterable[T]) -> dict[T, list[int]]:
    """Return the places of each key: ``group_by_key("aba") == {"a": [0, 2], "b": [1]}``."""
    groups: dict[T, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        groups[key].append(place)
    return dict(groups)


# -------------------------------------------------------------------------------------------------------- containment


def common_in_order(a: Sequence[T], b: Sequence[T]) -> int:
    """Return the length of the longest common subsequence."""
    lengths = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            lengths[i + 1][j + 1] = lengths[i][j] + 1 if x == y else max(lengths[i][j + 1], lengths[i + 1][j])
    return lengths[-1][-1]


def containers(docs: Sequence[Sequence[T]], share: float) -> list[tuple[float, set[int]]]:
    """Return for each document the largest share of its blocks found in another, and the documents where it is.

    The other one has more blocks, or as many and stands earlier; two blocks at least must be found.
    """
    result = []
    for i, doc in enumerate(docs):
        needed = max(2, math.ceil(share * len(doc) - 1e-9))
        found = {
            j: common_in_order(doc, other)
            for j, other in enumerate(docs)
            if j != i and (len(other), -j) > (len(doc), -i)
        }
        best = max(found.values(), default=0)
        good = best >= needed
        result.append((best / len(doc) if good else 0.0, {j for j, n in found.items() if good and n == best}))
    return result


# -------------------------------------------------------------------------------------------------------------- blocks

BLANKS = " \t\u00a0\u3000\ufeff"
LINE_END = re.compile(r"\r\n|[\n\v\f\r]")
SENTENCE_ENDS = tuple(".!?:;\u3002\uff01\uff1f\uff1a\uff1b\u2026")
DIGITS = "[0-9\uff10-\uff19]{1,3}"
BULLET = "[-*+\u00b7\u2022\u2023\u2043\u2580-\u25ff\u2713-\u2718\u2794-\u27bf]"
LINE_KINDS = (
    ("heading", rf"#{{1,6}}[{BLANKS}]"),
    ("paragraph", "#"),
    ("fence", "```|~~~"),
    ("other", r"\|"),
    ("underline", "={3,}$"),
    ("other", "[^0-9A-Za-z\x80-\U0010ffff]+$"),
    ("list_item", rf"(?:{BULLET}|\({DIGITS}\)|{DIGITS}[.)])[{BLANKS}]|{DIGITS}[\u3001\uff0e\uff09]|\u30fb."),
    ("paragraph", "."),
    ("blank", ""),
)


class Line(NamedTuple):
    """A line without the blanks around it, in characters; its indent in columns; its length with it."""

    start: int
    end: int
    kind: str
    text: str
    length: int
    indent: int


def lines(text: str) -> list[Line]:
    """Split a text into lines and classify each by how it starts."""
    found = []
    start = 0
    for end, following in [*(match.span() for match in LINE_END.finditer(text)), (len(text), 0)]:
        line = text[start:end]
        bare = line.strip(BLANKS)
        first = start + len(line) - len(line.lstrip(BLANKS)) if bare else start
        kind = next(name for name, pattern in LINE_KINDS if re.match(f"(?:{pattern})", bare, re.DOTALL))
        before = text[len(text[:first].rstrip(" \t")) : first]
        indent = before.count(" ") + 4 * before.count("\t")
        found.append(Line(first, first + len(bare), kind, bare, indent + len(bare), indent))
        start = following
    return found


def goes_on(line: Line, following: Line) -> bool:
    """Whether a line, by itself and the next, is one that was wrapped there."""
    if line.kind == "list_item" and following.indent >= line.indent + 2:
        return True
    return (
        30 <= line.length <= 160
        and not line.text.endswith(SENTENCE_ENDS)
        and re.match("[a-z\u00df-\u00ff\u03ac-\u03ce\u0430-\u045f]", following.text) is not None
        and filled(line, following) >= 0.75 * following.length
        and (following.length >= 0.5 * line.length or following.text.endswith(SENTENCE_ENDS))
    )


def filled(line: Line, following: Line) -> int:
    """Return the length of a line with the first word of the next."""
    return line.length + 1 + len(re.split("[ \t]", following.text)[0])


def wrapped(found: Sequence[Line]) -> int:
    """Return how many lines of running text, after the first, belong to the paragraph that it begins."""
    more = 0
    while more + 1 < len(found):
        core = more + 1  # the lines up to here are held together by themselves
        while core + 1 < len(found) and goes_on(found[core], found[core + 1]):
            core += 1
        if not goes_on(found[more], found[more + 1]):
            evidence = any(goes_on(*pair) for k, pair in enumerate(itertools.pairwise(found[: core + 1])) if k != more)
            widest = max(line.length for line in found[: core + 1])
            if not evidence or filled(found[more], found[more + 1]) <= 0.9 * widest:
                break
        more += 1
    return more


def split_blocks(text: str, mode: str) -> list[tuple[int, int, str]]:
    """Split a text; return start, end (UTF-8 bytes) and kind of each block."""
    found = lines(text)
    blocks = []
    while found:
        first, rest = found[0], found[1:]
        kinds = [line.kind for line in rest]
        kind, more = first.kind, 0  # how many of the lines that follow belong to the block
        if kind == "fence":
            kind = "other"
            more = kinds.index("fence") + 1 if mode != "lines" and "fence" in kinds else 0
        elif kind == "underline":
            kind = "other"
        elif kind == "paragraph" and mode != "lines" and kinds[:1] == ["underline"]:
            kind, more = "heading", 1
        elif kind in {"paragraph", "list_item"} and mode != "lines":
            while kinds[more : more + 1] == ["paragraph"] and kinds[more + 1 : more + 2] != ["underline"]:
                more += 1
            if mode == "auto":
                more = wrapped(found[: more + 1])
        if kind != "blank":
            start, end = first.start, found[more].end
            blocks.append((len(text[:start].encode()), len(text[:end].encode()), kind))
        found = found[more + 1 :]
    return blocks


# ----------------------------------------------------------------------------------------------------------- templates

NUMBER, TITLE = "#", "@"  # slots
LEAST_RUN = 4  # tokens of a title in a row that are taken for it, fewer in shorter titles
Roles = dict[str, frozenset[str]]  # for each token the parts it may play: see words/date_units.txt, and "date"


def mask_dates(tokens: Sequence[str], roles: Roles) -> list[str | None]:  # noqa: C901 - a case for each rule
    """Say of each token whether it is part of a date or a number: NUMBER, or None."""
    slots: list[str | None] = [NUMBER if is_number(t) or "date" in roles.get(t, ()) else None for t in tokens]

    def plays(i: int, part: str) -> bool:
        return i < len(tokens) and part in roles.get(tokens[i], ())

    def run_of(i: int, part: str) -> int:
        return next((k for k in range(i, len(tokens)) if not plays(k, part)), len(tokens))

    i = 0
    while i < len(tokens):
        if slots[i] is None:
            before = i > 0 and slots[i - 1] == NUMBER
            end = None
            if (before and (plays(i, "after_number") or plays(i, "meridiem"))) or (
                before and plays(i, "weekday") and plays(i - 1, "after_number")
            ):
                end = i
            elif ((k := run_of(i, "numeral")) > i and plays(k, "after_number")) or (
                (k := run_of(i, "week")) > i and plays(k, "weekday")
            ):
                end = k
            elif plays(i, "weekday") and plays(i + 1, "week") and (before or i == 0):
                end = i + 1
            if end is not None:
                slots[i : end + 1] = [NUMBER] * (end + 1 - i)
                i = end
        i += 1
    for i in range(len(tokens) - 2, 0, -1):
        free = slots[i + 1] == NUMBER and slots[i] is None and slots[i - 1] is None
        if free and plays(i, "before_number") and plays(i - 1, "before_number"):
            slots[i] = slots[i - 1] = NUMBER
    return slots


def mask_template(tokens: Sequence[str], title: Sequence[str], roles: Roles) -> list[str]:
    """Put one ``#`` for each run of dates, numbers and words of the title: what is left tells a template."""
    slots = mask_dates(tokens, roles)
    title_slots: list[bool] = [False] * len(tokens)
    least = min(LEAST_RUN, len(title))
    i = 0
    while i < len(tokens) and len(title) > 1:
        run = 0
        while i + run < len(tokens) and contains_run(title, tokens[i : i + run + 1]):
            run += 1
        if run >= least:
            title_slots[i : i + run] = [True] * run
        i += run if run >= least else 1
    masked: list[str] = []
    for literal, run_of_tokens in itertools.groupby(
        range(len(tokens)), lambda k: slots[k] is None and not title_slots[k]
    ):
        masked += [tokens[k] for k in run_of_tokens] if literal else [NUMBER]
    return masked


def contains_run(tokens: Sequence[str], run: Sequence[str]) -> bool:
    """Whether some tokens stand in a text one behind the other."""
    return any(list(tokens[k : k + len(run)]) == list(run) for k in range(len(tokens) - len(run) + 1))


def title_echo(tokens: Sequence[str], title: Sequence[str], link: str) -> float:
    """Return the share of a title that stands in a block, or of the block, links aside, in it, whichever is less."""
    least = min(LEAST_RUN, len(title))
    found = i = 0
    while i < len(tokens) and len(title) > 1:
        run = next((n for n in range(len(tokens) - i, 0, -1) if contains_run(title, tokens[i : i + n])), 0)
        found += run if run >= least else 0
        i += run if run >= least else 1
    longest = max(len(title), len(tokens) - tokens.count(link))
    return min(found, longest) / longest if longest else 0.0


TOP, LEAST_TITLE, LONGEST_TITLE = 8, 4, 64


def find_title(blocks: Sequence[tuple[str, Sequence[str]]], link: str, sentences: Collection[int] = ()) -> int | None:
    """Return the place of a document's title: a heading at the top, what stands there again, or a heading.

    What stands there again may be followed by links, but stands nowhere below, and is none of ``sentences``.
    """
    headings = (k for k, (kind, tokens) in enumerate(blocks) if kind == "heading" and 2 <= len(tokens) <= LONGEST_TITLE)
    heading = next(headings, None)
    if heading is not None and heading < TOP:
        return heading

    def same(a: int, b: int) -> bool:
        tokens, again = list(blocks[a][1]), list(blocks[b][1])
        return again[: len(tokens)] == tokens and set(again[len(tokens) :]) <= {link}

    top = range(min(TOP, len(blocks)))
    others = (a for a in top if blocks[a][0] != "list_item" and a not in sentences)
    fit = (a for a in others if LEAST_TITLE <= len(blocks[a][1]) <= LONGEST_TITLE)
    first = next((a for a in fit if any(same(a, b) for b in top if b > a)), None)
    below = first is not None and any(same(first, b) for b in range(TOP, len(blocks)))
    return heading if first is None or below else first


LINK_START = re.compile(rb"(?=@|://|(?<![0-9A-Za-z\x80-\xff])[wW]{3}\.)")
NO_BREAKS = re.compile(rb"[^\x00-\x20\"'()<>\[\]|\xe0-\xff]*")
ADDRESS_BEFORE = re.compile(rb"[^\x00-\x20\"'()<>\[\]|\x80-\xff]*\Z")
WORD_BEFORE = re.compile(rb"[0-9A-Za-z]*\Z")


def find_links(data: bytes) -> list[tuple[int, int]]:
    """Return the spans of URLs and e-mail addresses."""
    spans: list[tuple[int, int]] = []
    for at in (match.start() for match in LINK_START.finditer(data)):
        done = spans[-1][1] if spans else 0
        if at < done:
            continue
        before = (ADDRESS_BEFORE if data[at : at + 1] == b"@" else WORD_BEFORE).search(data, done, at)
        after = NO_BREAKS.match(data, at + 1)
        if before is None or after is None or after.end() - at < 4:
            continue
        if before.start() < at or data[at : at + 1] in b"wW":
            spans.append((before.start(), after.end()))
    return spans


# -------------------------------------------------------------------------------------------------------------- shapes

PUNCTUATION = {
    "comma": ",;，、；،؛",
    "stop": ".!?…．؟।",
    "wide stop": "。！？｡",
    "colon": ":：",
    "separator": "|›→←‹•·></\\▶►▼▲★☆✓✔■●○◆–—_=+*#~",
    "quote": "\"'“”‘’„«»",
    "close": ")]）」』",
}
IN_WORDS = {"lower", "upper", "caseless", "digit", "mark"}


def character_kind(char: str) -> str:
    """Say what a character is in a text: a letter, a stop, an ideograph, ..."""
    if ord(char) > 0xFFFF:
        return "ideograph" if 0x20000 <= ord(char) < 0x32000 else "other"
    for name, chars in PUNCTUATION.items():
        if char in chars:
            return name
    if IGNORABLE.match(char):
        return "skip"
    if char.isspace():
        return "space"
    folded = fold(char)
    category = unicodedata.category(char)
    if stands_alone(folded[:1] or " ") and (len(folded) == 1 or category[0] == "L"):
        return "ideograph"
    cased = {"Ll": "lower", "Lu": "upper", "Lt": "upper"}
    return cased.get(category) or {"L": "caseless", "N": "digit", "M": "mark"}.get(category[0], "other")


def count_characters(text: str) -> dict[str, int]:
    """Count what a block is made of."""
    chars = [char for char in text if character_kind(char) != "skip"]
    kinds = [character_kind(char) for char in chars]
    pairs = list(zip(["space", *kinds], kinds, strict=False))

    def begin(kind: str) -> int:
        return sum(this == kind and before not in IN_WORDS for before, this in pairs)

    closed = [*pairs, *((last, "space") for last in kinds[-1:])]
    stops = sum(before == "stop" and this in {"space", "quote"} for before, this in closed)
    core = text
    while core and character_kind(core[-1]) in {"space", "quote", "close", "skip"}:
        core = core[:-1]
    last = character_kind(core[-1]) if core else ""
    first = character_kind(text[0]) if text else ""
    return {
        "letters": sum(kind in IN_WORDS for kind in kinds),
        "lowers": begin("lower"),
        "uppers": begin("upper"),
        "caselesses": begin("caseless"),
        "numbers": begin("digit"),
        "commas": kinds.count("comma"),
        "stops": kinds.count("wide stop") + stops,
        "separators": kinds.count("separator"),
        "chars": len(chars),
        "ideographs": kinds.count("ideograph"),
        "symbol_first": first in {"other", "comma", "stop", "wide stop", "colon", "separator"},
        "ends": last in {"stop", "wide stop"},
        "dots": core.endswith(("…", "..")),
        "colon_last": last == "colon",
    }


def count_words(counts: dict[str, int]) -> float:
    """Return the words of a block; an ideograph is half a word."""
    return sum(counts[name] for name in ("lowers", "uppers", "caselesses", "numbers")) + counts["ideographs"] / 2


def describe_shapes(blocks: Sequence[dict[str, int]]) -> list[dict[str, float]]:
    """Say what the blocks of a document look like."""
    words = list(map(count_words, blocks))
    log_words = [0.0, *(math.log1p(n) for n in words), 0.0]
    ended = [bool(block["ends"] and not block["dots"]) for block in blocks]
    in_text = [n if ends and n >= 5 else 0.0 for n, ends in zip(words, ended, strict=True)]
    long = [k for k, n in enumerate(words) if ended[k] and n >= 12]
    n, total, text = len(blocks), sum(words), sum(in_text)
    described = []
    for i, block in enumerate(blocks):
        own = max(words[i], 1.0)
        length = math.log1p(block["chars"] + 2 * block["ideographs"])
        lower = block["lowers"] + 0.6 * (block["caselesses"] + block["ideographs"] / 2)
        above, below = sum(in_text[:i]), sum(in_text[i + 1 :])
        through = (above + in_text[i] / 2) / max(text, 1.0)
        up = min([20, *(i - k for k in long if k < i)])
        down = min([20, *(k - i for k in long if k > i)])
        wide, near = slice(max(0, i - 8), i + 9), slice(max(0, i - 3), i + 4)
        described.append({
            "length": length,
            "length_beyond_25": max(0.0, length - math.log1p(25)),
            "letters_per_word": min(12.0, (block["letters"] + 2.5 * block["ideographs"]) / own),
            "lower_case": lower / own * log_words[i + 1],
            "commas": min(4, block["commas"]),
            "capitals": block["uppers"] / own,
            "ends": float(ended[i]),
            "ends_with_colon": float(block["colon_last"]),
            "page_words": math.log1p(total),
            "page_sentences": (text / max(total, 1.0)) ** 2,
            "against_page": log_words[i + 1] - math.log1p(total / n),
            "above": math.log1p(i),
            "below": math.log1p(n - 1 - i),
            "through_text": through,
            "in_the_middle": through * (1 - through),
            "text_above": math.log1p(above),
            "text_below": math.log1p(below),
            "between_texts": math.log1p(min(above, below)),
            "far_from_text": math.log(up) * math.log(down),
            "uneven": abs(log_words[i + 1] - log_words[i]) + abs(log_words[i + 1] - log_words[i + 2]),
            "around": math.log1p(sum(words[wide]) / len(words[wide])),
            "stops_around": sum(one["stops"] for one in blocks[near]) / max(1.0, sum(words[near])),
        })  # fmt: skip
    return described


def likelihood(odds: float) -> float:
    """Return the probability of log-odds."""
    return 1 / (1 + math.exp(-odds))


def run_gains(odds: Sequence[float], words: Sequence[float]) -> list[float]:
    """Return what each block adds to a run of a document's text: more than 0 where it is likely to be content."""
    weights = [n + 0.5 for n in words]
    mean = sum(likelihood(z) * w for z, w in zip(odds, weights, strict=True)) / sum(weights)
    return [(likelihood(z) - 0.6 * mean) * w for z, w in zip(odds, weights, strict=True)]


# ---------------------------------------------------------------------------------------------------------- recurrence


class Page(NamedTuple):
    """A document: its source, the cluster it is in, the template keys of its blocks, 0 for none, and words of each."""

    source: str
    cluster: int
    keys: Sequence[int]
    words: int


class Recurring(NamedTuple):
    """What is counted of a template."""

    documents: int
    clusters: int
    repeated: int
    blocks: int
    from_top: float
    from_bottom: float


def recurring(pages: Sequence[Page], unnamed: str) -> dict[tuple[str, int], Recurring]:
    """Return the templates that recur in each source, over clusters of documents."""
    found: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    clusters_of: dict[str, set[int]] = defaultdict(set)
    for number, page in enumerate(pages):
        clusters_of[pages[page.cluster].source].add(page.cluster)
        for place, key in enumerate(page.keys):
            if key:
                found[page.source, key].append((number, place))
    counted = {}
    for (source, key), places in found.items():
        clusters = {pages[number].cluster for number, _ in places}
        words = min(pages[number].words for number, _ in places)
        share = 0.1 if words <= 3 else 0.01 if words <= 7 else 0.002
        least = max(2, share * len(clusters_of[source]))
        if source == unnamed:
            least = max(3, least, math.ceil(0.1 * len(clusters_of[source])))
        if len(clusters) >= least:
            times = Counter(number for number, _ in places)
            below = [len(pages[number].keys) - 1 - place for number, place in places]
            counted[source, key] = Recurring(
                len(times),
                len(clusters),
                sum(n > 1 for n in times.values()),
                len(places),
                sum(place for _, place in places) / len(places),
                sum(below) / len(places),
            )
    return counted


OUTLINES = (
    ((2, 2, ""), 3, 0.0),
    ((6, 1, ""), 2, 0.0),
    ((1, 0, "above below"), 3, 0.0),
    ((0, 1, "above below"), 3, 0.0),
    ((0, 1, "below"), 3, 0.0),
    ((1, 3, ""), 3, 0.0),
    ((2, 0, ""), 3, 0.5),
)
LONGEST_LINE, SHORT_LINE = 40, 10  # tokens of blocks known by their neighbours too, or by their beginning alone
BEGINNINGS = OUTLINES[-1][0]


class TextBlock(NamedTuple):
    """A block: its template key, its tokens, dates as ``#``, and whether its shape is plainly that of content."""

    key: int
    tokens: Sequence[str]
    plain: bool


def outer(tokens: Sequence[str], wanted: int) -> tuple[tuple[str, ...], int]:
    """Return the first so many items, a run of numbers being one, and how many tokens they are: too many if too few."""
    items: list[str] = []
    for taken, token in enumerate(tokens):
        if len(items) == wanted:
            return tuple(items), taken
        this = NUMBER if token == NUMBER or is_number(token) else token
        before = tokens[taken - 1] if taken else ""
        if this != NUMBER or not (before == NUMBER or is_number(before or "x")):
            items.append(this)
    return tuple(items), len(tokens) if len(items) == wanted else len(tokens) + 1


def outline_of(known: Sequence[Hashable], block: TextBlock, place: int, outline: tuple[int, int, str]) -> Hashable:
    """Return the outer items of a block and the templates beside it, None where it has not as many."""
    head, tail, beside = outline
    around = {"above": known[place - 1] if place else None, "below": (*known, None)[place + 1]}
    near = [around[side] for side in beside.split()]
    front, used = outer(block.tokens, head)
    back, used_back = outer(block.tokens[::-1], tail)
    fits = block.tokens and used + used_back <= len(block.tokens)
    return (outline, front, back, *near) if fits and None not in near else None


def may_learn(block: TextBlock, outline: tuple[int, int, str], named: bool) -> bool:
    """Whether a block may be known by an outline: short lines by their beginning; without a source, any but long ones.

    What is plainly content is known by none, but for those beginnings of documents without a source.
    """
    _, tail, beside = outline
    if outline == BEGINNINGS and not named:
        return len(block.tokens) <= LONGEST_LINE
    longest = LONGEST_LINE if beside else math.inf if tail else SHORT_LINE
    return not block.plain and len(block.tokens) <= longest


def learn(pages: Sequence[tuple[str, Sequence[TextBlock]]], unnamed: str) -> list[list[Hashable]]:
    """Return the template of each block, None for none: keys that recur in a source, then outlines that do."""
    templates: list[list[Hashable]] = [[None] * len(blocks) for _, blocks in pages]
    pages_of = Counter(source for source, _ in pages)

    def least_of(source: str, least: int, share: float) -> float:
        if source == unnamed:
            return max(3, least, math.ceil(0.1 * pages_of[source]))
        return max(least, share * pages_of[source])

    def keep(keys: list[list[Hashable]], least: int, share: float = 0.0) -> None:
        documents: dict[Hashable, set[int]] = defaultdict(set)
        for number, (source, _) in enumerate(pages):
            for key in keys[number]:
                documents[source, key].add(number)
        for (source, _), row, known in zip(pages, keys, templates, strict=True):
            for place, key in enumerate(row):
                if key is not None and len(documents[source, key]) >= least_of(source, least, share):
                    known[place] = (source, key)

    keep([[block.key or None for block in blocks] for _, blocks in pages], 2)
    for outline, least, share in OUTLINES:
        keys = [
            [
                outline_of(known, block, k, outline)
                if known[k] is None and may_learn(block, outline, source != unnamed)
                else None
                for k, block in enumerate(blocks)
            ]
            for (source, blocks), known in zip(pages, templates, strict=True)
        ]
        keep(keys, least, share)
    return templates


# --------------------------------------------------------------------------------------------- front and back matter

OUTER, MOSTLY, ANCHOR, REPEATING, MOST = 0.1, 0.85, 1 / 3, 0.1, 2 / 3  # shares, see ``dedup.kernels.matter``
GAP, LONGEST, LIKE, LEAST_TEXT = 10, 60, 0.1, 30
SITE_TEMPLATE = "site_template"


class Part(NamedTuple):
    """A block: the template it shares, None for none; what was found of it; what it looks like. Rules have no words."""

    template: int | None
    words: int
    reason: str | None
    probability: float
    size: int = 9
    odds: float = 40.0
    rule: bool = False
    title: bool = False
    weak: bool = False
    sentence: bool = False
    button: bool = False


class Standing(NamedTuple):
    """How often a template recurs: in how many clusters of documents; whether it was learnt from beginnings alone."""

    clusters: int
    beginning: bool


def own_words(part: Part) -> float:
    """Return the words of a document's own text in a block."""
    return 0.0 if part.template is not None else part.words * likelihood(part.odds)


def shares_above(doc: Sequence[Part]) -> list[tuple[float, float]]:
    """Return for each block how much of its document's own text is above it, and how much there is in all."""
    own = [own_words(part) for part in doc]
    return [(sum(own[:k]), sum(own)) for k in range(len(doc))]


def has_text(doc: Sequence[Part]) -> bool:
    """Whether a document has words that recur nowhere, thirty or one a block."""
    words = sum(part.words for part in doc if part.template is None)
    return words >= LEAST_TEXT or words >= len(doc)


def of_front(docs: Sequence[Sequence[Part]]) -> set[int]:
    """Return the templates that stand at the top, by and large."""
    stands: dict[int, list[bool]] = defaultdict(list)
    for doc in filter(has_text, docs):
        for part, (above, total) in zip(doc, shares_above(doc), strict=True):
            if part.template is not None:
                stands[part.template].append(above <= OUTER * total)
    return {template for template, at_top in stands.items() if sum(at_top) >= MOSTLY * len(at_top)}


def is_line(part: Part) -> bool:
    """Whether a block may be a line of its document's matter."""
    return part.words <= LONGEST and not part.title


def anchors(doc: Sequence[Part], templates: Collection[int]) -> list[int]:
    """Return where such templates stand at the top, lines of the document's own between them."""
    found: list[int] = []
    lines_between = 0
    for place, (part, (above, total)) in enumerate(zip(doc, shares_above(doc), strict=True)):
        if above > MOST * total:
            break
        if part.template in templates and is_line(part):
            found.append(place)
            lines_between = 0
        elif part.template is None:
            lines_between += 1
            if lines_between > GAP or (found and not is_line(part)):
                break
    return found


def front_of(doc: Sequence[Part], places: Sequence[int]) -> range | None:
    """Return the front matter: what stands between two rules that are alike, one just above the first template."""
    above, below = places[0] - 1, places[-1] + 1
    if above < 0 or not doc[above].rule:
        return None
    lines_below = itertools.takewhile(lambda place: is_line(doc[place]), range(below, min(below + GAP, len(doc))))
    size = doc[above].size
    closing = (place for place in lines_below if doc[place].rule and abs(doc[place].size - size) <= LIKE * size)
    last = next(closing, None)
    return None if last is None else range(above, last + 1)


def back_of(doc: Sequence[Part], places: Sequence[int]) -> range:
    """Return the back matter: from the first template on, behind the last what may be lines of it; no postscript."""
    below = range(max(places) + 1, len(doc))
    own_sentences = {place for place in below if doc[place].template is None and doc[place].sentence}
    ends = (place for place in below if not is_line(doc[place]) or place in own_sentences)
    return range(min(places), next(ends, len(doc)))


def stand_again(docs: Sequence[Sequence[Part]]) -> set[int]:
    """Return the templates that stand more than once in a tenth of the documents that have them."""
    having: dict[int, list[bool]] = defaultdict(list)
    for doc in docs:
        for name, times in Counter(part.template for part in doc if part.template is not None).items():
            having[name].append(times > 1)
    return {name for name, again in having.items() if sum(again) > REPEATING * len(again)}


def take_matter(
    docs: Sequence[Sequence[Part]], examples: Sequence[Sequence[Part]], standing: Mapping[int, Standing]
) -> list[list[tuple[str | None, float]]]:
    """Return the reason and the probability of each block once front and back matter were taken as a whole."""
    fronts, backs = of_front(examples), of_front([doc[::-1] for doc in examples])
    let_go = {name for name, one in standing.items() if one.beginning} | (stand_again(examples) - fronts - backs)
    result = []
    for doc in docs:
        found = [
            (
                None if part.reason == SITE_TEMPLATE and part.template in let_go and not part.button else part.reason,
                part.probability,
            )
            for part in doc
        ]
        if not has_text(doc):
            result.append(found)
            continue
        from_end = [len(doc) - 1 - place for place in anchors(doc[::-1], backs)]
        for places, matter_of in ((anchors(doc, fronts), front_of), (from_end, back_of)):
            telling = [name for place in places if (name := doc[place].template) is not None and not doc[place].weak]
            best = max(telling, key=lambda name: standing[name].clusters, default=None)
            if best is None or standing[best].clusters < ANCHOR * len(examples):
                continue
            matter = matter_of(doc, places) or range(0)
            sure = max((found[place][1] for place in matter if doc[place].template == best), default=0.0)
            for place in matter:
                reason, probability = found[place]
                if reason in {None, "likely_boilerplate"} and not doc[place].title:
                    found[place] = (SITE_TEMPLATE, max(probability, sure))
        result.append(found)
    return result
