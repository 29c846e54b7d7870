//! Models that say what a test wrote down.

use std::collections::HashMap;

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::model::{ChatEvent, ChatRequest, Finish, ToolUse, Usage},
};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{Candidate, ChatStream, EVENTS_AHEAD, ModelDriver, bounds};

/// What a model does when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// Says these parts and stops.
    Say(Vec<String>),
    /// Calls a tool.
    Call(ToolUse),
    /// Says this much and breaks off.
    BreakOff(String),
    /// Says this, and then nothing until its reader goes.
    Hang(String),
    /// Reads the request, and never begins to answer.
    Silent,
}

/// Models by their name (`Candidate::model`); one without a script is not reachable.
#[derive(Default)]
pub struct FakeModels {
    scripts: HashMap<String, Script>,
    /// What was asked, in order.
    pub asked: Mutex<Vec<(String, ChatRequest)>>,
}

impl FakeModels {
    /// With one more model.
    pub fn with(mut self, model: &str, script: Script) -> Self {
        self.scripts.insert(model.into(), script);
        self
    }

    fn answer(
        &self,
        candidates: &[Candidate],
        request: &ChatRequest,
    ) -> Result<Option<ChatStream>, Problem> {
        bounds::check(request)?;
        let scripted = candidates
            .iter()
            .find_map(|candidate| Some((candidate, self.scripts.get(&candidate.model)?)));
        let Some((candidate, script)) = scripted else {
            return Err(Problem::new(
                Code::Unreachable,
                "no model answered: connection refused",
            ));
        };
        let mut asked = self.asked.lock();
        asked.push((candidate.model.clone(), request.clone()));
        if *script == Script::Silent {
            return Ok(None);
        }
        let (sender, events) = mpsc::channel(EVENTS_AHEAD);
        let (used, usage) = watch::channel(Usage::default());
        tokio::spawn(play(sender, used, candidate.name(), script.clone()));
        Ok(Some(ChatStream { events, usage }))
    }
}

async fn play(
    events: mpsc::Sender<ChatEvent>,
    used: watch::Sender<Usage>,
    model: String,
    script: Script,
) {
    let usage = Usage {
        input_tokens: 7,
        output_tokens: 3,
        estimated: false,
    };
    let end = |finish| ChatEvent::End { finish, usage };
    let mut all = vec![ChatEvent::Start {
        model: model.clone(),
        left_out: Vec::new(),
    }];
    let mut hangs = false;
    match script {
        Script::Say(parts) => {
            all.extend(parts.into_iter().map(|text| ChatEvent::Delta { text }));
            all.push(end(Finish::Stop));
        }
        Script::Call(call) => all.extend([ChatEvent::ToolCall(call), end(Finish::ToolCalls)]),
        Script::BreakOff(text) => {
            let problem = Problem::new(
                Code::UpstreamFailed,
                format!("{model}: its answer broke off"),
            );
            all.extend([ChatEvent::Delta { text }, ChatEvent::Error(problem)]);
        }
        Script::Hang(text) => {
            all.push(ChatEvent::Delta { text });
            hangs = true;
        }
        Script::Silent => return,
    }
    for event in all {
        used.send_replace(usage);
        if events.send(event).await.is_err() {
            return;
        }
    }
    if hangs {
        events.closed().await;
    }
}

impl ModelDriver for FakeModels {
    fn chat<'a>(
        &'a self,
        candidates: &'a [Candidate],
        request: ChatRequest,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<ChatStream, Problem>> {
        Box::pin(async move {
            if let Some(stream) = self.answer(candidates, &request)? {
                return Ok(stream);
            }
            sleep_until(deadline).await;
            let what = "no model began to answer in time";
            Err(Problem::new(Code::DeadlineExceeded, what))
        })
    }
}
