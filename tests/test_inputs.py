"""Inputs: what paths, directories and patterns stand for, how formats are told, and what outputs are called."""

from __future__ import annotations

import bz2
import collections
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from endtoend import FERRY, RECORD, command, dedup, files, jsonl, rows, zstd

import dedup as library
from dedup import InputError, NotFound, Settings, SettingsError
from dedup.formats import File, open_inputs
from dedup.formats.compression import detect_codec
from dedup.formats.detect import inner, parents
from dedup.formats.jsonl import JsonLines
from dedup.formats.memory import Records
from dedup.formats.outputs import Outputs
from dedup.formats.registry import FORMATS, begins_object, recognise
from dedup.formats.text import TextTree
from dedup.settings import FormatName

WINTER = "In winter the boat stays in the yard, where its planks are caulked anew."
LINE = jsonl([RECORD])


def write(root: Path, **texts: Any) -> None:
    """Write files; two underscores in a name are a slash, one before the suffix a dot."""
    for name, data in texts.items():
        put(root / name.replace("__", "/").replace("_", "."), data)


def put(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def names(inputs: Any, as_format: FormatName | None = None) -> list[str]:
    return [one.name for one in open_inputs(inputs, as_format)]


def test_every_format_has_a_name() -> None:
    assert set(FORMATS) == set(get_args(FormatName))
    with pytest.raises(SettingsError, match="format='pdf' is not allowed: one of jsonl, json, csv"):
        Settings(format="pdf")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.jsonl", b"", "jsonl"),
        ("a.NDJSON", b"no JSON", "jsonl"),
        ("a.json.zst", LINE, "jsonl"),
        ("a.txt", LINE, "text"),
        ("a.md.gz", b"<html>", "text"),
        ("page.HTM", b"text", "html"),
        ("page", b" \n<!DOCTYPE HTML>", "html"),
        ("page.php", b"\xef\xbb\xbf<html lang=en>", "html"),
        ("crawl", b"WARC/1.0\r\n", "warc"),
        ("crawl.jsonl", b"WARC/1.1\r\n", "warc"),
        ("crawl.warc.gz", b"", "warc"),
        ("crawl.wet", b"text", "warc"),
        ("part-0", LINE, "jsonl"),
        ("part-1.snappy", zstd(LINE), "jsonl"),
        ("part-2", b'\xef\xbb\xbf {"text": "' + b"x" * 9999, "jsonl"),
        ("part-3", b"{}\r\n" + LINE, "jsonl"),
        ("package", b'{\n "name": "x"\n}\n', None),
        ("set.py", b'{"a", "b"}.add(x)\n', None),
        ("image.png", b"\x89PNG\r\n\x1a\n\0", None),
        ("empty", b"", None),
        ("list", b"[1, 2]", None),
        ("log", b"[12:00:00] started\n", None),
        ("array", b'\xef\xbb\xbf[\n {"text": "x"}, ...', "json"),
        ("array.JSON", b"[1, 2]", "json"),
        ("array.jsonl", b'[{"text": "x"}]', "json"),
        ("arrays.jsonl", b"[1]\n[2]\n", "jsonl"),
        ("dataset_info.json", b'{\n "name": "x"\n}\n', None),
        ("a.tab", b"", "tsv"),
        ("a.csv", b'{"text": "x"}', "csv"),
        ("names", b"id,text\n1,x\n", None),
        ("a.csv", b"PAR1", "parquet"),
        ("a.pq", b"", "parquet"),
        ("stream", b"\xff\xff\xff\xff", "arrow"),
    ],
)
def test_formats_are_told(tmp_path: Path, name: str, data: bytes, told: str | None) -> None:
    assert recognise(str(put(tmp_path / name, data))) == told
    if detect_codec(data) is None:
        assert recognise(str(put(tmp_path / name, gzip.compress(data)))) == told


def test_objects_at_the_beginning() -> None:
    assert all(map(begins_object, (b'{"a": 1}', b' {"a": "}"}\n{', b"{}", b'{ "a', b'{"a": 1}  \r\nx')))
    assert not any(map(begins_object, (b"", b"{", b"{\n", b'{"a": 1\n}', b"{a: 1}", b"x{}", b'{"a": 1}, x\n')))


def test_directories_hold_anything(tmp_path: Path) -> None:
    root = tmp_path / "crawl"
    write(
        root,
        b_txt=FERRY, a__c_md=WINTER, a__x_jsonl=LINE, b__x_jsonl=LINE, b__y_jsonl_gz=gzip.compress(LINE),
        part=LINE, script_py="print(1)", image_PNG=b"\x89PNG", README="no suffix",
        note_txt_gz=gzip.compress(b"A note."),
    )  # fmt: skip
    put(root / ".hidden.jsonl", LINE)
    put(root / ".git" / "x.jsonl", LINE)
    opened = open_inputs(str(root))
    assert [one.name for one in opened] == [
        "crawl", "crawl/a/x.jsonl", "crawl/b/x.jsonl", "crawl/b/y.jsonl.gz", "crawl/note.txt.gz", "crawl/part",
    ]  # fmt: skip
    assert opened.ignored == {".png": 1, ".py": 1, "no suffix": 1}
    done = dedup("clean", root, "-o", tmp_path / "out", "--allow", "--keep", "exact_duplicate_document")
    (line,) = [one for one in done.stdout.decode().splitlines() if one.startswith("ignored files")]
    assert line.endswith(" 3  of no format that is read: 1 .png, 1 .py, 1 no suffix")
    cleaned = files(tmp_path / "out")
    assert cleaned.keys() - {"removals.jsonl", "rejects.jsonl", "summary.json"} == {
        "crawl/b.txt", "crawl/a/c.md", *(one.name for one in opened[1:])
    }  # fmt: skip
    dedup("clean", "--undo", tmp_path / "out", "-o", tmp_path / "back")
    assert files(tmp_path / "back") == {name: data for name, data in files(tmp_path).items() if name in cleaned}
    told = dedup("score", root, "--json")
    assert told.stderr.startswith(b"dedup: 3 files ignored, of no format that is read: 1 .png")
    assert len(told.stdout.splitlines()) == 7


def test_directories_of_one_format(tmp_path: Path) -> None:
    root = tmp_path / "crawl"
    write(root, a_txt=FERRY, b_jsonl=LINE, c_py="x = 1", d_html="<html><p>" + FERRY * 9)
    assert names(str(root), "text") == ["crawl"]
    opened = open_inputs(str(root), "jsonl")
    assert ([one.name for one in opened], opened.ignored) == (["crawl/b.jsonl"], {".html": 1, ".py": 1, ".txt": 1})
    (root / "b.jsonl").unlink()
    assert names(str(root), "jsonl") == ["crawl/a.txt", "crawl/c.py", "crawl/d.html"]  # as the caller knows best
    run = library.scan(root, Settings(format="text"))
    assert run.documents["doc"].to_pylist() == ["a.txt"]
    assert run.summary["settings"]["format"] == "text"
    for name in ("a.txt", "d.html"):
        (root / name).unlink()
    with pytest.raises(InputError, match="crawl: holds no files of a format that is read: see --format"):
        library.scan(root)
    assert library.scan(root, Settings(format="text")).documents["doc"].to_pylist() == ["c.py"]


def test_a_format_that_is_given(tmp_path: Path) -> None:
    path = put(tmp_path / "notes.log", LINE)
    assert dedup("scan", path, "-o", tmp_path / "run", "--format", "text", "--json").returncode == 0
    run = library.Run.open(tmp_path / "run")
    assert run.documents["doc"].to_pylist() == ["notes.log"]
    assert library.scan(path).documents["doc"].to_pylist() == ["good"]
    # what was scanned as text is cleaned as text
    library.clean(path, tmp_path / "out", run=run)
    assert (tmp_path / "out" / "notes.log").read_bytes() == LINE
    failed = dedup("scan", path, "-o", tmp_path / "run", "--format", "pdf", code=2)
    assert b"is not one of" in failed.stderr


def test_standard_input_of_a_format(tmp_path: Path) -> None:
    text = f"{FERRY}\n\n{WINTER}\n\n{FERRY}\n"
    done = dedup("clean", "-", "-o", "-", "--format", "text", stdin=gzip.compress(text.encode()))
    assert gzip.decompress(done.stdout).decode() == f"{FERRY}\n\n{WINTER}\n"
    bad = put(tmp_path / "bad.txt", b"\xff")
    library.clean([bad, put(tmp_path / "good.txt", FERRY)], tmp_path / "out")
    (row,) = rows(tmp_path / "out" / "rejects.jsonl")
    assert (row["input"], row["line"], row["file"]) == (str(bad), 1, "bad.txt")
    dedup("clean", "-", "-o", tmp_path / "out", "--format", "text", stdin=b"\xff" + text.encode(), code=1)
    dedup("scan", "-", "-o", tmp_path / "run", stdin=b'{"text": "x"}\nno')
    run = library.Run.open(tmp_path / "run")
    assert run.documents["doc"].to_pylist() == ["stdin.jsonl:1"]
    assert [row["file"] for row in run.rejects] == ["<stdin>"]


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path / "crawl",
        b_jsonl=LINE, a_jsonl=LINE, x__a_jsonl=LINE, x__y__a_jsonl=LINE, x__note_txt=FERRY, image_png=b"\x89",
    )  # fmt: skip
    put(tmp_path / "crawl" / ".c.jsonl", LINE)
    assert names("crawl/*.jsonl") == ["a.jsonl", "b.jsonl"]
    assert names("crawl/**/*.jsonl") == ["a.jsonl", "b.jsonl", "x/a.jsonl", "x/y/a.jsonl"]
    assert names(["crawl/?.jsonl", "crawl/x/[a-c].jsonl", "crawl/b.jsonl"]) == [
        "a.jsonl",
        "b.jsonl",
        "a-2.jsonl",
        "b-2.jsonl",
    ]
    assert names(str(tmp_path / "*" / "x" / "*.txt")) == ["crawl/x/note.txt"]
    assert names("*/b.jsonl") == ["crawl/b.jsonl"]
    assert names("crawl/../*/b.jsonl") == ["crawl/b.jsonl"]
    assert names("*/../*/b.jsonl") == ["crawl/b.jsonl"]
    opened = open_inputs("crawl/*")
    assert ([one.name for one in opened], opened.ignored) == (
        ["a.jsonl", "b.jsonl", "x", "x/a.jsonl", "x/y/a.jsonl"], {".png": 1}
    )  # fmt: skip
    # a directory stands for what is below it, so nothing is read twice
    assert names("crawl/**") == ["crawl", "crawl/a.jsonl", "crawl/b.jsonl", "crawl/x/a.jsonl", "crawl/x/y/a.jsonl"]
    with pytest.raises(NotFound, match=r"nothing is like crawl/\*\.parquet"):
        library.scan(["crawl/a.jsonl", "crawl/*.parquet"])
    with pytest.raises(InputError, match=r"crawl/\*\.png: nothing like this is of a format that is read"):
        library.scan("crawl/*.png")
    assert names("crawl/*.png", "jsonl") == ["image.png"]
    failed = dedup("scan", "nothing*", "-o", "run", code=1)
    assert failed.stderr == b"dedup: nothing is like nothing*\n"
    library.clean("crawl/**/*.jsonl", "out", Settings(allow=True, drop=frozenset()))
    assert (tmp_path / "out/x/y/a.jsonl").read_bytes() == LINE


def test_names_with_the_characters_of_patterns(tmp_path: Path) -> None:
    odd = put(tmp_path / "a[1]*?.jsonl", LINE)
    put(tmp_path / "a1.jsonl", LINE)
    assert [one.path for one in open_inputs(str(odd))] == [str(odd)]
    assert names(str(tmp_path / "a[1].jsonl")) == ["a1.jsonl"]
    assert names(str(tmp_path / "*[[]*")) == ["a[1]*?.jsonl"]
    tree = tmp_path / "[dir]"
    put(tree / "x[0-9].txt", FERRY)
    put(tree / "y*.jsonl", LINE)
    assert names(str(tree)) == ["[dir]", "[dir]/y*.jsonl"]
    library.clean(tree, tmp_path / "out", Settings(allow=True, drop=frozenset()))
    assert {"[dir]/x[0-9].txt", "[dir]/y*.jsonl"} < files(tmp_path / "out").keys()
    for nonsense in ("a\0b", "x" * 5000, str(odd / "below")):
        with pytest.raises(NotFound):
            library.scan(nonsense)


def test_names_stay_apart(tmp_path: Path) -> None:
    write(
        tmp_path,
        one__crawl__a_jsonl=LINE, two__crawl__a_jsonl=LINE, two__crawl__t_txt=FERRY, three__crawl=LINE,
        one__crawl__p_html="<p>x", one__crawl_jsonl=LINE,
    )  # fmt: skip
    paths = [str(tmp_path / name) for name in ("one/crawl", "two/crawl", "three/crawl", "one/crawl.jsonl")]
    assert names(paths) == [
        "crawl.jsonl", "crawl/a.jsonl", "crawl-2", "crawl-2/a.jsonl", "crawl-3", "crawl-2.jsonl"
    ]  # fmt: skip
    assert names(paths[::-1]) == [
        "crawl.jsonl", "crawl", "crawl-2", "crawl-2/a.jsonl", "crawl-3.jsonl", "crawl-3/a.jsonl"
    ]  # fmt: skip
    assert names([paths[3], f"{tmp_path}/one/*/a.jsonl", f"{tmp_path}/two/*/a.jsonl", paths[2]]) == [
        "crawl.jsonl", "crawl/a.jsonl", "crawl/a-2.jsonl", "crawl-2"
    ]  # fmt: skip
    write(tmp_path, two__crawl__b_jsonl=LINE)
    assert names([paths[2], f"{tmp_path}/two/*/*.jsonl"]) == ["crawl", "crawl-2/a.jsonl", "crawl-2/b.jsonl"]
    (tmp_path / "two/crawl/b.jsonl").unlink()
    cleaned = library.clean(paths, tmp_path / "out", Settings(drop=frozenset()))
    assert cleaned.path is not None
    assert len(files(cleaned.path)) == 7 + 2
    for name in ("removals.jsonl/a.jsonl", "summary.json/b.txt"):
        put(tmp_path / name, LINE)
        with pytest.raises(InputError, match="rename the input"):
            library.clean((tmp_path / name).parent, tmp_path / "out")


def test_nothing_is_written_elsewhere(tmp_path: Path) -> None:
    outputs = Outputs(Settings(), root=tmp_path / "out")
    (source,) = cast("list[File]", open_inputs(put(tmp_path / "in.jsonl", LINE)))
    for name in ("../x.jsonl", "a/../../x.jsonl", str(tmp_path / "x.jsonl")):
        with pytest.raises(library.StoreError, match="would leave the output directory"):
            outputs.write(name, b"x", source)
    assert [one.name for one in tmp_path.iterdir()] == ["in.jsonl"]
    assert parents("a/b/c") == ["a", "a/b"]
    assert [inner(one) for one in ("a/b", "../a", "/a", "a/../b")] == ["a/b", "", "", ""]


def test_what_this_package_wrote_is_no_input(tmp_path: Path) -> None:
    path = put(tmp_path / "in.jsonl", LINE + jsonl([{"text": f"{WINTER}\n{FERRY}"}]) + b"bad")
    library.clean([path], tmp_path / "out", Settings(allow=True))
    library.scan(path, Settings(allow=True), out=tmp_path / "run")
    assert names(str(tmp_path / "out")) == ["out/in.jsonl"]
    assert (tmp_path / "run" / "sketches").is_dir()
    with pytest.raises(InputError, match="holds no files"):
        open_inputs(tmp_path / "run")
    opened = open_inputs(tmp_path)
    assert [Path(one.path).name for one in opened] == ["in.jsonl"]
    assert opened.ignored["directories of dedup's own"] == 2


def test_links(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    put(root / "a.txt", FERRY)
    put(tmp_path / "elsewhere" / "b.jsonl", LINE)
    (root / "again").symlink_to(root)
    (root / "sub").mkdir()
    (root / "sub" / "up").symlink_to("..")
    (root / "b.jsonl").symlink_to(tmp_path / "elsewhere" / "b.jsonl")
    (root / "lost.png").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    opened = open_inputs(str(root))
    assert [one.name for one in opened] == ["tree", "tree/b.jsonl"]
    assert opened.ignored == {".png": 1, "links to directories": 2, "no suffix": 1}
    for name in ("loop.txt", "lost.jsonl"):
        (root / name).symlink_to(name if name == "loop.txt" else "nowhere")
        with pytest.raises(NotFound, match=f"cannot read .*tree/{name}: "):
            open_inputs(str(root))
        failed = dedup("scan", root / name, "-o", tmp_path / "run", code=1)
        assert str(root / name) in failed.stderr.decode()
        (root / name).unlink()


def test_what_is_no_file(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    put(root / "a.txt", FERRY)
    os.mkfifo(root / "pipe.jsonl")  # would wait for ever
    os.mkfifo(root / "pipe")
    opened = open_inputs(str(root))
    assert ([one.name for one in opened], opened.ignored) == (["tree"], {".jsonl": 1, "no suffix": 1})
    assert names(f"{root}/*") == ["a.txt"]
    assert names(str(root), "jsonl") == ["tree/a.txt"]


@pytest.mark.parametrize("name", ["secret.txt", "secret.jsonl", "secret", "sub/secret.txt"])
def test_files_that_may_not_be_read(name: str) -> None:
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:  # those of pytest are its user's alone
        root = Path(folder) / "tree"
        put(root / "a.txt", FERRY)
        path = put(root / name, LINE)
        hidden = path.parent if "/" in name else path
        hidden.chmod(0)
        Path(folder).chmod(0o755)
        try:
            if user == 0:  # nothing is hidden from root
                os.seteuid(65534)
            for given in (root, path) if "/" in name else (root, path, f"{root}/**"):
                with pytest.raises(NotFound, match=f"cannot read ({hidden}|{path}): Permission denied"):
                    collections.deque(chunk for one in open_inputs(given) for chunk in one.chunks(99))
        finally:
            os.seteuid(user)
            hidden.chmod(0o700)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"tr\xe9e")
    odd = os.fsdecode(b"\xff")
    put(root / f"{odd}.txt", FERRY)
    put(root / f"{odd}.jsonl", LINE + b"bad")
    put(root / f"{odd}.{odd}", b"\x89")
    opened = open_inputs(f"{tmp_path}/tr*")
    assert opened.ignored == {".\\udcff": 1}
    cleaned = library.clean(root, tmp_path / "out", Settings(allow=True, drop=frozenset()))
    assert json.loads((tmp_path / "out" / "summary.json").read_bytes())["inputs"][0].endswith("tr\\udce9e")
    back = library.undo(cleaned.path or "", tmp_path / "back") / root.name
    assert {one.name for one in back.iterdir()} == {f"{odd}.txt", f"{odd}.jsonl"}
    with pytest.raises(NotFound, match="nothing is like "):
        library.scan(str(root / f"{odd}*.parquet"))
    failed = dedup("scan", root / f"{odd}.gone", "-o", tmp_path / "run", code=1)
    assert b"\\udcff.gone does not exist" in failed.stderr


def test_progress_goes_through_all_inputs(tmp_path: Path) -> None:
    paths = [put(tmp_path / f"{k}.jsonl", LINE * 50) for k in range(3)]
    seen: list[tuple[int, int | None]] = []
    library.scan(
        paths, Settings(allow=True, batch_bytes=999),
        progress=lambda stage, done, total: seen.append((done, total)) if stage == "reading" else None,
    )  # fmt: skip
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (150 * len(LINE), 150 * len(LINE))


def test_readers_are_inputs(tmp_path: Path) -> None:
    path = put(tmp_path / "in.jsonl", LINE)
    readers = [JsonLines(str(path), 0), TextTree(str(put(tmp_path / "a.txt", WINTER)), 1)]
    assert open_inputs(readers) == readers
    assert library.scan(readers).documents["doc"].to_pylist() == ["good", "a.txt"]
    assert isinstance(open_inputs([])[0], Records)


class Slow(io.RawIOBase):
    """A pipe through which a few bytes come at a time."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._data.read(min(len(buffer), 700))
        buffer[: len(data)] = data
        return len(data)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("seekable", [False, True])
def test_standard_input_is_told_by_as_much_as_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool, seekable: bool
) -> None:
    # by the first 8 kB these are no fields: the first record goes on behind
    data = f"id,{'note ' * 3},text\n".encode() + b"".join(
        b'%d,"%s","%s"\n' % (k, b"a note\n" * 3000, f"{FERRY} {k}".encode()) for k in range(9)
    )
    path = tmp_path / "in"
    path.write_bytes(bz2.compress(data) if packed else data)
    with path.open("rb") as file:
        pipe = file if seekable else io.BufferedReader(Slow(path.read_bytes()))
        stdin = io.TextIOWrapper(pipe)
        monkeypatch.setattr(sys, "stdin", stdin)
        run = library.scan("-")
        assert run.documents["doc"].to_pylist() == [str(k) for k in range(9)]
        assert not run.rejects
        stdin.detach()


def test_standard_input_is_read_from_where_it_stands(tmp_path: Path) -> None:
    for name, code in (("jsonl", []), ("csv", ["--format", "csv"])):
        path = tmp_path / f"in.{name}"
        header = b"id,text\n" if code else b""
        record = b'%d,"%s"\n' if code else b'{"id": %d, "text": "%s"}\n'
        path.write_bytes(b"what is no record\n" + header + b"".join(record % (k, FERRY.encode()) for k in range(3)))
        with path.open("rb", buffering=0) as file:
            file.seek(len(b"what is no record\n"))
            done = subprocess.run(
                command("scan", "-", "-o", tmp_path / name, "--json", *code),
                stdin=file,
                capture_output=True,
                check=True,
            )
        assert json.loads(done.stdout)["rejects"] == 0
        assert library.Run.open(tmp_path / name).documents["doc"].to_pylist() == ["0", "1", "2"]


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    for form in (None, "csv", "parquet"):
        with pytest.raises(NotFound, match="cannot read <stdin>: it is closed"):
            library.scan("-", Settings(format=cast("Any", form)))


def test_inputs_that_go_before_they_are_read(tmp_path: Path) -> None:
    path = put(tmp_path / "in.jsonl", LINE)
    inputs = open_inputs(path)
    path.unlink()
    with pytest.raises(NotFound, match=f"cannot read {path}: No such file"):
        library.scan(inputs)
