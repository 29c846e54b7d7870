//! A response as it comes: events in OpenAI's order, each with its number.

use aion_abi::problem::Problem;
use serde_json::{Value, json};

use super::object::{Head, Item, Object, Part, Status, item_id};
use crate::openai::{
    message,
    spoken::{End, Frames, Tell},
};

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

    fn send(&mut self, kind: &str, mut event: Value, out: &mut Frames) {
        event["type"] = json!(kind);
        event["sequence_number"] = json!(self.number);
        self.number += 1;
        out.send_named(kind, &event);
    }

    fn response(&mut self, kind: &str, response: &Object, out: &mut Frames) {
        self.send(kind, json!({"response": response}), out);
    }

    /// An event of the message's text.
    fn part(&mut self, kind: &str, more: (&str, Value), out: &mut Frames) {
        let id = item_id(self.turn.unwrap_or_default());
        let mut event = json!({"item_id": id, "output_index": 0, "content_index": 0});
        event[more.0] = more.1;
        if kind.starts_with("response.output_text.") {
            event["logprobs"] = json!([]);
        }
        self.send(kind, event, out);
    }

    fn item(&mut self, kind: &str, item: &Item, out: &mut Frames) {
        self.send(kind, json!({"output_index": 0, "item": item}), out);
    }

    /// Begins the message, where that was not done.
    fn begin(&mut self, turn: u64, out: &mut Frames) {
        if !self.said {
            self.said = true;
            let item = Item::of(turn, Status::InProgress, Vec::new());
            self.item("response.output_item.added", &item, out);
            let part = ("part", json!(Part::of("")));
            self.part("response.content_part.added", part, out);
        }
    }
}

impl Tell for Events {
    fn began(&mut self, turn: u64, out: &mut Frames) {
        self.turn = Some(turn);
        let response = self.head.under_way(turn);
        self.response("response.created", &response, out);
        self.response("response.in_progress", &response, out);
    }

    fn more(&mut self, text: &str, out: &mut Frames) {
        self.begin(self.turn.unwrap_or_default(), out);
        self.text.push_str(text);
        let delta = ("delta", json!(text));
        self.part("response.output_text.delta", delta, out);
    }

    fn ended(&mut self, end: &End, out: &mut Frames) {
        self.begin(end.turn, out);
        let text = std::mem::take(&mut self.text);
        let done = ("text", json!(text));
        self.part("response.output_text.done", done, out);
        let part = ("part", json!(Part::of(text.as_str())));
        self.part("response.content_part.done", part, out);
        let status = Status::of(end);
        let item = Item::of(end.turn, status, vec![Part::of(text.as_str())]);
        self.item("response.output_item.done", &item, out);
        let kind = match status {
            Status::Incomplete => "response.incomplete",
            _ => "response.completed",
        };
        let response = self.head.ended(text, end);
        self.response(kind, &response, out);
    }

    fn failed(&mut self, problem: &Problem, out: &mut Frames) {
        let Some(turn) = self.turn else {
            // There is no response that could have failed.
            let error = json!({"code": problem.code, "message": message(problem), "param": null});
            return self.send("error", error, out);
        };
        let said = self.said.then(|| {
            let part = Part::of(self.text.as_str());
            Item::of(turn, Status::Incomplete, vec![part])
        });
        let output = said.into_iter().collect();
        let response = self.head.failed(turn, output, problem);
        self.response("response.failed", &response, out);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::code::Code;

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
