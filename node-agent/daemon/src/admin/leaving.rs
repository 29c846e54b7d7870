//! How far a node agent that was told to stop is on its way out, and what is still taken meanwhile.
//!
//! | stage | new work | what is looked at | probes |
//! |---|---|---|---|
//! | serving | taken | answered | ready |
//! | draining: running turns have time to end | 503 | answered | not ready |
//! | closing: the state is being stored | 503 | 503 | not ready |
//!
//! What may not enter: when a stage begins, which [`crate::node`] decides.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::watch;

use super::answer::Refused;
use crate::call::restarting;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    Draining,
    Closing,
}

/// The stage that a node agent is in. Clones share it.
#[derive(Debug, Clone)]
pub struct Leaving {
    stage: Arc<watch::Sender<Stage>>,
}

impl Default for Leaving {
    fn default() -> Self {
        Self {
            stage: Arc::new(watch::Sender::new(Stage::Serving)),
        }
    }
}

impl Leaving {
    /// From here on nothing new is taken.
    pub(crate) fn drain(&self) {
        self.stage.send_replace(Stage::Draining);
    }

    /// From here on every request is refused, and streams end.
    pub(crate) fn close(&self) {
        self.stage.send_replace(Stage::Closing);
    }

    /// Whether it was told to stop.
    pub(super) fn has_begun(&self) -> bool {
        *self.stage.borrow() > Stage::Serving
    }

    /// Waits until streams are to end.
    pub(super) fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stage = self.stage.subscribe();
        async move {
            // The sender is held by whoever serves.
            let _ = stage.wait_for(|it| *it == Stage::Closing).await;
        }
    }

    fn refuses(&self, method: &Method, route: &str) -> bool {
        match *self.stage.borrow() {
            Stage::Serving => false,
            // A turn may still be given up: that ends work. And one that runs may come to its end, also elsewhere.
            Stage::Draining => {
                !matches!(*method, Method::GET | Method::HEAD | Method::DELETE)
                    && !route.contains("/programs/")
            }
            Stage::Closing => true,
        }
    }
}

/// Refuses what is not taken any more, whoever asks, and has its connection closed.
pub(super) async fn check(
    State(leaving): State<Leaving>,
    route: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    if !leaving.refuses(request.method(), route.as_str()) {
        return next.run(request).await;
    }
    let mut response = Refused(restarting()).into_response();
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
