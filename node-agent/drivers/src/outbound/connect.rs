//! A connection for a protocol of its own (Redis, MQTT, gRPC): TCP or TLS to an address that was judged.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use aion_abi::{code::Code, problem::Problem};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use tokio_util::either::Either;

use super::{
    Endpoint, Outbound, Refusal,
    dial::{CONNECT_TIMEOUT, bad_url, checked_url, refusal_problem},
    judge::Unresolved,
    race::first,
};

/// A connection. It reads and writes.
pub type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// What is spoken beneath the endpoint's own protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Nothing: what is sent can be read on the way.
    Plain,
    /// TLS, with a certificate that one of the system's authorities signed.
    Tls,
    /// TLS, with a certificate that this authority signed, in PEM form, and no other.
    PrivateTls(Arc<str>),
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) struct NotConnected {
    pub(crate) why: Problem,
    /// Whoever answers has a certificate that does not count: somebody has to mend that.
    pub(crate) certificate: bool,
}

impl From<Problem> for NotConnected {
    fn from(why: Problem) -> Self {
        Self {
            why,
            certificate: false,
        }
    }
}

impl Outbound {
    /// Connects to the host and port of an endpoint, whatever the scheme of its address; `mqtt` and `mqtts` have ports of
    /// their own where none is said. A name is resolved
    /// once, and only addresses that were judged are dialled: the first that answers counts.
    ///
    /// # Errors
    /// `bad-request` for an address or authority that is none, `denied` or `offline` for an address that is
    /// refused, `unreachable` where nothing answers in time or its certificate does not count.
    pub async fn connect(&self, endpoint: &Endpoint, wire: &Wire) -> Result<Stream, Problem> {
        let connected = self.connect_or_say(endpoint, wire).await;
        connected.map_err(|it| it.why)
    }

    /// As [`Outbound::connect`], for who tells what passes from what somebody has to mend.
    pub(crate) async fn connect_or_say(
        &self,
        endpoint: &Endpoint,
        wire: &Wire,
    ) -> Result<Stream, NotConnected> {
        let url = checked_url(endpoint)?;
        let port = url.port_or_known_default();
        let port = port.or_else(|| usual_port(url.scheme()));
        let (Some(host), Some(port)) = (url.host_str(), port) else {
            return Err(bad_url(endpoint, "it names no host and port").into());
        };
        let tls = self.tls(endpoint, wire)?;
        let until = Instant::now() + CONNECT_TIMEOUT;
        let reached = async {
            let stream = self.dialled(endpoint, host, port).await?;
            match tls {
                None => Ok(Either::Left(stream)),
                Some(tls) => handshake(endpoint, host, stream, tls).await,
            }
        };
        match timeout_at(until, reached).await {
            Ok(reached) => reached,
            Err(_) => Err(unreachable(endpoint, "it did not answer in time").into()),
        }
    }

    async fn dialled(
        &self,
        endpoint: &Endpoint,
        host: &str,
        port: u16,
    ) -> Result<TcpStream, Problem> {
        let refused = |refusal: Refusal| refusal_problem(&endpoint.name, &refusal);
        let addresses: Vec<IpAddr> = match self.judge.written(host).map_err(refused)? {
            Some(address) => vec![address],
            None => self.judge.resolve(host).await.map_err(|why| match why {
                Unresolved::Refused(refusal) => refused(refusal),
                Unresolved::Lookup(_) => unreachable(endpoint, &why.to_string()),
            })?,
        };
        let connect = |address| TcpStream::connect(SocketAddr::new(address, port));
        match first(addresses, connect).await {
            Ok(stream) => {
                // Requests are written whole; waiting for more only delays them.
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
            Err(Some(error)) => Err(unreachable(endpoint, &error.to_string())),
            Err(None) => Err(unreachable(endpoint, "its name has no address")),
        }
    }

    fn tls(&self, endpoint: &Endpoint, wire: &Wire) -> Result<Option<Arc<ClientConfig>>, Problem> {
        match wire {
            Wire::Plain => Ok(None),
            Wire::Tls => {
                // Reading the system's authorities takes a while; it is done once.
                if let Some(config) = self.system_tls.get() {
                    return Ok(Some(Arc::clone(config)));
                }
                let config = system().map_err(|error| no_tls(&error))?;
                Ok(Some(Arc::clone(
                    self.system_tls.get_or_init(|| Arc::new(config)),
                )))
            }
            Wire::PrivateTls(authority) => {
                let roots = roots(authority).map_err(|why| {
                    Problem::new(
                        Code::BadRequest,
                        format!(
                            "the certificate authority of {} cannot be used: {why}",
                            endpoint.name
                        ),
                    )
                    .remedy("give the authority's certificate in PEM form")
                })?;
                let config = builder().map_err(|error| no_tls(&error))?;
                let config = config.with_root_certificates(roots).with_no_client_auth();
                Ok(Some(Arc::new(config)))
            }
        }
    }
}

async fn handshake(
    endpoint: &Endpoint,
    host: &str,
    stream: TcpStream,
    tls: Arc<ClientConfig>,
) -> Result<Stream, NotConnected> {
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| {
        bad_url(
            endpoint,
            "its host is not a name that a certificate can have",
        )
    })?;
    let secured = TlsConnector::from(tls).connect(name, stream).await;
    let secured = secured.map_err(|error| {
        let of_tls = error.get_ref().and_then(|it| it.downcast_ref());
        NotConnected {
            certificate: matches!(of_tls, Some(rustls::Error::InvalidCertificate(_))),
            why: unreachable(endpoint, &format!("TLS: {error}")),
        }
    })?;
    Ok(Either::Right(Box::new(secured)))
}

fn system() -> Result<ClientConfig, rustls::Error> {
    Ok(builder()?.with_platform_verifier()?.with_no_client_auth())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
}

fn roots(authority: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    match roots.is_empty() {
        true => Err("it holds no certificate".to_owned()),
        false => Ok(roots),
    }
}

/// The registered port of a scheme that the parser of addresses does not know.
fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "mqtt" => Some(1883),
        "mqtts" => Some(8883),
        _ => None,
    }
}

fn unreachable(endpoint: &Endpoint, why: &str) -> Problem {
    Problem::new(Code::Unreachable, format!("{}: {why}", endpoint.name))
}

fn no_tls(error: &rustls::Error) -> Problem {
    Problem::new(
        Code::Internal,
        format!("no TLS client could be made: {error}"),
    )
    .remedy(
        "install the system's root certificates (package ca-certificates), then restart the node",
    )
}

#[cfg(test)]
#[path = "connect_tests.rs"]
pub(super) mod tests;
