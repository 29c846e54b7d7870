//! The answer to a question without a file.

use std::io;

use super::COLLECTION;
use crate::host::{Caller, Kind, message, recall};

/// How many earlier analyses are told.
const RECALLED: usize = 3;

/// Answers out of the memory of earlier turns.
pub(super) fn without_file(caller: &dyn Caller, question: &str) -> io::Result<()> {
    let found = recall(caller, question, COLLECTION, RECALLED).and_then(|texts| {
        match texts.is_empty() && !question.is_empty() {
            true => recall(caller, "", COLLECTION, RECALLED),
            false => Ok(texts),
        }
    });
    let mut answer = match found {
        Err(error) => format!(
            "No file came with this request, and the memory of earlier ones does not answer: {error}.\n"
        ),
        Ok(texts) if texts.is_empty() => {
            "No file came with this request, and none was analysed before.\n".into()
        }
        Ok(texts) => {
            let told = texts.iter().map(|text| told(text));
            let head = "No file came with this request. From earlier ones:\n\n";
            std::iter::once(head.into()).chain(told).collect::<String>()
        }
    };
    answer += "\nTo analyse a table: aionctl run analyst --file FILE.csv\n";
    message(caller, Kind::Final, &answer)
}

/// One of them as an item of a list.
fn told(text: &str) -> String {
    let text = text.trim();
    format!("- {}\n", text.replace('\n', "\n    "))
}
