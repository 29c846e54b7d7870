//! From bytes to text, whatever program wrote them.
//!
//! A byte-order mark says what follows. Without one it is UTF-8 where that holds, UTF-16 where its zeros lie
//! so, and else what Firefox would take it for (`chardetng`, `encoding_rs`). Lines end with `\n`.

use std::collections::HashSet;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

const NO_TEXT: &str = "not a text";
/// One in so many characters may be a control character, or one that the encoding does not have.
const STRAY: usize = 200;

/// What was read of bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Text {
    pub(in super::super) text: String,
    /// So many letters of it are U+FFFD, since their bytes are not of the encoding.
    pub(in super::super) unread: usize,
}

impl Text {
    fn whole(text: String) -> Self {
        Self { text, unread: 0 }
    }

    /// Text with a replacement for each place that could not be read, but those that `bytes` themselves hold.
    fn damaged(text: String, bytes: &[u8]) -> Self {
        let replacement = char::REPLACEMENT_CHARACTER;
        let own = bytes.windows(3).filter(|it| *it == b"\xEF\xBF\xBD");
        let unread = text
            .matches(replacement)
            .count()
            .saturating_sub(own.count());
        Self { text, unread }
    }
}

/// The text of `bytes`, without its byte-order mark; or why it is none.
pub(in super::super) fn text(bytes: &[u8]) -> Result<Text, &'static str> {
    let mut read = decoded(bytes).ok_or(NO_TEXT)?;
    let text = &read.text;
    let controls = text.chars().filter(|it| is_binary(*it)).count();
    if text.contains('\0') || controls * STRAY > text.chars().count() {
        return Err(NO_TEXT);
    }
    if text.contains('\r') {
        read.text = text.replace("\r\n", "\n").replace('\r', "\n");
    }
    Ok(read)
}

/// What a piece of a long file is.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Piece {
    /// Text in UTF-8.
    Text(Text),
    /// Text in another encoding, which only the whole file would tell.
    Other,
    /// No text.
    None,
}

/// Reads a piece of a long file by itself, between two letters.
pub(in super::super) fn piece(bytes: &[u8]) -> Piece {
    let Ok(text) = text(bytes) else {
        return Piece::None;
    };
    let encoding = Encoding::for_bom(bytes).map_or(UTF_8, |(encoding, _)| encoding);
    if bytes.contains(&0) || encoding != UTF_8 {
        return Piece::Other;
    }
    if std::str::from_utf8(bytes).is_ok() || is_damaged_utf8(bytes) {
        return Piece::Text(text);
    }
    // A few odd bytes in what is ASCII else.
    let text = Text::damaged(String::from_utf8_lossy(bytes).into_owned(), bytes);
    match text.unread * STRAY <= text.text.chars().count() {
        true => Piece::Text(text),
        false => Piece::Other,
    }
}

fn decoded(bytes: &[u8]) -> Option<Text> {
    if let Some(text) = utf32(bytes) {
        return text.map(Text::whole);
    }
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return readable(encoding, &bytes[mark..]);
    }
    if bytes.contains(&0) {
        return utf16_without_mark(bytes).map(Text::whole);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Text::whole(text.to_owned()));
    }
    if is_damaged_utf8(bytes) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        return Some(Text::damaged(text, bytes));
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    readable(detector.guess(None, Utf8Detection::Deny), bytes)
}

/// The text, unless too much of it is not of this encoding.
fn readable(encoding: &'static Encoding, bytes: &[u8]) -> Option<Text> {
    let (text, is_broken) = encoding.decode_without_bom_handling(bytes);
    if !is_broken {
        return Some(Text::whole(text.into_owned()));
    }
    let own: &[u8] = if encoding == UTF_8 { bytes } else { &[] };
    let read = Text::damaged(text.into_owned(), own);
    (read.unread * STRAY <= read.text.chars().count().max(STRAY)).then_some(read)
}

/// A text in UTF-32 by its mark; the inner `None` where it is not one after all.
fn utf32(bytes: &[u8]) -> Option<Option<String>> {
    let read: fn([u8; 4]) -> u32 = match bytes {
        [0xFF, 0xFE, 0, 0, ..] => u32::from_le_bytes,
        [0, 0, 0xFE, 0xFF, ..] => u32::from_be_bytes,
        _ => return None,
    };
    let (letters, rest) = bytes[4..].as_chunks::<4>();
    let text = letters.iter().map(|four| char::from_u32(read(*four)));
    Some(text.collect::<Option<String>>().filter(|_| rest.is_empty()))
}

/// Zeros are the high halves of spaces, line ends and Latin letters: at least a tenth, and all on one side; the
/// other letters are of few scripts, so their high halves are few as well. Pairs of other bytes are not.
fn utf16_without_mark(bytes: &[u8]) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<2>();
    let zeros = |side: usize| units.iter().filter(|unit| unit[side] == 0).count();
    let (encoding, high) = match (zeros(0), zeros(1)) {
        (0, _) => (UTF_16LE, 1),
        (_, 0) => (UTF_16BE, 0),
        _ => return None,
    };
    let scripts: HashSet<u8> = units.iter().map(|unit| unit[high]).collect();
    let is_likely = zeros(high) * 10 >= units.len() && scripts.len() <= 5 + units.len() / 50;
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    (is_likely && rest.is_empty() && !broken).then(|| text.into_owned())
}

/// Whether most of what is not ASCII is whole UTF-8, so that a cut or a single odd byte is all that is wrong.
fn is_damaged_utf8(bytes: &[u8]) -> bool {
    let (text, _) = UTF_8.decode_without_bom_handling(bytes);
    let strays = text.matches(char::REPLACEMENT_CHARACTER).count();
    text.chars().filter(|letter| !letter.is_ascii()).count() > strays * 5
}

/// Control characters that no text has; escapes colour a log, and form feeds part pages.
fn is_binary(letter: char) -> bool {
    letter.is_control()
        && !matches!(
            letter,
            '\t' | '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{1A}' | '\u{1B}' | '\u{85}'
        )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TEXT: &str = "Nachtschicht: die Öfen kühlen über Nacht ab.\nДальше по-русски.\n";

    fn read(bytes: &[u8]) -> Result<String, &'static str> {
        text(bytes).map(|read| read.text)
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let bytes = |unit: u16| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn unicode_is_read_with_and_without_its_mark() {
        for big in [false, true] {
            let marked = utf16(&format!("\u{feff}{TEXT}"), big);
            assert_eq!(read(&marked).as_deref(), Ok(TEXT));
            assert_eq!(read(&utf16(TEXT, big)).as_deref(), Ok(TEXT));
        }
        assert_eq!(
            read(format!("\u{feff}{TEXT}").as_bytes()).as_deref(),
            Ok(TEXT)
        );
        let wide: Vec<u8> = format!("\u{feff}{TEXT}")
            .chars()
            .flat_map(|it| u32::from(it).to_le_bytes())
            .collect();
        assert_eq!(read(&wide).as_deref(), Ok(TEXT));
    }

    #[test]
    fn older_encodings_are_found_out() {
        let cases = [
            (
                "windows-1252",
                "Le café sert la soupe à midi, s’il reste des légumes. Fermé le dimanche – toujours.",
            ),
            (
                "iso-8859-2",
                "Zażółć gęślą jaźń. Źródło prądu znajduje się za ścianą, gdzie są też narzędzia.",
            ),
            (
                "windows-1251",
                "Печь остывает ночью, заслонку открывают утром, когда приходит мастер.",
            ),
            (
                "koi8-r",
                "Печь остывает ночью, заслонку открывают утром, когда приходит мастер.",
            ),
            (
                "windows-1254",
                "Kütüphane sabah dokuzda açılır, öğleden sonra beşte kapanır; pazar günü çalışmıyor.",
            ),
            (
                "windows-1256",
                "تفتح المكتبة في الساعة التاسعة صباحا وتغلق في الساعة الخامسة مساء كل يوم.",
            ),
            (
                "windows-1253",
                "Η βιβλιοθήκη ανοίγει στις εννέα το πρωί και κλείνει στις πέντε το απόγευμα.",
            ),
            (
                "shift_jis",
                "図書館は午前九時に開きます。日曜日は休みです。猫は入れません。",
            ),
            ("gbk", "图书馆上午九点开门，星期天休息。请不要带猫进来。"),
            ("big5", "圖書館上午九點開門，星期天休息。請不要帶貓進來。"),
            ("euc-kr", "도서관은 오전 아홉 시에 열고 일요일에는 쉽니다."),
        ];
        for (label, written) in cases {
            let (bytes, _, unmappable) = Encoding::for_label(label.as_bytes())
                .unwrap()
                .encode(written);
            assert!(!unmappable, "{label}");
            assert_eq!(read(&bytes).as_deref(), Ok(written), "{label}");
        }
    }

    #[test]
    fn one_odd_byte_makes_no_other_language_of_utf8() {
        let mut bytes = TEXT.repeat(3).into_bytes();
        assert_eq!(text(&bytes).unwrap().unread, 0);
        bytes.insert(20, 0xFF);
        assert_eq!(text(&bytes).unwrap().unread, 1, "and it is counted");
        assert!(read(&bytes).unwrap().contains("по-русски"));
        bytes.truncate(bytes.len() - 4);
        bytes.push(0xD0);
        assert!(read(&bytes).unwrap().contains("по-русски"));
    }

    #[test]
    fn what_is_no_text_is_none() {
        let noise: Vec<u8> = (0..4000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        for bytes in [
            &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0"[..],
            b"a\0b\0\0c",
            b"%PDF-1.4\n\0\x01\x02",
            &noise,
            b"\x01\x02\x03 words",
        ] {
            assert_eq!(read(bytes), Err(NO_TEXT), "{:?}", &bytes[..5]);
        }
    }

    #[test]
    fn lines_end_alike() {
        assert_eq!(read(b"a\r\nb\rc\n\x1a").as_deref(), Ok("a\nb\nc\n\x1a"));
        assert_eq!(read(b"").as_deref(), Ok(""));
    }
}
