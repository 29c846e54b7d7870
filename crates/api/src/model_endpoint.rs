//! `ModelEndpoint`: where models answer.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::program::{ModelPurpose, SecretKey};
use crate::schema::{URL, said};

/// Where models answer.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema,
)]
#[kube(
    group = "aion.dev",
    version = "v1alpha1",
    kind = "ModelEndpoint",
    namespaced,
    shortname = "me",
    category = "aion",
    derive = "Default",
    derive = "PartialEq",
    doc = "Where models answer: a server that speaks the OpenAI protocol, on this machine (Ollama, llama.cpp, vLLM) or elsewhere. Agents name it as ENDPOINT/MODEL.",
    printcolumn(
        name = "URL",
        type_ = "string",
        json_path = ".spec.baseUrl",
        description = "Where it is."
    ),
    printcolumn(
        name = "Models",
        type_ = "string",
        json_path = ".spec.models[*].name",
        description = "What it offers."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Since when it is there."
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.provider == 'local') != has(self.baseUrl)").message("provider local is looked for on the machine, so leave baseUrl out; every other provider needs a baseUrl"),
    validation = Rule::new("self.provider == 'local' || (has(self.models) && self.models.size() > 0)").message(said("models are not listed", "name at least one that the server offers")),
)]
pub struct ModelEndpointSpec {
    /// How it is reached: openai (the default) at baseUrl, by the protocol that most servers speak; local
    /// is whatever model server runs on the machine itself, Ollama or llama.cpp.
    #[serde(default)]
    pub provider: Provider,
    /// The address before /chat/completions, such as http://127.0.0.1:11434/v1. Not with provider local.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 1024), regex(pattern = URL))]
    pub base_url: Option<String>,
    /// The models agents may use. The first chat model is the one that an agent gets by naming only the
    /// endpoint. With provider local it may be left out: then every model of the machine may be named, and
    /// who names none gets the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub models: Vec<Model>,
    /// The key that is sent as a bearer token, as a reference to a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretKey>,
    /// Calls it is given at once by each node, 4 unless said otherwise. One slow endpoint holds up
    /// nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub max_concurrent: Option<i32>,
    /// Seconds a call may take, 120 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: Option<i32>,
}

/// How an endpoint is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// OpenAI-compatible: `/chat/completions`, `/embeddings`, `/models`.
    #[default]
    Openai,
    /// A server of that protocol on the machine that the agent runs on, found by asking where Ollama and
    /// llama.cpp listen. On a machine standing alone only: in a cluster the agent is told so when it asks.
    Local,
}

/// A model of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// The name that agents write and that is sent to the server, such as qwen3 or llama3.2:3b.
    #[schemars(
        length(min = 1, max = 189),
        regex(pattern = r"^[A-Za-z0-9][-._:/@A-Za-z0-9]*$")
    )]
    pub name: String,
    /// What it is for: chat (the default) or embedding.
    #[serde(default)]
    pub purpose: ModelPurpose,
    /// Tokens that fit into its context; what does not fit is cut before it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 256, max = 100_000_000))]
    pub context_tokens: Option<i32>,
}
