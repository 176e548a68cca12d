"""Records and files as nobody wants them: what cannot be used is named and set aside, the rest is processed."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endtoend import FERRY, RECORD, bad_records, dedup, files, jsonl, limited, rows, unpacked, zstd

import dedup as library
from dedup import InputError, NotFound, SchemaError, Settings
from dedup.formats import open_inputs

GOOD = jsonl([RECORD])[:-1]
DEEP = 200_000

# What makes a record unusable, and words of the complaint.
BAD = {
    "no text": (b'{"id": "a", "body": "x"}', "field 'text' is missing (fields there: id, body)"),
    "no fields": (b"{}", "field 'text' is missing (fields there: none)"),
    "text a number": (b'{"text": 5}', "field 'text' is no string"),
    "text null": (b'{"text": null}', "field 'text' is null"),
    "text a list": (b'{"text": ["x"]}', "field 'text' is no string"),
    "text an object": (b'{"text": {"a": "b"}}', "field 'text' is no string"),
    "text NaN": (b'{"text": NaN}', "field 'text' is no string"),
    "id true": (b'{"text": "x", "id": true}', "field 'id' is neither a string nor a number"),
    "id a list": (b'{"text": "x", "id": [1]}', "field 'id' is neither a string nor a number"),
    "id NaN": (b'{"text": "x", "id": NaN}', "field 'id' is neither a string nor a number"),
    "id infinite": (b'{"text": "x", "id": -Infinity}', "field 'id' is neither a string nor a number"),
    "broken JSON": (b'{"text": "x", "id": }', "invalid character (byte 20)"),
    "cut off": (b'{"text": "x', "truncated"),
    "not JSON": (b"text: x", "invalid character"),
    "a list": (b'["text", "x"]', "Expected `object`, got `array`"),
    "a string": (b'"text"', "Expected `object`, got `str`"),
    "two objects": (b'{"text": "x"} {"text": "y"}', "trailing characters (byte 15)"),
    "a number and NaN": (b'{"text": "x", "z": 1NaN}', "(byte 20)"),
    "NaN, and cut off": (b'{"text": "x", "z": NaN', ""),
    "UTF-8 broken in the text": (b'{"text": "caf\xe9"}', "not UTF-8 at byte 13 of the record"),
    "UTF-8 broken elsewhere": (b'{"text": "x", "z": "\xff"}', "not UTF-8 at byte 20 of the record"),
    "UTF-8 surrogates": (b'{"text": "\xed\xa0\xbd\xed\xb8\x80"}', "not UTF-8 at byte 10 of the record"),
    "half a pair": (rb'{"text": "x \ud83d y"}', "half of a surrogate pair"),
    "second half only": (rb'{"text": "\ude00"}', "half of a surrogate pair"),
    "half a pair elsewhere": (rb'{"text": "x", "z": "\ud83d\u0041"}', "half of a surrogate pair"),
    "half a pair in a name": (rb'{"text": "x", "\ud83d": 1}', "half of a surrogate pair"),
    "raw NUL in the text": (b'{"text": "x\0y"}', "invalid character"),
    "raw NUL beside": (b'{"text": "x"}\0', "trailing characters"),
    "raw tab in the text": (b'{"text": "x\ty"}', "invalid character"),
    "BOM later on": (b'\xef\xbb\xbf{"text": "x"}', "invalid character (byte 0)"),
    "deep brackets": (b'{"text": "x", "z": ' + b"[" * DEEP + b"]" * DEEP + b"}", "nested too deeply"),
    "deep and open": (b'{"z": ' * DEEP, "nested too deeply"),
    "deep text": (b'{"text": ' + b"[" * DEEP + b"]" * DEEP + b"}", "nested too deeply"),
}
# What looks odd and can be used all the same: the id and the text that are read.
ODD = {
    "empty text": (b'{"id": "i", "text": ""}', "i", ""),
    "id a number": (b'{"id": 17, "text": "x"}', "17", "x"),
    "id a float": (b'{"id": -1.50e3, "text": "x"}', "-1.50e3", "x"),
    "id huge": (b'{"id": 123456789012345678901234567890, "text": "x"}', "123456789012345678901234567890", "x"),
    "id null": (b'{"id": null, "text": "x"}', "in.jsonl:2", "x"),
    "no id": (b'{"text": "x"}', "in.jsonl:2", "x"),
    "source a number": (b'{"id": "i", "text": "x", "source": 7}', "i", "x"),
    "source a list": (b'{"id": "i", "text": "x", "source": [7]}', "i", "x"),
    "source NaN": (b'{"id": "i", "text": "x", "source": NaN}', "i", "x"),
    "NaN elsewhere": (b'{"id": "i", "z": [NaN, -Infinity, {"a": Infinity}], "text": "x"}', "i", "x"),
    "NaN in strings": (rb'{"id": "NaN", "z": NaN, "text": "a \" NaN Infinity"}', "NaN", 'a " NaN Infinity'),
    "two texts": (b'{"id": "i", "text": 5, "text": "second"}', "i", "second"),
    "two ids": (b'{"id": true, "id": "j", "text": "x"}', "j", "x"),
    "escaped name": (rb'{"id": "i", "te\u0078t": "x"}', "i", "x"),
    "escapes": (rb'{"id": "i", "text": "\u0041\ud83d\ude00\/\"\\\b\f\r\t\u00e9\u20ac"}', "i", 'A😀/"\\\b\f\r\té€'),
    "escaped NUL": (rb'{"id": "i", "text": "a\u0000b"}', "i", "a\0b"),
    "carriage return": (b'{"id": "i", "text": "x"}\r', "i", "x"),
    "blanks around": (b' \t{ "id" :\t"i" , "text" : "x" } \t', "i", "x"),
    "right to left": ('{"id": "i", "text": "\u202eשלום\u202c مرحبا"}'.encode(), "i", "\u202eשלום\u202c مرحبا"),
    "many marks": (('{"id": "i", "text": "' + "e\u0301\u0323" * 99 + '"}').encode(), "i", "e\u0301\u0323" * 99),
    "noncharacters": ('{"id": "i", "text": "\ufffe\U0010ffff\ufeff"}'.encode(), "i", "\ufffe\U0010ffff\ufeff"),
    "brackets": (b'{"id": "i", "text": "x", "z": ' + b"[" * 500 + b"]" * 500 + b"}", "i", "x"),
}


def round_trip(path: Path, tmp_path: Path, settings: Settings | None = None) -> Path:
    """Clean a file, check that undoing gives the same bytes, and return the cleaned one."""
    out = tmp_path / "out" / path.name
    library.clean(path, out, settings)
    assert unpacked(library.undo(out, tmp_path / "back")) == unpacked(path)
    return out


@pytest.mark.parametrize("name", BAD)
def test_bad_records(tmp_path: Path, name: str) -> None:
    raw, complaint = BAD[name]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join([GOOD, raw, GOOD.replace(b"good", b"also"), b""]))
    run = library.scan(path)
    assert run.documents["doc"].to_pylist() == ["good", "also"]
    (reject,) = run.rejects
    assert (reject["file"], reject["line"]) == (str(path), 2)
    assert complaint in reject["error"]
    with pytest.raises(InputError) as caught:
        library.scan(path, Settings(strict=True))
    assert (caught.value.path, caught.value.line) == (str(path), 2)
    assert str(caught.value).startswith(f"{path}:2: ")
    out = round_trip(path, tmp_path, Settings(allow=True))
    assert out.read_bytes() == GOOD + b"\n"
    assert bad_records(tmp_path / "out" / "in.jsonl.rejects.jsonl") == {2: raw}


@pytest.mark.parametrize("name", ODD)
def test_odd_records(tmp_path: Path, name: str) -> None:
    raw, name_read, text = ODD[name]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join([GOOD, raw, b"no JSON"]))  # the last one sends the others down the slow path
    kept = round_trip(path, tmp_path).read_bytes()
    assert kept == GOOD + b"\n" + raw + b"\n"
    path.write_bytes(b"\n".join([GOOD, raw]))
    run = library.scan(path)
    assert run.documents["doc"].to_pylist() == ["good", name_read]
    assert run.summary["bytes"] <= len(FERRY) + len(text.encode())
    assert run.rejects == []
    assert round_trip(path, tmp_path).read_bytes() == path.read_bytes()


def test_all_at_once(tmp_path: Path) -> None:
    lines = [raw for raw, _ in BAD.values()] + [raw for raw, *_ in ODD.values()]
    data = b"\n".join(line + b"\n" + GOOD.replace(b"good", b"%d" % k) for k, line in enumerate(lines))
    path, out = tmp_path / "in.jsonl", tmp_path / "out"
    path.write_bytes(b"\xef\xbb\xbf" + b"\n\n" + data)
    numbers = {2 * k + 3: raw for k, (raw, _) in enumerate(BAD.values())}
    # equal documents stay, be they ever so short, for all odd ones to be seen again
    done = dedup("clean", path, "-o", out / "cleaned", "--keep", "exact_duplicate_document", "--json")
    assert json.loads(done.stdout)["rejects"] == len(BAD)
    assert bad_records(out / "cleaned" / "rejects.jsonl") == numbers
    assert bad_records(library.scan(path, Settings(allow=True), out=out / "run").path / "rejects.jsonl") == numbers
    kept = set((out / "cleaned" / "in.jsonl").read_bytes().split(b"\n"))
    assert {raw for raw, *_ in ODD.values()} <= kept
    dedup("clean", "--undo", out / "cleaned", "-o", out / "back")
    assert files(out / "back") == {"in.jsonl": path.read_bytes()}
    stopped = dedup("clean", path, "-o", out / "cleaned", "--strict", code=1)
    assert stopped.stderr.decode().startswith(f"dedup: {path}:3: field 'text' is missing")
    assert "in.jsonl" in files(out / "cleaned")


@pytest.mark.parametrize(
    ("data", "documents"),
    [
        (b"", 0),
        (b"\n", 0),
        (b"\n \r\n\t\n", 0),
        (b"\xef\xbb\xbf", 0),
        (GOOD, 1),
        (b"\xef\xbb\xbf" + GOOD + b"\n", 1),
        (GOOD + b"\r\n" + GOOD + b"\r\n", 2),
        (b"\n\n" + GOOD + b"\n\n \n" + GOOD, 2),
        (b"\n" + GOOD + b"\n" + GOOD.replace(b'"text": "', b'"text": "Today.\\r\\n') + b"\r\n\r\n", 2),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_whole_files(tmp_path: Path, data: bytes, documents: int, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(pack(data))
    run = library.scan(path)
    assert (run.summary["documents"], run.rejects) == (documents, [])
    out = round_trip(path, tmp_path)
    assert out.read_bytes()[:2] == data[:2]  # its name tells of no compression
    lines = iter(data.splitlines(keepends=True))
    assert all(line in lines for line in unpacked(out).splitlines(keepends=True) if b"Today." not in line)


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
@pytest.mark.parametrize("harm", ["truncated", "torn", "corrupt", "followed by rubbish"])
def test_damaged_archives(tmp_path: Path, pack: Callable[[bytes], bytes], harm: str) -> None:
    records = jsonl({"id": k, "text": f"{FERRY} {random.randbytes(30).hex()}"} for k in range(4000))
    cut = records.index(b"\n", 150_000) + 1
    first, second = pack(records[:cut]), pack(records[cut:])
    path = tmp_path / "in.jsonl.z"
    path.write_bytes(
        {
            "truncated": first + second[: 2 * len(second) // 3],
            "torn": first + second[:-1],
            "corrupt": first + second[:20] + bytes(40) + second[60:],
            "followed by rubbish": first + second + b"rubbish",
        }[harm]
    )
    run = library.scan(path, Settings(allow=True))
    documents = run.summary["documents"]
    least = {"truncated": records.count(b"\n", 0, cut) + 1, "torn": 3000, "corrupt": records.count(b"\n", 0, cut)}
    assert least.get(harm, 4000) <= documents <= 4000
    last = run.rejects[-1]
    assert (last["file"], last["line"]) == (str(path), documents + len(run.rejects))
    assert re.match("the (gzip|zstd) stream is ", last["error"])
    for size in (5000, 100_000):
        assert parsed(path, size) == (run.documents["doc"].to_pylist(), [reject["line"] for reject in run.rejects])
    out = tmp_path / "out.jsonl"
    library.clean(path, out, run=run, settings=Settings(allow=True))
    restored = unpacked(library.undo(out, tmp_path / "back"))
    kept = restored[: cut if harm == "corrupt" else restored.rindex(b"\n") + 1]
    assert records.startswith(kept)
    assert kept.count(b"\n") >= least.get(harm, 4000)
    assert bad_records(tmp_path / "out.jsonl.rejects.jsonl")[last["line"]] == restored[restored.rindex(b"\n") + 1 :]


def parsed(path: Path, size: int) -> tuple[list[str], list[int]]:
    """Read a file in pieces of some size: the ids of its documents, the lines of its rejects."""
    (source,) = open_inputs(path)
    chunks = [source.parse(chunk, Settings()) for chunk in source.chunks(size)]
    return (
        [name for chunk in chunks for name in chunk.documents.ids.to_pylist()],
        [reject.line for chunk in chunks for reject in chunk.rejects],
    )


def test_damage_is_told_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(GOOD + b"\n" + GOOD)[:-12])
    done = dedup("clean", path, "-o", tmp_path / "out.jsonl.gz")
    assert b"rejected records" in done.stdout
    with pytest.raises(InputError, match=r"in\.jsonl\.gz:2: the gzip stream is truncated"):
        library.scan(path, Settings(strict=True))
    (row,) = rows(tmp_path / "out.jsonl.gz.rejects.jsonl")
    assert (row["line"], row["error"]) == (2, "the gzip stream is truncated")
    assert unpacked(tmp_path / "out.jsonl.gz") == GOOD + b"\n"


def test_a_line_of_10_megabytes(tmp_path: Path) -> None:
    long = jsonl([{"id": "long", "text": " ".join(f"w{k}" for k in range(1_300_000))}])
    assert len(long) > 10_000_000
    data = GOOD + b"\n" + long + GOOD + b"\n" + long[:-3]
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    packs: tuple[Callable[[bytes], bytes], ...] = (bytes, gzip.compress)
    for k, pack in enumerate(packs):
        path.write_bytes(pack(data))
        if k == 0:
            limited("clean", path, "-o", out, "--batch-bytes", "1000", megabytes=800)
        else:
            library.clean(path, out, Settings(batch_bytes=1000))
        assert unpacked(out) == GOOD + b"\n" + long
        assert [row["line"] for row in rows(tmp_path / "out.jsonl.rejects.jsonl")] == [4]


def test_a_million_equal_lines(tmp_path: Path) -> None:
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(jsonl([{"id": "a", "text": "closed\n" * 1_000_000 + f"{FERRY}\n" * 100_000}, RECORD]))
    limited("clean", path, "-o", out, megabytes=1000)
    first, *others = rows(out)
    assert first["text"] == "closed\n" * 1_000_000 + f"{FERRY}\n"
    assert others == [{"id": "good", "text": ""}]
    removals = (tmp_path / "out.jsonl.removals.jsonl").read_bytes().splitlines()
    assert len(removals) == 100_000
    assert json.loads(removals[-1])["doc"] == "good"
    assert library.undo(out, tmp_path / "back.jsonl").read_bytes() == path.read_bytes()


def test_a_million_equal_documents(tmp_path: Path) -> None:
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    line = b'{"text":"The ferry leaves at 9"}\n'
    path.write_bytes(line * 1_000_000)
    limited("scan", path, "-o", tmp_path / "run", "--allow", megabytes=1000)
    run = library.Run.open(tmp_path / "run")
    assert run.summary["documents_by_reason"] == {"exact_duplicate_document": 999_999}
    assert run.documents["partner_doc"].unique().to_pylist() == [None, "in.jsonl:1"]
    path.write_bytes(line * 200_000)
    limited("clean", path, "-o", out, "--allow", megabytes=600)
    assert out.read_bytes() == line
    limited("clean", "--undo", out, "-o", tmp_path / "back.jsonl", megabytes=300)
    assert (tmp_path / "back.jsonl").read_bytes() == path.read_bytes()


def test_equal_ids(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl([RECORD, {"id": "good", "text": "Another text."}, {"id": 1, "text": "x"}]) + GOOD)
    done = dedup("scan", path, "-o", tmp_path / "run", "--json")
    assert json.loads(done.stdout)["duplicate_ids"] == 2
    kept = round_trip(path, tmp_path).read_bytes()
    assert kept == b"".join(path.read_bytes().splitlines(keepends=True)[:3])


def test_trees(tmp_path: Path) -> None:
    tree = tmp_path / "site"
    odd = os.fsdecode(b"\xff.txt")
    for name, data in {
        "a.txt": FERRY.encode(),
        "b.md": b"",
        "c.txt": b"caf\xe9 " + FERRY.encode(),
        "deep/er/a.TXT": b"# News\r\n\r\n" + FERRY.encode() + b"\r\n\r\nMore to come.",
        f"deep/{odd}": FERRY.encode() + b"\0",
        ".hidden.txt": b"not read",
        ".git/x.txt": b"not read",
        "d.png": b"not read",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    out = tmp_path / "out"
    library.clean(tree, out)
    assert [(row["line"], row["file"]) for row in rows(out / "rejects.jsonl")] == [(3, "site/c.txt")]
    assert [row["doc"] for row in rows(out / "removals.jsonl")] == ["deep/er/a.TXT", "deep/\\udcff.txt"]
    cleaned = files(out)
    assert cleaned["site/deep/er/a.TXT"] == b"# News\r\n\r\nMore to come."
    library.undo(out, tmp_path / "back")
    texts = {name: data for name, data in files(tree).items() if data != b"not read"}
    assert files(tmp_path / "back" / "site") == texts
    stopped = dedup("clean", tree, "-o", out, "--strict", code=1)
    assert f"{tree}/c.txt:3: not UTF-8 at byte 3" in stopped.stderr.decode()


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "page.png").write_text("x")
    with pytest.raises(NotFound, match="nowhere does not exist"):
        library.scan(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no files of a format that is read"):
        library.scan(tmp_path / "empty")
    (tmp_path / "in.jsonl").write_bytes(GOOD)
    with pytest.raises(NotFound, match="does not exist"):
        library.scan([tmp_path / "in.jsonl", tmp_path / "in.jsonl" / "below"])
    failed = dedup("scan", "/proc/self/mem", "-o", tmp_path / "run", code=1)  # there, and not to be read at byte 0
    assert failed.stderr.startswith(b"dedup: ")
    assert not (tmp_path / "run").exists()


def test_two_files_of_one_name(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "in.jsonl" for folder in ("one", "two", "three")]
    for k, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(jsonl([{"text": FERRY}, {"text": f"Text {k}"}]) + b"%d\n" % k)
    cleaned = library.clean(paths, tmp_path / "out", Settings(allow=True))
    names = ["in.jsonl", "in-2.jsonl", "in-3.jsonl"]
    assert cleaned.run.documents["doc"].to_pylist() == [f"{name}:{line}" for name in names for line in (1, 2)]
    assert [row["file"] for row in rows(tmp_path / "out" / "rejects.jsonl")] == names
    back = library.undo(tmp_path / "out", tmp_path / "back")
    assert files(back) == {name: path.read_bytes() for name, path in zip(names, paths, strict=True)}


LACKING = [{"id": str(k), "body": f"{FERRY} {k}"} for k in range(3)]


def written(folder: Path, form: str, records: list[dict[str, str]]) -> Path:
    """Write records in a format."""
    folder.mkdir(exist_ok=True)
    path = folder / f"in.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    elif form == "csv":
        lines = [",".join(records[0]), *(",".join(record.values()) for record in records)]
        path.write_text("\n".join(lines))
    else:
        path.write_bytes(json.dumps(records).encode() if form == "json" else jsonl(records))
    return path


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "parquet"])
def test_a_file_without_the_field_of_texts_stops_the_scan_whatever_its_format(tmp_path: Path, form: str) -> None:
    path = written(tmp_path / "in", form, LACKING)
    (tmp_path / "in" / "a.jsonl").write_bytes(jsonl([RECORD]))
    for given in (path, path.parent, [path.parent / "a.jsonl", path]):
        with pytest.raises(SchemaError) as caught:
            library.scan(given)
        assert str(caught.value) == f"{path}: field 'text' is missing (fields there: id, body)"
        assert (caught.value.path, caught.value.existing) == (str(path), ("id", "body"))
    assert library.scan(path, Settings(text="body")).summary["documents"] == 3
    done = dedup("clean", path, "-o", tmp_path / "out", code=1)
    assert done.stderr.decode() == f"dedup: {path}: field 'text' is missing (fields there: id, body)\n"


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_a_file_of_which_some_records_have_a_text_is_read(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, form, [*LACKING, RECORD, *LACKING])
    assert len(library.scan(path).rejects) == 6
    with pytest.raises(SchemaError):  # the first record read is all there is to tell by
        library.scan(path, Settings(batch_bytes=1))
    # of what is behind the first records nothing is concluded
    path.write_bytes(path.read_bytes().replace(b'"body"', b'"text"', 1))
    assert len(library.scan(path, Settings(batch_bytes=1)).rejects) == 5


def test_dicts_without_the_field_of_texts() -> None:
    with pytest.raises(SchemaError, match=r"^<records>: field 'text' is missing \(fields there: id, body\)$"):
        library.scan(LACKING)
    assert len(library.scan([*LACKING, RECORD]).rejects) == 3
    assert library.scan([]).summary["documents"] == 0
