//! From a text to the words by which it is found, for the index and for the question alike. Pure.
//!
//! A text is decomposed by compatibility (NFKD of UAX #15: full-width and half-width forms, ligatures), cut
//! into words ([`cut`](mod@cut)), and its letters are folded ([`fold`]): case, accents, digits, letters of
//! Arabic script. Scripts that are written without spaces between words are cut into overlapping pairs, as
//! Lucene's `CJKAnalyzer` does. A question's words that only make it a question ([`stop`]) tell little.
//!
//! What may not enter: an index, a language that has to be told, anything that two callers could set
//! differently. What [`indexed`] answers is part of what a store holds; whoever changes it raises
//! [`VERSION`], and stores build their indexes anew.

mod cut;
mod fold;
mod stop;

use std::collections::HashSet;

use cut::Token;

/// The version of what [`indexed`] answers.
pub const VERSION: i64 = 1;

/// Something that is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Term {
    /// The word, or a pair of characters of a script without spaces.
    pub whole: String,
    /// What the word is made of, where it is made of several: `get` and `name` of `getName`.
    pub parts: Vec<String>,
    /// Whether it tells something of the subject; a word such as `the` or `where` does not.
    pub telling: bool,
}

impl Term {
    /// How much of the term is among `words`: 1 for all, 0 for nothing.
    pub fn share_in(&self, words: &HashSet<String>) -> f64 {
        if words.contains(&self.whole) {
            return 1.0;
        }
        let held = self.parts.iter().filter(|part| words.contains(*part));
        held.count() as f64 / self.parts.len().max(1) as f64
    }

    /// How it may stand in an index: whole, or as its parts one after the other.
    pub fn forms(&self) -> impl Iterator<Item = String> {
        let apart = (!self.parts.is_empty()).then(|| self.parts.join(" "));
        std::iter::once(self.whole.clone()).chain(apart)
    }
}

/// The words of `text` in its order, between spaces: what an index holds of it. A word that is made of
/// several is followed by them, a run of a script without spaces is there in characters and in pairs.
pub fn indexed(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut put = |word: &str| {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    };
    for token in cut::tokens(text) {
        match token {
            Token::Word { whole, parts } => {
                put(&whole);
                parts.iter().for_each(|part| put(part));
            }
            Token::Run(characters) => {
                characters.iter().for_each(|one| put(one));
                characters.windows(2).for_each(|pair| put(&pair.concat()));
            }
        }
    }
    out
}

/// The words that [`indexed`] puts out, each once.
pub fn set(text: &str) -> HashSet<String> {
    indexed(text)
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// What a question looks for, each once, in its order.
pub fn terms(question: &str) -> Vec<Term> {
    let tokens: Vec<Token> = cut::tokens(question).collect();
    let stops = stop::Stops::of(&tokens);
    let mut terms: Vec<Term> = Vec::new();
    let mut seen = HashSet::new();
    let mut put = |whole: String, parts: Vec<String>, telling: bool| {
        if seen.insert(whole.clone()) {
            terms.push(Term {
                whole,
                parts,
                telling,
            });
        }
    };
    for token in tokens {
        match token {
            Token::Word { whole, parts } => {
                let telling = !stops.holds(&whole);
                put(whole, parts, telling);
            }
            Token::Run(characters) => {
                let told = stop::telling(&characters);
                if let [only] = &characters[..] {
                    put(only.clone(), Vec::new(), told[0]);
                }
                for (pair, told) in characters.windows(2).zip(told.windows(2)) {
                    put(pair.concat(), Vec::new(), told[0] || told[1]);
                }
            }
        }
    }
    terms
}

#[cfg(test)]
mod tests;
