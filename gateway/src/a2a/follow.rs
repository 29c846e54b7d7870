//! A task as a client follows it: what its agent says, and where a person's word is waited for, whether this client is asked for it. Told again
//! after a break, no question is asked twice. What may not enter: how it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use aion_abi::{
    admin::TurnEvent,
    approval::{Approval, Word},
    problem::Problem,
};

use crate::{
    approving::asked::{may_be_asked, seen_soon},
    asking::{Asking, Heard},
    nodes::Nodes,
};

/// See the module.
pub(super) struct Follow {
    asking: Asking,
    /// In whose name the client says a person's word, where it may.
    approver: Option<Nodes>,
    /// What the client knows to wait for a word, and of what it knows that the word was said. A turn asks 128 times at most.
    told: BTreeMap<u64, bool>,
    /// What it was asked before, and has not answered.
    open: BTreeSet<u64>,
    /// Whether one of these has to be asked again: another that it was asked with them is answered.
    is_asked_again: bool,
}

/// What is new.
#[derive(Debug)]
pub(super) enum News {
    Heard(Heard),
    /// What is told again has come to a question that the client knows.
    Known,
    /// The client is asked.
    Asks(Box<Approval>),
    /// Somebody else is.
    Waits {
        approval: u64,
        capability: String,
    },
    /// Somebody said it.
    Has {
        approval: u64,
        word: Word,
        by: Option<String>,
    },
}

impl Follow {
    pub(super) fn new(asking: Asking, approver: Option<Nodes>) -> Self {
        Self {
            asking,
            approver,
            told: BTreeMap::new(),
            open: BTreeSet::new(),
            is_asked_again: false,
        }
    }

    /// The client knows already that these wait.
    pub(super) fn knows(mut self, approvals: impl IntoIterator<Item = u64>) -> Self {
        for approval in approvals {
            self.told.insert(approval, false);
            self.open.insert(approval);
        }
        self
    }

    /// How much of it waits.
    pub(super) fn known(&self) -> usize {
        self.open.len()
    }

    /// What is followed, for its record.
    pub(super) fn asking(&mut self) -> &mut Asking {
        &mut self.asking
    }

    /// What comes next; `None` after the turn's end.
    pub(super) async fn next(&mut self) -> Result<Option<News>, Problem> {
        if mem::take(&mut self.is_asked_again)
            && let Some(it) = self.again().await
        {
            return Ok(Some(News::Asks(it)));
        }
        while let Some(heard) = self.asking.next().await? {
            let news = match heard {
                Heard::Event(TurnEvent::Asked {
                    approval,
                    capability,
                    ..
                }) => self.asked(approval, capability).await,
                Heard::Event(TurnEvent::Answered { approval, word, by }) => {
                    self.answered(approval, word, by)
                }
                heard => Some(News::Heard(heard)),
            };
            if news.is_some() {
                return Ok(news);
            }
        }
        Ok(None)
    }

    async fn asked(&mut self, approval: u64, capability: String) -> Option<News> {
        if self.told.contains_key(&approval) {
            return self.open.contains(&approval).then_some(News::Known);
        }
        let Ok(seen) = self.sees(approval).await else {
            return None;
        };
        match seen {
            // It is told from its start: this one is history.
            Some(it) if it.answered.is_some() => None,
            Some(it) if may_be_asked(&it) => {
                self.told.insert(approval, false);
                Some(News::Asks(Box::new(it)))
            }
            _ => {
                self.told.insert(approval, false);
                Some(News::Waits {
                    approval,
                    capability,
                })
            }
        }
    }

    fn answered(&mut self, approval: u64, word: Word, by: Option<String>) -> Option<News> {
        let is_told = self.told.get_mut(&approval)?;
        if mem::replace(is_told, true) {
            return None;
        }
        self.is_asked_again = self.open.remove(&approval);
        Some(News::Has { approval, word, by })
    }

    /// The first of what the client was asked before that still waits.
    async fn again(&mut self) -> Option<Box<Approval>> {
        while let Some(approval) = self.open.pop_first() {
            if let Ok(Some(it)) = self.sees(approval).await
                && may_be_asked(&it)
            {
                return Some(Box::new(it));
            }
        }
        None
    }

    /// The approval, where the client may see it.
    async fn sees(&mut self, approval: u64) -> Result<Option<Approval>, ()> {
        let (Some(nodes), Some(turn)) = (&self.approver, self.asking.turn()) else {
            return Ok(None);
        };
        seen_soon(nodes, approval, turn).await.map_err(|error| {
            tracing::warn!(approval, %error, "a client is not asked about an approval that the node does not tell");
        })
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
