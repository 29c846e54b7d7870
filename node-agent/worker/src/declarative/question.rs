//! From a question to what is searched for, and from what was found to what fits the question best. Pure.
//!
//! BM25 weighs a word by how rare it is. Among a few documents "how" and "does" are as rare as the word
//! that matters, and a passage that repeats one word beats one that holds all of them. So hits are ordered
//! again by how many of the words they hold (the coordination factor of Lucene's classic similarity), headings
//! and file names included, and the words that only make a sentence a question hardly count. What a word is,
//! the index and this say alike (`aion-words`).

use std::collections::HashSet;

use aion_abi::syscall::memory::Hit;
use aion_words::Term;

/// A heading or a file name that holds a word of the question speaks of it; running text may only name it.
const TITLE: f64 = 1.6;

/// A word that tells nothing counts for so much of one that does.
const HARDLY: f64 = 0.1;

/// What a question looks for.
pub(super) struct Question {
    wanted: Vec<Term>,
}

impl Question {
    pub(super) fn new(text: &str) -> Self {
        let stemmed = |term: Term| Term {
            whole: stem(&term.whole),
            parts: term.parts.iter().map(|part| stem(part)).collect(),
            ..term
        };
        Self {
            wanted: aion_words::terms(text).into_iter().map(stemmed).collect(),
        }
    }

    /// How well `hit` fits, up to [`TITLE`], and how much of what is wanted it holds, up to 1.
    pub(super) fn fit(&self, hit: &Hit) -> (f64, f64) {
        if self.wanted.is_empty() {
            return (1.0, 1.0);
        }
        let attribute = |name: &str| hit.attributes.get(name).map_or("", String::as_str);
        let titles = stems(&format!("{} {}", attribute("heading"), attribute("path")));
        let text = stems(&hit.text);
        let (mut fit, mut share, mut whole) = (0.0, 0.0, 0.0);
        for term in &self.wanted {
            let weight = if term.telling { 1.0 } else { HARDLY };
            let [named, spoken] = [term.share_in(&titles), term.share_in(&text)];
            fit += weight * (TITLE * named).max(spoken).max(0.1);
            share += weight * named.max(spoken);
            whole += weight;
        }
        (fit / whole, share / whole)
    }
}

/// The words of a text, each cut to what its forms have in common: close enough to compare by.
fn stems(text: &str) -> HashSet<String> {
    aion_words::set(text)
        .iter()
        .map(|word| stem(word))
        .collect()
}

fn stem(word: &str) -> String {
    let endings = [
        "ations", "ation", "ings", "ing", "ers", "ies", "ed", "er", "es", "s", "e", "y",
    ];
    let stem = endings
        .iter()
        .filter_map(|ending| word.strip_suffix(ending))
        .find(|stem| stem.chars().count() >= 3);
    stem.unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn hit(id: &str, heading: &str, text: &str, score: f64) -> Hit {
        Hit {
            id: id.to_owned(),
            text: text.to_owned(),
            collection: "passages".to_owned(),
            attributes: BTreeMap::from([("heading".to_owned(), heading.to_owned())]),
            score,
            stored_at_ms: aion_abi::date::UnixMillis(0),
        }
    }

    fn best<'a>(question: &str, hits: &'a [Hit]) -> &'a str {
        let question = Question::new(question);
        let best = hits.iter().max_by(|a, b| {
            let fit = |hit: &Hit| hit.score * question.fit(hit).0;
            fit(a).total_cmp(&fit(b))
        });
        best.map_or("", |hit| &hit.id)
    }

    #[test]
    fn a_passage_that_holds_all_words_comes_before_one_that_repeats_one() {
        let hits = [
            hit("repeats", "", "sign sign signed, how do I", 3.0),
            hit("holds", "", "signing bundles", 2.5),
        ];
        assert_eq!(best("How do I sign a bundle?", &hits), "holds");
    }

    #[test]
    fn words_are_the_same_in_any_writing() {
        let hits = [
            hit("repeats", "", "كتابخانه كتابخانه", 3.0),
            hit("holds", "", "كتابخانه مركزي", 2.5),
        ];
        assert_eq!(best("کتابخانه مرکزی کجاست؟", &hits), "holds");
    }

    #[test]
    fn a_heading_that_names_the_subject_counts_for_more() {
        let hits = [
            hit("names", "", "the journal", 2.0),
            hit("speaks of", "Journal", "segments", 1.8),
        ];
        assert_eq!(best("journal", &hits), "speaks of");
    }

    #[test]
    fn forms_of_a_word_are_the_same_word() {
        for [a, b] in [
            ["signs", "signed"],
            ["bundle", "bundles"],
            ["policy", "policies"],
        ] {
            assert_eq!(stem(a), stem(b), "{a} {b}");
        }
    }
}
