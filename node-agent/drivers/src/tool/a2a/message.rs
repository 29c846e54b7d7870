//! The message that a call is: its parameters, and by which ids its task is found again where the call is made again.
//! Pure.

use aion_abi::{canonical::body_digest, problem::Problem};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    super::{Attempt, ToolServer, Tries},
    agents::Agent,
    offer::Asked,
    update::Named,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Message {
    /// Of `SendMessage`, without `returnImmediately`.
    params: Map<String, Value>,
    /// The context that its task is found by; none where it is not looked for, since not every agent takes one.
    pub(super) context: Option<String>,
    /// The task that it goes on with.
    pub(super) answers: Option<Named>,
    /// An earlier try may have been taken.
    pub(super) again: bool,
}

impl Message {
    /// # Errors
    /// `not-found` for a task that waits for no answer.
    pub(super) fn new(
        server: &ToolServer,
        asked: Asked,
        attempt: &Attempt,
        agent: &Agent,
    ) -> Result<Self, Problem> {
        let answers = match &asked.task {
            Some(task) => Some(agent.waiting(task)?),
            None => None,
        };
        let key = attempt.key.as_deref();
        let id = |what: &str| match key {
            Some(key) => derived(&[what, key, &server.name, &asked.written()]),
            None => Uuid::new_v4(),
        };
        // Who asks in words that an agent need not take says so by calling the operation safe to make again.
        let found = key.is_some() && attempt.tries != Tries::Once && answers.is_none();
        let context = found.then(|| id("context").to_string());
        let mut message = json!({
            "messageId": id("message").to_string(), "role": "ROLE_USER", "parts": asked.parts(),
        });
        if let Some(context) = &context {
            message["contextId"] = context.as_str().into();
        }
        if let Some(named) = &answers {
            message["taskId"] = named.task.as_str().into();
            if !named.context.is_empty() {
                message["contextId"] = named.context.as_str().into();
            }
        }
        let mut params = Map::new();
        params.insert("message".to_owned(), message);
        Ok(Self {
            params,
            context,
            answers,
            again: attempt.tries == Tries::Again,
        })
    }

    /// What is sent; `returns` once the task is there, and not at its end.
    pub(super) fn params(&self, returns: bool) -> Map<String, Value> {
        let mut params = self.params.clone();
        let configuration = json!({"returnImmediately": returns, "historyLength": 1});
        params.insert("configuration".to_owned(), configuration);
        params
    }
}

/// The same for the same words, in a form that every agent takes.
fn derived(words: &[&str]) -> Uuid {
    let mut all = Vec::new();
    for word in words {
        all.extend_from_slice(&word.len().to_be_bytes());
        all.extend_from_slice(word.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&body_digest(&all)[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{agents::Agents, offer, scripted::remote_tool};
    use super::*;

    fn message(key: Option<&str>, tries: Tries, arguments: Value) -> Result<Message, Problem> {
        let server = remote_tool("travel", "http://127.0.0.1:9");
        let agent = Agents::default().of(&server);
        let Value::Object(arguments) = arguments else {
            unreachable!()
        };
        let asked = offer::read(&server, arguments)?;
        let key = key.map(str::to_owned);
        Message::new(&server, asked, &Attempt { key, tries }, &agent)
    }

    #[test]
    fn each_try_of_a_call_is_the_same_message_and_another_call_another() {
        let asked = || json!({"message": "Where to?"});
        let sent = |key, tries, arguments| message(key, tries, arguments).unwrap().params(true);
        let first = sent(Some("i/t1.2"), Tries::First, asked());
        assert_eq!(first, sent(Some("i/t1.2"), Tries::Again, asked()));
        assert_ne!(first, sent(Some("i/t1.3"), Tries::First, asked()));
        assert_ne!(
            first,
            sent(Some("i/t1.2"), Tries::First, json!({"message": "When?"}))
        );
        let once = sent(Some("i/t1.2"), Tries::Once, asked());
        assert_eq!(once["message"]["messageId"], first["message"]["messageId"]);
        assert!(
            once["message"].get("contextId").is_none(),
            "not every agent takes a context"
        );
        let unkeyed = || sent(None, Tries::First, asked());
        assert_ne!(unkeyed(), unkeyed());
    }

    #[test]
    fn a_task_that_waits_for_nothing_is_not_answered() {
        let asked = json!({"message": "Monday.", "task": "somebody-elses"});
        let problem = message(Some("k"), Tries::First, asked).unwrap_err();
        assert_eq!(problem.code, aion_abi::code::Code::NotFound);
        assert!(problem.detail.contains("somebody-elses"), "{problem}");
    }
}
