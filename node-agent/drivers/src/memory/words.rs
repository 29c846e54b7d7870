//! From a text to what the full-text index holds, and from a caller's words to a query. Pure.
//!
//! What a word is and how its letters are folded is `aion-words`'. The index takes its words one by one (FTS5
//! `unicode61`) and takes English endings off (`porter`; both sides alike, so a word in another language
//! still finds itself).
//!
//! What [`indexed`] answers for a text is part of the store's format: removing a text from the index needs
//! the very same words again, so a store that was written with another [`VERSION`] builds its index anew.

pub(super) use aion_words::{VERSION, indexed};

/// The most words of a query that are looked for; the rest of a long one is left out.
const MAX_WORDS: usize = 64;

/// The words of a query as terms of the index, each once: those that tell something, or all where none does.
/// Each is quoted, so that nothing a caller writes is an operator; parts of a word are a phrase.
pub(super) fn terms(query: &str) -> Vec<String> {
    let terms = aion_words::terms(query);
    let has_telling = terms.iter().any(|term| term.telling);
    let mut quoted: Vec<String> = Vec::new();
    let wanted = terms.iter().filter(|term| term.telling || !has_telling);
    for word in wanted.flat_map(|term| term.forms()) {
        let word = format!("\"{word}\"");
        if !quoted.contains(&word) {
            quoted.push(word);
        }
        if quoted.len() == MAX_WORDS {
            break;
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_that_tell_something_are_quoted_and_asked_for_once() {
        assert_eq!(
            terms("What is Rex's age? Rex!"),
            [r#""rex""#, r#""s""#, r#""age""#]
        );
        assert_eq!(terms("what is it"), [r#""what""#, r#""is""#, r#""it""#]);
        assert_eq!(terms("getAge"), [r#""getage""#, r#""get age""#]);
        assert_eq!(terms("東京都?"), [r#""東京""#, r#""京都""#]);
        assert!(terms(" ?! … «»").is_empty());
        let many: String = (0..100).map(|n| format!("word{n} ")).collect();
        assert_eq!(terms(&many).len(), MAX_WORDS);
    }

    proptest! {
        #[test]
        fn no_query_can_break_out_of_its_quotes(text in any::<String>()) {
            for word in terms(&text) {
                prop_assert!(word.len() > 2 && word.starts_with('"') && word.ends_with('"'));
                prop_assert!(!word[1..word.len() - 1].contains(['"', '\0']));
            }
        }
    }
}
