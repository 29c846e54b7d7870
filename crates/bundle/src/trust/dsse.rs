//! The signed document: an in-toto statement that a manifest of some digest
//! was signed, in a DSSE envelope, in a Sigstore bundle v0.3 with a hint at the
//! key or with a certificate. This is what Cosign 3 writes for `cosign sign`.
//!
//! No keys and no trust here.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;
use sigstore_types::{
    Bundle, DsseEnvelope, DsseSignature, KeyId, MediaType, PayloadBytes, PublicKeyIdentifier,
    SignatureBytes, SignatureContent, Statement, VerificationMaterial, VerificationMaterialContent,
};
use thiserror::Error;

use crate::artifact::digest::Digest;

/// The payload type of an in-toto statement.
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The version of statements before the one that signatures have.
const STATEMENT_V0_1: &str = "https://in-toto.io/Statement/v0.1";
/// The predicate by which Cosign says "I sign this", and nothing more. An
/// attestation (an SBOM, a scan) by the same key has another one and is no
/// signature.
pub(crate) const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// Signature material that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DsseError {
    #[error("the signature is malformed: {0}")]
    Malformed(String),
    #[error("it is an attestation of `{0}`, not a signature")]
    Attestation(String),
}

/// Which of the members of a Sigstore bundle that exclude each other are there. `Bundle` takes the first of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    verification_material: SaidOfMaker,
    message_signature: Option<IgnoredAny>,
    dsse_envelope: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidOfMaker {
    certificate: Option<IgnoredAny>,
    x509_certificate_chain: Option<IgnoredAny>,
    public_key: Option<IgnoredAny>,
}

impl Said {
    fn once(&self) -> Result<(), &'static str> {
        let by = &self.verification_material;
        let makers = [&by.certificate, &by.x509_certificate_chain, &by.public_key];
        let contents = [&self.message_signature, &self.dsse_envelope];
        if makers.into_iter().flatten().count() > 1 {
            return Err("it is both by a key and by a certificate, or by two certificates");
        }
        match contents.into_iter().flatten().count() > 1 {
            true => Err("it is a signature over bytes and one over a statement"),
            false => Ok(()),
        }
    }
}

/// A signature whose payload nobody has looked into yet.
#[derive(Debug)]
pub(crate) struct Envelope {
    envelope: DsseEnvelope,
    /// What it says of its maker; proves nothing.
    pub(crate) by: By,
    /// Whether a statement of another kind than a signature is one, too.
    any_kind: bool,
}

/// With what a signature was made.
#[derive(Debug)]
pub(crate) enum By {
    /// A key that calls itself so.
    Key(String),
    /// The key of a certificate, which is in here with what shows when it was used.
    Certificate(Box<Bundle>),
}

/// Reads a Sigstore bundle that says everything once.
pub(crate) fn read(json: &[u8]) -> Result<Bundle, DsseError> {
    let malformed = |why: &dyn ToString| DsseError::Malformed(why.to_string());
    let text = std::str::from_utf8(json).map_err(|e| malformed(&e))?;
    let bundle = Bundle::from_json(text).map_err(|e| malformed(&e))?;
    let said: Said = serde_json::from_str(text).map_err(|e| malformed(&e))?;
    said.once().map_err(|why| malformed(&why))?;
    Ok(bundle)
}

impl Envelope {
    /// Reads a Sigstore bundle. The payload is not parsed before its signature
    /// is verified.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, DsseError> {
        let malformed = |why: &dyn ToString| DsseError::Malformed(why.to_string());
        let bundle = read(json)?;
        if bundle.media_type() != MediaType::Bundle0_3 {
            return Err(malformed(&format!(
                "a bundle of version 0.3 is needed, this is {}",
                bundle.media_type()
            )));
        }
        let envelope = match &bundle.content {
            SignatureContent::DsseEnvelope(envelope) if envelope.payload_type == IN_TOTO => {
                envelope.clone()
            }
            SignatureContent::DsseEnvelope(other) => {
                let kind: String = other.payload_type.chars().take(100).collect();
                return Err(malformed(&format!("payload of type `{kind}`")));
            }
            _ => return Err(malformed(&"a signature over bytes, not over a statement")),
        };
        let by = match bundle.verification_material.content {
            VerificationMaterialContent::PublicKey(key) => By::Key(key.hint),
            _ => By::Certificate(Box::new(bundle)),
        };
        Ok(Self {
            envelope,
            by,
            any_kind: false,
        })
    }

    /// As [`Envelope::parse`], of an attestation or a signature.
    pub(crate) fn parse_any(json: &[u8]) -> Result<Self, DsseError> {
        let parsed = Self::parse(json)?;
        Ok(Self {
            any_kind: true,
            ..parsed
        })
    }

    /// What the signature is over.
    pub(crate) fn message(&self) -> Vec<u8> {
        self.envelope.pae()
    }

    pub(crate) fn signature(&self) -> &SignatureBytes {
        &self.envelope.signature.sig
    }

    /// What is stated. Only for a verified envelope, or for eyes.
    pub(crate) fn statement(&self) -> Result<Statement, DsseError> {
        let statement: Statement = serde_json::from_slice(self.envelope.payload.as_bytes())
            .map_err(|e| DsseError::Malformed(format!("statement: {e}")))?;
        // Attestations that Cosign makes are of the version before; a signature is not.
        let is_attestation = self.any_kind || statement.predicate_type != SIGN_PREDICATE;
        let known = statement.type_ == Statement::TYPE_V1
            || is_attestation && statement.type_ == STATEMENT_V0_1;
        if !known {
            return Err(DsseError::Malformed(
                "an in-toto statement v1 is needed".to_owned(),
            ));
        }
        Ok(statement)
    }

    /// The digests the statement is about. Only for a verified envelope.
    pub(crate) fn subjects(&self) -> Result<Vec<Digest>, DsseError> {
        let statement = self.statement()?;
        if !self.any_kind && statement.predicate_type != SIGN_PREDICATE {
            let kind = statement.predicate_type.chars().take(100).collect();
            return Err(DsseError::Attestation(kind));
        }
        Ok(about(&statement))
    }
}

/// The digests that a statement is about.
pub(crate) fn about(statement: &Statement) -> Vec<Digest> {
    let digests = statement.subject.iter().filter_map(|s| s.digest.sha256);
    digests.map(|d| Digest::from(*d.as_bytes())).collect()
}

/// The statement that `digest` is signed, as bytes.
pub(crate) fn statement(digest: &Digest) -> Vec<u8> {
    json!({
        "_type": Statement::TYPE_V1,
        "subject": [{"digest": {"sha256": digest.hex()}}],
        "predicateType": SIGN_PREDICATE,
        "predicate": {},
    })
    .to_string()
    .into_bytes()
}

/// What a signature over `statement` is made over (DSSE v1, "PAE").
pub(crate) fn message(statement: &[u8]) -> Vec<u8> {
    sigstore_types::pae(IN_TOTO, statement)
}

/// The Sigstore bundle of a signature over `statement`.
pub(crate) fn seal(
    statement: &[u8],
    signature: SignatureBytes,
    hint: String,
) -> Result<Vec<u8>, DsseError> {
    let envelope = DsseEnvelope::new(
        IN_TOTO,
        PayloadBytes::from_bytes(statement),
        DsseSignature::new(signature, KeyId::new("")),
    );
    let material = VerificationMaterial::new(VerificationMaterialContent::PublicKey(
        PublicKeyIdentifier::new(hint),
    ));
    let content = SignatureContent::DsseEnvelope(envelope);
    Bundle::new(MediaType::Bundle0_3, material, content)
        .to_json()
        .map(String::into_bytes)
        .map_err(|e| DsseError::Malformed(e.to_string()))
}
