//! The certificate of the interface over TCP, as its files are at any time: a kubelet puts others in their place when the
//! Secret changes, and connections that are made from then on are answered with the new pair. A pair that cannot be used
//! leaves the one before in force, and is told.
//!
//! What may not enter: who may ask (`reviewer`), and the writing of the KernelNode (`registration`).

mod files;
mod judgement;
mod renewal;

use std::sync::Arc;

use aion_telemetry::IntGauge;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

use crate::config::TlsFiles;

pub(crate) use files::TlsError;
use files::{Contents, Pair, unusable};
pub(super) use judgement::{Trouble, Validity};
pub(crate) use renewal::Renewal;

/// The key in force, for every handshake that begins.
#[derive(Debug)]
struct InForce(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for InForce {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

/// What is told of the certificate, on its way to the KernelNode and back.
#[derive(Debug, Clone)]
pub(crate) struct Announced {
    /// What the KernelNode is to say.
    pub(super) state: watch::Receiver<State>,
    /// The authorities that it says.
    pub(super) written: Arc<watch::Sender<String>>,
}

/// What is to be known of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// What callers check it against, in PEM form.
    pub(super) authority: String,
    /// When it holds.
    pub(super) validity: Validity,
    /// Why what is in the files now is not used.
    pub(super) refused: Option<String>,
}

/// Reads the files. Gives what answers handshakes, what is told, and what takes over other files once it is run; it keeps
/// `ends`, when the certificate does.
///
/// # Errors
/// [`TlsError`].
pub(crate) fn open(
    files: TlsFiles,
    ends: IntGauge,
) -> Result<(TlsAcceptor, Announced, Renewal), TlsError> {
    let contents = Contents::read(&files)?;
    let digest = contents.digest();
    let pair = Pair::of(&files, contents)?;
    let in_force = Arc::new(InForce(RwLock::new(pair.key)));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| unusable(&files, source))?;
    let resolver: Arc<dyn ResolvesServerCert> = in_force.clone();
    let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];

    let state = watch::Sender::new(State {
        authority: pair.authority,
        validity: pair.validity,
        refused: None,
    });
    let written = Arc::new(watch::Sender::new(String::new()));
    let announced = Announced {
        state: state.subscribe(),
        written: Arc::clone(&written),
    };
    ends.set(pair.validity.until.as_second());
    let renewal = Renewal {
        files,
        taken: digest,
        in_force,
        state,
        written: written.subscribe(),
        ends,
    };
    Ok((TlsAcceptor::from(Arc::new(config)), announced, renewal))
}

#[cfg(test)]
mod tests;
