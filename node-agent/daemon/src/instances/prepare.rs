//! What an instance needs before it may run: somebody who vouches for its program, and the program.

use std::sync::Arc;

use aion_api::{
    AgentInstance, KeyPurpose,
    condition::{self, Judgement, reason},
    program::Runtime,
};
use aion_bundle::{
    AdmitError, BundleRef, Digest, Limits, NamePattern, Sources, SourcesError, Store, TrustSet,
    TrustedKey,
};
use aion_policy::Trust;
use sha2::{Digest as _, Sha256};

use crate::{
    instance::{Prepared, required_layers},
    modules::{ModuleError, Modules},
};

/// Lets programs in.
#[derive(Clone)]
pub struct Preparer {
    /// What was let in before.
    pub store: Arc<Store>,
    /// Where bundles are fetched.
    pub sources: Arc<Sources>,
    /// No packet leaves the machine.
    pub offline: bool,
    /// What modules are compiled with.
    pub modules: Arc<Modules>,
}

/// Why a program was not let in.
#[derive(Debug)]
pub struct PrepareError {
    /// What `Verified` says; or `Ready`, where the program is verified and still cannot be run.
    pub judgement: Judgement,
    /// Trying again may help: something did not answer.
    pub passing: bool,
    /// What was let in before goes on: nothing was found against it.
    pub stands: bool,
}

impl PrepareError {
    fn refused(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            judgement: Judgement::new(condition::VERIFIED, false, reason, message),
            passing: false,
            stands: false,
        }
    }
}

impl Preparer {
    /// Verifies `instance`'s program under `trust` and makes it ready. The judgement is `Verified`; `compiling`
    /// hears of it before the program is compiled, where that takes its time.
    ///
    /// # Errors
    /// [`PrepareError`].
    pub async fn prepare(
        &self,
        instance: &AgentInstance,
        trust: &Trust,
        compiling: impl FnOnce(&Judgement),
    ) -> Result<(Prepared, Judgement), PrepareError> {
        let (program, judgement) = self.verify(instance, trust).await?;
        if let Prepared::Wasm { bundle } = &program {
            if !self.modules.is_compiled(bundle).await {
                compiling(&judgement);
            }
            let required = required_layers(&instance.spec);
            let compiled = self.modules.open(bundle, &required).await;
            compiled.map_err(|error| not_compiled(&error))?;
        }
        Ok((program, judgement))
    }

    async fn verify(
        &self,
        instance: &AgentInstance,
        trust: &Trust,
    ) -> Result<(Prepared, Judgement), PrepareError> {
        match (&instance.spec.inline, &instance.spec.bundle) {
            (Some(inline), None) => {
                let judgement = inline_allowed(trust)?;
                let instructions = inline.instructions.clone();
                Ok((Prepared::Declarative { instructions }, judgement))
            }
            (None, Some(bundle)) => self.bundle(instance, bundle, trust).await,
            _ => Err(PrepareError::refused(
                reason::INVALID,
                "the instance has neither or both of an inline program and a bundle",
            )),
        }
    }

    async fn bundle(
        &self,
        instance: &AgentInstance,
        bundle: &aion_api::program::BundleRef,
        trust: &Trust,
    ) -> Result<(Prepared, Judgement), PrepareError> {
        if trust.policies.is_empty() {
            return Err(PrepareError::refused(
                reason::NO_TRUST_POLICY,
                "no TrustPolicy speaks for this namespace: apply one that names the bundle's signer",
            ));
        }
        let wanted = BundleRef {
            name: parsed(&bundle.name)?,
            digest: parsed(&bundle.digest)?,
        };
        let keys = trust_set(trust, instance, bundle)?;
        let source =
            self.sources
                .open(&wanted.name, self.offline)
                .map_err(|error| match error {
                    SourcesError::NoSource(_) => {
                        PrepareError::refused(reason::NO_SOURCE, error.to_string())
                    }
                    other => PrepareError::refused(reason::STORE_FAILED, other.to_string()),
                })?;
        let admitted = self
            .store
            .admit(&source, &wanted, &keys, &Limits::default())
            .await
            .map_err(|error| not_admitted(&error))?;
        let judgement = Judgement::new(
            condition::VERIFIED,
            true,
            admitted.verdict.grade.as_str(),
            format!(
                "bundle {} {} is signed by key {}",
                bundle.name, bundle.digest, admitted.verdict.signer.key
            ),
        );
        let program = self.program(instance, &admitted.bundle).await?;
        Ok((program, judgement))
    }

    async fn program(
        &self,
        instance: &AgentInstance,
        stored: &aion_bundle::Stored,
    ) -> Result<Prepared, PrepareError> {
        let fits = matches!(
            (instance.spec.runtime, stored.config.runtime),
            (Runtime::Wasm, aion_bundle::Runtime::Wasm)
                | (Runtime::Declarative, aion_bundle::Runtime::Declarative)
        );
        if !fits {
            return Err(PrepareError::refused(
                reason::INVALID,
                format!(
                    "the Agent says runtime {} and its bundle is for {:?}: make spec.runtime what the bundle is for",
                    instance.spec.runtime.as_str(),
                    stored.config.runtime
                ),
            ));
        }
        match stored.config.runtime {
            aion_bundle::Runtime::Wasm => Ok(Prepared::Wasm {
                bundle: stored.digest,
            }),
            aion_bundle::Runtime::Declarative => {
                let text = tokio::fs::read_to_string(&stored.program)
                    .await
                    .map_err(|error| {
                        PrepareError::refused(
                            reason::STORE_FAILED,
                            format!("{}: {error}", stored.program.display()),
                        )
                    })?;
                let definition: Definition = serde_saphyr::from_str(&text).map_err(|error| {
                    PrepareError::refused(
                        reason::MALFORMED,
                        format!("the bundle's definition: {error}"),
                    )
                })?;
                Ok(Prepared::Declarative {
                    instructions: definition.instructions,
                })
            }
        }
    }
}

/// The definition that a declarative bundle holds. Tools, models and rights are the Agent's business.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    instructions: String,
}

fn inline_allowed(trust: &Trust) -> Result<Judgement, PrepareError> {
    if trust.inline {
        return Ok(Judgement::new(
            condition::VERIFIED,
            true,
            reason::INLINE,
            "the program stands in the Agent itself, which a TrustPolicy allows here",
        ));
    }
    Err(if trust.policies.is_empty() {
        PrepareError::refused(
            reason::NO_TRUST_POLICY,
            "no TrustPolicy speaks for this namespace: apply one that says inline: allow",
        )
    } else {
        PrepareError::refused(
            reason::INLINE_NOT_ALLOWED,
            format!(
                "the program stands in the Agent itself and no TrustPolicy here ({}) says inline: allow",
                trust.policies.join(", ")
            ),
        )
    })
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, PrepareError>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| PrepareError::refused(reason::INVALID, error.to_string()))
}

/// The keys that may vouch for this bundle. The revision names all of them and what they may vouch for, so
/// that a verdict stands only as long as nothing of that changes.
fn trust_set(
    trust: &Trust,
    instance: &AgentInstance,
    bundle: &aion_api::program::BundleRef,
) -> Result<TrustSet, PrepareError> {
    let signers = instance.spec.signers.as_deref();
    let mut keys = Vec::new();
    let mut revision = Sha256::new();
    for key in trust.keys_for(bundle, signers) {
        revision.update(serde_json::to_vec(key).unwrap_or_default());
        revision.update([0]);
        keys.push(key_of(key)?);
    }
    Ok(TrustSet {
        revision: hex::encode(revision.finalize()),
        keys,
    })
}

fn key_of(key: &aion_api::TrustedKey) -> Result<TrustedKey, PrepareError> {
    let bad = |error: aion_bundle::TrustError| {
        PrepareError::refused(reason::UNTRUSTED_KEY, error.to_string())
    };
    let digests: Vec<Digest> = key
        .digests
        .iter()
        .map(|digest| parsed(digest))
        .collect::<Result<_, _>>()?;
    if key.purpose == KeyPurpose::Machine {
        return TrustedKey::machine(&key.public_key, digests).map_err(bad);
    }
    let names: Vec<NamePattern> = match key.bundles.is_empty() {
        true => vec![NamePattern::any()],
        false => key
            .bundles
            .iter()
            .map(|name| parsed(name))
            .collect::<Result<_, _>>()?,
    };
    let parsed = TrustedKey::new(&key.name, &key.public_key, names).map_err(bad)?;
    Ok(if digests.is_empty() {
        parsed
    } else {
        parsed.only(digests)
    })
}

fn not_compiled(error: &ModuleError) -> PrepareError {
    let reason = match error {
        ModuleError::NoCompiler(_) => reason::COMPILER_MISSING,
        ModuleError::Unconfined(_) => reason::LAYER_MISSING,
        ModuleError::NotStarted(_) => reason::PENDING,
        ModuleError::NoBundle(_) | ModuleError::Store(_) | ModuleError::Io { .. } => {
            reason::STORE_FAILED
        }
        ModuleError::Refused(_) | ModuleError::Failed(_) => reason::COMPILE_FAILED,
    };
    PrepareError {
        judgement: Judgement::new(condition::READY, false, reason, error.to_string()),
        passing: error.is_passing(),
        stands: error.is_passing(),
    }
}

fn not_admitted(error: &AdmitError) -> PrepareError {
    let reason = error.reason();
    PrepareError {
        judgement: Judgement::new(
            condition::VERIFIED,
            false,
            reason.as_str(),
            error.to_string(),
        ),
        passing: error.may_pass_later(),
        // What the kept signatures still vouch for is admitted without its source. So whatever else failed, nobody
        // who is trusted now vouches for what runs.
        stands: matches!(error, AdmitError::Store(_)),
    }
}
