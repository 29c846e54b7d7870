//! HTTP clients that dial only what the [`Rule`] let through.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use aion_abi::{code::Code, problem::Problem, tenant::Tenant};
use reqwest::{Client, Url, redirect};
use tokio_rustls::rustls::ClientConfig;

use super::{
    Place, Refusal, Rule,
    judge::{Judge, Names, SystemNames},
};
use crate::secrets::SecretRef;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_CONNECTION: Duration = Duration::from_secs(60);
const KEEPALIVE: Duration = Duration::from_secs(30);
/// As many as programs ask one model at once, mostly: one that is not kept is made anew for the next request.
const IDLE_PER_HOST: usize = 32;

/// Something that answers: a `ModelEndpoint`, the server of a `Tool`, a broker, a store, as resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The resource's name, for messages.
    pub name: String,
    /// Whose it is; its secret is read for this tenant.
    pub tenant: Tenant,
    /// Without user, query or fragment; for an HTTP client `http://…` or `https://…`.
    pub url: String,
    /// The key that is sent as a bearer token, or a broker's password.
    pub secret: Option<SecretRef>,
}

/// The node's clients, with and without TLS, made when first used. Streams are in [`connect`](Self::connect).
pub struct Outbound {
    pub(super) judge: Judge,
    clients: [OnceLock<Client>; 2],
    pub(super) system_tls: OnceLock<Arc<ClientConfig>>,
}

impl Outbound {
    /// Clients under `rule`.
    pub fn new(rule: Rule) -> Self {
        Self::with_names(rule, Arc::new(SystemNames))
    }

    pub(super) fn with_names(rule: Rule, names: Arc<dyn Names>) -> Self {
        Self {
            judge: Judge::new(rule, names),
            clients: Default::default(),
            system_tls: OnceLock::new(),
        }
    }

    /// Whether addresses of this machine may be named, as where it stands alone.
    pub(crate) fn reaches_this_machine(&self) -> bool {
        self.judge.place() == Place::Standalone
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
        Ok((self.client_to(endpoint, &url)?, url))
    }

    /// The client for an address that whatever is at an endpoint named, as it is written.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub(crate) fn client_to(&self, endpoint: &Endpoint, url: &Url) -> Result<Client, Problem> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad_url(
                endpoint,
                "it begins with neither http:// nor https://",
            ));
        }
        let host = url
            .host_str()
            .ok_or_else(|| bad_url(endpoint, "it names no host"))?;
        // The parser has already turned every spelling of a number (0x7f.1, 2130706433) into the usual one.
        self.judge
            .written(host)
            .map_err(|refusal| refusal_problem(&endpoint.name, &refusal))?;
        let tls = url.scheme() == "https";
        let slot = &self.clients[usize::from(tls)];
        if let Some(client) = slot.get() {
            return Ok(client.clone());
        }
        let client = self.build(tls)?;
        Ok(slot.get_or_init(|| client).clone())
    }

    fn build(&self, tls: bool) -> Result<Client, Problem> {
        let builder = Client::builder()
            .user_agent(concat!("aion-os/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .dns_resolver(Arc::new(self.judge.clone()))
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

pub(super) fn checked_url(endpoint: &Endpoint) -> Result<Url, Problem> {
    let url = Url::parse(endpoint.url.trim_end_matches('/'))
        .map_err(|error| bad_url(endpoint, &error.to_string()))?;
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
pub(super) fn bad_url(endpoint: &Endpoint, why: &str) -> Problem {
    Problem::new(
        Code::BadRequest,
        format!("the address of {} cannot be used: {why}", endpoint.name),
    )
    .remedy("correct the address in the ModelEndpoint, Tool, Device or DeviceBroker, or in the node's config/memory.yaml")
}

pub(super) fn refusal_problem(name: &str, refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::Offline(_) => Problem::new(Code::Offline, format!("{name}: {refusal}")),
        Refusal::Kind { .. } => Problem::new(Code::Denied, format!("{name}: {refusal}"))
            .remedy("give the ModelEndpoint, Tool, Device or DeviceBroker another address: this one no agent may reach"),
    }
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
