//! What an answer becomes: text, or a value.

use aion_abi::steps::Form;
use serde_json::Value as Json;

use super::Answer;

/// The result that `answer` is.
///
/// # Errors
/// Why it is none of this form.
pub(super) fn result(answer: Answer, form: Form) -> Result<Json, String> {
    let Answer { text, structured } = answer;
    match (form, structured) {
        (Form::Json, Some(value)) => Ok(value),
        (Form::Json, None) => serde_json::from_str(bare(&text))
            .map_err(|why| format!("its answer is not JSON ({why})")),
        (Form::Text, Some(value)) if text.trim().is_empty() => Ok(Json::String(value.to_string())),
        (Form::Text, _) => Ok(Json::String(text)),
    }
}

/// What a value is in this form: text becomes what its JSON says, what is none already stays as it is.
///
/// # Errors
/// Why it is none of this form.
pub(super) fn formed(value: Json, form: Form) -> Result<Json, String> {
    match (form, value) {
        (Form::Json, Json::String(text)) => {
            serde_json::from_str(bare(&text)).map_err(|why| format!("it is not JSON ({why})"))
        }
        (_, value) => Ok(value),
    }
}

/// Without the fence that models put round JSON.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let inner = text
        .strip_prefix("```json")
        .or_else(|| text.strip_prefix("```"))
        .and_then(|it| it.strip_suffix("```"));
    inner.map_or(text, str::trim)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_what_the_step_says_or_nothing() {
        let answer = |text: &str, structured| Answer {
            text: text.to_owned(),
            structured,
        };
        let value = json!({"a": 1});
        let both = || answer("one", Some(value.clone()));
        assert_eq!(result(both(), Form::Json), Ok(value.clone()));
        assert_eq!(result(both(), Form::Text), Ok(json!("one")));
        let only = answer("", Some(value.clone()));
        assert_eq!(result(only, Form::Text), Ok(json!("{\"a\":1}")));
        for text in [
            "{\"a\": 1}",
            "```json\n{\"a\": 1}\n```",
            " ```{\"a\":1}``` ",
        ] {
            assert_eq!(result(answer(text, None), Form::Json), Ok(value.clone()));
        }
        let wrong = result(answer("Sure: {}", None), Form::Json);
        assert!(wrong.is_err_and(|why| why.contains("not JSON")));
    }
}
