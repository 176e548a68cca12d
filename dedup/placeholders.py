"""A block of text in; the placeholders in it that nobody filled in, out.

Every pattern looks at a bounded stretch of text from wherever it may begin, so a text takes time by its length. What a
bracket holds is judged by words of many languages; what looks like code, a citation, a link or an aside of an editor
is left alone.
"""

from __future__ import annotations

import enum
import functools
import itertools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from dedup.kernels.triggers import OPENERS, TRIGGERS

LONGEST_CODE = 4000  # characters of a block that are searched for signs of code
LONGEST_QUOTE = 120  # characters before a bracket that are searched for the quotation it stands in


class Severity(enum.IntEnum):
    """What a placeholder does to its block."""

    NOTE = 1  # an editor's note in finished text
    HOLE = 2  # a sentence with a hole in it
    TEMPLATE = 3  # nothing but placeholders


class Placeholder(NamedTuple):
    """One placeholder: characters ``start`` to ``end`` of a text, the syntax it is written in, and how bad it is."""

    start: int
    end: int
    syntax: str
    severity: Severity


def _any(words: str) -> str:
    """Return the expression that matches one of the words, which stand between blanks; ``_`` stands for a blank."""
    return "(?:" + "|".join(word.replace("_", r"\s") for word in words.split()) + ")"


def _set(words: str) -> frozenset[str]:
    """Return the words, which stand between blanks, as a set."""
    return frozenset(words.split())


def _classes(trigger: str) -> str:
    """Return the expression of a trigger, see ``TRIGGERS``."""
    beyond = "\x80-\U0010ffff"
    classes = {"\1": f"[A-Za-z{beyond}]", "\2": "[A-Z]"}
    return "".join(classes.get(char) or re.escape(char) for char in trigger)


_TRIGGERED = re.compile(
    "|".join([*map(_classes, TRIGGERS), rf"\A(?:[\0-\x7f] )?(?:{'|'.join(map(_classes, OPENERS))})"]), re.DOTALL
)

# What a template has slots for.
_NOUN = _any(
    """names? surname amounts? city cities town village country county state province region area location place
    address e-?mail phone telephone number numbers dates? times? day month year duration deadline company companies
    products? services? brands? prices? cost rate rates fee authors? writer titles? headline topic subject industry
    positions? role job department organi[sz]ation business website url links? clients? customers? recipient sender
    manager director ceo spokesperson experts? events? venue percentages? percent statistics? stats? figures? data
    references? citations? quotes? quotations? sources? bio biography text description details? examples? keywords?
    outlet images? photos? photographs? pictures? captions? videos? charts? graphs? graphics? maps? tables? diagrams?
    illustrations? screenshots? logo widget embed cta button anecdote story answers? testimonial tweet posts? ad
    banner"""
)
_MEDIA = _any("images? photos? pictures? figures? graphics? charts? maps? videos? tables? screenshots? illustrations?")
_YOURS = _any(
    """name company business product brand city website e-?mail phone address title position topic industry location
    number organi[sz]ation link url"""
)
_SLOT = re.compile(
    rf"""
    (?: your\s{_YOURS}(?:\s\w+){{0,3}} | your(?:\s\w+){{1,2}}\s{_YOURS} | (?:full|first|last|middle)\snames?
      | (?:company|product|brand|city|event|project|client|customer|start|end)\s
        (?:names?|title|date|number|price|location)
      | (?:author|phone|contact|business|store|team|school|organi[sz]ation|manager|job|street)\s(?:names?|title|number)
      | alt\stext | plot\snumber
    ) (?:\s\d{{1,2}})? (?:\shere)?""",
    re.VERBOSE | re.IGNORECASE,
)
_YOUR = re.compile(
    r"(?:Your|YOUR)(?!(?i:\s(?:account|cart|orders?|profile|favou?rites|reviews?|lists?|opinion|views?|basket|settings)))"
    r"(?:\s(?:[A-Z][\w/-]*|of|and|or|here)){1,5}"
)
_SINGLE = _any("name date city amount address company price location country number quantity")
_TITLES = _any(
    "Name Date City Amount Address Company Price Location Country Number Topic Industry Product Signature Brand"
)
_PLAIN_SLOT = re.compile(
    rf"(?:{_TITLES}|{_SINGLE}|[A-Z]\w+['’]s\s(?:full\s)?(?:name|address|e-?mail|number|title)|"
    r"(?:date|time|name|amount|number|city|address|price),\s(?:e\.g\.|\d|your|the|if).*|"
    r"(?:list|address|date|name|amount|description)\sof(?:\s\w+){1,4}|D{1,2}[/.-]M{1,2}[/.-](?:A|Y|J){2,4})"
)
_NAME_OF = re.compile(rf"(?i:names?|date|address)\s(?:of|OF)\s(?:\w+\s){{0,4}}\w+|{_NOUN}\sname\s\d")
_CAPITALS = _any(
    """NAME AMOUNT CITY TOWN COUNTRY COUNTY REGION LOCATION ADDRESS EMAIL PHONE NUMBER DATE COMPANY PRODUCT BRAND PRICE
    AUTHOR OUTLET QUOTE STAT STATS STATISTIC STATISTICS PERCENTAGE CLIENT CUSTOMER EVENT VENUE ORGANIZATION
    ORGANISATION INDUSTRY TOPIC KEYWORD YEAR POSITION JOB NEIGHBORHOOD NEIGHBOURHOOD COMPETITOR EXPERT SPOKESPERSON"""
)
_ADJUNCTS = _any(
    """YOUR COMPANY PRODUCT BRAND CITY CLIENT CUSTOMER FIRST LAST FULL EVENT PROJECT START END CONTACT JOB AUTHOR EXPERT
    STATE STREET PHONE EMAIL DOLLAR TOTAL TARGET MAIN SPECIFIC LOCAL SOURCE BUSINESS WEBSITE"""
)
_CAPITAL_SLOT = re.compile(
    rf"(?:(?!(?:EVENT|JOB|PRODUCT|EXPERT|TOPIC|QUOTE|COUNTRY|POSITION)\Z)(?:{_ADJUNCTS}\s){{0,3}}{_CAPITALS}|"
    r"(?:[A-Z]{2,12}\s){1,3}(?:NAME|NUMBER|DATE|AMOUNT|ADDRESS))(?:\s?#?\d{1,2})?"
)
_SNAKE = re.compile(r"(?!E_|ERR|SQL|WARN|HTTP|WIN|LC_|US_|EN_)[A-Z][A-Z0-9]*+(?:_[A-Z0-9]++){1,6}")
_INSERT = re.compile(r"(?:Insert|INSERT)\s\S.*|insert\s.*?\b" + f"(?:your|{_NOUN})" + r"\b.*", re.DOTALL)
_IMPERATIVE = re.compile(
    r"(?:Add|Embed|Enter|Include|Describe|Mention|Provide|Paste|Place|Put|Replace|Specify|Attach|Fill\sin|Explain|"
    r"Summari[sz]e|Briefly|ADD|EMBED|INCLUDE|REPLACE|PLACE)\s+\S+\s+\S.*|ADD\s[A-Z]+",
    re.DOTALL,
)
_QUOTE_FROM = re.compile(r"(?:Quote|Statistic|Testimonial|Anecdote|QUOTE|STATISTIC)\s(?i:from|about|on)\s.+", re.DOTALL)
_CUE = re.compile(
    rf"\b(?:{_NOUN}|here|e\.g\.|(?:if|as|where)\s(?:available|applicable|needed|relevant))\b", re.IGNORECASE
)
_TO_COME = re.compile(
    r"\b(?:to\s(?:come|follow)|goes?\shere|to\sbe\s(?:added|confirmed|determined|inserted|supplied|provided|announced|"
    r"completed|updated|verified|decided)|pending|tb[dc]|placeholder)\b",
    re.IGNORECASE,
)
_CAPTION = re.compile(
    r"(?:IMAGE|PHOTO|PICTURE|GRAPHIC|CHART|FIGURE|SCREENSHOT|ILLUSTRATION|VIDEO|MAP)(?:\s\d{1,2})?\s?[:–-]\s"
    r"(?:(?:insert|add)\b|(?!courtesy|via|by|from|credit|source)[a-z]\w*(?:\W+\w+){2,}).*",
    re.DOTALL,
)
# The same in other languages: whole contents of a bracket from their beginning, and words anywhere in it.
_INSTRUCTION = re.compile(
    r"""
    # German, Dutch, Swedish, Danish, Norwegian
      .*\S\s(?:einfügen|einsetzen|eintragen|einbinden|nachtragen|nachreichen) | (?!zu\s).+\sergänzen
    | hier\b.*\b(?:hinzufügen|einfügen|ergänzen|einsetzen)\b.*
    | .*\S\s(?:folgt\snoch|wird\snoch\sergänzt|noch\sergänzen|noch\seinfügen)
    | (?:Ihr|Ihre|Dein|Deine)\s(?:Name|Firma|Unternehmen|Stadt|Adresse|Marke|E-?Mail|Telefonnummer|Firmenname)
    | (?:Name|Titel|Datum|Ort)\s(?:der|des|vom)\s.+ | (?:Firmenname|Produktname|Vorname\sNachname)
    | .*\S\s(?:invoegen|invullen) | (?:voeg|vul)\s.+\s(?:in|toe) | .*\bhier\s(?:invoegen|toevoegen)
    | (?:uw|jouw|je)\s(?:naam|bedrijf|bedrijfsnaam|adres|stad|merk) | (?:infoga|sätt\sin|fyll\si)\s.+
    | (?:indsæt|udfyld|tilføj\sher|sett\sinn|fyll\sinn)\s.+ | (?:ditt|dit)\s(?:namn|navn|företag|firma)
    # French
    | (?:insérer|insérez|indiquer|indiquez|compléter|complétez|préciser|précisez|renseigner|renseignez)\s.+
    | (?:ajouter|ajoutez|mettre|mettez|placer|placez)\s.*\bici\b.*
    | (?:.*\s)?à\s(?:compléter|insérer|confirmer|préciser|renseigner)
    | (?:photo|image|légende|citation|lien|carte|texte|visuel|légende\sphoto)\sà\s(?:venir|ajouter)
    | (?:votre|vos)\s(?:nom|prénom|entreprise|adresse|ville|société|marque|numéro|e-?mail)\b.*
    | (?:nom|titre|adresse|date|montant)\s(?:de|du|des)\s.+
    # Spanish, Portuguese, Catalan
    | (?:insertar|inserte|inserta|introducir|introduzca|completar|complete\s(?:con|el|la|los|aquí)|rellenar)\s.+
    | (?:indicar|indique)\s.+
    | (?:añadir|agregar|añade|añada|agregue|incluir|incluya|colocar|poner|escriba)\s.*\baquí\b.*
    | (?:.*\s)?por\s(?:confirmar|completar|definir|determinar)
    | (?:su|tu)\s(?:nombre|empresa|ciudad|marca|correo|teléfono|dirección)\b.*
    | (?:nombre|fecha|título)\s(?:de|del)\s.+
    | (?:inserir|insira|preencher|preencha|indicar|indique|insereix|inseriu)\s.+
    | (?:adicionar|adicione|incluir|inclua|colocar|coloque|escreva)\s.*\b(?:aqui|aquí)\b.*
    | (?:.*\s)?a\s(?:confirmar|preencher|inserir|definir)
    | (?:seu|sua)\s(?:nome|empresa|cidade|marca|e-?mail|telefone)\b.* | (?:nome|data)\s(?:da|do|de)\s.+
    # Italian, Romanian
    | (?:inserire|inserisci|inserite|indicare|compilare|completare|specificare)\s.+
    | (?:aggiungere|aggiungi|mettere|metti)\s.*\bqui\b.*
    | (?:.*\s)?da\s(?:inserire|completare|confermare|definire|aggiungere|compilare)
    | (?:il\s)?(?:tuo|suo|vostro)\s(?:nome|indirizzo|marchio)\b.* | nome\s(?:del|della|dell')\s?.+
    | (?:introduceți|inserați|introdu|inserează|completați|adăugați\saici)\s.+ | numele\s(?:dvs|tău)\b.*
    # Polish, Czech, Slovak, Hungarian, Finnish, Croatian
    | (?:wstaw|wstawić|wpisz|wpisać|wprowadź|uzupełnij|podaj(?!\sdalej))\s.+ | .*\bdo\s(?:uzupełnienia|wstawienia)
    | dodaj\s.*\btutaj\b.* | (?:twoje|twoja|imię|nazwa)\s(?:imię|nazwisko|firma|i\snazwisko|firmy|miasta|produktu)
    | (?:vložte|vložit|doplňte|doplnit|zadejte|vyplňte|vložiť|doplniť|umetnite|unesite)\s.+
    | (?:illessze|írja|helyezze)\s(?:be|ide)\b.*
    | (?:lisää|syötä)\s.+\s?tähän
    | completar | rellenar | ergänzen | noch\szu\s\w+ | compléter | completare | preencher | uzupełnić | заполнить
    # Russian, Ukrainian, Bulgarian
    | (?:вставьте|вставить|вставь|укажите|указать|впишите|вписать|введите|подставьте|подставить|заполните)\s.+
    | (?:добавьте|добавить)\s.*(?:сюда|здесь|источник|ссылк|фото|цитат|дат|имя|назван|изображен|таблиц|карт).*
    | (?:ваше|ваша|ваш)\s(?:имя|компания|город|название|адрес|бренд)\b.* | (?:название|имя)\s(?:компании|города|автора)
    | .*\S\s(?:будет\sдобавлен[аоы]?|будет\sпозже|уточнить)
    | (?:вставте|вставити|вкажіть|вказати|впишіть|введіть|заповніть)\s.+ | (?:додайте|додати)\s.*\b(?:сюди|тут)\b.*
    | (?:ваше\sім.я|вмъкнете|въведете|поставете)\s?.+
    # Greek, Turkish, Indonesian, Vietnamese
    | (?:προσθήκη|εισαγάγετε|εισάγετε|εισαγωγή|προσθέστε|συμπληρώστε|τοποθετήστε)\s.+ | το\sόνομά\s(?:σας|σου)
    | .+\s(?:ekleyin|ekleyiniz|girin|giriniz|yerleştirin|eklenecek) | buraya\s.*\b(?:ekle|gir|yaz|yerleştir)\w*
    | (?:masukkan|sisipkan|cantumkan)\s.+ | (?:chèn|điền)\s.+
    # Arabic, Persian, Hebrew, Hindi
    | (?:أدخل|أدرج|إدراج|ضع|يُدرج|يدرج|أدخِل|املأ)\s.+ | (?:أضف|إضافة|اكتب|يضاف|يُضاف)\s(?!تعليق).+
    | .+\s(?:لاحقًا|لاحقا)
    | .*(?:وارد\sکنید|درج\sشود|درج\sکنید|قرار\sدهید).* | (?:הכנס|הכניסו|הזן|הזינו|הוסף|הוסיפו|יש\sלהוסיף)\s.+
    | .*(?:यहाँ|यहां).*(?:डालें|जोड़ें|लिखें|दर्ज).* | .+\sदर्ज\sकरें
    # Chinese
    | .*(?:此处|此處|这里|這裡|这裡|在此|此位置)(?:插入?|填[写寫入]?|添加|[补補]充|放置?|输入|輸入|加入?).*
    | 插入.*(?:图|圖|链接|連結|引[语語言用述]|视频|影片|表格|广告|廣告|标题|標題|名).*
    | .*待(?:补|補|填|确认|確認|核实|核實|插入|更新|添加)[充写寫入全中]? | [请請](?:填[写寫]|插入|[补補]充|在此).*
    | (?:您|你)的(?:姓名|名字|公司|品牌|城市|[邮郵][箱件]).*
    | (?:公司|企[业業]|[产產]品|品牌|作者|城市|店[铺鋪])(?:名称|名稱|姓名|名)\d?
    # Japanese, Korean
    | .*ここに.{0,40}(?:挿入|入れ|入力|記入|記載|追加|貼|が入|写真|画像|リンク|見出し|本文|タイトル).*
    | .+を(?:挿入|記入|入れる|差し替え|記載|追記)(?:する|してください|のこと|予定)?
    | .*(?:要追記|後日追記|追記予定|後で(?:差し替え|追加|入れる|挿入)|挿入予定|差し替え予定).*
    | (?:写真|画像|図|表|地図|引用|コメント|リンク)(?:を?挿入|が入る).*
    | (?:氏名|店名|会社名|企業名|商品名|都市名|地名|日付|金額|担当者名|著者名)\d?
    | .*여기에(?!서).*(?:삽입|입력|추가|넣|작성).* | .+(?:삽입|기재)(?:하세요|하십시오|해\s주세요|할\s것)?
    | .+(?:삽입|입력|추가|기재)\s?(?:예정|요망|필요)
    | (?:회사명|이름|제품명|담당자명|작성자명|도시명|날짜\s입력)\d?
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_FOREIGN_SLOT = re.compile(
    r"""(?:
      Name | Vorname(?:\sNachname)? | Nachname | Ort | Stadt | Datum | Firma | Betrag | Unterschrift | Straße
    | Nom(?:\sPrénom)? | Prénom(?:\sNom)? | Ville | Entreprise | Montant | Adresse | Société
    | Nombre(?:\sy?\s?[Aa]pellidos?)? | Ciudad | Fecha | Empresa | Importe | Cantidad | Dirección | Firma
    | Nome(?:\s(?:e\s)?[Cc]ognome)? | Città | Azienda | Importo | Cidade | Valor | Endereço
    | Imię(?:\si\s[Nn]azwisko)? | Nazwisko | Miasto | Kwota | Nazwa(?:\sfirmy)?
    | Имя(?:\s(?:и\s)?[Фф]амилия)? | Фамилия | ФИО | Название | Дата | Город | Адрес | Сумма | Компания
    | Должность | Телефон
    | Όνομα | Ημερομηνία | Πόλη | Ποσό | الاسم | التاريخ | المدينة | المبلغ | اسم\s\w+
    | 姓名 | 日期 | 城市 | 金[额額] | 地址 | [电電][话話](?:号码)?
    )\d?""",
    re.VERBOSE,
)
_FIXED = re.compile(r"XX{1,3}|(?:.*\s)?(?:TK){1,3}|City,\sState|Month\sDay,\sYear", re.DOTALL)
_SLOTS = (_YOUR, _SLOT, _PLAIN_SLOT, _FOREIGN_SLOT, _NAME_OF, _CAPITAL_SLOT, _SNAKE, _FIXED)
_WIDGET = re.compile(r"(?:[A-Z][A-Z-]*+\s){1,5}(?:GRAPHIC|WIDGET|EMBED|PLACEHOLDER|PULLQUOTE)")
_NOTE = re.compile(
    r"""
      (?:better\s|additional\s|more\s)?(?:citations?|sources?|clarification|verification|page|quotation|attribution|
        year|date|example|reference|translation)s?\s(?:is\s|are\s)?(?:needed|required|missing)
    | (?:source|who|when|where|which|why|by\swhom|according\sto\swhom|original\sresearch|clarify|vague|dubious)\s?\?
    | clarify | dubious(?:\s[–-]\sdiscuss)? | failed\sverification | not\sin\scitation(?:\sgiven)?
    | unreliable\ssource\?? | unsourced | tb[dc]
    | (?:Beleg(?:e)?|Quelle(?:nangabe)?|Nachweis|Einzelnachweis)\s(?:fehlt|fehlen|nötig|prüfen) | Quelle\s?\?
    | (?:réf(?:érence|\.)?|citation|source)\s(?:nécessaire|souhaitée|manquante|insuffisante|à\spréciser) | source\s\?
    | (?:cita|fuente|referencia)\s(?:requerida|necesaria|faltante) | ¿(?:quién|cuándo|fuente)\?
    | carece\sde\sfontes\s?\?? | (?:fonte|citação)\snecessári[ao] | falta\sfonte | senza\sfonte
    | citazione\snecessaria | fonte\smancante | bron\s?\? | bron\s(?:nodig|ontbreekt) | källa\sbehövs | kilde\smangler
    | (?:potrzebny|potrzebne)\s(?:przypis|źródło) | (?:zdroj|zdroj\s)\?  | kaynak\sbelirtilmeli
    | источник(?:\sне\sуказан(?:\s\d+\s\w+)?|\s?\?) | нет\sв\sисточнике | джерело\s?\? | εκκρεμεί\sπαραπομπή
    | بحاجة\s(?:لمصدر|إلى\sمصدر) | (?:نیازمند|نیازمند\s)منبع | דרוש\sמקור
    | [来來]源[请請]求 | 需要?[来來]源 | 待定 | 要出典 | 要検証 | (?:数字|日時|料金)?要確認
    | 출처\s필요 | 확인\s필요
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Numbers that are to come: what stands behind a row of X.
_UNIT = _any(
    """percent per_cent pct years? months? weeks? days? hours? hrs minutes? mins seconds? million billion trillion
    thousand euros? dollars? USD EUR GBP km kg mg ml cm mm miles meters? metres? feet employees countries Nm kW kWh
    GB MB TB mAh Hz bps basis_points Jahren? Monaten? Tagen? Stunden Minuten Prozent Millionen Mio Milliarden Mrd Euro
    ans mois jours heures millions milliards años meses días horas minutos millones por_ciento anos dias milhões
    giorni mesi minuti milioni jaar maanden dagen uur miesięcy złotych zł тыс млн млрд руб\\w* процент\\w* минут\\w*
    euroa kronor kroner ευρώ χρόνια"""
)
_CJK_UNIT = "(?:元|块钱|塊錢|万|萬|亿|億|％|公里|平方米|平米|品牌|小时|小時|分钟|分鐘|人民币|円|年間|名様|원|시간|개월)"
_X_NUMBER = re.compile(
    rf"""(?<![A-Za-zÀ-ӿ0-9_.,/-])(?P<money>[$€£¥₹]\x20?)?
    (?: (?:\+\d{{1,3}}\s)?\(XXX\)\sXXX-XX-?XX(?![\w-]) | (?:
      X{{1,4}}+(?:[.,][XY]{{1,3}}+){{1,2}}+ | Y{{1,2}}[.,]Y{{1,3}}+ | XX{{1,3}}+ ) (?![.,/-]?[XY])
    (?: \s?[%％‰€] | [\s-]?{_UNIT}(?!\w) | \s?{_CJK_UNIT} | (?(money)(?![\w/-])|(?!)) ))""",
    re.VERBOSE,
)
_UNIT_NEXT = re.compile(rf"\s?[%％‰]|\s{_UNIT}(?!\w)|{_CJK_UNIT}")

_LOREM = _set(
    """lorem ipsum dolor sit amet consectetur consectetuer adipiscing adipisicing elit sed do eiusmod tempor
    incididunt ut labore et dolore magna aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris
    nisi aliquip ex ea commodo consequat duis aute irure in reprehenderit voluptate velit esse cillum eu fugiat
    nulla pariatur excepteur sint occaecat cupidatat non proident sunt culpa qui officia deserunt mollit anim id
    est laborum"""
)
_TELLING_LOREM = _set(
    """lorem ipsum consectetur consectetuer adipiscing adipisicing eiusmod incididunt ullamco cillum excepteur"""
)
_WORD = re.compile(r"[^\W\d_]+")
_LETTER = re.compile(r"[^\W\d_]")
_LOREM_ANCHOR = re.compile(r"Lorem|LOREM")
LEAST_LOREM = 4  # words in a row
_CIRCLE = re.compile("[〇○◯△]")

_CODE = re.compile(
    r"""
      [;{]\s*\Z | \\\s*\Z | => | ->\w | \(\) | [=!]= | && | \|\| | </ | /> | :: | \w\[[\w'"$:]{1,40}\]
    | ["'\]}]\s?[:=]\s?["'\[{\d] | [$@]\w{1,40}\s?= | \b(?:const|let|var)\s\w{1,40}\s?= | \bdef\s\w{1,40}\(
    | \A\s*(?:[$>]\s|\#!|>>>|mysql>|import\s\w+\Z|\#include|//|/\*|--\s|\*\s@|@\w+\() | \)\s\{ | \);
    | \s--[a-z] | \s-[a-zA-Z]\s+[<{$"'\[] | <[a-z][a-z0-9]{0,20}(?:\s[^<>]{0,300})?> | [A-Za-z]:\\
    | https?://\S{0,200}?[<{\[%] | \A\s*[\w.-]{1,60}\s?=\s?\S | \A\s*-?\s?[a-z_][\w.-]{0,40}:\s | \S\x20{3,}\S
    | \\(?:frac|begin|text|mathbb|left|item|cite)\b | \[\[?- | \[(?i:options?)\] | \.\.\.\] | \A\s*(?i:usage)\b
    | \A(?:\x20{4}|\t) | \A\s*[${]+\w{1,40}\}+[,:]\s*\Z | \{\w{1,40},\s?\w | \{\d | ["']\w{1,40}["']\s?:\s
    | \bf["'] | \[(?:INFO|WARN|ERROR|DEBUG)\]
    | \A\s*(?:echo|cd|export|set|print|kill|cp|mv|rm|mkdir|chmod|ssh|scp|tar|wget|if|elif|while|DELETE)\s
    | \{%-?\s?(?:for|if|else|end\w+|set|block|elif|raw)\b | \b(?:SELECT|INSERT\sINTO|UPDATE|VALUES)\b
    | \b(?:kubectl|docker|curl|sudo|pip|npm|git|tiup)\s[a-z-]
    """,
    re.VERBOSE,
)
_INLINE_CODE = re.compile(r"`[^`\n]*`")


_MENTION = re.compile(
    r"\b(?:templates?|placeholders?|slots?|parameters?|syntax|dialect|shortcodes?|merge\s(?:tags?|fields?)|Vorlagen?|Platzhaltern?|"
    r"plantillas?|marcador(?:es)?|gabarits?|шаблон\w{0,4}|szablon\w{0,4})\b|模板|占位符|变量|變數|テンプレート|プレースホルダ",
    re.IGNORECASE,
)


_QUOTE_MARK = re.compile(r'[“"„«‘]')
# A quotation that shows what others may write.
_SHOWN = re.compile(
    r"(?i:\b(?:like|e\.g\.,?|for\sexample,?|such\sas|post\son|titled|called|phrases?|search(?:es)?(?:\sfor)?|format))\s?:?\s?"
    r"[“\"„«‘][^“”\"„«»\n]{0,80}\Z"
)


class _Rule(NamedTuple):
    """One syntax: what to look for first, the pattern, and what else must hold."""

    needle: str
    pattern: re.Pattern[str]
    syntax: str
    is_code_syntax: bool = False  # whether code has the same syntax
    accept: Callable[[re.Match[str]], bool] | None = None


def _bracket(match: re.Match[str], inner: str) -> str | None:
    """Return the syntax of a bracket by what it holds, None if it is no placeholder."""
    if _NOTE.fullmatch(inner):
        return "source_needed"
    if _is_instruction(inner):
        return "bracketed_instruction"
    is_slot = any(pattern.fullmatch(inner) for pattern in _SLOTS)
    if is_slot or (inner == "X" and _UNIT_NEXT.match(match.string, match.end())):
        return "bracketed_slot"
    return None


def _is_instruction(inner: str) -> bool:
    """Whether what a bracket holds tells a writer what to put there."""
    if any(pattern.fullmatch(inner) for pattern in (_INSERT, _CAPTION, _WIDGET, _QUOTE_FROM)):
        return True
    if _IMPERATIVE.fullmatch(inner):
        return _CUE.search(inner, inner.index(" ")) is not None
    if _INSTRUCTION.fullmatch(inner):
        return True
    is_about = inner[:1].isupper() and " " in inner and _CUE.search(inner) is not None
    return is_about and _TO_COME.search(inner) is not None


_BRACKETS = re.compile(
    r"(?<![\\!\[])\[([^\W\d_][^\[\]\n]{0,239})\](?![(\[:\]])|［([^＃\n［］]{1,120})］|"
    r"【([^【】\n]{1,80})】|（((?:[此这這插要図写画]|ここ)[^（）\n]{1,60}|[^（）\n]{0,20}待[补補填定确確核][^（）\n]{0,6})）"
)
_GLUED = re.compile(r"[A-Za-z0-9_)\]]\[")  # an index or a reference, not a bracket by itself
_ROUND_BLOCK = re.compile(r"\A(?:[-*]\s)?(\(([^()\n]{3,200})\))\W*\Z")
_ROUND = re.compile(
    rf"(?i)(?:insert|add|embed|place)\s.*\b(?:{_NOUN})\b.*|.*\b{_NOUN}\b.*\b(?:goes?\shere|to\scome|to\sbe\s(?:added|confirmed|inserted)|tb[dc])\b.*|"
    rf"(?:the\s)?(?:{_MEDIA})\s(?:here|pending)\b.*"
)
_DOUBLE_BRACES = re.compile(
    r"(?<![{=\\A-Za-z0-9_])\$?\{\{(?![{<%#/!])\s{0,3}"
    r"(?:\$?[^\W\d][\w-]{0,60}(?:\.[\w-]{1,60}){0,6}(?:\(['\"][\w.-]{0,80}['\"]\))?(?:\s\|\s\w{1,40})?"
    r"|[^\W\d_][\w' -]{1,60})\s{0,3}\}\}(?!\})"
)
_BRACES = re.compile(
    r"(?<![A-Za-z0-9_$\\^/\"'=%@#{\[.:-])\{([a-z][A-Za-z0-9]{2,40}|[a-z][a-z0-9]{0,40}(?:_[a-z0-9]{1,40}){1,6}|"
    rf"{_CAPITALS}|"
    r"[A-Z][a-z]{1,20}(?:[ _][A-Z][a-z]{1,20}){1,3})\}(?![\w\[{/(=:\"-])"
)
_DOLLAR = re.compile(
    r"(?<![A-Za-z0-9_\\/\"'=:$.@-])\$\{([A-Za-z_][A-Za-z0-9_]{1,60}(?:\.\w{1,60}){0,4})\}(?![A-Za-z0-9_/\"'(\[{-])"
)
_ANGLE = re.compile(
    r"(?<![A-Za-z0-9_<\[=])<(?:(?:YOUR|INSERT|ENTER|ADD|Your|Insert|Enter)[ _][^<>\n]{1,60}|"
    rf"(?:[A-Z]{{2,20}} ){{1,3}}{_CAPITALS}(?: \d{{1,2}})?|{_CAPITALS}(?: \d{{1,2}})?|"
    r"ORT|STADT|FIRMA|DATUM|PREIS|VILLE|NOM|CIUDAD|NOMBRE|FECHA|EMPRESA|NOME|DATA|CIDADE|IMIĘ|MIASTO)>(?!>)"
)
_DOUBLE_ANGLE = re.compile(
    rf"(?<!<)<<\s?(?:[A-Z][A-Z0-9]{{0,30}}+(?:_[A-Z0-9]{{1,30}}+){{1,6}}|{_CAPITALS}|[A-Z][a-z]{{1,30}}(?:_[A-Z][a-z]{{1,30}}){{1,4}})"
    r"\s?>>(?!>)"
)
_PERCENT = re.compile(r"(?<![A-Za-z0-9_%'\"])%%[^\W\d_]\w{1,40}%%(?![A-Za-z0-9_%'\"])")
_HASH = re.compile(
    rf"(?<![A-Za-z0-9_#&/.])#(?:{_CAPITALS}|TITLE|LINK|URL|[A-Z]{{2,20}}(?:_[A-Z0-9]{{1,20}}){{1,4}})#(?![A-Za-z0-9_#])"
)
_DUNDER = re.compile(
    r"(?<![A-Za-z0-9_.])__(?!(?:VA|GNUC|STDC|PRETTY|BYTE|SIZEOF|INT|UINT|CUDA|HIP|GLIBC|FILE|FUNC|FUNCTION|LINE|COUNTER|WIN|ARM|"
    r"ASSEMBLER|BEGIN|END|NEXT|NUXT|INITIAL|REACT|REDUX|APP|WB|CLR)_)"
    rf"(?:[A-Z][A-Z0-9]{{0,30}}+(?:_[A-Z0-9]{{1,30}}+){{1,6}}|(?!DATE__|TIME__){_CAPITALS})__(?![A-Za-z0-9_(])"
)
_DOUBLE_SQUARE = re.compile(
    r"(?<![A-Za-z0-9_\[])\[\[(?:[a-z][a-z0-9]{0,30}(?:_[a-z0-9]{1,30}){1,6}|[A-Z]{2,20}(?:_[A-Z0-9]{1,20}){0,5}|"
    r"bio|name|date|author|quote|caption|credit|byline|price|city|company|link|image|photo|embed)\]\](?!\])"
)
_DIRECTIVE = re.compile(r"\{%-?\s{0,3}(?:include|render|embed|snippet|section|partial|component)\s[^{}%\n]{1,160}%\}")
_COMMENT = re.compile(
    r"<!--\s{0,3}(?:editor|editors|ed|author|writer|note|todo|tk|tbd|insert|add|placeholder|photo|image|caption|"
    r"editorial|fixme|needs?|please|check|replace)\b[^<>]{4,400}-->",
    re.IGNORECASE,
)
_FORM = re.compile(
    r"(?<![A-Za-z0-9_])(?:(?:Signed|Signature|Unterschrift|Unterzeichnet|Firma|Firmado|Podpis|Подпись|Signé|Assinatura|署名|签名|簽名)"
    r"[^_\n.;]{0,40}+|(?:Date(?: of \w{1,20})?|Datum|Fecha|Data|Дата|Name|Printed Name|Witness|日期)\s?[:：]\s?)_{3,}+|"
    r"(?<![A-Za-z0-9_/])__\s?/\s?__\s?/\s?__(?:__)?(?![A-Za-z0-9_/])"
)
_TODO_VERB = _any(
    """add insert write check fix replace update find get link source verify confirm ask expand fill describe mention
    include complete finish decide need needs attach upload embed rewrite remove change photo image quote cite"""
)
_TODO = re.compile(
    rf"(?<![A-Za-z0-9_#/*@$-])(?<![#/*;]\s)TODO(?:\s?\([^()\n]{{0,40}}\))?(?:\s?[:：]|\s[–-]\s)\s{{0,4}}"
    rf"(?P<order>(?i:{_TODO_VERB})\b|[^\n]{{0,300}}?(?:ergänzen|einfügen|prüfen|klären|nachreichen|hinzufügen|schreiben|"
    r"補|补|挿入|確認|追記)|(?:ajouter|insérer|vérifier|compléter|añadir|agregar|insertar|verificar|completar|revisar|"
    r"inserir|adicionar|aggiungere|inserire|verificare|добавить|вставить|проверить|уточнить|dodać|wstawić|sprawdzić)\b)?"
    r"[^\n]*+"
)
_TBD = re.compile(r"(?<![A-Za-z0-9_&@./#-])TBD(?![A-Za-z0-9_@/.-]\w|\w)")
_TKTK = re.compile(r"(?<![A-Za-z0-9_])(?:TK){2,4}(?![A-Za-z0-9_])")
_INSERTED = re.compile(
    r"(?<![\w.])INSERT(?!\s(?:INTO|OR|IGNORE|OVERWRITE|ALL|VALUES|SELECT)\b)(?:\s[A-Z][A-Z'’&/-]{1,20}){0,6}?"
    r"\s(?:HERE|LINKS?|IMAGES?|PHOTOS?|PICTURES?|CHARTS?|GRAPHICS?|WIDGET|QUOTES?|NAME|DATE|AMOUNT|CITY|CAPTION|VIDEO|URL|"
    r"STATS?|STATISTICS?|LOGO|MAP|BANNER|EMBED|SOURCE|COMPANY|PRODUCT|TESTIMONIALS?)(?:\sHERE)?(?![\w(])"
)
_OPENING = re.compile(
    rf"""\A\W{{0,4}}(?:
      Insert\s(?:\w+\s){{0,4}}?(?:{_MEDIA}|text)\s(?:\w+\s){{0,3}}here\b[^\n]{{0,60}}\Z
    | TODO\s(?i:{_TODO_VERB})\s[^\n]*
    | Hier\s(?:\w+\s){{1,4}}(?:einfügen|einsetzen|ergänzen|einbinden)(?:\W[^\n]*)?
    | (?:Blindtext|Platzhalter(?:text)?|Placeholder(?:\stext)?|Texto\sde\srelleno|Faux\stexte|
        Testo\ssegnaposto|Текст-рыба)
      (?:\s?[:.!–-](?:\s[^\n]*)?|\s?\Z)
    | (?:PENDIENTE|PENDENTE|DA\sFARE|À\sFAIRE|A\sFAIRE|ERLEDIGEN)\s?[:–-]\s[^\n]*
    )""",
    re.VERBOSE,
)
_CIRCLES = re.compile(
    r"""(?<![〇○◯△一二三四五六七八九十百千万兆億第\d０-９・．.×])
    (?: (?:(?:〇〇|○○|◯◯|△△)(?=[市町村県区駅店社円元年月日]|さん|様|会社|大学|株式))
      | (?<![前後正午時零])[〇○◯](?=[時分円名人歳個％%]|km|キロ) )""",
    re.VERBOSE,
)
_CIRCLES_ALONE = re.compile(r"(?:〇〇|◯◯|△△)(?=[市県区駅元円])|(?<=徒歩)[〇○◯](?=分)|(?<=約)[〇○◯](?=[分円人])")


def _is_named(match: re.Match[str]) -> bool:
    """Whether a name in single braces stands in prose, or is a word that only templates put there."""
    name = match[1]
    if "_" in name or " " in name or not name.islower():
        return True
    if re.fullmatch(_NOUN, name):
        return True
    around = match.string[max(0, match.start() - 300) : match.start()] + match.string[match.end() : match.end() + 300]
    return len(_WORD.findall(around)) >= 3  # noqa: PLR2004 - a clause


def _is_variable(match: re.Match[str]) -> bool:
    """Whether a name in ``${}`` is not that of a variable of a shell."""
    return not match[1].isupper() or match[1].startswith(("YOUR", "INSERT"))


def _is_no_widget(match: re.Match[str]) -> bool:
    """Whether a name in double braces is not a part of a form in a manual of a template language."""
    return re.match(r"\{\{\s+(?:form|field)s?\b", match[0]) is None


def _is_shown(match: re.Match[str]) -> bool:
    """Whether a slot stands in a quotation of what others may write."""
    before = match.string[max(0, match.start() - LONGEST_QUOTE) : match.start()]
    return _QUOTE_MARK.search(before) is not None and _SHOWN.search(before) is not None


_RULES = (
    _Rule("{{", _DOUBLE_BRACES, "double_braces", is_code_syntax=True, accept=_is_no_widget),
    _Rule("${", _DOLLAR, "dollar_braces", is_code_syntax=True, accept=_is_variable),
    _Rule("{", _BRACES, "braces", is_code_syntax=True, accept=_is_named),
    _Rule("{%", _DIRECTIVE, "template_directive", is_code_syntax=True),
    _Rule("<<", _DOUBLE_ANGLE, "double_angle_brackets", is_code_syntax=True),
    _Rule("<!--", _COMMENT, "html_comment"),
    _Rule("<", _ANGLE, "angle_brackets", is_code_syntax=True),
    _Rule("%%", _PERCENT, "double_percent", is_code_syntax=True),
    _Rule("#", _HASH, "hashes", is_code_syntax=True),
    _Rule("__", _DUNDER, "double_underscores", is_code_syntax=True),
    _Rule("[[", _DOUBLE_SQUARE, "double_square_brackets", is_code_syntax=True),
    _Rule("__", _FORM, "form_line"),
    _Rule("XX", _X_NUMBER, "x_number"),
    _Rule("TKTK", _TKTK, "to_come"),
    _Rule("INSERT", _INSERTED, "insert_capitals", is_code_syntax=True),
)
# What a text about templates shows without being one.
_MENTIONED = {"bracketed_instruction", "bracketed_slot", *(rule.syntax for rule in _RULES if rule.is_code_syntax)}


class _Text:
    """A text with its inline code blanked out, and whether it looks like code."""

    def __init__(self, text: str) -> None:
        self.text = _INLINE_CODE.sub(lambda match: "\ufffc" * len(match[0]), text) if "`" in text else text

    @functools.cached_property
    def is_code(self) -> bool:
        """Whether something in the text is hardly ever seen in prose."""
        return _CODE.search(self.text, 0, LONGEST_CODE) is not None


def _syntaxes(text: _Text) -> Iterator[Placeholder]:
    """Yield what the rules find."""
    for rule in _RULES:
        if rule.needle not in text.text:
            continue
        for match in rule.pattern.finditer(text.text):
            if (rule.accept is None or rule.accept(match)) and not (rule.is_code_syntax and text.is_code):
                yield Placeholder(match.start(), match.end(), rule.syntax, Severity.HOLE)


def _brackets(text: _Text) -> Iterator[Placeholder]:
    """Yield brackets that hold an instruction, the name of a slot or an editor's note."""
    for match in _BRACKETS.finditer(text.text):
        syntax = _bracket(match, match[match.lastindex or 0].strip())
        if syntax == "bracketed_slot" and (text.is_code or _is_shown(match)):
            continue
        if syntax is not None and (syntax == "source_needed" or not _GLUED.match(text.text, match.start() - 1)):
            severity = Severity.NOTE if syntax == "source_needed" else Severity.HOLE
            yield Placeholder(match.start(), match.end(), syntax, severity)
    whole = _ROUND_BLOCK.match(text.text)
    if whole and _ROUND.fullmatch(whole[2]):
        yield Placeholder(whole.start(1), whole.end(1), "bracketed_instruction", Severity.HOLE)


def _notes(text: _Text) -> Iterator[Placeholder]:
    """Yield what editors write to themselves."""
    if match := _OPENING.match(text.text):
        yield Placeholder(match.start(), match.end(), "instruction", Severity.HOLE)
    if "TODO" in text.text:
        for match in _TODO.finditer(text.text):
            if match["order"]:
                yield Placeholder(match.start(), match.end(), "todo", Severity.HOLE)
            else:
                yield Placeholder(match.start(), match.start() + len("TODO"), "todo", Severity.NOTE)
    if "TBD" in text.text:
        for match in _TBD.finditer(text.text):
            yield Placeholder(match.start(), match.end(), "to_be_determined", Severity.NOTE)


def _fillers(text: _Text) -> Iterator[Placeholder]:
    """Yield runs of the printers' pseudo-Latin, and circles that stand for characters."""
    if _LOREM_ANCHOR.search(text.text):
        yield from _lorem(text.text)
    if _CIRCLE.search(text.text):
        matches = list(_CIRCLES.finditer(text.text))
        if len(matches) > 1 or _CIRCLES_ALONE.search(text.text):
            for match in matches:
                yield Placeholder(match.start(), match.end(), "circles", Severity.HOLE)


def _lorem(text: str) -> Iterator[Placeholder]:
    """Yield the runs of pseudo-Latin that are long enough."""
    for is_lorem, run in itertools.groupby(_WORD.finditer(text), lambda match: match[0].lower() in _LOREM):
        words = list(run)
        telling = sum(match[0].lower() in _TELLING_LOREM for match in words)
        if is_lorem and len(words) >= LEAST_LOREM and telling > 1:
            yield Placeholder(words[0].start(), words[-1].end(), "lorem_ipsum", Severity.HOLE)


def find_placeholders(text: str) -> list[Placeholder]:
    """Find the placeholders of a block that nobody filled in.

    Args:
        text: a line or a paragraph.

    Returns:
        The placeholders in order; none overlap. Where there is nothing else in the text, all are TEMPLATE.
    """
    if _TRIGGERED.search(text) is None:
        return []
    wrapped = _Text(text)
    every = [*_syntaxes(wrapped), *_brackets(wrapped), *_notes(wrapped), *_fillers(wrapped)]
    if not every:
        return []
    every.sort(key=lambda one: (one.start, -one.end, -one.severity))
    found: list[Placeholder] = []
    rest, end = [], 0
    for one in every:
        if one.start >= end:
            rest.append(text[end : one.start])
            found.append(one)
            end = one.end
    rest.append(text[end:])
    around = "\n".join(rest)
    if _LETTER.search(around) is None:
        return [one._replace(severity=Severity.TEMPLATE) for one in found]
    if _MENTION.search(around):
        return [one for one in found if one.syntax not in _MENTIONED]
    return found


def worst(text: str) -> Severity | None:
    """Return the highest severity of a placeholder in a block, None if there is none."""
    return max((one.severity for one in find_placeholders(text)), default=None)
