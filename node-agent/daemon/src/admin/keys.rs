//! API keys: making and revoking them, and whose request it is at a gateway.

use std::sync::Arc;

use aion_abi::{
    code::Code,
    key::{Admit, Admitted, Issuers, Key, Keys as Listed, Made, NewKey},
    problem::Problem,
};
use aion_serve::{Json, Path};
use axum::extract::State;

use super::{
    Admin,
    answer::Refused,
    held::{ByKey, held},
};
use crate::keys::{KeyError, Keys};

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Json<Listed> {
    Json(admin.keys.list())
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
) -> Result<Json<Key>, Refused> {
    let shown: String = name.chars().take(100).collect();
    let unknown = || Refused::not_found(format!("there is no key {shown}"));
    admin.keys.get(&name).map(Json).ok_or_else(unknown)
}

pub(super) async fn make(
    State(admin): State<Arc<Admin>>,
    Json(wanted): Json<NewKey>,
) -> Result<Json<Made>, Refused> {
    change(&admin, move |keys| keys.make(wanted)).await
}

pub(super) async fn revoke(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
) -> Result<Json<Key>, Refused> {
    change(&admin, move |keys| keys.revoke(&name)).await
}

async fn change<T: Send + 'static>(
    admin: &Admin,
    what: impl FnOnce(&Keys) -> Result<T, KeyError> + Send + 'static,
) -> Result<Json<T>, Refused> {
    let keys = admin.keys.clone();
    let changed = tokio::task::spawn_blocking(move || what(&keys)).await;
    let changed = changed.map_err(|error| Refused::internal(error.to_string()))?;
    Ok(Json(changed?))
}

/// Whose tokens are taken in the place of keys: who has none is told where to get one.
pub(super) async fn issuers(State(admin): State<Arc<Admin>>) -> Json<Issuers> {
    Json(Issuers {
        items: admin.keys.issuers(),
    })
}

pub(super) async fn admit(
    State(admin): State<Arc<Admin>>,
    by: ByKey,
    Json(admit): Json<Admit>,
) -> Result<Json<Admitted>, Refused> {
    let holder = held(by)?;
    if !holder.comes_by(admit.door) {
        let doors: Vec<_> = holder.doors.iter().map(|it| it.as_str()).collect();
        let what = format!("{} is not for {}", holder.name, admit.door.as_str());
        let remedy = format!("use it for {}, or make another", doors.join(", "));
        return Err(Problem::new(Code::Denied, what).remedy(remedy).into());
    }
    admin.keys.count(&holder)?;
    Ok(Json(Admitted {
        id: holder.id.clone(),
        namespace: holder.scope.namespace.clone(),
        may: holder.may.clone(),
        tokens_per_hour: holder.tokens_per_hour,
    }))
}
