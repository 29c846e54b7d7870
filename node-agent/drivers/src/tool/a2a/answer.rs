//! From the end of a task to the answer of a call: its artifacts' texts, its data as the structured answer, its files by
//! name, and where it did not come to a good end, how it ended and what to do. Pure.

use aion_abi::syscall::tool::CallResponse;
use serde_json::{Value, json};

use super::{
    super::answer,
    task::Task,
    update::{Part, State},
};

/// The answer of a task that has ended, or waits for something. `tool` is the Tool's name, `id` the task's handle.
pub(super) fn of_task(tool: &str, id: &str, task: Task) -> CallResponse {
    let mut told = Told::default();
    for artifact in task.artifacts {
        told.all(artifact.parts);
    }
    if task.is_cut {
        told.first("[there was more than is taken of an answer: ask for less]".to_owned());
    }
    let is_cut = task.is_cut;
    let again = format!("call {tool}.ask again with \"task\": {id:?}");
    let state = task.state.name();
    let is_error = match task.state {
        State::Completed | State::AtWork => {
            // Its last word may be the same as what it made, or one of its progress.
            match (told.is_empty(), task.is_earlier) {
                (true, true) => {
                    let words = "[the task gave no answer at its end; the agent's last message is]";
                    told.first(words.to_owned());
                    told.all(task.said);
                }
                (true, false) => told.all(task.said),
                (false, true) => {}
                (false, false) => told.more(task.said),
            }
            if told.is_empty() {
                told.first("[the task completed, and the agent gave no answer]".to_owned());
            }
            false
        }
        State::InputRequired => {
            told.first(format!(
                "[{state}: the agent asks for more before it goes on; to answer, {again} and the answer as message]"
            ));
            told.after_first(task.said);
            told.data
                .get_or_insert_with(|| json!({"task": id, "state": state}));
            false
        }
        State::AuthRequired => {
            told.first(format!(
                "[{state}: the agent wants somebody to sign in, which only a person can who may; after that, {again} and any word as message]"
            ));
            told.after_first(task.said);
            true
        }
        State::Failed | State::Canceled | State::Rejected => {
            told.first(format!(
                "[{state}: the agent's task did not come to a good end]"
            ));
            told.after_first(task.said);
            true
        }
    };
    let mut response = told.response(is_error);
    response.cut |= is_cut;
    response
}

/// The answer of an agent that made no task of it.
pub(super) fn of_message(parts: Vec<Part>) -> CallResponse {
    let mut told = Told::default();
    told.all(parts);
    told.response(false)
}

#[derive(Default)]
struct Told {
    texts: Vec<String>,
    data: Option<Value>,
    /// There are several data: they are told as a list.
    many: bool,
}

impl Told {
    fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.data.is_none()
    }

    fn first(&mut self, text: String) {
        self.texts.insert(0, text);
    }

    /// What may not be cut off at the bound of an answer: right after the first text.
    fn after_first(&mut self, said: Vec<Part>) {
        let rest = self.texts.split_off(1);
        self.all(said);
        self.texts.extend(rest);
    }

    /// What is not told already.
    fn more(&mut self, said: Vec<Part>) {
        let new = |part: &Part| match part {
            Part::Text(text) | Part::Named(text) => !self.texts.contains(text),
            Part::Data(data) => self.data.as_ref() != Some(data),
        };
        let new = said.into_iter().filter(new).collect();
        self.all(new);
    }

    fn all(&mut self, parts: Vec<Part>) {
        for part in parts {
            match part {
                Part::Text(text) | Part::Named(text) => self.texts.push(text),
                Part::Data(data) => self.data(data),
            }
        }
    }

    fn data(&mut self, data: Value) {
        match (&mut self.data, self.many) {
            (None, _) => self.data = Some(data),
            (Some(Value::Array(all)), true) => all.push(data),
            (Some(one), _) => {
                *one = Value::Array(vec![one.take(), data]);
                self.many = true;
            }
        }
    }

    /// With the bounds of every answer.
    fn response(self, is_error: bool) -> CallResponse {
        let text = |it: &String| json!({"type": "text", "text": it});
        let content: Vec<Value> = self.texts.iter().map(text).collect();
        let mut result = json!({"content": content, "isError": is_error});
        if let Some(data) = self.data {
            result["structuredContent"] = data;
        }
        answer::of_call(result)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tool::a2a::update::Whole;

    fn answered(task: Value) -> CallResponse {
        of_task("travel", "7", Task::new(Whole::read(task).unwrap()))
    }

    #[test]
    fn artifacts_are_the_answer_and_data_are_its_structured_part() {
        let answer = answered(
            json!({"id": "7", "status": {"state": "TASK_STATE_COMPLETED",
                "message": {"parts": [{"text": "done"}]}}, "artifacts": [
                {"artifactId": "a", "parts": [{"text": "By "}, {"text": "train."}]},
                {"artifactId": "b", "parts": [{"data": {"price": 12}}, {"raw": "AAAA", "filename": "t.pdf"}]},
            ]}),
        );
        assert_eq!(
            answer.text,
            "By train.\n\n[file t.pdf, of unknown type, 3 bytes: not taken]\n\ndone"
        );
        assert_eq!(answer.structured, Some(json!({"price": 12})));
        assert!(!answer.is_error);
        let many = of_message(vec![
            Part::Data(json!([1])),
            Part::Data(json!(2)),
            Part::Data(json!(3)),
        ]);
        assert_eq!(many.structured, Some(json!([[1], 2, 3])));
    }

    #[test]
    fn an_agent_without_artifacts_is_heard_by_what_it_says() {
        let said = json!({"parts": [{"text": "By train."}]});
        let by_status = answered(
            json!({"id": "7", "status": {"state": "TASK_STATE_COMPLETED", "message": said}}),
        );
        assert_eq!(by_status.text, "By train.");
        let mut last = said.clone();
        last["role"] = "ROLE_AGENT".into();
        let asked = json!({"role": "ROLE_USER", "parts": [{"text": "?"}]});
        let by_history = answered(
            json!({"id": "7", "status": {"state": "TASK_STATE_COMPLETED"}, "history": [asked, last]}),
        );
        assert!(
            by_history.text.starts_with("[the task gave no answer")
                && by_history.text.ends_with("By train."),
            "{}",
            by_history.text
        );
        let none = answered(json!({"id": "7", "status": {"state": "TASK_STATE_COMPLETED"}}));
        assert!(none.text.contains("gave no answer"), "{}", none.text);
        let twice = answered(
            json!({"id": "7", "status": {"state": "TASK_STATE_COMPLETED",
            "message": {"parts": [{"text": "By train."}]}},
            "artifacts": [{"artifactId": "a", "parts": [{"text": "By train."}]}]}),
        );
        assert_eq!(twice.text, "By train.");
    }

    #[test]
    fn each_other_end_is_named_with_what_to_do() {
        for (state, is_error, word) in [
            ("TASK_STATE_FAILED", true, "good end"),
            ("TASK_STATE_REJECTED", true, "good end"),
            ("TASK_STATE_CANCELED", true, "good end"),
            ("TASK_STATE_INPUT_REQUIRED", false, "\"task\": \"7\""),
            ("TASK_STATE_AUTH_REQUIRED", true, "sign in"),
        ] {
            let answer = answered(json!({"id": "7", "status": {"state": state,
                "message": {"parts": [{"text": "Which day?"}]}}}));
            assert_eq!(answer.is_error, is_error, "{state}");
            assert!(
                answer.text.contains(state) && answer.text.contains(word),
                "{}",
                answer.text
            );
            assert!(answer.text.ends_with("Which day?"), "{}", answer.text);
        }
    }
}
