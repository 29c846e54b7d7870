//! `/v1/models`: the agents, by the names they are asked by, and the models that they lend to programs.

use aion_abi::{code::Code, problem::Problem};
use aion_route::Agent;
use aion_serve::path_is_wrong;
use axum::{
    Json,
    extract::{Path, rejection::PathRejection},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Failed, named::Named};
use crate::{
    asked::Asked,
    gateway::{AUTO, Gateway},
};

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
        Self {
            id: gateway.short(&agent),
            object: "model",
            created: created(&agent),
            owned_by: agent.namespace,
            description: agent.description,
        }
    }

    /// A model of an agent.
    fn lent(id: String, agent: &Agent) -> Self {
        Self {
            id,
            object: "model",
            created: created(agent),
            owned_by: format!("{}/{}", agent.namespace, agent.name),
            description: None,
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

fn created(agent: &Agent) -> i64 {
    let created = agent.created_at.as_deref();
    let created = created.and_then(|at| at.parse::<jiff::Timestamp>().ok());
    created.map_or(0, jiff::Timestamp::as_second)
}

pub(crate) async fn list(Asked(gateway): Asked) -> Result<Json<List>, Failed> {
    let agents = gateway.agents_as_applied(None).await?.into_iter();
    let agents = agents.flat_map(|(agent, resource)| {
        let lent = gateway.lent(&agent, &resource).into_iter();
        let lent: Vec<_> = lent.map(|id| Model::lent(id, &agent)).collect();
        std::iter::once(Model::of(&gateway, agent)).chain(lent)
    });
    Ok(Json(List {
        object: "list",
        data: std::iter::once(Model::auto(&gateway))
            .chain(agents)
            .collect(),
    }))
}

pub(crate) async fn get(
    Asked(gateway): Asked,
    model: Result<Path<String>, PathRejection>,
) -> Result<Json<Model>, Failed> {
    let Path(model) = model.map_err(|why| path_is_wrong(&why))?;
    if model == AUTO {
        return Ok(Json(Model::auto(&gateway)));
    }
    if let Some(Named { agent, .. }) = gateway.named(&model) {
        let (agent, resource) = gateway.agent_as_applied(agent.0, agent.1).await?;
        let mut lent = gateway.lent(&agent, &resource).into_iter();
        return match lent.find(|it| *it == model) {
            Some(id) => Ok(Json(Model::lent(id, &agent))),
            None => {
                let what = format!("agent {} lends no model {model}", agent.name);
                let remedy = "GET /v1/models lists what there is";
                Err(Problem::new(Code::NotFound, what).remedy(remedy).into())
            }
        };
    }
    let (namespace, name) = gateway.long(&model);
    let agent = gateway.agent(namespace, name).await?;
    Ok(Json(Model::of(&gateway, agent)))
}
