"""Writes the workbooks of this folder, as make.py does the texts: NAME.xlsx, NAME.ods or NAME.tsv, and NAME.json. A JSON
may have a question besides, which names the sheet.

    python3 sheets.py

The workbooks are written here part by part, with nothing but zipfile: what programs write differs in which parts there
are and in which attributes they leave out, and each case is one such way.
"""
import json, random, zipfile
from datetime import date, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from make import HERE, figures

r = random.Random(11)
N = 30
weights = [round(r.uniform(0.5, 90), 2) for _ in range(N)]
sacks = [r.randint(1, 400) for _ in range(N)]
days = [date(2024, 2, 20) + timedelta(days=n) for n in range(N)]
mills = [["upper mill", "lower, old mill", 'the "new" mill'][n % 3] for n in range(N)]


def archive(name, parts):
    with zipfile.ZipFile(HERE / name, "w", zipfile.ZIP_DEFLATED) as out:
        for part, text in parts.items():
            entry = zipfile.ZipInfo(part, (2024, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, text)


def case(name, parts, numbers=None, **want):
    archive(name, parts) if isinstance(parts, dict) else (HERE / name).write_bytes(parts)
    if numbers:
        want["figures"] = {column: figures(values) for column, values in numbers.items()}
    (HERE / name).with_suffix(".json").write_text(json.dumps(want, indent=1, ensure_ascii=False) + "\n")


# XLSX

HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
REL = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
# Styles: 0 general, 1 a date that is built in, 2 one of its own, 3 a time, 4 money with a d in quotation marks, 5 per cent.
STYLES = HEAD + f'''<styleSheet {MAIN}><numFmts count="2"><numFmt numFmtId="164" formatCode="dd/mm/yyyy\\ hh:mm"/>
<numFmt numFmtId="165" formatCode="#,##0.00\\ &quot;daler&quot;;[Red]-#,##0.00"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>
<cellXfs count="6"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="20"/><xf numFmtId="165"/><xf numFmtId="9"/></cellXfs></styleSheet>'''


def letters(column):
    out = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        out = chr(65 + rest) + out
    return out


def serial(when, epoch=datetime(1899, 12, 30)):
    return (datetime(when.year, when.month, when.day, getattr(when, "hour", 0), getattr(when, "minute", 0)) - epoch).total_seconds() / 86400


class Book:
    def __init__(self, **how):
        self.how, self.sheets, self.texts = how, [], []

    def cell(self, place, value):
        at = f' r="{place}"' if self.how.get("places", True) else ""
        if isinstance(value, tuple):
            return f'<c{at} s="{value[1]}"><v>{value[0]!r}</v></c>'
        if value is None:
            return f"<c{at}/>" if not self.how.get("places", True) else ""
        if isinstance(value, bool):
            return f'<c{at} t="b"><v>{int(value)}</v></c>'
        if isinstance(value, (int, float)):
            return f"<c{at}><v>{value!r}</v></c>"
        if value.startswith("#"):
            return f'<c{at} t="e"><f>B2/0</f><v>{value}</v></c>'
        if self.how.get("inline"):
            return f'<c{at} t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
        if value not in self.texts:
            self.texts.append(value)
        return f'<c{at} t="s"><v>{self.texts.index(value)}</v></c>'

    def add(self, name, rows, first=1, state=""):
        out = []
        for n, row in enumerate(rows, first):
            if any(value is not None for value in row):
                cells = "".join(self.cell(f"{letters(i)}{n}", value) for i, value in enumerate(row))
                at = f' r="{n}"' if self.how.get("places", True) else ""
                out.append(f"<row{at}>{cells}</row>")
        self.sheets.append((name, state, f'{HEAD}<worksheet {MAIN}><sheetData>{"".join(out)}</sheetData><pageMargins left="1"/></worksheet>'))
        return self

    def parts(self):
        sheets, rels, out = "", "", {}
        for n, (name, state, text) in enumerate(self.sheets, 1):
            hidden = f' state="{state}"' if state else ""
            sheets += f'<sheet name={quoteattr(name)} sheetId="{n}"{hidden} r:id="rId{n}"/>'
            target = f"/xl/worksheets/sheet{n}.xml" if self.how.get("absolute") else f"worksheets/sheet{n}.xml"
            rels += f'<Relationship Id="rId{n}" Type="worksheet" Target="{target}"/>'
            out[f"xl/worksheets/sheet{n}.xml"] = text
        date1904 = ' date1904="1"' if self.how.get("since1904") else ""
        out["xl/workbook.xml"] = f"{HEAD}<workbook {MAIN} {REL}><workbookPr{date1904}/><sheets>{sheets}</sheets></workbook>"
        out["xl/_rels/workbook.xml.rels"] = f"{HEAD}<Relationships>{rels}</Relationships>"
        out["xl/styles.xml"] = STYLES
        if self.texts:
            # Text in runs, and how it is pronounced, as programs for Japanese write it.
            items = "".join(f"<si><r><t>{escape(t[:2])}</t></r><r><rPr><b/></rPr><t xml:space=\"preserve\">{escape(t[2:])}</t></r>"
                            f'<rPh sb="0" eb="1"><t>aside</t></rPh></si>' for t in self.texts)
            out["xl/sharedStrings.xml"] = f'{HEAD}<sst {MAIN} count="{len(self.texts)}">{items}</sst>'
        return out


names = ["when", "mill", "kg", "sacks", "dry"]
orders = [names] + [[(serial(d), 1), m, w, s, s % 2 == 0] for d, m, w, s in zip(days, mills, weights, sacks)]
rates = [["town", "rate"]] + [[f"town {n}", (round(w / 100, 4), 5)] for n, w in enumerate(weights)]


def book(**how):
    return Book(**how).add("Cover", [["Made by the yard"]], state="hidden").add("Orders", orders).add("Rates & fees", rates)


says = ["the sheet Orders of an XLSX workbook", "header in line 1", "other sheets, which were not read: Cover (hidden), Rates & fees", "from 2024-02-20", "to 2024-03-20"]
kinds = {"when": "date", "mill": "text", "kg": "number", "dry": "boolean"}
case("xlsx-shared-texts.xlsx", book().parts(), {"kg": weights, "sacks": sacks}, rows=N, names=names, kinds=kinds, says=says)
case("xlsx-texts-in-cells.xlsx", book(inline=True, absolute=True).parts(), {"kg": weights}, rows=N, names=names, kinds=kinds, says=says)
case("xlsx-sheet-by-name.xlsx", book().parts(), {"rate": [row[1][0] for row in rates[1:]]}, rows=N, names=["town", "rate"],
     question="What about the sheet rates & Fees?", says=["the sheet Rates & fees of"])
case("xlsx-no-such-sheet.xlsx", book().parts(), question='sheet "Costs"', refused=['no sheet "Costs"', "Orders"])
case("xlsx-without-places.xlsx", Book(places=False).add("A", orders).parts(), {"kg": weights}, rows=N, names=names, kinds=kinds, quiet=True)
gaps = [["Stock of the yard"], [None], [None, None, "as of March"], ["mill", "kg", "note"]] + [
    [m, "#DIV/0!" if n == 4 else w, "checked" if n == 9 else None] for n, (m, w) in enumerate(zip(mills, weights))]
case("xlsx-title-and-gaps.xlsx", Book().add("A", gaps, first=3).parts(), {"kg": [w for n, w in enumerate(weights) if n != 4]}, rows=N,
     names=["mill", "kg", "note"], says=["header in line 6", "2 lines stand above line 6"])
clock = [datetime(2024, 2, 20, 6, 30) + timedelta(hours=7 * n) for n in range(N)]
case("xlsx-since-1904.xlsx", Book(since1904=True).add("A", [["when", "at", "cost"]] + [
    [(serial(c, datetime(1904, 1, 1)), 2), ((c.hour * 60 + c.minute) / 1440, 3), (w, 4)] for c, w in zip(clock, weights)]).parts(),
     {"cost": weights}, rows=N, kinds={"when": "date", "at": "time", "cost": "number"}, says=["from 2024-02-20 06:30"], quiet=True)
bomb = Book().add("A", orders).parts()
bomb["xl/worksheets/sheet1.xml"] = bomb["xl/worksheets/sheet1.xml"].replace("<sheetData>", "<sheetData><row><c t=\"str\"><v>" + "7" * (4 << 20))
case("xlsx-bomb.xlsx", bomb, refused=["a cell or a tag of more than 1024 KiB"])
case("xlsx-cut-off.xlsx", (HERE / "xlsx-shared-texts.xlsx").read_bytes()[:-200], refused=["ZIP archive that breaks off"])
case("xlsb-binary.xlsx", {"xl/workbook.bin": "x"}, refused=["XLSB", "save it as XLSX or CSV"])
case("zip-of-texts.xlsx", {"a.csv": "a,b\n1,2\n"}, refused=["without a workbook", "unpack it"])

# ODS

SPACES = ('xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
          'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"')


def ods_cell(value):
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, bool):
        return f'<table:table-cell office:value-type="boolean" office:boolean-value="{str(value).lower()}"><text:p>WAHR</text:p></table:table-cell>'
    if isinstance(value, (int, float)):
        shown = f"{value:.1f}".replace(".", ",")  # what is shown is rounded, and has the person's decimal sign
        return f'<table:table-cell office:value-type="float" office:value="{value!r}"><text:p>{shown} kg</text:p></table:table-cell>'
    if isinstance(value, date):
        return f'<table:table-cell office:value-type="date" office:date-value="{value.isoformat()}"><text:p>{value:%d.%m.%y}</text:p></table:table-cell>'
    note = "<office:annotation><text:p>a note of the clerk</text:p></office:annotation>" if value == mills[0] else ""
    words = escape(value).replace(" ", "<text:s/>", 1)
    return f'<table:table-cell office:value-type="string">{note}<text:p>{words}</text:p></table:table-cell>'


def ods(sheets):
    text = ""
    for name, rows in sheets.items():
        body = "".join("<table:table-row>" + "".join(map(ods_cell, row)) + '<table:table-cell table:number-columns-repeated="16300"/></table:table-row>' for row in rows)
        text += (f"<table:table table:name={quoteattr(name)}><table:table-column/>{body}"
                 '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table>')
    return {"mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": f"{HEAD}<office:document-content {SPACES}><office:body><office:spreadsheet>{text}</office:spreadsheet></office:body></office:document-content>"}


ods_orders = [names] + [[d, m, w, s, s % 2 == 0] for d, m, w, s in zip(days, mills, weights, sacks)]
ods_rates = [["town", "rate"]] + [[f"town {n}", w] for n, w in enumerate(weights)]
case("ods-first-sheet.ods", ods({"Aufträge": ods_orders, "Kurse": ods_rates}), {"kg": weights, "sacks": sacks}, rows=N, names=names, kinds=kinds,
     says=["the sheet Aufträge of an ODS workbook", "other sheets, which were not read: Kurse", "from 2024-02-20"])
case("ods-sheet-by-name.ods", ods({"Aufträge": ods_orders, "Kurse": ods_rates}), {"rate": weights}, rows=N, names=["town", "rate"], question="Kurse",
     says=["the sheet Kurse of"])
alike = ods({"A": [["mill", "kg"]] + [[m, w] for m, w in zip(mills, weights)]})
alike["content.xml"] = alike["content.xml"].replace("</table:table>", '<table:table-row table:number-rows-repeated="5"><table:table-cell office:value-type="string">'
                                                    '<text:p>upper mill</text:p></table:table-cell><table:table-cell office:value-type="float" office:value="3"/></table:table-row></table:table>', 1)
alike["content.xml"] = alike["content.xml"].replace('table:number-rows-repeated="1048000"', 'table:number-rows-repeated="4"')
case("ods-rows-alike.ods", alike, {"kg": weights + [3] * 5}, rows=N + 5, quiet=True)
case("ods-encrypted.ods", {"mimetype": "x", "content.xml": bytes(r.randrange(256) for _ in range(400))}, refused=["content.xml cannot be read", "encrypted"])

# Tables in text with tabs, and what is none.

case("tabs.tsv", ("mill\tkg\tsacks\n" + "".join(f"{m}\t{w}\t{s}\n" for m, w, s in zip(mills, weights, sacks))).encode(), {"kg": weights, "sacks": sacks},
     rows=N, names=["mill", "kg", "sacks"], says=["separated by tabs"], quiet=True)
case("parquet.tsv", b"PAR1\x15\x04\x15\x80" + bytes(range(200)) + b"PAR1", refused=["a Parquet file", "save it as CSV"])
