//! Why a step of a reconciliation failed, and when it is tried again.
//!
//! A [`Failure`] is what helps against it; a step's own error, made by [`step_errors`], says what it was at. What may not
//! enter: a step.

use std::time::Duration;

use aion_backoff::Backoff;
use kube::runtime::controller::Action;

/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(300);

/// Between two tries of what may pass.
pub(crate) const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), LONGEST);

/// The error of a step, or of a controller.
pub(crate) trait StepError: std::error::Error {
    /// What the step was at: the variant's name, for metrics.
    fn label(&self) -> &'static str;

    /// What the API server says, and so what helps.
    fn failure(&self) -> &Failure;
}

/// Makes the error of a step: an enum with a variant for each thing that the step does.
macro_rules! step_errors {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident),* $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, thiserror::Error)]
        pub(crate) enum $name {
            $($(#[$what])* #[error(transparent)] $variant(crate::failure::Failure)),*
        }

        impl crate::failure::StepError for $name {
            fn label(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($variant)),* }
            }

            fn failure(&self) -> &crate::failure::Failure {
                match self { $(Self::$variant(failure) => failure),* }
            }
        }
    };
}

/// Makes the error of a controller: that of one of its steps.
macro_rules! controller_error {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $step:ident($error:ty)),* $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, thiserror::Error)]
        pub(crate) enum $name {
            $($(#[$what])* #[error(transparent)] $step(#[from] $error)),*
        }

        impl crate::failure::StepError for $name {
            fn label(&self) -> &'static str {
                match self { $(Self::$step(error) => error.label()),* }
            }

            fn failure(&self) -> &crate::failure::Failure {
                match self { $(Self::$step(error) => error.failure()),* }
            }
        }
    };
}

pub(crate) use {controller_error, step_errors};

/// Why the API server did not take what a step wrote.
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

    /// When it is retried: transient failures after `pause`, which grows; failures that only a change can mend when
    /// something changes, and occasionally, since a role may change unseen.
    pub(crate) fn retry(&self, pause: Duration) -> Action {
        match self {
            Self::Transient { .. } => Action::requeue(pause),
            Self::Refused { .. } => Action::requeue(Backoff::after(LONGEST)),
            Self::Json(_) => Action::await_change(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

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
        let pause = Duration::from_millis(700);
        for code in [409, 429, 500, 503, 504] {
            assert_eq!(api(code).retry(pause), Action::requeue(pause), "{code}");
        }
        for code in [400, 403, 404, 422] {
            // Not all in the same second: what refused them may be one rule.
            let retries = || format!("{:?}", api(code).retry(pause));
            let apart: HashSet<String> = (0..32).map(|_| retries()).collect();
            assert!(apart.len() > 16, "{code}: {apart:?}");
            assert_ne!(api(code).retry(pause), Action::await_change(), "{code}");
        }
    }

    step_errors! {
        /// Of a step.
        Trying {
            /// One thing.
            First,
            /// Another.
            Second,
        }
    }

    controller_error! {
        /// Of a controller.
        Error {
            /// A step.
            Trying(Trying),
        }
    }

    #[test]
    fn an_error_names_what_its_step_was_at_and_says_what_helps() {
        let error = Error::from(Trying::Second(api(503)));
        assert_eq!(error.label(), "Second");
        assert!(matches!(error.failure(), Failure::Transient { .. }));
        assert!(error.to_string().starts_with("trying: "), "{error}");
        assert_eq!(Trying::First(api(503)).label(), "First");
    }
}
