//! How long a broker is waited for.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The back-off after what may pass by itself.
    pub first: Duration,
    pub longest: Duration,
    /// The back-off after what a person has to mend.
    pub first_refused: Duration,
    pub longest_refused: Duration,
    /// A connection that lasted so long was a good one: the next back-off begins anew.
    pub settled: Duration,
    /// For the answer to CONNECT.
    pub connected: Duration,
    /// For the answer to a subscription.
    pub subscribed: Duration,
    /// For the oldest acknowledgement, where no more publishes can be under way.
    pub acknowledged: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(8),
            first_refused: Duration::from_secs(5),
            longest_refused: Duration::from_secs(60),
            settled: Duration::from_secs(30),
            connected: Duration::from_secs(10),
            subscribed: Duration::from_secs(30),
            acknowledged: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
impl Times {
    /// For tests, which wait for what comes at the end of them.
    pub(super) fn short() -> Self {
        let short = Duration::from_millis(20);
        Self {
            first: short,
            longest: short,
            first_refused: short,
            longest_refused: short,
            settled: Duration::from_secs(30),
            connected: Duration::from_millis(300),
            subscribed: Duration::from_millis(300),
            acknowledged: Duration::from_millis(300),
        }
    }
}
