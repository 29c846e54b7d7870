//! What a task waits for, told to who may say a person's word, with what to send for it; nobody else is told what is asked. What may not enter:
//! whose word counts, which is the node's to say.

use std::{collections::BTreeMap, fmt};

use aion_abi::{
    approval::{Approval, Word},
    code::Code,
};
use aion_client::ClientError;
use serde_json::{Map, json};

use super::{
    Target,
    fault::Fault,
    task::{Id, said, written},
    wire::{State, Status},
};
use crate::{
    approving::{
        asked::may_be_asked,
        words::{message, span},
    },
    gateway::problem,
};

impl Target {
    /// What turns of the agent wait for at the node of this one, as far as who asks may say it, oldest first: one request, for however many.
    ///
    /// # Errors
    /// The node does not say, and not for want of a right.
    pub(super) async fn waiting(&self, turn: u64) -> Result<Vec<Approval>, Fault> {
        let Ok(nodes) = &self.approver else {
            return Ok(Vec::new());
        };
        match nodes.waiting(self.agent(), turn).await {
            Ok(mut all) => {
                all.retain(may_be_asked);
                Ok(all)
            }
            Err(ClientError::Refused(it)) if matches!(it.code, Code::Denied | Code::NotFound) => {
                Ok(Vec::new())
            }
            Err(error) => Err(problem(error).into()),
        }
    }

    /// The same of one turn.
    pub(super) async fn waiting_of(&self, turn: u64) -> Result<Vec<Approval>, Fault> {
        let mut all = self.waiting(turn).await?;
        all.retain(|it| it.turn == turn);
        Ok(all)
    }
}

/// By its turn, what each waits for first.
pub(super) fn by_turn(all: Vec<Approval>) -> BTreeMap<u64, Approval> {
    let mut first = BTreeMap::new();
    for it in all {
        first.entry(it.turn).or_insert(it);
    }
    first
}

/// A task that waits for who asks.
pub(super) fn asks(id: &Id, it: &Approval) -> Status {
    let text = format!("{}\n\n{}", message(it), To(it.approval));
    let mut said = said(id, &format!("approval-{}", it.approval), &text, Map::new());
    let data = json!({
        "approval": it.approval, "turn": it.turn, "agent": it.agent, "capability": it.capability,
        "shown": it.shown.as_ref().map(|it| &it.text), "digest": it.digest, "until": written(it.until_ms),
    });
    let kind = "application/json";
    said.parts.push(json!({"data": data, "mediaType": kind}));
    Status {
        state: State::InputRequired,
        message: Some(said),
        timestamp: written(it.asked_at_ms),
    }
}

/// One that waits for a person, who is somebody else.
pub(super) fn waits(id: &Id, approval: u64, capability: &str) -> Status {
    let capability = span(capability);
    let text = format!("It waits for a person's approval of {capability}: approval {approval}.");
    at_work(id, &format!("waits-{approval}"), &text)
}

/// One that has the word it waited for.
pub(super) fn has(id: &Id, approval: u64, word: Word, by: Option<&str>) -> Status {
    let text = format!("{}.", Answered(approval, word, by));
    at_work(id, &format!("answered-{approval}"), &text)
}

fn at_work(id: &Id, which: &str, text: &str) -> Status {
    Status {
        state: State::Working,
        message: Some(said(id, which, text, Map::new())),
        timestamp: None,
    }
}

/// What became of an approval, and by whom.
pub(super) struct Answered<'a>(pub(super) u64, pub(super) Word, pub(super) Option<&'a str>);

impl fmt::Display for Answered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "approval {} is {}", self.0, self.1.as_str())?;
        match self.2 {
            Some(by) => write!(f, " by {by}"),
            None => Ok(()),
        }
    }
}

/// What is sent to a task that waits for an approval. The number binds the word to what was shown.
pub(super) struct To(pub(super) u64);

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0;
        write!(
            f,
            "To answer, send the text `approve {number}` or `deny {number}` as a message with this task's taskId."
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::approving::approval;

    #[test]
    fn who_may_answer_reads_what_is_asked_and_what_to_send() {
        let id = Id::new(7, Some("my-context".to_owned()));
        let status = asks(&id, &approval("{\"to\":\"ann\"}"));
        let told = serde_json::to_value(status).unwrap();
        assert_eq!(told["state"], "TASK_STATE_INPUT_REQUIRED");
        assert_eq!(told["timestamp"], "1970-01-01T00:00:00.000Z");
        let message = &told["message"];
        assert_eq!(message["messageId"], "7-my-context-approval-3");
        assert_eq!(message["taskId"], "7-my-context");
        let text = message["parts"][0]["text"].as_str().unwrap();
        for part in [
            "asks before it does `tool.call:mail.send`",
            "| {\"to\":\"ann\"}",
            "`approve 3` or `deny 3`",
        ] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
        let data = &message["parts"][1]["data"];
        let all = json!({
            "approval": 3, "turn": 7, "agent": "home/clerk", "capability": "tool.call:mail.send",
            "shown": "{\"to\":\"ann\"}", "digest": "abc", "until": "1970-01-01T00:00:01.000Z",
        });
        assert_eq!(*data, all);
    }

    #[test]
    fn who_may_not_reads_that_it_waits_and_nothing_of_the_request() {
        let id = Id::new(7, None);
        let waits = serde_json::to_value(waits(&id, 3, "tool.call:mail.`send")).unwrap();
        assert_eq!(waits["state"], "TASK_STATE_WORKING");
        let parts = waits["message"]["parts"].as_array().unwrap();
        assert_eq!(parts.len(), 1, "{waits}");
        let text = "It waits for a person's approval of `` tool.call:mail.`send ``: approval 3.";
        assert_eq!(parts[0]["text"], text);
        let has = serde_json::to_value(has(&id, 3, Word::Denied, Some("the key boss"))).unwrap();
        assert_eq!(has["state"], "TASK_STATE_WORKING");
        let text = "approval 3 is denied by the key boss.";
        assert_eq!(has["message"]["parts"][0]["text"], text);
    }

    #[test]
    fn a_turn_waits_for_the_first_that_it_asked() {
        let of = |turn, number| Approval {
            turn,
            approval: number,
            ..approval("{}")
        };
        let first = by_turn(vec![of(7, 3), of(8, 4), of(7, 5)]);
        let first: Vec<_> = first.values().map(|it| (it.turn, it.approval)).collect();
        assert_eq!(first, [(7, 3), (8, 4)]);
    }
}
