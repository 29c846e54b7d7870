"""Writes the small tables of this folder with the right outcome beside each: NAME.csv and NAME.json.

    python3 make.py

The numbers are made here, written in some way that people or programs write tables, and their figures are computed
from the numbers themselves, in exact fractions: nothing here reads a table. A case may also be written by hand: a
NAME.csv and a NAME.json are enough. What the JSON may have: rows, names, kinds, figures (mean, stdev, min, q25, median,
q75, max of a column), says (parts of the answer), quiet (true: the answer has no cautions), leftOut (true: a
notice says that a part is in no figure), refused (parts of the reason why the file is no table).
"""
import json, random
from fractions import Fraction
from math import isqrt
from pathlib import Path

HERE = Path(__file__).parent
r = random.Random(7)


def percentile(values, p):
    v = sorted(map(Fraction, values))
    at = Fraction(p * (len(v) - 1), 100)
    low = int(at)
    return float(v[low] if at == low else v[low] + (at - low) * (v[low + 1] - v[low]))


def figures(values):
    exact = [Fraction(float(v)) for v in values]
    mean = sum(exact) / len(exact)
    variance = sum((x - mean) ** 2 for x in exact) / (len(exact) - 1)
    scale = 1 << 4400
    stdev = float(Fraction(isqrt(variance.numerator * scale * scale // variance.denominator), scale))
    f = [float(v) for v in values]
    return {"mean": float(mean), "stdev": stdev, "min": min(f), "q25": percentile(f, 25), "median": percentile(f, 50),
            "q75": percentile(f, 75), "max": max(f)}


def case(name, raw, numbers=None, encoding="utf-8", **want):
    (HERE / f"{name}.csv").write_bytes(raw if isinstance(raw, bytes) else raw.encode(encoding))
    if numbers:
        want["figures"] = {column: figures(values) for column, values in numbers.items()}
    (HERE / f"{name}.json").write_text(json.dumps(want, indent=1, ensure_ascii=False) + "\n")


def group(value, sign=",", point=".", digits=2, lakh=False):
    whole, _, part = f"{abs(value):.{digits}f}".partition(".")
    out = whole[-3:]
    whole = whole[:-3]
    step = 2 if lakh else 3
    while whole:
        out = whole[-step:] + sign + out
        whole = whole[:-step]
    return ("-" if value < 0 else "") + out + (point + part if part else "")


def money(n, low=-9e4, high=9e4):
    return [round(r.uniform(low, high), 2) for _ in range(n)]


def table(columns, sep=",", end="\n", head=True, tail=""):
    rows = ([list(columns)] if head else []) + [list(x) for x in zip(*columns.values())]
    return "".join(sep.join(map(str, row)) + tail + end for row in rows)


def comma(v, digits=2):
    return f"{v:.{digits}f}".replace(".", ",")


N = 24
names = [f"K{n}" for n in range(N)]
a, b = money(N), [r.randint(1, 90) for _ in range(N)]
small = [round(r.uniform(1, 60), 2) for _ in range(N)]

# How the file is written.
case("sep-hint", "sep=|\r\n" + table({"mill": names, "sacks": b}, "|", "\r\n"), {"sacks": b}, rows=N, names=["mill", "sacks"],
     says=["separated by bars", "header in line 2"], quiet=True)
case("sep-hint-quoted", '"sep=;"\n' + table({"mill": names, "flour": [comma(v) for v in small]}, ";"), {"flour": small}, rows=N,
     names=["mill", "flour"], quiet=True)
case("utf-16", table({"Mühle": names, "flour": [comma(v) for v in small]}, "\t", "\r\n"), {"flour": small}, encoding="utf-16", rows=N,
     names=["Mühle", "flour"], says=["UTF-16", "separated by tabs", "decimal commas"], quiet=True)
case("utf-16-unmarked", table({"mill": names, "sacks": b}, ";"), {"sacks": b}, encoding="utf-16-be", rows=N, says=["UTF-16 (big-endian)"])
case("utf-8-mark", "\ufeff" + table({"mill": names, "sacks": b}), {"sacks": b}, rows=N, names=["mill", "sacks"], quiet=True)
case("windows-1252", table({"Mühle": ["Löwen", "Bäcker", "Straße"] * 8, "sacks": b}, ";"), {"sacks": b}, encoding="cp1252", rows=N,
     names=["Mühle", "sacks"], says=["Windows-1252 by its letters"])
case("windows-1251", table({"мельница": ["Северная", "Южная", "Старая"] * 8, "мешки": b}, ";"), {"мешки": b}, encoding="cp1251", rows=N,
     names=["мельница", "мешки"], says=["Windows-1251 by its letters"])
case("carriage-returns", table({"mill": names, "sacks": b}, end="\r"), {"sacks": b}, rows=N, says=["carriage returns"])
case("decimal-commas-unnamed", table({"x": [comma(v, 1) for v in small], "y": [comma(v) for v in a], "z": [comma(v, 3) for v in small]}, ";", head=False),
     {"column 1": [round(v, 1) for v in map(lambda v: float(f"{v:.1f}"), small)], "column 2": a, "column 3": small}, rows=N,
     names=["column 1", "column 2", "column 3"], says=["decimal commas", "no header"])
case("decimal-commas-many", table({"north": [comma(v) for v in small] * 50, "south": [comma(v) for v in a] * 50}, ";"),
     {"north": small * 50, "south": a * 50}, rows=50 * N, names=["north", "south"])
case("one-column-commas", table({"level": [comma(v) for v in small]}), {"level": small}, rows=N, names=["level"],
     says=["one column", "decimal commas"])
case("one-column-times", table({"at": [f"0{n % 8 + 1}:{n + 10}:00" for n in range(N)]}), rows=N, names=["at"], kinds={"at": "time"})
case("title-lines", "Mill register, second copy\nKept by: the miller\n\n" + table({"day": [f"2026-03-{n + 1:02}" for n in range(N)], "mill": names, "sacks": b}),
     {"sacks": b}, rows=N, names=["day", "mill", "sacks"], kinds={"day": "date"}, says=["header in line 4", "2 lines stand above line 4"])
case("title-padded", "Mill register;;\nMarch;2026;\n;;\n" + table({"mill": names, "sacks": b, "flour": [comma(v) for v in small]}, ";"),
     {"sacks": b, "flour": small}, rows=N, names=["mill", "sacks", "flour"], says=["header in line 4"])
case("comments", "# from the old scale\n# unit: kg, dry\n" + table({"mill": names, "kg": small}) + "# end of the scale's roll\n", {"kg": small}, rows=N,
     names=["mill", "kg"], says=["header in line 3", "1 line is a comment (first on line 28)"])
case("names-in-comment", "# roll 7\n# mill, kg\n" + table({"mill": names, "kg": small}, head=False), {"kg": small}, rows=N, names=["mill", "kg"])
case("trailing-separator", table({"mill": names, "sacks": b}, ";", tail=";"), {"sacks": b}, rows=N, names=["mill", "sacks"],
     says=["a separator at each line's end"], quiet=True)
case("row-names", "sacks kg\n" + "".join(f'"{n}" {x} {y}\n' for n, x, y in zip(names, b, small)), {"sacks": b, "kg": small}, rows=N,
     names=["column 1", "sacks", "kg"])
case("spaces-aligned", f"{'mill':<8}{'sacks':>6}{'kg':>9}\n" + "".join(f"{n:<8}{x:>6}{y:>9}\n" for n, x, y in zip(names, b, small)),
     {"sacks": b, "kg": small}, rows=N, names=["mill", "sacks", "kg"], says=["separated by spaces"])
case("bars-and-commas", table({"mill": ["Upper, by the weir", "Lower, old", "Mid"] * 8, "sacks": b, "kg": small}, "|"), {"sacks": b, "kg": small}, rows=N,
     names=["mill", "sacks", "kg"])
case("apostrophes", table({"'mill'": [f"'{n}, east'" for n in names], "'sacks'": b}), {"sacks": b}, rows=N, names=["mill", "sacks"],
     says=["cells in apostrophes"])
case("backslashes", table({"mill": [f'"the \\"{n}\\", east"' for n in names], "sacks": b}), {"sacks": b}, rows=N, names=["mill", "sacks"])
case("cells-of-lines", table({"mill": [f'"{n}\neast, far"' if n == "K3" else n for n in names], "sacks": b}), {"sacks": b}, rows=N,
     says=["1 row has a cell of several lines (first on line 5)"])
ragged = table({"mill": names, "sacks": b, "kg": small}).splitlines()
ragged[5] = ragged[5].rsplit(",", 1)[0]
ragged[9] += ",mice,again"
case("ragged", "\n".join(ragged) + "\n", {"sacks": b, "kg": [v for i, v in enumerate(small) if i != 4]}, leftOut=True, rows=N,
     says=["1 row has more cells than there are columns (first on line 10)", "1 row has fewer cells than there are columns (first on line 6)"])
open_quote = table({"mill": names, "wheel": [f"{n} ft" for n in range(N)], "sacks": b}).replace(",8 ft", ',"8 ft')
case("open-quote", open_quote, {"sacks": b}, leftOut=True, rows=N, says=["1 quotation mark is never closed (first on line 10)"])
case("open-quote-then-quotes", open_quote.replace(",15 ft", ',"15 ft"'), {"sacks": b}, leftOut=True, rows=N, says=["1 quotation mark is never closed (first on line 10)"])
case("zero-bytes", table({"mill": names, "sacks": b}).replace("K4,", "K\0004,") + "\0" * 40, {"sacks": b}, rows=N, names=["mill", "sacks"],
     says=["1 row holds zero bytes (first on line 6)"])
case("archive", b"PK\x03\x04" + bytes(range(64)), refused=["ZIP", "save it as CSV"])
case("doubled-names", "kg,kg,kg (2),,column 4\n" + "".join(f"{v},{v + 1},{v + 2},{v + 3},{v + 4}\n" for v in b), rows=N,
     names=["kg", "kg (3)", "kg (2)", "column 4 (2)", "column 4"])

# How numbers are written.
case("thin-spaces", table({"mill": names, "ducats": [group(v, "\u202f", ",").replace("-", "\u2212") for v in a], "crowns": [group(v, "\u00a0", ",") for v in a]}, ";"),
     {"ducats": a, "crowns": a}, rows=N, quiet=True)
case("parentheses", table({"mill": names, "balance": [f'"({group(-v)})"' if v < 0 else f'"{group(v)}"' for v in a]}), {"balance": a}, rows=N, quiet=True)
case("minus-behind", table({"mill": names, "balance": [group(-v, ".", ",") + "-" if v < 0 else group(v, ".", ",") for v in a]}, ";"), {"balance": a}, rows=N, quiet=True)
case("currency", table({"mill": names, "before": [f"€ {v}" for v in small], "behind": [f"{v} kr" for v in small], "share": [f"{v}%" for v in small]}),
     {"before": small, "behind": small, "share": small}, rows=N, quiet=True)
case("lakh", table({"mill": names, "rupees": [f'"₹{group(abs(v) * 100, lakh=True)}"' for v in a]}), {"rupees": [float(f"{abs(v) * 100:.2f}") for v in a]}, rows=N, quiet=True)
case("apostrophe-groups", table({"mill": names, "francs": [group(v, "’") for v in a]}), {"francs": a}, rows=N, quiet=True)
case("exponents", table({"mill": names, "force": [f"{v:.4E}" for v in a]}), {"force": [float(f"{v:.4E}") for v in a]}, rows=N, quiet=True)
signs = [comma(v) for v in small]
signs[20] = f"{small[20]:.2f}"
case("two-decimal-signs", table({"mill": names, "kg": signs}, ";"), {"kg": [v for i, v in enumerate(small) if i != 20]}, leftOut=True, rows=N,
     says=["1 number is not written as 1234,56 (line 22:", "not read"])
thousands = [group(v * 1000, ",", ".", 0) for v in b]
case("thousands-or-fractions", table({"mill": names, "sacks": [f'"{t}"' for t in thousands]}), {"sacks": [v * 1000 for v in b]}, rows=N,
     says=["could be a decimal sign or a group's"])
case("infinite", table({"mill": names, "kg": small[:20] + ["inf", "-Infinity", "∞", "1e400"]}), {"kg": small[:20]}, leftOut=True, rows=N,
     says=["4 numbers are infinite or too large (line 22"])
case("units-mixed", table({"mill": names, "price": [f"${v}" if n != 11 else f"€{v}" for n, v in enumerate(small)]}), {"price": small}, rows=N,
     says=["1 number has another unit than the first, which is in $ (line 13"])
case("words-among-numbers", table({"mill": names, "kg": ["n/a" if n == 3 else "lost" if n == 5 else v for n, v in enumerate(small)]}),
     {"kg": [v for n, v in enumerate(small) if n not in (3, 5)]}, leftOut=True, rows=N, says=['1 cell is no number (line 7: "lost")'])
case("more-digits-than-held", table({"mill": names, "id": [9007199254740993 + 2 * n for n in range(N)]}), rows=N, says=["24 numbers have more digits than are held"])
case("booleans", table({"mill": names, "open": ["yes", "no", "no"] * 8, "wet": ["TRUE", "FALSE"] * 12, "sacks": b}), {"sacks": b}, rows=N,
     kinds={"open": "boolean", "wet": "boolean"}, quiet=True)

# Numbers that break careless arithmetic.
huge = [r.choice((-1, 1)) * r.uniform(0.5, 1.7) * 1e308 for _ in range(N)]
tiny = [r.uniform(0.5, 90) * 1e-308 for _ in range(N)]
offset = [1e15 + n * 0.125 for n in b]
case("huge", table({"mill": names, "force": huge}), {"force": huge}, rows=N, quiet=True)
case("tiny", table({"mill": names, "force": tiny}), {"force": tiny}, rows=N, quiet=True)
case("offset", table({"mill": names, "tick": offset}), {"tick": offset}, rows=N, quiet=True)

# How dates are written.
from datetime import datetime, timedelta
moments = [datetime(2024, 12, 20, 9, 5, 1) + timedelta(hours=31 * n) for n in range(N)]
for name, form in {
    "date-short-year": "%d/%m/%y %H:%M", "date-month-name": "%d-%b-%Y", "date-twelve-hours": "%m/%d/%Y %I:%M:%S %p",
    "date-offset-hours": "%Y-%m-%d %H:%M:%S+02", "date-dots": "%d.%m.%Y", "date-long": '"%B %d, %Y"', "date-mail": '"%a, %d %b %Y %H:%M:%S +0100"',
    "date-iso": "%Y-%m-%dT%H:%M:%S.250Z", "date-year-first-short": "%y/%m/%d",
}.items():
    case(name, table({"when": [m.strftime(form) for m in moments], "sacks": b}), {"sacks": b}, rows=N, names=["when", "sacks"],
         kinds={"when": "date"}, says=["from 2024-12-20", "to 2025-01-19"], **({} if name in ("date-year-first-short", "date-short-year") else {"quiet": True}))
case("date-german", table({"Tag": [f"{m.day}. {['', 'Januar'][m.month == 1] or 'Dezember'} {m.year}" for m in moments], "sacks": b}), {"sacks": b}, rows=N,
     kinds={"Tag": "date"}, says=["from 2024-12-20"])
case("date-undecided", table({"when": ["03/04/2024", "04/03/2024", "05/06/2024", "06/05/2024"] * 6, "sacks": b}), {"sacks": b}, rows=N, kinds={"when": "date"},
     says=["day and month could be exchanged; read as DD/MM/YYYY"])
case("date-by-nearness", table({"when": [f"0{d}/0{m}/2024" for m in (3, 4) for d in range(1, 10)] + ["01/05/2024"] * 6, "sacks": b}), {"sacks": b}, rows=N,
     kinds={"when": "date"}, says=["read as DD/MM/YYYY, in which the rows lie closest together"])
case("date-decided-by-another", table({"made": ["03/04/2024", "04/05/2024", "06/07/2024"] * 8, "sold": ["12/31/2024", "01/02/2025", "02/03/2025"] * 8, "sacks": b}),
     {"sacks": b}, rows=N, kinds={"made": "date", "sold": "date"}, says=["made", "read as MM/DD/YYYY"])

spike = [r.randint(1, 90) for _ in range(N - 1)] + [90000]
case("outlier-without-date", table({"when": [m.strftime("%Y-%m-%d") for m in moments[:-1]] + [""], "sacks": spike}), {"sacks": spike}, rows=N,
     kinds={"when": "date"}, says=["1 outlier: 90,000 on line 25"])
case("groups-without-fractions", table({"mill": names, "sacks": [group(v * 1000, "\u00a0", ",", 0) for v in b]}, ";"), {"sacks": [v * 1000 for v in b]}, rows=N,
     says=["separated by semicolons, header in line 1"], quiet=True)
case("half-and-half", table({"mill": names, "kg": [comma(v) if n % 2 else f"{v:.2f}" for n, v in enumerate(small)]}, ";"), rows=N, kinds={"kg": "mixed"},
     says=["12 cells are no numbers of one way of writing (line 3:", "no figures were made"])
