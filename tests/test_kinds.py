"""Tables in memory come back as what they were given as: Arrow, pandas, polars, DuckDB, Hugging Face."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from columnar import TEXT_TYPES, assert_same, strings
from endtoend import FERRY
from hypothesis import given
from hypothesis import strategies as st

from dedup import InputError, SchemaError, Settings, clean, headers, scan, score
from dedup.formats.kinds import with_changes

WINTER = "In winter the boat stays in the yard, where its planks are caulked anew."
TEXTS = [FERRY, None, f"{WINTER}\n{FERRY}", FERRY, "So much for today."]
KEPT, LEFT = [0, 1, 2, 4], [FERRY, None, WINTER, "So much for today."]
ALL = Settings(max_drop_share=1)
NUMBERS = [7, 8, 9, 10, 11]


def check_removals(removals: Any) -> None:
    """Check what the table of TEXTS loses."""
    assert [(row["reason"], row["text"]) for row in removals] == [
        ("exact_duplicate", f"\n{FERRY}"),
        ("exact_duplicate_document", FERRY),
    ]


@pytest.mark.parametrize("kind", TEXT_TYPES)
@pytest.mark.parametrize("chunks", [1, 2, 5])
def test_arrow(kind: pa.DataType, chunks: int) -> None:
    schema = pa.schema([("n", pa.int64()), pa.field("text", kind, metadata={"a": "b"})], {"mine": "x"})
    whole = pa.Table.from_arrays([pa.array([0, *NUMBERS, 0]), strings(["x", *TEXTS, "x"], kind)], schema=schema)
    table = whole.slice(1, 5)
    given = pa.concat_tables([table.slice(k, -(-5 // chunks)) for k in range(0, 5, -(-5 // chunks))])
    cleaned = clean(given, settings=ALL)
    assert_same(cleaned.records, pa.Table.from_arrays([pa.array([7, 8, 9, 11]), strings(LEFT, kind)], schema=schema))
    check_removals(cleaned.removals)
    assert given.equals(table)
    run = scan(given, ALL)
    assert clean(given, settings=ALL, run=run).records.equals(cleaned.records)
    assert clean(given.to_batches()[0].slice(0, 1), settings=ALL).records["text"].to_pylist() == [FERRY]


@given(st.lists(st.sampled_from([*TEXTS, "x", "ü"]), max_size=40), st.sampled_from(TEXT_TYPES), st.data())
def test_changes_of_a_column(texts: list[str | None], kind: pa.DataType, data: st.DataObject) -> None:
    rows = data.draw(st.sets(st.sampled_from(range(len(texts))))) if texts else set()
    edges = sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=3)))
    whole = strings(texts, kind)
    chunks = [whole.slice(a, b - a) for a, b in zip([0, *edges], [*edges, len(texts)], strict=True)]
    expected = [f"new {k}" if k in rows else text for k, text in enumerate(texts)]
    new = pa.array([f"new {k}" for k in sorted(rows)], pa.large_string())
    changed = with_changes(pa.chunked_array(chunks, kind), np.array(sorted(rows), np.int64), new)
    changed.validate(full=True)
    assert changed.type == kind
    assert [one.as_py() for one in changed] == expected


def test_large_tables_are_cleaned_fast() -> None:
    count = 300_000
    texts = pa.array([f"{k}" for k in range(count)] + [FERRY, f"{WINTER}\n{FERRY}"])
    table = pa.table({"text": texts, "n": range(count + 2)})
    cleaned = clean(table, settings=ALL)
    assert cleaned.records.slice(0, count).equals(table.slice(0, count))
    assert cleaned.records["text"].to_pylist()[count:] == [FERRY, WINTER]
    assert len(cleaned.removals or ()) == 1


PANDAS_DTYPES = ["object", "str", "string[python]", "string[pyarrow]", "category", "large"]


@pytest.mark.parametrize("dtype", PANDAS_DTYPES)
def test_pandas(dtype: str) -> None:
    pd = pytest.importorskip("pandas")
    others = [{1}, None, "x", 3, [1]]  # nothing for Arrow
    frame = pd.DataFrame({"o": others, "text": pd.Series(TEXTS, dtype=object), 5: NUMBERS, "5": NUMBERS})
    frame["text"] = frame["text"].astype(pd.ArrowDtype(pa.large_string()) if dtype == "large" else dtype)
    frame.index = pd.MultiIndex.from_tuples([("a", k) for k in range(5)])
    before = frame.copy()
    cleaned = clean(frame, settings=ALL)
    expected = before.iloc[KEPT].copy()
    texts = expected["text"].astype(object)
    texts.iloc[2] = WINTER
    if dtype == "category":
        assert list(cleaned.records["text"].cat.categories) == [*before["text"].cat.categories, WINTER]
        texts = texts.astype(cleaned.records["text"].dtype)
    expected["text"] = texts.astype(before["text"].dtype) if dtype != "category" else texts
    pd.testing.assert_frame_equal(cleaned.records, expected)
    pd.testing.assert_frame_equal(frame, before)
    check_removals(cleaned.removals)
    assert clean(before.iloc[:0], settings=ALL).records.shape == (0, 4)
    untouched = clean(before, settings=Settings(drop=frozenset())).records
    pd.testing.assert_frame_equal(untouched, before)


def test_pandas_columns_that_cannot_be_used() -> None:
    pd = pytest.importorskip("pandas")
    for cells in (["a", 1], ["a\ud800"], [["a"]]):
        with pytest.raises(InputError, match="column 'text'"):
            scan(pd.DataFrame({"text": pd.Series(cells, dtype=object)}))
    with pytest.raises(SchemaError, match=r"\(fields there: 1, body\)"):
        scan(pd.DataFrame({1: ["a"], "body": ["b"]}))
    with pytest.raises(InputError, match="stands there 2 times"):
        scan(pd.DataFrame([["a", "b"]], columns=["text", "text"]))
    with pytest.raises(InputError, match="Series is no table"):
        scan(pd.Series(["a"]))


@pytest.mark.parametrize("dtype", ["String", "Categorical"])
def test_polars(dtype: str) -> None:
    pl = pytest.importorskip("polars")
    kind = getattr(pl, dtype)
    frame = pl.DataFrame({"o": [object() for _ in TEXTS], "text": pl.Series(TEXTS, dtype=kind), "n": NUMBERS})
    cleaned = clean(frame, settings=ALL)
    assert isinstance(cleaned.records, pl.DataFrame)
    assert cleaned.records.schema == frame.schema
    assert cleaned.records["text"].to_list() == LEFT
    assert cleaned.records["o"].to_list() == [frame["o"][k] for k in KEPT]
    assert frame["text"].to_list() == TEXTS
    check_removals(cleaned.removals)
    assert clean(frame.clear(), settings=ALL).records.shape == (0, 3)
    assert clean(pl.DataFrame({"text": []}), settings=ALL).records.shape == (0, 1)


def test_polars_that_cannot_be_used() -> None:
    pl = pytest.importorskip("polars")
    kind = pl.Enum([text for text in dict.fromkeys(TEXTS) if text])
    with pytest.raises(InputError, match="which has no room for other texts"):
        clean(pl.DataFrame({"text": pl.Series(TEXTS, dtype=kind)}), settings=ALL)
    with pytest.raises(InputError, match="Series is no table"):
        scan(pl.Series(TEXTS))
    with pytest.raises(InputError, match="LazyFrame is no input"):
        scan(pl.DataFrame({"text": TEXTS}).lazy())


def test_duckdb() -> None:
    duckdb = pytest.importorskip("duckdb")
    table = pa.table({"text": TEXTS, "n": NUMBERS})
    relation = duckdb.from_arrow(table).filter("n > 0")
    cleaned = clean(relation, settings=ALL)
    assert cleaned.records.to_pydict() == {"text": LEFT, "n": [7, 8, 9, 11]}
    check_removals(cleaned.removals)


def test_datasets_of_hugging_face() -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("large_string"), "label": datasets.ClassLabel(names=["a", "b"])}
    )
    dataset = datasets.Dataset.from_dict({"text": TEXTS, "label": [0, 1, 0, 1, 0]}, features=features, split="train")
    cleaned = clean(dataset, settings=ALL)
    assert isinstance(cleaned.records, datasets.Dataset)
    assert cleaned.records.features == features
    assert cleaned.records.split == dataset.split
    assert cleaned.records.to_dict() == {"text": LEFT, "label": [0, 1, 0, 0]}
    check_removals(cleaned.removals)
    shuffled = dataset.select([4, 0, 3]).with_format("numpy", columns=["text"])
    cleaned = clean(shuffled, settings=ALL)
    assert cleaned.records.format == shuffled.format
    assert cleaned.records["text"][:].tolist() == [TEXTS[4], FERRY]
    assert scan(dataset, ALL).summary["documents"] == 4
    assert score(dataset.select([0])).num_rows == 1
    with pytest.raises(InputError, match="DatasetDict is no input"):
        scan(datasets.DatasetDict({"train": dataset}))


def test_libraries_are_not_loaded_for_tables() -> None:
    code = (
        "import sys, pyarrow as pa, dedup; dedup.clean(pa.table({'text': ['a']}));"
        "print([name for name in ('polars', 'duckdb', 'datasets') if name in sys.modules])"  # Arrow itself loads pandas
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


class Once:
    """A producer that hands its table out once, as a result of a query does."""

    def __init__(self, table: pa.Table) -> None:
        self._tables = iter([table])

    def __arrow_c_stream__(self, schema: object = None) -> object:
        return next(self._tables).__arrow_c_stream__(schema)


def test_producers_are_asked_once() -> None:
    cleaned = clean(Once(pa.table({"text": TEXTS, "n": NUMBERS})), settings=ALL)
    assert cleaned.records["n"].to_pylist() == [7, 8, 9, 11]
    assert len(clean(Once(pa.table({"text": TEXTS})), settings=ALL, dry_run=True).run.documents) == 4


def test_headers_of_tables() -> None:
    bodies = ("The kiln was cold.", "Rain fell on the pier.", "Nobody sang.")
    table = pa.table(
        {"source": ["s"] * 3, "text": [f"{k} min read\n\n{body}" for k, body in enumerate(bodies)], "x": [[1]] * 3}
    )
    assert [header.text for header in headers(table)] == ["{number} min read"]


def test_invalid_utf8_in_memory_is_set_aside_and_stays() -> None:
    for kind in TEXT_TYPES:
        table = pa.table({"text": strings([FERRY, b"caf\xe9", FERRY], kind)})
        cleaned = clean(table, settings=ALL)
        assert [row["error"] for row in cleaned.run.rejects] == ["column 'text' is not UTF-8 at byte 3"]
        assert cleaned.records.num_rows == 2
        assert cleaned.run.rejects[0]["raw_base64"] == "Y2Fm6Q=="
