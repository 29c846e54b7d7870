//! From a name to the addresses that may be dialled. One judge for every kind of connection.
//!
//! What may not enter: dialling. Whoever dials takes the addresses given here and asks nobody again.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Place, Refusal, Rule};

/// Where names are looked up.
pub(super) trait Names: Send + Sync {
    /// All addresses of a name.
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The machine's own resolver.
pub(super) struct SystemNames;

impl Names for SystemNames {
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unresolved {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("its name is not resolved: {0}")]
    Lookup(#[from] io::Error),
}

/// See the module. Clones share it.
#[derive(Clone)]
pub(super) struct Judge {
    rule: Arc<Rule>,
    names: Arc<dyn Names>,
}

impl Judge {
    pub(super) fn new(rule: Rule, names: Arc<dyn Names>) -> Self {
        let rule = Arc::new(rule);
        Self { rule, names }
    }

    pub(super) fn place(&self) -> Place {
        self.rule.place
    }

    /// Judges an address that a policy names in numbers.
    pub(super) fn named(&self, address: IpAddr) -> Result<(), Refusal> {
        self.rule.judge_named(address)
    }

    /// Judges a host as it is written: an address in numbers for good, a name as far as that goes without
    /// asking. Gives the address.
    pub(super) fn written(&self, host: &str) -> Result<Option<IpAddr>, Refusal> {
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) => self.rule.judge(address).map(|()| Some(address)),
            Err(_) if self.rule.offline && !is_localhost(host) => {
                Err(Refusal::Offline(host.to_owned()))
            }
            Err(_) => Ok(None),
        }
    }

    /// The addresses of a name that may be dialled; the refusal where there are others only.
    pub(super) async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        self.resolve_by(name, |rule, address| rule.judge(address))
            .await
    }

    /// The addresses of a name that `judge` lets through; the refusal where there are others only.
    pub(super) async fn resolve_by(
        &self,
        name: &str,
        judge: impl Fn(&Rule, IpAddr) -> Result<(), Refusal>,
    ) -> Result<Vec<IpAddr>, Unresolved> {
        let found = if is_localhost(name) {
            // RFC 6761 §6.3: never asked of a server, so that no packet leaves the machine for it.
            vec![
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]
        } else if self.rule.offline {
            return Err(Refusal::Offline(name.to_owned()).into());
        } else {
            self.names.addresses(name).await?
        };
        let mut refused = None;
        let mut allowed = Vec::with_capacity(found.len());
        for address in found {
            match judge(&self.rule, address) {
                Ok(()) => allowed.push(address),
                Err(refusal) => refused = Some(refusal),
            }
        }
        match refused {
            Some(refusal) if allowed.is_empty() => Err(refusal.into()),
            _ => Ok(allowed),
        }
    }
}

impl Resolve for Judge {
    fn resolve(&self, name: Name) -> Resolving {
        let judge = self.clone();
        Box::pin(async move {
            match Self::resolve(&judge, name.as_str()).await {
                // The client puts the port of its URL in.
                Ok(allowed) => Ok(Box::new(
                    allowed
                        .into_iter()
                        .map(|address| SocketAddr::new(address, 0)),
                ) as Addrs),
                Err(Unresolved::Refused(refusal)) => Err(refusal.into()),
                Err(Unresolved::Lookup(error)) => Err(error.into()),
            }
        })
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}
