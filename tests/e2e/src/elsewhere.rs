//! A program of an agent of runtime `external`, played by a test, that a node agent of a cluster is told by.

use std::time::Duration;

use aion_abi::{
    canonical::{CanonicalRequest, body_digest},
    date::UnixMillis,
    headers,
    signing::Key,
};
use aion_testkit::until;
use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{cluster::BOUND, gateways::exchange};

/// A program that is registered at the node that listens at `port`.
pub struct Elsewhere {
    port: u16,
    token: String,
    path: String,
}

/// A turn that it was given.
pub struct Given {
    /// What it is to work on.
    pub boot: Value,
    key: Key,
    counter: u64,
}

impl Elsewhere {
    /// Registers one, of an agent as `namespace/agents/name`, by a token that may serve it.
    ///
    /// # Errors
    /// When the node does not take it in time.
    pub fn register(port: u16, token: &str, agent: &str) -> anyhow::Result<Self> {
        let base = format!("/api/v1/namespaces/{agent}");
        let registered = until("the agent to take a program", BOUND, || {
            let line = format!("POST {base}/programs");
            match exchange(port, &line, Some(token), "", r#"{"name": "a test"}"#) {
                Ok((200, answer)) => Ok(answer),
                other => Err(format!("{other:?}")),
            }
        })?;
        let registered = json_of(&registered)?;
        let program = registered["program"].as_str().context("no program")?;
        Ok(Self {
            port,
            token: token.to_owned(),
            path: format!("{base}/programs/{program}"),
        })
    }

    fn say(&self, what: &str, sent: &Value) -> anyhow::Result<Value> {
        let line = format!("POST {}/{what}", self.path);
        let (status, answer) =
            exchange(self.port, &line, Some(&self.token), "", &sent.to_string())?;
        anyhow::ensure!(status == 200, "{what}: {status} {answer}");
        json_of(&answer)
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// When none comes in time.
    pub fn take(&self) -> anyhow::Result<Given> {
        let given = until("a turn for the program", Duration::from_secs(60), || {
            let given = self.say("turn", &json!({"holds": []}));
            match given {
                Ok(given) if given["boot"].is_object() => Ok(given),
                other => Err(format!("{other:?}")),
            }
        })?;
        let boot = given["boot"].clone();
        let digits = boot["key"].as_str().context("no key")?;
        let mut key = [0; 32];
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16)?;
        }
        Ok(Given {
            boot,
            key: Key::new(key),
            counter: 0,
        })
    }

    /// Says a part of the answer, of a kind.
    ///
    /// # Errors
    /// When it is not taken.
    pub fn message(&self, given: &mut Given, kind: &str, text: &str) -> anyhow::Result<()> {
        let sent = json!({"kind": kind, "text": text});
        let (status, answer) = self.call(given, "/v1/agent/message", &sent, None)?;
        anyhow::ensure!(status == 200, "{status} {answer}");
        Ok(())
    }

    /// Makes a syscall, within a time where one is said: status and body.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn call(
        &self,
        given: &mut Given,
        path: &str,
        sent: &Value,
        deadline_ms: Option<u64>,
    ) -> anyhow::Result<(u16, String)> {
        let sent = sent.to_string();
        given.counter += 1;
        #[expect(clippy::disallowed_methods, reason = "a call is signed with the date")]
        let now = jiff::Timestamp::now().as_millisecond();
        let (turn, incarnation) = (&given.boot["turn"], &given.boot["incarnation"]);
        let key = format!("t{turn}.{}", given.counter);
        let request = CanonicalRequest {
            method: "POST",
            path,
            timestamp_ms: UnixMillis(u64::try_from(now)?),
            counter: given.counter,
            idempotency_key: Some(&key),
            deadline_ms,
            body_digest: body_digest(sent.as_bytes()),
        };
        let signed = headers::sign(&given.key, &request);
        let signed: String = signed
            .iter()
            .map(|(name, value)| format!("\r\n{name}: {value}"))
            .collect();
        let line = format!("POST {}/turns/{turn}/{incarnation}{path}", self.path);
        exchange(self.port, &line, Some(&self.token), &signed, &sent)
    }

    /// Says that it is done.
    ///
    /// # Errors
    /// When that is not taken.
    pub fn end(&self, given: &Given) -> anyhow::Result<()> {
        let run = json!({"turn": given.boot["turn"], "incarnation": given.boot["incarnation"]});
        self.say("end", &json!({"run": run, "code": 0}))?;
        Ok(())
    }
}

/// The JSON of a body, whatever it was cut into.
///
/// # Errors
/// There is none.
pub fn json_of(body: &str) -> anyhow::Result<Value> {
    let from = body.find('{').context("no JSON")?;
    let to = body.rfind('}').context("no JSON")?;
    Ok(serde_json::from_str(&body[from..=to])?)
}
