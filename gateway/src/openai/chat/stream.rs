//! An answer as it comes: chunks, and `[DONE]` at the end.

use aion_abi::problem::Problem;

use super::object::{Choice, Delta, Head, Object, Said};
use crate::openai::{
    Refusal,
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

    fn chunk(&self, delta: Delta, finish: Option<&'static str>) -> Object {
        let choice = Choice::of(Said::Delta(delta), finish);
        self.head.object(CHUNK, self.turn, Some(choice))
    }
}

impl Tell for Chunks {
    fn began(&mut self, turn: u64, out: &mut Frames) {
        self.turn = turn;
        let first = Delta {
            role: Some("assistant"),
            content: Some(String::new()),
            ..Delta::default()
        };
        out.send(&self.chunk(first, None));
    }

    fn more(&mut self, text: &str, out: &mut Frames) {
        let delta = Delta {
            content: Some(text.to_owned()),
            ..Delta::default()
        };
        out.send(&self.chunk(delta, None));
    }

    fn ended(&mut self, end: &End, out: &mut Frames) {
        let last = self.chunk(Delta::default(), Some("stop"));
        out.send(&last.with_what_is_beside(end));
        if self.usage {
            let chunk = self.head.object(CHUNK, self.turn, None);
            out.send(&chunk.with_usage(end));
        }
        out.done();
    }

    fn failed(&mut self, problem: &Problem, out: &mut Frames) {
        out.send(&Refusal::of(problem));
        out.done();
    }
}
