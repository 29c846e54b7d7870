//! What is wrong with a request for a model, told of the fields that its client wrote. Pure.

use aion_abi::{code::Code, problem::Problem};

use super::{Failed, Reasons, Refusal, TooLong};

/// Fields of the syscall, and what OpenAI calls them.
const FIELDS: [(&str, &str); 7] = [
    ("toolChoice", "tool_choice"),
    ("maxTokens", "max_tokens"),
    ("temperatureMilli", "temperature"),
    ("topPMilli", "top_p"),
    ("responseFormat", "response_format"),
    ("toolCallId", "tool_call_id"),
    ("toolCalls", "tool_calls"),
];

/// A field of the syscall as OpenAI calls it.
pub(super) fn field(name: &str) -> &str {
    let known = FIELDS.iter().find(|(ours, _)| *ours == name);
    known.map_or(name, |(_, theirs)| theirs)
}

impl Failed {
    /// Of a field that was read of the request: its name comes first.
    pub(super) fn of_field(problem: Problem) -> Self {
        let said = problem.detail.split(' ').next().map(str::to_owned);
        let mut failed = Self::from(problem);
        failed.refusal.error.param = said;
        failed
    }

    /// Of a model, or of the node that was to ask it.
    pub(super) fn of_model(problem: Problem) -> Self {
        let (problem, refusal) = told(problem);
        Self { problem, refusal }
    }

    /// Of a model that was to make vectors of the texts behind the first `before` of a request.
    pub(super) fn of_texts(mut problem: Problem, before: usize) -> Self {
        let of_texts = problem.detail.strip_prefix("texts");
        let named = match of_texts.map(|rest| format!("input{}", later(rest, before))) {
            Some(detail) => {
                problem.detail = detail;
                true
            }
            None => problem.code == Code::TooLarge || problem.detail.starts_with("input"),
        };
        let mut failed = Self::from(problem);
        failed.refusal.error.param = named.then(|| "input".to_owned());
        failed
    }
}

impl Refusal {
    /// As [`Failed::of_model`], in a stream.
    pub(super) fn of_model(problem: Problem) -> Self {
        told(problem).1
    }
}

/// `[3]: it is empty` of a part, as it stands in the whole.
fn later(rest: &str, before: usize) -> String {
    let place = rest.strip_prefix('[').and_then(|it| it.split_once(']'));
    let place = place.and_then(|(at, behind)| Some((at.parse::<usize>().ok()?, behind)));
    match place {
        Some((at, behind)) => format!("[{}]{behind}", at + before),
        None => rest.to_owned(),
    }
}

fn told(mut problem: Problem) -> (Problem, Refusal) {
    match problem.code {
        Code::TooLarge => {
            // OpenAI's status, without which its clients do not look for the code.
            problem.status = 400;
            let mut refusal = Refusal::of(&problem);
            refusal.error.param = Some("messages".to_owned());
            refusal.error.code = Reasons::TooLong(TooLong::ContextLengthExceeded);
            (problem, refusal)
        }
        Code::BadRequest => {
            let named = problem.detail.split_once(": ").and_then(|(path, why)| {
                let names: Vec<_> = path.split('.').map(field).collect();
                (!path.contains(' ')).then(|| (names.join("."), why.to_owned()))
            });
            let Some((path, why)) = named else {
                let refusal = Refusal::of(&problem);
                return (problem, refusal);
            };
            problem.detail = format!("{path}: {why}");
            let mut refusal = Refusal::of(&problem);
            refusal.error.param = Some(path);
            (problem, refusal)
        }
        _ => {
            let refusal = Refusal::of(&problem);
            (problem, refusal)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(code: Code, detail: &str) -> (u16, Value) {
        let failed = Failed::of_model(Problem::new(code, detail).remedy("mend it"));
        (
            failed.problem.status,
            json!(failed.refusal)["error"].clone(),
        )
    }

    #[test]
    fn what_the_node_refuses_is_told_of_the_field_that_the_client_wrote() {
        for (said, field, message) in [
            (
                "maxTokens: it must be at least 1",
                "max_tokens",
                "max_tokens: it must be at least 1; mend it",
            ),
            (
                "messages[1].toolCallId: no",
                "messages[1].tool_call_id",
                "messages[1].tool_call_id: no; mend it",
            ),
            (
                "stop: there may be 4",
                "stop",
                "stop: there may be 4; mend it",
            ),
        ] {
            let (status, error) = told(Code::BadRequest, said);
            assert_eq!((status, &error["param"]), (400, &json!(field)));
            assert_eq!(error["message"], message);
        }
        let (_, error) = told(Code::BadRequest, "the body: it is none");
        assert_eq!(error["param"], Value::Null);
        let failed = Failed::of_field(Problem::new(Code::BadRequest, "seed is not passed on"));
        assert_eq!(json!(failed.refusal)["error"]["param"], "seed");
    }

    #[test]
    fn a_conversation_that_is_too_long_has_openais_code() {
        let (status, error) = told(Code::TooLarge, "far/oak: it is too long");
        assert_eq!(status, 400);
        assert_eq!(error["code"], "context_length_exceeded");
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["param"], "messages");
        assert_eq!(told(Code::Denied, "no").1["code"], "denied");
    }
}
