//! Whether it lives, and whether it knows where agents are: for a kubelet, which has no token.

use axum::{Router, http::StatusCode, routing::get};

pub(crate) fn router(is_ready: impl Fn() -> bool + Clone + Send + Sync + 'static) -> Router {
    let ready = move || {
        let is_ready = is_ready();
        async move {
            match is_ready {
                true => (StatusCode::OK, "ok\n"),
                false => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "it has not seen yet where agents are\n",
                ),
            }
        }
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
}
