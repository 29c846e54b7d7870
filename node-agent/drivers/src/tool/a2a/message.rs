//! The message that a call is: its parameters, and by which ids its task is found again where the call is made again.
//! Pure.

use aion_abi::canonical::body_digest;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    super::{Attempt, ToolServer, Tries},
    offer::Asked,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Message {
    /// Of `SendMessage`, without `returnImmediately`.
    params: Map<String, Value>,
    /// The context that its task is found by; none where it is not looked for, since not every agent takes one.
    pub(super) context: Option<String>,
    /// The agent's id of the task that it goes on with.
    pub(super) answers: Option<String>,
    /// An earlier try may have been taken.
    pub(super) again: bool,
}

impl Message {
    /// `answers`: the agent's id of the task that it goes on with.
    pub(super) fn new(
        server: &ToolServer,
        asked: &Asked,
        attempt: &Attempt,
        answers: Option<String>,
    ) -> Self {
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
        if let Some(task) = &answers {
            message["taskId"] = task.as_str().into();
        }
        let mut params = Map::new();
        params.insert("message".to_owned(), message);
        Self {
            params,
            context,
            answers,
            again: attempt.tries == Tries::Again,
        }
    }

    /// What is sent; `returns` once the task is there, and not at its end. `context`: of the task that it goes on with,
    /// since some agents take it for another's without.
    pub(super) fn params(&self, returns: bool, context: Option<&str>) -> Map<String, Value> {
        let mut params = self.params.clone();
        if let (Some(context), Some(message)) = (context, params.get_mut("message")) {
            message["contextId"] = context.into();
        }
        let configuration = json!({"returnImmediately": returns, "historyLength": 1});
        params.insert("configuration".to_owned(), configuration);
        params
    }
}

/// Words as bytes, each with its length before it: other words are other bytes.
pub(super) fn lengthened(words: &[&str]) -> Vec<u8> {
    let mut all = Vec::new();
    for word in words {
        all.extend_from_slice(&word.len().to_be_bytes());
        all.extend_from_slice(word.as_bytes());
    }
    all
}

/// The same for the same words, in a form that every agent takes.
fn derived(words: &[&str]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&body_digest(&lengthened(words))[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{offer, scripted::remote_tool};
    use super::*;

    fn message(key: Option<&str>, tries: Tries, arguments: &Value) -> Message {
        let server = remote_tool("travel", "http://127.0.0.1:9");
        let asked = offer::read(&server, arguments.as_object().unwrap().clone()).unwrap();
        let attempt = Attempt {
            key: key.map(str::to_owned),
            tries,
            ..Attempt::default()
        };
        Message::new(&server, &asked, &attempt, None)
    }

    #[test]
    fn each_try_of_a_call_is_the_same_message_and_another_call_another() {
        let asked = || json!({"message": "Where to?"});
        let sent =
            |key, tries, arguments: Value| message(key, tries, &arguments).params(true, None);
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
}
