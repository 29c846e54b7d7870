//! Model servers on this machine, found by asking where they usually listen.

use std::{env, fmt, time::Duration};

use aion_abi::tenant::Tenant;
use serde::Deserialize;

use crate::outbound::{Endpoint, NodeAddresses, Outbound, Place, Rule, read_at_most};

/// Something on this machine answers at once or is not there.
const TIMEOUT: Duration = Duration::from_secs(2);
const MAX_ANSWER: usize = 1024 * 1024;

/// Ports that are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalPorts {
    /// Of Ollama.
    pub ollama: u16,
    /// Of llama.cpp's server.
    pub llama_cpp: u16,
}

impl Default for LocalPorts {
    fn default() -> Self {
        Self {
            ollama: 11434,
            llama_cpp: 8080,
        }
    }
}

impl LocalPorts {
    /// The usual ones, or what `AION_OLLAMA_PORT` and `AION_LLAMA_CPP_PORT` say.
    pub fn from_env() -> Self {
        let port = |name, usual| {
            env::var(name)
                .ok()
                .and_then(|text| text.parse().ok())
                .unwrap_or(usual)
        };
        let usual = Self::default();
        Self {
            ollama: port("AION_OLLAMA_PORT", usual.ollama),
            llama_cpp: port("AION_LLAMA_CPP_PORT", usual.llama_cpp),
        }
    }
}

/// Which server it is, by where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LocalServer {
    /// Ollama.
    Ollama,
    /// llama.cpp's `llama-server`.
    LlamaCpp,
}

impl fmt::Display for LocalServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ollama => "Ollama",
            Self::LlamaCpp => "llama.cpp",
        })
    }
}

/// A server that was found, with at least one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LocalEndpoint {
    /// Which one.
    pub server: LocalServer,
    /// What a ModelEndpoint for it says as `baseUrl`.
    pub base_url: String,
    /// Its models, as it lists them.
    pub models: Vec<String>,
}

/// No model was found on this machine; says how to get one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no model answers on this machine: {seen}")]
pub(super) struct NoLocalModel {
    /// What was found where.
    pub seen: String,
}

impl NoLocalModel {
    /// What to do about it.
    pub(super) fn how_to(&self) -> &'static str {
        HOW_TO
    }
}

const HOW_TO: &str = "install Ollama (https://ollama.com/download) and run `ollama pull qwen3`, \
or start llama.cpp with `llama-server -m MODEL.gguf`; or name a model elsewhere with a ModelEndpoint";

/// Asks Ollama and llama.cpp, in this order, for their models.
///
/// # Errors
/// [`NoLocalModel`] where none has a model; its text is for people.
pub(super) async fn discover_local(ports: LocalPorts) -> Result<Vec<LocalEndpoint>, NoLocalModel> {
    // Offline, whatever the node is: nothing but this machine is asked.
    let outbound = Outbound::new(Rule {
        offline: true,
        place: Place::Standalone,
        nodes: NodeAddresses::none(),
    });
    let (ollama, llama_cpp) = tokio::join!(
        ask(&outbound, LocalServer::Ollama, ports.ollama),
        ask(&outbound, LocalServer::LlamaCpp, ports.llama_cpp)
    );
    let (mut found, mut seen) = (Vec::new(), Vec::new());
    for asked in [ollama, llama_cpp] {
        match asked {
            Ok(endpoint) => found.push(endpoint),
            Err(why) => seen.push(why),
        }
    }
    if found.is_empty() {
        Err(NoLocalModel {
            seen: seen.join(", "),
        })
    } else {
        Ok(found)
    }
}

#[derive(Deserialize)]
struct Listed {
    data: Option<Vec<Model>>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

async fn ask(outbound: &Outbound, server: LocalServer, port: u16) -> Result<LocalEndpoint, String> {
    let base_url = format!("http://127.0.0.1:{port}/v1");
    let endpoint = Endpoint {
        name: server.to_string(),
        tenant: Tenant::default(),
        url: base_url.clone(),
        secret: None,
    };
    let (client, _) = outbound
        .client(&endpoint)
        .map_err(|problem| problem.detail)?;
    let listed = async {
        let none = || format!("nothing listens where {server} would (port {port})");
        let response = client
            .get(format!("{base_url}/models"))
            .send()
            .await
            .map_err(|_| none())?;
        let other = || format!("what listens on port {port} is not {server}");
        if !response.status().is_success() {
            return Err(other());
        }
        let body = read_at_most(response, MAX_ANSWER)
            .await
            .map_err(|_| other())?;
        // Ollama lists null where it has no model.
        serde_json::from_slice::<Listed>(&body).map_err(|_| other())
    };
    let listed = tokio::time::timeout(TIMEOUT, listed)
        .await
        .unwrap_or_else(|_| Err(format!("what listens on port {port} does not answer")))?;
    let models: Vec<String> = listed
        .data
        .unwrap_or_default()
        .into_iter()
        .map(|model| model.id)
        .collect();
    if models.is_empty() {
        return Err(format!(
            "{server} listens on port {port} and has no model yet"
        ));
    }
    Ok(LocalEndpoint {
        server,
        base_url,
        models,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::{Json, Router, routing::get};
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::*;

    async fn listing(answer: Value) -> u16 {
        let app = Router::new().route("/v1/models", get(move || async move { Json(answer) }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, app).await });
        port
    }

    /// A port where nothing listens.
    async fn nobody() -> u16 {
        TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    }

    #[tokio::test]
    async fn a_server_is_found_with_its_models() {
        let ollama =
            listing(json!({"object": "list", "data": [{"id": "qwen3:4b"}, {"id": "llama3.2"}]}))
                .await;
        let found = discover_local(LocalPorts {
            ollama,
            llama_cpp: nobody().await,
        })
        .await
        .unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].server, LocalServer::Ollama);
        assert_eq!(found[0].base_url, format!("http://127.0.0.1:{ollama}/v1"));
        assert_eq!(found[0].models, ["qwen3:4b", "llama3.2"]);
    }

    #[tokio::test]
    async fn without_one_it_is_said_what_was_seen_and_how_to_get_one() {
        let empty = listing(json!({"object": "list", "data": null})).await;
        let other = listing(json!("something else")).await;
        let none = discover_local(LocalPorts {
            ollama: empty,
            llama_cpp: other,
        })
        .await
        .unwrap_err();
        let text = format!("{none}: {}", none.how_to());
        for part in [
            "has no model yet",
            "is not llama.cpp",
            "ollama pull",
            "llama-server",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let ports = LocalPorts {
            ollama: nobody().await,
            llama_cpp: nobody().await,
        };
        let text = discover_local(ports).await.unwrap_err().to_string();
        assert!(text.contains("nothing listens"), "{text}");
    }
}
