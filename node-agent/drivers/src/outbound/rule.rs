//! Which addresses may be dialled on an agent's behalf. Pure: addresses in, a verdict out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{NodeAddresses, Own, Sight, nodes::Held};

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
        self.on_this_machine(address)?;
        reached(address)
            .into_iter()
            .try_for_each(|it| self.judge_reached(it))
    }

    /// Judges an address that a name led an agent's own program to: who has the name may lead it where he likes, so
    /// nothing is dialled but what everybody reaches. `own` are the machine's addresses.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub(super) fn judge_led(&self, address: IpAddr, own: &Own) -> Result<(), Refusal> {
        self.judge(address)?;
        reached(address).into_iter().try_for_each(|address| {
            let kind = match address {
                _ if address.is_loopback() => "the node's own loopback address",
                _ if own.has(address) => "an address of the node",
                _ if is_private(address) => "an address of a private network",
                _ => return Ok(()),
            };
            Err(Refusal::Kind { address, kind })
        })
    }

    /// Judges an address that a policy names in numbers: whoever wrote it down means it, and only what nobody can mean
    /// is refused.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub(super) fn judge_named(&self, address: IpAddr) -> Result<(), Refusal> {
        self.on_this_machine(address)?;
        reached(address)
            .into_iter()
            .try_for_each(|address| match nobodys(address) {
                Some(kind) => Err(Refusal::Kind { address, kind }),
                None => Ok(()),
            })
    }

    fn on_this_machine(&self, address: IpAddr) -> Result<(), Refusal> {
        // Only a mapped address stays on the machine; a NAT64 or 6to4 one is sent off it, whatever it holds.
        match self.offline && !address.to_canonical().is_loopback() {
            true => Err(Refusal::Offline(address.to_string())),
            false => Ok(()),
        }
    }

    /// Judges what would really be reached.
    fn judge_reached(&self, address: IpAddr) -> Result<(), Refusal> {
        let kind = if let Some(kind) = nobodys(address) {
            kind
        } else if is_metadata(address) {
            "a metadata service of a cloud"
        } else if is_link_local(address) {
            "a link-local address"
        } else if address.is_loopback() && self.place == Place::Cluster {
            "the node's own loopback address"
        } else {
            match self.nodes.hold(address) {
                Held::No(Sight::Seen) => return Ok(()),
                Held::Yes => "an address of a node",
                Held::No(Sight::NotKnown) => {
                    "an address that may be a node's, while the cluster's nodes are not known"
                }
                Held::No(Sight::Apart) => {
                    "an address that may be the node's, whose network its node agent does not see: its pod wants hostNetwork"
                }
                Held::No(Sight::NoNode) => {
                    "an address that may be the node's, for which the cluster has no Node"
                }
                Held::No(Sight::NoAddress) => {
                    "an address that may be the node's, whose Node has no address"
                }
            }
        };
        Err(Refusal::Kind { address, kind })
    }
}

/// What would really be reached: what is inside, or the address itself.
fn reached(address: IpAddr) -> Vec<IpAddr> {
    let embedded = embedded(address);
    match embedded.is_empty() {
        true => vec![address.to_canonical()],
        false => embedded,
    }
}

/// What an address is that no machine has.
fn nobodys(address: IpAddr) -> Option<&'static str> {
    if address.is_unspecified() {
        // Linux takes it for the machine itself; nobody means it.
        Some("the unspecified address")
    } else if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Some("a multicast address")
    } else {
        None
    }
}

/// Whether an address is one that not everybody reaches (RFC 6890 and 8190): of an organisation, a provider or a
/// cluster, or for tests between machines.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let [a, b, c, _] = four.octets();
            four.is_private()
                || matches!(
                    (a, b, c),
                    (0 | 240.., ..) | (100, 64..=127, _) | (192, 0, 0) | (198, 18 | 19, _)
                )
        }
        // Unique local, and site-local, which RFC 3879 took back.
        IpAddr::V6(six) => six.is_unique_local() || six.segments()[0] & 0xffc0 == 0xfec0,
    }
}

/// The IPv4 address inside an IPv6 one (mapped, translated, compatible, NAT64, 6to4). Inside one of NAT64's prefix
/// for local use (RFC 8215) there may be several: where it stands follows from the length of the network's prefix,
/// which only the network knows (RFC 6052 §2.2).
fn embedded(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(six) = address else {
        return Vec::new();
    };
    let [a, b, c, d, e, f, g, h] = six.segments();
    let four = |high: u16, low: u16| {
        let [p, q] = high.to_be_bytes();
        let [r, s] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(p, q, r, s))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0, 0, 0, 0, 0xffff, 0) => vec![four(g, h)],
        (0, 0, 0, 0, 0, 0) if !(g == 0 && h <= 1) => vec![four(g, h)],
        (0x64, 0xff9b, 0, 0, 0, 0) => vec![four(g, h)],
        (0x64, 0xff9b, 1, ..) => {
            let octets = six.octets();
            let at = |places: [usize; 4]| IpAddr::V4(places.map(|it| octets[it]).into());
            // Octet 8 is skipped by every form. Where a form reads nothing but zeros it is not the one.
            let forms = [
                [6, 7, 9, 10],
                [7, 9, 10, 11],
                [9, 10, 11, 12],
                [12, 13, 14, 15],
            ];
            let read = forms.into_iter().map(at);
            read.filter(|it| !it.is_unspecified()).collect()
        }
        (0x2002, high, low, ..) => vec![four(high, low)],
        _ => Vec::new(),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}

/// Where clouds tell a machine what it is and what it may, beside the link-local addresses, which are all refused.
fn is_metadata(address: IpAddr) -> bool {
    const FOUR: [Ipv4Addr; 4] = [
        Ipv4Addr::new(169, 254, 169, 254), // nearly all of them
        Ipv4Addr::new(168, 63, 129, 16),   // Azure's WireServer
        Ipv4Addr::new(100, 100, 100, 200), // Alibaba
        Ipv4Addr::new(192, 0, 0, 192),     // Oracle, the older one
    ];
    const SIX: [Ipv6Addr; 5] = [
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), // Google
        Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), // Oracle
        Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),  // Scaleway
        Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1), // Akamai
        Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200), // Alibaba
    ];
    match address {
        IpAddr::V4(four) => FOUR.contains(&four),
        // All of AWS's services for a machine are in one block.
        IpAddr::V6(six) => six.segments()[..2] == [0xfd00, 0xec2] || SIX.contains(&six),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;
    use crate::outbound::Own;

    /// The cluster has one Node, this machine's, with this address.
    fn set(nodes: &NodeAddresses, address: &str) {
        let of_node: HashSet<IpAddr> = [address.parse().unwrap()].into();
        nodes.set(of_node.clone(), Some(of_node));
    }

    fn own(address: &str) -> Own {
        Own {
            interfaces: [address.parse().unwrap()].into(),
            gateways: ["10.244.0.1".parse().unwrap()].into(),
        }
    }

    fn rule(place: Place, offline: bool) -> Rule {
        let nodes = NodeAddresses::default();
        set(&nodes, "10.0.0.7");
        nodes.set_own(own("10.0.0.7"));
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
        set(&rule.nodes, "10.0.0.7");
        assert!(!judged(&rule, "10.0.0.8"), "it may be this machine's");
        rule.nodes.set_own(own("10.0.0.7"));
        assert!(judged(&rule, "10.0.0.8"));
        assert!(!judged(&rule, "10.0.0.7"));
        assert!(!judged(&rule, "10.244.0.1"), "a gateway");
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
            "168.63.129.16",
            "::ffff:168.63.129.16",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "fd00:a9fe:a9fe::1",
            "fd00:100::100:200",
            "::ffff:0:127.0.0.1",
            "64:ff9b:1::127.0.0.1",
            "64:ff9b:1::a9fe:a9fe",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:a9:fe:a9fe::",
            "64:ff9b:1:0:a9:fea9:fe00::",
            "64:ff9b:1:a00:0:700::",
            "10.0.0.7",
            "::ffff:10.0.0.7",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(!judged(&rule, address), "{address}");
        }
        for address in [
            "10.0.0.8",
            "192.168.1.5",
            "1.1.1.1",
            "2606:4700::1111",
            "fd00:1::1",
            "64:ff9b::1.1.1.1",
            "64:ff9b:1::1.1.1.1",
            "64:ff9b:1:101:1:100::",
        ] {
            assert!(judged(&rule, address), "{address}");
        }
    }

    #[test]
    fn no_address_of_this_machine_is_dialled_in_a_cluster() {
        let here = Own::read().unwrap();
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert!(here.interfaces.contains(&loopback), "{here:?}");
        let rule = rule(Place::Cluster, false);
        rule.nodes.set_own(here.clone());
        for address in here.interfaces.into_iter().chain(here.gateways) {
            assert!(rule.judge(address).is_err(), "{address}");
        }
        // One that came since.
        rule.nodes.set_own(own("10.0.0.7"));
        assert!(judged(&rule, "10.9.9.9"));
        let mut with_floating = own("10.0.0.7");
        with_floating.interfaces.insert("10.9.9.9".parse().unwrap());
        rule.nodes.set_own(with_floating);
        assert!(!judged(&rule, "10.9.9.9"));
    }

    #[test]
    fn nothing_is_dialled_where_the_machines_own_network_is_not_seen() {
        let rule = rule(Place::Cluster, false);
        assert!(judged(&rule, "10.9.9.9"));
        let all: HashSet<IpAddr> = ["10.0.0.7".parse().unwrap()].into();
        let elsewhere = || rule.nodes.set_own(own("10.244.1.7"));
        let no_node = || rule.nodes.set(all.clone(), None);
        let no_address = || rule.nodes.set(all.clone(), Some(HashSet::new()));
        let unseen: [(&dyn Fn(), &str); 3] = [
            (&elsewhere, "hostNetwork"),
            (&no_node, "no Node"),
            (&no_address, "no address"),
        ];
        for (happens, words) in unseen {
            happens();
            // What listens on the machine may answer by any of them: bridges, floating addresses.
            for address in ["172.17.0.1", "10.9.9.9", "192.0.2.7", "fd00:1::1"] {
                let refused = rule.judge(address.parse().unwrap()).unwrap_err();
                assert!(refused.to_string().contains(words), "{refused}");
            }
        }
        set(&rule.nodes, "10.0.0.7");
        rule.nodes.set_own(own("10.0.0.7"));
        assert!(judged(&rule, "10.9.9.9"));
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

    #[test]
    fn a_name_leads_a_program_to_what_everybody_reaches_and_nowhere_else() {
        let own = own("203.0.113.9");
        for place in [Place::Standalone, Place::Cluster] {
            let rule = rule(place, false);
            let led = |address: &str| rule.judge_led(address.parse().unwrap(), &own).is_ok();
            assert!(led("1.1.1.1") && led("2606:4700::1111") && led("64:ff9b::101:101"));
            for address in [
                "127.0.0.1",
                "::1",
                "::ffff:127.0.0.1",
                "10.1.2.3",
                "172.16.0.1",
                "192.168.1.5",
                "100.64.0.1",
                "198.18.0.1",
                "0.1.2.3",
                "240.0.0.1",
                "169.254.169.254",
                "fe80::1",
                "fd12::1",
                "fec0::1",
                "64:ff9b::a01:203",
                "2002:a01:203::1",
                "203.0.113.9",
                "224.0.0.1",
                "0.0.0.0",
                "::",
            ] {
                assert!(!led(address), "{address}");
            }
        }
    }

    #[test]
    fn what_a_policy_names_in_numbers_is_dialled_but_for_what_nobody_has() {
        let rule = rule(Place::Cluster, false);
        let named = |address: &str| rule.judge_named(address.parse().unwrap()).is_ok();
        for address in ["127.0.0.1", "::1", "10.0.0.7", "169.254.169.254", "1.1.1.1"] {
            assert!(named(address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "::ffff:0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
        ] {
            assert!(!named(address), "{address}");
        }
        let offline = self::rule(Place::Cluster, true);
        assert!(offline.judge_named("127.0.0.1".parse().unwrap()).is_ok());
        assert!(offline.judge_named("1.1.1.1".parse().unwrap()).is_err());
    }
}
