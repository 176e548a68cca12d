"""Parquet and Arrow: what is not cut stays, value for value and group by group; undo brings back the rest."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest
from columnar import (
    ARROW_CODECS,
    FORMATS,
    PARQUET_CODECS,
    TEXT_TYPES,
    Format,
    assert_same,
    columns,
    facts,
    read,
    strings,
    write,
)
from endtoend import FERRY, rows
from hypothesis import given
from hypothesis import strategies as st

from dedup import InputError, Settings, clean, undo
from dedup.formats.tables import decoded

WINTER = "In winter the boat stays in the yard, where its planks are caulked anew."
SENTENCES = (
    FERRY,
    WINTER,
    "渡轮每天早上九点从旧港口出发，船票在船上出售。",
    "Die Fähre legt ab.",
    "Conclusion",
    "",
    "😀\0\r",
)
TEXTS = st.lists(st.sampled_from(SENTENCES) | st.text(max_size=9), max_size=4).map("\n\n".join)
NARROW = pa.dictionary(pa.int8(), pa.string())
SIZES = (1, 200, 1 << 20)
ALL = Settings(max_drop_share=1, allow=True)


@st.composite
def tables(draw: st.DrawFn, form: Format, texts: st.SearchStrategy[Any]) -> tuple[pa.Table, list[int], list[Any]]:
    """Draw a table, its groups and its codecs."""
    groups = draw(st.lists(st.integers(0, 5), max_size=4))
    n = sum(groups)
    drawn, kind = (
        draw(st.lists(texts, min_size=n, max_size=n)),
        draw(st.sampled_from(TEXT_TYPES[:-1] if form == "parquet" else TEXT_TYPES)),
    )
    if form == "parquet" and kind == NARROW:  # whose dictionary Arrow does not read if it is no UTF-8
        drawn = [None if isinstance(text, bytes) else text for text in drawn]
    table = {
        "n": pa.array(range(n), pa.int32()),
        "text": strings(drawn, kind),
        **draw(columns(n, form)),
    }
    order = draw(st.permutations(list(table)))
    of_field = st.none() | st.dictionaries(words := st.text(min_size=1, max_size=5), words, max_size=2)
    fields = [pa.field(name, table[name].type, metadata=draw(of_field)) for name in order]
    schema = pa.schema(fields, draw(st.none() | st.fixed_dictionaries({"pandas": st.just("{}"), "mine": words})))
    codecs: tuple[Any, ...] = PARQUET_CODECS if form == "parquet" else ARROW_CODECS
    chosen = draw(st.lists(st.sampled_from(codecs), min_size=1, max_size=3))
    return pa.Table.from_arrays([table[name] for name in order], schema=schema), groups, chosen


@pytest.mark.parametrize("form", FORMATS)
@given(data=st.data())
def test_with_nothing_to_remove_all_comes_back(
    tmp_path_factory: pytest.TempPathFactory, form: Format, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("whole")
    table, groups, codecs = data.draw(tables(form, st.text(max_size=30)))
    path, out = folder / f"in.{form}", folder / f"out.{form}"
    options: dict[str, Any] = {}
    if form == "parquet":
        options = {"store_schema": data.draw(st.booleans()), "use_compliant_nested_type": data.draw(st.booleans())}
    write(path, table, groups, codecs, **options)
    clean(path, out, Settings(drop=frozenset(), batch_bytes=data.draw(st.sampled_from(SIZES))))
    assert_same(read(out), read(path))
    assert facts(out) == facts(path)
    assert read(folder / f"out.{form}.removed.{form}").num_rows == 0
    undo(out, folder / f"back.{form}")
    assert_same(read(folder / f"back.{form}"), read(path))
    assert facts(folder / f"back.{form}") == facts(path)


@pytest.mark.parametrize("form", FORMATS)
@given(data=st.data())
def test_what_is_removed_is_what_is_removed_from_dicts(
    tmp_path_factory: pytest.TempPathFactory, form: Format, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    table, groups, codecs = data.draw(tables(form, TEXTS | st.none() | st.sampled_from([b"\xff", b"caf\xe9 au lait"])))
    path, out = folder / f"in.{form}", folder / f"out.{form}"
    write(path, table, groups, codecs)
    before = read(path)
    settings = Settings(max_drop_share=1, batch_bytes=data.draw(st.sampled_from(SIZES)))
    raw = raw_texts(before)
    usable = {
        n: text for n, text in enumerate(raw) if text is not None and b"\xff" not in text and b"\xe9 " not in text
    }
    if raw and not usable:
        with pytest.raises(InputError, match="no record could be used"):
            clean(path, out, settings)
        return
    cleaned = clean(path, out, settings)
    of_dicts = clean(
        [{"id": f"in.{form}:{n + 1}", "text": text.decode(), "n": n} for n, text in usable.items()], settings=settings
    )
    after = read(out)
    assert after.select(["n", "text"]).to_pylist() == [{"n": one["n"], "text": one["text"]} for one in of_dicts.records]
    assert cleaned.run.summary["rejects"] == len(raw) - len(usable)
    kept = after["n"].to_pylist()
    lost = sorted(set(range(len(raw))) - set(kept))
    gone = read(folder / f"out.{form}.removed.{form}")
    assert_same(after.drop_columns("text"), pick(before, kept).drop_columns("text"))
    assert_same_raw(gone, pick(before, lost))
    assert gone["n"].to_pylist() == lost
    removals, rejects = rows(folder / f"out.{form}.removals.jsonl"), rows(folder / f"out.{form}.rejects.jsonl")
    told = sorted(removals + rejects, key=lambda row: row["seq"])
    assert [row["seq"] for row in told] == list(range(len(told)))
    assert [row["line"] for row in rejects] == [n + 1 for n in range(len(raw)) if n not in usable]
    assert sum("offset" not in row for row in told) == len(lost)
    places = {"seq", "file", "row", "offset", "raw"}
    assert [{name: row[name] for name in row if name not in places} for row in removals] == of_dicts.removals
    firsts = itertools.accumulate([0, *groups])
    sizes = [sum(n in kept for n in range(first, first + size)) for first, size in zip(firsts, groups, strict=False)]
    assert facts(out)["groups"] == [now for now, size in zip(sizes, groups, strict=True) if now or not size]
    assert facts(out)["codecs"] == facts(path)["codecs"] or not kept
    undo(out, folder / f"back.{form}")
    assert_same_raw(read(folder / f"back.{form}"), before)
    changing = {"dictionaries", "coded"}  # those of texts may have grown
    restored, original = facts(folder / f"back.{form}"), facts(path)
    assert {name: fact for name, fact in restored.items() if name not in changing} == {
        name: fact for name, fact in original.items() if name not in changing
    }


def raw_texts(table: pa.Table) -> list[bytes | None]:
    """Return the texts of a table, which need not be UTF-8."""
    chunks = [decoded(chunk).cast(pa.large_binary()).to_pylist() for chunk in table["text"].chunks]
    return list(itertools.chain.from_iterable(chunks))


def pick(table: pa.Table, chosen: list[int]) -> pa.Table:
    """Return rows of a table whatever its types."""
    return pa.concat_tables([table.slice(0, 0), *(table.slice(row, 1) for row in chosen)])


def assert_same_raw(one: pa.Table, other: pa.Table) -> None:
    """Check that tables are equal where their texts need not be UTF-8."""
    position = one.schema.get_field_index("text")
    assert raw_texts(one) == raw_texts(other)
    assert one.schema.equals(other.schema, check_metadata=True)
    assert_same(one.remove_column(position), other.remove_column(position))
