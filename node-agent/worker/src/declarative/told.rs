//! What the model is told of a tool's answer. Pure.

use aion_abi::syscall::tool::CallResponse;
use serde_json::Value;

/// The most text of one result, in bytes: more would only crowd out the conversation.
pub(super) const MAX_RESULT: usize = 32 * 1024;

/// The answer's text, and its structured part where the text does not say it.
pub(super) fn told(answer: &CallResponse) -> String {
    let mut text = answer.text.trim().to_owned();
    if let Some(structured) = &answer.structured
        && !says(&text, structured)
    {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&structured.to_string());
    }
    if text.is_empty() {
        text.push_str("[it answered without content]");
    }
    match answer.is_error {
        true => bounded(format!("error: {text}")),
        false => bounded(text),
    }
}

/// Whether the structured part stands in the text: servers send it in both for clients that read only one. Some wrap
/// what is not an object by itself into `{"result": …}`.
fn says(text: &str, structured: &Value) -> bool {
    let wrapped = structured.as_object().filter(|it| it.len() == 1);
    let wrapped = wrapped.and_then(|it| it.get("result"));
    let parts = std::iter::once(text).chain(text.split("\n\n"));
    parts.map(str::trim).any(|part| {
        let read: Option<Value> = serde_json::from_str(part).ok();
        let is = |value: &Value| read.as_ref() == Some(value) || value.as_str() == Some(part);
        is(structured) || wrapped.is_some_and(is)
    })
}

/// At most [`MAX_RESULT`], with what is missing said.
pub(super) fn bounded(mut text: String) -> String {
    if text.len() > MAX_RESULT {
        let whole = text.len();
        text.truncate(text.floor_char_boundary(MAX_RESULT));
        text.push_str(&format!(
            "\n[cut here: {whole} bytes in all, which is too long; ask for less]"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(text: &str, structured: Option<Value>, is_error: bool) -> CallResponse {
        CallResponse {
            text: text.to_owned(),
            structured,
            is_error,
            cut: false,
            links: Vec::new(),
        }
    }

    #[test]
    fn what_is_structured_is_told_once() {
        for (text, structured, heard) in [
            ("12 valves", None, "12 valves"),
            ("", Some(json!({"stock": 12})), r#"{"stock":12}"#),
            (
                "Found one.",
                Some(json!({"stock": 12})),
                "Found one.\n\n{\"stock\":12}",
            ),
            (
                "{ \"stock\": 12 }",
                Some(json!({"stock": 12})),
                "{ \"stock\": 12 }",
            ),
            (
                "See:\n\n{\"stock\":12}",
                Some(json!({"stock": 12})),
                "See:\n\n{\"stock\":12}",
            ),
            ("12", Some(json!({"result": 12})), "12"),
            ("a word", Some(json!({"result": "a word"})), "a word"),
            ("", Some(json!(null)), "null"),
            ("", None, "[it answered without content]"),
        ] {
            assert_eq!(told(&answer(text, structured, false)), heard);
        }
        let failed = told(&answer("", Some(json!({"code": 7})), true));
        assert_eq!(failed, r#"error: {"code":7}"#);
    }

    #[test]
    fn a_long_answer_says_how_long_it_is() {
        let heard = told(&answer(&"é".repeat(MAX_RESULT), None, false));
        assert!(heard.len() < MAX_RESULT + 100, "{}", heard.len());
        assert!(heard.ends_with("[cut here: 65536 bytes in all, which is too long; ask for less]"));
    }
}
