//! Which agents there are.

use std::sync::Arc;

use aion_serve::Refused;
use axum::{
    Json,
    extract::{Path, Query, State},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::Within;
use crate::{agents::Agent, gateway::Gateway};

/// All of them.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AgentList")]
pub(crate) struct List {
    items: Vec<Agent>,
}

/// Those of a namespace, where one is named.
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Query(within): Query<Within>,
) -> Result<Json<List>, Refused> {
    let mut items = gateway.agents().await?;
    if let Some(namespace) = within.namespace {
        items.retain(|agent| agent.namespace == namespace);
    }
    Ok(Json(List { items }))
}

pub(crate) async fn get(
    State(gateway): State<Arc<Gateway>>,
    Path(agent): Path<String>,
    Query(within): Query<Within>,
) -> Result<Json<Agent>, Refused> {
    let found = gateway.agent(within.or(&gateway), &agent).await?;
    Ok(Json(found))
}
