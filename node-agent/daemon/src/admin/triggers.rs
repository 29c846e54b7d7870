//! Triggers: what they did and do next, starting one by hand, and deliveries of webhooks.

use std::sync::Arc;

use aion_abi::trigger::{Fired, Triggers};
use aion_serve::{Json, Path};
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};

use super::{Admin, agents, answer::Refused};
use crate::triggers::Delivery;

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Json<Triggers> {
    let items = admin.triggers.states(None);
    Json(Triggers { items })
}

pub(super) async fn of_agent(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
) -> Result<Json<Triggers>, Refused> {
    agents::known(&admin, &namespace, &agent)?;
    let items = admin.triggers.states(Some(&format!("{namespace}/{agent}")));
    Ok(Json(Triggers { items }))
}

pub(super) async fn fire(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, trigger)): Path<(String, String, String)>,
) -> Result<(StatusCode, Json<Fired>), Refused> {
    agents::known(&admin, &namespace, &agent)?;
    let agent = format!("{namespace}/{agent}");
    let fired = admin.triggers.fire(&agent, &trigger).await?;
    Ok((StatusCode::ACCEPTED, Json(fired)))
}

/// Whatever is at the address, who signs nothing is told the same.
pub(super) async fn deliver(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, trigger)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Fired>), Refused> {
    let delivery = Delivery {
        agent: format!("{namespace}/{agent}"),
        trigger,
        headers,
        body,
    };
    let fired = admin.triggers.deliver(delivery).await?;
    let status = match fired.repeated {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    Ok((status, Json(fired)))
}
