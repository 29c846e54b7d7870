//! An answer as it comes: chunks, and `[DONE]` at the end.

use aion_abi::problem::Problem;
use serde_json::{Value, json};

use super::{Head, usage};
use crate::openai::{
    error,
    spoken::{End, Frames, Tell},
};

const CHUNK: &str = "chat.completion.chunk";

pub(super) struct Chunks {
    head: Head,
    /// What is read is told in a last chunk.
    usage: bool,
    turn: u64,
}

impl Chunks {
    pub(super) fn new(head: Head, usage: bool) -> Self {
        Self {
            head,
            usage,
            turn: 0,
        }
    }

    fn chunk(&self, delta: Value, finish: Value) -> Value {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        self.head.object(CHUNK, self.turn, json!([choice]))
    }
}

impl Tell for Chunks {
    fn began(&mut self, turn: u64, out: &mut Frames) {
        self.turn = turn;
        let first = json!({"role": "assistant", "content": ""});
        out.send(&self.chunk(first, Value::Null));
    }

    fn more(&mut self, text: &str, out: &mut Frames) {
        out.send(&self.chunk(json!({"content": text}), Value::Null));
    }

    fn ended(&mut self, end: &End, out: &mut Frames) {
        let mut last = self.chunk(json!({}), json!("stop"));
        last["aion"] = json!(end.beside());
        out.send(&last);
        if self.usage {
            let mut chunk = self.head.object(CHUNK, self.turn, json!([]));
            chunk["usage"] = usage(end);
            out.send(&chunk);
        }
        out.done();
    }

    fn failed(&mut self, problem: &Problem, out: &mut Frames) {
        out.send(&error(problem));
        out.done();
    }
}
