//! What may be said of a key, and of a token by a rule: the same of both.

use std::collections::BTreeSet;

use aion_abi::{
    code::Code,
    key::{Door, MAX_TOKENS, Right, Scope},
    problem::Problem,
};

/// Names and labels at most.
const MOST: usize = 100;
/// The longest name of an agent, and value of a label, as Kubernetes has them.
const NAME: usize = 253;
/// The longest key of a label: a prefix, a slash and a name.
const LABEL: usize = 317;

/// See the module.
pub(super) struct Bounds<'a> {
    pub(super) scope: &'a Scope,
    pub(super) doors: &'a [Door],
    pub(super) may: &'a [Right],
    pub(super) requests_per_minute: Option<u32>,
    pub(super) tokens_per_hour: Option<u64>,
}

impl Bounds<'_> {
    /// # Errors
    /// Which of it cannot be.
    pub(super) fn judge(&self) -> Result<(), Problem> {
        let scope = self.scope;
        if !is_name(&scope.namespace) {
            return refused(
                "a namespace is 1 to 63 of a-z, 0-9 and -",
                "say one that is",
            );
        }
        if scope.agents.is_empty() && scope.labels.is_empty() {
            return refused(
                "the key is for no agent",
                "name agents, labels, or * for all of the namespace",
            );
        }
        let of_agent = |it: &String| (1..=NAME).contains(&it.len());
        let is_many = scope.agents.len() + scope.labels.len() > MOST;
        if is_many || !scope.agents.iter().all(of_agent) {
            return refused(
                "the key names too many agents, or one that is not a valid name",
                "give agents a label, and the key that",
            );
        }
        let of_label = |(key, value): (&String, &String)| {
            (1..=LABEL).contains(&key.len()) && value.len() <= NAME
        };
        if !scope.labels.iter().all(of_label) {
            return refused("a label of the key is none", "say one as Agents have them");
        }
        if is_said_twice(self.doors) || is_said_twice(self.may) {
            return refused("the key names a door or a right twice", "say each once");
        }
        if self.requests_per_minute == Some(0) {
            return refused("the key could make no request", "say 1 or more a minute");
        }
        let is_budget = |it| (1..=MAX_TOKENS).contains(&it);
        if !self.tokens_per_hour.is_none_or(is_budget) {
            let remedy =
                "say 1 or more; leave it out for a key that its agents' budgets alone bound";
            return refused(
                &format!("tokens an hour of a key are 1 to {MAX_TOKENS}"),
                remedy,
            );
        }
        Ok(())
    }
}

/// Whether a key or a namespace may be called so.
pub(super) fn is_name(text: &str) -> bool {
    let of = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(of)
}

/// There are few of them: what is said once is bounded by that.
fn is_said_twice<T: Ord>(all: &[T]) -> bool {
    let once: BTreeSet<&T> = all.iter().collect();
    once.len() < all.len()
}

pub(super) fn refused(what: &str, remedy: &str) -> Result<(), Problem> {
    Err(Problem::new(Code::BadRequest, what.to_owned()).remedy(remedy))
}
