"""Pages in, one at a time; whether each was seen before, wholly or in part, and what of it is worth keeping, out."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import math
import os
import pathlib
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np

from dedup.cut import cut_text, spans_that_split
from dedup.errors import InputError, NotFound, SettingsError, SettingsMismatch, VersionMismatch
from dedup.index.furniture import GROWTH, SAMPLED, Furniture, Sampled, furniture_in, learn, looks_of
from dedup.index.judging import LATEST, Judge, Judged, Part, Whole
from dedup.index.pages import Page, page_of, prepare
from dedup.index.report import BlockReport, Report
from dedup.index.sqlite import FORMAT, Content, Known, Source, SQLiteStore, signed
from dedup.index.state import BLOCKS, NO_TOKENS, PAGES, Entry, State, first_half, pack, tokens_in, unpack
from dedup.kernels.classes import LEAST_PAGES
from dedup.lsh import schemes
from dedup.reasons import with_forms
from dedup.schema import KINDS, REASONS, Reason
from dedup.settings import Settings
from dedup.store import MAKER
from dedup.urls import hide, is_url, local_path

MOST_USERS = 1 << 12  # pages that are looked through for one that has a content
MOST_LEARNT = 256  # sources whose furniture is kept at hand
UNNAMED = ""  # the source of pages without one
# settings that verdicts of an index depend on; the others are about inputs, runs and the machine
OF_AN_INDEX = (
    "split", "threshold", "doc_threshold", "containment", "boilerplate", "score", "filler", "min_substance",
    "min_tokens", "num_perm", "doc_num_perm", "recall", "doc_recall", "seed", "drop", "bucket_limit",
    "candidate_limit",
)  # fmt: skip
NOT_MATCHED = (None, None, None, None, None)  # page, position, keeper, similarity and variant of such a content
MEMORY, SQLITE = "memory:", "sqlite:///"


class Index:
    """What was seen, page by page: on disk, for any number of processes, or in memory.

    Every page that was added is there after a crash of the process. Reports are those of a scan of the pages in the
    order of arrival, where the first of several copies survives; a page knows the pages before it, and not those after.

    >>> with Index.open("memory:") as index:
    ...     first = index.check("The ferry leaves the old harbour at nine in the morning.", id="a")
    ...     second = index.check("The ferry leaves the old harbour at ten in the morning.", id="b")
    >>> first.action, second.action, second.blocks[0].reason, second.blocks[0].partner_doc
    ('keep', 'clean', 'near_duplicate', 'a')
    """

    def __init__(self, store: SQLiteStore, settings: Settings, place: str, folder: pathlib.Path | None) -> None:
        self.settings, self.place = settings, place
        self._store = store
        self._schemes = schemes(settings)
        self._state = State(store, settings, self._schemes, folder)
        self._judge = Judge(settings, store, self._state)
        self._lock = threading.RLock()
        self._furniture: collections.OrderedDict[str, tuple[bytes | None, Furniture]] = collections.OrderedDict()

    @classmethod
    def open(cls, url: str | os.PathLike[str], settings: Settings | None = None, *, create: bool = True) -> Self:
        """Open an index, or begin one.

        Args:
            url: ``sqlite:///seen.db`` (a file beside which the folder ``seen.db.bands`` comes to stand, which can be
                made again), the path of such a file, or ``memory:``.
            settings: those of a new index, by default with ``score``; to open one they must be the same as it was made
                with, or None.
            create: whether to begin one where there is none.

        Raises:
            NotFound: there is none, and none is to be begun.
            SettingsMismatch: it was made with other settings.
            SettingsError: the URL is none of these.
            VersionMismatch: another version of this package made it.
            Corrupt: it is damaged.
        """
        place = os.fspath(url)
        path = None if place == MEMORY else path_of(place)
        if path is not None and not create and not path.exists():
            raise NotFound(f"{path}: there is no index")
        store = SQLiteStore(path)
        try:
            made_with = agree(store, settings, place)
            folder = None if path is None else path.with_name(path.name + ".bands")
            index = cls(store, made_with, place, folder)
            with store.reading():
                index._state.refresh()
        except BaseException:
            store.close()
            raise
        return index

    def __enter__(self) -> Self:
        """Return the index."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the index; what was added is there."""
        with self._lock:
            self._store.close()

    def check(self, text: str, *, id: str, source: str | None = None, add: bool = True) -> Report:  # noqa: A002
        """Say what of a page was seen before, and add it.

        A page that is known by its id and has not changed is judged as it was when it came. One that has changed takes
        the place of the old.

        Args:
            text: its text, as a scan has it.
            id: what it is called, its URL for example.
            source: the site it comes from, whose furniture it may have.
            add: whether to add it.

        Raises:
            InputError: the text or the id is none.
            StoreError: the index cannot be read or written.
        """
        name, source = checked_name("id", id), None if source is None else checked_name("source", source)
        page = prepare(text, self.settings, self._schemes)
        with self._lock, self._transaction(write=add):
            self._state.refresh()
            return self._check(page, name, source, int(time.time()), add=add)

    def add(self, text: str, *, id: str, source: str | None = None) -> Report:  # noqa: A002
        """Add a page; see ``check``."""
        return self.check(text, id=id, source=source)

    def query(self, text: str, *, id: str = "", source: str | None = None) -> Report:  # noqa: A002
        """Say what of a page was seen before, without adding it; see ``check``."""
        return self.check(text, id=id, source=source, add=False)

    @contextlib.contextmanager
    def _transaction(self, *, write: bool) -> Iterator[None]:
        """Read or write; what was entered is taken out again where that fails."""
        if not write:
            with self._store.reading():
                yield
            return
        try:
            with self._store.writing():
                yield
        except BaseException:
            self._state.reset()
            raise
        if self._state.is_long():
            self._state.fold()

    def _check(self, page: Page, name: str, source: str | None, now: int, *, add: bool) -> Report:
        """Judge a page, and add it."""
        before = self._store.page_called(name) if name else None
        furniture = self._furniture_of(source)
        if before is not None and before.print == page.print and before.source == source:
            if add:
                self._store.touch(before.page, now)
            judged = self._judge.judge(page, source, furniture, before.page)
            return self._told(judged, name, "unchanged", added=True)
        if before is not None and add:
            self._remove(before)
        judged = self._judge.judge(page, source, furniture, LATEST if before is None or add else before.page)
        if add:
            self._add(judged, name, now)
        return self._told(judged, name, "new" if before is None else "changed", added=add)

    def _furniture_of(self, source: str | None) -> Furniture:
        """Return what recurs in a source."""
        key = UNNAMED if source is None else source
        learnt = self._store.source(key).learnt
        held = self._furniture.get(key)
        if held is None or held[0] != learnt:
            held = learnt, furniture_in(learnt)
            self._furniture[key] = held
            if len(self._furniture) > MOST_LEARNT:
                self._furniture.popitem(last=False)
        self._furniture.move_to_end(key)
        return held[1]

    def _add(self, judged: Judged, name: str, now: int) -> None:
        """Write a page and what is new of it."""
        page, whole = judged.page, judged.whole
        number = self._store.last()[0] + 1
        rows = self._write_parts(judged, number)
        family = int(page.doc.families[0]) if page.print else 0
        language = None if page.said is None else int(page.said.languages[0])
        packed = pack([None if k is None else rows[k] for k in judged.part_of], judged.matched)
        record = Known(
            number, name, judged.source, now, page.print, signed(family), int(whole.reason), whole.twin, whole.keeper,
            whole.nearness, whole.variant, language, packed,
        )  # fmt: skip
        looks = self._learn(judged, record) if whole.stays and page.print else None
        self._store.add_page(record, looks)
        if page.print and whole.twin is None and whole.reason != Reason.LOW_SUBSTANCE_DOCUMENT:
            first = whole.compared and family != 0 and whole.variant is None
            tokens = page.tokens.hashes if whole.compared else NO_TOKENS
            self._state.enter(
                PAGES, [Entry(number, tokens, page.print, fresh=True, keeper=whole.compared, first=first)]
            )
            if page.said is not None:
                self._state.count(page.said.counts, int(page.said.languages[0]))
        self._state.last_page = number

    def _write_parts(self, judged: Judged, number: int, *, again: bool = False) -> list[int]:
        """Write what is new of the contents of a page, or decided on them; return their rows.

        Args:
            judged: what was decided.
            number: of the page.
            again: whether the page is there, and was decided on again.
        """
        page, parts = judged.page, judged.parts
        next_row = self._store.last()[1] + 1
        families = dict(zip(page.long.tolist(), page.sketches.families.tolist(), strict=True))
        rows: list[int] = []
        for part in parts:
            rows.append(next_row if part.known is None else part.known.row)
            next_row += part.known is None

        def numbered(of: int | None) -> int | None:
            return of if of is None or of >= 0 else rows[~of]

        new, decided, entries, labels = [], [], [], set()
        for part, own in zip(parts, rows, strict=True):
            now_matched = not part.settled and part.keeper is not None
            tokens, family = page.tokens_of(part.block), families.get(part.block, 0)
            content = Content(own, page.print_of(part.block), signed(family), *NOT_MATCHED, tokens.tobytes())
            if now_matched:
                content = content._replace(
                    page=number, position=part.position, keeper=numbered(part.keeper), similarity=part.similarity,
                    variant=numbered(part.variant),
                )  # fmt: skip
            if part.known is None:
                new.append(content)
            elif now_matched:
                decided.append(content)
            keeps = now_matched and content.keeper == own
            leads = keeps and family != 0 and content.variant is None
            entries.append(Entry(own, tokens, content.print, self._state.is_fresh(own), keeps, leads))
            if again and keeps:
                self._store.promote(BLOCKS, own)
            keeper = part.known.keeper if part.known is not None and part.keeper is None else numbered(part.keeper)
            labels.add(own if keeper is None else keeper)
        self._store.add_contents(new)
        self._store.decide_contents(decided)
        self._store.add_holders(number, labels)
        if not again:
            self._state.enter(BLOCKS, entries)
        return rows

    def _learn(self, judged: Judged, record: Known) -> bytes | None:
        """Count a page of a source, and learn from those there are if it is time; return what is kept of this one."""
        key = UNNAMED if record.source is None else record.source
        known = self._store.source(key)
        own = signed(first_half(record.print))
        looks = looks_of(judged.page) if known.cut is None or own < known.cut else None
        pages = known.pages + 1
        if pages < max(LEAST_PAGES, known.due):
            self._store.set_source(key, known._replace(pages=pages))
            return looks
        sample = self._store.sample(record.source)
        if looks is not None:
            sample.append((record.page, record.print, record.contents, looks))
        sample.sort(key=lambda one: signed(first_half(one[1])))
        cut, due = known.cut, int(np.ceil(GROWTH * pages))
        if len(sample) > SAMPLED:
            gone = {page for page, *_ in sample[SAMPLED:]}
            self._store.forget_looks(gone - {record.page})
            looks = None if record.page in gone else looks
            cut = signed(first_half(sample[SAMPLED][1]))
        learnt = self._learnt_from(sample[:SAMPLED], record.source)
        self._store.set_source(key, Source(pages, due, cut, learnt))
        return looks

    def _learnt_from(self, sample: list[tuple[int, bytes, bytes, bytes]], source: str | None) -> bytes:
        """Find what recurs on some pages of a source."""
        contents = [unpack(packed)[0] for _, _, packed, _ in sample]
        found = self._store.contents({row for rows in contents for row in rows.tolist() if row >= 0})
        places = {row: k for k, row in enumerate(found)}
        bounds = np.cumsum([0, *(len(one.tokens) // 8 for one in found.values())])
        tokens = np.concatenate([NO_TOKENS, *(tokens_in(one) for one in found.values())])
        pages = [
            Sampled(looks, np.array([places.get(row, -1) for row in rows.tolist()], np.int64), first_half(print_))
            for (_, print_, _, looks), rows in zip(sample, contents, strict=True)
        ]
        return learn(pages, (tokens, bounds), source)

    def _told(self, judged: Judged, name: str, status: Any, *, added: bool) -> Report:
        """Put what was decided into words."""
        page, whole = judged.page, judged.whole
        places = self._places(judged)
        names = {page: known.id for page, known in self._store.pages(self._pages_of(whole, places)).items()}
        codes: list[tuple[int, ...]] = [()] * page.size
        substance: list[float | None] = [None] * page.size
        if judged.scores is not None:
            told = with_forms(judged.scores.reasons, judged.scores.forms).tolist()
            codes = [tuple(code for code in one if code) for one in told]
            substance = [number_or_none(value) for value in judged.scores.substance.tolist()]
        starts, ends, probabilities = (
            one.tolist() for one in (page.blocks.starts, page.blocks.ends, judged.boilerplate.probabilities)
        )
        kinds = [KINDS[kind] for kind in page.blocks.kinds.tolist()]
        own = collections.Counter(judged.parts[k].keeper for k in judged.part_of if k is not None)
        blocks = []
        for block in range(page.size):
            verdict = self._verdict(judged, block, own)
            partner_doc, partner_block = None, None
            if verdict.partner is not None and verdict.partner in places:
                of, partner_block = places[verdict.partner]
                partner_doc = name if of is None else names.get(of)
            elif not whole.stays and whole.partner is not None:
                partner_doc = names.get(whole.partner)
            blocks.append(
                BlockReport(
                    starts[block], ends[block], kinds[block], "drop" if verdict.drop else "keep",
                    REASONS[verdict.reason], partner_doc, partner_block, verdict.similarity, verdict.cluster,
                    probabilities[block], substance[block], codes[block],
                )
            )  # fmt: skip
        dropped = np.array([one.action == "drop" for one in blocks], np.bool_)
        data = b"" if not whole.stays else page.data
        if whole.stays and dropped.any():
            part = page.blocks.starts, page.blocks.ends, dropped
            data = cut_text(data, spans_that_split([data], [part], self.settings.split)[0])
        partner = None if whole.partner is None else names.get(whole.partner)
        article = None if judged.scores is None else number_or_none(float(judged.scores.articles[0]))
        return Report(
            name, judged.source, "drop" if not whole.stays else "clean" if dropped.any() else "keep",
            REASONS[whole.reason], partner, whole.similarity, status, added, article,
            judged.boilerplate.low_evidence, tuple(blocks), data.decode(),
        )  # fmt: skip

    def _places(self, judged: Judged) -> dict[int, tuple[int | None, int]]:
        """Return where contents stand first that others stand for: page, None for this one, and block."""
        places: dict[int, tuple[int | None, int]] = {}
        for part in judged.parts:
            for of in (part.keeper, part.variant):
                if of is None:
                    continue
                if of < 0:
                    places[of] = None, judged.parts[~of].position or 0
                elif of in judged.known:
                    known = judged.known[of]
                    if known.page is not None:
                        places[of] = known.page, known.position or 0
        return places

    def _pages_of(self, whole: Whole, places: dict[int, tuple[int | None, int]]) -> set[int]:
        """Return the pages that a report names."""
        found = {page for page, _ in places.values() if page is not None}
        return found if whole.partner is None else found | {whole.partner}

    def _verdict(self, judged: Judged, block: int, own: collections.Counter[int | None]) -> Verdict:
        """Judge a block, as ``dedup.kernels.judge`` does.

        Args:
            judged: what was decided.
            block: which block.
            own: how many blocks of the page stand for each content.
        """
        whole, k = judged.whole, judged.part_of[block]
        reason, partner, similarity, cluster = Reason.NONE, None, None, None
        if whole.stays and k is not None and judged.matched[block]:
            part = judged.parts[k]
            itself = part.keeper == (~k if not part.settled else part.known.row if part.known else None)
            if part.settled or (part.keeper is not None and part.keeper >= 0) or own[part.keeper] > 1:
                cluster = self._cluster_of(judged, part)
            if part.long:
                if not itself:
                    close = part.similarity is not None and part.similarity >= self.settings.threshold
                    reason = Reason.NEAR_DUPLICATE if close else Reason.NUMBER_VARIANT
                    partner, similarity = part.keeper, part.similarity
                elif part.settled or block != part.position:
                    reason, partner, similarity = Reason.EXACT_DUPLICATE, part.keeper, 1.0
                elif part.variant is not None:
                    reason, partner, similarity = Reason.NUMBER_VARIANT, part.variant, part.similarity
        by_kind = Reason(int(judged.reasons[block]))
        if by_kind and (self._judge.goes(by_kind) or not self._judge.goes(reason)):
            reason, partner, similarity = by_kind, None, None
        if not whole.stays:
            return Verdict(whole.reason, None, whole.similarity, cluster, drop=True)
        return Verdict(reason, partner, similarity, cluster, drop=self._judge.goes(reason))

    def _cluster_of(self, judged: Judged, part: Part) -> str | None:
        """Return the name of the cluster of a content."""
        of = part.keeper
        if of is None:
            return None
        if of < 0:
            return f"{first_half(judged.page.print_of(judged.parts[~of].block)):016x}"
        return f"{first_half(judged.known[of].print):016x}" if of in judged.known else None

    def remove(self, id: str) -> bool:  # noqa: A002
        """Forget a page; what stood for it, or for a block of it, is decided on again.

        Returns:
            Whether there was such a page.
        """
        with self._lock, self._transaction(write=True):
            self._state.refresh()
            known = self._store.page_called(id)
            if known is not None:
                self._remove(known)
            return known is not None

    def _remove(self, page: Known) -> None:
        """Delete a page and what only it had; decide again on what stood for it."""
        rows, _ = unpack(page.contents)
        contents = self._store.contents(set(rows[rows >= 0].tolist()))
        copies = [one for one in self._store.copies(page.page) if one.page != page.page]
        self._store.drop_page(page.page)
        self._store.drop_holders([(one.row, page.page) for one in contents.values()])
        self._store.drop_holders([(one.keeper, page.page) for one in contents.values() if one.keeper is not None])
        again: dict[int, Known] = {one.page: one for one in copies}
        gone = []
        for one in contents.values():
            users = self._users_of(one)
            first = next((user for user in users if self._is_matched(user, one.row)), None)
            members = self._store.members(one.row) if one.page == page.page and one.keeper == one.row else []
            if one.page == page.page:
                # what is matched on another page is decided on there, as if it had come first
                self._store.decide_contents(
                    [one._replace(page=None, position=None, keeper=None, similarity=None, variant=None)]
                )
                self._store.decide_contents(
                    [m._replace(page=None, position=None, keeper=None, similarity=None, variant=None) for m in members]
                )
                if first is not None:
                    again[first.page] = first
                for member in members:
                    for user in self._users_of(member):
                        if self._is_matched(user, member.row):
                            again[user.page] = user
                            break
            if not users:
                gone.append(one.row)
        self._store.drop_contents(gone)
        for number in sorted(again):
            self._decide_again(again[number])

    def _users_of(self, content: Content) -> list[Known]:
        """Return the pages that have a content, in the order of arrival, as far as the first where it is matched."""
        users = []
        labels = {content.row, content.row if content.keeper is None else content.keeper}
        found = sorted({page for label in labels for page in self._store.holders_from(label, 0, MOST_USERS)})
        known = self._store.pages(found)
        for page in found:
            if page in known and content.row in unpack(known[page].contents)[0]:
                users.append(known[page])
                if self._is_matched(known[page], content.row):
                    break
        return users

    def _is_matched(self, page: Known, row: int) -> bool:
        """Whether a page stays and a block of it with some content is matched."""
        rows, matched = unpack(page.contents)
        return not self._judge.goes(page.reason) and bool((matched & (rows == row)).any())

    def _decide_again(self, page: Known) -> None:
        """Decide on a page that is there as if it came at its place."""
        if page.reason == Reason.LOW_SUBSTANCE_DOCUMENT:
            return
        rows, matched = unpack(page.contents)
        contents = self._store.contents(set(rows[rows >= 0].tolist()))
        parts = [
            (contents[row].print, tokens_in(contents[row])) if row >= 0 else (bytes(16), NO_TOKENS)
            for row in rows.tolist()
        ]
        again = page_of(parts, page.print, self.settings.min_tokens, self._schemes)
        judged = self._judge.judge_again(again, page.source, matched, page.page)
        whole = judged.whole
        self._store.decide_page(
            page._replace(
                reason=int(whole.reason), twin=whole.twin, keeper=whole.keeper, similarity=whole.nearness,
                variant=whole.variant,
            )
        )  # fmt: skip
        self._write_parts(judged, page.page, again=True)
        if (
            page.print
            and whole.twin is None
            and (page.twin is not None or (whole.compared and page.keeper is not None))
        ):
            self._store.promote(PAGES, page.page)
        self._state.take_promotions()

    def info(self) -> dict[str, Any]:
        """Say what the index holds, how large it is and what it was made with."""
        with self._lock, self._transaction(write=False):
            self._state.refresh()
            counts = {name: self._store.count(name) for name in ("pages", "contents", "sources")}
            made_by = self._store.get("made_by")
        return {
            "place": self.place,
            **counts,
            "format": FORMAT,
            "made_by": made_by,
            "settings": settings_of(self.settings),
        }


class Verdict(NamedTuple):
    """A verdict on a block: why, the content it is a copy of, how like it is, its cluster, and whether it goes."""

    reason: Reason
    partner: int | None
    similarity: float | None
    cluster: str | None
    drop: bool


def number_or_none(value: float) -> float | None:
    """Return a number, None for not-a-number."""
    return None if math.isnan(value) else round(value, 1)


def checked_name(what: str, name: str) -> str:
    """Return an id or a source.

    Raises:
        InputError: it is no string, or one that no UTF-8 can hold.
    """
    if not isinstance(name, str):
        raise InputError(f"the {what} is of type {type(name).__name__}: a string is needed")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the {what} {name!r} has half a surrogate pair: mend it") from error
    return name


def path_of(place: str) -> pathlib.Path:
    """Return the file of a URL ``sqlite:///PATH``, or of a path.

    Raises:
        SettingsError: it is another URL.

    >>> str(path_of("sqlite:///seen.db")), str(path_of("sqlite:////var/seen.db"))
    ('seen.db', '/var/seen.db')
    """
    if place.startswith(SQLITE):
        place = place[len(SQLITE) :]
    elif is_url(place):
        raise SettingsError("url", hide(place), "sqlite:///FILE, the path of a file, or memory:")
    if not place:
        raise SettingsError("url", SQLITE, "sqlite:///FILE with the name of a file")
    return pathlib.Path(local_path(place))


def settings_of(settings: Settings) -> dict[str, Any]:
    """Return the settings that an index keeps, as JSON has them."""
    chosen = {name: getattr(settings, name) for name in OF_AN_INDEX}
    return {**chosen, "drop": sorted(settings.drop)}


def agree(store: SQLiteStore, settings: Settings | None, place: str) -> Settings:
    """Return the settings of an index; they are written down where it is new.

    Raises:
        SettingsMismatch: others are asked for.
        VersionMismatch: another version of this package made it.
    """
    with store.writing() if store.is_new() else store.reading():
        form = store.get("format")
        if form is None and store.is_new():
            settings = settings or Settings(score=True)
            for name, value in (
                ("format", FORMAT),
                ("made_by", MAKER),
                ("settings", json.dumps(settings_of(settings))),
            ):
                store.set(name, value)
        elif form != FORMAT:
            raise VersionMismatch(f"{place} has format {form}, this version reads {FORMAT}: begin a new index")
        kept = json.loads(store.get("settings"))
    wanted = kept if settings is None else settings_of(settings)
    other = [
        f"{name}={kept.get(name)!r} (asked for: {wanted[name]!r})" for name in wanted if kept.get(name) != wanted[name]
    ]
    if other:
        raise SettingsMismatch(f"{place} was made with {', '.join(other)}: open it with these, or without settings")
    return dataclasses.replace(settings or Settings(), **{**kept, "drop": frozenset(kept["drop"])})
