//! `model.chat`: an answer's events to the caller as they come, its last one through the kernel.

use std::time::Duration;

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::model::{self, ChatEvent, ChatRequest},
};
use aion_api::{Provider, ResolvedModel};
use aion_drivers::model::{Candidate, ChatStream, prompt};
use aion_kernel::Usage;
use aion_policy::count;
use bytes::{Bytes, BytesMut};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Dispatch, NO_USAGE, ending, lower};
use crate::{
    call::frame,
    instance::Instance,
    shell::{Driven, Progress},
};

/// Text that is kept in one event at most, in bytes, where it came in smaller parts.
const JOINED: usize = 8 * 1024;

/// Where the events of an answer go.
pub(super) struct Listener {
    pub(super) chunks: Option<mpsc::Sender<ChatEvent>>,
    pub(super) progress: Progress,
    pub(super) cancel: CancellationToken,
    /// The whole stream is kept, for another caller with the same key.
    pub(super) keyed: bool,
}

impl Dispatch {
    pub(super) async fn chat(
        &self,
        instance: &Instance,
        request: ChatRequest,
        deadline: Instant,
        listener: Listener,
    ) -> Driven {
        let Some(model) = &instance.spec().model else {
            let problem = Problem::new(
                Code::NotFound,
                "the agent has no model: name one under spec.model",
            );
            return ending::of(Err(problem), false);
        };
        let candidates = candidates(instance, model, request.model.as_deref());
        // For as long as nobody knows better, also where it is given up before the answer begins: the server may have read it.
        let asked = Usage {
            input_tokens: prompt(&request),
            // Of an answer in one piece nothing is seen before its end: where that is not waited for it may have been all that is reserved.
            output_tokens: match request.at_once {
                true => request.max_tokens.map_or(0, u64::from),
                false => 0,
            },
            ..NO_USAGE
        };
        listener.progress.used(asked);
        let begun = self.models.chat(&candidates, request, deadline);
        let stream = tokio::select! {
            biased;
            begun = begun => begun,
            () = listener.cancel.cancelled() => {
                return Driven { usage: asked, ..ending::stopped() };
            }
        };
        match stream {
            Ok(stream) => listener.relay(stream).await,
            Err(problem) => {
                let may_have_read =
                    problem.code == Code::DeadlineExceeded || problem.leaves_unknown();
                let usage = if may_have_read { asked } else { NO_USAGE };
                Driven {
                    usage,
                    ..ending::of(Err(problem), false)
                }
            }
        }
    }
}

impl Listener {
    /// Passes the events on until the last one, which is handed to the kernel instead: a caller learns
    /// the end of an answer only once its outcome is in the journal.
    async fn relay(self, mut stream: ChatStream) -> Driven {
        let mut transcript = Transcript::default();
        let mut metered = true;
        let last = loop {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => {
                    return Driven { usage: used(&stream), ..ending::stopped() };
                }
                changed = stream.usage.changed(), if metered => match changed {
                    Ok(()) => self.progress.used(used(&stream)),
                    Err(_) => metered = false,
                },
                event = stream.events.recv() => match event {
                    Some(last @ (ChatEvent::End { .. } | ChatEvent::Error(_))) => break Some(last),
                    Some(event) => {
                        if self.keyed {
                            transcript.add(&event);
                        }
                        if !self.pass(event).await {
                            return Driven { usage: used(&stream), ..ending::stopped() };
                        }
                    }
                    None => break None,
                },
            }
        };
        self.ended(last, transcript, used(&stream))
    }

    /// Gives an event to the caller, who may read slowly or not at all any more; false once the kernel
    /// wants the call stopped.
    async fn pass(&self, event: ChatEvent) -> bool {
        let Some(chunks) = &self.chunks else {
            return true;
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => false,
            // A caller that is gone is the kernel's to notice.
            _ = chunks.send(event) => true,
        }
    }

    fn ended(&self, last: Option<ChatEvent>, mut transcript: Transcript, usage: Usage) -> Driven {
        let problem = match last {
            Some(ChatEvent::Error(problem)) => problem,
            Some(end) => match serde_json::to_vec(&end) {
                Ok(json) => {
                    transcript.add(&end);
                    let whole = self.keyed.then(|| transcript.frames.freeze());
                    return Driven {
                        finish: super::done(whole.as_deref().map(ending::body)),
                        usage,
                        said: Ok(Bytes::from(json)),
                        stream: whole,
                    };
                }
                Err(error) => Problem::new(
                    Code::Internal,
                    format!("the answer has no JSON form: {error}"),
                ),
            },
            None => Problem::new(Code::UpstreamFailed, "the answer broke off without an end"),
        };
        Driven {
            usage,
            ..ending::of(Err(problem), false)
        }
    }
}

/// The events as they are kept: of text that came in small parts, a few.
#[derive(Default)]
struct Transcript {
    frames: BytesMut,
    /// Text that is not in `frames` yet.
    text: String,
}

impl Transcript {
    fn add(&mut self, event: &ChatEvent) {
        if let ChatEvent::Delta { text } = event {
            if self.text.len() + text.len() > JOINED {
                self.flush();
            }
            self.text.push_str(text);
            return;
        }
        self.flush();
        self.frames.extend_from_slice(&frame(event));
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            let joined = frame(&ChatEvent::Delta { text });
            self.frames.extend_from_slice(&joined);
        }
    }
}

fn used(stream: &ChatStream) -> Usage {
    let model::Usage {
        input_tokens,
        output_tokens,
        ..
    } = *stream.usage.borrow();
    Usage {
        input_tokens,
        output_tokens,
        ..NO_USAGE
    }
}

/// The models that may answer, in order: all that the agent has, or the one that it names.
fn candidates(instance: &Instance, model: &ResolvedModel, named: Option<&str>) -> Vec<Candidate> {
    model
        .endpoints
        .iter()
        .filter(|it| named.is_none_or(|named| it.is_called(named)))
        .take(named.map_or(usize::MAX, |_| 1))
        .map(|it| Candidate {
            endpoint: lower::endpoint(instance, it),
            local: it.provider == Provider::Local,
            model: it.model.clone(),
            context_tokens: it.context_tokens.map(count),
            timeout: Duration::from_secs(count(it.timeout_seconds).into()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_small_parts_is_kept_in_few_events() {
        let mut kept = Transcript::default();
        let delta = |text: &str| ChatEvent::Delta {
            text: text.to_owned(),
        };
        for _ in 0..5000 {
            kept.add(&delta("word"));
        }
        kept.add(&ChatEvent::Withdrawn);
        kept.add(&delta("b"));
        kept.add(&ChatEvent::Withdrawn);
        let kept = String::from_utf8_lossy(&kept.frames).into_owned();
        assert_eq!(kept.matches("data: ").count(), 3 + 3);
        assert_eq!(kept.matches("word").count(), 5000);
        assert!(kept.len() < 5000 * 4 + 500, "{}", kept.len());
    }
}
