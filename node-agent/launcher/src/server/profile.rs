//! What a worker may use: its start's word, and its role's profile for the rest.

use aion_profiles::Role;
use aion_sandbox::protocol::Limits;

use super::cgroup::{Bounds, IoBounds};

/// The bounds of a worker: the request's, and the profile's for the rest.
pub(super) fn bounds(role: &Role, limits: &Limits) -> Bounds {
    let memory = limits.memory_bytes.or(role.memory.map(|it| it.0));
    let high = memory.zip(role.memory_high).map(|(all, part)| part.of(all));
    Bounds {
        memory,
        // A limit that policy lowered may be below what was asked for as high.
        memory_high: memory.and(
            limits
                .memory_high_bytes
                .filter(|high| Some(*high) < memory)
                .or(high),
        ),
        pids: limits.pids.or(role.pids.map(|it| it.0)),
        cpu_milli: limits.cpu_milli.or(role.cpu.map(|it| it.0)),
        cpu_weight: limits.cpu_weight,
        io: IoBounds {
            weight: limits.io_weight,
            read_bps: limits.io_read_bps,
            write_bps: limits.io_write_bps,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_profiles::Profiles;

    use super::*;

    #[test]
    fn a_request_goes_before_the_profile() {
        let profiles = Profiles::built_in();
        let limits = Limits {
            memory_bytes: Some(100 << 20),
            ..Limits::default()
        };
        let bounds = bounds(profiles.role("process").unwrap(), &limits);
        assert_eq!(bounds.memory, Some(100 << 20));
        assert_eq!(bounds.memory_high, Some(85 << 20));
        assert!(bounds.pids.is_some() && bounds.cpu_weight.is_none());
    }

    #[test]
    fn pressure_begins_below_the_limit_or_where_the_profile_says() {
        let profiles = Profiles::built_in();
        let process = profiles.role("process").unwrap();
        let high = |most: u64, high: u64| {
            let limits = Limits {
                memory_bytes: Some(most << 20),
                memory_high_bytes: Some(high << 20),
                ..Limits::default()
            };
            bounds(process, &limits).memory_high.map(|it| it >> 20)
        };
        assert_eq!(high(100, 60), Some(60));
        assert_eq!(high(100, 100), Some(85));
    }
}
