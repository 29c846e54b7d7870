//! Which sheet is meant, what days and formats are, and what is unpacked.

#![allow(clippy::unwrap_used)]

mod noise;

use std::io::{self, Read, Write as _};
use std::rc::Rc;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::days::moment;
use super::ods::clock;
use super::styles::{Form, form_of};
use super::{Book, ReadAt};

struct Memory(Vec<u8>);

impl ReadAt for Memory {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.get(offset as usize..).unwrap_or_default().read(into)
    }
}

fn open(raw: Vec<u8>) -> io::Result<Book> {
    let size = raw.len() as u64;
    Book::open(Rc::new(Memory(raw)), size)
}

/// Makes an archive of parts.
fn pack(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, text) in parts {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        archive.start_file(*name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

const RELATIONS: &str =
    r#"<r><Relationship Id="i" Target="s.xml"/><Relationship Id="j" Target="../k.xml"/></r>"#;

/// A workbook with one sheet.
fn xlsx(sheet: &str, texts: &str) -> Vec<u8> {
    pack(&[
        (
            "xl/workbook.xml",
            r#"<workbook><sheets><sheet name="A" r:id="i"/></sheets></workbook>"#,
        ),
        ("xl/_rels/workbook.xml.rels", RELATIONS),
        ("xl/s.xml", &format!("<sheetData>{sheet}")),
        ("xl/sharedStrings.xml", texts),
        (
            "xl/styles.xml",
            r#"<cellXfs><xf/><xf numFmtId="14"/></cellXfs>"#,
        ),
    ])
}

fn ods(content: &str) -> Vec<u8> {
    pack(&[("content.xml", content)])
}

/// All sheets as text, so many bytes of each at most.
fn all(raw: Vec<u8>) -> io::Result<String> {
    let book = open(raw)?;
    let mut text = String::new();
    for index in 0..book.sheets.len() {
        book.rows(index)?.take(1 << 20).read_to_string(&mut text)?;
    }
    Ok(text)
}

fn named(names: &[(&str, bool)]) -> Book {
    let sheet = |(name, hidden): &(&str, bool)| {
        let state = if *hidden { "hidden" } else { "visible" };
        format!(r#"<sheet name="{name}" state="{state}" r:id="i"/>"#)
    };
    let sheets: String = names.iter().map(sheet).collect();
    open(pack(&[
        ("xl/workbook.xml", &sheets),
        ("xl/_rels/workbook.xml.rels", RELATIONS),
        ("xl/s.xml", "<a/>"),
    ]))
    .unwrap()
}

#[test]
fn a_sheet_is_chosen_by_what_a_person_says() {
    let book = named(&[
        ("Old", true),
        ("Sales", false),
        ("Sales 2024", false),
        ("Q1", false),
        ("Übersicht", false),
    ]);
    for (question, want) in [
        ("", "Sales"),
        ("What stands out?", "Sales"),
        ("Read the sheet sales 2024", "Sales 2024"),
        ("sales", "Sales"),
        ("How does Q1 look?", "Q1"),
        ("How does Q10 look?", "Sales"),
        ("sheet \"old\", please", "Old"),
        ("was steht in der übersicht?", "Übersicht"),
        ("Is there a sheet about money?", "Sales"),
        ("sheet \"Q2\"", "no sheet \"Q2\""),
        ("sheet Q2", "no sheet \"Q2\""),
    ] {
        match book.choose(question) {
            Ok(index) => assert_eq!(book.sheets[index].name, want, "{question}"),
            Err(error) => assert!(error.to_string().contains(want), "{question}: {error}"),
        }
    }
    assert_eq!(
        book.others(1),
        "The workbook has other sheets, which were not read: Old (hidden), Sales 2024, Q1, Übersicht. Name one in the \
         question to have it read: \"sheet Sales 2024\"."
    );
}

#[test]
fn a_sheet_behind_those_that_are_looked_at_is_not_said_to_be_missing() {
    let names: Vec<String> = (0..1_003).map(|n| format!("S{n}")).collect();
    let sheets: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), false)).collect();
    let table = |name: &String| format!("<table:table table:name=\"{name}\"/>");
    let tables: String = names.iter().map(table).collect();
    let content = format!("<a xmlns:table=\"t\">{tables}</a>");
    for book in [named(&sheets), open(ods(&content)).unwrap()] {
        assert_eq!(
            (book.sheets.len(), book.beyond),
            (1_000, 3),
            "{}",
            book.kind
        );
        assert_eq!(book.choose("sheet S999").ok(), Some(999));
        let error = book.choose("sheet S1002").err().map(|it| it.to_string());
        assert_eq!(
            error.as_deref(),
            Some(
                "no sheet \"S1002\" is among the first 1000 of the workbook, and the 3 behind them are not looked at: \
                 move it to the front, or save it as CSV"
            )
        );
        assert!(
            book.others(0).contains("S12, and 990 more."),
            "{}",
            book.others(0)
        );
    }
}

/// Days as spreadsheets count them: the values are those that LibreOffice and Excel show.
#[test]
fn days_become_dates() {
    for (days, want) in [
        (1.0, "1900-01-01"),
        (59.0, "1900-02-28"),
        (61.0, "1900-03-01"),
        (25569.0, "1970-01-01"),
        (45351.0, "2024-02-29"),
        (45351.75, "2024-02-29 18:00:00"),
        (45351.999999, "2024-03-01"),
        (-1.0, "-1"),
        (-1234567.0, "-1.234567e+06"),
    ] {
        assert_eq!(moment(days, Form::Date, false), want);
    }
    assert_eq!(moment(43889.0, Form::Date, true), "2024-02-29");
    assert_eq!(moment(0.25, Form::Clock, false), "06:00:00");
    assert_eq!(clock("PT09H30M00S").as_deref(), Some("09:30:00"));
    assert_eq!((clock("PT24H00M00S"), clock("P1D")), (None, None));
}

#[test]
fn formats_tell_dates_from_numbers() {
    for code in [
        "General",
        "0.00",
        "#,##0 \"days\"",
        "[Red]0",
        "[h]:mm",
        "0.00E+00",
        "@",
    ] {
        assert_eq!(form_of(code), Form::Plain, "{code}");
    }
    for code in [
        "dd/mm/yyyy",
        "yyyy-mm-dd\\ hh:mm",
        "[$-409]d-mmm-yy;@",
        "mmm yy",
    ] {
        assert_eq!(form_of(code), Form::Date, "{code}");
    }
    for code in ["h:mm AM/PM", "hh:mm:ss.000"] {
        assert_eq!(form_of(code), Form::Clock, "{code}");
    }
}

#[test]
fn rows_of_a_sheet_are_lines() {
    let sheet = r#"<row r="2"><c r="B2" t="s"><v>1</v></c><c s="1"><v>45351</v></c></row>
        <row r="4"><c t="inlineStr"><is><t>a,&quot;b&quot;</t><rPh><t>x</t></rPh></is></c><c t="b"><v>1</v></c></row></sheetData>"#;
    let text = all(xlsx(
        sheet,
        "<si><t>no</t></si><si><r><t>one</t></r><r><t> &amp; two</t></r></si>",
    ))
    .unwrap();
    assert_eq!(text, "\n,one & two,2024-02-29\n\n\"a,\"\"b\"\"\",true,\n");
    let cell = r#"<table:table-cell office:value-type="float" office:value="1.5"><text:p>1,5</text:p></table:table-cell>"#;
    let row =
        format!(r#"<table:table-row table:number-rows-repeated="2">{cell}</table:table-row>"#);
    let table =
        |name, rows: &str| format!(r#"<table:table table:name="{name}">{rows}</table:table>"#);
    assert_eq!(
        all(ods(&format!(
            "<b>{}{}</b>",
            table("A", &row),
            table("B", &row)
        )))
        .unwrap(),
        "1.5\n1.5\n1.5\n1.5\n"
    );
}

#[test]
fn what_is_unpacked_has_bounds() {
    let long = "x".repeat(900 << 10);
    let row = format!(
        r#"<row>{}</row>"#,
        format!(r#"<c t="str"><v>{long}</v></c>"#).repeat(6)
    );
    let runs = format!(
        "<row><c><is>{}</is></c></row>",
        format!("<t>{long}</t>").repeat(6)
    );
    let shared = r#"<c t="s"><v>0</v></c>"#.repeat(2000);
    for (sheet, texts, told) in [
        (row, String::new(), "a row of more than 4 MiB"),
        (runs, String::new(), "a row of more than 4 MiB"),
        (
            format!("<row>{shared}</row>"),
            format!("<si><t>{long}</t></si>"),
            "a row of more than 4 MiB",
        ),
        (
            format!("<row><c><v>{long}{long}</v></c></row>"),
            String::new(),
            "a cell or a tag of more than 1024 KiB",
        ),
        (
            r#"<row r="2"/><row r="1"/>"#.into(),
            String::new(),
            "not in their order",
        ),
        (
            r#"<row r="99999999"><c><v>1</v></c></row>"#.into(),
            String::new(),
            "more rows than any program writes",
        ),
        (
            r#"<row <c r="A1"/></row>"#.into(),
            String::new(),
            "cannot be read",
        ),
    ] {
        let error = all(xlsx(&sheet, &texts)).err().unwrap().to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
}

#[test]
fn an_archive_of_many_entries_is_refused_before_they_are_read() {
    let mut raw = pack(&[("a", "")]);
    let at = raw.len() - 22;
    raw[at + 10..at + 12].copy_from_slice(&20_000_u16.to_le_bytes());
    assert!(
        open(raw)
            .err()
            .unwrap()
            .to_string()
            .contains("20000 entries")
    );
    assert!(
        open(b"PK\x03\x04".to_vec())
            .err()
            .unwrap()
            .to_string()
            .contains("breaks off")
    );
}
