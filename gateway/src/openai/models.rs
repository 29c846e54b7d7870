//! `/v1/models`: the agents, by the names they are asked by.

use std::sync::Arc;

use aion_route::Agent;
use aion_serve::path_is_wrong;
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::Failed;
use crate::gateway::{AUTO, Gateway};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ModelList")]
pub(crate) struct List {
    object: &'static str,
    data: Vec<Model>,
}

#[derive(Serialize, JsonSchema)]
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

    /// The choice among all.
    fn auto(gateway: &Gateway) -> Self {
        Self {
            id: AUTO.to_owned(),
            object: "model",
            created: 0,
            owned_by: gateway.namespace.clone(),
            description: Some("Whichever agent the question is for".to_owned()),
        }
    }
}

pub(crate) async fn list(State(gateway): State<Arc<Gateway>>) -> Result<Json<List>, Failed> {
    let agents = gateway.agents().await?.into_iter();
    let agents = agents.map(|agent| Model::of(&gateway, agent));
    Ok(Json(List {
        object: "list",
        data: std::iter::once(Model::auto(&gateway))
            .chain(agents)
            .collect(),
    }))
}

pub(crate) async fn get(
    State(gateway): State<Arc<Gateway>>,
    model: Result<Path<String>, PathRejection>,
) -> Result<Json<Model>, Failed> {
    let Path(model) = model.map_err(|why| path_is_wrong(&why))?;
    if model == AUTO {
        return Ok(Json(Model::auto(&gateway)));
    }
    let (namespace, name) = gateway.long(&model);
    let agent = gateway.agent(namespace, name).await?;
    Ok(Json(Model::of(&gateway, agent)))
}
