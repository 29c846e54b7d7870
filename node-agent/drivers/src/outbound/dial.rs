//! HTTP clients that dial only what the [`Rule`] let through.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use aion_abi::{code::Code, problem::Problem};
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use super::{Place, Refusal, Rule};
use crate::secrets::SecretRef;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_CONNECTION: Duration = Duration::from_secs(60);
const KEEPALIVE: Duration = Duration::from_secs(30);
const IDLE_PER_HOST: usize = 4;

/// Something that answers over HTTP: a `ModelEndpoint` or the server of a `Tool`, as resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The resource's name, for messages.
    pub name: String,
    /// Whose it is; its secret is read for this tenant.
    pub tenant: String,
    /// `http://…` or `https://…`, without user, query or fragment.
    pub url: String,
    /// The key that is sent as a bearer token.
    pub secret: Option<SecretRef>,
}

/// The node's clients, with and without TLS, made when first used.
pub struct Outbound {
    rule: Arc<Rule>,
    clients: [OnceLock<Client>; 2],
}

impl Outbound {
    /// Clients under `rule`.
    pub fn new(rule: Rule) -> Self {
        Self {
            rule: Arc::new(rule),
            clients: Default::default(),
        }
    }

    /// Whether addresses of this machine may be named, as where it stands alone.
    pub(crate) fn reaches_this_machine(&self) -> bool {
        self.rule.place == Place::Standalone
    }

    /// The client for an endpoint, and the endpoint's address without a trailing `/`.
    ///
    /// An address written as numbers is judged here, since no resolver sees it; a name is judged when it
    /// is resolved, on each new connection, and the judged addresses are the ones dialled.
    ///
    /// # Errors
    /// `bad-request` for a URL that is none, `denied` or `offline` for an address that is refused.
    pub(crate) fn client(&self, endpoint: &Endpoint) -> Result<(Client, Url), Problem> {
        let url = checked_url(endpoint)?;
        let refused = |refusal| refusal_problem(&endpoint.name, &refusal);
        let host = url
            .host_str()
            .ok_or_else(|| bad_url(endpoint, "it names no host"))?;
        // The parser has already turned every spelling of a number (0x7f.1, 2130706433) into the usual one.
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => self.rule.judge(address).map_err(refused)?,
            Err(_) if self.rule.offline && !is_localhost(host) => {
                return Err(refused(Refusal::Offline(host.to_owned())));
            }
            Err(_) => {}
        }
        let tls = url.scheme() == "https";
        let slot = &self.clients[usize::from(tls)];
        if let Some(client) = slot.get() {
            return Ok((client.clone(), url));
        }
        let client = self.build(tls)?;
        Ok((slot.get_or_init(|| client).clone(), url))
    }

    fn build(&self, tls: bool) -> Result<Client, Problem> {
        let resolver = Judging {
            rule: self.rule.clone(),
        };
        let builder = Client::builder()
            .user_agent(concat!("aion-os/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .tcp_keepalive(KEEPALIVE);
        // A node whose endpoints are all local needs no certificates, and may have none.
        let builder = if tls {
            builder
        } else {
            builder.tls_certs_only([])
        };
        builder.build().map_err(|error| {
            Problem::new(
                Code::Internal,
                format!("no HTTP client could be made: {}", super::describe(&error)),
            )
            .remedy("install the system's root certificates (package ca-certificates), then restart the node")
        })
    }
}

fn checked_url(endpoint: &Endpoint) -> Result<Url, Problem> {
    let url = Url::parse(endpoint.url.trim_end_matches('/'))
        .map_err(|error| bad_url(endpoint, &error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad_url(
            endpoint,
            "it begins with neither http:// nor https://",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad_url(
            endpoint,
            "it holds a user or password: keep the key in a secret",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad_url(endpoint, "it has a query or fragment"));
    }
    Ok(url)
}

/// The URL itself is left out: it may hold what it should not.
fn bad_url(endpoint: &Endpoint, why: &str) -> Problem {
    Problem::new(
        Code::BadRequest,
        format!("the address of {} cannot be used: {why}", endpoint.name),
    )
    .remedy("correct the address in the ModelEndpoint or Tool")
}

pub(super) fn refusal_problem(name: &str, refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::Offline(_) => Problem::new(Code::Offline, format!("{name}: {refusal}")),
        Refusal::Kind { .. } => Problem::new(Code::Denied, format!("{name}: {refusal}"))
            .remedy("give the ModelEndpoint or Tool another address: this one no agent may reach"),
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

struct Judging {
    rule: Arc<Rule>,
}

impl Resolve for Judging {
    fn resolve(&self, name: Name) -> Resolving {
        let rule = self.rule.clone();
        Box::pin(async move {
            let found = if is_localhost(name.as_str()) {
                // RFC 6761 §6.3: never asked of a server, so that no packet leaves the machine for it.
                vec![
                    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
                    SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0),
                ]
            } else if rule.offline {
                return Err(Refusal::Offline(name.as_str().to_owned()).into());
            } else {
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect()
            };
            let mut refused = None;
            let mut allowed = Vec::with_capacity(found.len());
            for address in found {
                match rule.judge(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(refusal) => refused = Some(refusal),
                }
            }
            match refused {
                Some(refusal) if allowed.is_empty() => Err(refusal.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
