//! An agent's answer on its way to a client of OpenAI's: whole, or in pieces as it comes.

use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use aion_abi::{
    admin::{OutputFile, TurnEvent, TurnOutcome, TurnRequest},
    code::Code,
    problem::Problem,
};
use aion_client::{Answer, New};
use aion_route::Match;
use axum::{body::Bytes, http::HeaderMap, response::Response};
use futures::stream;
use schemars::JsonSchema;
use serde::Serialize;

use super::conversation::Conversation;
use crate::{
    asking::{Abandoned, Asking, Heard},
    gateway::{AUTO, Gateway},
    notes, reading,
};

/// See the module.
pub(super) struct Spoken {
    /// The agent, by the name that asks it again.
    pub(super) model: String,
    /// Why it is this one, where it was chosen.
    routed: Option<Match>,
    asking: Asking,
    answer: Answer,
    begun: bool,
}

/// What comes next.
enum Piece {
    /// The turn is there.
    Began(u64),
    /// More of the text.
    More(String),
    Ended(End),
}

/// How an answer ended.
pub(super) struct End {
    pub(super) routed: Option<Match>,
    pub(super) turn: u64,
    pub(super) outcome: Box<TurnOutcome>,
}

/// What OpenAI has no word for: the turn, and where the files are that it wrote.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Beside {
    turn: u64,
    /// A part of what the caller gave is not in the answer.
    incomplete: bool,
    files: Vec<OutputFile>,
    syscalls: u64,
    elapsed_ms: u64,
    /// Why this agent was asked, where none was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    routed: Option<Match>,
}

/// How one of OpenAI's interfaces words an answer as it comes.
pub(super) trait Tell: Send + 'static {
    fn began(&mut self, turn: u64, out: &mut Frames);
    fn more(&mut self, text: &str, out: &mut Frames);
    fn ended(&mut self, end: &End, out: &mut Frames);
    fn failed(&mut self, problem: &Problem, out: &mut Frames);
}

/// Server-sent events that wait to be sent.
#[derive(Default)]
pub(super) struct Frames(VecDeque<Bytes>);

impl Frames {
    pub(super) fn send(&mut self, value: &impl Serialize) {
        // What is answered always has a JSON form.
        let value = serde_json::to_string(value).unwrap_or_default();
        self.0.push_back(Bytes::from(format!("data: {value}\n\n")));
    }

    /// An event that has its name also in its `type`.
    pub(super) fn send_named(&mut self, value: &impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or_default();
        let name = value["type"].as_str().unwrap_or_default();
        let frame = format!("event: {name}\ndata: {value}\n\n");
        self.0.push_back(Bytes::from(frame));
    }

    pub(super) fn next(&mut self) -> Option<Bytes> {
        self.0.pop_front()
    }

    #[cfg(test)]
    pub(super) fn into_iter(self) -> impl Iterator<Item = Bytes> {
        self.0.into_iter()
    }

    /// What chat completions end with.
    pub(super) fn done(&mut self) {
        self.0.push_back(Bytes::from_static(b"data: [DONE]\n\n"));
    }
}

impl Spoken {
    /// Asks the agent that `model` names, or that is chosen. Where the client goes away the turn is cancelled, unless it can be
    /// asked for again by its key.
    ///
    /// # Errors
    /// The node refuses, or nothing answers there.
    pub(super) async fn begin(
        gateway: &Arc<Gateway>,
        model: &str,
        conversation: Conversation,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let routed = match model {
            AUTO => Some(gateway.route_auto(&conversation.of_user()).await?),
            _ => None,
        };
        let model = routed
            .as_ref()
            .map_or(model, |chosen| &chosen.name)
            .to_owned();
        let question = TurnRequest {
            input: conversation.asked(),
            ..TurnRequest::default()
        };
        let key = reading::key(headers)?;
        let abandoned = match key {
            Some(_) => Abandoned::GoesOn,
            None => Abandoned::Cancelled,
        };
        let agent = gateway.long(&model);
        let asking = Asking::begin(Arc::clone(gateway), agent, question, key, abandoned).await?;
        Ok(Self {
            model,
            routed,
            asking,
            answer: Answer::default(),
            begun: false,
        })
    }

    /// The text to its last word, what was left out of it included.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) async fn whole(mut self) -> Result<(String, End), Problem> {
        loop {
            if let Piece::Ended(end) = self.next().await? {
                let notes = notes::after(&end.outcome);
                let text = format!("{}{notes}", self.answer.text());
                return Ok((text, end));
            }
        }
    }

    /// Pieces as they come, each in the words of `tell`.
    pub(super) fn streamed(self, tell: impl Tell) -> Response {
        let frames = Frames::default();
        // Asked for as the client reads: who reads slowly holds up nobody but itself.
        let state = (Some(self), tell, frames);
        let frames = stream::unfold(state, |(mut open, mut tell, mut out)| async {
            loop {
                if let Some(frame) = out.next() {
                    return Some((Ok::<_, Infallible>(frame), (open, tell, out)));
                }
                match open.as_mut()?.next().await {
                    Ok(Piece::Began(turn)) => tell.began(turn, &mut out),
                    Ok(Piece::More(text)) => tell.more(&text, &mut out),
                    Ok(Piece::Ended(end)) => {
                        let notes = notes::after(&end.outcome);
                        if !notes.is_empty() {
                            tell.more(&notes, &mut out);
                        }
                        tell.ended(&end, &mut out);
                        open = None;
                    }
                    Err(problem) => {
                        tell.failed(&problem, &mut out);
                        open = None;
                    }
                }
            }
        });
        aion_serve::stream(frames)
    }

    async fn next(&mut self) -> Result<Piece, Problem> {
        loop {
            match self.asking.next().await?.ok_or_else(unended)? {
                Heard::Again => self.answer.start_again(),
                Heard::Event(TurnEvent::Ended(outcome)) => {
                    if let Some(problem) = outcome.problem {
                        return Err(problem);
                    }
                    let turn = self.asking.turn().unwrap_or_default();
                    let routed = self.routed.take();
                    return Ok(Piece::Ended(End {
                        routed,
                        turn,
                        outcome,
                    }));
                }
                Heard::Event(TurnEvent::Queued { turn }) if !self.begun => {
                    self.begun = true;
                    return Ok(Piece::Began(turn));
                }
                Heard::Event(event) => match self.answer.take(&event) {
                    Some(New::More(text)) => return Ok(Piece::More(text)),
                    // What was sent cannot be taken back.
                    Some(New::Anew(text)) => return Ok(Piece::More(format!("\n\n{text}"))),
                    None => {}
                },
            }
        }
    }
}

impl End {
    /// Tokens that the models of the agent read, all of its calls together.
    pub(super) fn tokens_read(&self) -> u64 {
        let outcome = &self.outcome;
        outcome.tokens.saturating_sub(outcome.output_tokens)
    }

    pub(super) fn beside(&self) -> Beside {
        let outcome = &self.outcome;
        Beside {
            turn: self.turn,
            incomplete: outcome.incomplete,
            files: outcome.files.clone(),
            syscalls: outcome.syscalls,
            elapsed_ms: outcome.elapsed_ms,
            routed: self.routed.clone(),
        }
    }
}

fn unended() -> Problem {
    Problem::new(
        Code::OutcomeUnknown,
        "the node did not say how the turn ended",
    )
    .remedy("see aionctl why AGENT")
}
