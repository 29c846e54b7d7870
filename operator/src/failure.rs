//! Why a reconciliation failed, and when it is tried again.

use std::time::Duration;

use kube::runtime::controller::Action;

/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(300);

/// Why a reconciliation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The API server does not answer, is busy, or another wrote at the same time: it is tried again soon.
    #[error("{what}: {source}")]
    Transient {
        /// What was tried.
        what: String,
        /// What the API server or the way to it says.
        source: Box<kube::Error>,
    },
    /// The API server refuses what was asked of it: only a change helps.
    #[error("{what} was refused: {source}")]
    Refused {
        /// What was tried.
        what: String,
        /// What the API server says.
        source: Box<kube::Error>,
    },
    /// What was resolved cannot be written as JSON.
    #[error("cannot write down what was resolved: {0}")]
    Json(#[from] serde_json::Error),
}

impl Failure {
    /// Sorts an error of the API by what helps against it. `what` was tried.
    pub(crate) fn of(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| {
            let refused = match &source {
                kube::Error::Api(status) => {
                    matches!(status.code, 400 | 403 | 404 | 405 | 413 | 422)
                }
                kube::Error::SerdeError(_) | kube::Error::BuildRequest(_) => true,
                _ => false,
            };
            let source = Box::new(source);
            if refused {
                Self::Refused { what, source }
            } else {
                Self::Transient { what, source }
            }
        }
    }

    /// The variant's name, for metrics.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Transient { .. } => "Transient",
            Self::Refused { .. } => "Refused",
            Self::Json(_) => "Json",
        }
    }

    /// When it is retried after `times` failures in a row: transient failures with growing delays; failures that
    /// only a change can mend when something changes, and occasionally, since a role may change unseen.
    pub(crate) fn retry(&self, times: u32) -> Action {
        match self {
            Self::Transient { .. } => Action::requeue(backoff(times)),
            Self::Refused { .. } => Action::requeue(LONGEST),
            Self::Json(_) => Action::await_change(),
        }
    }
}

/// Half a second, doubled with each failure, up to [`LONGEST`].
fn backoff(times: u32) -> Duration {
    let doublings = times.saturating_sub(1).min(16);
    Duration::from_millis(500)
        .saturating_mul(1 << doublings)
        .min(LONGEST)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn api(code: u16) -> Failure {
        let status = Status {
            code,
            ..Status::default()
        };
        Failure::of("trying")(kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_is_refused_waits() {
        for code in [409, 429, 500, 503, 504] {
            assert_eq!(api(code).label(), "Transient", "{code}");
        }
        for code in [400, 403, 404, 422] {
            assert_eq!(api(code).label(), "Refused", "{code}");
        }
        assert_eq!(
            api(503).retry(1),
            Action::requeue(Duration::from_millis(500))
        );
        assert_eq!(api(503).retry(4), Action::requeue(Duration::from_secs(4)));
        assert_eq!(api(503).retry(1000), Action::requeue(LONGEST));
    }
}
