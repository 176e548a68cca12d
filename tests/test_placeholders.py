"""Placeholders that nobody filled in, texts that only look like them, and the bytes that give them away."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from endtoend import CORPUS, rows
from hypothesis import given
from hypothesis import strategies as st
from strategies import utf8

from dedup.kernels.triggers import OPENERS, TRIGGERS, flag_triggers
from dedup.placeholders import Severity, find_placeholders, worst

HOLE, NOTE, TEMPLATE = Severity.HOLE, Severity.NOTE, Severity.TEMPLATE

# A text, the syntax of its first placeholder, and what that covers; nothing stands for all of it.
FOUND = [
    ("[Insert a short summary of the match]", "bracketed_instruction", ""),
    ("- [Add two photos of the finished cake]", "bracketed_instruction", "[Add two photos of the finished cake]"),
    ("The bridge, built in [insert year], is closed.", "bracketed_slot", None),
    ("Regards, [Your Name]", "bracketed_slot", "[Your Name]"),
    ("Rent starts at $[AMOUNT] a month in [CITY 1].", "bracketed_slot", "[AMOUNT]"),
    ("We at [Company Name] are proud of our dogs.", "bracketed_slot", "[Company Name]"),
    ("Sold by [CLIENT_NAME] since 1990.", "bracketed_slot", "[CLIENT_NAME]"),
    ("She has [X] years of practice.", "bracketed_slot", "[X]"),
    ("Opened in [XX].", "bracketed_slot", "[XX]"),
    ("Dear [Tenant's name],", "bracketed_slot", "[Tenant's name]"),
    ("The meeting is on [date] in the hall of [city].", "bracketed_slot", "[date]"),
    ("[Photo caption to come]", "bracketed_instruction", ""),
    ("[IMAGE: an otter asleep on a raft]", "bracketed_instruction", ""),
    ("[PHOTO 2: rights pending]", "bracketed_instruction", ""),
    ("Dear {customer_name},", "braces", "{customer_name}"),
    ("[NAME OF AUTHOR]", "bracketed_slot", ""),
    ("[Quote from the keeper about the storm]", "bracketed_instruction", ""),
    ("TODO write the ending", "instruction", ""),
    ("Placeholder text", "instruction", ""),
    ("It costs XX € a night.", "x_number", "XX €"),
    ("（図を挿入）", "bracketed_instruction", ""),
    ("[STICKY BANNER WIDGET]", "bracketed_instruction", ""),
    ("(chart of prices goes here)", "bracketed_instruction", ""),
    ("- (Insert map of the ferry line)", "bracketed_instruction", "(Insert map of the ferry line)"),
    ("Hello {{first_name}}, your parcel is on its way.", "double_braces", "{{first_name}}"),
    ("Costs {{ shop.price }} a pound", "double_braces", "{{ shop.price }}"),
    ("{{ votes | short }}", "double_braces", ""),
    ('{{ $t("cart.total") }}', "double_braces", ""),
    ("As of {date}, the fee is the same as ever.", "braces", "{date}"),
    ("Showing {result_count} results", "braces", "{result_count}"),
    ("Call ${phone} before noon.", "dollar_braces", "${phone}"),
    ("A bed from <YOUR BRAND> lasts.", "angle_brackets", "<YOUR BRAND>"),
    ("Says <<SPEAKER_NAME>>, who was there.", "double_angle_brackets", "<<SPEAKER_NAME>>"),
    ("Trams in %%CITY%% stop at nine.", "double_percent", "%%CITY%%"),
    ("He told #OUTLET# that he would stay.", "hashes", "#OUTLET#"),
    ("On sale from __RELEASE_DATE__ on.", "double_underscores", "__RELEASE_DATE__"),
    ("Picture: [[photo_credit]]", "double_square_brackets", "[[photo_credit]]"),
    ('{% include "teaser.html" %}', "template_directive", ""),
    ("<!-- editor: check the spelling of the captain -->", "html_comment", ""),
    ("Sales rose XX% in May.", "x_number", "XX%"),
    ("It pays X.XX% a year.", "x_number", "X.XX%"),
    ("Torque of XX Nm", "x_number", "XX Nm"),
    ("From $XX,XXX upwards", "x_number", "$XX,XXX"),
    ("ab XX,XX Euro", "x_number", "XX,XX Euro"),
    ("現在の価格はXX円です。", "x_number", "XX円"),
    ("Ring +7 (XXX) XXX-XX-XX today", "x_number", "+7 (XXX) XXX-XX-XX"),
    ("Signed: ____________", "form_line", None),
    ("Witness for the tenant, __/__/____", "form_line", "__/__/____"),
    ("TODO: add the name of the horse", "todo", ""),
    ("- TODO (Ana): check the distance", "todo", "TODO (Ana): check the distance"),
    ("TODO: Bild vom Hafen ergänzen", "todo", ""),
    ("Buy the kettle here: INSERT AFFILIATE LINK", "insert_capitals", "INSERT AFFILIATE LINK"),
    ("INSERT QUIZ WIDGET HERE", "insert_capitals", ""),
    ("Written by TKTK", "to_come", "TKTK"),
    ("Lorem ipsum dolor sit amet, consectetur adipiscing elit.", "lorem_ipsum", None),
    ("Insert a photo of the crew here", "instruction", ""),
    ("Hier Foto vom Stollen einfügen", "instruction", ""),
    ("〇〇市の△△駅から歩く。", "circles", "〇〇"),
    ("駅から徒歩〇分です。", "circles", "〇"),
]  # fmt: skip

NOTES = [
    "The tower leans by four degrees.[citation needed]",
    "Most gulls agree.[by whom?]",
    "Doors open at seven, the band is TBD.",
    "Der Fluss ist 40 km lang.[Quelle fehlt]",
    "Le pont date de 1702[réf. nécessaire].",
    "El faro mide 20 metros.[cita requerida]",
    "O farol é azul.[carece de fontes?]",
    "Il faro è basso.[senza fonte]",
    "Город основан в 1702 году[источник не указан 90 дней].",
    "Wieża runęła[potrzebny przypis].",
    "塔は三度倒れた[要出典]。",
    "灯塔高二十米[来源请求]。",
    "開館は十時（要確認）、閉館は五時です。",
    "등대는 낮다[출처 필요].",
    "TODO: one day I will paint the other side of the boat as well.",
]

OTHER_LANGUAGES = [
    "[Hier bitte Zitat des Bürgermeisters einfügen]",
    "Ansprechpartner ist [Ihr Name] in Halle 3.",
    "[Insérer une photo du port]",
    "Écrit par [Votre nom], à Brest.",
    "[Insertar aquí el mapa de la ruta]",
    "Firmado: [Su nombre]",
    "[Inserir citação do prefeito]",
    "[Inserire qui la foto della torre]",
    "[Foto invoegen]",
    "[Wstaw zdjęcie latarni]",
    "[Vložte fotografii mostu]",
    "[Вставьте цитату капитана]",
    "Автор: [Имя Фамилия]",
    "[Вставте фото моста]",
    "[Εισαγάγετε φωτογραφία του λιμανιού]",
    "[Buraya fotoğraf ekleyin]",
    "[أدخل اسم السفينة]",
    "[הכנס תמונה של הגשר]",
    "[此处插入灯塔照片]",
    "详情见【链接待补】",
    "[ここに灯台の写真を挿入]",
    "【写真は後で差し替え】",
    "[여기에 사진을 삽입]",
    "[Masukkan foto jembatan]",
    "[Chèn ảnh cây cầu]",
    "[Infoga bild på bron]",
    "PENDIENTE: añadir el precio del billete",
]

CODE = [
    "x = a[0] + b[i]", "values = [1, 2, 3]", "def f(names: list[str]) -> None:", "echo ${HOME}/bin",
    "cd $PATH", "const text = `Hello ${name}, you are ${age}`;", 'print(f"Hello {name}, you are {age}")',
    "if (__FILE__) { return; }", "The macro __FILE__ holds the name, __LINE__ the number.",
    "def __init__(self):", "class Box<T> { }", "<div class='x'>{title}</div>",
    "let v: Vec<u8> = Vec::new();", "copy <file> [options]", "usage: tool [NAME] [DATE]",
    "Get-Boat [-Name <String>] [[-Port] <Int32>] [<CommonParameters>]", r"\frac{name}{city} \cite{date}",
    "# TODO: fix the loop", "x += 1  // TODO: check the sign", "INSERT INTO boats (NAME) VALUES (1);",
    '{"name": "{city}"}', "In Python, `{name}` and `{{name}}` differ.", "style={{ color: 'red' }}",
    "{% for boat in boats %}{{ boat.name }}{% endfor %}",
    "A template may hold {{ name }} or ${name}, and [Insert name here] too.",
    "curl https://example.org/{name}/{date}",
]  # fmt: skip

PROSE = [
    "As shown before [12], and again [3, p. 4].", "It was late [Smith 2010; Doe 2011].",
    "He was a good sailer [sic].", "[...] and so it ended [...]", "[…] und so weiter",
    "It was [emphasis added] his boat.", "[laughter] Thank you. [applause]", "[Music]",
    "See [the chart](https://example.org/chart) for more.", "See [Insert name][ref] for more.",
    "![Insert chart](chart.png)", "History [edit]", "[hide] [show]", "[PDF]", "[Video]",
    "He said [the minister] would come.", "Pope John XX ruled for ten months.",
    "Super Bowl XX was played in January.", "In the XX century, all was well.",
    "Women have two X chromosomes, XX, men XY.", "Sizes: S, M, L, XL, XXL",
    "Call 555-XXX-XXXX with your card.", "XXX movies",
    "二〇二五年のことである。", "結果は〇×で示す。", "○ 参加する", "◯ はい",
    "[Read more]", "[Add to cart]", "[My Account]", "[Your Cart]", "[Enter]", "[MUSIC PLAYING]",
    "[NEW VIDEO FORMAT AVAILABLE]", "[Updated Dec 3, 2025]", "[1]: https://example.org",
    "[Tested and reviewed]", "[Complete with pictures]", "[Fact check]", "[اضغط هنا]", "[발표 자료]",
    "[댓글 입력]", "[podaj dalej]", "[发表评论]", "[Добавить комментарий]", "[Patent pending]",
    "(insert your own joke)", "(read about it here)", "(here)", "Insert the key here and turn it twice.",
    "Hier wohnt der Kapitän mit seiner Frau.", "INSERT COIN", "The TODO list is long.",
    "No me gusta TODO lo que veo.", "Lorem Ipsum", "A lorem ipsum generator", "#BREAKING# #NBA# #news",
    "50%% off", "a << b >> c", "午前〇時に始まる。", "「××町へ行く」と彼は言った。", "{even} and {odd}", "<b>Bold</b>",
    "<http://example.org>", "__bold__", "He has a [[boat]] and a [[Sail|sail]].", "I live in [[Paris]].",
    "She asked what [your country] can do.", "Fill in: kids like ______ sleep by themselves.",
    "______________", "A|B __ C", "tbd@example.org and TBD@example.org",
]  # fmt: skip


@pytest.mark.parametrize(("text", "syntax", "span"), FOUND)
def test_each_syntax_is_found(text: str, syntax: str, span: str | None) -> None:
    found = find_placeholders(text)
    assert found
    assert found[0].severity >= HOLE
    if span is not None:
        assert found[0].syntax == syntax
        assert text[found[0].start : found[0].end] == (span or text)


@pytest.mark.parametrize("text", OTHER_LANGUAGES)
def test_other_languages_are_found(text: str) -> None:
    assert (worst(text) or 0) >= HOLE


@pytest.mark.parametrize("text", NOTES)
def test_notes_do_not_spoil_a_text(text: str) -> None:
    assert worst(text) == NOTE


@pytest.mark.parametrize("text", CODE + PROSE)
def test_nothing_is_found(text: str) -> None:
    assert find_placeholders(text) == []


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("[Insert name]", TEMPLATE),
        ("- [Insert name]", TEMPLATE),
        ("1. [Insert name] / {{date}}.", TEMPLATE),
        ("TBD", TEMPLATE),
        ("[citation needed]", TEMPLATE),
        ("Name: [Insert name]", HOLE),
        ("It is {{date}}, TBD.", HOLE),
        ("It is late.", None),
        ("", None),
    ],
)
def test_a_block_of_placeholders_is_a_template(text: str, severity: Severity | None) -> None:
    assert worst(text) == severity


def test_placeholders_come_in_order() -> None:
    text = "In [CITY], {{name}} sold XX% of <YOUR BRAND> to ${buyer} [source needed]."
    found = find_placeholders(text)
    assert [text[one.start : one.end] for one in found] == [
        "[CITY]", "{{name}}", "XX%", "<YOUR BRAND>", "${buyer}", "[source needed]",
    ]  # fmt: skip
    assert [one.severity for one in found] == [HOLE] * 5 + [NOTE]


pieces = st.one_of(
    st.sampled_from([text for text, _, _ in FOUND] + NOTES + OTHER_LANGUAGES + CODE + PROSE + list(TRIGGERS)),
    st.sampled_from(
        ["[", "]", "{", "}", "{{", "}}", "<", ">", "%", "_", "X", "XX", "#", "(", ")", "（", "）", "【", "】", "`", "$"]
    ),
    st.sampled_from(
        ["Insert", "name", "TODO", ":", "TBD", "Lorem", "ipsum", "dolor", "sit", "〇", "待", "补", " ", "\n", "- "]
    ),
    st.sampled_from([opener.replace("\1", "a") for opener in OPENERS]),
    st.text(max_size=4),
)
hostile = st.lists(pieces, max_size=8).map("".join).filter(lambda text: text.isprintable() or "\n" in text)


@given(hostile)
def test_spans_are_in_order_inside_the_text(text: str) -> None:
    end = 0
    for one in find_placeholders(text):
        assert end <= one.start < one.end <= len(text)
        end = one.end


def flagged(blocks: list[str], between: str = "") -> list[bool]:
    """Return which of some blocks the kernel marks, when they stand one behind the other."""
    data, bounds = utf8([between, *(part for block in blocks for part in (block, between))])
    flags: npt.NDArray[np.bool_] = np.ones(len(blocks), np.bool_)
    flag_triggers(data, bounds[1:-1:2].copy(), bounds[2::2].copy(), flags)
    return [bool(flag) for flag in flags]


def has_trigger(text: str) -> bool:
    """Whether a text holds a trigger, byte by byte."""
    data = text.encode()
    capitals = set(range(65, 91))
    meant = {1: capitals | set(range(97, 123)) | set(range(0x80, 0x100)), 2: capitals}

    def stands(trigger: bytes, at: int) -> bool:
        part = data[at : at + len(trigger)]
        return len(part) == len(trigger) and all(c in meant.get(w, {w}) for w, c in zip(trigger, part, strict=True))

    places = [0, 2] if data[1:2] == b" " else [0]
    return any(stands(trigger.encode(), at) for trigger in TRIGGERS for at in range(len(data))) or any(
        stands(opener.encode(), at) for opener in OPENERS for at in places
    )


@given(st.lists(hostile, max_size=6), st.sampled_from(["", "\n", " [x {{ ", "\n" * 70]))
def test_blocks_are_flagged_that_hold_a_trigger(blocks: list[str], between: str) -> None:
    assert flagged(blocks, between) == [has_trigger(block) for block in blocks]


@given(hostile)
def test_whatever_is_found_was_flagged(text: str) -> None:
    if find_placeholders(text):
        assert flagged([text]) == [True]


@pytest.mark.parametrize("before", [0, 1, 61, 62, 63, 64, 65, 127])
@pytest.mark.parametrize("trigger", [*TRIGGERS, *OPENERS])
def test_triggers_are_found_wherever_they_stand(before: int, trigger: str) -> None:
    text = trigger.replace("\1", "é").replace("\2", "A")
    blocks = ["x" * before, text, text[:-1], "y" * 70]
    assert flagged(blocks) == [has_trigger(block) for block in blocks]
    assert flagged([text]) == [True]


def test_labelled_placeholders_are_found_and_nothing_else() -> None:
    texts = {row["id"]: row["text"].encode() for row in rows(CORPUS / "articles.jsonl")}
    found, labelled = set(), set()
    for label in rows(CORPUS / "labels.jsonl"):
        text = texts[label["doc"]][label["start"] : label["end"]].decode()
        if (worst(text) or 0) >= HOLE:
            found.add((label["doc"], text))
        if label["role"] == "boilerplate:placeholder":
            labelled.add((label["doc"], text))
    assert labelled
    assert found - labelled == set()
    assert labelled - found == set()


@pytest.mark.parametrize(
    "unit",
    [
        "[", "]", "[a", "[[", "{", "{{", "{{a", "{a", "${", "${a", "<", "<<", "<<A_", "<YOUR ", "<!--",
        "<!-- todo ", "_", "__A", "A_", "X", "XX ", "X,", "X.X", "XX%", "%%", "%%a", "#A", "(", "（待",
        "【", "【待", "TODO", "TODO: ", "TODO(", "TBD", "TKTK", "INSERT ", "INSERT A ", "Lorem ",
        "Lorem ipsum ", "〇", "〇〇市", "`", "`a", "“like “", "Signed ", "Signed: _", "[Insert ", "[X] ",
        "[date] ", "{{a}} ", "{a} b c d ", "http://", "<a ", "a  ", "template {{a}} ", "\n", " ", "[名を",
        "[此处", "$a", '"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("start", ["", "[Insert ", "TODO: ", "{{"])
def test_hostile_texts_take_no_longer_than_others(unit: str, start: str) -> None:
    text = start + unit * (200_000 // len(unit))
    before = time.process_time()
    find_placeholders(text)
    assert time.process_time() - before < 2.5  # a second for a million characters, and some air


@pytest.mark.parametrize(("corpus", "most"), [("versions", 0), ("japanese", 0), ("sites", 2), ("chinese", 4)])
def test_real_texts_hold_few_placeholders(shared_data: Path, corpus: str, most: int) -> None:
    path = next((shared_data / corpus).glob("*.jsonl.gz"))
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = [line for row in file for line in json.loads(row)["text"].split("\n")]
    flags = flagged(lines)
    assert 0 < sum(flags) < 0.2 * len(lines)
    severities = [worst(line) for line in lines]
    assert all(flag for flag, severity in zip(flags, severities, strict=True) if severity is not None)
    assert sum((severity or 0) >= HOLE for severity in severities) <= most
