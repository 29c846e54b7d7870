//! What a client sends of a conversation, and the question that it is to an agent.
//!
//! An agent is asked one question and keeps its own memory and instructions. What a client sends before its question
//! (its instructions, the conversation so far) is given with it as text, told apart from it.

use std::{borrow::Cow, fmt, marker::PhantomData};

use aion_abi::problem::Problem;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use serde_json::{Map, Value};

use super::refused::refused;

/// One message as a client sends it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "InputMessage")]
pub(super) struct Message {
    /// Absent where it is a message.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) role: String,
    pub(super) content: Option<TextOr<Part>>,
    pub(super) tool_calls: Option<Vec<Value>>,
    pub(super) tool_call_id: Option<String>,
    pub(super) function_call: Option<Value>,
    /// What else there is: a model is given none of it.
    #[serde(flatten)]
    pub(super) other: Map<String, Value>,
}

/// A part of a message.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "InputPart")]
pub(super) struct Part {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) text: Option<String>,
    /// What else there is, as of the message.
    #[serde(flatten)]
    pub(super) other: Map<String, Value>,
}

/// A text, or a list. (Not an untagged enum of serde: its errors do not say in which field they are.)
#[derive(Debug)]
pub(super) enum TextOr<T> {
    Text(String),
    List(Vec<T>),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Conversation {
    /// Roles and texts.
    before: Vec<(String, String)>,
    question: String,
}

impl Conversation {
    /// Reads the messages of `field`.
    ///
    /// # Errors
    /// There is no question in them, or what is not text.
    pub(super) fn read(field: &str, messages: Vec<Message>) -> Result<Self, Problem> {
        let mut before = Vec::with_capacity(messages.len());
        for (at, message) in messages.into_iter().enumerate() {
            before.push(message.read(&format!("{field}[{at}]"))?);
        }
        let Some((role, question)) = before.pop() else {
            return Err(refused(field, "is empty", "ask something"));
        };
        if role != "user" {
            let what = format!("ends with a message of {role:?}");
            return Err(refused(field, &what, "end it with the user's question"));
        }
        if question.trim().is_empty() {
            let what = "ends with an empty question";
            return Err(refused(field, what, "ask something"));
        }
        Ok(Self { before, question })
    }

    /// A conversation that is its question alone.
    ///
    /// # Errors
    /// It asks nothing.
    pub(super) fn of(field: &str, question: String) -> Result<Self, Problem> {
        let question = Message {
            kind: None,
            role: "user".to_owned(),
            content: Some(TextOr::Text(question)),
            tool_calls: None,
            tool_call_id: None,
            function_call: None,
            other: Map::new(),
        };
        Self::read(field, vec![question])
    }

    /// The same, with what the caller wants to be kept to.
    pub(super) fn under(mut self, instructions: Option<&str>) -> Self {
        let system = instructions.map(|text| ("system".to_owned(), text.to_owned()));
        self.before.splice(0..0, system);
        self
    }

    /// What the user said, by which an agent is chosen: all of it, since a question may go on from the one before.
    pub(super) fn of_user(&self) -> String {
        let before = self.before.iter().filter(|(role, _)| role == "user");
        let texts = before.map(|(_, text)| text.as_str());
        let texts: Vec<&str> = texts.chain([self.question.as_str()]).collect();
        texts.join("\n")
    }

    /// What the agent is asked.
    pub(super) fn asked(self) -> String {
        let of_caller = |role: &str| matches!(role, "system" | "developer");
        let texts = |instructions: bool| {
            let kept = self.before.iter().filter(move |(role, text)| {
                of_caller(role) == instructions && !text.trim().is_empty()
            });
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
            return self.question;
        }
        parts.push(format!("The question now:\n{}", self.question));
        parts.join("\n\n")
    }
}

impl Message {
    /// Its role and its text.
    fn read(self, field: &str) -> Result<(String, String), Problem> {
        if let Some(kind) = self.kind.filter(|kind| kind != "message") {
            let remedy = "send what was said, as messages";
            return Err(refused(field, &format!("is {kind:?}"), remedy));
        }
        if self.role.is_empty() {
            let remedy = "say user, assistant, system or developer";
            return Err(refused(&format!("{field}.role"), "is missing", remedy));
        }
        let calls = "of tools of the client, which an agent does not call";
        let remedy = "send what was said, as messages of user and assistant";
        let its = |name: &str| format!("{field}.{name}");
        if matches!(self.role.as_str(), "tool" | "function") {
            return Err(refused(&its("role"), &format!("tells {calls}"), remedy));
        }
        if self.tool_calls.is_some_and(|calls| !calls.is_empty()) {
            return Err(refused(&its("tool_calls"), &format!("are {calls}"), remedy));
        }
        if self.function_call.is_some() {
            return Err(refused(
                &its("function_call"),
                &format!("is {calls}"),
                remedy,
            ));
        }
        let parts = match self.content {
            None => return Ok((self.role, String::new())),
            Some(TextOr::Text(text)) => return Ok((self.role, text)),
            Some(TextOr::List(parts)) => parts,
        };
        let mut texts = Vec::with_capacity(parts.len());
        for (nth, part) in parts.into_iter().enumerate() {
            match (part.kind.as_str(), part.text) {
                ("text" | "input_text" | "output_text", Some(text)) => texts.push(text),
                (kind, _) => {
                    let field = format!("{field}.content[{nth}]");
                    let remedy = "send text, and files as uploads of a turn (docs/gateway.md)";
                    return Err(refused(&field, &format!("is {kind:?}"), remedy));
                }
            }
        }
        Ok((self.role, texts.join("\n")))
    }
}

impl<T: JsonSchema> JsonSchema for TextOr<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("TextOr{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let list = generator.subschema_for::<Vec<T>>();
        json_schema!({"anyOf": [{"type": "string"}, list]})
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = TextOr<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOr::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                let list = SeqAccessDeserializer::new(list);
                Vec::deserialize(list).map(TextOr::List)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn asked(messages: Value) -> Result<String, Problem> {
        let messages = serde_json::from_value(messages).unwrap();
        Conversation::read("messages", messages).map(Conversation::asked)
    }

    #[test]
    fn one_message_is_asked_as_it_is() {
        let plain = json!([{"role": "user", "content": "Where?"}]);
        assert_eq!(asked(plain).unwrap(), "Where?");
        let parts = json!([{"type": "text", "text": "Where"}, {"type": "text", "text": "is it?"}]);
        let parts = json!([{"role": "user", "content": parts}]);
        assert_eq!(asked(parts).unwrap(), "Where\nis it?");
        let text = Conversation::of("input", "Where?".to_owned()).unwrap();
        assert_eq!(text.asked(), "Where?");
    }

    #[test]
    fn what_was_said_before_is_told_apart_from_the_question() {
        let messages = json!([
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Who?"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Ada."}]},
            {"role": "user", "content": "When?"},
        ]);
        let messages = serde_json::from_value(messages).unwrap();
        let conversation = Conversation::read("input", messages).unwrap();
        assert_eq!(conversation.of_user(), "Who?\nWhen?");
        assert_eq!(
            conversation.under(Some("Be kind.")).asked(),
            "What the caller wants to be kept to:\nBe kind.\nBe brief.\n\n\
             The conversation so far:\nuser: Who?\nassistant: Ada.\n\n\
             The question now:\nWhen?"
        );
    }

    #[test]
    fn what_is_not_a_question_in_words_is_refused_where_it_is() {
        let image = json!([{"type": "text", "text": "?"}, {"type": "image_url"}]);
        for (messages, said) in [
            (json!([]), "messages is empty"),
            (
                json!([{"role": "user", "content": " "}]),
                "messages ends with an empty question",
            ),
            (
                json!([{"role": "assistant", "content": "!"}]),
                "messages ends with a message of \"assistant\"",
            ),
            (json!([{"content": "?"}]), "messages[0].role is missing"),
            (
                json!([{"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}]),
                "messages[0].tool_calls are of tools of the client, which an agent does not call",
            ),
            (
                json!([{"role": "tool", "content": "4"}, {"role": "user", "content": "?"}]),
                "messages[0].role tells of tools of the client, which an agent does not call",
            ),
            (
                json!([{"type": "function_call_output", "output": "4"}]),
                "messages[0] is \"function_call_output\"",
            ),
            (
                json!([{"role": "user", "content": image}]),
                "messages[0].content[1] is \"image_url\"",
            ),
        ] {
            assert_eq!(asked(messages).unwrap_err().detail, said);
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let text = r#"[{"role": "user", "content": [{"type": "text"}, {"type": 1}]}]"#;
        let mut reader = serde_json::Deserializer::from_str(text);
        let wrong = serde_path_to_error::deserialize::<_, Vec<Message>>(&mut reader).unwrap_err();
        assert_eq!(wrong.path().to_string(), "[0].content[1].type");
    }
}
