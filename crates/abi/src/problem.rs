//! Errors on the wire: RFC 9457 problem details with a stable code and a remedy.

use serde::{Deserialize, Serialize};

use crate::code::Code;

/// Media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// An RFC 9457 problem. `type` is `urn:aion:problem:<code>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[error("{code}: {detail}")]
pub struct Problem {
    /// `urn:aion:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words, the same for every occurrence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened this time: what, where.
    pub detail: String,
    /// The code to match on.
    pub code: Code,
    /// What to do about it.
    pub remedy: String,
    /// The kernel's call id, where the call got that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
    /// When a retry makes sense, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// A problem with the code's own remedy.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:aion:problem:{code}"),
            title: code.as_str().replace('-', " "),
            status: code.status(),
            detail: detail.into(),
            code,
            remedy: code.remedy().to_owned(),
            call: None,
            retry_after_ms: None,
        }
    }

    /// Replaces the remedy by one that knows more.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Whether what was asked may or may not have happened: a tool that ran out of memory did something before.
    #[must_use]
    pub fn leaves_unknown(&self) -> bool {
        matches!(self.code, Code::OutcomeUnknown | Code::OutOfBounds)
    }

    /// Names the call.
    #[must_use]
    pub fn call(mut self, call: u64) -> Self {
        self.call = Some(call);
        self
    }

    /// Says when a retry makes sense.
    #[must_use]
    pub fn retry_after_ms(mut self, retry_after_ms: u64) -> Self {
        self.retry_after_ms = Some(retry_after_ms);
        self
    }
}
