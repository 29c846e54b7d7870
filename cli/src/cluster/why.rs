//! `why` in a cluster: what the operator says of the agent, then what its node says.

use aion_abi::admin::{Link, LinkState, Why};
use aion_api::{
    AgentStatus,
    condition::{self, reason},
};

use super::Cluster;
use crate::failure::{Failure, Status};

impl Cluster {
    /// The causal chain of an agent.
    pub(crate) async fn why(&self, namespace: &str, agent: &str) -> Result<Why, Failure> {
        let mut found = self.get("agents", Some(namespace), agent).await?;
        let status: AgentStatus =
            serde_json::from_value(found["status"].take()).unwrap_or_default();
        let links = |stages: &[(&str, &str)]| -> Vec<Link> {
            let link = |(stage, type_): &(&str, &str)| link(stage, type_, &status);
            stages.iter().map(link).collect()
        };
        let mut first = links(&[
            ("accepted", condition::ACCEPTED),
            ("references", condition::RESOLVED_REFS),
        ]);
        if !self.instances_of(namespace, agent).await?.is_empty() {
            let node = match self.node_of(namespace, agent).await {
                Ok(asked) => asked
                    .node
                    .why(namespace, agent)
                    .await
                    .map_err(Failure::from),
                Err(failure) => Err(failure),
            };
            match node {
                Ok(mut why) => {
                    first.append(&mut why.links);
                    return Ok(Why {
                        links: first,
                        ..why
                    });
                }
                // Who may see the agent and not its node sees what the operator says.
                Err(failure) if failure.status != Status::Refused => {
                    first.push(Link {
                        stage: "node".to_owned(),
                        state: LinkState::Pending,
                        reason: "NodeSilent".to_owned(),
                        message: match failure.remedy {
                            Some(remedy) => format!("{}: {remedy}", failure.what),
                            None => failure.what,
                        },
                    });
                }
                Err(_) => {}
            }
        }
        first.extend(links(&[
            ("signature", condition::VERIFIED),
            ("sandbox", condition::SANDBOX_ENFORCED),
            ("ready", condition::READY),
        ]));
        for (stage, type_) in [
            ("limits", condition::WITHIN_LIMITS),
            ("rules", condition::WITHIN_RULES),
        ] {
            if condition::find(&status.conditions, type_).is_some() {
                first.extend(links(&[(stage, type_)]));
            }
        }
        Ok(Why {
            agent: format!("{namespace}/{agent}"),
            ready: condition::is_true(&status.conditions, condition::READY),
            links: first,
            denials: Vec::new(),
            noted: None,
            kernel_events: Vec::new(),
        })
    }
}

fn link(stage: &str, type_: &str, status: &AgentStatus) -> Link {
    let found = condition::find(&status.conditions, type_);
    let degraded = [reason::ENFORCED_IN_PART, reason::PARTLY_GRANTED];
    Link {
        stage: stage.to_owned(),
        state: match found.map(|it| &*it.status) {
            Some("True") if found.is_some_and(|it| degraded.contains(&&*it.reason)) => {
                LinkState::Degraded
            }
            Some("True") => LinkState::Ok,
            // Nothing is to be confined on a node.
            Some("False") if found.is_some_and(|it| &*it.reason == reason::EXTERNAL) => {
                LinkState::Degraded
            }
            Some("False") => LinkState::Failed,
            _ => LinkState::Pending,
        },
        reason: found.map_or(reason::PENDING.to_owned(), |it| it.reason.to_string()),
        message: found.map_or("not judged yet".to_owned(), |it| it.message.to_string()),
    }
}
