//! Names of granted hosts, and the addresses that stand for them for the length of a run. Pure.
//!
//! An address of 198.18.0.0/15 (RFC 2544) is routed nowhere, so that none of them is somebody's, and it is not loopback: a
//! program that guards itself against answers that lead to its own machine takes it.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use aion_policy::Host;

use super::granted::Granted;

/// The addresses that are given begin after it.
pub(super) const STANDS_FOR_NAMES: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// The first that is given.
const FIRST: u32 = STANDS_FOR_NAMES.to_bits() + 1;
/// The most names of one run: a wildcard has any number.
const NAMES: usize = 1024;
/// The most names of one run whose refusal is recorded; it goes on being refused.
const RECORDED: usize = 32;

/// See the module.
pub(super) struct Names {
    granted: Granted,
    addresses: HashMap<String, Ipv4Addr>,
    /// By address, from [`FIRST`] on.
    names: Vec<String>,
    refused: Vec<String>,
}

/// What is known of a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It is granted, and this stands for it.
    Address(Ipv4Addr),
    /// It is not granted. `new` where that was not said before, and is to be recorded.
    Refused {
        /// See there.
        new: bool,
    },
    /// It is granted, and there are too many already.
    Full,
}

impl Names {
    pub(super) fn of(granted: Granted) -> Self {
        Self {
            granted,
            addresses: HashMap::new(),
            names: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Looks a name up, in lower case and without a dot at its end.
    pub(super) fn look_up(&mut self, name: &str) -> Known {
        if let Some(address) = self.addresses.get(name) {
            return Known::Address(*address);
        }
        if name == "localhost" || name.ends_with(".localhost") {
            // RFC 6761 §6.3. It is the namespace's own, so it leads nobody anywhere.
            return Known::Address(Ipv4Addr::LOCALHOST);
        }
        if !self.granted.has(name) {
            let new = self.refused.len() < RECORDED && !self.refused.iter().any(|it| it == name);
            if new {
                self.refused.push(name.to_owned());
            }
            return Known::Refused { new };
        }
        let (Ok(at), true) = (u32::try_from(self.names.len()), self.names.len() < NAMES) else {
            return Known::Full;
        };
        let address = Ipv4Addr::from_bits(FIRST + at);
        self.names.push(name.to_owned());
        self.addresses.insert(name.to_owned(), address);
        Known::Address(address)
    }

    /// Whom a connection to this address is for.
    pub(super) fn meant(&self, address: IpAddr) -> Host {
        let address = address.to_canonical();
        let name = match address {
            IpAddr::V4(four) => four.to_bits().checked_sub(FIRST),
            IpAddr::V6(_) => None,
        };
        let name = name.and_then(|at| self.names.get(usize::try_from(at).ok()?));
        match name {
            Some(name) => Host::Name(name.clone()),
            None => Host::Address(address),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::granted::to, *};

    #[test]
    fn a_name_keeps_its_address_and_the_address_its_name() {
        let mut names = Names::of(to(&["a.example:443", "*.b.example:80"]));
        let mut address = |name: &str| match names.look_up(name) {
            Known::Address(address) => address,
            other => unreachable!("{name}: {other:?}"),
        };
        let one = address("a.example");
        let other = address("x.b.example");
        assert_ne!(one, other);
        assert_eq!(address("a.example"), one);
        assert_eq!(names.meant(one.into()), Host::Name("a.example".into()));
        let mapped = one.to_ipv6_mapped().into();
        assert_eq!(names.meant(mapped), Host::Name("a.example".into()));
        for numbers in ["198.18.0.3", "198.17.255.255", "127.0.0.1", "2001:db8::1"] {
            let numbers: IpAddr = numbers.parse().unwrap();
            assert_eq!(names.meant(numbers), Host::Address(numbers));
        }
    }

    #[test]
    fn what_is_not_granted_is_refused_each_time_and_recorded_once() {
        let mut names = Names::of(to(&["*.b.example:80", "192.0.2.7:80"]));
        for name in ["b.example", "x.y.b.example", "b.example.evil", "192.0.2.7"] {
            assert_eq!(names.look_up(name), Known::Refused { new: true }, "{name}");
            assert_eq!(names.look_up(name), Known::Refused { new: false }, "{name}");
        }
        for more in 0..2 * RECORDED {
            names.look_up(&format!("{more}.evil"));
        }
        assert_eq!(names.look_up("late.evil"), Known::Refused { new: false });
        assert_eq!(names.refused.len(), RECORDED);
    }

    #[test]
    fn a_wildcard_has_no_more_names_than_a_run_may() {
        let mut names = Names::of(to(&["*.b.example:80"]));
        for at in 0..NAMES {
            let found = names.look_up(&format!("{at}.b.example"));
            assert!(matches!(found, Known::Address(_)), "{at}");
        }
        assert_eq!(names.look_up("more.b.example"), Known::Full);
        assert!(matches!(names.look_up("0.b.example"), Known::Address(_)));
    }

    #[test]
    fn localhost_is_the_programs_own() {
        let mut names = Names::of(to(&[]));
        assert_eq!(
            names.look_up("localhost"),
            Known::Address(Ipv4Addr::LOCALHOST)
        );
    }
}
