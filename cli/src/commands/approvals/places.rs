//! Where approvals are: on this machine, or in a cluster on each node that has an instance of the agent. Numbers are each
//! node's own.

use std::{fmt, str::FromStr};

use aion_abi::approval::{Approval, Approvals};
use aion_client::{ClientError, Node};

use crate::{context::Context, failure::Failure};

/// An approval as a person names it: by its number, in a cluster behind the name of its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) node: Option<String>,
    pub(super) number: u64,
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "name it as aionctl approvals lists it: 3, in a cluster NODE/3".to_owned();
        let (node, number) = match text.rsplit_once('/') {
            Some((node, number)) => (Some(node), number),
            None => (None, text),
        };
        let in_a_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if node.is_some_and(|node| {
            !node.starts_with(char::is_alphanumeric) || !node.chars().all(in_a_name)
        }) {
            return Err(wrong());
        }
        Ok(Self {
            node: node.map(str::to_owned),
            number: number.parse().map_err(|_| wrong())?,
        })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "{node}/{}", self.number),
            None => write!(f, "{}", self.number),
        }
    }
}

/// A node that is asked, by its name where there are several.
pub(super) struct Place {
    pub(super) node: Node,
    pub(super) name: Option<String>,
}

/// What a node tells.
pub(super) struct Listed {
    pub(super) node: Option<String>,
    pub(super) all: Approvals,
}

impl Listed {
    pub(super) fn id(&self, number: u64) -> Id {
        Id {
            node: self.node.clone(),
            number,
        }
    }
}

impl Place {
    /// What is asked there: by one agent, or by all of this machine.
    pub(super) async fn list(
        self,
        context: &Context,
        agent: Option<&str>,
    ) -> Result<Listed, ClientError> {
        let all = match agent {
            Some(agent) => self.node.approvals_of(&context.namespace, agent).await?,
            None => self.node.approvals().await?,
        };
        Ok(Listed {
            node: self.name,
            all,
        })
    }

    pub(super) async fn one(
        &self,
        context: &Context,
        agent: Option<&str>,
        number: u64,
    ) -> Result<Approval, ClientError> {
        let (node, namespace) = (&self.node, &context.namespace);
        match agent {
            Some(agent) => node.approval_of(namespace, agent, number).await,
            None => node.approval(number).await,
        }
    }
}

/// What is asked, on every node where the agent may ask. A node that does not tell is complained of, unless none does.
pub(super) async fn list(context: &Context, agent: Option<&str>) -> Result<Vec<Listed>, Failure> {
    #[cfg(feature = "kubernetes")]
    if let Some(cluster) = context.cluster() {
        let agent = named(agent)?;
        let (mut told, mut silent) = (Vec::new(), Vec::new());
        for node in cluster.nodes_of(&context.namespace, agent).await? {
            let listed = async {
                let place = at(context, &node).await?;
                let listed = place.list(context, Some(agent)).await;
                listed.map_err(|why| Failure::from(why).at(&node))
            };
            match listed.await {
                Ok(listed) => told.push(listed),
                Err(failure) => silent.push(failure),
            }
        }
        if told.is_empty() && !silent.is_empty() {
            return Err(silent.remove(0));
        }
        silent.iter().for_each(|failure| context.complain(failure));
        return Ok(told);
    }
    let here = Place {
        node: context.node()?,
        name: None,
    };
    Ok(vec![here.list(context, agent).await?])
}

/// The node that has an approval.
pub(super) async fn of(
    context: &Context,
    #[cfg_attr(not(feature = "kubernetes"), allow(unused_variables))] agent: Option<&str>,
    id: &Id,
) -> Result<Place, Failure> {
    #[cfg(feature = "kubernetes")]
    if context.cluster().is_some() {
        named(agent)?;
        let Some(node) = &id.node else {
            return Err(
                Failure::usage("each node of a cluster numbers its own approvals").remedy(format!(
                    "name its node too: NODE/{}, as aionctl --cluster approvals lists it",
                    id.number
                )),
            );
        };
        return at(context, node).await;
    }
    if id.node.is_some() {
        return Err(
            Failure::usage("on one machine an approval is a number, without a node")
                .remedy(format!("name it as {}, or add --cluster", id.number)),
        );
    }
    Ok(Place {
        node: context.node()?,
        name: None,
    })
}

#[cfg(feature = "kubernetes")]
fn named(agent: Option<&str>) -> Result<&str, Failure> {
    agent.ok_or_else(|| {
        Failure::usage("in a cluster, name the agent")
            .remedy("aionctl --cluster approvals --agent AGENT")
    })
}

#[cfg(feature = "kubernetes")]
async fn at(context: &Context, node: &str) -> Result<Place, Failure> {
    let cluster = context
        .cluster()
        .ok_or_else(|| Failure::usage("no cluster is named"))?;
    let asked = cluster.node_named(&context.namespace, node).await?;
    Ok(Place {
        node: asked.node,
        name: asked.name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_named_by_its_number_and_its_node() {
        for (text, node, number) in [("3", None, 3), ("node-a.home/17", Some("node-a.home"), 17)] {
            let id = text.parse::<Id>();
            let node = node.map(str::to_owned);
            assert_eq!(id, Ok(Id { node, number }), "{text}");
            assert_eq!(id.map(|id| id.to_string()), Ok(text.to_owned()));
        }
        for wrong in ["", "x", "/3", "../3", "a/b/3", "a/", "-1", "a b/3"] {
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
    }
}
