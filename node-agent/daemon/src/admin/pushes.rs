//! Whom the end of a turn is told to: naming one, looking, taking it back.

use std::sync::Arc;

use aion_abi::push::{Push, Pushes};
use aion_abi::{code::Code, problem::Problem};
use aion_kernel::TurnId;
use aion_serve::{Json, Path};
use axum::extract::State;
use serde_json::{Value, json};

use super::{Admin, answer::Refused};

pub(super) async fn judge(
    State(admin): State<Arc<Admin>>,
    Json(push): Json<Push>,
) -> Result<Json<Value>, Refused> {
    admin.pushes.judge(&push)?;
    Ok(Json(json!({})))
}

/// Whether any is taken at all.
pub(super) async fn granted(State(admin): State<Arc<Admin>>) -> Json<Value> {
    Json(json!({"granted": admin.pushes.is_granted()}))
}

pub(super) async fn add(
    State(admin): State<Arc<Admin>>,
    Path(turn): Path<u64>,
    Json(push): Json<Push>,
) -> Result<Json<Push>, Refused> {
    known(&admin, turn)?;
    let pushes = admin.pushes.clone();
    let added = tokio::task::spawn_blocking(move || pushes.add(TurnId(turn), push)).await;
    let added = added.map_err(|error| Refused::internal(error.to_string()))?;
    Ok(Json(added?))
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Path(turn): Path<u64>,
) -> Result<Json<Pushes>, Refused> {
    known(&admin, turn)?;
    let items = admin.pushes.of(TurnId(turn));
    Ok(Json(Pushes { items }))
}

pub(super) async fn remove(
    State(admin): State<Arc<Admin>>,
    Path((turn, id)): Path<(u64, String)>,
) -> Result<Json<Value>, Refused> {
    known(&admin, turn)?;
    let pushes = admin.pushes.clone();
    let removed = tokio::task::spawn_blocking(move || pushes.remove(TurnId(turn), &id)).await;
    let removed = removed.map_err(|error| Refused::internal(error.to_string()))?;
    removed.map_err(|error| Refused::internal(format!("it cannot be taken back: {error}")))?;
    Ok(Json(json!({})))
}

fn known(admin: &Admin, turn: u64) -> Result<(), Problem> {
    match admin.turns.known(TurnId(turn)) {
        Some(_) => Ok(()),
        None => Err(
            Problem::new(Code::NotFound, format!("there is no turn {turn}"))
                .remedy("the newest turns of each agent are kept, older ones are not"),
        ),
    }
}
