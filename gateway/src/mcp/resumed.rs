//! Where a call goes on that was answered with a question: sealed, so that only what this gateway asked is gone on with, by whom it was asked,
//! and for the same call. What may not enter: what is asked, and whose word counts.

use aion_abi::{approval::Approval, code::Code, date::UnixMillis, problem::Problem};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rmcp::model::{ElicitRequest, InputRequest, InputRequiredResult, JsonObject};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::words::{self, QUESTION};
use crate::{clock, gateway::Gateway, signing::canonical};

/// The longest state that is read, in bytes.
const LONGEST: usize = 64 << 10;
/// How long beyond the approval's own time its answer can be fetched: an hour.
const LATER_MS: u64 = 60 * 60 * 1000;

/// Which call it is: the tool, its arguments, and who makes it.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) tool: &'a str,
    pub(super) arguments: &'a JsonObject,
}

/// See the module. It is no right: what it names is judged as every request of its bearer is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) turn: u64,
    pub(super) approval: u64,
    /// Of what was shown.
    pub(super) digest: String,
    /// Until when it is taken.
    until_ms: UnixMillis,
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
            until_ms: approval.until_ms.plus(LATER_MS),
            routed,
        }
    }

    /// What a client gives back.
    pub(super) fn read(text: &str, of: Of<'_>) -> Result<Self, Problem> {
        let remedy = "send it back as it came with the same call, or leave it out to ask anew";
        let wrong = |what: &str| Problem::new(Code::BadRequest, what.to_owned()).remedy(remedy);
        let read = || {
            let (content, seal) = Some(text)
                .filter(|it| it.len() <= LONGEST)?
                .split_once('.')?;
            let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
            let signer = of.gateway.signer.as_deref()?;
            if !signer.sealed(of.sealed(content).as_bytes(), &seal) {
                return None;
            }
            serde_json::from_slice::<Self>(&URL_SAFE_NO_PAD.decode(content).ok()?).ok()
        };
        let state = read().ok_or_else(|| {
            wrong("requestState was not issued by this server for this call of yours")
        })?;
        let now = u64::try_from(clock::now().as_millisecond()).unwrap_or_default();
        match now > state.until_ms.0 {
            true => Err(wrong("requestState has expired")),
            false => Ok(state),
        }
    }

    /// The result that asks.
    pub(super) fn asks(
        &self,
        approval: &Approval,
        of: Of<'_>,
    ) -> Result<InputRequiredResult, Problem> {
        let internal = |why: String| Problem::new(Code::Internal, why);
        let json = serde_json::to_vec(self).map_err(|why| internal(why.to_string()))?;
        let content = URL_SAFE_NO_PAD.encode(json);
        let signer = of.gateway.signer.as_deref();
        let signer = signer.ok_or_else(|| internal("the gateway has no key".to_owned()))?;
        let seal = signer.seal(of.sealed(&content).as_bytes());
        let state = format!("{content}.{}", URL_SAFE_NO_PAD.encode(seal));
        let question = InputRequest::Elicitation(ElicitRequest::new(words::question(approval)));
        Ok(InputRequiredResult::new(
            Some([(QUESTION.to_owned(), question)].into()),
            Some(state),
        ))
    }
}

impl Of<'_> {
    /// What is sealed: an array of JSON, so that no part runs into the next.
    fn sealed(self, content: &str) -> String {
        let arguments = canonical(&Value::Object(self.arguments.clone()));
        let arguments = URL_SAFE_NO_PAD.encode(Sha256::digest(arguments));
        let key = self.gateway.key.as_deref();
        json!(["mcp-request-state", content, key, self.tool, arguments]).to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_client::{Address, Node};

    use super::*;

    fn gateway(key: Option<&str>) -> Gateway {
        let address = Address::unix(std::path::Path::new("/nowhere")).unwrap();
        let mut gateway = Gateway::at(Node { address });
        gateway.key = key.map(Into::into);
        gateway
    }

    fn approval(until_ms: u64) -> Approval {
        Approval {
            until_ms: UnixMillis(until_ms),
            ..crate::approving::approval("{}")
        }
    }

    fn question(text: &str) -> JsonObject {
        json!({"question": text}).as_object().unwrap().clone()
    }

    #[test]
    fn a_state_comes_back_as_it_was_given_and_for_the_same_call_alone() {
        let (boss, other, owner) = (gateway(Some("boss")), gateway(Some("other")), gateway(None));
        let (arguments, others) = (question("Send it."), question("Send all."));
        let of = Of {
            gateway: &boss,
            tool: "clerk",
            arguments: &arguments,
        };
        let approval = approval(u64::MAX);
        let state = State::of(&approval, Some(json!({"name": "clerk"})));
        let told = serde_json::to_value(state.asks(&approval, of).unwrap()).unwrap();
        assert_eq!(told["resultType"], "input_required");
        let asked = &told["inputRequests"]["approval"];
        assert_eq!(asked["method"], "elicitation/create", "{told}");
        let given = told["requestState"].as_str().unwrap();
        assert_eq!(State::read(given, of).unwrap(), state);
        for another in [
            Of {
                gateway: &other,
                ..of
            },
            Of {
                gateway: &owner,
                ..of
            },
            Of { tool: "cook", ..of },
            Of {
                arguments: &others,
                ..of
            },
        ] {
            assert_eq!(
                State::read(given, another).unwrap_err().code,
                Code::BadRequest
            );
        }
        let (content, seal) = given.split_once('.').unwrap();
        let mut changed = state.clone();
        changed.turn += 1;
        let changed = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&changed).unwrap());
        for wrong in [
            String::new(),
            content.to_owned(),
            format!("{content}."),
            format!("{changed}.{seal}"),
            given[1..].to_owned(),
            "a".repeat(LONGEST + 1),
        ] {
            assert_eq!(State::read(&wrong, of).unwrap_err().code, Code::BadRequest);
        }
    }

    #[test]
    fn a_state_is_not_taken_for_ever() {
        let boss = gateway(Some("boss"));
        let arguments = question("Send it.");
        let of = Of {
            gateway: &boss,
            tool: "clerk",
            arguments: &arguments,
        };
        let approval = approval(1_000);
        let asked = State::of(&approval, None).asks(&approval, of).unwrap();
        let state = asked.request_state.unwrap();
        let refused = State::read(&state, of).unwrap_err();
        assert!(refused.detail.contains("expired"), "{refused}");
    }
}
