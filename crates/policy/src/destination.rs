//! Where a program may connect to: `HOST:PORT`. Pure.
//!
//! A host is a name in lower case, an address in numbers (version six in brackets), or `*.` and a name, where `*` stands
//! for one label: `*.example.org` takes in `api.example.org`, and neither `example.org` nor `a.b.example.org`. It never
//! takes in an address: whoever grants one writes it down. A pattern of a policy may leave the port out, or say `*` for
//! it, which is every port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The longest name, in bytes: with its port no longer than what a call can be about.
const MOST: usize = 250;

/// Where to connect to, or many such places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The host.
    pub host: Host,
    /// The port; `None` in a pattern for all of them.
    pub port: Option<u16>,
}

/// A host, or many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// The one of this name.
    Name(String),
    /// The one at this address.
    Address(IpAddr),
    /// Those whose name is one label, a dot and this.
    Below(String),
}

impl Destination {
    /// Reads `HOST:PORT`.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match Self::pattern(text)? {
            Self { port: None, .. } => Err("names no port"),
            one => Ok(one),
        }
    }

    /// Reads `HOST:PORT`, `HOST:*` or `HOST`.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn pattern(text: &str) -> Result<Self, &'static str> {
        let (host, port) = match text.rsplit_once(':') {
            // A colon within brackets is part of an address.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            None | Some("*") => None,
            Some(port) => match port.parse() {
                Ok(number @ 1_u16..) if number.to_string() == port => Some(number),
                _ => return Err("has a port that is none: it is a number from 1 to 65535"),
            },
        };
        let host = Host::parse(host)?;
        Ok(Self { host, port })
    }

    /// Whether it is all of `other`, or more.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.host.covers(&other.host) && (self.port.is_none() || self.port == other.port)
    }

    /// What is part of both.
    #[must_use]
    pub fn part_of(&self, other: &Self) -> Option<Self> {
        let host = match (self.host.covers(&other.host), other.host.covers(&self.host)) {
            (true, _) => &other.host,
            (_, true) => &self.host,
            _ => return None,
        };
        let port = match (self.port, other.port) {
            (one, None) => one,
            (None, one) => one,
            (one, other) if one == other => one,
            _ => return None,
        };
        let host = host.clone();
        Some(Self { host, port })
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').unwrap_or_default();
            let six: Result<Ipv6Addr, _> = inner.parse();
            let six = six.map_err(|_| "has an address in brackets that is not IPv6")?;
            // What stands for an address of version four is granted as that.
            return Ok(Self::Address(IpAddr::V6(six).to_canonical()));
        }
        if let Ok(four) = text.parse() {
            return Ok(Self::Address(IpAddr::V4(four)));
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let label = |label: &str| {
            let plain =
                |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-_".contains(&it);
            matches!(label.len(), 1..=63)
                && label.bytes().all(plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // With the label that a wildcard stands for.
        let most = if below { MOST - 2 } else { MOST };
        if name.len() > most || !name.split('.').all(label) {
            return Err("has a host that is neither a name in lower case nor an address");
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        let number = last.bytes().all(|it| it.is_ascii_digit()) || last.starts_with("0x");
        if number {
            return Err("ends as an address does and is none: write four numbers");
        }
        Ok(match below {
            true => Self::Below(name.to_owned()),
            false => Self::Name(name.to_owned()),
        })
    }

    /// Whether it is all of `other`, or more.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Below(rest), Self::Name(name)) => name
                .split_once('.')
                .is_some_and(|(_, behind)| behind == rest),
            _ => self == other,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(four)) => write!(f, "{four}"),
            Self::Address(IpAddr::V6(six)) => write!(f, "[{six}]"),
            Self::Below(rest) => write!(f, "*.{rest}"),
        }
    }
}

/// As the kernel looks it up: a program that connects there is judged by this text.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}:*", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_destination_is_read_in_one_way_and_written_in_one() {
        for (text, written) in [
            ("api.weather.gov:443", Some("api.weather.gov:443")),
            ("*.example.org:8443", Some("*.example.org:8443")),
            ("192.0.2.7:80", Some("192.0.2.7:80")),
            ("[2001:db8:0::7]:80", Some("[2001:db8::7]:80")),
            ("[::ffff:10.0.0.1]:80", Some("10.0.0.1:80")),
            ("localhost:1", Some("localhost:1")),
            ("a.example:65536", None),
            ("a.example:0", None),
            ("a.example:080", None),
            ("a.example", None),
            ("A.example:80", None),
            ("a..example:80", None),
            ("*:80", None),
            ("*.*.example:80", None),
            ("a.*.example:80", None),
            ("127.1:80", None),
            ("2130706433:80", None),
            ("127.0.0.0x1:80", None),
            ("2001:db8::7:80", None),
            ("[::1:80", None),
            (&format!("{}.example:80", "a".repeat(64)), None),
        ] {
            let read = Destination::parse(text).ok();
            assert_eq!(read.map(|it| it.to_string()).as_deref(), written, "{text}");
        }
    }

    #[test]
    fn a_wildcard_takes_in_names_of_one_label_more_and_no_address() {
        let covers = |pattern: &str, text: &str| {
            let pattern = Destination::pattern(pattern).unwrap();
            pattern.covers(&Destination::parse(text).unwrap())
        };
        assert!(covers("*.example.org:443", "api.example.org:443"));
        assert!(covers("*.example.org:443", "*.example.org:443"));
        assert!(covers("*.example.org", "api.example.org:80"));
        assert!(covers("[::1]:*", "[::1]:80"));
        for text in [
            "example.org:443",
            "a.b.example.org:443",
            "api.example.org:80",
        ] {
            assert!(!covers("*.example.org:443", text), "{text}");
        }
        assert!(!covers("api.example.org:443", "*.example.org:443"));
        assert!(!covers("*.0.2.example", "192.0.2.7:80"));
    }

    #[test]
    fn what_two_have_in_common_is_a_place() {
        let common = |one: &str, other: &str| {
            let [one, other] = [one, other].map(|it| Destination::pattern(it).unwrap());
            one.part_of(&other).map(|it| it.to_string())
        };
        let all = "*.example.org:443";
        assert_eq!(
            common("a.example.org", all).as_deref(),
            Some("a.example.org:443")
        );
        assert_eq!(common("*.example.org", all).as_deref(), Some(all));
        assert_eq!(common("a.example.org:80", all), None);
        assert_eq!(common("a.example.net", all), None);
    }
}
