//! The share of a device: so many messages a second, and twice as many at once, in eight bytes (the generic cell rate
//! algorithm: when the messages so far would have come, had they come evenly).

use super::Limits;

/// Where a device stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share {
    /// In microseconds of the steady clock.
    even: u64,
}

/// Microseconds between messages that come evenly.
fn between(limits: &Limits) -> u64 {
    1_000_000 / u64::from(limits.messages_per_second.max(1))
}

/// How far ahead of an even pace a device may be.
fn ahead(limits: &Limits) -> u64 {
    let burst = u64::from(limits.messages_per_second.max(1)) * 2;
    between(limits) * (burst - 1)
}

impl Share {
    /// Takes a message at an instant, if there is room for it.
    pub(super) fn take(&mut self, limits: &Limits, at: u64) -> bool {
        let now = at.saturating_mul(1000);
        let even = self.even.max(now);
        let room = even - now <= ahead(limits);
        if room {
            self.even = even + between(limits);
        }
        room
    }

    /// The instant from which there is room for a message.
    pub(super) fn next(self, limits: &Limits) -> u64 {
        self.even.saturating_sub(ahead(limits)).div_ceil(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_twice_a_second_and_then_it_is_even() {
        let limits = Limits {
            messages_per_second: 10,
            ..Limits::default()
        };
        let mut share = Share::default();
        let taken = (0..1000).filter(|_| share.take(&limits, 5_000)).count();
        assert_eq!(taken, 20);
        assert_eq!(share.next(&limits), 5_100);
        assert!(!share.take(&limits, 5_099));
        assert!(share.take(&limits, 5_100));
        let later = (5_101..=15_100)
            .filter(|at| share.take(&limits, *at))
            .count();
        assert_eq!(later, 100);
    }
}
