//! The models of agents for programs that know only models: the gateway is the program of an agent of runtime `external`, and
//! each request is a signed syscall of that agent. So rights, budgets, fallbacks, the offline switch and the journal are the
//! node's, as for every agent, and there is no second way to a model.
//!
//! What may not enter: how OpenAI words a request, keys of models, a decision about rights.

mod lender;
#[cfg(test)]
mod lender_tests;
mod program;
mod queue;
mod sitting;

use std::{collections::BTreeMap, mem, sync::Arc, time::Duration};

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::{
        Syscall,
        embed::{EmbedRequest, EmbedResponse},
        model::{ChatEvent, ChatRequest},
    },
};
use aion_client::{ClientError, Download, Events, Node};
use axum::body::Bytes;
use parking_lot::Mutex;
use serde::Serialize;

use self::{
    lender::{Called, Lender},
    sitting::Visit,
};

const PAUSE: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Default)]
pub(crate) struct Lending {
    /// One that nobody uses is an empty entry.
    lenders: Mutex<BTreeMap<Whose, Arc<Lender>>>,
}

/// Namespace and name of an agent, and the id and budget of the key that it is asked by: each has turns of its own, begun in its name.
/// A turn keeps the budget that it was begun with, so one whose budget was changed has another turn.
type Whose = (String, String, Option<Arc<str>>, Option<u64>);

/// Who asks for a model.
#[derive(Clone, Copy)]
pub(crate) struct By<'a> {
    /// The node, asked in that name.
    pub(crate) node: &'a Node,
    /// The same, asked by the gateway itself.
    pub(crate) own: &'a Node,
    /// The id of the key, where it is by one.
    pub(crate) key: Option<&'a Arc<str>>,
    /// The budget of that key, in tokens an hour.
    pub(crate) tokens_per_hour: Option<u64>,
}

/// A request under way. Dropping it ends it, up to the connection to the model.
pub(crate) struct Lent<T> {
    pub(crate) answer: T,
    /// The turn that it is a syscall of.
    pub(crate) turn: u64,
    /// Which request of the turn.
    pub(crate) request: u64,
    _visit: Visit,
}

impl Lending {
    /// Asks a model of an agent, in the name of who asks the gateway.
    ///
    /// # Errors
    /// What the node refuses with, or the model; nothing was answered then.
    pub(crate) async fn chat(
        &self,
        by: By<'_>,
        agent: (&str, &str),
        request: &ChatRequest,
    ) -> Result<Lent<Events<ChatEvent>>, Problem> {
        let called = self.call(by, agent, Syscall::ModelChat, request).await?;
        Ok(called.map(Download::events))
    }

    /// Has the embedding model of an agent make vectors, in the name of who asks the gateway.
    ///
    /// # Errors
    /// What the node refuses with, or the model.
    pub(crate) async fn embed(
        &self,
        by: By<'_>,
        agent: (&str, &str),
        request: &EmbedRequest,
    ) -> Result<Lent<EmbedResponse>, Problem> {
        let called = self.call(by, agent, Syscall::ModelEmbed, request).await?;
        let (answer, called) = called.take();
        let answer = answer.whole().await.map_err(crate::unanswered::problem)?;
        let answer = serde_json::from_slice(&answer).map_err(|why| {
            let what = format!("the node's answer is not one of vectors: {why}");
            Problem::new(Code::Internal, what)
        })?;
        Ok(called.map(|()| answer))
    }

    async fn call(
        &self,
        by: By<'_>,
        agent: (&str, &str),
        syscall: Syscall,
        request: &impl Serialize,
    ) -> Result<Lent<Download>, Problem> {
        let body = serde_json::to_vec(request)
            .map_err(|why| Problem::new(Code::Internal, why.to_string()))?;
        let body = Bytes::from(body);
        let lender = self.lender(by, agent);
        let mut again = true;
        loop {
            let visit = lender.visit(by.node).await?;
            match lender.call(by.node, &visit, syscall, &body).await {
                Ok((request, answer)) => {
                    return Ok(Lent {
                        answer,
                        turn: visit.turn(),
                        request,
                        _visit: visit,
                    });
                }
                // Nothing was done of it: the next turn has it.
                Err(Called::Over(_)) if again => again = false,
                Err(Called::Over(problem) | Called::Refused(problem)) => return Err(problem),
            }
        }
    }

    fn lender(&self, by: By<'_>, agent: (&str, &str)) -> Arc<Lender> {
        let agent = (agent.0.to_owned(), agent.1.to_owned());
        let (namespace, name) = agent.clone();
        let whose = (namespace, name, by.key.cloned(), by.tokens_per_hour);
        let mut lenders = self.lenders.lock();
        // Names that nobody has are not kept.
        lenders.retain(|_, it| Arc::strong_count(it) > 1 || it.is_held());
        let of_agent = (agent.0.clone(), agent.1.clone(), None, None)..;
        let mut of_agent = lenders
            .range(of_agent)
            .take_while(|((namespace, name, ..), _)| (namespace, name) == (&agent.0, &agent.1));
        let queue = of_agent.next().map(|(_, it)| Arc::clone(it.queue()));
        let made = || Lender::of(by.own.clone(), agent, queue.unwrap_or_default());
        Arc::clone(lenders.entry(whose).or_insert_with(|| Arc::new(made())))
    }

    /// Ends the turns that are held, where the gateway ends.
    pub(crate) async fn end(&self) {
        let lenders = mem::take(&mut *self.lenders.lock());
        for lender in lenders.into_values() {
            lender.end().await;
        }
    }
}

impl<T> Lent<T> {
    fn take(self) -> (T, Lent<()>) {
        let rest = Lent {
            answer: (),
            turn: self.turn,
            request: self.request,
            _visit: self._visit,
        };
        (self.answer, rest)
    }

    fn map<U>(self, with: impl FnOnce(T) -> U) -> Lent<U> {
        Lent {
            answer: with(self.answer),
            turn: self.turn,
            request: self.request,
            _visit: self._visit,
        }
    }
}

impl Lent<Events<ChatEvent>> {
    /// What comes next, to the one `end` or `error`.
    ///
    /// # Errors
    /// The node went away before either.
    pub(crate) async fn next(&mut self) -> Result<ChatEvent, Problem> {
        let lost = |why: String| {
            let what = format!(
                "the node agent went away in the middle of the answer, in turn {}{why}",
                self.turn
            );
            Problem::new(Code::OutcomeUnknown, what)
                .remedy("ask again: what the model said so far was charged")
        };
        match self.answer.next().await {
            Ok(Some(event)) => Ok(event),
            Ok(None) => Err(lost(String::new())),
            Err(ClientError::Broken { why, .. }) => Err(lost(format!(": {why}"))),
            Err(error) => Err(crate::unanswered::problem(error)),
        }
    }
}
