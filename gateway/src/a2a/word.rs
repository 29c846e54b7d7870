//! A person's word about what a task waits for, as a message to that task: `approve N` or `deny N`, as text or as data. The number binds it to
//! what was shown. What may not enter: whose word counts, which is the node's to say.

use aion_abi::{
    approval::{Approval, Verdict},
    code::Code,
    problem::Problem,
};
use aion_client::ClientError;
use serde::Deserialize;
use serde_json::Number;

use super::{
    Target,
    fault::Fault,
    task::Id,
    waiting::{Answered, To},
    wire::Part,
};
use crate::{
    approving::asked::{may_be_asked, say},
    gateway::problem,
};

/// The largest whole number that JSON's readers hold exactly.
const LARGEST: f64 = 9_007_199_254_740_991.0;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    /// What it is about; a word alone is about nothing that was shown.
    approval: Option<u64>,
    verdict: Verdict,
}

/// As data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    approval: Option<Number>,
    verdict: Verdict,
}

impl Word {
    /// What a message says, where that is a word and nothing else.
    pub(super) fn of(parts: &[Part]) -> Option<Self> {
        let [part] = parts else { return None };
        match (&part.text, &part.data, &part.raw, &part.url) {
            (Some(text), None, None, None) => Self::read(text),
            (None, Some(data), None, None) => {
                let data = Data::deserialize(data).ok()?;
                let approval = match data.approval {
                    Some(it) => Some(whole(&it)?),
                    None => None,
                };
                Some(Self {
                    approval,
                    verdict: data.verdict,
                })
            }
            _ => None,
        }
    }

    fn read(text: &str) -> Option<Self> {
        let mut said = text.split_whitespace();
        let verdict = match said.next()?.to_ascii_lowercase().as_str() {
            "approve" => Verdict::Approve,
            "deny" => Verdict::Deny,
            _ => return None,
        };
        let approval = match said.next() {
            Some(it) if it.bytes().all(|it| it.is_ascii_digit()) => Some(it.parse().ok()?),
            Some(_) => return None,
            None => None,
        };
        let is_all = said.next().is_none();
        is_all.then_some(Self { approval, verdict })
    }
}

/// Clients whose numbers are all of one kind say 3.0.
fn whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let number = number.as_f64()?;
        let is_whole = number.fract() == 0.0 && (0.0..=LARGEST).contains(&number);
        is_whole.then_some(number as u64)
    })
}

impl Target {
    /// Takes a word about a task that has not ended. Gives the approval that it was about.
    ///
    /// # Errors
    /// It is none, it is about something else, another was first, or who sends it may not say it.
    pub(super) async fn takes(&self, id: &Id, parts: &[Part]) -> Result<u64, Fault> {
        let word = Word::of(parts);
        let Some((number, verdict)) = word.and_then(|it| Some((it.approval?, it.verdict))) else {
            return Err(self.unread(id, word.is_some()).await?);
        };
        let nodes = self.approver.clone()?;
        let asked = match nodes.approval(number).await {
            Ok(it) => Some(it).filter(|it| it.turn == id.turn),
            Err(ClientError::Refused(it)) if it.code == Code::NotFound => None,
            Err(error) => return Err(problem(error).into()),
        };
        let Some(asked) = asked else {
            return Err(self.not_its(id, number).await?);
        };
        is_open(&asked)?;
        say(&nodes, number, (id.turn, &asked.digest), verdict).await?;
        Ok(number)
    }

    /// What the task waits for first.
    ///
    /// # Errors
    /// Nothing, or the node does not say.
    async fn first(&self, id: &Id) -> Result<Approval, Fault> {
        let all = self.waiting_of(id.turn).await?;
        all.into_iter().next().ok_or_else(|| no_more(id))
    }

    /// Why a message that is no word about an approval is not taken.
    async fn unread(&self, id: &Id, is_bare: bool) -> Result<Fault, Fault> {
        let it = self.first(id).await?;
        let number = it.approval;
        let what = match is_bare {
            true => format!("the word names no approval, and task {id} waits for one"),
            false => format!(
                "task {id} waits for a person's word about approval {number}, and takes no other message"
            ),
        };
        Ok(Fault::params(what, To(number).to_string()))
    }

    /// Why a word about another approval is not taken.
    async fn not_its(&self, id: &Id, number: u64) -> Result<Fault, Fault> {
        let it = self.first(id).await?;
        let what = format!("task {id} does not wait for approval {number}");
        Ok(Fault::params(what, To(it.approval).to_string()))
    }
}

/// A turn is one question.
pub(super) fn no_more(id: &Id) -> Fault {
    let what = format!("task {id} takes no more messages");
    super::unsupported(&what, "send a message without taskId: it is a new task")
}

/// Whether a word about it is still asked for, and can be said here.
fn is_open(it: &Approval) -> Result<(), Problem> {
    if let Some(said) = &it.answered {
        let what = Answered(it.approval, said.word, said.by.as_deref()).to_string();
        return Err(Problem::new(Code::AlreadyAnswered, what)
            .remedy("what was said first counts: follow the task with SubscribeToTask"));
    }
    match may_be_asked(it) {
        true => Ok(()),
        false => {
            let what = format!("approval {} cannot be shown here as a whole", it.approval);
            let remedy = format!("look at it: aionctl approvals show {}", it.approval);
            Err(Problem::new(Code::BadRequest, what).remedy(remedy))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::{
        approval::{Answered, Word as Said},
        date::UnixMillis,
    };
    use serde_json::{Value, json};

    use super::*;
    use crate::approving::approval;

    fn word(parts: Value) -> Option<(Option<u64>, bool)> {
        let parts: Vec<Part> = serde_json::from_value(parts).unwrap();
        let word = Word::of(&parts)?;
        Some((word.approval, word.verdict == Verdict::Approve))
    }

    #[test]
    fn a_word_names_its_approval_and_case_and_white_space_do_not_matter() {
        for (parts, is) in [
            (json!([{"text": "approve 3"}]), (Some(3), true)),
            (json!([{"text": " Approve\n\t3 \n"}]), (Some(3), true)),
            (
                json!([{"text": "DENY 9007199254740991"}]),
                (Some(9_007_199_254_740_991), false),
            ),
            (
                json!([{"data": {"approval": 3, "verdict": "approve"}}]),
                (Some(3), true),
            ),
            (
                json!([{"data": {"approval": 3.0, "verdict": "deny"}}]),
                (Some(3), false),
            ),
            // They are words, and about nothing.
            (json!([{"text": "approve"}]), (None, true)),
            (json!([{"text": "deny\n"}]), (None, false)),
            (json!([{"data": {"verdict": "approve"}}]), (None, true)),
        ] {
            assert_eq!(word(parts.clone()), Some(is), "{parts}");
        }
    }

    #[test]
    fn nothing_else_is_a_word() {
        for parts in [
            json!([]),
            json!([{"text": ""}]),
            json!([{"text": "yes"}]),
            json!([{"text": "approve it"}]),
            json!([{"text": "approve -3"}]),
            json!([{"text": "approve +3"}]),
            json!([{"text": "approve 3."}]),
            json!([{"text": "approve 3 always"}]),
            json!([{"text": "approve 99999999999999999999"}]),
            json!([{"text": "approve 3"}, {"text": "or not"}]),
            json!([{"text": "approve 3", "data": {}}]),
            json!([{"raw": "YXBwcm92ZSAz"}]),
            json!([{"data": {"approval": 3, "verdict": "perhaps"}}]),
            json!([{"data": {"approval": 3, "verdict": "approve", "scope": "turn"}}]),
            json!([{"data": {"approval": 3.5, "verdict": "approve"}}]),
            json!([{"data": {"approval": -3, "verdict": "approve"}}]),
            json!([{"data": {"approval": "3", "verdict": "approve"}}]),
            json!([{"data": {"approval": 3}}]),
        ] {
            assert_eq!(word(parts.clone()), None, "{parts}");
        }
    }

    #[test]
    fn what_is_answered_says_whose_word_counts_and_what_is_not_shown_is_not_agreed_to() {
        assert_eq!(is_open(&approval("{}")), Ok(()));
        let mut said = approval("{}");
        said.answered = Some(Answered {
            word: Said::Denied,
            scope: None,
            until_ms: None,
            by: Some("the key boss".to_owned()),
            at_ms: UnixMillis(1),
        });
        let refused = is_open(&said).unwrap_err();
        assert_eq!(refused.code, Code::AlreadyAnswered);
        assert_eq!(refused.detail, "approval 3 is denied by the key boss");
        let mut cut = approval("{}");
        cut.shown.as_mut().unwrap().cut = true;
        for hidden in [
            cut,
            Approval {
                shown: None,
                ..approval("{}")
            },
        ] {
            let refused = is_open(&hidden).unwrap_err();
            assert_eq!(refused.code, Code::BadRequest);
            assert!(refused.remedy.contains("aionctl approvals show 3"));
        }
    }
}
