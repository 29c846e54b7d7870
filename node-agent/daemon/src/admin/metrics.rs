//! `/metrics`, `/healthz`, `/readyz`: for machines that watch the node. No secrets, so no token.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, routing::get};

use super::Admin;

pub(super) fn probes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Result<String, (StatusCode, String)> {
    if let Some(load) = admin.shell.look(aion_kernel::Kernel::load).await {
        admin.telemetry.load(&load);
    }
    admin.telemetry.has_room(admin.shell.has_room());
    admin
        .telemetry
        .render()
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// The kernel answers.
async fn alive(State(admin): State<Arc<Admin>>) -> (StatusCode, &'static str) {
    match admin.shell.look(|_| ()).await {
        Some(()) => (StatusCode::OK, "ok\n"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the kernel has stopped\n"),
    }
}

/// New turns would be taken and started.
async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, &'static str) {
    if admin.leaving.has_begun() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "the node agent is being stopped\n",
        );
    }
    if !admin.shell.has_room() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the journal has no room\n");
    }
    if admin.features.borrow().is_none() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "the launcher does not answer\n",
        );
    }
    alive(State(admin)).await
}
