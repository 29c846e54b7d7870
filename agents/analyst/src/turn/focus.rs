//! What a question asks for.

use crate::word;

/// The question's words, lower case, for comparison with the columns' names; with their quoted parts, which may be of
/// several words.
pub(super) fn mentioned(question: &str) -> Vec<String> {
    let question = word::lower(question);
    let parts = |signs: &'static str| {
        let split = question.split(move |c| signs.contains(c));
        split.filter(|part| !part.is_empty()).map(String::from)
    };
    let quoted = parts("\"'").skip(1).step_by(2);
    parts(" \t\n\r,;:?!\"'()").chain(quoted).collect()
}
