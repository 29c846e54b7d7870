//! What went wrong on the wire, in words that name no URL and no key.

use std::error::Error;

use aion_abi::problem::Problem;

use super::{Refusal, dial::refusal_problem};

/// The innermost causes of an error, outermost first, without repeating what a cause already says.
///
/// The outermost layer of a `reqwest` error only names the URL, which may hold what it should not, so the
/// causes are told and the layer itself only where there are none.
pub(crate) fn describe(error: &reqwest::Error) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if causes.last().is_none_or(|last| !last.contains(&text)) {
            causes.push(text);
        }
        next = cause.source();
    }
    if causes.is_empty() {
        return match () {
            () if error.is_timeout() => "timed out".to_owned(),
            () if error.is_decode() => "the answer cannot be decoded".to_owned(),
            () if error.is_body() => "the answer broke off".to_owned(),
            () => "the request failed".to_owned(),
        };
    }
    causes.join(": ")
}

/// The outbound rule's refusal, where that is why the request failed.
pub(crate) fn refusal_of(endpoint: &str, error: &(dyn Error + 'static)) -> Option<Problem> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(refusal) = cause.downcast_ref::<Refusal>() {
            return Some(refusal_problem(endpoint, refusal));
        }
        next = cause.source();
    }
    None
}
