//! The certificate of the interface over TCP.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::config::TlsFiles;

/// The longest certificate authority that a KernelNode holds, in bytes.
const LONGEST_CA: usize = 16 * 1024;

/// Why a certificate is not used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not what it should be.
    #[error("{what} {path}: {why}")]
    File {
        /// Which.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Certificate and key do not fit.
    #[error("certificate {cert} and key {key} are not used: {source}")]
    Pair {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

/// Reads certificate and key.
///
/// # Errors
/// [`TlsError`].
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(bad("the certificate", &files.cert))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(bad("the key", &files.key))?;
    let pair = |source| TlsError::Pair {
        cert: files.cert.clone(),
        key: files.key.clone(),
        source,
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What the certificate is checked against: the authority where one is named, else the certificate itself.
///
/// # Errors
/// [`TlsError`].
pub(crate) fn ca_bundle(files: &TlsFiles) -> Result<String, TlsError> {
    let path = files.ca.as_ref().unwrap_or(&files.cert);
    let read: io::Result<String> = fs::read_to_string(path);
    let text = read.map_err(bad("the certificate authority", path))?;
    if text.len() > LONGEST_CA {
        let why = format!(
            "it is longer than {LONGEST_CA} bytes: name the one authority that signed the certificate"
        );
        return Err(bad("the certificate authority", path)(why));
    }
    Ok(text)
}

fn bad<E: ToString>(what: &'static str, path: &Path) -> impl FnOnce(E) -> TlsError {
    let path = path.to_owned();
    move |why| TlsError::File {
        what,
        path,
        why: why.to_string(),
    }
}
