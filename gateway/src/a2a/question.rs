//! What a client says, as the question to an agent: its texts are the question, its files are uploads. What an agent is not asked
//! is refused by name.

use aion_abi::turn::TurnRequest;
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use sha2::{Digest as _, Sha256};

use super::{
    Target,
    fault::{Fault, Kind},
    sent::Sent,
    wire::Part,
};
use crate::{gateway::problem, place::Key};

const BYTES: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A file's name and content.
type File = (String, Vec<u8>);

/// See the module.
pub(super) struct Question {
    input: String,
    files: Vec<File>,
    /// The same for each try of one message.
    pub(super) key: String,
    /// The context that the client named.
    pub(super) context: Option<String>,
    /// What the client calls the message.
    message_id: String,
}

impl Question {
    pub(super) fn of(sent: Sent) -> Result<Self, Fault> {
        let (input, files) = content(sent.parts)?;
        Ok(Self {
            key: key(sent.context.as_deref(), &sent.message_id, &input, &files),
            input,
            files,
            context: sent.context,
            message_id: sent.message_id,
        })
    }

    /// Gives the files to the agent, and the rest to be asked.
    pub(super) async fn given(self, target: &Target) -> Result<TurnRequest, Fault> {
        let mut request = TurnRequest {
            input: self.input,
            context: self.context,
            message_id: Some(self.message_id),
            ..TurnRequest::default()
        };
        for (name, content) in self.files {
            let nodes = &target.gateway.nodes;
            let key = Key::Theirs(&self.key);
            let kept = nodes.upload(target.agent(), &name, content.into(), key);
            request.uploads.push(kept.await.map_err(problem)?.upload);
        }
        Ok(request)
    }
}

/// The texts as one, and the files with their names.
fn content(parts: Vec<Part>) -> Result<(String, Vec<File>), Fault> {
    let (mut texts, mut files) = (Vec::new(), Vec::new());
    for (at, part) in parts.into_iter().enumerate() {
        let wrong = |what: &str| format!("message.parts[{at}]{what}");
        let remedy = "give each part as text, or a file as raw with its filename";
        let refused = |what: &str| Fault::new(Kind::ContentTypeNotSupported, wrong(what), remedy);
        match (part.text, part.raw, part.url, part.data) {
            (Some(text), None, None, None) => texts.push(text),
            (None, Some(raw), None, None) => {
                let content = bytes(&raw).ok_or_else(|| {
                    Fault::params(wrong(".raw is not base64"), "send bytes as base64")
                })?;
                let name = part.filename.filter(|it| !it.is_empty());
                let name = name.unwrap_or_else(|| format!("file-{}", at + 1));
                files.push((name, content));
            }
            (None, None, Some(_), None) => {
                return Err(refused(
                    ".url is not taken: nothing is fetched for a question",
                ));
            }
            (None, None, None, Some(_)) => {
                return Err(refused(".data is not taken: an agent is asked with text"));
            }
            _ => return Err(Fault::params(wrong(" is not one of text and raw"), remedy)),
        }
    }
    Ok((texts.join("\n\n"), files))
}

/// Of either alphabet, with padding or without, as ProtoJSON has it.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let text = text.replace('-', "+").replace('_', "/");
    BYTES.decode(text).ok()
}

/// Under which the node knows the message again, with what is in it: clients that count their messages from one call many of them so.
fn key(context: Option<&str>, message: &str, input: &str, files: &[File]) -> String {
    let mut digest = Sha256::new();
    let context = context.unwrap_or_default();
    let named = [context, message, input].map(str::as_bytes).into_iter();
    let files = files.iter();
    let files = files.flat_map(|(name, content)| [name.as_bytes(), content]);
    for part in named.chain(files) {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    let digits = digest.finalize();
    let digits: String = digits.iter().map(|it| format!("{it:02x}")).collect();
    format!("a2a-{digits}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn question(parts: &Value, more: &Value) -> Result<Question, Fault> {
        let mut message = json!({"messageId": "m1", "role": "ROLE_USER", "parts": parts});
        let fields = more.as_object().unwrap().clone();
        message.as_object_mut().unwrap().extend(fields);
        Question::of(Sent::of(
            serde_json::from_value(json!({"message": message})).unwrap(),
        )?)
    }

    fn refused(parts: &Value, more: &Value) -> String {
        question(parts, more).err().unwrap().rpc().to_string()
    }

    #[test]
    fn texts_are_the_question_and_files_are_given_with_it() {
        let parts = json!([
            {"text": "What is in it?", "mediaType": "text/plain"}, {"raw": "aGk_", "filename": "a.txt"}, {"raw": "aGk="}, {"text": "Briefly."},
        ]);
        let asked = question(&parts, &json!({"contextId": "", "taskId": "", "later": 1})).unwrap();
        assert_eq!(asked.input, "What is in it?\n\nBriefly.");
        let files = [
            ("a.txt".to_owned(), b"hi?".to_vec()),
            ("file-3".to_owned(), b"hi".to_vec()),
        ];
        assert_eq!(asked.files, files);
        assert!(asked.context.is_none());
    }

    #[test]
    fn what_an_agent_is_not_asked_is_refused_by_name() {
        let text = json!([{"text": "?"}]);
        for (parts, more, code, words) in [
            (
                json!([{"text": "?"}, {"url": "http://169.254.169.254/"}]),
                json!({}),
                -32005,
                "message.parts[1].url",
            ),
            (
                json!([{"data": {"a": 1}}]),
                json!({}),
                -32005,
                "message.parts[0].data",
            ),
            (json!([{}]), json!({}), -32602, "message.parts[0]"),
            (
                json!([{"text": "?", "raw": ""}]),
                json!({}),
                -32602,
                "message.parts[0]",
            ),
            (
                json!([{"raw": "%"}]),
                json!({}),
                -32602,
                "message.parts[0].raw",
            ),
            (json!([]), json!({}), -32602, "message.parts"),
            (
                text.clone(),
                json!({"role": "ROLE_AGENT"}),
                -32602,
                "message.role",
            ),
            (
                text.clone(),
                json!({"messageId": ""}),
                -32602,
                "message.messageId",
            ),
            (
                text.clone(),
                json!({"messageId": "m".repeat(129)}),
                -32602,
                "message.messageId",
            ),
            (
                text.clone(),
                json!({"messageId": "m\n"}),
                -32602,
                "message.messageId",
            ),
            (
                text.clone(),
                json!({"contextId": "a/b"}),
                -32602,
                "message.contextId",
            ),
            (
                text,
                json!({"referenceTaskIds": ["7"]}),
                -32004,
                "message.referenceTaskIds",
            ),
        ] {
            let said = refused(&parts, &more);
            assert!(
                said.contains(&code.to_string()) && said.contains(words),
                "{said}"
            );
        }
    }

    #[test]
    fn a_message_has_one_key_and_another_message_another_one() {
        let text = json!([{"text": "?"}]);
        let key = |more: &Value| question(&text, more).unwrap().key;
        let once = key(&json!({}));
        assert_eq!(once, key(&json!({})));
        assert!(once.len() <= 128, "{once}");
        assert_ne!(once, key(&json!({"messageId": "m2"})));
        assert_ne!(once, key(&json!({"contextId": "m"})));
        for parts in [
            json!([{"text": "!"}]),
            json!([{"text": "?"}, {"raw": "aGk="}]),
        ] {
            assert_ne!(once, question(&parts, &json!({})).unwrap().key, "{parts}");
        }
    }
}
