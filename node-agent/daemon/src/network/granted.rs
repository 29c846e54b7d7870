//! What of its grants leads an instance out of its namespace. Pure.

use std::{collections::BTreeSet, net::SocketAddr};

use aion_api::{AgentInstanceSpec, GrantEffect};
use aion_policy::{Capability, Destination, Host};

/// Where an instance may connect to, or may ask a person whether it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Granted(Vec<Destination>);

impl Granted {
    /// As it was resolved.
    pub(crate) fn of(spec: &AgentInstanceSpec) -> Self {
        let granted = spec
            .grants
            .iter()
            .filter(|it| it.effect != GrantEffect::Deny);
        let granted = granted.filter_map(|it| Capability::parse(&it.capability)?.connects_to());
        Self(granted.collect())
    }

    /// The ports, each once: there is a door for each of them. None where there is no network.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let ports: BTreeSet<u16> = self.0.iter().filter_map(|it| it.port).collect();
        ports.into_iter().collect()
    }

    /// Where a connection breaks no rule: the addresses that are granted in numbers, and for names what stands for them.
    pub(crate) fn reach(&self) -> Vec<SocketAddr> {
        let each = self.0.iter().filter_map(|it| {
            let address = match &it.host {
                Host::Address(address) => *address,
                _ => super::names::STANDS_FOR_NAMES.into(),
            };
            Some(SocketAddr::new(address, it.port?))
        });
        let each: BTreeSet<SocketAddr> = each.collect();
        each.into_iter().collect()
    }

    /// Whether some port of the host of this name is among it.
    pub(super) fn has(&self, name: &str) -> bool {
        let host = Host::Name(name.to_owned());
        self.0.iter().any(|it| it.host.covers(&host))
    }
}

#[cfg(test)]
pub(super) fn to(destinations: &[&str]) -> Granted {
    Granted(
        destinations
            .iter()
            .filter_map(|it| Destination::parse(it).ok())
            .collect(),
    )
}
