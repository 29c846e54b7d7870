//! The reader and splitter of documents: any bytes become passages in their order, none of which is lost or doubled.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../../node-agent/worker/src/declarative/document/mod.rs"]
mod document;

use libfuzzer_sys::{Corpus, fuzz_target};

/// A passage and the names of a table's columns.
const LONGEST: usize = 2_400 + 600 + 2;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((kind, bytes)) = data.split_first() else {
        return Corpus::Reject;
    };
    let name = ["notes.md", "notes.txt", "notes.html"][usize::from(*kind) % 3];
    let Ok(document::Cut { passages, .. }) = document::passages(name, bytes) else {
        return Corpus::Keep;
    };
    let mut from = 1;
    for passage in &passages {
        assert!(
            passage.first >= from && passage.last >= passage.first,
            "{passages:?}"
        );
        assert!(
            !passage.text.trim().is_empty() && passage.text.len() <= LONGEST,
            "{passage:?}"
        );
        from = passage.first;
    }
    Corpus::Keep
});
