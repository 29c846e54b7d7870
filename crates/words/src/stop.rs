//! Words that make a sentence and say nothing of its subject.
//!
//! A list counts as soon as a question is of its language: by how many of its words are in the question, since
//! `die` is an article and a verb, and `pour` two. English needs one, another language of Latin script two.
//! The lists are our own and short: those of stopwords-iso hold `home`, `page` and `system`.

use std::{collections::HashSet, sync::LazyLock};

use crate::cut::{self, Token};

/// A language a line: its name and its words, as they are written.
const WRITTEN: &str = include_str!("stop.txt");
/// The lists as a question is compared with them, folded when the first one is.
static LISTS: LazyLock<Vec<(&str, HashSet<String>)>> = LazyLock::new(|| {
    let lines = WRITTEN.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(language, words)| (language, words.split(' ').map(folded).collect()))
        .collect()
});
/// The languages of scripts that no other list is written in.
const OWN_SCRIPT: &[&str] = &["ar", "el", "fa", "he", "hi", "ru", "uk", "ur"];
/// The languages that are written without spaces; their words are looked for inside runs.
const UNSPACED: &[&str] = &["ja", "km", "ko", "th", "zh"];

/// The words that tell nothing in one question.
pub(crate) struct Stops(Option<&'static HashSet<String>>);

impl Stops {
    /// The list of the language that most words of the question are of.
    pub(crate) fn of(question: &[Token]) -> Self {
        let mut best = (0, None);
        for (language, words) in LISTS.iter().filter(|(name, _)| !UNSPACED.contains(name)) {
            let is_stop = |token: &&Token| matches!(token, Token::Word { whole, .. } if words.contains(whole));
            let held = question.iter().filter(is_stop).count();
            let enough = if *language == "en" || OWN_SCRIPT.contains(language) {
                1
            } else {
                2
            };
            // English stands first, and is taken where two are alike.
            if held >= enough && held > best.0 {
                best = (held, Some(words));
            }
        }
        Self(best.1)
    }

    pub(crate) fn holds(&self, word: &str) -> bool {
        self.0.is_some_and(|stops| stops.contains(word))
    }
}

/// Which characters of a run tell something: those outside every word of the lists. Hiragana beside other
/// characters is endings and particles.
pub(crate) fn telling(run: &[String]) -> Vec<bool> {
    let is_hiragana = |one: &String| one.starts_with(|it| matches!(it, '\u{3041}'..='\u{309F}'));
    let mixed = !run.iter().all(is_hiragana);
    let mut told: Vec<bool> = run.iter().map(|one| !(mixed && is_hiragana(one))).collect();
    let text = run.concat();
    let ends: Vec<usize> = run
        .iter()
        .scan(0, |end, one| {
            *end += one.len();
            Some(*end)
        })
        .collect();
    for (_, words) in LISTS.iter().filter(|(name, _)| UNSPACED.contains(name)) {
        for word in words {
            for (start, _) in text.match_indices(word.as_str()) {
                // Those that begin and end in it, found by where it is: a run may be a whole text.
                let first = match start {
                    0 => 0,
                    start => ends.partition_point(|end| *end < start) + 1,
                };
                let inside = ends.iter().skip(first);
                let inside = inside.take_while(|end| **end <= start + word.len());
                let count = inside.count();
                told[first..first + count].fill(false);
            }
        }
    }
    told
}

fn folded(word: &str) -> String {
    cut::tokens(word)
        .map(|token| match token {
            Token::Word { whole, .. } => whole,
            Token::Run(characters) => characters.concat(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_spaces_is_read_once_and_not_for_each_of_its_words() {
        // With a look at all of it for each word it would be a matter of minutes.
        let run = vec!["的".to_owned(); 1 << 18];
        assert!(!telling(&run).contains(&true));
        let run: Vec<String> = "这的桌子是什么".chars().map(String::from).collect();
        let told: String = run
            .iter()
            .zip(telling(&run))
            .filter_map(|(one, told)| told.then_some(one.as_str()))
            .collect();
        assert_eq!(told, "桌子");
    }

    #[test]
    fn no_list_is_empty_and_no_word_of_one_is_more_than_a_token() {
        assert!(LISTS.len() > 25);
        for (language, words) in LISTS.iter() {
            assert!(words.len() > 9, "{language}");
            for word in words {
                assert_eq!(cut::tokens(word).count(), 1, "{language}: {word:?}");
            }
        }
    }
}
