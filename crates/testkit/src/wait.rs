//! Waiting for something to become true, by asking again and again.

use std::{
    thread,
    time::{Duration, Instant},
};

/// What did not come true.
#[derive(Debug, thiserror::Error)]
#[error("{what} did not happen: {last}")]
pub struct WaitError {
    /// What was waited for.
    pub what: String,
    /// The last answer, or the log of what ended in the meantime.
    pub last: String,
}

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks until the answer is `Ok`, at most for `bound`. The bound is there for what
/// never happens; it is not a measurement, so choose it generously.
///
/// # Errors
/// [`WaitError`] with the last answer.
pub fn until<T>(
    what: &str,
    bound: Duration,
    mut ask: impl FnMut() -> Result<T, String>,
) -> Result<T, WaitError> {
    let end = Instant::now() + bound;
    loop {
        match ask() {
            Ok(value) => return Ok(value),
            Err(last) if Instant::now() >= end => {
                return Err(WaitError {
                    what: format!("{what} (waited {bound:?})"),
                    last,
                });
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
