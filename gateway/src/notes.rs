//! What is told after an answer: a reader of the text alone is to know what is not in it.

use aion_abi::admin::TurnOutcome;

/// Each note, and how many more there were.
pub(crate) fn of(outcome: &TurnOutcome) -> Vec<String> {
    let mut notes = outcome.notices.clone();
    if outcome.notices_beyond > 0 {
        notes.push(format!(
            "{} more notes were left out.",
            outcome.notices_beyond
        ));
    }
    notes
}

/// The notes as they follow the text.
pub(crate) fn after(outcome: &TurnOutcome) -> String {
    let mut told = String::new();
    for note in of(outcome) {
        told += &format!("\n\nNote: {note}");
    }
    told
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_in_the_answer_is_told_after_it() {
        let outcome = json!({
            "ok": true, "incomplete": true, "notices": ["2 rows were not read"], "noticesBeyond": 3,
        });
        assert_eq!(
            after(&serde_json::from_value(outcome).unwrap()),
            "\n\nNote: 2 rows were not read\n\nNote: 3 more notes were left out."
        );
    }
}
