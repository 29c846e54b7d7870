//! Reading a certificate, its key, and the authority that callers check it against.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::{
    self,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_cert::{der::Decode as _, time::Time};
use zeroize::Zeroizing;

use crate::tcp::TlsFiles;

/// When a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Not before.
    pub from: Timestamp,
    /// Not after.
    pub until: Timestamp,
}

/// The longest certificate authority, in bytes: a KernelNode holds so much.
pub(super) const LONGEST_AUTHORITY: usize = 16 << 10;
/// The longest file, in bytes: a Secret has 1 MiB for all of them.
const LONGEST: u64 = 1 << 20;

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

/// The files as they are. No `Debug`: one of them is the key.
pub(super) struct Contents {
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    ca: Option<Vec<u8>>,
}

/// By which contents are told apart, so that the key is kept nowhere but where it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

/// A pair that can be used.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    /// What callers check it against, in PEM form: the authority where one is named, else the certificate itself.
    pub(super) authority: String,
    pub(super) validity: Validity,
}

impl Contents {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            cert: read("the certificate", &files.cert)?,
            key: Zeroizing::new(read("the key", &files.key)?),
            ca: match &files.ca {
                Some(path) => Some(read("the certificate authority", path)?),
                None => None,
            },
        })
    }

    pub(super) fn digest(&self) -> Fingerprint {
        let parts: [&[u8]; 3] = [&self.cert, &self.key, self.ca.as_deref().unwrap_or(&[])];
        let whole = parts.iter().fold(Sha256::new(), |whole, part| {
            whole.chain_update(Sha256::digest(part))
        });
        Fingerprint(whole.finalize().into())
    }
}

impl Pair {
    pub(super) fn of(files: &TlsFiles, contents: Contents) -> Result<Self, TlsError> {
        let Contents { cert, key, ca } = contents;
        let certificate = |why: String| wrong("the certificate", &files.cert)(why);
        let chain = CertificateDer::pem_slice_iter(&cert).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|why| certificate(why.to_string()))?;
        let first = chain.first();
        let first = first.ok_or_else(|| certificate("it holds no certificate".into()))?;
        let validity = validity(first).map_err(|why| certificate(why.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(wrong("the key", &files.key))?;
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        let key = Arc::new(key.map_err(|source| unusable(files, source))?);
        let (path, authority) = match (&files.ca, ca) {
            (Some(path), Some(ca)) => (path, ca),
            _ => (&files.cert, cert),
        };
        Ok(Self {
            key,
            authority: self::authority(path, authority)?,
            validity,
        })
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let read = || {
        // A pipe would be waited for.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?
            .take(LONGEST + 1)
            .read_to_end(&mut bytes)?;
        match bytes.len() as u64 > LONGEST {
            true => Err(io::Error::other(format!(
                "it is longer than {LONGEST} bytes"
            ))),
            false => Ok(bytes),
        }
    };
    read().map_err(wrong(what, path))
}

fn authority(path: &Path, bytes: Vec<u8>) -> Result<String, TlsError> {
    let wrong = |why: String| wrong("the certificate authority", path)(why);
    if bytes.len() > LONGEST_AUTHORITY {
        return Err(wrong(format!(
            "it is longer than {LONGEST_AUTHORITY} bytes: name the one authority that signed the certificate"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|why| wrong(why.to_string()))?;
    let found = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|why| wrong(why.to_string()))?;
    match found.is_empty() {
        true => Err(wrong("it holds no certificate".into())),
        false => Ok(text),
    }
}

/// RFC 5280, section 4.1.2.5.
fn validity(certificate: &CertificateDer<'_>) -> Result<Validity, x509_cert::der::Error> {
    let read = x509_cert::Certificate::from_der(certificate)?;
    let at = |time: Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        // 9999 at the latest, in either form.
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    };
    Ok(Validity {
        from: at(read.tbs_certificate.validity.not_before),
        until: at(read.tbs_certificate.validity.not_after),
    })
}

pub(super) fn unusable(files: &TlsFiles, source: rustls::Error) -> TlsError {
    TlsError::Pair {
        cert: files.cert.clone(),
        key: files.key.clone(),
        source,
    }
}

fn wrong<E: ToString>(what: &'static str, path: &Path) -> impl FnOnce(E) -> TlsError {
    let path = path.to_owned();
    move |why| TlsError::File {
        what,
        path,
        why: why.to_string(),
    }
}
