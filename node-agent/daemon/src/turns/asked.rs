//! Questions of turns: who asked what, of whom, and why.

use aion_abi::{caller::TurnCaller, date::UnixMillis};
use aion_kernel::{Millis, Now, Payer};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::QuestionKey;

/// Why a turn begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asks.
    Ask,
    /// Somebody asks by a key.
    Key(Asker),
    /// A program elsewhere begins it itself, by a key where that shows one.
    Program(String, Option<Asker>),
    /// A trigger of the agent.
    Trigger {
        /// Its name.
        name: String,
        /// How many turns led to it, each by the end of the one before.
        depth: u32,
    },
    /// A turn of another agent calls it.
    Agent(TurnCaller),
    /// A person does something by hand, and the agent stands for them.
    Person,
}

/// The key that somebody asks by, as a turn needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// Its id.
    pub id: String,
    /// The most tokens of models in any 60 minutes, of all that is begun by it.
    pub tokens_per_hour: Option<u64>,
    /// As in [`Payer`].
    pub is_listed: bool,
}

/// The trigger that a turn was started by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByTrigger {
    /// Its name.
    pub name: String,
    /// As in [`Cause::Trigger`].
    #[serde(default)]
    pub depth: u32,
}

/// What a called turn has of the question of its caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Above {
    trace: String,
    /// As in [`Cause::Trigger`]: a chain of triggers does not begin anew where one of its turns calls another.
    #[serde(default)]
    depth: u32,
}

impl Cause {
    /// As the journal has it.
    pub(super) fn name(&self) -> aion_kernel::Name {
        match self {
            Self::Ask | Self::Key(_) => "ask".into(),
            Self::Program(..) => "program".into(),
            Self::Trigger { name, .. } => format!("trigger:{name}").into(),
            Self::Agent(_) => "agent".into(),
            Self::Person => "person".into(),
        }
    }

    /// Who pays for it besides its agent. A called turn is paid for by whoever pays for its caller, as the kernel knows.
    pub(super) fn payer(&self) -> Option<Payer> {
        let (Self::Key(by) | Self::Program(_, Some(by))) = self else {
            return None;
        };
        Some(Payer {
            name: by.id.as_str().into(),
            tokens_per_hour: by.tokens_per_hour?,
            is_listed: by.is_listed,
        })
    }
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// Makes two equal questions two turns; the key of one that has a key.
    pub(super) nonce: Uuid,
    /// `namespace/agent`.
    pub agent: String,
    /// The question.
    pub input: String,
    /// Names of the files in its `input` mount.
    pub files: Vec<String>,
    /// When, for people.
    pub at_ms: UnixMillis,
    /// When, by the kernel's time: how long it is kept is reckoned by this. None: before turns noted it, when the
    /// kernel's time was a date.
    #[serde(default)]
    at: Option<Millis>,
    /// The program elsewhere that asks itself, and nobody else is given it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The key by which it was asked, by its id, or the turn that called it was: who has it sees the turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What its caller calls the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// What its caller calls the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The trigger that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<ByTrigger>,
    /// The turn of another agent that called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<TurnCaller>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    above: Option<Above>,
}

impl Asked {
    /// A question that nobody asked before.
    pub fn new(agent: String, input: String, files: Vec<String>, now: Now) -> Self {
        Self {
            nonce: Uuid::new_v4(),
            agent,
            input,
            files,
            at_ms: UnixMillis(now.date.0),
            at: Some(now.at),
            program: None,
            key: None,
            context: None,
            message_id: None,
            trigger: None,
            caller: None,
            above: None,
        }
    }

    /// The same, asked for this reason.
    #[must_use]
    pub(super) fn by(mut self, cause: Cause) -> Self {
        match cause {
            Cause::Ask | Cause::Person => {}
            Cause::Key(by) => self.key = Some(by.id),
            Cause::Program(program, by) => {
                (self.program, self.key) = (Some(program), by.map(|it| it.id));
            }
            Cause::Trigger { name, depth } => self.trigger = Some(ByTrigger { name, depth }),
            Cause::Agent(caller) => self.caller = Some(caller),
        }
        self
    }

    /// The same, called by the turn that was asked this: in its trace, and of the key that began it.
    #[must_use]
    pub(super) fn within(mut self, above: Option<&Self>) -> Self {
        self.key = above.and_then(|it| it.key.clone());
        self.above = above.map(|it| Above {
            trace: it.trace(),
            depth: it.depth(),
        });
        self
    }

    /// The same, as its caller calls the conversation and the question.
    #[must_use]
    pub(super) fn called(mut self, context: Option<String>, message_id: Option<String>) -> Self {
        (self.context, self.message_id) = (context, message_id);
        self
    }

    /// The same, asked under a key.
    #[must_use]
    pub(super) fn under(mut self, key: Option<QuestionKey>) -> Self {
        self.nonce = key.map_or(self.nonce, |key| key.0);
        self
    }

    /// Its trace.
    pub(crate) fn trace(&self) -> String {
        match &self.above {
            Some(above) => above.trace.clone(),
            None => self.nonce.simple().to_string(),
        }
    }

    /// How many turns led to it by triggers.
    pub(super) fn depth(&self) -> u32 {
        let called = self.above.as_ref().map(|it| it.depth);
        let by_trigger = self.trigger.as_ref().map(|it| it.depth);
        by_trigger.or(called).unwrap_or_default()
    }

    /// When, by the kernel's time.
    pub(super) fn at(&self) -> Millis {
        self.at.unwrap_or(Millis(self.at_ms.0))
    }
}

#[cfg(test)]
mod tests {
    use aion_kernel::Date;

    use super::*;

    fn question(cause: Cause) -> Asked {
        let now = Now {
            at: Millis(1),
            date: Date(1),
        };
        Asked::new("home/a".to_owned(), "?".to_owned(), Vec::new(), now).by(cause)
    }

    #[test]
    fn a_called_turn_is_of_the_key_the_trace_and_the_chain_of_its_callers() {
        let first = question(Cause::Trigger {
            name: "nightly".to_owned(),
            depth: 3,
        });
        let first = Asked {
            key: Some("k1".to_owned()),
            ..first
        };
        let mut last = first.clone();
        for turn in [1, 2] {
            let caller = TurnCaller {
                turn,
                agent: "home/a".to_owned(),
            };
            last = question(Cause::Agent(caller)).within(Some(&last));
            assert_eq!(last.key.as_deref(), Some("k1"));
            assert_eq!((last.trace(), last.depth()), (first.trace(), 3));
            assert_eq!(last.trigger, None, "it asked the first of them alone");
        }
    }

    #[test]
    fn a_key_pays_for_what_it_asks_where_it_has_a_budget() {
        let by = |tokens_per_hour| Asker {
            id: "k1".to_owned(),
            tokens_per_hour,
            is_listed: true,
        };
        let paid = Some(Payer {
            name: "k1".into(),
            tokens_per_hour: 900,
            is_listed: true,
        });
        let program = |by| Cause::Program("p".to_owned(), by);
        assert_eq!(Cause::Key(by(Some(900))).payer(), paid);
        assert_eq!(program(Some(by(Some(900)))).payer(), paid);
        for cause in [Cause::Ask, Cause::Key(by(None)), program(None)] {
            assert_eq!(cause.payer(), None);
        }
    }
}
