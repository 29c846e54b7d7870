//! Which addresses may be dialled on an agent's behalf. Pure: addresses in, a verdict out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::NodeAddresses;

/// Where the node runs; decides what a person's own word is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A machine standing alone: whoever wrote the `ModelEndpoint` or `Tool` owns the machine, so
    /// addresses of the machine itself may be named.
    Standalone,
    /// A cluster: tenants write endpoints, so no address of a node is dialled.
    Cluster,
}

/// The node's outbound rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `OFFLINE_MODE`: no packet leaves the machine, whatever else is allowed.
    pub offline: bool,
    /// Where the node runs.
    pub place: Place,
    /// Addresses of this and other nodes; none standalone.
    pub nodes: NodeAddresses,
}

/// Why an address or a name is not dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The address is off the machine while `OFFLINE_MODE` is on.
    #[error("{0} is not on this machine, and OFFLINE_MODE keeps every packet on it")]
    Offline(String),
    /// The address belongs to a kind that no agent may reach.
    #[error("{address} is {kind}, which is not dialled on an agent's behalf")]
    Kind {
        /// The address.
        address: IpAddr,
        /// What it is, with its article.
        kind: &'static str,
    },
}

impl Rule {
    /// Judges one address.
    ///
    /// # Errors
    /// [`Refusal`], which names the address.
    pub fn judge(&self, address: IpAddr) -> Result<(), Refusal> {
        // Only a mapped address stays on the machine; a NAT64 or 6to4 one is sent off it, whatever it holds.
        if self.offline && !address.to_canonical().is_loopback() {
            return Err(Refusal::Offline(address.to_string()));
        }
        let address = unwrapped(address);
        let kind = if address.is_unspecified() {
            // Linux takes it for the machine itself; nobody means it.
            "the unspecified address"
        } else if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            "a multicast address"
        } else if is_metadata(address) {
            "a metadata service of a cloud"
        } else if is_link_local(address) {
            "a link-local address"
        } else if address.is_loopback() && self.place == Place::Cluster {
            "the node's own loopback address"
        } else {
            match self.nodes.hold(address) {
                Some(false) => return Ok(()),
                Some(true) => "an address of a node",
                None => "an address that may be a node's, while the cluster's nodes are not known",
            }
        };
        Err(Refusal::Kind { address, kind })
    }
}

/// The IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4): what would really be reached.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else {
        return address;
    };
    let [a, b, c, d, e, f, g, h] = six.segments();
    let four = |high: u16, low: u16| {
        let [p, q] = high.to_be_bytes();
        let [r, s] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(p, q, r, s))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) => four(g, h),
        (0, 0, 0, 0, 0, 0) if !(g == 0 && h <= 1) => four(g, h),
        (0x64, 0xff9b, 0, 0, 0, 0) => four(g, h),
        (0x2002, high, low, ..) => four(high, low),
        _ => address,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}

/// Metadata services: AWS, Azure, Google, OpenStack; AWS over IPv6; Alibaba; Oracle.
fn is_metadata(address: IpAddr) -> bool {
    const SERVICES: [IpAddr; 4] = [
        IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
        IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
        IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    ];
    SERVICES.contains(&address)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rule(place: Place, offline: bool) -> Rule {
        let nodes = NodeAddresses::none();
        nodes.set(["10.0.0.7".parse().unwrap()].into());
        Rule {
            offline,
            place,
            nodes,
        }
    }

    fn judged(rule: &Rule, address: &str) -> bool {
        rule.judge(address.parse().unwrap()).is_ok()
    }

    #[test]
    fn nothing_is_dialled_before_the_nodes_are_known() {
        let rule = Rule {
            nodes: NodeAddresses::default(),
            ..rule(Place::Cluster, false)
        };
        assert!(!judged(&rule, "10.0.0.8"));
        rule.nodes.set(["10.0.0.7".parse().unwrap()].into());
        assert!(judged(&rule, "10.0.0.8"));
        assert!(!judged(&rule, "10.0.0.7"));
    }

    #[test]
    fn a_cluster_refuses_its_own_addresses_in_every_spelling() {
        let rule = rule(Place::Cluster, false);
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "169.254.1.1",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "192.0.0.192",
            "10.0.0.7",
            "::ffff:10.0.0.7",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(!judged(&rule, address), "{address}");
        }
        for address in ["10.0.0.8", "192.168.1.5", "1.1.1.1", "2606:4700::1111"] {
            assert!(judged(&rule, address), "{address}");
        }
    }

    #[test]
    fn nobody_dials_the_unspecified_address() {
        for place in [Place::Cluster, Place::Standalone] {
            for address in ["0.0.0.0", "::", "::ffff:0.0.0.0"] {
                assert!(!judged(&rule(place, false), address), "{address}");
            }
        }
    }

    #[test]
    fn a_machine_standing_alone_may_name_itself_but_not_link_local() {
        let rule = rule(Place::Standalone, false);
        assert!(judged(&rule, "127.0.0.1"));
        assert!(judged(&rule, "::1"));
        assert!(judged(&rule, "192.168.1.5"));
        assert!(!judged(&rule, "169.254.169.254"));
        assert!(!judged(&rule, "fe80::1"));
    }

    #[test]
    fn offline_lets_loopback_only() {
        let rule = rule(Place::Standalone, true);
        assert!(judged(&rule, "127.0.0.1"));
        assert!(judged(&rule, "::1"));
        for address in [
            "192.168.1.5",
            "1.1.1.1",
            "2606:4700::1111",
            "10.0.0.7",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(!judged(&rule, address), "{address}");
        }
    }
}
