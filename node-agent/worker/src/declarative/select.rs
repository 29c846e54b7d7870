//! Of what was recalled, each thing once and the best of different sources first. Pure.
//!
//! Copies of a file, or of a passage, stand beside each other in any ranking and would take all the places.
//! Those that say the same are one, with all the places; those that say nearly the same too, unless they
//! differ in a number, which is what a newer edition differs in. Of the rest, a source that was chosen already
//! gives way to another one that fits nearly as well (the greedy step of maximal marginal relevance; Carbonell,
//! Goldstein, SIGIR 1998, with the source for the similarity).

use std::collections::HashSet;

use aion_abi::syscall::memory::Hit;

/// Texts are nearly the same where they share so much of their pairs of words (Jaccard).
const NEAR: f64 = 0.9;
/// What a passage counts for, once its source was chosen.
const AGAIN: f64 = 0.6;

/// A passage, with where else it stands.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The one that is shown, with how well it fits as its score.
    pub(super) hit: Hit,
    /// How much of what is wanted it holds.
    pub(super) share: f64,
    /// Where it stands as well, word for word.
    pub(super) copies: Vec<Hit>,
    /// Where it stands in nearly the same words.
    pub(super) near: Vec<Hit>,
}

/// Passages that were recalled, each once.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    found: Vec<(Text, Found)>,
}

/// A text as it is compared.
#[derive(Debug, PartialEq, Eq)]
struct Text {
    words: String,
    pairs: HashSet<String>,
    numbers: Vec<String>,
}

impl Text {
    fn of(text: &str) -> Self {
        let words = aion_words::indexed(text);
        let list: Vec<&str> = words.split(' ').collect();
        let has_digit = |word: &&&str| word.contains(|letter: char| letter.is_ascii_digit());
        Self {
            pairs: list.windows(2).map(|pair| pair.join(" ")).collect(),
            numbers: list
                .iter()
                .filter(has_digit)
                .map(|it| (*it).to_owned())
                .collect(),
            words,
        }
    }

    fn is_near(&self, other: &Self) -> bool {
        let (few, many) = match self.pairs.len() <= other.pairs.len() {
            true => (self, other),
            false => (other, self),
        };
        let could_be = few.pairs.len() as f64 >= NEAR * many.pairs.len() as f64;
        if !could_be || self.numbers != other.numbers {
            return false;
        }
        let shared = few
            .pairs
            .iter()
            .filter(|pair| many.pairs.contains(*pair))
            .count();
        let all = few.pairs.len() + many.pairs.len() - shared;
        all > 0 && shared as f64 >= NEAR * all as f64
    }
}

impl Gathered {
    /// Adds a passage whose score says how well it fits, and that holds `share` of what is wanted.
    pub(super) fn add(&mut self, hit: Hit, share: f64) {
        let text = Text::of(&hit.text);
        if let Some((_, found)) = self
            .found
            .iter_mut()
            .find(|(other, _)| other.words == text.words)
        {
            let is_nearer = order(&hit) < order(&found.hit) && hit.score >= found.hit.score;
            let copy = if is_nearer {
                std::mem::replace(&mut found.hit, hit)
            } else {
                hit
            };
            return found.copies.push(copy);
        }
        if let Some((_, found)) = self
            .found
            .iter_mut()
            .find(|(other, _)| other.is_near(&text))
        {
            return found.near.push(hit);
        }
        let found = Found {
            hit,
            share,
            copies: Vec::new(),
            near: Vec::new(),
        };
        self.found.push((text, found));
    }

    /// How many different ones there are.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// The best `most`, the best first.
    pub(super) fn best(self, most: usize) -> Vec<Found> {
        let mut left: Vec<Found> = self.found.into_iter().map(|(_, found)| found).collect();
        let mut chosen: Vec<Found> = Vec::new();
        while chosen.len() < most {
            let counts = |found: &Found| {
                let again = chosen
                    .iter()
                    .filter(|it| source(&it.hit) == source(&found.hit));
                found.hit.score * AGAIN.powi(i32::try_from(again.count()).unwrap_or(i32::MAX))
            };
            let best = (0..left.len()).max_by(|a, b| {
                let [a, b] = [&left[*a], &left[*b]];
                counts(a)
                    .total_cmp(&counts(b))
                    .then_with(|| order(&b.hit).cmp(&order(&a.hit)))
            });
            let Some(best) = best else { break };
            chosen.push(left.swap_remove(best));
        }
        for found in &mut chosen {
            for others in [&mut found.copies, &mut found.near] {
                others.sort_by(|a, b| order(a).cmp(&order(b)));
            }
        }
        chosen
    }
}

/// Of two that fit alike the one less deep comes first, then the one with the shorter name, which copies lengthen.
fn order(hit: &Hit) -> (usize, usize, (&str, &str), usize) {
    let (mount, path) = source(hit);
    let line = hit
        .attributes
        .get("lines")
        .and_then(|lines| lines.split('-').next()?.parse().ok());
    (
        path.matches('/').count(),
        path.len(),
        (mount, path),
        line.unwrap_or(0),
    )
}

fn source(hit: &Hit) -> (&str, &str) {
    let attribute = |name: &str| hit.attributes.get(name).map_or("", String::as_str);
    (attribute("mount"), attribute("path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(path: &str, text: &str, score: f64) -> Hit {
        let place = [("mount", "docs"), ("path", path), ("lines", "1-2")];
        Hit {
            id: path.to_owned(),
            text: text.to_owned(),
            collection: "passages".to_owned(),
            attributes: place
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            score,
            stored_at_ms: aion_abi::date::UnixMillis(0),
        }
    }

    fn best(hits: &[Hit]) -> Vec<Found> {
        let mut gathered = Gathered::default();
        hits.iter().for_each(|hit| gathered.add(hit.clone(), 1.0));
        gathered.best(3)
    }

    fn paths(hits: &[Hit]) -> Vec<&str> {
        hits.iter().map(|hit| source(hit).1).collect()
    }

    #[test]
    fn copies_take_one_place_and_are_all_named() {
        let found = best(&[
            hit("old/press.md", "Turn the ring.", 3.0),
            hit("press.md", "turn the  RING", 3.0),
            hit("backup/a/press.md", "Turn the ring.", 3.0),
            hit("safety.md", "No more than 60 bar.", 1.0),
        ]);
        assert_eq!(found.len(), 2);
        assert_eq!(source(&found[0].hit).1, "press.md");
        assert_eq!(
            paths(&found[0].copies),
            ["old/press.md", "backup/a/press.md"]
        );
        assert_eq!(source(&found[1].hit).1, "safety.md");
    }

    #[test]
    fn what_is_nearly_the_same_is_one_unless_a_number_differs() {
        let text: String = (0..40)
            .map(|n| format!("word{} ", char::from(b'a' + n % 26)))
            .collect();
        let found = best(&[
            hit("a.md", &format!("{text} opens at 40 bar"), 3.0),
            hit("b.md", &format!("{text} opens at 40 bar again"), 2.9),
            hit("c.md", &format!("{text} opens at 60 bar"), 2.8),
        ]);
        assert_eq!(found.len(), 2);
        assert_eq!(paths(&found[0].near), ["b.md"]);
        assert_eq!(source(&found[1].hit).1, "c.md");
    }

    #[test]
    fn another_source_comes_first_where_it_fits_nearly_as_well() {
        let found = best(&[
            hit("a.md", "one", 3.0),
            hit("a.md", "two", 2.9),
            hit("b.md", "three", 2.0),
            hit("c.md", "four", 0.5),
        ]);
        let found: Vec<&str> = found.iter().map(|it| it.hit.text.as_str()).collect();
        assert_eq!(found, ["one", "three", "two"]);
    }
}
