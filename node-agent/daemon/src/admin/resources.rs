//! Resources of a machine standing alone. In a cluster the API server has them, and this says so.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aion_abi::{
    admin::{ApplyRequest, ApplyResponse},
    code::Code,
    problem::Problem,
};
use aion_api::{
    condition::{self, Judgement, READY, reason},
    crd::{KINDS, kind_of_plural},
};
use aion_drivers::memory::PoolId;
use aion_serve::{Json, Path, Query};
use axum::extract::State;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde_json::{Value, json};

use super::{Admin, answer::Refused, held::ByKey};
use crate::instances::{Folder, folder::ObjectKey, runtimes};

/// In a path: the namespace of a cluster-wide resource.
const NO_NAMESPACE: &str = "-";
/// How long a deletion waits for the end of an agent's turns and the erasing of what it left.
const ERASING: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

pub(super) async fn apply(
    State(admin): State<Arc<Admin>>,
    Json(request): Json<ApplyRequest>,
) -> Result<Json<ApplyResponse>, Refused> {
    let folder = folder(&admin)?;
    let applied = tokio::task::spawn_blocking(move || folder.apply(&request)).await;
    let applied = applied.map_err(|error| Refused::internal(error.to_string()))??;
    Ok(Json(applied))
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Path(plural): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    by: ByKey,
) -> Result<Json<Value>, Refused> {
    let folder = folder(&admin)?;
    let kind = kind(&plural)?;
    let mut items = match kind {
        "KernelNode" => vec![this_node(&admin, &folder)],
        kind => folder.list(kind, query.get("namespace").map(String::as_str)),
    };
    items.retain(|it| admin.is_shown(&by, it));
    Ok(Json(json!({ "items": items })))
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    Path((plural, namespace, name)): Path<(String, String, String)>,
) -> Result<Json<Value>, Refused> {
    let folder = folder(&admin)?;
    let kind = kind(&plural)?;
    let found = match kind {
        "KernelNode" => Some(this_node(&admin, &folder)).filter(|_| name == admin.node),
        kind => folder.get(&object_key(kind, &namespace, &name)),
    };
    found
        .map(Json)
        .ok_or_else(|| missing(kind, bare(&namespace), &name))
}

pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    Path((plural, namespace, name)): Path<(String, String, String)>,
) -> Result<Json<Value>, Refused> {
    let folder = folder(&admin)?;
    let kind = kind(&plural)?;
    let key = object_key(kind, &namespace, &name);
    let namespace = bare(&namespace);
    let found = folder
        .get(&key)
        .ok_or_else(|| missing(kind, namespace, &name))?;
    if kind == "MemoryPool" {
        erase(&admin, &folder, &found, namespace, &name).await?;
    }
    let manifests = folder.clone();
    let deleted = tokio::task::spawn_blocking(move || manifests.delete(&key)).await;
    deleted.map_err(|error| Refused::internal(error.to_string()))??;
    if kind == "Agent" {
        erased(&folder, namespace, found["metadata"]["name"].as_str()).await?;
    }
    Ok(Json(found))
}

/// A pool is erased before it is gone, and only once nobody uses it.
async fn erase(
    admin: &Admin,
    folder: &Folder,
    pool: &Value,
    namespace: &str,
    name: &str,
) -> Result<(), Refused> {
    let users = folder.users_of_pool(namespace, name);
    if !users.is_empty() {
        return Err(Problem::new(
            Code::AlreadyExists,
            format!("agents {} still use the pool", users.join(", ")),
        )
        .remedy("delete those agents first, or take the pool out of them")
        .into());
    }
    let id = PoolId {
        tenant: namespace.into(),
        pool: name.to_owned(),
        uid: pool["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    };
    Ok(admin.memory.erase(&id).await?)
}

/// Waits until an agent's turns have ended and what it left is erased.
async fn erased(folder: &Folder, namespace: &str, agent: Option<&str>) -> Result<(), Refused> {
    let agent = agent.unwrap_or_default();
    let rid = async {
        while !folder.is_rid_of(namespace, agent) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(ERASING, rid).await.map_err(|_| {
        Problem::new(
            Code::DeadlineExceeded,
            format!("agent {agent} is deleted, and what it left is not erased yet"),
        )
        .remedy("it is tried on: see the daemon's log. One of its name that is applied meanwhile begins after that")
        .into()
    })
}

fn this_node(admin: &Admin, folder: &Folder) -> Value {
    let features = admin.features.borrow().clone().unwrap_or_default();
    let enforced = features.iter().filter(|layer| layer.is_enforced());
    let layers: Vec<_> = enforced.map(|layer| layer.name).collect();
    let ready = match admin.features.borrow().is_some() {
        true => Judgement::new(READY, true, reason::OK, "it takes turns"),
        false => Judgement::new(
            READY,
            false,
            reason::PENDING,
            "the launcher does not answer: is aion-launcher running?",
        ),
    };
    let started = i64::try_from(admin.clock.started().0).unwrap_or_default();
    let since = Time(Timestamp::from_millisecond(started).unwrap_or_default());
    let conditions = condition::write(&[], &[ready], None, &since);
    json!({
        "apiVersion": aion_api::API_VERSION,
        "kind": "KernelNode",
        "metadata": {"name": admin.node},
        "spec": {"scheduling": "allow"},
        "status": {
            "capacity": folder.capacity(),
            "layers": layers,
            "runtimes": runtimes(&layers),
            "volumes": admin.mounts.all().keys().collect::<Vec<_>>(),
            "version": env!("CARGO_PKG_VERSION"),
            "conditions": conditions,
        },
    })
}

fn folder(admin: &Admin) -> Result<Folder, Refused> {
    admin.folder.clone().ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            "in a cluster the Kubernetes API has the resources",
        )
        .remedy("use kubectl, or aionctl with the cluster's kubeconfig")
        .into()
    })
}

fn kind(plural: &str) -> Result<&'static str, Refused> {
    kind_of_plural(plural).map(|it| it.name).ok_or_else(|| {
        let known: Vec<_> = KINDS.iter().map(|it| it.plural).collect();
        let shown: String = plural.chars().take(100).collect();
        Problem::new(Code::NotFound, format!("there is no kind {shown}"))
            .remedy(format!("one of {}", known.join(", ")))
            .into()
    })
}

fn object_key(kind: &'static str, namespace: &str, name: &str) -> ObjectKey {
    ObjectKey {
        kind,
        namespace: bare(namespace).to_owned(),
        name: name.to_owned(),
    }
}

fn bare(namespace: &str) -> &str {
    match namespace {
        NO_NAMESPACE => "",
        other => other,
    }
}

fn missing(kind: &str, namespace: &str, name: &str) -> Refused {
    let place = match namespace {
        "" => String::new(),
        namespace => format!(" in namespace {namespace}"),
    };
    let shown: String = name.chars().take(100).collect();
    Refused::not_found(format!("there is no {kind} {shown}{place}"))
}
