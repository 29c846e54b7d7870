//! Why there is no answer, or not the one that was wanted.

use std::{error::Error, io};

use aion_abi::problem::Problem;
use thiserror::Error;

/// Why there is no answer, or not the one that was wanted.
#[derive(Debug, Error)]
pub enum ClientError {
    /// There is no connection: nothing listens, or what does shows a certificate that does not hold. Nothing was sent.
    #[error("nothing answers at {at}: {why}")]
    Unreachable {
        /// The address.
        at: String,
        /// Why the connection was not made.
        why: io::Error,
    },
    /// The caller may not open the socket.
    #[error("{at} belongs to another user")]
    Forbidden {
        /// The address.
        at: String,
    },
    /// The connection broke on the way: what was sent may have been taken.
    #[error("the connection to {at} broke: {why}")]
    Broken {
        /// The address.
        at: String,
        /// How.
        why: String,
    },
    /// The node refused, and says why; or no node could take what was asked.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// Something else than a node answered.
    #[error("{at} does not speak as a node of this version does: {why}")]
    Unexpected {
        /// The address.
        at: String,
        /// What came instead.
        why: String,
    },
}

impl From<Problem> for ClientError {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl ClientError {
    /// What the HTTP client tells, told as this module does.
    pub(crate) fn of(at: &str, error: &reqwest::Error) -> Self {
        let at = at.to_owned();
        let refused = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
        match refused {
            Some(why) if error.is_connect() && why.kind() == io::ErrorKind::PermissionDenied => {
                Self::Forbidden { at }
            }
            why if error.is_connect() => {
                let why = match why.and_then(io::Error::raw_os_error) {
                    Some(number) => io::Error::from_raw_os_error(number),
                    None if error.is_timeout() => io::ErrorKind::TimedOut.into(),
                    // TLS has none.
                    None => io::Error::new(
                        why.map_or(io::ErrorKind::Other, io::Error::kind),
                        innermost(error),
                    ),
                };
                Self::Unreachable { at, why }
            }
            _ => Self::Broken {
                at,
                why: innermost(error),
            },
        }
    }
}

/// The last cause says what happened; those before it say what it happened to, with the address.
fn innermost(error: &reqwest::Error) -> String {
    match causes(error).last() {
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    }
}

fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| {
        let cause: &'a (dyn Error + 'static) = *cause;
        cause.source()
    })
}
