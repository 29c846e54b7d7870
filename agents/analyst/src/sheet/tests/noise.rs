//! Archives and parts of every kind are read or refused.

use proptest::prelude::*;

use super::{all, ods, xlsx};

fn tokens() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<row r=\"2\">",
        "<row>",
        "</row>",
        "<c r=\"B2\" t=\"s\">",
        "<c s=\"1\">",
        "<c t=\"inlineStr\">",
        "</c>",
        "<v>",
        "</v>",
        "0",
        "1e9",
        "<t>",
        "</t>",
        "<si>",
        "</si>",
        "<rPh>",
        "</rPh>",
        "text",
        "&amp;",
        "&#0;",
        "&x;",
        "<",
        "<![CDATA[",
        "</sheetData>",
        "é",
        "\"",
        "<table:table-row table:number-rows-repeated=\"9\">",
        "</table:table-row>",
        "</table:table>",
        "<text:p>",
        "</text:p>",
        "<table:table-cell table:number-columns-repeated=\"3\">",
        "</table:table-cell>",
        "<table:table-cell/>",
        "<annotation>",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// What is within the archive, since noise seldom makes a checksum right.
    #[test]
    fn any_parts_are_read_or_refused(sheet in tokens(), texts in tokens()) {
        let _ = all(xlsx(&sheet, &texts));
        let _ = all(ods(&format!("<table:table name=\"A\">{sheet}{texts}")));
    }

    #[test]
    fn any_archive_is_read_or_refused(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)) {
        let mut raw = xlsx("<row><c t=\"s\"><v>0</v></c></row>", "<si><t>a</t></si>");
        for (at, byte) in flips {
            let at = at.index(raw.len());
            raw[at] = byte;
        }
        let _ = all(raw);
    }
}
