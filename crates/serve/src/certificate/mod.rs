//! The certificate of a server, as its files are at any time: a kubelet puts others in their place when the Secret changes, and
//! connections that are made from then on are answered with the new pair. A pair that cannot be used leaves the one before in
//! force, and is told.
//!
//! What may not enter: where callers learn of the authority.

mod files;
mod renewal;

use std::sync::Arc;

use jiff::Timestamp;
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

use files::{Contents, Pair, unusable};
pub use files::{TlsError, Validity};
pub use renewal::Renewal;

use crate::tcp::TlsFiles;

/// The key in force, for every handshake that begins.
#[derive(Debug)]
struct InForce(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for InForce {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

/// What is told of the certificate, on its way to callers. Where it is dropped nobody tells them.
#[derive(Debug, Clone)]
pub struct Announced {
    /// What they are to be told.
    pub state: watch::Receiver<State>,
    /// The authorities that they are told of by now.
    pub written: Arc<watch::Sender<String>>,
}

/// Takes note of when the certificate ends that is in force.
pub type Ends = Box<dyn Fn(Timestamp) + Send + Sync>;

/// What is to be known of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// What callers check it against, in PEM form.
    pub authority: String,
    /// When it holds.
    pub validity: Validity,
    /// Why what is in the files now is not used.
    pub refused: Option<String>,
}

/// Reads the files. Gives what answers handshakes, what is told, and what takes over other files once it is run.
///
/// # Errors
/// [`TlsError`].
pub fn open(files: TlsFiles, ends: Ends) -> Result<(TlsAcceptor, Announced, Renewal), TlsError> {
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
    ends(pair.validity.until);
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
