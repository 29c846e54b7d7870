//! Why the node gives no answer, in the words for a client.

use std::time::Duration;

use aion_abi::{code::Code, problem::Problem};
use aion_client::ClientError;

/// What a client is told where the node gives no answer.
pub(crate) fn problem(error: ClientError) -> Problem {
    let said = error.to_string();
    match error {
        ClientError::Refused(problem) => *problem,
        ClientError::Unreachable { .. } => Problem::new(Code::Unreachable, said)
            .remedy(
                "start the node: aionctl local start; in a cluster, see kubectl get kernelnodes",
            )
            .retry_after_ms(1_000),
        ClientError::Forbidden { .. } => Problem::new(Code::Unreachable, said)
            .remedy("start aion-gateway as the user who started the node"),
        ClientError::Broken { .. } => Problem::new(Code::OutcomeUnknown, said)
            .remedy("ask again under the same idempotency key: what was taken is not done twice"),
        ClientError::Unexpected { .. } => {
            Problem::new(Code::UpstreamFailed, said).remedy("have gateway and node of one version")
        }
    }
}

/// How long a node agent that went away is waited for. A client's own patience is some minutes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A node that went away comes back, for what may be said to it again.
pub(crate) fn away(error: ClientError, remedy: &str) -> Problem {
    match error {
        ClientError::Unreachable { .. } | ClientError::Broken { .. } => {
            Problem::new(Code::Restarting, error.to_string())
                .remedy(remedy)
                .retry_after_ms(1_000)
        }
        error => problem(error),
    }
}
