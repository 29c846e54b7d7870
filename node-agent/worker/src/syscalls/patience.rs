//! A syscall that waits until the agent's calls of a minute, or at once, are there again: a large folder takes more of them
//! than a minute has, and so may a workflow. A turn's end ends the waiting, too.

use std::time::Duration;

use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::syscall::Syscall;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Syscalls;

/// A quota of a longer time is not waited for.
const LONGEST: Duration = Duration::from_secs(60);

/// The answer to `request`, which may be asked for again.
pub(crate) async fn call<Q: Serialize, A: DeserializeOwned>(
    syscalls: &impl Syscalls,
    syscall: Syscall,
    request: &Q,
) -> Result<A, Problem> {
    patiently(async || syscalls.call(syscall, request).await).await
}

/// The outcome of `attempt`, made again while it is refused for a quota that comes back soon.
pub(crate) async fn patiently<A>(
    attempt: impl AsyncFn() -> Result<A, Problem>,
) -> Result<A, Problem> {
    loop {
        let problem = match attempt().await {
            Err(problem) if problem.code == Code::QuotaExceeded => problem,
            outcome => return outcome,
        };
        match problem.retry_after_ms.map(Duration::from_millis) {
            Some(wait) if wait <= LONGEST => tokio::time::sleep(wait).await,
            _ => return Err(problem),
        }
    }
}
