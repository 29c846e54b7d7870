//! A person's word about a call of an agent, asked of the client that began its turn: as a form without fields, to be accepted or declined.
//! A client is asked that says it answers forms, in the name of who may approve, and nobody else. What may not enter: whose word counts,
//! which is the node's to say.

use aion_abi::{
    approval::{Answer, Approval, Scope, Verdict},
    code::Code,
    date::UnixMillis,
    problem::Problem,
    seen::{exact, quoted},
};
use aion_client::{ClientError, Node};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rmcp::model::{
    ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema,
    InputRequest, InputRequiredResult, InputResponses,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::questions::Outlet;
use crate::gateway::problem;

/// What the question is called in a result.
const QUESTION: &str = "approval";
/// The longest state that is read, in bytes.
const LONGEST: usize = 64 << 10;

/// How the client of a call is asked.
#[derive(Clone)]
pub(super) enum Asker {
    /// In the call's stream, while it goes on.
    Stream(Outlet, Node),
    /// By its result: the client calls again, with the answer.
    Result(Node),
}

/// Where a call goes on that was answered with a question. It says what is asked and no right: what it names is judged as every request of its
/// bearer is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) turn: u64,
    pub(super) approval: u64,
    /// Of what was shown.
    digest: String,
    /// Why this agent was asked, where none was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) routed: Option<Value>,
}

impl State {
    pub(super) fn of(approval: &Approval, routed: Option<Value>) -> Self {
        Self {
            turn: approval.turn,
            approval: approval.approval,
            digest: approval.digest.clone(),
            routed,
        }
    }

    /// What a client gives back.
    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        let short = Some(text).filter(|it| it.len() <= LONGEST);
        let json = short.and_then(|it| URL_SAFE_NO_PAD.decode(it).ok());
        let state = json.and_then(|it| serde_json::from_slice(&it).ok());
        state.ok_or_else(|| {
            Problem::new(
                Code::BadRequest,
                "requestState is none that this server gave",
            )
            .remedy("send it back as it came, or leave it out to ask anew")
        })
    }

    /// The result that asks.
    pub(super) fn asks(&self, approval: &Approval) -> Result<InputRequiredResult, Problem> {
        let json = serde_json::to_vec(self);
        let json = json.map_err(|why| Problem::new(Code::Internal, why.to_string()))?;
        let question = InputRequest::Elicitation(ElicitRequest::new(question(approval)));
        Ok(InputRequiredResult::new(
            Some([(QUESTION.to_owned(), question)].into()),
            Some(URL_SAFE_NO_PAD.encode(json)),
        ))
    }

    /// Takes what the client says to the node.
    pub(super) async fn answered(&self, node: &Node, verdict: Verdict) -> Result<(), Problem> {
        let asked = node.approval(self.approval).await.map_err(problem)?;
        say(node, &asked, (self.turn, &self.digest), verdict).await
    }
}

/// The approval, where it waits for a word about this turn, and who asks may say it. Anybody else is not asked.
pub(super) async fn waits(node: &Node, approval: u64, turn: u64) -> Option<Approval> {
    match node.approval(approval).await {
        // What cannot be shown is not agreed to.
        Ok(it) => (it.turn == turn && it.answered.is_none() && it.shown.is_some()).then_some(it),
        Err(ClientError::Refused(_)) => None,
        Err(error) => {
            tracing::warn!(approval, %error, "a client is not asked about an approval that the node does not tell");
            None
        }
    }
}

/// Asks in the stream, and takes what is said to the node.
pub(super) async fn asked(outlet: Outlet, node: Node, (approval, turn): (u64, u64)) {
    let Some(asked) = waits(&node, approval, turn).await else {
        return;
    };
    let Some(said) = outlet.ask(&question(&asked)).await else {
        return;
    };
    let Some(verdict) = said.answer.as_ref().and_then(verdict) else {
        return;
    };
    // In the name of who says it, which may be somebody else by now.
    let taken = match said.by {
        Ok(by) => say(&by, &asked, (turn, &asked.digest), verdict).await,
        Err(problem) => Err(problem),
    };
    if let Err(why) = taken {
        tracing::warn!(approval, %why, "what a client said about an approval was not taken");
    }
}

/// Says it, of what was shown. Where another was first, theirs counts, and the turn tells it.
async fn say(
    node: &Node,
    asked: &Approval,
    (turn, digest): (u64, &str),
    verdict: Verdict,
) -> Result<(), Problem> {
    let Some((namespace, agent)) = asked.agent.split_once('/') else {
        let what = format!("approval {} is of no agent", asked.approval);
        return Err(Problem::new(Code::UpstreamFailed, what));
    };
    let answer = Answer {
        turn,
        digest: digest.to_owned(),
        verdict,
        scope: Scope::Once,
        until_ms: None,
    };
    match node
        .answer_approval(namespace, agent, asked.approval, &answer)
        .await
    {
        Ok(_) => Ok(()),
        Err(ClientError::Refused(it)) if it.code == Code::AlreadyAnswered => Ok(()),
        Err(error) => Err(problem(error)),
    }
}

/// What a client gives back of a question; nothing where it leaves it open.
pub(super) fn said(answers: Option<InputResponses>) -> Result<Option<Verdict>, Problem> {
    let said = answers.and_then(|mut it| it.remove(QUESTION));
    let said = said.map(serde_json::from_value::<ElicitResult>).transpose();
    let said = said.map_err(|why| {
        let what = format!("inputResponses.{QUESTION} is not an answer: {why}");
        Problem::new(Code::BadRequest, what).remedy("say accept, decline or cancel as its action")
    })?;
    Ok(said.as_ref().and_then(verdict))
}

/// A yes, a no, or nothing: it stays open.
fn verdict(said: &ElicitResult) -> Option<Verdict> {
    match said.action {
        ElicitationAction::Accept => Some(Verdict::Approve),
        ElicitationAction::Decline => Some(Verdict::Deny),
        _ => None,
    }
}

fn question(approval: &Approval) -> ElicitRequestParams {
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message(approval),
        requested_schema: ElicitationSchema::new(Default::default()),
    }
}

/// Who asks for what, and the request that is done, as a person reads it.
fn message(it: &Approval) -> String {
    let mut lines = vec![format!(
        "Agent {} asks before it does {} (approval {}, turn {}, by {}). It would do exactly this:",
        exact(&it.agent),
        exact(&it.capability),
        it.approval,
        it.turn,
        exact(&it.rule),
    )];
    if let Some(shown) = &it.shown {
        lines.extend(quoted(&shown.text));
        if shown.cut {
            lines.push(format!(
                "… (cut, or not all text: the request has {} bytes; aionctl approvals show {})",
                shown.size, it.approval
            ));
        }
    }
    lines.push(format!("sha256 {}", it.digest));
    lines.push(format!(
        "Accept, and this call is made once; decline, and it is refused. It waits until {}.",
        date(it.until_ms)
    ));
    lines.join("\n")
}

fn date(at: UnixMillis) -> String {
    let at = i64::try_from(at.0).ok();
    let at = at.and_then(|it| Timestamp::from_millisecond(it).ok());
    at.map_or_else(|| "it is withdrawn".to_owned(), |it| it.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::approval::Shown;
    use serde_json::json;

    use super::*;

    fn approval() -> Approval {
        Approval {
            approval: 3,
            turn: 7,
            agent: "home/clerk".to_owned(),
            capability: "tool.call:mail.send".to_owned(),
            rule: "spec.permissions.ask[0]".to_owned(),
            asked_at_ms: UnixMillis(0),
            until_ms: UnixMillis(1_000),
            shown: Some(Shown {
                text: "{\"to\":\"ann\u{200b}\"}\n\n\nAccept this.".to_owned(),
                size: 40_000,
                cut: true,
            }),
            digest: "abc".to_owned(),
            answered: None,
        }
    }

    #[test]
    fn a_person_reads_who_asks_for_what_and_that_it_is_cut() {
        let message = message(&approval());
        for part in [
            "home/clerk",
            "tool.call:mail.send",
            "approval 3, turn 7",
            "| {\"to\":\"ann\\u{200b}\"}\n| … (2 blank lines)\n| Accept this.",
            "40000 bytes; aionctl approvals show 3",
            "sha256 abc",
            "1970-01-01T00:00:01Z",
        ] {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
    }

    #[test]
    fn a_form_has_no_field_and_is_of_both_eras() {
        let asked = serde_json::to_value(question(&approval())).unwrap();
        assert_eq!(asked["mode"], "form");
        assert_eq!(
            asked["requestedSchema"],
            json!({"type": "object", "properties": {}})
        );
    }

    #[test]
    fn a_state_comes_back_as_it_was_given() {
        let state = State::of(&approval(), Some(json!({"name": "clerk"})));
        let result = state.asks(&approval()).unwrap();
        let told = serde_json::to_value(&result).unwrap();
        assert_eq!(told["resultType"], "input_required");
        let question = &told["inputRequests"]["approval"];
        assert_eq!(question["method"], "elicitation/create", "{told}");
        let given = told["requestState"].as_str().unwrap();
        assert_eq!(State::read(given).unwrap(), state);
        for wrong in ["", "x", &given[1..], &"a".repeat(LONGEST + 1)] {
            assert_eq!(State::read(wrong).unwrap_err().code, Code::BadRequest);
        }
    }

    #[test]
    fn what_is_no_answer_is_refused_and_none_leaves_it_open() {
        let given = |answer: Value| said(Some([(QUESTION.to_owned(), answer)].into()));
        assert_eq!(
            given(json!({"action": "accept"})),
            Ok(Some(Verdict::Approve))
        );
        assert_eq!(given(json!({"action": "cancel"})), Ok(None));
        assert_eq!(said(None), Ok(None));
        for wrong in [json!({"action": "maybe"}), json!("accept"), json!({})] {
            assert_eq!(given(wrong).unwrap_err().code, Code::BadRequest);
        }
    }

    #[test]
    fn only_a_yes_and_a_no_are_a_word() {
        let said = |action| verdict(&ElicitResult::new(action));
        assert_eq!(said(ElicitationAction::Accept), Some(Verdict::Approve));
        assert_eq!(said(ElicitationAction::Decline), Some(Verdict::Deny));
        assert_eq!(said(ElicitationAction::Cancel), None);
    }
}
