//! An answer as it comes: server-sent events with chunks, and `[DONE]` at the end.

use std::{collections::VecDeque, convert::Infallible};

use aion_abi::{admin::TurnEvent, problem::Problem};
use aion_client::{Answer, New};
use axum::{body::Bytes, response::Response};
use futures::stream;
use serde_json::{Value, json};

use super::{
    chat::{Head, beside, end, unended, usage},
    error,
};
use crate::asking::{Asking, Heard};

/// An answer on its way to a client.
struct Telling {
    asking: Asking,
    answer: Answer,
    head: Head,
    usage: bool,
    /// What is to be sent before more is asked for.
    frames: VecDeque<Bytes>,
    begun: bool,
    over: bool,
}

pub(super) fn response(asking: Asking, head: Head, usage: bool) -> Response {
    let telling = Telling {
        asking,
        answer: Answer::default(),
        head,
        usage,
        frames: VecDeque::new(),
        begun: false,
        over: false,
    };
    // Asked for as the client reads: who reads slowly holds up nobody but itself.
    let frames = stream::unfold(telling, |mut telling| async {
        let frame = telling.next().await?;
        Some((Ok::<_, Infallible>(frame), telling))
    });
    aion_serve::stream(frames)
}

impl Telling {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            if self.over {
                return None;
            }
            match self.asking.next().await {
                Ok(Some(Heard::Again)) => self.answer.start_again(),
                Ok(Some(Heard::Event(TurnEvent::Ended(outcome)))) => match end(&outcome) {
                    Ok(notes) => {
                        self.say(&notes);
                        let mut last = self.chunk(json!({}), json!("stop"));
                        last["aion"] = beside(self.turn(), &outcome);
                        self.send(&last);
                        if self.usage {
                            let turn = self.turn();
                            let mut chunk = self.head.object(CHUNK, turn, json!([]));
                            chunk["usage"] = usage(&outcome);
                            self.send(&chunk);
                        }
                        self.done();
                    }
                    Err(problem) => self.fail(&problem),
                },
                Ok(Some(Heard::Event(event))) => self.take(&event),
                Ok(None) => self.fail(&unended()),
                Err(problem) => self.fail(&problem),
            }
        }
    }

    fn take(&mut self, event: &TurnEvent) {
        if let TurnEvent::Queued { .. } = event
            && !self.begun
        {
            self.begun = true;
            let first = json!({"role": "assistant", "content": ""});
            let first = self.chunk(first, Value::Null);
            self.send(&first);
        }
        match self.answer.take(event) {
            Some(New::More(text)) => self.say(&text),
            // What was sent cannot be taken back.
            Some(New::Anew(text)) => self.say(&format!("\n\n{text}")),
            None => {}
        }
    }

    fn say(&mut self, text: &str) {
        if !text.is_empty() {
            let chunk = self.chunk(json!({"content": text}), Value::Null);
            self.send(&chunk);
        }
    }

    fn fail(&mut self, problem: &Problem) {
        self.send(&error(problem));
        self.done();
    }

    fn done(&mut self) {
        self.frames
            .push_back(Bytes::from_static(b"data: [DONE]\n\n"));
        self.over = true;
    }

    fn turn(&self) -> u64 {
        self.asking.turn().unwrap_or_default()
    }

    fn chunk(&self, delta: Value, finish: Value) -> Value {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        self.head.object(CHUNK, self.turn(), json!([choice]))
    }

    fn send(&mut self, value: &Value) {
        self.frames
            .push_back(Bytes::from(format!("data: {value}\n\n")));
    }
}

const CHUNK: &str = "chat.completion.chunk";
