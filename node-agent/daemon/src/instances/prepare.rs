//! What an instance needs before it may run: somebody who vouches for its program, and the program.

use std::sync::Arc;

use aion_api::{
    AgentInstance, OnRevoked,
    condition::{self, Judgement, reason},
    program::Runtime,
};
use aion_bundle::{AdmitError, BundleRef, Content, Reason, Recalled, Store, Verdict};
use aion_policy::Trust;
use aion_trust::{PassedOver, TrustRoots};
use tokio::sync::Semaphore;

use super::fetch::{Fetched, Fetcher, Unused};
use crate::{
    instance::{Prepared, required_layers},
    modules::{ModuleError, Modules},
};

/// Preparations that are at the disk and the processor at once. Nobody waits for a network meanwhile.
const AT_THE_DISK: usize = 8;

/// Lets programs in.
#[derive(Clone)]
pub(crate) struct Preparer {
    store: Arc<Store>,
    fetcher: Arc<Fetcher>,
    roots: Arc<TrustRoots>,
    modules: Arc<Modules>,
    disk: Arc<Semaphore>,
}

/// Why a program was not let in.
#[derive(Debug)]
pub(crate) struct PrepareError {
    /// What `Verified` says; or `Ready`, where the program is verified and still cannot be run.
    pub judgement: Judgement,
    /// Trying again may help: something did not answer.
    pub passing: bool,
    /// What becomes of what was let in before.
    pub before: Before,
}

/// What becomes of what was let in before, and is not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// It goes on: nothing was found against it.
    GoesOn,
    /// It takes no further turn, and the one that runs ends as it would.
    Drains,
    /// Its turns end.
    Ends,
}

/// What is found while an instance is prepared, and before that is done.
#[derive(Debug)]
pub(crate) enum Meanwhile {
    /// It is verified, and its module is being compiled.
    Compiling(Judgement),
    /// Who vouched for it is revoked, and another signature is looked for.
    Revoked(Judgement, Before),
}

impl PrepareError {
    pub(super) fn refused(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            judgement: Judgement::new(condition::VERIFIED, false, reason, message),
            passing: false,
            before: Before::Ends,
        }
    }
}

impl Preparer {
    /// Lets in what `store` has, or what `fetcher` brings, of those whom `roots` and keys show; compiles with
    /// `modules`.
    pub(crate) fn new(
        store: Arc<Store>,
        fetcher: Fetcher,
        roots: TrustRoots,
        modules: Arc<Modules>,
    ) -> Self {
        Self {
            store,
            fetcher: Arc::new(fetcher),
            roots: Arc::new(roots),
            modules,
            disk: Arc::new(Semaphore::new(AT_THE_DISK)),
        }
    }

    /// Verifies `instance`'s program under `trust` and makes it ready. The judgement is `Verified`; `meanwhile` hears of
    /// what takes its time. May be given up at any moment.
    ///
    /// # Errors
    /// [`PrepareError`].
    pub(crate) async fn prepare(
        &self,
        instance: &AgentInstance,
        trust: &Trust,
        meanwhile: impl Fn(Meanwhile) + Sync,
    ) -> Result<(Prepared, Judgement), PrepareError> {
        let (program, judgement) = self.verify(instance, trust, &meanwhile).await?;
        if let Prepared::Wasm { bundle } = &program {
            if !self.modules.is_compiled(bundle).await {
                meanwhile(Meanwhile::Compiling(judgement.clone()));
            }
            let required = required_layers(&instance.spec);
            let tenant = &instance.spec.tenant;
            let compiled = self.modules.open(bundle, &required, tenant).await;
            compiled.map_err(|error| not_compiled(&error))?;
        }
        Ok((program, judgement))
    }

    async fn verify(
        &self,
        instance: &AgentInstance,
        trust: &Trust,
        meanwhile: &(impl Fn(Meanwhile) + Sync),
    ) -> Result<(Prepared, Judgement), PrepareError> {
        if let Some(why) = trust.unreadable.first() {
            return Err(PrepareError {
                before: Before::GoesOn,
                ..PrepareError::refused(reason::UNREADABLE, why.clone())
            });
        }
        match (&instance.spec.inline, &instance.spec.bundle) {
            (None, None) if instance.spec.runtime == Runtime::External => {
                Ok((Prepared::External, external_allowed(trust)?))
            }
            (Some(inline), None) => {
                let judgement = inline_allowed(trust)?;
                let program = match (&inline.instructions, inline.steps.as_slice()) {
                    (Some(instructions), []) => Prepared::Declarative {
                        instructions: instructions.clone(),
                    },
                    (None, [_, ..]) => Prepared::Steps,
                    _ => {
                        return Err(PrepareError::refused(
                            reason::INVALID,
                            "the instance has neither or both of instructions and steps",
                        ));
                    }
                };
                Ok((program, judgement))
            }
            (None, Some(bundle)) => self.bundle(instance, bundle, trust, meanwhile).await,
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
        meanwhile: &(impl Fn(Meanwhile) + Sync),
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
        let (keys, passed_over) =
            self.roots
                .trust_set(trust, instance.spec.signers.as_deref(), bundle);
        if !passed_over.is_empty() {
            tracing::warn!(
                namespace = instance.metadata.namespace,
                told = passed_over.told(),
                "signers of TrustPolicies cannot be used"
            );
        }
        let recalled = {
            let _permit = self.disk.acquire().await;
            let store = self.store.for_tenant(&instance.spec.tenant);
            store.recall(&wanted, &keys).await
        };
        let named = !instance.spec.pull_secrets.is_empty();
        let refused = |error: &AdmitError, unused: &Unused| {
            let mut refused = not_admitted(error, trust, &passed_over, unused);
            // A pull secret with an old password is corrected without touching the agent.
            refused.passing |= named && error.last_reason() == Reason::AccessDenied;
            refused
        };
        let (fetcher, store) = (&self.fetcher, &self.store);
        let recalled = recalled.map_err(|error| refused(&error, &Unused::default()))?;
        let Fetched { came, unused } = match recalled {
            Recalled::Admitted(admitted) => Ok(admitted).into(),
            Recalled::Absent => fetcher.fetch(store, &wanted, &keys, &instance.spec).await,
            Recalled::Lapsed(_, kept) => {
                if kept.reason() == Reason::Revoked {
                    let now = refused(&kept.clone().into(), &Unused::default());
                    meanwhile(Meanwhile::Revoked(now.judgement, now.before));
                }
                let looking = fetcher.look(store, &wanted, &keys, &instance.spec);
                let Fetched { came, unused } = looking.await;
                let came = came.map_err(|why| why.of_lapsed(kept));
                Fetched { came, unused }
            }
        };
        let admitted = came.map_err(|error| refused(&error, &unused))?;
        let judgement = Judgement::new(
            condition::VERIFIED,
            true,
            admitted.verdict.grade.as_str(),
            format!(
                "bundle {} {} is signed by {}{}{}{}{}",
                bundle.name,
                bundle.digest,
                admitted.verdict.signer,
                attested(&admitted.verdict),
                of_root(&admitted.bundle.content),
                passed_over.told(),
                unused.told()
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
        let runtime = stored.runtime();
        if instance.spec.runtime != runtime {
            let is = match stored.content {
                Content::Bundle { .. } => format!("is for {}", runtime.as_str()),
                Content::Image(_) => format!("is a container image, for {}", runtime.as_str()),
            };
            return Err(PrepareError::refused(
                reason::INVALID,
                format!(
                    "the Agent says runtime {} and its bundle {is}: make spec.runtime what the bundle is for",
                    instance.spec.runtime.as_str(),
                ),
            ));
        }
        match &stored.content {
            Content::Image(_) => Ok(Prepared::Process {
                image: stored.digest,
            }),
            Content::Bundle { .. } if runtime == Runtime::Wasm => Ok(Prepared::Wasm {
                bundle: stored.digest,
            }),
            Content::Bundle { program, .. } => {
                let text = tokio::fs::read_to_string(program).await.map_err(|error| {
                    PrepareError::refused(
                        reason::STORE_FAILED,
                        format!("{}: {error}", program.display()),
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

/// What is to be known of an image whose program is root inside.
fn of_root(content: &Content) -> &'static str {
    match content {
        Content::Image(image) if image.user.uid == 0 => {
            "; the image is of root, who has none of root's rights here: name a USER in it to be somebody else"
        }
        Content::Image(_) | Content::Bundle { .. } => "",
    }
}

/// The definition that a declarative bundle holds. Tools, models and rights are the Agent's business.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    instructions: String,
}

fn external_allowed(trust: &Trust) -> Result<Judgement, PrepareError> {
    if trust.external {
        return Ok(Judgement::new(
            condition::VERIFIED,
            true,
            reason::EXTERNAL,
            "its program runs elsewhere and is not verified, which a TrustPolicy allows here",
        ));
    }
    let (reason, message) = match trust.policies.is_empty() {
        true => (
            reason::NO_TRUST_POLICY,
            "no TrustPolicy speaks for this namespace: apply one that says external: allow"
                .to_owned(),
        ),
        false => (
            reason::EXTERNAL_NOT_ALLOWED,
            format!(
                "its program runs elsewhere and no TrustPolicy here ({}) says external: allow",
                trust.policies.join(", ")
            ),
        ),
    };
    Err(PrepareError::refused(reason, message))
}

fn inline_allowed(trust: &Trust) -> Result<Judgement, PrepareError> {
    if trust.inline {
        return Ok(Judgement::new(
            condition::VERIFIED,
            true,
            reason::INLINE,
            "the program is in the Agent itself, which a TrustPolicy allows",
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
                "the program is in the Agent itself, and no TrustPolicy here ({}) says inline: allow",
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

/// What is attested of it that has to be.
fn attested(verdict: &Verdict) -> String {
    let attested = verdict.attested.iter();
    attested.map(|it| format!("; attested: {it}")).collect()
}

/// Why it was not let in, and what becomes of what was.
fn not_admitted(
    error: &AdmitError,
    trust: &Trust,
    passed_over: &PassedOver,
    unused: &Unused,
) -> PrepareError {
    let reason = match error.reason() {
        Reason::NoTrustPolicy => passed_over.reason().unwrap_or(Reason::NoTrustPolicy),
        reason => reason,
    };
    let told = match unused.explains(error) {
        true => reason::PULL_SECRET_UNUSABLE,
        false => reason.as_str(),
    };
    PrepareError {
        judgement: Judgement::new(
            condition::VERIFIED,
            false,
            told,
            format!("{error}{}{}", passed_over.told(), unused.told()),
        ),
        passing: error.may_pass_later() || passed_over.may_pass_later() || unused.explains(error),
        // What the kept signatures still vouch for is admitted without its source. So whatever else failed, nobody
        // who is trusted now vouches for what runs; a disk without room says nothing against it.
        before: match reason {
            Reason::NoSpace => Before::GoesOn,
            _ if matches!(error, AdmitError::Store(_)) => Before::GoesOn,
            Reason::Revoked if trust.on_revoked == OnRevoked::Drain => Before::Drains,
            _ => Before::Ends,
        },
    }
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
        before: match error.is_passing() {
            true => Before::GoesOn,
            false => Before::Ends,
        },
    }
}

#[cfg(test)]
#[path = "prepare_tests.rs"]
mod tests;
