//! The real driver: which model is asked, how often, and with which parameters.

use std::{sync::Arc, time::Duration};

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::model::{ChatRequest, ToolChoice},
};
use aion_backoff::Backoff;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{
    Candidate, ChatStream, ModelDriver, Patience,
    answer::Answer,
    attempt::{Asked, Begun},
    bounds,
    fit::{fitting, is_too_much, of_all},
    known::{Known, Which},
    local::LocalPorts,
    names::Names,
    nearby::Nearby,
    refusal,
    relay::{self, Teller},
    request::{Quirks, body},
    thoughts::is_thinker,
};
use crate::{outbound::Outbound, secrets::Secrets};

/// Models behind OpenAI-compatible endpoints.
pub struct OpenAiModels {
    outbound: Arc<Outbound>,
    secrets: Arc<dyn Secrets>,
    patience: Patience,
    nearby: Nearby,
    known: Arc<Known>,
}

impl OpenAiModels {
    /// Dials by `outbound`, with keys from `secrets`.
    pub fn new(outbound: Arc<Outbound>, secrets: Arc<dyn Secrets>, patience: Patience) -> Self {
        let ports = outbound.reaches_this_machine().then(LocalPorts::from_env);
        Self {
            outbound,
            secrets,
            nearby: Nearby::new(ports),
            patience,
            known: Arc::default(),
        }
    }

    async fn ask(
        &self,
        candidates: &[Candidate],
        mut request: ChatRequest,
        deadline: Instant,
    ) -> Result<ChatStream, Problem> {
        bounds::check(&request)?;
        let at_once = request.at_once;
        let mut failed: Vec<Problem> = Vec::new();
        for (at, candidate) in candidates.iter().enumerate() {
            // Nothing is heard of an answer in one piece before its end: where others could answer, one that is mute is to be known soon.
            request.at_once = at_once && at + 1 == candidates.len();
            if Instant::now() >= deadline {
                break;
            }
            let asked = async {
                match candidate.local {
                    true => {
                        let found = self.nearby.find(candidate).await?;
                        self.ask_one(&found, &request, deadline).await
                    }
                    false => self.ask_one(candidate, &request, deadline).await,
                }
            };
            match asked.await {
                Ok(stream) => return Ok(stream),
                Err(problem) => {
                    tracing::info!(model = candidate.name(), code = %problem.code, detail = problem.detail, "a model did not answer");
                    failed.push(problem);
                }
            }
        }
        Err(summed_up(failed, deadline))
    }

    async fn ask_one(
        &self,
        candidate: &Candidate,
        request: &ChatRequest,
        deadline: Instant,
    ) -> Result<ChatStream, Problem> {
        let endpoint = &candidate.endpoint;
        let (client, base) = self.outbound.client(endpoint)?;
        let secret = match &endpoint.secret {
            Some(reference) => Some(self.secrets.read(&endpoint.tenant, reference).await?),
            None => None,
        };
        let asked = Asked {
            candidate,
            client,
            base,
            secret,
            patience: self.patience,
            deadline: deadline.min(Instant::now() + candidate.timeout),
        };
        if request.whole && is_too_much(request, candidate.context_tokens) {
            return Err(asked.too_long(&candidate.name()));
        }
        let names = Names::of(request);
        let messages = match request.whole {
            true => request.messages.iter().collect(),
            false => fitting(request, candidate.context_tokens),
        };
        let input = of_all(request, messages.iter().copied());
        let which = (asked.base.to_string(), candidate.model.clone());
        let (begun, quirks) = self
            .try_often(&asked, &which, must_call(request), |quirks| {
                body(request, &messages, &candidate.model, &names, quirks)
            })
            .await?;
        let mut left_out = quirks.left_out(request);
        if messages.len() < request.messages.len() {
            left_out.push("messages".to_owned());
        }
        Ok(relay::start(
            begun,
            Answer::new(
                names,
                input,
                quirks.thinks_first || is_thinker(&candidate.model),
            ),
            Teller {
                model: candidate.name(),
                left_out,
                secret: asked.secret,
                known: self.known.clone(),
                which,
            },
            asked.deadline,
        ))
    }

    /// Until it begins to answer, or there is no hope that it will. What it does not take is left out; that
    /// is remembered once it answered without it, since a refusal may have meant something else.
    async fn try_often(
        &self,
        asked: &Asked<'_>,
        which: &Which,
        must_call: bool,
        body: impl Fn(Quirks) -> serde_json::Value,
    ) -> Result<(Begun, Quirks), Problem> {
        let known = self.known.of(which);
        let mut quirks = known;
        let mut refusals = Vec::new();
        let mut pauses = Backoff::new(self.patience.backoff, self.patience.backoff_most);
        let mut tries = 1;
        loop {
            // An answer without a call is not what was asked for.
            if must_call && quirks.no_tools {
                return Err(asked.takes_no_tools(&refusals));
            }
            let failure = match asked.attempt(&body(quirks)).await {
                Ok(begun) => {
                    if quirks != known {
                        self.known.learn(which, quirks);
                        tracing::warn!(
                            model = asked.candidate.name(),
                            said = refusals.join("; "),
                            asked = ?quirks,
                            "an endpoint refused a part of the request, which is left out from now on"
                        );
                    }
                    return Ok((begun, quirks));
                }
                Err(failure) => failure,
            };
            if let Some(said) = &failure.said
                && let Some(learned) = refusal::learned(quirks, said)
            {
                // Learned at most once for each part, so this ends.
                quirks = learned;
                refusals.push(said.clone());
                continue;
            }
            if !failure.later {
                return Err(failure.problem);
            }
            let pause = bearable(failure.after, &mut pauses, self.patience.backoff_most)
                .filter(|pause| Instant::now() + *pause < asked.deadline);
            let Some(pause) = pause.filter(|_| tries < self.patience.tries) else {
                return Err(failure.problem);
            };
            tries += 1;
            tokio::time::sleep(pause).await;
        }
    }
}

impl ModelDriver for OpenAiModels {
    fn chat<'a>(
        &'a self,
        candidates: &'a [Candidate],
        request: ChatRequest,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<ChatStream, Problem>> {
        Box::pin(self.ask(candidates, request, deadline))
    }
}

/// Whether only a call of a tool is an answer.
fn must_call(request: &ChatRequest) -> bool {
    let choice = request.tool_choice.as_ref();
    choice.is_some_and(|it| matches!(it, ToolChoice::Required | ToolChoice::Tool(_)))
}

/// How long to wait before the next try; `None` where a model names more than `most`.
fn bearable(named: Option<Duration>, pauses: &mut Backoff, most: Duration) -> Option<Duration> {
    match named {
        Some(named) => (named <= most).then(|| Backoff::after(named)),
        None => Some(pauses.pause()),
    }
}

/// One problem for all: the code of the model that was wanted most, and what each of them said.
fn summed_up(failed: Vec<Problem>, deadline: Instant) -> Problem {
    let late = Instant::now() >= deadline;
    let said = failed
        .iter()
        .map(|problem| problem.detail.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    if late {
        let why = if said.is_empty() {
            "no model was asked".to_owned()
        } else {
            said
        };
        return Problem::new(
            Code::DeadlineExceeded,
            format!("no model began to answer in time: {why}"),
        );
    }
    let count = failed.len();
    match failed.into_iter().next() {
        None => Problem::new(Code::NotFound, "the agent has no model")
            .remedy("name one under spec.model.use of the agent, and a ModelEndpoint that has it"),
        Some(first) if count == 1 => first,
        Some(first) => Problem {
            detail: format!("no model answered: {said}"),
            ..first
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nodes_that_share_a_gateway_do_not_come_back_in_step() {
        let (named, most) = (Duration::from_secs(5), Duration::from_secs(10));
        let mut pauses = Backoff::new(named, most);
        let apart = (0..32).filter_map(|_| bearable(Some(named), &mut pauses, most));
        let apart: HashSet<_> = apart.collect();
        assert!(apart.len() > 16, "{apart:?}");
        assert!(apart.iter().all(|it| *it >= named));
        assert!(bearable(Some(most), &mut pauses, most).is_some());
        let beyond = most + Duration::from_millis(1);
        assert_eq!(bearable(Some(beyond), &mut pauses, most), None);
    }
}
