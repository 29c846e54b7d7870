//! How a device is asked by HTTP, with nothing left to fill in.

use aion_api::program::SecretKey;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// What stands before every path: `http://` or `https://`, a host, and no slash at the end.
    pub url: String,
    /// Milliseconds between two questions.
    pub every_ms: u64,
    /// Milliseconds that an answer may take, all of it.
    pub timeout_ms: u64,
    /// Headers of every request, by their names in lower case.
    pub headers: Vec<(String, Shown)>,
    /// Who asks, and where the password is.
    pub basic: Option<(String, SecretKey)>,
    /// Where the token is that is shown.
    pub bearer: Option<SecretKey>,
    /// Where the authority is whose certificates alone count.
    pub authority: Option<SecretKey>,
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// This.
    Text(String),
    /// What a secret holds.
    Secret(SecretKey),
}

impl Http {
    /// After how many milliseconds without an answer what it said is stale, unless its model says so: three questions were not
    /// answered. It holds whatever became of whoever asks.
    #[must_use]
    pub fn stale_ms(&self) -> u64 {
        self.every_ms
            .saturating_mul(3)
            .saturating_add(self.timeout_ms.saturating_mul(2))
    }
}
