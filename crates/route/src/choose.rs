//! The choice, and how sure it is.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    candidate::{Candidate, Field},
    index::{Index, Said},
};

/// The least confidence with which an agent is chosen: twice as much speaks for it as for the next.
pub const CONFIDENT: f64 = 2.0 / 3.0;
/// How many candidates are named where none is chosen.
const NAMED: usize = 8;

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// This one is asked.
    One(Match),
    /// Nobody is asked: the caller has to say whom it means. Those that most speaks for come first; some may not be named.
    Undecided(Vec<Match>),
}

/// An agent, and what speaks for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The part that speaks for it, of all that speaks for it and for the best of the others: 0 to 1.
    pub confidence: f64,
    /// The words that speak for it, in the question's order. Empty where nobody else could be asked.
    pub because: Vec<Because>,
}

/// A word that speaks for an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Because {
    /// As it is in the question, folded.
    pub word: String,
    /// As the agent has it.
    pub found: String,
    /// Where the agent has it.
    pub fields: BTreeSet<Field>,
}

/// Chooses among those that may be asked.
#[must_use]
pub fn choose(question: &str, candidates: &[Candidate]) -> Choice {
    let index = Index::of(candidates);
    let mut terms = aion_words::terms(question);
    // Words that only make it a question decide where there are no others.
    if terms.iter().any(|term| term.telling) {
        terms.retain(|term| term.telling);
    }
    let mut scores = vec![0.0; candidates.len()];
    let mut because: Vec<Vec<Because>> = vec![Vec::new(); candidates.len()];
    for term in &terms {
        for (
            at,
            Said {
                score,
                word,
                fields,
            },
        ) in index.say(term)
        {
            scores[at] += score;
            because[at].push(Because {
                word: term.whole.clone(),
                found: word.to_owned(),
                fields: fields.clone(),
            });
        }
    }
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    let name = |at: usize| (&candidates[at].namespace, &candidates[at].name);
    order.sort_by(|a, b| {
        scores[*b]
            .total_cmp(&scores[*a])
            .then(name(*a).cmp(&name(*b)))
    });
    let best_but = |at: usize| {
        order
            .iter()
            .find(|other| **other != at)
            .map(|it| scores[*it])
    };
    let matches = order.iter().map(|at| {
        let candidate = &candidates[*at];
        Match {
            namespace: candidate.namespace.clone(),
            name: candidate.name.clone(),
            description: candidate.description.clone(),
            confidence: confidence(scores[*at], best_but(*at)),
            because: because[*at].clone(),
        }
    });
    let mut matches: Vec<Match> = matches.take(NAMED).collect();
    match matches.first() {
        Some(first) if first.confidence >= CONFIDENT => Choice::One(matches.swap_remove(0)),
        _ => Choice::Undecided(matches),
    }
}

fn confidence(own: f64, other: Option<f64>) -> f64 {
    match other {
        None => 1.0,
        Some(other) if own + other > 0.0 => own / (own + other),
        Some(_) => 0.0,
    }
}

#[cfg(test)]
mod tests;
