//! Conditions: their types, their reasons, and how one is set.
//!
//! Every reason that any part of AION-OS writes stands here, so that a program can compare it and the
//! handbook can list it.

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The specification makes sense and is granted what it needs.
pub const ACCEPTED: &str = "Accepted";
/// Everything it refers to is there.
pub const RESOLVED_REFS: &str = "ResolvedRefs";
/// Its signature was verified, or its being unsigned is allowed.
pub const VERIFIED: &str = "Verified";
/// The layers that are required are enforced.
pub const SANDBOX_ENFORCED: &str = "SandboxEnforced";
/// It can be asked or used.
pub const READY: &str = "Ready";
/// Something is being changed.
pub const PROGRESSING: &str = "Progressing";
/// It works, but not wholly.
pub const DEGRADED: &str = "Degraded";
/// Every field that was written has an effect in this release.
pub const FIELDS_IN_EFFECT: &str = "FieldsInEffect";
/// kstatus: the controller is at work on it.
pub const RECONCILING: &str = "Reconciling";
/// kstatus: the controller cannot go on without a change.
pub const STALLED: &str = "Stalled";
/// A MemoryPool that is being deleted is erased on every node.
pub const ERASED: &str = "Erased";

/// Reasons, in CamelCase.
pub mod reason {
    /// All is as it should be.
    pub const OK: &str = "Ok";
    /// The specification was accepted.
    pub const ACCEPTED: &str = "Accepted";
    /// The specification breaks a rule; the message names field and remedy.
    pub const INVALID: &str = "Invalid";
    /// Some of what was asked for was not granted.
    pub const PARTLY_GRANTED: &str = "PartlyGranted";
    /// Something it cannot do without was not granted.
    pub const NOT_GRANTED: &str = "NotGranted";
    /// Everything referred to was found.
    pub const RESOLVED: &str = "Resolved";
    /// Something referred to is not there.
    pub const NOT_FOUND: &str = "NotFound";
    /// A mount has no folder or volume on the node.
    pub const MOUNT_NOT_MAPPED: &str = "MountNotMapped";
    /// Something referred to is there but of the wrong kind.
    pub const WRONG_KIND: &str = "WrongKind";
    /// Nothing was judged yet.
    pub const PENDING: &str = "Pending";
    /// Signed by a trusted release key.
    pub const SIGNED: &str = "Signed";
    /// Signed by this machine's own key.
    pub const LOCAL_KEY: &str = "LocalKey";
    /// Written in the Agent itself and allowed to be.
    pub const INLINE: &str = "Inline";
    /// Written in the Agent itself, and no TrustPolicy allows that.
    pub const INLINE_NOT_ALLOWED: &str = "InlineNotAllowed";
    /// No TrustPolicy speaks for the namespace.
    pub const NO_TRUST_POLICY: &str = "NoTrustPolicy";
    /// The bundle carries no signature.
    pub const UNSIGNED: &str = "Unsigned";
    /// The bundle is signed, but by no trusted key.
    pub const UNTRUSTED_KEY: &str = "UntrustedKey";
    /// The bundle's bytes are not those of its digest.
    pub const DIGEST_MISMATCH: &str = "DigestMismatch";
    /// The bundle is signed by a trusted key, and the signature does not fit.
    pub const BAD_SIGNATURE: &str = "BadSignature";
    /// The bundle's archive breaks a rule for unpacking.
    pub const BAD_ARCHIVE: &str = "BadArchive";
    /// The bundle was found nowhere.
    pub const BUNDLE_NOT_FOUND: &str = "BundleNotFound";
    /// A registry does not answer.
    pub const REGISTRY_UNAVAILABLE: &str = "RegistryUnavailable";
    /// A registry refuses access.
    pub const ACCESS_DENIED: &str = "AccessDenied";
    /// The registry is off this machine and the node is offline.
    pub const OFFLINE: &str = "Offline";
    /// No source is configured for the bundle's name.
    pub const NO_SOURCE: &str = "NoSource";
    /// A trusted key signed the bundle, but it is not trusted for its name or digest.
    pub const KEY_OUT_OF_SCOPE: &str = "KeyOutOfScope";
    /// The bundle is signed with a certificate, which no key can verify.
    pub const KEYLESS_UNSUPPORTED: &str = "KeylessUnsupported";
    /// A manifest, a signature or an archive is not in the form that it claims to have.
    pub const MALFORMED: &str = "Malformed";
    /// The bundle, or a part of it, is larger than the limits allow.
    pub const TOO_LARGE: &str = "TooLarge";
    /// What the digest names is not a bundle.
    pub const NOT_A_BUNDLE: &str = "NotABundle";
    /// The bundle carries another name than the one asked for.
    pub const NAME_MISMATCH: &str = "NameMismatch";
    /// The node's store has no room.
    pub const NO_SPACE: &str = "NoSpace";
    /// The node's store cannot be read or written.
    pub const STORE_FAILED: &str = "StoreFailed";
    /// All layers are enforced.
    pub const ENFORCED: &str = "Enforced";
    /// The required layers are enforced, others are missing; the message names them.
    pub const ENFORCED_IN_PART: &str = "EnforcedInPart";
    /// Its module is being compiled for the node.
    pub const COMPILING: &str = "Compiling";
    /// The node lacks the program that compiles modules.
    pub const COMPILER_MISSING: &str = "CompilerMissing";
    /// Its module cannot be compiled; the message says why.
    pub const COMPILE_FAILED: &str = "CompileFailed";
    /// A required layer is missing.
    pub const LAYER_MISSING: &str = "LayerMissing";
    /// Instances are ready.
    pub const INSTANCES_READY: &str = "InstancesReady";
    /// No instance is ready yet.
    pub const INSTANCES_NOT_READY: &str = "InstancesNotReady";
    /// Some instances are ready, not all.
    pub const INSTANCES_PARTLY_READY: &str = "InstancesPartlyReady";
    /// No instance is wanted.
    pub const SCALED_TO_ZERO: &str = "ScaledToZero";
    /// No node can take it; the message says why, node by node.
    pub const NO_NODE_FITS: &str = "NoNodeFits";
    /// An instance failed.
    pub const INSTANCE_FAILED: &str = "InstanceFailed";
    /// An instance is drained before it goes.
    pub const DRAINING: &str = "Draining";
    /// A new revision is coming up.
    pub const ROLLING_OUT: &str = "RollingOut";
    /// Nothing is being changed.
    pub const STABLE: &str = "Stable";
    /// A field is kept but has no effect in this release.
    pub const NOT_YET_RUN: &str = "NotYetRun";
    /// The node agent renews its Lease.
    pub const LEASE_RENEWED: &str = "LeaseRenewed";
    /// The node agent stopped renewing its Lease.
    pub const LEASE_EXPIRED: &str = "LeaseExpired";
    /// The node agent has no Lease.
    pub const LEASE_MISSING: &str = "LeaseMissing";
    /// The Node is gone from the cluster.
    pub const NODE_GONE: &str = "NodeGone";
    /// The Node is tainted out of service.
    pub const NODE_OUT_OF_SERVICE: &str = "NodeOutOfService";
    /// The node is being forgotten; the message names what is lost with it.
    pub const NODE_FORGOTTEN: &str = "NodeForgotten";
    /// What a pool held was lost with its node.
    pub const MEMORY_LOST: &str = "MemoryLost";
    /// No agent used the pool yet, so no node holds it.
    pub const WAITING_FOR_FIRST_USE: &str = "WaitingForFirstUse";
    /// A node holds the pool.
    pub const BOUND: &str = "Bound";
    /// Agents still use the pool.
    pub const IN_USE: &str = "InUse";
    /// Nodes are erasing.
    pub const ERASING: &str = "Erasing";
    /// Every node that held a part erased it.
    pub const ERASED: &str = "Erased";
    /// A part was not erased; the message says where and why.
    pub const NOT_ERASED: &str = "NotErased";
    /// Something that decides about it cannot be read by this release; the message names the field.
    pub const UNREADABLE: &str = "Unreadable";
    /// The API server refused what was written.
    pub const API_REFUSED: &str = "ApiRefused";
    /// The API server does not answer, or refuses for now.
    pub const API_UNAVAILABLE: &str = "ApiUnavailable";

    /// Every reason.
    pub const ALL: &[&str] = &[
        OK,
        ACCEPTED,
        INVALID,
        PARTLY_GRANTED,
        NOT_GRANTED,
        RESOLVED,
        NOT_FOUND,
        MOUNT_NOT_MAPPED,
        WRONG_KIND,
        PENDING,
        SIGNED,
        LOCAL_KEY,
        INLINE,
        INLINE_NOT_ALLOWED,
        NO_TRUST_POLICY,
        UNSIGNED,
        UNTRUSTED_KEY,
        DIGEST_MISMATCH,
        BAD_SIGNATURE,
        BAD_ARCHIVE,
        BUNDLE_NOT_FOUND,
        REGISTRY_UNAVAILABLE,
        ACCESS_DENIED,
        OFFLINE,
        NO_SOURCE,
        KEY_OUT_OF_SCOPE,
        KEYLESS_UNSUPPORTED,
        MALFORMED,
        TOO_LARGE,
        NOT_A_BUNDLE,
        NAME_MISMATCH,
        NO_SPACE,
        STORE_FAILED,
        ENFORCED,
        ENFORCED_IN_PART,
        COMPILING,
        COMPILER_MISSING,
        COMPILE_FAILED,
        LAYER_MISSING,
        INSTANCES_READY,
        INSTANCES_NOT_READY,
        INSTANCES_PARTLY_READY,
        SCALED_TO_ZERO,
        NO_NODE_FITS,
        INSTANCE_FAILED,
        DRAINING,
        ROLLING_OUT,
        STABLE,
        NOT_YET_RUN,
        LEASE_RENEWED,
        LEASE_EXPIRED,
        LEASE_MISSING,
        NODE_GONE,
        NODE_OUT_OF_SERVICE,
        NODE_FORGOTTEN,
        MEMORY_LOST,
        WAITING_FOR_FIRST_USE,
        BOUND,
        IN_USE,
        ERASING,
        ERASED,
        NOT_ERASED,
        UNREADABLE,
        API_REFUSED,
        API_UNAVAILABLE,
    ];
}

/// A condition that was judged, before it is written down with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// One of this module's types.
    pub type_: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: Status,
    /// One of [`reason`]'s words.
    pub reason: &'static str,
    /// For a person.
    pub message: String,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
}

impl Status {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Judgement {
    /// A condition of `type_` with `status`, `reason` and `message`.
    #[must_use]
    pub fn new(
        type_: &'static str,
        status: impl Into<Status>,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            type_,
            status: status.into(),
            reason,
            message: message.into(),
        }
    }
}

/// Writes `judgements` down: the time of a condition changes only with its status, and conditions of
/// other types in `before` are not carried over, since they have other writers.
///
/// Messages are cut to the schema's 8192 bytes.
#[must_use]
pub fn write(
    before: &[Condition],
    judgements: &[Judgement],
    generation: Option<i64>,
    now: &Time,
) -> Vec<Condition> {
    judgements
        .iter()
        .map(|judgement| {
            let status = judgement.status.as_str();
            let since = find(before, judgement.type_)
                .filter(|old| old.status == status)
                .map_or_else(|| now.clone(), |old| old.last_transition_time.clone());
            Condition {
                type_: judgement.type_.to_owned(),
                status: status.to_owned(),
                reason: judgement.reason.to_owned(),
                message: cut(&judgement.message, 8192).to_owned(),
                last_transition_time: since,
                observed_generation: generation,
            }
        })
        .collect()
}

/// The condition of `type_`, if it is there.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of `type_` is there and `True`.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == "True")
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
