//! A node that has an agent, and what turns and uploads there are called here. What may not enter: which nodes have it.

use aion_abi::{
    admin::{TurnEvent, TurnRecord, TurnRequest, Upload},
    code::Code,
    problem::Problem,
};
use aion_client::{Body, ClientError, Download, Events, Node};

use crate::numbers::{self, Tag};

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

/// Where a question may be asked: at the first; at the next where nothing listens there, or where it was not taken because
/// the agent is leaving.
#[derive(Debug)]
pub(crate) struct Places {
    namespace: String,
    agent: String,
    left: Vec<Candidate>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) place: Place,
    /// Whether another may be asked where nothing listens here.
    pub(crate) is_one_of_many: bool,
    /// Whether the agent is leaving it: it knows what it was asked, and takes nothing new.
    pub(crate) is_left: bool,
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

    pub(crate) async fn turn(&self, own: u64) -> Result<TurnRecord, ClientError> {
        let record = self.node.turn(own).await?;
        self.named(record)
    }

    pub(crate) async fn cancel(&self, own: u64) -> Result<TurnRecord, ClientError> {
        let record = self.node.cancel_turn(own).await?;
        self.named(record)
    }

    fn named(&self, mut record: TurnRecord) -> Result<TurnRecord, ClientError> {
        record.turn = self.shown(record.turn)?;
        Ok(record)
    }

    pub(crate) async fn events(&self, own: u64) -> Result<Told, ClientError> {
        let events = self.node.turn_events(own).await?;
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
        let events = match self.tag {
            None => self.node.start_turn(namespace, agent, request, key).await?,
            Some(_) => {
                let mut request = request.clone();
                for upload in &mut request.uploads {
                    // Which node it is at is how the place was found.
                    if let Some((_, own)) = numbers::upload(upload) {
                        *upload = own.to_owned();
                    }
                }
                let asked = self.node.start_turn(namespace, agent, &request, key);
                asked.await?
            }
        };
        Ok(Told {
            events,
            tag: self.tag,
        })
    }
}

impl Places {
    pub(crate) fn new((namespace, agent): (&str, &str), left: Vec<Candidate>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            agent: agent.to_owned(),
            left,
        }
    }

    /// One, whatever comes of it.
    pub(crate) fn only(agent: (&str, &str), place: Place) -> Self {
        let one = Candidate {
            place,
            is_one_of_many: false,
            is_left: false,
        };
        Self::new(agent, vec![one])
    }

    /// Asks. Asked again it is asked where it was asked before, unless nothing was taken there.
    pub(crate) async fn ask(
        &mut self,
        request: &TurnRequest,
        key: Option<&str>,
    ) -> Result<Told, ClientError> {
        loop {
            let Some(first) = self.left.first() else {
                return Err(self.nowhere());
            };
            let agent = (self.namespace.as_str(), self.agent.as_str());
            let asked = first.place.ask(agent, request, key).await;
            let goes_on = match &asked {
                Err(ClientError::Unreachable { .. }) => first.is_one_of_many,
                Err(ClientError::Refused(problem)) => {
                    let is_not_there = matches!(problem.code, Code::NotRunning | Code::NotFound);
                    first.is_left && is_not_there
                }
                _ => false,
            };
            if !goes_on || self.left.len() == 1 {
                return asked;
            }
            self.left.remove(0);
        }
    }

    /// The one that is asked first.
    pub(crate) fn first(mut self) -> Result<Place, ClientError> {
        match self.left.is_empty() {
            true => Err(self.nowhere()),
            false => Ok(self.left.swap_remove(0).place),
        }
    }

    fn nowhere(&self) -> ClientError {
        let what = format!("agent {} runs nowhere", self.agent);
        Problem::new(Code::NotRunning, what).into()
    }
}

impl Told {
    /// As [`Events::next`].
    pub(crate) async fn next(&mut self) -> Result<Option<TurnEvent>, ClientError> {
        let mut event = self.events.next().await?;
        if let Some(TurnEvent::Queued { turn }) = &mut event {
            *turn = shown(self.tag, *turn)?;
        }
        Ok(event)
    }
}

fn shown(tag: Option<Tag>, own: u64) -> Result<u64, ClientError> {
    let Some(tag) = tag else { return Ok(own) };
    tag.turn(own).ok_or_else(|| {
        let what = format!("turn {own} of its node has no number here");
        let remedy =
            "ask the node itself: aionctl --cluster, or forget the node and let it begin anew";
        Problem::new(Code::Internal, what).remedy(remedy).into()
    })
}
