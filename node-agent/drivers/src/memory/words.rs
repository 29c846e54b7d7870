//! From text to what the full-text index holds, and from a caller's words to a query. Pure.
//!
//! The index cuts text into words at spaces and punctuation (FTS5 `unicode61`) and takes English endings
//! off (`porter`; both sides alike, so a word in another language still finds itself). Scripts without
//! spaces between words are cut into overlapping pairs of characters here, as Lucene's CJK analyzer does:
//! 東京都 is held, and asked for, as 東京 京都.
//!
//! What [`indexed`] answers for a text is part of the store's format: removing a text from the index needs
//! the very same words again, so a change here needs a new schema version that builds the index anew.

use icu_normalizer::properties::{CanonicalDecompositionBorrowed, Decomposed};

/// The most words of a query that are looked for; the rest of a long one is left out.
const MAX_WORDS: usize = 64;

/// The text as the index takes it.
pub(super) fn indexed(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut run: Vec<char> = Vec::new();
    for letter in text.chars() {
        if is_unspaced(letter) {
            run.push(letter);
        } else {
            pairs(&mut run, &mut out);
            let plain = without_accents(letter);
            if !is_dropped(plain) {
                out.push(plain);
            }
        }
    }
    pairs(&mut run, &mut out);
    out
}

/// The words of a query as terms of the index, each once. Each is quoted, so that nothing a caller writes
/// is an operator.
pub(super) fn terms(query: &str) -> Vec<String> {
    let text = indexed(query);
    let mut terms: Vec<String> = Vec::new();
    for word in text.split(is_separator).filter(|word| !word.is_empty()) {
        let quoted = format!("\"{word}\"");
        if !terms.contains(&quoted) {
            terms.push(quoted);
        }
        if terms.len() == MAX_WORDS {
            break;
        }
    }
    terms
}

fn pairs(run: &mut Vec<char>, out: &mut String) {
    if run.is_empty() {
        return;
    }
    out.push(' ');
    if let [only] = run[..] {
        out.push(only);
    }
    for pair in run.windows(2) {
        out.extend(pair);
        out.push(' ');
    }
    out.push(' ');
    run.clear();
}

/// The letter of Latin, Greek or Cyrillic script without its accents; others as they are, since there a
/// mark can make another letter. The end form of sigma is sigma.
fn without_accents(mut letter: char) -> char {
    if !matches!(letter, '\u{00C0}'..='\u{052F}' | '\u{1E00}'..='\u{1FFF}') {
        return letter;
    }
    let decompositions = CanonicalDecompositionBorrowed::new();
    loop {
        letter = match decompositions.decompose(letter) {
            Decomposed::Default => break,
            Decomposed::Singleton(same) => same,
            Decomposed::Expansion(base, _) => base,
        };
    }
    if letter == 'ς' { 'σ' } else { letter }
}

/// Characters of scripts that are written without spaces between words.
fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{0E00}'..='\u{0EFF}'     // Thai, Lao
        | '\u{1000}'..='\u{109F}'   // Myanmar
        | '\u{1780}'..='\u{17D3}'   // Khmer
        | '\u{3005}'..='\u{3007}'   // iteration mark and zero of Han
        | '\u{3041}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}' // kana
        | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' // Han
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FF66}'..='\u{FF9F}'
        | '\u{20000}'..='\u{3FFFF}')
}

/// Marks that are written or left out at will: accents that stand alone, Hebrew points, Arabic vowels.
fn is_dropped(letter: char) -> bool {
    matches!(letter,
        '\u{0000}'
        | '\u{0300}'..='\u{036F}'
        | '\u{0591}'..='\u{05BD}' | '\u{05BF}' | '\u{05C1}'..='\u{05C2}' | '\u{05C4}'..='\u{05C5}' | '\u{05C7}'
        | '\u{064B}'..='\u{065F}' | '\u{0670}')
}

/// Where a query is cut. What is missed here is cut by the index and then looked for as a phrase.
fn is_separator(letter: char) -> bool {
    if letter.is_ascii() {
        return !letter.is_ascii_alphanumeric();
    }
    letter.is_whitespace()
        || letter.is_control()
        || matches!(letter,
            '\u{00A0}'..='\u{00A9}' | '\u{00AB}'..='\u{00B1}' | '\u{00B4}' | '\u{00B6}'..='\u{00B8}' | '\u{00BB}'
            | '\u{00BF}' | '\u{00D7}' | '\u{00F7}' | '\u{060C}' | '\u{061B}' | '\u{061F}' | '\u{06D4}'
            | '\u{0964}' | '\u{0965}'
            | '\u{2000}'..='\u{206F}' | '\u{20A0}'..='\u{20CF}' | '\u{2190}'..='\u{2BFF}' | '\u{3000}'..='\u{3004}'
            | '\u{3008}'..='\u{3020}' | '\u{30FB}' | '\u{FF00}'..='\u{FF0F}' | '\u{FF1A}'..='\u{FF20}'
            | '\u{FF3B}'..='\u{FF40}' | '\u{FF5B}'..='\u{FF65}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_word_is_quoted_and_asked_for_once() {
        assert_eq!(
            terms("What is Rex's age? What!"),
            [r#""What""#, r#""is""#, r#""Rex""#, r#""s""#, r#""age""#]
        );
        assert!(terms(" ?! … «»").is_empty());
        assert_eq!(terms(&"a1 b2 c3 ".repeat(100)).len(), 3);
    }

    #[test]
    fn scripts_without_spaces_are_cut_into_pairs() {
        assert_eq!(
            indexed("東京都に 行く")
                .split_whitespace()
                .collect::<Vec<_>>(),
            ["東京", "京都", "都に", "行く"]
        );
        assert_eq!(
            indexed("a猫b").split_whitespace().collect::<Vec<_>>(),
            ["a", "猫", "b"]
        );
        assert_eq!(terms("東京都?"), [r#""東京""#, r#""京都""#]);
    }

    #[test]
    fn accents_that_stand_alone_are_dropped() {
        assert_eq!(indexed("cafe\u{301}"), "cafe");
        assert_eq!(indexed("café Ὀδυσσεύς ёлка"), "cafe Οδυσσευσ елка");
        assert_eq!(indexed("が한"), indexed("が한"));
        assert_eq!(indexed("한글"), "한글");
    }

    proptest! {
        #[test]
        fn no_query_can_break_out_of_its_quotes(text in any::<String>()) {
            for word in terms(&text) {
                prop_assert!(word.len() > 2 && word.starts_with('"') && word.ends_with('"'));
                prop_assert!(!word[1..word.len() - 1].contains(['"', '\0', ' ']));
            }
        }
    }
}
