//! Rows of every dialect.

#![allow(clippy::unwrap_used)]

mod encodings;

use std::io::{self, Read};

use proptest::prelude::*;

use super::{Dialect, Place, Rows};

/// Gives one byte at a time: a chunk may end anywhere, inside a quote or between CR and LF.
struct OneByOne<'t>(&'t [u8]);

impl Read for OneByOne<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = into.len().min(1);
        self.0.read(&mut into[..n])
    }
}

type Cells = Vec<Vec<String>>;

fn read<'t>(mut rows: Rows<'t>) -> (Cells, Vec<u64>, Rows<'t>) {
    let (mut cells, mut lines) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next().unwrap() {
        cells.push(row.cells().map(str::to_owned).collect());
        lines.push(row.line);
    }
    (cells, lines, rows)
}

fn slowly<'t>(text: &'t [u8], d: &Dialect) -> (Cells, Vec<u64>, Rows<'t>) {
    read(Rows::new(Box::new(OneByOne(text)), d).unwrap())
}

fn usual() -> Dialect {
    Dialect {
        separator: b',',
        quote: b'"',
        ..Dialect::default()
    }
}

#[test]
fn rows_are_taken_apart() {
    let spaced = Dialect {
        separator: b' ',
        ..usual()
    };
    let single = Dialect {
        separator: 0,
        ..usual()
    };
    let carriage = Dialect {
        cr: true,
        ..usual()
    };
    let escaped = Dialect {
        escape: b'\\',
        ..usual()
    };
    let commented = Dialect {
        comment: "#",
        width: 2,
        ..usual()
    };
    type Case<'t> = (&'t str, &'t [u8], &'t Dialect, &'t [&'t [&'t str]]);
    let cases: [Case<'_>; 17] = [
        (
            "plain",
            b"a,b\n1,2\n",
            &usual(),
            &[&["a", "b"], &["1", "2"]],
        ),
        (
            "CRLF",
            b"a,b\r\n1,2\r\n",
            &usual(),
            &[&["a", "b"], &["1", "2"]],
        ),
        ("CR", b"a,b\r1,2", &carriage, &[&["a", "b"], &["1", "2"]]),
        ("no end", b"a,b\n1,", &usual(), &[&["a", "b"], &["1", ""]]),
        (
            "empty lines",
            b"\n a , b \n  \n\n1,2\n",
            &usual(),
            &[&["a", "b"], &["1", "2"]],
        ),
        (
            "quoted",
            b"\"a,\"\"x\"\"\",b\n \"1\" ,\"\"\n",
            &usual(),
            &[&["a,\"x\"", "b"], &["1", ""]],
        ),
        (
            "several lines",
            b"\"a\r\nb\",c\r\n",
            &usual(),
            &[&["a\nb", "c"]],
        ),
        (
            "an inch",
            b"5\" pipe,b\n\"6\" pipe\",c\n",
            &usual(),
            &[&["5\" pipe", "b"], &["6\" pipe", "c"]],
        ),
        (
            "escaped",
            b"\"a \\\"x\\\"\",b\n",
            &escaped,
            &[&["a \"x\"", "b"]],
        ),
        (
            "spaces",
            b"  a   b \n 1 2\n",
            &spaced,
            &[&["a", "b"], &["1", "2"]],
        ),
        ("one column", b"a,b\n1,2\n", &single, &[&["a,b"], &["1,2"]]),
        (
            "comment",
            b"a,b\n# said\n#1,2\n",
            &commented,
            &[&["a", "b"], &["#1", "2"]],
        ),
        (
            "never closed",
            b"a,\"b\nc,d\n",
            &usual(),
            &[&["a", "\"b"], &["c", "d"]],
        ),
        (
            "closed too late",
            b"a,\"b\nc,\"d\"\ne,\"f\"\n",
            &usual(),
            &[&["a", "\"b"], &["c", "d"], &["e", "f"]],
        ),
        (
            "twice not closed",
            b"\"a,b\n\"c,d\n",
            &usual(),
            &[&["\"a", "b"], &["\"c", "d"]],
        ),
        ("zero bytes", b"a\x00,b\n\x00\x00", &usual(), &[&["a", "b"]]),
        ("a stray byte", b"K\xf6ln,1\n", &usual(), &[&["Köln", "1"]]),
    ];
    for (name, text, d, want) in cases {
        assert_eq!(slowly(text, d).0, want, "{name}");
    }
}

#[test]
fn lines_are_those_of_the_file() {
    let d = Dialect {
        start: 3,
        ..usual()
    };
    let (_, lines, rows) = slowly(
        b"A title with a \" in it\n\na,b\n\"1\n\n2\",x\n\n\"3,y\n4,z\n",
        &d,
    );
    assert_eq!(lines, [3, 4, 8, 9]);
    assert_eq!(
        (rows.open, rows.lines),
        (Place { count: 1, line: 8 }, Place { count: 1, line: 4 })
    );
}

#[test]
fn a_row_that_swallowed_others_is_taken_apart() {
    let d = Dialect {
        width: 3,
        ..usual()
    };
    let (cells, _, rows) = slowly(b"a,\"5,x\nb,6,y\nc,7\",z\n", &d);
    assert_eq!((cells.len(), rows.open.count), (3, 1), "{cells:?}");
}

/// Every one of a hundred thousand marks looks for its end: it must not look through the whole file each time, be they
/// on lines of their own or on one.
#[test]
fn many_marks_that_nobody_closes_are_read_in_one_go() {
    for (piece, rows, cells) in [("1,\"2\n", 100_000, 2), ("\"2,", 1, 100_001)] {
        let raw = piece.repeat(100_000);
        let (read, _, state) = read(Rows::new(Box::new(raw.as_bytes()), &usual()).unwrap());
        assert_eq!((read.len(), state.open.count), (rows, 100_000));
        assert_eq!(read[0].len(), cells.min(2048));
    }
}

/// What is looked through in vain is bounded by the size of the file, be the marks on one line, on long ones or on many.
#[test]
fn marks_that_close_nothing_are_looked_behind_within_a_bound() {
    let bare = "\"a\"b,";
    for raw in [
        bare.repeat(40_000),
        (bare.repeat(800) + "\n").repeat(50),
        "\"\"x\n".repeat(50_000),
    ] {
        let (.., rows) = read(Rows::new(Box::new(raw.as_bytes()), &usual()).unwrap());
        let (looked, bound) = (rows.looked_in_vain(), (16 << 20) + 4 * raw.len() as u64);
        assert!(
            looked <= bound,
            "{looked} bytes of {} were looked at",
            raw.len()
        );
        assert!(rows.open.count >= 40_000);
    }
}

#[test]
fn marks_that_nobody_closes_take_no_patience_from_the_cells_after_them() {
    let long = "a word\n".repeat(2_000);
    let raw = "1,\"5 pipes,x\n".repeat(200) + &format!("2,\"{long}\",y\n3,4,5\n");
    let (rows, _, state) = read(Rows::new(Box::new(raw.as_bytes()), &usual()).unwrap());
    assert_eq!((rows.len(), state.open.count), (202, 200));
    assert_eq!(rows[200], ["2", long.trim_end(), "y"]);
}

/// With more of the row its first cell is judged as it was, whatever was found behind it meanwhile.
#[test]
fn a_row_that_is_taken_apart_again_stays_as_it_was_judged() {
    let (long, rest) = ("b\n".repeat(300 << 10), "c".repeat(1_600 << 10));
    let raw = format!("1,\"{long}\",\"{rest}\n2,3,4\n");
    let (rows, _, state) = read(Rows::new(Box::new(raw.as_bytes()), &usual()).unwrap());
    assert_eq!((rows.len(), state.open.count), (2, 1));
    let row: Vec<_> = rows[0].iter().map(String::len).collect();
    assert_eq!(row, [1, long.len() - 1, rest.len() + 1]);
}

#[test]
fn a_row_without_an_end_is_refused() {
    let raw = "a,b\n".to_owned() + &"1,2 ".repeat(2 << 20);
    let mut rows = Rows::new(Box::new(raw.as_bytes()), &usual()).unwrap();
    assert!(rows.next().unwrap().is_some());
    let error = rows.next().err().unwrap().to_string();
    assert!(error.starts_with("line 2 is longer than 4 MiB"), "{error}");
}

/// Texts of what has a meaning to somebody.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"\""[..],
        b",",
        b"\n",
        b"\r\n",
        b"\r",
        b" ",
        b"x",
        b"12.5",
        b"\x00",
        b"\xf6",
        b"\xc2\xa0",
        "\u{2009}é".as_bytes(),
        b"'",
        b";",
        b"longer than eight bytes",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn rows_lose_no_byte_of_text(raw in noise(), separator in prop::sample::select(&b",; \t\x1f\x00"[..]), cr: bool) {
        let d = Dialect { separator, quote: b'"', cr, ..Dialect::default() };
        let (cells, ..) = slowly(&raw, &d);
        let letters = cells.iter().flatten().map(|cell| cell.matches('x').count()).sum::<usize>();
        prop_assert_eq!(letters, raw.iter().filter(|&&byte| byte == b'x').count());
    }

    /// The quick way and the thorough one give the same rows.
    #[test]
    fn the_quick_way_is_the_thorough_one(
        raw in noise(),
        separator in prop::sample::select(&b",;\t\x00"[..]),
        quote in prop::sample::select(&b"\"'\x00"[..]),
        cr: bool,
    ) {
        let d = Dialect { separator, quote, cr, ..Dialect::default() };
        let quick = read(Rows::new(Box::new(raw.as_slice()), &d).unwrap());
        let mut rows = Rows::new(Box::new(raw.as_slice()), &d).unwrap();
        rows.slow = true;
        let slow = read(rows);
        prop_assert_eq!((quick.0, quick.1), (slow.0, slow.1));
        let places = |rows: &Rows<'_>| [rows.open, rows.zeros, rows.recoded, rows.lines];
        prop_assert_eq!(places(&quick.2), places(&slow.2));
    }
}
