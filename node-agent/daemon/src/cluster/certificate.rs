//! What is wrong with the certificate of the interface over TCP at a moment. What may not enter: its files (`aion_serve`), and the
//! writing of the KernelNode (`registration`).

use aion_api::condition::reason;
use aion_serve::certificate::{State, Validity};
use k8s_openapi::jiff::Timestamp;

/// Of a certificate's time, what is left when it is told that it ends: one in so many parts. Who renews in time has done it
/// long before; cert-manager does when a third is left.
const LAST: i64 = 10;

/// What is wrong, as a condition has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// One of [`reason`]'s words.
    pub(crate) reason: &'static str,
    /// For a person. It stays the same while nothing changes.
    pub(crate) message: String,
}

/// The worst that is to be said at `now`.
pub(super) fn trouble(state: &State, now: Timestamp) -> Option<Trouble> {
    let Validity { from, until } = state.validity;
    let trouble = |reason, message| Some(Trouble { reason, message });
    let refused = match &state.refused {
        Some(why) => format!("; what its files hold now is not used: {why}"),
        None => String::new(),
    };
    if now > until || now < from {
        let message = format!(
            "the certificate of the node agent's interface holds from {from} until {until}, so nobody who checks it can ask this node: renew it, or set the clock{refused}"
        );
        return trouble(reason::CERTIFICATE_NOT_VALID, message);
    }
    if let Some(why) = &state.refused {
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

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::ToSpan as _;

    use super::*;

    #[test]
    fn its_time_is_told_while_it_can_be_renewed_and_after() {
        let from = Timestamp::UNIX_EPOCH;
        let until = from + 48.hours();
        let mut state = State {
            authority: String::new(),
            validity: Validity { from, until },
            refused: None,
        };
        let at = |state: &State, moment| trouble(state, moment).map(|it| it.reason);
        let not_valid = Some(reason::CERTIFICATE_NOT_VALID);
        assert_eq!(at(&state, from - 1.hour()), not_valid);
        assert_eq!(at(&state, from), None);
        assert_eq!(at(&state, until - 5.hours()), None);
        let soon = at(&state, until - 4.hours());
        assert_eq!(soon, Some(reason::CERTIFICATE_ENDS_SOON));
        assert_eq!(at(&state, until + 1.hour()), not_valid);
        state.refused = Some("half of it".to_owned());
        assert_eq!(at(&state, from), Some(reason::CERTIFICATE_NOT_USED));
    }
}
