//! Whom the gateway asks: the node beside it, or the nodes of a cluster. Every protocol asks by way of this, so that none knows
//! which it is.

use aion_abi::{
    admin::{TurnRecord, Upload},
    approval::{Answer, Approval, Approvals},
    problem::Problem,
};
use aion_client::{Body, ClientError, Download, MAX_LIST, Node};
use serde_json::Value;

#[cfg(feature = "kubernetes")]
use crate::cluster::Caller;
use crate::{
    paged::{List, Rows},
    place::{Key, Place, Places, Told},
};

/// Agents, as resources are called.
const AGENTS: &str = "agents";

/// See the module.
#[derive(Debug, Clone)]
pub(crate) enum Nodes {
    /// The one beside it.
    One(Node),
    /// Those of a cluster, as whoever asks may ask them.
    #[cfg(feature = "kubernetes")]
    Many(Caller),
}

impl Nodes {
    /// The one beside it, for what `is` is said of and a cluster does not have.
    ///
    /// # Errors
    /// There are several.
    #[cfg_attr(
        not(feature = "kubernetes"),
        expect(unused_variables, reason = "there is one node")
    )]
    pub(crate) fn one(&self, is: &str, remedy: &str) -> Result<&Node, Problem> {
        match self {
            Self::One(node) => Ok(node),
            #[cfg(feature = "kubernetes")]
            Self::Many(_) => {
                let what = format!("{is} at a gateway of a cluster");
                Err(Problem::new(aion_abi::code::Code::NotFound, what).remedy(remedy))
            }
        }
    }

    /// The one that keeps what agents remember, have, did and used. In a cluster each keeps its own, which nobody puts
    /// together.
    ///
    /// # Errors
    /// There are several.
    pub(crate) fn keeper(&self) -> Result<&Node, Problem> {
        self.one(
            "memory, tools, audit and usage of agents are not available",
            "ask the agent's node with aionctl",
        )
    }

    /// Agents as they were applied: of a namespace, or of all where there is one node.
    #[cfg_attr(
        not(feature = "kubernetes"),
        expect(unused_variables, reason = "there is one node")
    )]
    pub(crate) async fn agents(
        &self,
        named: Option<&str>,
        usual: &str,
    ) -> Result<Vec<Value>, ClientError> {
        match self {
            Self::One(node) => node.list(AGENTS, named).await,
            #[cfg(feature = "kubernetes")]
            Self::Many(caller) => caller.agents(named.unwrap_or(usual)).await,
        }
    }

    /// One of them.
    pub(crate) async fn agent(&self, namespace: &str, name: &str) -> Result<Value, ClientError> {
        match self {
            Self::One(node) => node.resource(AGENTS, Some(namespace), name).await,
            #[cfg(feature = "kubernetes")]
            Self::Many(caller) => caller.agent(namespace, name).await,
        }
    }

    /// Where a question to an agent is asked.
    #[cfg_attr(
        not(feature = "kubernetes"),
        expect(unused_variables, reason = "there is one node")
    )]
    pub(crate) async fn places(
        &self,
        agent: (&str, &str),
        key: Key<'_>,
        uploads: &[String],
    ) -> Result<Places, ClientError> {
        match self {
            Self::One(node) => Ok(Places::only(agent, Place::alone(node.clone()))),
            #[cfg(feature = "kubernetes")]
            Self::Many(caller) => caller.places(agent, key, uploads).await,
        }
    }

    /// Gives an agent a file, where a question under the same key is asked.
    pub(crate) async fn upload(
        &self,
        agent: (&str, &str),
        name: &str,
        content: Body,
        key: Key<'_>,
    ) -> Result<Upload, ClientError> {
        let places = self.places(agent, key, &[]).await?;
        places.taker()?.upload(agent, name, content).await
    }

    /// Where a turn is, by the number that is shown of it, and its number there.
    async fn of_turn(&self, shown: u64) -> Result<(Place, u64), ClientError> {
        match self {
            Self::One(node) => Ok((Place::alone(node.clone()), shown)),
            #[cfg(feature = "kubernetes")]
            Self::Many(caller) => caller.of_turn(shown).await,
        }
    }

    /// What is kept of a turn.
    pub(crate) async fn turn(&self, shown: u64) -> Result<TurnRecord, ClientError> {
        let (place, own) = self.of_turn(shown).await?;
        place.turn(own).await
    }

    /// Ends a turn before its time.
    pub(crate) async fn cancel_turn(&self, shown: u64) -> Result<TurnRecord, ClientError> {
        let (place, own) = self.of_turn(shown).await?;
        place.cancel(own).await
    }

    /// A turn's events from its start.
    pub(crate) async fn turn_events(&self, shown: u64) -> Result<Told, ClientError> {
        let (place, own) = self.of_turn(shown).await?;
        place.events(own).await
    }

    /// A file that a turn wrote.
    pub(crate) async fn turn_file(&self, shown: u64, path: &str) -> Result<Download, ClientError> {
        let (place, own) = self.of_turn(shown).await?;
        place.file(own, path).await
    }

    /// What agents ask people: of a namespace, or of all where there is one node.
    #[cfg_attr(
        not(feature = "kubernetes"),
        expect(unused_variables, reason = "there is one node")
    )]
    pub(crate) async fn approvals(
        &self,
        named: Option<&str>,
        usual: &str,
        mut rows: Rows,
    ) -> Result<List, ClientError> {
        match self {
            Self::One(node) => {
                let mut all = Place::alone(node.clone()).approvals().await?;
                if let Some(namespace) = named {
                    keep(&mut all, namespace);
                }
                rows.add(all);
                Ok(rows.page(Vec::new()))
            }
            #[cfg(feature = "kubernetes")]
            Self::Many(caller) => caller.approvals(named.unwrap_or(usual), rows).await,
        }
    }

    /// What an agent waits to be told by people at the node of a turn: about this one and its others there, oldest first.
    pub(crate) async fn waiting(
        &self,
        agent: (&str, &str),
        turn: u64,
    ) -> Result<Vec<Approval>, ClientError> {
        let (place, _) = self.of_turn(turn).await?;
        let mut left = MAX_LIST;
        let mut all = place.approvals_of(agent, &mut left).await?.items;
        all.retain(|it| it.answered.is_none());
        Ok(all)
    }

    /// Where an approval is, by the number that is shown of it, and its number there.
    async fn of_approval(&self, shown: u64) -> Result<(Place, u64), ClientError> {
        match self {
            Self::One(node) => Ok((Place::alone(node.clone()), shown)),
            #[cfg(feature = "kubernetes")]
            Self::Many(caller) => caller.of_approval(shown).await,
        }
    }

    /// One of what is asked.
    pub(crate) async fn approval(&self, shown: u64) -> Result<Approval, ClientError> {
        let (place, own) = self.of_approval(shown).await?;
        place.approval(own).await
    }

    /// Says yes or no, to what was shown.
    pub(crate) async fn answer(
        &self,
        shown: u64,
        answer: &Answer,
    ) -> Result<Approval, ClientError> {
        let (place, own) = self.of_approval(shown).await?;
        place.answer(own, answer).await
    }

    /// Takes a word back that stands.
    pub(crate) async fn revoke(&self, shown: u64) -> Result<(), ClientError> {
        let (place, own) = self.of_approval(shown).await?;
        place.revoke(own).await
    }
}

/// Leaves those of a namespace.
fn keep(all: &mut Approvals, namespace: &str) {
    let is_of = |agent: &str| agent.split_once('/').is_some_and(|(of, _)| of == namespace);
    all.items.retain(|it| is_of(&it.agent));
    all.standing.retain(|it| is_of(&it.agent));
}
