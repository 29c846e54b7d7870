//! What is wrong with a certificate at a moment.

use aion_api::condition::reason;
use k8s_openapi::jiff::Timestamp;

use super::State;

/// Of a certificate's time, what is left when it is told that it ends: one in so many parts. Who renews in time has done it
/// long before; cert-manager does when a third is left.
const LAST: i64 = 10;

/// When a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// What is wrong, as a condition has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// One of [`reason`]'s words.
    pub(crate) reason: &'static str,
    /// For a person. It stays the same while nothing changes.
    pub(crate) message: String,
}

impl State {
    /// The worst that is to be said at `now`.
    pub(crate) fn trouble(&self, now: Timestamp) -> Option<Trouble> {
        let Validity { from, until } = self.validity;
        let trouble = |reason, message| Some(Trouble { reason, message });
        let refused = match &self.refused {
            Some(why) => format!("; what its files hold now is not used: {why}"),
            None => String::new(),
        };
        if now > until || now < from {
            let message = format!(
                "the certificate of the node agent's interface holds from {from} until {until}, so nobody who checks it can ask this node: renew it, or set the clock{refused}"
            );
            return trouble(reason::CERTIFICATE_NOT_VALID, message);
        }
        if let Some(why) = &self.refused {
            let message = format!(
                "the files of the node agent's certificate hold what is not used, and the one before is in force until {until}: {why}"
            );
            return trouble(reason::CERTIFICATE_NOT_USED, message);
        }
        let last = until.as_second().saturating_sub(from.as_second()) / LAST;
        if until.as_second().saturating_sub(now.as_second()) < last {
            let message = format!(
                "the certificate of the node agent's interface ends at {until}: see why it was not renewed"
            );
            return trouble(reason::CERTIFICATE_ENDS_SOON, message);
        }
        None
    }
}
