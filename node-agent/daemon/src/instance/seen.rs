//! What is seen of an instance's workers, for its status.

use std::sync::Arc;

use aion_api::condition::Judgement;
use aion_sandbox::LayerReading;

/// What is said of an instance by what became of its workers.
#[derive(Debug, Clone)]
pub(crate) enum SeenOf {
    /// One was started, and has these layers.
    Layers(Arc<[LayerReading]>),
    /// One ended: whether it stayed within its limits.
    Limits(Judgement),
    /// A first program came from elsewhere, or the last went.
    Connection,
    /// One broke a rule of its policies, or ended and broke none.
    Rules(Judgement),
}
