//! From a question to what is searched for, and from what was found to what fits the question best. Pure.
//!
//! BM25 weighs a word by how rare it is. Among a few documents "how" and "does" are as rare as the word
//! that matters, and a passage that repeats one word beats one that holds all of them. So the words that
//! only make a sentence a question are left out, and hits are ordered again by how many of the words they
//! hold (the coordination factor of Lucene's classic similarity), headings and file names included.

use std::collections::BTreeSet;

use aion_abi::syscall::memory::Hit;

/// Words of an English question that say nothing of its subject.
const ASKING: &[&str] = &[
    "a", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did",
    "do", "does", "find", "for", "from", "had", "happen", "happens", "has", "have", "how", "i",
    "if", "in", "into", "is", "it", "its", "me", "may", "mean", "means", "must", "my", "of", "on",
    "one", "or", "our", "out", "shall", "should", "so", "tell", "than", "that", "the", "their",
    "them", "then", "there", "they", "this", "to", "was", "we", "were", "what", "when", "where",
    "which", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
];
/// A heading or a file name that holds a word of the question speaks of it; running text may only name it.
const TITLE: f64 = 1.6;

/// The words of `question` to search for; all of it where it has no others than those of asking.
pub(super) fn searched(question: &str) -> String {
    let kept: Vec<&str> = question
        .split_whitespace()
        .filter(|word| {
            let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
            !ASKING.contains(&bare.to_lowercase().as_str())
        })
        .collect();
    match kept.is_empty() {
        true => question.to_owned(),
        false => kept.join(" "),
    }
}

/// Puts the hits in order that hold most of what is `searched` for.
pub(super) fn order(searched: &str, hits: &mut [Hit]) {
    let wanted = stems(searched);
    if wanted.is_empty() {
        return;
    }
    for hit in &mut *hits {
        hit.score *= fitness(&wanted, hit);
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
}

/// From nearly 0 to [`TITLE`].
fn fitness(wanted: &BTreeSet<String>, hit: &Hit) -> f64 {
    let attribute = |name: &str| hit.attributes.get(name).map_or("", String::as_str);
    let titles = stems(&format!("{} {}", attribute("heading"), attribute("path")));
    let text = stems(&hit.text);
    let held: f64 = wanted
        .iter()
        .map(|word| match (titles.contains(word), text.contains(word)) {
            (true, _) => TITLE,
            (false, true) => 1.0,
            (false, false) => 0.1,
        })
        .sum();
    held / wanted.len() as f64
}

/// The words of a text, each cut to what its forms have in common: close enough to compare by.
fn stems(text: &str) -> BTreeSet<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| stem(&word.to_lowercase()))
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

    #[test]
    fn words_of_asking_are_not_searched_for() {
        assert_eq!(searched("How do I sign a bundle?"), "sign bundle?");
        assert_eq!(searched("What is this?"), "What is this?");
        assert_eq!(searched("日本語の文書"), "日本語の文書");
    }

    #[test]
    fn a_passage_that_holds_all_words_comes_before_one_that_repeats_one() {
        let mut hits = [
            hit("repeats", "", "sign sign signed", 3.0),
            hit("holds", "", "signing bundles", 2.5),
        ];
        order("sign bundle?", &mut hits);
        assert_eq!(hits[0].id, "holds");
    }

    #[test]
    fn a_heading_that_names_the_subject_counts_for_more() {
        let mut hits = [
            hit("names", "", "the journal", 2.0),
            hit("speaks of", "Journal", "segments", 1.8),
        ];
        order("journal", &mut hits);
        assert_eq!(hits[0].id, "speaks of");
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
