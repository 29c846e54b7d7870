//! What is written in any dialect is read again.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::select;

use super::detect;
use crate::csvfile::Rows;

/// How a table is written.
#[derive(Clone, Debug)]
struct Written {
    separator: char,
    end: &'static str,
    encoding: &'static str,
    comma: bool,
    everywhere: bool,
    above: Above,
}

#[derive(Clone, Debug)]
enum Above {
    Nothing,
    Hint,
    Title(usize),
}

fn written() -> impl Strategy<Value = Written> {
    let above = prop_oneof![
        4 => Just(Above::Nothing),
        1 => Just(Above::Hint),
        2 => (1..4_usize).prop_map(Above::Title),
    ];
    let separator = select(vec![',', ';', '\t', '|']);
    let end = select(vec!["\n", "\r\n", "\r"]);
    let encoding = select(vec!["utf-8", "mark", "16", "16 big", "1252"]);
    (
        separator,
        end,
        encoding,
        any::<bool>(),
        prop::bool::weighted(0.25),
        above,
    )
        .prop_map(
            |(separator, end, encoding, comma, everywhere, above)| Written {
                separator,
                end,
                encoding,
                comma,
                everywhere,
                above,
            },
        )
}

type Table = Vec<Vec<String>>;

/// A table of columns that each hold one kind of value, below their names.
fn table(comma: bool) -> impl Strategy<Value = Table> {
    let name = select(vec![
        "café",
        "weight",
        "lot no",
        "état",
        "size, cm",
        "rack; bay",
        "a|b",
    ]);
    // A table of words alone has no header to be known by.
    let columns = (
        0..3_u8,
        prop::collection::vec(0..5_u8, 1..5),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(value, mut kinds, at)| {
            kinds.insert(at.index(kinds.len() + 1), value);
            kinds
        });
    (columns, 12..40_usize, prop::collection::vec(name, 6)).prop_flat_map(
        move |(kinds, height, names)| {
            let header: Vec<String> = (0..kinds.len())
                .map(|i| format!("{}-{i}x", names[i]))
                .collect();
            let row: Vec<_> = kinds.iter().map(|&kind| value(kind, comma)).collect();
            prop::collection::vec(row, height).prop_map(move |mut rows| {
                for (n, row) in rows.iter_mut().enumerate() {
                    for (text, _) in row.iter_mut().zip(&kinds).filter(|(_, kind)| **kind == 3) {
                        *text = format!("{text} {n}");
                    }
                }
                rows.insert(0, header.clone());
                rows
            })
        },
    )
}

fn value(kind: u8, comma: bool) -> BoxedStrategy<String> {
    let full = match kind {
        0 => (-900..4100_i32).prop_map(|n| n.to_string()).boxed(),
        1 => (0.0..900.0_f64)
            .prop_map(move |x: f64| format!("{x:.2}").replace('.', if comma { "," } else { "." }))
            .boxed(),
        2 => (10..30_i32, 1..13_i32, 1..29_i32)
            .prop_map(|(y, m, d)| format!("20{y:02}-{m:02}-{d:02}"))
            .boxed(),
        3 => {
            return select(vec!["brass", "élan vital", "slate", "moss green"])
                .prop_map(str::to_owned)
                .boxed();
        }
        _ => select(vec![
            "oak, old",
            "5\" bolt",
            "north; south",
            "said \"no\"",
            "two\nlines",
            "plain",
        ])
        .prop_map(str::to_owned)
        .boxed(),
    };
    prop_oneof![19 => full, 1 => Just(String::new())].boxed()
}

/// Writes a table, and says on which line it begins.
fn write(table: &Table, how: &Written) -> (Vec<u8>, u64) {
    let mut out = String::new();
    let lines = match how.above {
        Above::Nothing => 0,
        Above::Hint => {
            out.extend(["sep=", &how.separator.to_string(), how.end]);
            1
        }
        Above::Title(lines) => {
            out.extend(
                ["Stock of the yard", "Kept by: the yard", "as of March"]
                    .into_iter()
                    .take(lines)
                    .flat_map(|line| [line, how.end]),
            );
            lines as u64
        }
    };
    for row in table {
        let cells: Vec<String> = row.iter().map(|text| cell(text, how)).collect();
        out += &cells.join(&how.separator.to_string());
        out += how.end;
    }
    (encode(&out, how.encoding), 1 + lines)
}

fn cell(text: &str, how: &Written) -> String {
    let text = text.replace('\n', if how.end == "\r" { "\r" } else { "\n" });
    if how.everywhere || text.contains([how.separator, '"', '\r', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

fn encode(text: &str, encoding: &str) -> Vec<u8> {
    let marked = format!("\u{feff}{text}");
    match encoding {
        "mark" => marked.into_bytes(),
        "16" => marked.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "16 big" => marked.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        // What is written here is the same in Latin-1.
        "1252" => text.chars().map(|c| u8::try_from(c).unwrap()).collect(),
        _ => text.into(),
    }
}

fn read(raw: &[u8], dialect: &crate::csvfile::Dialect) -> Table {
    let mut rows = Rows::new(Box::new(raw), dialect).unwrap();
    let mut table = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        table.push(row.cells().map(|text| text.replace('\r', "\n")).collect());
    }
    table
}

proptest! {
    #[test]
    fn what_is_written_in_any_dialect_is_read_again(
        (how, table) in written().prop_flat_map(|how| (Just(how.clone()), table(how.comma))),
    ) {
        let (raw, line) = write(&table, &how);
        let layout = detect(&raw, true).unwrap();
        prop_assert!(layout.header, "{:?}", layout);
        prop_assert_eq!(layout.dialect.start, line);
        prop_assert_eq!(read(&raw, &layout.dialect), table);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        pieces in prop::collection::vec(select(vec![
            &b"sep=;\n"[..], b"a;b\n", b"1;2\n", b"\xff\xfe", b"a\x00", b"\"", b"\n", b"# x", b"1 2", b",", b"\\\"", b"'", b"2024-01-02", b"\x01",
        ]), 0..30),
    ) {
        let raw = pieces.concat();
        if let Ok(layout) = detect(&raw, true) {
            read(&raw, &layout.dialect);
        }
    }
}

#[test]
fn a_hint_is_no_row_and_titles_are_none() {
    for (text, separator, start, header) in [
        ("sep=;\na;b\n1;2\n", b';', 2, true),
        ("\"SEP=|\"\r\na|b\r\n1|2\r\n", b'|', 2, true),
        ("sep=,\na;b\n1;2\n3;4\n", b';', 2, true),
        ("Title\n\na,b\n1,2\n3,4\n5,6\n", b',', 3, true),
        ("Title,,\n,,\na,b,c\n1,2,3\n4,5,6\n", b',', 3, true),
        ("# one\n# two, three\na,b\n1,2\n3,4\n", b',', 3, true),
        ("1;2,5\n2;3,5\n3;4,5\n", b';', 1, false),
        ("n\n1,5\n2,25\n10,75\n", 0, 1, true),
        ("3,04\n5,99\n7,10\n12,00\n", 0, 1, false),
        ("3,4\n5,99\n7,1\n12,0\n", b',', 1, false),
        ("at\n10:00\n11:30\n12:45\n", 0, 1, true),
        ("a:b\n1:2\n3:4\n5:6\n", b':', 1, true),
        (
            "when,n\n2024-01-01 10:00,5\n2024-01-02 11:00,6\n2024-01-03 12:00,7\n",
            b',',
            1,
            true,
        ),
    ] {
        let layout = detect(text.as_bytes(), true).unwrap();
        assert_eq!(
            (
                layout.dialect.separator,
                layout.dialect.start,
                layout.header
            ),
            (separator, start, header),
            "{text:?}"
        );
    }
}
