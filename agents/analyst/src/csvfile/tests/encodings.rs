//! Encodings by mark or by letters, and what is no text.

use crate::csvfile::codepages::page;
use crate::csvfile::{Encoding, text};

#[test]
fn a_file_that_is_no_table_is_named() {
    let cases: [(&[u8], &str); 5] = [
        (b"", "empty"),
        ("\u{feff} \n".as_bytes(), "empty"),
        (b"\xff\xfe\n\x00", "empty"),
        (b"PK\x03\x04\x00", "ZIP"),
        (b"\x02\x00\x03\x07\x0a\x02", "bytes that no text has"),
    ];
    for (raw, want) in cases {
        let error = text(raw, true).err().unwrap().to_string();
        assert!(error.contains(want), "{raw:?}: {error}");
    }
}

fn units(text: &str, big: bool) -> Vec<u8> {
    text.encode_utf16()
        .flat_map(|unit| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        })
        .collect()
}

fn in_page(text: &str, encoding: Encoding) -> Vec<u8> {
    let page = page(encoding).unwrap();
    let byte = |c: char| match page.iter().position(|&have| have == c) {
        Some(at) => at as u8 + 0x80,
        None => u8::try_from(c).unwrap(),
    };
    text.chars().map(byte).collect()
}

#[test]
fn encodings_are_found_by_mark_or_by_letters() {
    use Encoding::*;
    let polish =
        "miasto;liczba\nŁódź;1\nKraków;2\nGdańsk;3\nŻyrardów;4\nPoznań;5\nWrocław;6\nBiałystok;7\n";
    let german = "ort;menge\nKöln;1\nMünchen;2\nGroß-Gerau;3\nLübeck;4\n";
    let russian = "город;число\nМосква;1\nКазань;2\nСамара;3\n";
    let greek = "πόλη;αριθμός\nΑθήνα;1\nΠάτρα;2\n";
    let turkish = "şehir;sayı\nİstanbul;1\nDiyarbakır;2\nEskişehir;3\nIğdır;4\n";
    let marked = |mark: &[u8], rest: Vec<u8>| [mark, &rest].concat();
    let cases = [
        (marked(b"\xef\xbb\xbf", german.into()), german, Utf8),
        (german.into(), german, Utf8),
        (
            marked(b"\xff\xfe", units("a;😀\n", false)),
            "a;😀\n",
            Utf16Le,
        ),
        (marked(b"\xfe\xff", units(greek, true)), greek, Utf16Be),
        (units(german, false), german, Utf16Le),
        (in_page(german, Windows1252), german, Windows1252),
        (in_page(polish, Windows1250), polish, Windows1250),
        (in_page(russian, Windows1251), russian, Windows1251),
        (in_page(greek, Windows1253), greek, Windows1253),
        (in_page(turkish, Windows1254), turkish, Windows1254),
        (in_page(russian, Koi8R), russian, Koi8R),
        (in_page(german, Cp850), german, Cp850),
        (in_page(german, MacRoman), german, MacRoman),
    ];
    for (raw, want, encoding) in cases {
        let (d, text) = text(&raw, true).unwrap();
        assert_eq!(
            (d.encoding, String::from_utf8(text).unwrap().as_str()),
            (encoding, want)
        );
    }
}
