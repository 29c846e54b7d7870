//! Certificates as Fulcio issues them: a root, an intermediate, and leaves that live for minutes and say who signed in
//! and where, with the promise of a log in them.

use std::time::Duration;

use anyhow::Result;
use der::{
    Decode, Encode,
    asn1::{BitString, Ia5String, ObjectIdentifier, OctetString, UtcTime, Utf8StringRef},
    oid::db::{
        rfc5280::ID_KP_TIME_STAMPING,
        rfc5912::{ECDSA_WITH_SHA_256, ID_KP_CODE_SIGNING},
    },
};
use x509_cert::{
    Certificate, TbsCertificate, Version,
    ext::{
        AsExtension, Extension,
        pkix::{
            BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
            name::GeneralName,
        },
    },
    name::Name,
    serial_number::SerialNumber,
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
    time::{Time, Validity},
};

use super::{
    CLOSED, FOUNDED,
    bundle::{Sct, Signing},
    key::{Key, sha256},
};

/// Who vouched for the signer, in text; and the same as DER.
const ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
const ISSUER_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");
const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

/// A certificate authority: a root, and an intermediate that issues.
#[derive(Debug)]
pub(super) struct Authority {
    root: Certificate,
    issuer: Certificate,
    key: Key,
}

impl Authority {
    pub(super) fn new() -> Result<Self> {
        let (root_key, key) = (Key::new()?, Key::new()?);
        let root = authority("root", "root", &root_key, &root_key)?;
        let issuer = authority("issuer", "root", &key, &root_key)?;
        Ok(Self { root, issuer, key })
    }

    /// From the one that issues to the root.
    pub(super) fn chain(&self) -> Result<Vec<Vec<u8>>> {
        Ok(vec![self.issuer.to_der()?, self.root.to_der()?])
    }

    /// A certificate for `key`, as `signing` wants it, with the promise of the log with the key `log`.
    pub(super) fn issue(&self, key: &Key, signing: &Signing, log: &Key) -> Result<Vec<u8>> {
        let subject = Name::default();
        let from = signing.issued_at;
        let mut tbs = tbs(&subject, &name("issuer")?, key, from, from + signing.lives)?;
        let person = signing.subject.as_str();
        let person = match person.contains("://") {
            true => GeneralName::UniformResourceIdentifier(Ia5String::new(person)?),
            false => GeneralName::Rfc822Name(Ia5String::new(person)?),
        };
        let issuer = Utf8StringRef::new(&signing.issuer)?.to_der()?;
        let extensions = vec![
            KeyUsage(KeyUsages::DigitalSignature.into()).to_extension(&subject, &[])?,
            ExtendedKeyUsage(vec![ID_KP_CODE_SIGNING]).to_extension(&subject, &[])?,
            SubjectAltName(vec![person]).to_extension(&subject, &[])?,
            plain(ISSUER, signing.issuer.as_bytes())?,
            plain(ISSUER_V2, &issuer)?,
        ];
        tbs.extensions = Some(extensions);
        let promised = match signing.sct {
            Sct::None => None,
            Sct::Good => Some(tbs.to_der()?),
            Sct::OfAnotherCertificate => {
                let mut other = tbs.clone();
                other.serial_number = SerialNumber::new(&[77])?;
                Some(other.to_der()?)
            }
        };
        if let (Some(promised), Some(extensions)) = (promised, &mut tbs.extensions) {
            let list = self.promise(&promised, from, log)?;
            extensions.push(plain(SCT_LIST, &OctetString::new(list)?.to_der()?)?);
        }
        Ok(signed(tbs, &self.key)?.to_der()?)
    }

    /// The list of one promise to log the certificate `tbs` (RFC 6962, 3.3).
    fn promise(&self, tbs: &[u8], at: i64, log: &Key) -> Result<Vec<u8>> {
        let at = (u64::try_from(at)? * 1000).to_be_bytes();
        let mut message = vec![0, 0];
        message.extend(at);
        message.extend([0, 1]);
        message.extend(sha256(self.key.spki()));
        message.extend(&u32::try_from(tbs.len())?.to_be_bytes()[1..]);
        message.extend(tbs);
        message.extend([0, 0]);
        let signature = log.sign(&message)?;
        let mut promise = vec![0];
        promise.extend(log.id());
        promise.extend(at);
        promise.extend([0, 0, 4, 3]);
        promise.extend(counted(&signature)?);
        counted(&counted(&promise)?)
    }
}

/// The certificate of a clock that signs, by a root of its own, and that root.
pub(super) fn clock(key: &Key) -> Result<(Certificate, Certificate)> {
    let root_key = Key::new()?;
    let root = authority("clocks", "clocks", &root_key, &root_key)?;
    let subject = name("clock")?;
    let mut tbs = tbs(&subject, &name("clocks")?, key, FOUNDED, CLOSED)?;
    let mut usage = ExtendedKeyUsage(vec![ID_KP_TIME_STAMPING]).to_extension(&subject, &[])?;
    usage.critical = true;
    tbs.extensions = Some(vec![
        KeyUsage(KeyUsages::DigitalSignature.into()).to_extension(&subject, &[])?,
        usage,
    ]);
    Ok((signed(tbs, &root_key)?, root))
}

fn authority(subject: &str, issuer: &str, key: &Key, by: &Key) -> Result<Certificate> {
    let subject = name(subject)?;
    let mut tbs = tbs(&subject, &name(issuer)?, key, FOUNDED, CLOSED)?;
    let constraints = BasicConstraints {
        ca: true,
        path_len_constraint: None,
    };
    let usage = KeyUsages::KeyCertSign | KeyUsages::CRLSign;
    tbs.extensions = Some(vec![
        KeyUsage(usage).to_extension(&subject, &[])?,
        constraints.to_extension(&subject, &[])?,
    ]);
    signed(tbs, by)
}

fn tbs(subject: &Name, issuer: &Name, key: &Key, from: i64, to: i64) -> Result<TbsCertificate> {
    let serial = sha256(key.spki());
    Ok(TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&serial[..12])?,
        signature: algorithm(),
        issuer: issuer.clone(),
        validity: Validity {
            not_before: time(from)?,
            not_after: time(to)?,
        },
        subject: subject.clone(),
        subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(key.spki())?,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: None,
    })
}

fn signed(tbs: TbsCertificate, by: &Key) -> Result<Certificate> {
    let signature = by.sign(&tbs.to_der()?)?;
    Ok(Certificate {
        tbs_certificate: tbs,
        signature_algorithm: algorithm(),
        signature: BitString::from_bytes(&signature)?,
    })
}

fn plain(extn_id: ObjectIdentifier, value: &[u8]) -> Result<Extension> {
    Ok(Extension {
        extn_id,
        critical: false,
        extn_value: OctetString::new(value)?,
    })
}

/// After its length in two bytes, as TLS has it.
fn counted(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut counted = u16::try_from(bytes.len())?.to_be_bytes().to_vec();
    counted.extend(bytes);
    Ok(counted)
}

fn name(common: &str) -> Result<Name> {
    Ok(format!("CN={common},O=example").parse()?)
}

fn time(epoch: i64) -> Result<Time> {
    let since = Duration::from_secs(u64::try_from(epoch)?);
    Ok(Time::UtcTime(UtcTime::from_unix_duration(since)?))
}

pub(super) fn algorithm() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: ECDSA_WITH_SHA_256,
        parameters: None,
    }
}
