"""Writes the small documents of this folder with the right outcome beside each: a folder NAME and NAME.json.

    python3 make.py

The folder is what an agent knows as the mount `docs`. The JSON is a list of questions: `ask`, `quotes` (what the answer
holds, in this order), `holds` (in any), `never` (what it does not), `notes` (parts of the notices that come with it). A case may also be
written by hand: the folder and the JSON are enough. Words and encodings are made here; nothing here reads a document.
"""
import json, shutil
from pathlib import Path

HERE = Path(__file__).parent


def case(name, files, *asked):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    (HERE / f"{name}.json").write_text(json.dumps(asked, ensure_ascii=False, indent=1) + "\n")


def ask(question, *quotes, holds=(), never=(), notes=()):
    wanted = {"ask": question, "quotes": list(quotes), "holds": list(holds), "never": list(never), "notes": list(notes)}
    return {name: value for name, value in wanted.items() if value or name == "ask"}


# Encodings: one sentence each, written as editors of that place write it.
for name, encoding, text, question, quote in [
    ("utf8-mark", "utf-8-sig", "# Loom\n\nThe warp is wound on Monday.\n", "When is the warp wound?", "(Loom)"),
    ("utf16-le", "utf-16", "# Loom\n\nThe warp is wound on Monday.\n", "When is the warp wound?", "on Monday"),
    ("utf16-no-mark", "utf-16-le", "# Loom\r\n\r\nThe warp is wound on Monday.\r\n", "warp", "on Monday"),
    ("utf32", "utf-32", "# Loom\n\nThe warp is wound on Monday.\n", "warp", "on Monday"),
    ("windows-1252", "cp1252", "La péniche quitte l’écluse à l’aube – sans s’arrêter.", "quand part la péniche ?", "l’écluse à l’aube –"),
    ("windows-1251", "cp1251", "Баржа выходит из шлюза на рассвете, без остановки.", "когда выходит баржа?", "на рассвете"),
    ("koi8-r", "koi8_r", "Баржа выходит из шлюза на рассвете, без остановки.", "баржа", "на рассвете"),
    ("iso-8859-2", "iso8859_2", "Barka opuszcza śluzę o świcie, bez postoju w żadnej przystani.", "sluza barka", "o świcie"),
    ("windows-1254", "cp1254", "Mavna şafakta kilitten çıkıyor, hiçbir iskelede durmuyor ve öğleye varıyor.", "mavna", "şafakta"),
    ("windows-1256", "cp1256", "تغادر الباخرة الميناء عند الفجر وتعود في المساء كل يوم.", "الباخرة", "عند الفجر"),
    ("shift-jis", "shift_jis", "艀は夜明けに水門を出ます。日曜日は休みです。", "艀", "夜明け"),
    ("gb18030", "gb18030", "驳船黎明时离开船闸，星期天不开。请准时到达。", "驳船", "黎明"),
    ("euc-kr", "euc_kr", "바지선은 새벽에 갑문을 나가고 일요일에는 쉽니다.", "바지선", "새벽"),
]:
    case(f"encoding-{name}", {"note.md": text.encode(encoding)}, ask(question, quote))
case("encoding-carriage-returns", {"note.txt": b"Loom\r====\r\rThe warp is wound on Monday.\r"}, ask("warp", "lines 1-4 (Loom)"))
case("encoding-damaged", {"note.md": "Die Öfen kühlen über Nacht ab, für gewöhnlich.".encode() + b"\xc3"}, ask("Öfen", "kühlen über Nacht"))
case("no-text", {"photo.md": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0loom", "note.md": "The loom is oak.\n"},
     ask("loom", "is oak", never=["IHDR"], notes=["1 (not a text): photo.md"]),
     ask("loom", "is oak", notes=["1 (not a text): photo.md"]))

# Markdown.
case("front-matter", {"a.md": "---\nowner: shed two\nstate: draft\n---\n\nThe shuttle is boxwood.\n",
                      "b.md": "---\ntitle: The big reed\n---\nThe reed has twelve dents.\n\n## Care\n\nOil the reed sley.\n"},
     ask("shuttle", "> The shuttle is boxwood.", never=["(owner"]),
     ask("dents", "(The big reed)"), ask("oil sley", "(The big reed › Care)"))
case("front-matter-none", {"a.md": "---\n\nThe shuttle is boxwood.\n\n---\n\nThe end.\n"}, ask("shuttle", "boxwood", never=["("]))
case("setext", {"a.md": "Looms\n=====\n\nThe heddle lifts.\n\nFloor looms\n-\n\nTreadles are below.\n"},
     ask("heddle", "(Looms)"), ask("treadles", "(Looms › Floor looms)"))
case("fences", {"a.md": "# Set up\n\n````md\n```sh\n# never a heading\n```\n# nor this\n````\n\nThen wind the bobbin.\n"},
     ask("bobbin", "(Set up)", never=["(never", "› nor"]))
case("fence-in-list", {"a.md": "# Set up\n\n- first\n  ~~~\n  # never a heading\n  ~~~\n- wind the bobbin\n"}, ask("bobbin", "(Set up)"))
case("html", {"a.md": "<h1 align=\"center\">Bobbins &amp; pirns</h1>\n\n<!--\n# Old heading\n-->\n\nA pirn sits in the shuttle.\n"},
     ask("pirn shuttle", "(Bobbins & pirns", never=["Old heading)"]))
case("table", {"a.md": "# Yarns\n\n| yarn | count |\n|---|---|\n" + "".join(f"| fibre{n} | {n * 7} |\n" for n in range(200))},
     ask("fibre150", "> | yarn | count |", "> | fibre150 | 1050 |"))
case("long-line", {"a.md": "# Log\n\n" + "The day was dry and the weft ran well. " * 200 + "Then the temple broke. " + "It rained. " * 200},
     ask("temple broke", "line 3 (Log)", "temple broke"))
case("program", {"a.py": "# Not a heading\n\ndef wind_bobbin():\n    pass\n"}, ask("wind bobbin", "def wind_bobbin", never=["(Not"]))

# Finding.
case("persian", {"a.md": "کارگاه بافندگی در کوچهٔ سوم است.\n\nقالی‌های قدیمی در گنجینه‌اند.\n\nشماره ۳۴۵ بر در است.\n"},
     *[ask(it, "کارگاه") for it in ["کارگاه بافندگي", "كارگاه", "کارگــاه کجاست؟"]],
     *[ask(it, "قالی‌های") for it in ["قالیهای", "قالی های", "قالی‌های"]],
     *[ask(it, "۳۴۵") for it in ["345", "٣٤٥", "۳۴۵"]])
case("arabic", {"a.md": "المُؤَسَّسَةُ تفتح أبوابها صباحًا.\n", "b.md": "إدارة المكتبة في الطابق الأول.\n"},
     ask("المؤسسة", "أبوابها"), ask("ادارة المكتبه", "الطابق"), ask("الموسسه", "أبوابها"))
case("turkish", {"a.md": "İplik boyahanesi ISITMA odasının yanındadır.\n", "b.md": "Çözgü ipi pamuktur.\n"},
     ask("iplik", "İplik"), ask("ısıtma nerede?", "ISITMA"), ask("isitma", "ISITMA"), ask("COZGU", "pamuktur"))
case("azeri", {"a.md": "Toxuculuq sexi şəhərin şimalındadır.\n"}, ask("seherin simalinda sex", "şəhərin"))
case("chinese", {"a.md": "织布机在东厂房。老猫睡在窗台上。\n", "b.md": "仓库今天下雨。\n"},
     ask("猫", "老猫"), ask("织布机在哪里？", "东厂房"), ask("雨", "下雨"))
case("japanese", {"a.md": "黒猫は織機の下で寝る。ｶﾞｲﾄﾞは二階。\n", "b.md": "明日は大雨です。\n"},
     ask("猫はどこ？", "黒猫"), ask("雨", "大雨"), ask("ガイド", "二階"))
case("korean", {"a.md": "베틀은 창가에 있습니다.\n", "b.md": "고양이가 방에서 잡니다.\n"},
     ask("베틀 어디", "창가"), ask("고양이", "방에서"))
case("thai", {"a.md": "กี่ทอผ้าอยู่ในโรงเรือนด้านตะวันออก\n", "b.md": "แมวดำนอนใต้หน้าต่าง\n"},
     ask("กี่ทอผ้าอยู่ที่ไหน", "ตะวันออก"), ask("แมว", "แมวดำ"))
case("khmer", {"a.md": "កីតម្បាញនៅក្នុងអគារខាងកើត\n", "b.md": "ឆ្មាខ្មៅដេកក្រោមបង្អួច\n"},
     ask("ឆ្មា", "ខ្មៅ"), ask("កីតម្បាញ", "អគារ"))
case("accents", {"a.md": "L’élève répète la leçon près du métier à tisser.\n", "b.md": "Der Weber heißt Größer.\n"},
     ask("eleve repete", "leçon"), ask("GROSSER", "heißt"), ask("e\u0301le\u0300ve", "leçon"))
case("full-width", {"a.md": "Ｌｏｏｍ　Ｎｏ．１２ stands by the door.\n"}, ask("loom 12", "by the door"))
case("identifiers", {"a.md": "Call `windBobbinSlowly()` first.\n", "b.md": "Set `max_pick_rate` to 60.\n", "c.md": "HTTPServer2 listens.\n"},
     ask("wind bobbin", "windBobbinSlowly"), ask("windbobbinslowly", "windBobbinSlowly"), ask("maxPickRate", "max_pick_rate"),
     ask("pick rate", "max_pick_rate"), ask("http server", "HTTPServer2"))
case("stop-words", {"a.md": "How do I do what? Where is it? When is it? Who is it? Why is it so?\n", "b.md": "The castle holds the reed.\n"},
     ask("Where is the reed?", "> The castle holds the reed."),
     ask("What is it?", "How do I"))

# Answering.
PRESS = "# Press\n\nPress calibration: turn the ring until the pressure limit is met.\n"
case("copies", {"press.md": PRESS, "press (1).md": PRESS, "old/press.md": PRESS, "backup/press.md": PRESS,
                "safety.md": "# Safety\n\nNever go over the pressure limit of 60 bar at calibration of the press.\n"},
     ask("press calibration pressure limit", "docs/press.md", "The same: docs/press (1).md", "docs/old/press.md", "docs/backup/press.md", "60 bar"))
LONG = " ".join(f"The weaver checks thread {w} before the beam is turned." for w in "red blue green grey white black brown pink".split())
case("near-copies", {"a.md": LONG + " Then tea is served.\n", "b.md": LONG + " Then tea is poured.\n", "c.md": "The weaver of thread and beam is Ada.\n"},
     ask("weaver thread beam", holds=["Nearly the same: docs/", "Ada"]))
case("editions", {"2024.md": LONG + " The limit is 40 bar.\n", "2025.md": LONG + " The limit is 60 bar.\n"},
     ask("weaver limit bar", "40 bar", "60 bar"))
SECTION = "".join(f"# Part {n}\n\nThe selvedge of part {n} is tight.\n\n" for n in "abcdef")
case("many-sources", {"long.md": SECTION, "other.md": "The selvedge curls when it is wet.\n", "third.md": "A selvedge is an edge.\n"},
     ask("selvedge", holds=["docs/long.md", "docs/other.md", "docs/third.md"]))
case("one-word-missing", {f"s{n}.md": f"# Sheet {n}\n\nThe gauge of sheet {n} reads low.\n" for n in range(280, 300)},
     ask("gauge of sheet 290", "docs/s290.md", never=["docs/s28", "docs/s299"]))
