//! A node that has an agent, and what turns, approvals and uploads there are called here. What may not enter: which nodes have it.

mod approvals;
#[cfg(feature = "kubernetes")]
mod feed;

use std::{borrow::Cow, collections::VecDeque, io, time::Duration};

use aion_abi::{
    admin::{TurnEvent, TurnRecord, TurnRequest, Upload},
    code::Code,
    problem::Problem,
};
use aion_client::{Body, ClientError, Download, Events, Node};

use crate::numbers::{self, Tag};

/// How long a node of several may take to begin an answer. One that is stopped takes connections still.
const BEGINS: Duration = Duration::from_secs(30);

/// The node, and how it is told apart where there are several.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) node: Node,
    pub(crate) tag: Option<Tag>,
}

/// By what a question is asked at one node and not at another, where there are several.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(feature = "kubernetes"),
    expect(dead_code, reason = "there is one node")
)]
pub(crate) enum Key<'a> {
    /// The client's own: it may have been asked before, by way of another gateway.
    Theirs(&'a str),
    /// Made for this question.
    Ours(&'a str),
}

/// Where a question may be asked: at the first, and at the next where it certainly was not taken at the first.
#[derive(Debug)]
pub(crate) struct Places {
    namespace: String,
    agent: String,
    /// From the one that is asked next.
    left: VecDeque<Candidate>,
    /// Whether the agent may be elsewhere meanwhile, and what belongs to the question with it.
    moves: bool,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) place: Place,
    /// Whether nobody else's try can have reached it: what is not taken now was never asked there.
    pub(crate) is_first_try: bool,
    /// Whether the agent is leaving it: it knows what it was asked, and takes nothing new.
    pub(crate) is_left: bool,
}

impl Candidate {
    /// Whether the question was not taken there by this error.
    fn took_nothing(&self, error: &ClientError) -> bool {
        match error {
            // No connection, and a node that takes nothing now: neither says what it took before, under a key.
            ClientError::Unreachable { .. } => self.is_first_try,
            ClientError::Refused(problem) => match problem.code {
                Code::Restarting | Code::Overloaded => self.is_first_try,
                // Said after it looked whether it knows the key.
                Code::NotRunning | Code::NotFound => true,
                _ => false,
            },
            _ => false,
        }
    }
}

/// A turn's events as they come, with its number as it is shown.
pub(crate) struct Told {
    events: Events<TurnEvent>,
    tag: Option<Tag>,
}

impl Place {
    /// The node beside the gateway.
    pub(crate) fn alone(node: Node) -> Self {
        Self { node, tag: None }
    }

    fn shown(&self, own: u64) -> Result<u64, ClientError> {
        shown(self.tag, own)
    }

    /// The answer, where it begins in time. What is only looked at may be looked at again.
    async fn begun<T>(
        &self,
        answer: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let silent = || ClientError::Unreachable {
            at: self.node.address.to_string(),
            why: io::ErrorKind::TimedOut.into(),
        };
        self.in_time(answer, silent).await
    }

    /// The node beside it has no bound: it is as alive as the gateway.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, ClientError>>,
        silent: impl FnOnce() -> ClientError,
    ) -> Result<T, ClientError> {
        match self.tag {
            None => answer.await,
            Some(_) => match tokio::time::timeout(BEGINS, answer).await {
                Ok(answer) => answer,
                Err(_) => Err(silent()),
            },
        }
    }

    /// It may have taken what it was told.
    fn unsaid(&self) -> ClientError {
        ClientError::Broken {
            at: self.node.address.to_string(),
            why: format!("no answer began in {} s", BEGINS.as_secs()),
        }
    }

    pub(crate) async fn turn(&self, own: u64) -> Result<TurnRecord, ClientError> {
        let record = self.begun(self.node.turn(own)).await?;
        self.named(record)
    }

    pub(crate) async fn cancel(&self, own: u64) -> Result<TurnRecord, ClientError> {
        let record = self.node.cancel_turn(own).await?;
        self.named(record)
    }

    fn named(&self, mut record: TurnRecord) -> Result<TurnRecord, ClientError> {
        record.turn = self.shown(record.turn)?;
        if let Some(caller) = &mut record.caller {
            caller.turn = self.shown(caller.turn)?;
        }
        for step in &mut record.steps {
            step.turn = step.turn.map(|turn| self.shown(turn)).transpose()?;
        }
        Ok(record)
    }

    pub(crate) async fn events(&self, own: u64) -> Result<Told, ClientError> {
        let events = self.begun(self.node.turn_events(own)).await?;
        Ok(Told {
            events,
            tag: self.tag,
        })
    }

    pub(crate) async fn file(&self, own: u64, path: &str) -> Result<Download, ClientError> {
        self.node.turn_file(own, path).await
    }

    pub(crate) async fn upload(
        &self,
        (namespace, agent): (&str, &str),
        name: &str,
        content: Body,
    ) -> Result<Upload, ClientError> {
        let kept = self.node.upload_body(namespace, agent, name, content);
        let mut kept = kept.await?;
        if let Some(tag) = self.tag {
            kept.upload = tag.upload(&kept.upload);
        }
        Ok(kept)
    }

    async fn ask(
        &self,
        (namespace, agent): (&str, &str),
        request: &TurnRequest,
        key: Option<&str>,
    ) -> Result<Told, ClientError> {
        let mut request = Cow::Borrowed(request);
        if let Some(tag) = self.tag
            && !request.uploads.is_empty()
        {
            for upload in &mut request.to_mut().uploads {
                // One that is elsewhere stays what it is called here, which no node takes.
                if let Some((at, own)) = numbers::upload(upload)
                    && at == tag
                {
                    *upload = own.to_owned();
                }
            }
        }
        let asked = self.node.start_turn(namespace, agent, &request, key);
        let events = self.in_time(asked, || self.unsaid()).await?;
        Ok(Told {
            events,
            tag: self.tag,
        })
    }
}

impl Places {
    /// Those of an agent that may move.
    #[cfg_attr(
        not(any(test, feature = "kubernetes")),
        expect(dead_code, reason = "there is one node")
    )]
    pub(crate) fn new((namespace, agent): (&str, &str), left: Vec<Candidate>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            agent: agent.to_owned(),
            left: left.into(),
            moves: true,
        }
    }

    /// One, whatever comes of it.
    pub(crate) fn only(agent: (&str, &str), place: Place) -> Self {
        Self::at(agent, Vec::new(), place)
    }

    /// Where its files are, once those who may know its key do not.
    pub(crate) fn at(
        (namespace, agent): (&str, &str),
        before: Vec<Candidate>,
        place: Place,
    ) -> Self {
        let mut left = VecDeque::from(before);
        left.push_back(Candidate {
            place,
            is_first_try: false,
            is_left: false,
        });
        Self {
            namespace: namespace.to_owned(),
            agent: agent.to_owned(),
            left,
            moves: false,
        }
    }

    /// Asks, each of them once at most. Where it may have been taken it is asked for ever after, and nowhere else.
    pub(crate) async fn ask(
        &mut self,
        request: &TurnRequest,
        key: Option<&str>,
    ) -> Result<Told, ClientError> {
        let agent = (self.namespace.as_str(), self.agent.as_str());
        let mut refused = None;
        for _ in 0..self.left.len() {
            let Some(first) = self.left.front() else {
                break;
            };
            let asked = first.place.ask(agent, request, key).await;
            let Err(error) = asked else {
                self.left.truncate(1);
                return asked;
            };
            if !first.took_nothing(&error) {
                self.left.truncate(1);
                return Err(error);
            }
            // One that comes back is worth more words than one that is not there.
            let waits = |it: &ClientError| matches!(it, ClientError::Refused(it) if it.code == Code::Restarting);
            if !refused.as_ref().is_some_and(waits) {
                refused = Some(error);
            }
            self.left.rotate_left(1);
        }
        Err(refused.map_or_else(|| self.nowhere(), |error| self.moved(error)))
    }

    /// Where what is given for a question goes: to the one that takes it.
    pub(crate) fn taker(self) -> Result<Place, ClientError> {
        let nowhere = self.nowhere();
        let mut left = self.left.into_iter();
        let takes = left.find(|it| !it.is_left);
        takes.map(|it| it.place).ok_or(nowhere)
    }

    fn nowhere(&self) -> ClientError {
        let what = format!("agent {} runs nowhere", self.agent);
        Problem::new(Code::NotRunning, what).into()
    }

    /// What a node says that does not have the agent any more, for who asks where it is: it is on its way.
    fn moved(&self, error: ClientError) -> ClientError {
        match error {
            ClientError::Refused(it) if self.moves && it.code == Code::NotFound => {
                let what = format!(
                    "agent {} is no longer where it was: {}",
                    self.agent, it.detail
                );
                Problem::new(Code::NotRunning, what)
                    .remedy("ask again when it is placed")
                    .retry_after_ms(1_000)
                    .into()
            }
            error => error,
        }
    }
}

impl Told {
    /// As [`Events::next`].
    pub(crate) async fn next(&mut self) -> Result<Option<TurnEvent>, ClientError> {
        let mut event = self.events.next().await?;
        match &mut event {
            Some(TurnEvent::Queued { turn }) => *turn = shown(self.tag, *turn)?,
            Some(TurnEvent::Asked { approval, .. } | TurnEvent::Answered { approval, .. }) => {
                *approval = shown(self.tag, *approval)?;
            }
            Some(TurnEvent::Progress { steps, .. }) => {
                for step in steps {
                    let turn = step.turn.map(|turn| shown(self.tag, turn));
                    step.turn = turn.transpose()?;
                }
            }
            _ => {}
        }
        Ok(event)
    }
}

fn shown(tag: Option<Tag>, own: u64) -> Result<u64, ClientError> {
    let Some(tag) = tag else { return Ok(own) };
    tag.number(own).ok_or_else(|| {
        let what = format!("number {own} of its node has none here");
        let remedy =
            "ask the node itself: aionctl --cluster, or forget the node and let it begin anew";
        Problem::new(Code::Internal, what).remedy(remedy).into()
    })
}

#[cfg(test)]
mod tests;
