//! The words of all candidates, and what each of them says for whom.
//!
//! BM25 (Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009) over each agent's fields taken
//! together with their weights (Robertson, Zaragoza & Taylor, "Simple BM25 Extension to Multiple Weighted Fields", 2004).

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use aion_words::Term;

use crate::agent::{Agent, Field};

/// How soon a word that comes again adds nothing: the usual value.
const K1: f64 = 1.2;
/// How much a longer text counts against its words. Below the usual 0.75: an agent that says more of itself is not asked less.
const B: f64 = 0.3;
/// The shortest word whose inflections are found, and the longest ending of one, in letters.
const STEM: usize = 4;
const ENDING: usize = 3;

/// See the module.
pub(crate) struct Index {
    words: BTreeMap<String, BTreeMap<usize, Held>>,
    /// Of each candidate, the norm of its length.
    norms: Vec<f64>,
}

/// A word among those of one candidate.
#[derive(Default)]
struct Held {
    /// How often, by the weights of the fields.
    often: f64,
    fields: BTreeSet<Field>,
}

/// A word that speaks for a candidate.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    pub(crate) score: f64,
    /// How much of the term it is: 1 for all.
    pub(crate) alike: f64,
    pub(crate) word: &'a str,
    pub(crate) fields: &'a BTreeSet<Field>,
}

impl Index {
    pub(crate) fn of(candidates: &[Agent]) -> Self {
        let mut words: BTreeMap<String, BTreeMap<usize, Held>> = BTreeMap::new();
        let mut lengths = vec![0.0; candidates.len()];
        for (at, candidate) in candidates.iter().enumerate() {
            for (field, text) in candidate.texts() {
                let indexed = aion_words::indexed(text);
                for word in indexed.split(' ').filter(|word| !word.is_empty()) {
                    let held = words.entry(word.to_owned()).or_default();
                    let held = held.entry(at).or_default();
                    held.often += field.weight();
                    held.fields.insert(field);
                    lengths[at] += field.weight();
                }
            }
        }
        let mean = lengths.iter().sum::<f64>() / lengths.len().max(1) as f64;
        let norm = |length: f64| 1.0 - B + B * length / mean.max(1.0);
        Self {
            words,
            norms: lengths.into_iter().map(norm).collect(),
        }
    }

    /// What a term of the question says for each candidate that it says something for.
    pub(crate) fn say(&self, term: &Term) -> BTreeMap<usize, Said<'_>> {
        let mut said = BTreeMap::new();
        self.add(&mut said, &term.whole, 1.0);
        if said.is_empty() {
            let share = 1.0 / term.parts.len().max(1) as f64;
            for part in &term.parts {
                self.add(&mut said, part, share);
            }
        }
        said
    }

    fn add<'a>(&'a self, said: &mut BTreeMap<usize, Said<'a>>, term: &str, share: f64) {
        for (word, alike) in self.alike(term) {
            let Some(holders) = self.words.get(word) else {
                continue;
            };
            let (all, with) = (self.norms.len() as f64, holders.len() as f64);
            let rare = (1.0 + (all - with + 0.5) / (with + 0.5)).ln();
            for (at, held) in holders {
                let often = held.often / (held.often + K1 * self.norms[*at]);
                let alike = alike * share;
                let score = rare * often * (K1 + 1.0) * alike;
                let better = said.get(at).is_none_or(|other| other.score < score);
                if better {
                    let fields = &held.fields;
                    said.insert(
                        *at,
                        Said {
                            score,
                            alike,
                            word,
                            fields,
                        },
                    );
                }
            }
        }
    }

    /// The word itself and its inflections, which begin alike in most languages with spaces, each with the part that is alike.
    fn alike<'a>(&'a self, term: &str) -> Vec<(&'a str, f64)> {
        let letters = term.chars().count();
        let mut alike = Vec::new();
        // Those that it begins with.
        let ends = term.char_indices().map(|(at, _)| at).chain([term.len()]);
        for (length, end) in ends.enumerate() {
            let stem = length >= STEM && letters - length <= ENDING;
            if (stem || length == letters)
                && let Some((word, _)) = self.words.get_key_value(&term[..end])
            {
                alike.push((word.as_str(), length as f64 / letters as f64));
            }
        }
        if letters >= STEM {
            // Those that begin with it.
            let after = (Bound::Excluded(term), Bound::Unbounded);
            let longer = self.words.range::<str, _>(after);
            for (word, _) in longer.take_while(|(word, _)| word.starts_with(term)) {
                let length = word.chars().count();
                if length - letters <= ENDING {
                    alike.push((word.as_str(), letters as f64 / length as f64));
                }
            }
        }
        alike
    }
}
