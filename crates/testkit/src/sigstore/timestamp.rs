//! A clock that signs (RFC 3161): a time over the hash of something, in CMS.

use std::time::Duration;

use anyhow::Result;
use cms::{
    cert::{CertificateChoices, IssuerAndSerialNumber},
    content_info::{CmsVersion, ContentInfo},
    signed_data::{
        CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo,
        SignerInfos,
    },
};
use der::{
    Any, Encode, Sequence,
    asn1::{GeneralizedTime, Int, ObjectIdentifier, OctetString, SetOfVec},
    oid::db::{
        rfc5911::{ID_CONTENT_TYPE, ID_MESSAGE_DIGEST, ID_SIGNED_DATA},
        rfc5912::ID_SHA_256,
    },
};
use x509_cert::{Certificate, attr::Attribute, spki::AlgorithmIdentifierOwned};

use super::{
    certificate::{algorithm, clock},
    key::{Key, sha256},
};

const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// Any policy.
const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.2");

/// See the module.
#[derive(Debug)]
pub(super) struct Clock {
    key: Key,
    certificate: Certificate,
    root: Certificate,
}

/// RFC 3161, 2.4.2.
#[derive(Sequence)]
struct TstInfo {
    version: u8,
    policy: ObjectIdentifier,
    message_imprint: MessageImprint,
    serial_number: Int,
    gen_time: GeneralizedTime,
}

#[derive(Sequence)]
struct MessageImprint {
    hash_algorithm: AlgorithmIdentifierOwned,
    hashed_message: OctetString,
}

/// A response: granted, with the token.
#[derive(Sequence)]
struct Response {
    status: Status,
    token: ContentInfo,
}

#[derive(Sequence)]
struct Status {
    status: u8,
}

impl Clock {
    pub(super) fn new() -> Result<Self> {
        let key = Key::new()?;
        let (certificate, root) = clock(&key)?;
        Ok(Self {
            key,
            certificate,
            root,
        })
    }

    pub(super) fn chain(&self) -> Result<Vec<Vec<u8>>> {
        Ok(vec![self.certificate.to_der()?, self.root.to_der()?])
    }

    /// That `message` was there at this time.
    pub(super) fn stamp(&self, message: &[u8], at: i64) -> Result<Vec<u8>> {
        let at = Duration::from_secs(u64::try_from(at)?);
        let info = TstInfo {
            version: 1,
            policy: POLICY,
            message_imprint: MessageImprint {
                hash_algorithm: hash(),
                hashed_message: OctetString::new(sha256(message))?,
            },
            serial_number: Int::new(&[1])?,
            gen_time: GeneralizedTime::from_unix_duration(at)?,
        };
        let info = info.to_der()?;
        let attributes = SetOfVec::try_from(vec![
            attribute(ID_CONTENT_TYPE, Any::encode_from(&TST_INFO)?)?,
            attribute(
                ID_MESSAGE_DIGEST,
                Any::encode_from(&OctetString::new(sha256(&info))?)?,
            )?,
        ])?;
        let signature = self.key.sign(&attributes.to_der()?)?;
        let about = &self.certificate.tbs_certificate;
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: about.issuer.clone(),
                serial_number: about.serial_number.clone(),
            }),
            digest_alg: hash(),
            signed_attrs: Some(attributes),
            signature_algorithm: algorithm(),
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        };
        let certificate = CertificateChoices::Certificate(self.certificate.clone());
        let data = SignedData {
            version: CmsVersion::V3,
            digest_algorithms: SetOfVec::try_from(vec![hash()])?,
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: TST_INFO,
                econtent: Some(Any::encode_from(&OctetString::new(info)?)?),
            },
            certificates: Some(CertificateSet(SetOfVec::try_from(vec![certificate])?)),
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
        };
        let response = Response {
            status: Status { status: 0 },
            token: ContentInfo {
                content_type: ID_SIGNED_DATA,
                content: Any::encode_from(&data)?,
            },
        };
        Ok(response.to_der()?)
    }
}

fn attribute(oid: ObjectIdentifier, value: Any) -> Result<Attribute> {
    Ok(Attribute {
        oid,
        values: SetOfVec::try_from(vec![value])?,
    })
}

fn hash() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: ID_SHA_256,
        parameters: None,
    }
}
