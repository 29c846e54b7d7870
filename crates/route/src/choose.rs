//! The choice, and how sure it is.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::{
    agent::{Agent, Field},
    index::{Index, Said},
};

/// The least confidence with which an agent is chosen: twice as much speaks for it as for the next, or as against it.
pub const CONFIDENT: f64 = 2.0 / 3.0;
/// What a word of the question that the agent does not have speaks against it, by one that it has. So one word in three is
/// enough where nobody else has any: an accidental one of more is not.
const LACKING: f64 = 0.25;
/// So many words of a question are enough to tell what it is for; a longer one says other things besides.
const ENOUGH: usize = 6;
/// How much of a question is compared: its end, in bytes.
const COMPARED: usize = 16 << 10;
/// How many candidates are named where none is chosen.
const NAMED: usize = 8;

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// This one is asked.
    One(Match),
    /// Nobody is asked: the caller has to say whom it means.
    Undecided(Undecided),
}

/// Why nobody is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Undecided {
    /// Those that could be meant, the one that most speaks for first; some may not be named. None where nobody is ready.
    pub candidates: Vec<Match>,
}

impl Undecided {
    /// In words, of the agents of `namespace`; and what to do, where `naming` says how one is named.
    #[must_use]
    pub fn told<'a>(&self, namespace: &str, naming: &'a str) -> (String, &'a str) {
        if self.candidates.is_empty() {
            let what = format!("no agent of {namespace} is ready");
            return (what, "see why: aionctl get agents");
        }
        let names: Vec<&str> = self.candidates.iter().map(|it| it.name.as_str()).collect();
        let what = format!("it is not clear which agent is asked: {}", names.join(", "));
        (what, naming)
    }
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
    /// The part that speaks for it, of all that speaks for it, for the best of the others, and for none of them: 0 to 1.
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

/// What speaks for one.
#[derive(Debug, Clone, Default)]
struct Evidence {
    score: f64,
    /// How many terms it has, one that is alike as the part that is.
    covered: f64,
    /// The question names it.
    is_named: bool,
    because: Vec<Because>,
}

/// Chooses among Agent resources, of which those that are ready may be asked.
///
/// # Errors
/// One is not an Agent.
pub fn among(resources: &[Value], question: &str) -> Result<Choice, serde_json::Error> {
    let agents = resources.iter().map(Agent::read);
    let mut agents = agents.collect::<Result<Vec<_>, _>>()?;
    agents.retain(|agent| agent.ready);
    Ok(choose(question, &agents))
}

/// Chooses among those that may be asked. Of a question that is longer than [`COMPARED`] its end is read.
#[must_use]
pub fn choose(question: &str, candidates: &[Agent]) -> Choice {
    let from = question.len().saturating_sub(COMPARED);
    let question = &question[question.ceil_char_boundary(from)..];
    let index = Index::of(candidates);
    let mut terms = aion_words::terms(question);
    // Words that only make it a question decide where there are no others.
    if terms.iter().any(|term| term.telling) {
        terms.retain(|term| term.telling);
    }
    let mut evidence = vec![Evidence::default(); candidates.len()];
    for term in &terms {
        for (at, said) in index.say(term) {
            let Said {
                score,
                alike,
                word,
                fields,
            } = said;
            let its = &mut evidence[at];
            its.score += score;
            its.covered += alike;
            its.is_named |= fields.contains(&Field::Name);
            its.because.push(Because {
                word: term.whole.clone(),
                found: word.to_owned(),
                fields: fields.clone(),
            });
        }
    }
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    let name = |at: usize| (&candidates[at].namespace, &candidates[at].name);
    order.sort_by(|a, b| {
        let (a_score, b_score) = (evidence[*a].score, evidence[*b].score);
        b_score.total_cmp(&a_score).then(name(*a).cmp(&name(*b)))
    });
    let best_but = |at: usize| {
        let other = order.iter().find(|other| **other != at);
        other.map(|it| evidence[*it].score)
    };
    let wanted = terms.len().min(ENOUGH) as f64;
    let matches = order.iter().map(|at| {
        let (candidate, its) = (&candidates[*at], &evidence[*at]);
        Match {
            namespace: candidate.namespace.clone(),
            name: candidate.name.clone(),
            description: candidate.description.clone(),
            confidence: confidence(its, best_but(*at), wanted),
            because: its.because.clone(),
        }
    });
    let mut matches: Vec<Match> = matches.take(NAMED).collect();
    match matches.first() {
        Some(first) if first.confidence >= CONFIDENT => Choice::One(matches.swap_remove(0)),
        _ => Choice::Undecided(Undecided {
            candidates: matches,
        }),
    }
}

fn confidence(its: &Evidence, other: Option<f64>, wanted: f64) -> f64 {
    let Some(other) = other else { return 1.0 };
    let own = its.score;
    if own <= 0.0 {
        return 0.0;
    }
    let lacking = match its.is_named {
        true => 0.0,
        false => (wanted - its.covered).max(0.0),
    };
    own / (own + other + LACKING * lacking * own / its.covered)
}

#[cfg(test)]
mod tests;
