//! `/v1/models`: the agents, by the names they are asked by.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;

use super::Failed;
use crate::{agents::Agent, gateway::Gateway};

#[derive(Serialize)]
pub(crate) struct List {
    object: &'static str,
    data: Vec<Model>,
}

#[derive(Serialize)]
pub(crate) struct Model {
    id: String,
    object: &'static str,
    /// Seconds since 1970.
    created: i64,
    owned_by: String,
    /// Not of OpenAI's: what it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl Model {
    fn of(gateway: &Gateway, agent: Agent) -> Self {
        let created = agent.created_at.as_deref();
        let created = created.and_then(|at| at.parse::<jiff::Timestamp>().ok());
        Self {
            id: gateway.short(&agent),
            object: "model",
            created: created.map_or(0, jiff::Timestamp::as_second),
            owned_by: agent.namespace,
            description: agent.description,
        }
    }
}

pub(crate) async fn list(State(gateway): State<Arc<Gateway>>) -> Result<Json<List>, Failed> {
    let agents = gateway.agents().await?.into_iter();
    Ok(Json(List {
        object: "list",
        data: agents.map(|agent| Model::of(&gateway, agent)).collect(),
    }))
}

pub(crate) async fn get(
    State(gateway): State<Arc<Gateway>>,
    Path(model): Path<String>,
) -> Result<Json<Model>, Failed> {
    let (namespace, name) = gateway.long(&model);
    let agent = gateway.agent(namespace, name).await?;
    Ok(Json(Model::of(&gateway, agent)))
}
