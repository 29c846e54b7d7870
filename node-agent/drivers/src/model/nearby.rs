//! The model server of this machine, looked for when an agent asks it, and remembered for a moment.

use std::time::Duration;

use aion_abi::{code::Code, problem::Problem};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    Candidate,
    local::{LocalEndpoint, LocalPorts, discover_local},
};
use crate::outbound::Endpoint;

/// How long what was found is believed: long enough for the steps of a turn, short enough for somebody who
/// has just pulled a model.
const BELIEVED: Duration = Duration::from_secs(10);
/// The name of the first model.
const ANY: &str = "any";

/// See the module.
pub(super) struct Nearby {
    /// None where the machine's own addresses are not dialled.
    ports: Option<LocalPorts>,
    found: Mutex<Option<(Instant, Vec<LocalEndpoint>)>>,
}

impl Nearby {
    pub(super) fn new(ports: Option<LocalPorts>) -> Self {
        Self {
            ports,
            found: Mutex::default(),
        }
    }

    /// The candidate with the address and the model that were found.
    ///
    /// # Errors
    /// `unreachable`, with what to do, where nothing is found.
    pub(super) async fn find(&self, wanted: &Candidate) -> Result<Candidate, Problem> {
        let Some(ports) = self.ports else {
            let text = format!(
                "ModelEndpoint {} has provider local, which a node of a cluster does not look for",
                wanted.endpoint.name
            );
            return Err(Problem::new(Code::Unreachable, text).remedy(
                "give the ModelEndpoint a baseUrl, or run the agent on a machine standing alone",
            ));
        };
        let servers = match self.believed() {
            Some(servers) => servers,
            None => {
                let servers = discover_local(ports).await.map_err(|none| {
                    Problem::new(Code::Unreachable, none.to_string()).remedy(none.how_to())
                })?;
                *self.found.lock() = Some((Instant::now(), servers.clone()));
                servers
            }
        };
        let chosen = servers.iter().find_map(|server| {
            let model = match wanted.model.as_str() {
                ANY => server.models.iter().find(|it| !is_for_vectors(it)),
                name => server.models.iter().find(|it| is_called(it, name)),
            };
            Some((server, model?))
        });
        let Some((server, model)) = chosen else {
            let there: Vec<&str> = servers
                .iter()
                .flat_map(|it| it.models.iter().map(String::as_str))
                .collect();
            let text = format!(
                "this machine has no model {}: there are {}",
                wanted.model,
                there.join(", ")
            );
            return Err(Problem::new(Code::Unreachable, text).remedy(format!(
                "get it (ollama pull {}), or name one of those under spec.model.use",
                wanted.model
            )));
        };
        Ok(Candidate {
            endpoint: Endpoint {
                url: server.base_url.clone(),
                ..wanted.endpoint.clone()
            },
            model: model.clone(),
            ..wanted.clone()
        })
    }

    fn believed(&self) -> Option<Vec<LocalEndpoint>> {
        let found = self.found.lock();
        let (at, servers) = found.as_ref()?;
        (at.elapsed() < BELIEVED).then(|| servers.clone())
    }
}

/// Ollama lists `qwen3:latest` what people call `qwen3`.
fn is_called(listed: &str, name: &str) -> bool {
    listed == name || listed.strip_prefix(name) == Some(":latest")
}

/// Models that answer nothing are listed with the others; there is only their name to go by.
fn is_for_vectors(name: &str) -> bool {
    ["embed", "minilm", "bge-"]
        .iter()
        .any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{conformance::candidate, local::LocalServer};

    fn nearby(models: &[&str]) -> Nearby {
        let nearby = Nearby::new(Some(LocalPorts::default()));
        let server = LocalEndpoint {
            server: LocalServer::Ollama,
            base_url: "http://127.0.0.1:11434/v1".into(),
            models: models.iter().map(|it| (*it).to_owned()).collect(),
        };
        *nearby.found.lock() = Some((Instant::now(), vec![server]));
        nearby
    }

    async fn asked(nearby: &Nearby, name: &str) -> Result<Candidate, Problem> {
        nearby.find(&candidate("", name)).await
    }

    #[tokio::test]
    async fn the_first_model_that_answers_is_taken_or_the_one_that_is_named() {
        let nearby = nearby(&["nomic-embed-text:latest", "llama3.2:3b", "qwen3:latest"]);
        let any = asked(&nearby, "any").await.unwrap();
        assert_eq!(any.model, "llama3.2:3b");
        assert_eq!(any.endpoint.url, "http://127.0.0.1:11434/v1");
        assert_eq!(asked(&nearby, "qwen3").await.unwrap().model, "qwen3:latest");
        let none = asked(&nearby, "gemma").await.unwrap_err();
        assert!(none.detail.contains("qwen3:latest"), "{none}");
        assert!(none.remedy.contains("ollama pull gemma"));
    }

    #[tokio::test]
    async fn a_node_of_a_cluster_looks_for_nothing() {
        let refused = asked(&Nearby::new(None), "any").await.unwrap_err();
        assert_eq!(refused.code, Code::Unreachable);
        assert!(refused.remedy.contains("baseUrl"));
    }
}
