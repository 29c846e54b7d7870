//! A request of `/v1/chat/completions`, and the question that it is to an agent.
//!
//! An agent is asked one question and keeps its own memory and instructions. What a client sends before its question
//! (its instructions, the conversation so far) is given with it as text, told apart from it.

use aion_abi::{code::Code, problem::Problem};
use serde::Deserialize;
use serde_json::Value;

/// What is read of a request. What a sampler would be set by (temperature and the like) is left to the agent.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    pub(super) model: String,
    messages: Vec<Message>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u64>,
    #[serde(default)]
    tools: Option<Vec<Value>>,
    #[serde(default)]
    functions: Option<Vec<Value>>,
    response_format: Option<Format>,
    logprobs: Option<bool>,
    #[serde(default)]
    modalities: Option<Vec<String>>,
    stop: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

impl Request {
    pub(super) fn is_stream(&self) -> bool {
        self.stream == Some(true)
    }

    pub(super) fn wants_usage(&self) -> bool {
        let options = self.stream_options.as_ref();
        options.and_then(|it| it.include_usage) == Some(true)
    }

    /// What the agent is asked.
    ///
    /// # Errors
    /// It asks for what an agent does not give.
    pub(super) fn question(&self) -> Result<String, Problem> {
        self.unheard_of()?;
        let mut told = Vec::with_capacity(self.messages.len());
        for (at, message) in self.messages.iter().enumerate() {
            told.push((message.role.as_str(), message.text(at)?));
        }
        let Some((role, question)) = told.pop() else {
            return Err(refused("messages", "is empty", "ask something"));
        };
        if role != "user" {
            let what = format!("ends with a message of {role:?}");
            return Err(refused(
                "messages",
                &what,
                "end it with the user's question",
            ));
        }
        if question.trim().is_empty() {
            return Err(refused(
                "messages",
                "ends with an empty question",
                "ask something",
            ));
        }
        Ok(with_what_was_said(&told, question))
    }

    fn unheard_of(&self) -> Result<(), Problem> {
        let is_some = |list: &Option<Vec<Value>>| list.as_ref().is_some_and(|it| !it.is_empty());
        if is_some(&self.tools) || is_some(&self.functions) {
            let remedy = "name tools in the Agent: an agent calls them itself, within its rights";
            return Err(refused("tools", "are the client's", remedy));
        }
        if self.n.is_some_and(|n| n != 1) {
            return Err(refused(
                "n",
                "asks for several answers",
                "leave it out, and ask again",
            ));
        }
        if let Some(format) = self.response_format.as_ref().filter(|it| it.kind != "text") {
            let what = format!("asks for {:?}", format.kind);
            let remedy = "leave it out, and say in the question what the answer is to look like";
            return Err(refused("response_format", &what, remedy));
        }
        if self.logprobs == Some(true) {
            return Err(refused(
                "logprobs",
                "are not known of an agent",
                "leave it out",
            ));
        }
        if self.stop.as_ref().is_some_and(|it| !it.is_null()) {
            return Err(refused(
                "stop",
                "cannot be kept by an agent",
                "leave it out",
            ));
        }
        let mut modalities = self.modalities.iter().flatten();
        match modalities.find(|it| *it != "text") {
            Some(other) => Err(refused(
                "modalities",
                &format!("asks for {other:?}"),
                "ask for text",
            )),
            None => Ok(()),
        }
    }
}

impl Message {
    fn text(&self, at: usize) -> Result<String, Problem> {
        let parts = match &self.content {
            None => return Ok(String::new()),
            Some(Content::Text(text)) => return Ok(text.clone()),
            Some(Content::Parts(parts)) => parts,
        };
        let mut texts = Vec::with_capacity(parts.len());
        for (nth, part) in parts.iter().enumerate() {
            match (part.kind.as_str(), &part.text) {
                ("text" | "input_text", Some(text)) => texts.push(text.as_str()),
                (kind, _) => {
                    let field = format!("messages[{at}].content[{nth}]");
                    let remedy = "send text, and files as uploads of a turn (docs/gateway.md)";
                    return Err(refused(&field, &format!("is {kind:?}"), remedy));
                }
            }
        }
        Ok(texts.join("\n"))
    }
}

fn with_what_was_said(before: &[(&str, String)], question: String) -> String {
    let of_caller = |role: &str| matches!(role, "system" | "developer");
    let texts = |instructions: bool| {
        let kept = before
            .iter()
            .filter(move |(role, text)| of_caller(role) == instructions && !text.trim().is_empty());
        kept.map(move |(role, text)| match instructions {
            true => text.clone(),
            false => format!("{role}: {text}"),
        })
        .collect::<Vec<_>>()
    };
    let (instructions, conversation) = (texts(true), texts(false));
    let mut parts = Vec::new();
    if !instructions.is_empty() {
        parts.push(format!(
            "What the caller wants to be kept to:\n{}",
            instructions.join("\n")
        ));
    }
    if !conversation.is_empty() {
        parts.push(format!(
            "The conversation so far:\n{}",
            conversation.join("\n")
        ));
    }
    if parts.is_empty() {
        return question;
    }
    parts.push(format!("The question now:\n{question}"));
    parts.join("\n\n")
}

fn refused(field: &str, what: &str, remedy: &str) -> Problem {
    Problem::new(Code::BadRequest, format!("{field} {what}")).remedy(remedy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn question(request: Value) -> Result<String, Problem> {
        serde_json::from_value::<Request>(request)
            .unwrap()
            .question()
    }

    #[test]
    fn one_message_is_asked_as_it_is() {
        let plain = json!({"model": "a", "messages": [{"role": "user", "content": "Where?"}]});
        assert_eq!(question(plain).unwrap(), "Where?");
        let parts = json!([{"type": "text", "text": "Where"}, {"type": "text", "text": "is it?"}]);
        let parts = json!({"model": "a", "messages": [{"role": "user", "content": parts}]});
        assert_eq!(question(parts).unwrap(), "Where\nis it?");
    }

    #[test]
    fn what_was_said_before_is_told_apart_from_the_question() {
        let messages = json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Who?"},
            {"role": "assistant", "content": "Ada."},
            {"role": "user", "content": "When?"},
        ]);
        let asked = question(json!({"model": "a", "messages": messages})).unwrap();
        assert_eq!(
            asked,
            "What the caller wants to be kept to:\nBe brief.\n\n\
             The conversation so far:\nuser: Who?\nassistant: Ada.\n\n\
             The question now:\nWhen?"
        );
    }

    #[test]
    fn what_an_agent_does_not_give_is_refused_by_name() {
        let refusal = |field: &str, value: Value| {
            let mut request = json!({"model": "a", "messages": [{"role": "user", "content": "?"}]});
            request[field] = value;
            question(request).map_err(|it| it.detail)
        };
        for (field, value) in [
            ("tools", json!([{"type": "function"}])),
            ("n", json!(2)),
            ("response_format", json!({"type": "json_object"})),
            ("logprobs", json!(true)),
            ("stop", json!(["."])),
            ("modalities", json!(["text", "audio"])),
            ("messages", json!([])),
            ("messages", json!([{"role": "assistant", "content": "!"}])),
            (
                "messages",
                json!([{"role": "user", "content": [{"type": "image_url"}]}]),
            ),
        ] {
            let said = refusal(field, value).unwrap_err();
            assert!(said.starts_with(field), "{said}");
        }
        for (field, value) in [
            ("tools", json!([])),
            ("n", json!(1)),
            ("response_format", json!({"type": "text"})),
            ("temperature", json!(0.2)),
            ("stop", json!(null)),
        ] {
            assert_eq!(refusal(field, value).unwrap(), "?");
        }
    }
}
