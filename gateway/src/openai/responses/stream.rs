//! A response as it comes: events in OpenAI's order, each with its number.

use aion_abi::{code::Code, problem::Problem};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::object::{Head, Item, Object, Part, Status, item_id};
use crate::openai::{
    message,
    spoken::{End, Frames, Tell},
};

/// One event, with its number.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ResponseEvent")]
pub(crate) struct Numbered {
    #[serde(flatten)]
    event: Event,
    sequence_number: u64,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "type")]
#[schemars(rename = "ResponseEventKind")]
enum Event {
    #[serde(rename = "response.created")]
    Created { response: Object },
    #[serde(rename = "response.in_progress")]
    InProgress { response: Object },
    #[serde(rename = "response.output_item.added")]
    ItemAdded { output_index: u32, item: Item },
    #[serde(rename = "response.content_part.added")]
    PartAdded {
        #[serde(flatten)]
        at: At,
        part: Part,
    },
    #[serde(rename = "response.output_text.delta")]
    TextDelta {
        #[serde(flatten)]
        at: At,
        delta: String,
        logprobs: Vec<Value>,
    },
    #[serde(rename = "response.output_text.done")]
    TextDone {
        #[serde(flatten)]
        at: At,
        text: String,
        logprobs: Vec<Value>,
    },
    #[serde(rename = "response.content_part.done")]
    PartDone {
        #[serde(flatten)]
        at: At,
        part: Part,
    },
    #[serde(rename = "response.output_item.done")]
    ItemDone { output_index: u32, item: Item },
    #[serde(rename = "response.completed")]
    Completed { response: Object },
    #[serde(rename = "response.incomplete")]
    Incomplete { response: Object },
    #[serde(rename = "response.failed")]
    Failed { response: Object },
    /// There is no response that could have failed.
    #[serde(rename = "error")]
    Error {
        code: Code,
        message: String,
        param: Option<String>,
    },
}

/// Where the text is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ResponseEventAt")]
struct At {
    item_id: String,
    output_index: u32,
    content_index: u32,
}

pub(super) struct Events {
    head: Head,
    /// Once it is there.
    turn: Option<u64>,
    text: String,
    /// The number of the next event.
    number: u64,
    /// The message was begun.
    said: bool,
}

impl Events {
    pub(super) fn new(head: Head) -> Self {
        Self {
            head,
            turn: None,
            text: String::new(),
            number: 0,
            said: false,
        }
    }

    fn send(&mut self, event: Event, out: &mut Frames) {
        out.send_named(&Numbered {
            event,
            sequence_number: self.number,
        });
        self.number += 1;
    }

    fn turn(&self) -> u64 {
        self.turn.unwrap_or_default()
    }

    fn at(&self) -> At {
        At {
            item_id: item_id(self.turn()),
            output_index: 0,
            content_index: 0,
        }
    }

    /// Begins the message, where that was not done.
    fn begin(&mut self, out: &mut Frames) {
        if !self.said {
            self.said = true;
            let item = Item::of(self.turn(), Status::InProgress, Vec::new());
            let output_index = 0;
            self.send(Event::ItemAdded { output_index, item }, out);
            let (at, part) = (self.at(), Part::of(""));
            self.send(Event::PartAdded { at, part }, out);
        }
    }
}

impl Tell for Events {
    fn began(&mut self, turn: u64, out: &mut Frames) {
        self.turn = Some(turn);
        let response = self.head.under_way(turn);
        self.send(Event::Created { response }, out);
        let response = self.head.under_way(turn);
        self.send(Event::InProgress { response }, out);
    }

    fn more(&mut self, text: &str, out: &mut Frames) {
        self.begin(out);
        self.text.push_str(text);
        let delta = Event::TextDelta {
            at: self.at(),
            delta: text.to_owned(),
            logprobs: Vec::new(),
        };
        self.send(delta, out);
    }

    fn ended(&mut self, end: &End, out: &mut Frames) {
        self.begin(out);
        let text = std::mem::take(&mut self.text);
        let done = Event::TextDone {
            at: self.at(),
            text: text.clone(),
            logprobs: Vec::new(),
        };
        self.send(done, out);
        let (at, part) = (self.at(), Part::of(text.as_str()));
        self.send(Event::PartDone { at, part }, out);
        let (status, output_index) = (Status::of(end), 0);
        let item = Item::of(end.turn, status, vec![Part::of(text.as_str())]);
        self.send(Event::ItemDone { output_index, item }, out);
        let response = self.head.ended(text, end);
        let last = match status {
            Status::Incomplete => Event::Incomplete { response },
            _ => Event::Completed { response },
        };
        self.send(last, out);
    }

    fn failed(&mut self, problem: &Problem, out: &mut Frames) {
        let Some(turn) = self.turn else {
            let error = Event::Error {
                code: problem.code,
                message: message(problem),
                param: None,
            };
            return self.send(error, out);
        };
        let said = self.said.then(|| {
            let part = Part::of(self.text.as_str());
            Item::of(turn, Status::Incomplete, vec![part])
        });
        let output = said.into_iter().collect();
        let response = self.head.failed(turn, output, problem);
        self.send(Event::Failed { response }, out);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    /// The events of an answer.
    fn told(tell: impl FnOnce(&mut Events, &mut Frames)) -> Vec<Value> {
        let request = json!({"model": "a", "input": "?", "metadata": {"of": "test"}});
        let head = Head::of(&serde_json::from_value(request).unwrap());
        let (mut events, mut out) = (Events::new(head), Frames::default());
        tell(&mut events, &mut out);
        let frames = out.into_iter().map(|frame| {
            let frame = String::from_utf8(frame.to_vec()).unwrap();
            let (name, data) = frame.trim_end().split_once('\n').unwrap();
            let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: "), event["type"].as_str());
            event
        });
        frames.collect()
    }

    fn kinds(events: &[Value]) -> Vec<&str> {
        let kinds = events.iter().map(|it| it["type"].as_str().unwrap());
        kinds.map(|it| it.trim_start_matches("response.")).collect()
    }

    fn end(outcome: Value) -> End {
        let outcome = serde_json::from_value(outcome).unwrap();
        End {
            routed: None,
            turn: 7,
            outcome,
        }
    }

    #[test]
    fn an_answer_is_told_in_openais_order() {
        let events = told(|events, out| {
            events.began(7, out);
            events.more("It is ", out);
            events.more("here.", out);
            let outcome = json!({"ok": true, "tokens": 12, "outputTokens": 5});
            events.ended(&end(outcome), out);
        });
        assert_eq!(
            kinds(&events),
            [
                "created",
                "in_progress",
                "output_item.added",
                "content_part.added",
                "output_text.delta",
                "output_text.delta",
                "output_text.done",
                "content_part.done",
                "output_item.done",
                "completed",
            ]
        );
        for (at, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], at, "{event}");
        }
        let last = &events[9]["response"];
        assert_eq!(last["id"], "resp_7");
        assert_eq!(last["metadata"]["of"], "test");
        assert_eq!(last["output"][0], events[8]["item"]);
        assert_eq!(last["output"][0]["content"][0]["text"], "It is here.");
        assert_eq!(last["usage"]["input_tokens"], 7);
        assert_eq!(last["usage"]["output_tokens"], 5);
        assert_eq!(last["usage"]["total_tokens"], 12);
    }

    #[test]
    fn an_answer_that_lacks_something_is_incomplete() {
        let events = told(|events, out| {
            events.began(7, out);
            events.ended(&end(json!({"ok": true, "incomplete": true})), out);
        });
        assert_eq!(kinds(&events).last(), Some(&"incomplete"));
        let response = &events.last().unwrap()["response"];
        assert_eq!(response["status"], "incomplete");
        assert_eq!(response["output"][0]["status"], "incomplete");
        assert_eq!(response["incomplete_details"], json!({}));
    }

    #[test]
    fn what_fails_keeps_what_was_said_and_says_why() {
        let quota = Problem::new(Code::QuotaExceeded, "no tokens are left").remedy("wait");
        let events = told(|events, out| {
            events.began(7, out);
            events.more("It", out);
            events.failed(&quota, out);
        });
        let response = &events.last().unwrap()["response"];
        assert_eq!(response["status"], "failed");
        assert_eq!(response["error"]["code"], "rate_limit_exceeded");
        assert_eq!(response["error"]["message"], "no tokens are left; wait");
        assert_eq!(response["aion"]["code"], "quota-exceeded");
        assert_eq!(response["output"][0]["content"][0]["text"], "It");
        let events = told(|events, out| events.failed(&quota, out));
        assert_eq!(kinds(&events), ["error"]);
        assert_eq!(events[0]["code"], "quota-exceeded");
    }
}
