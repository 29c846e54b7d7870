//! Conditions: their types, their reasons, and how one is set.
//!
//! Every reason that any part of AION-OS writes stands here, so that a program can compare it and the
//! handbook can list it.

use internment::ArcIntern;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// A text that is in memory once, however many objects say it.
pub type Text = ArcIntern<str>;

/// One thing that is so of an object, or is not: `metav1.Condition`, with texts that ten thousand objects share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about, one of the types below.
    #[serde(rename = "type")]
    pub type_: Text,
    /// Whether it is so: `True`, `False` or `Unknown`.
    pub status: Text,
    /// The generation of the spec that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Since when `status` is what it is.
    pub last_transition_time: Time,
    /// Why, in CamelCase, for programs: one of [`reason`].
    pub reason: Text,
    /// Why, and what to do, for people.
    pub message: Text,
}

/// The specification makes sense and is granted what it needs.
pub const ACCEPTED: &str = "Accepted";
/// Everything it refers to is there.
pub const RESOLVED_REFS: &str = "ResolvedRefs";
/// Its signature was verified, or its being unsigned is allowed.
pub const VERIFIED: &str = "Verified";
/// The layers that are required are enforced.
pub const SANDBOX_ENFORCED: &str = "SandboxEnforced";
/// What ran of it stayed within its limits.
pub const WITHIN_LIMITS: &str = "WithinLimits";
/// What ran of it broke no rule of `onViolation`.
pub const WITHIN_RULES: &str = "WithinRules";
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
/// A Device is there.
pub const CONNECTED: &str = "Connected";
/// Guardrails bound what is written to a Device and commanded.
pub const GUARDED: &str = "Guarded";
/// A MemoryPool that is being deleted is erased on every node.
pub const ERASED: &str = "Erased";

/// Reasons, in CamelCase.
pub mod reason {
    use aion_abi::reason::Reason;

    macro_rules! reasons {
        ($($(#[$doc:meta])* $name:ident = $written:expr,)*) => {
            $($(#[$doc])* pub const $name: &str = $written;)*

            /// Every reason.
            pub const ALL: &[&str] = &[$($name,)*];
        };
    }

    reasons! {
        /// All is as it should be.
        OK = "Ok",
        /// The specification was accepted.
        ACCEPTED = "Accepted",
        /// The specification breaks a rule; the message names field and remedy.
        INVALID = "Invalid",
        /// Some of what was asked for was not granted.
        PARTLY_GRANTED = "PartlyGranted",
        /// Something it cannot do without was not granted.
        NOT_GRANTED = "NotGranted",
        /// Everything referred to was found.
        RESOLVED = "Resolved",
        /// Something referred to is not there.
        NOT_FOUND = "NotFound",
        /// A mount has no folder or volume on the node.
        MOUNT_NOT_MAPPED = "MountNotMapped",
        /// Something referred to is there but of the wrong kind.
        WRONG_KIND = "WrongKind",
        /// Nothing was judged yet.
        PENDING = "Pending",
        /// Signed by a trusted release key, or by a trusted identity.
        SIGNED = "Signed",
        /// Signed by this machine's own key.
        LOCAL_KEY = "LocalKey",
        /// Written in the Agent itself and allowed to be.
        INLINE = "Inline",
        /// Written in the Agent itself, and no TrustPolicy allows that.
        INLINE_NOT_ALLOWED = "InlineNotAllowed",
        /// Its program runs elsewhere: nothing of it is verified, and nothing confined.
        EXTERNAL = "External",
        /// Its program runs elsewhere, and no TrustPolicy allows that.
        EXTERNAL_NOT_ALLOWED = "ExternalNotAllowed",
        /// No program is registered for it.
        NOT_CONNECTED = "NotConnected",
        /// No TrustPolicy speaks for the namespace.
        NO_TRUST_POLICY = Reason::NoTrustPolicy.as_str(),
        /// The bundle carries no signature.
        UNSIGNED = Reason::Unsigned.as_str(),
        /// The bundle is signed, but by no trusted key.
        UNTRUSTED_KEY = Reason::UntrustedKey.as_str(),
        /// The bundle's bytes are not those of its digest.
        DIGEST_MISMATCH = Reason::DigestMismatch.as_str(),
        /// The bundle is signed by somebody trusted, and the signature does not fit.
        BAD_SIGNATURE = Reason::BadSignature.as_str(),
        /// The bundle's archive breaks a rule for unpacking.
        BAD_ARCHIVE = Reason::BadArchive.as_str(),
        /// The image is for other machines than this one.
        WRONG_ARCHITECTURE = Reason::WrongArchitecture.as_str(),
        /// A layer of the image is of a kind that is not unpacked.
        UNSUPPORTED_LAYER = Reason::UnsupportedLayer.as_str(),
        /// The image says no program to run.
        NO_ENTRYPOINT = Reason::NoEntrypoint.as_str(),
        /// The program of the image, or what interprets it, is not in it.
        ENTRYPOINT_NOT_FOUND = Reason::EntrypointNotFound.as_str(),
        /// The user or group of the image is not in its own lists of them.
        USER_NOT_FOUND = Reason::UserNotFound.as_str(),
        /// The bundle was found nowhere.
        BUNDLE_NOT_FOUND = Reason::BundleNotFound.as_str(),
        /// A registry does not answer.
        REGISTRY_UNAVAILABLE = Reason::RegistryUnavailable.as_str(),
        /// A Secret with which the bundle is to be fetched is not there, or is not what it should be.
        PULL_SECRET_UNUSABLE = "PullSecretUnusable",
        /// A registry refuses access.
        ACCESS_DENIED = Reason::AccessDenied.as_str(),
        /// The registry is off this machine and the node is offline.
        OFFLINE = Reason::Offline.as_str(),
        /// No source is configured for the bundle's name.
        NO_SOURCE = Reason::NoSource.as_str(),
        /// A trusted key signed the bundle, but it is not trusted for its name or digest.
        KEY_OUT_OF_SCOPE = Reason::KeyOutOfScope.as_str(),
        /// The bundle is signed without a key, and by no trusted identity.
        UNTRUSTED_IDENTITY = Reason::UntrustedIdentity.as_str(),
        /// A trusted identity signed the bundle, but it is not trusted for its name or digest.
        IDENTITY_OUT_OF_SCOPE = Reason::IdentityOutOfScope.as_str(),
        /// The bundle is signed with a certificate that the trust root does not vouch for.
        BAD_CERTIFICATE = Reason::BadCertificate.as_str(),
        /// The bundle is signed with a certificate, and nothing trusted shows when.
        BAD_TIMESTAMP = Reason::BadTimestamp.as_str(),
        /// The bundle is signed with a certificate, and nothing trusted shows that this was logged.
        NOT_LOGGED = Reason::NotLogged.as_str(),
        /// A TrustPolicy revokes the bundle, or all who signed it.
        REVOKED = Reason::Revoked.as_str(),
        /// Something that a TrustPolicy requires is not attested of the bundle by anybody who may.
        ATTESTATION_MISSING = Reason::AttestationMissing.as_str(),
        /// Another builder made the bundle than a TrustPolicy allows.
        BUILDER_NOT_ALLOWED = Reason::BuilderNotAllowed.as_str(),
        /// The bundle is built from another source than a TrustPolicy allows.
        SOURCE_NOT_ALLOWED = Reason::SourceNotAllowed.as_str(),
        /// The bundle was scanned longer ago than a TrustPolicy allows.
        SCAN_TOO_OLD = Reason::ScanTooOld.as_str(),
        /// A scan found something worse in the bundle than a TrustPolicy allows.
        SEVERITY_TOO_HIGH = Reason::SeverityTooHigh.as_str(),
        /// The trust root of a TrustPolicy cannot be used, and nobody else vouches.
        TRUST_ROOT_UNUSABLE = Reason::TrustRootUnusable.as_str(),
        /// A manifest, a signature or an archive is not in the form that it claims to have.
        MALFORMED = Reason::Malformed.as_str(),
        /// The bundle, or a part of it, is larger than the limits allow.
        TOO_LARGE = Reason::TooLarge.as_str(),
        /// What the digest names is not a bundle.
        NOT_A_BUNDLE = Reason::NotABundle.as_str(),
        /// The bundle carries another name than the one asked for.
        NAME_MISMATCH = Reason::NameMismatch.as_str(),
        /// The node's store has no room.
        NO_SPACE = Reason::NoSpace.as_str(),
        /// The node's store cannot be read or written.
        STORE_FAILED = Reason::StoreFailed.as_str(),
        /// All layers are enforced.
        ENFORCED = "Enforced",
        /// The required layers are enforced, others are missing; the message names them.
        ENFORCED_IN_PART = "EnforcedInPart",
        /// A process of it was ended, since it used more memory than it may.
        OUT_OF_MEMORY = "OutOfMemory",
        /// A process or thread of it was not made, since there were as many as may be.
        OUT_OF_PROCESSES = "OutOfProcesses",
        /// It waited for CPU in more than a quarter of the time that it had something to do.
        THROTTLED = "Throttled",
        /// It broke a rule of onViolation, and was ended.
        VIOLATION_KILLED = "ViolationKilled",
        /// It broke a rule of onViolation, and was refused.
        VIOLATION_DENIED = "ViolationDenied",
        /// It broke a rule of onViolation that only tells.
        VIOLATION_ALERTED = "ViolationAlerted",
        /// Its module is being compiled for the node.
        COMPILING = "Compiling",
        /// The node lacks the program that compiles modules.
        COMPILER_MISSING = "CompilerMissing",
        /// Its module cannot be compiled; the message says why.
        COMPILE_FAILED = "CompileFailed",
        /// A required layer is missing.
        LAYER_MISSING = "LayerMissing",
        /// The kernel of the node cannot hold it to a rule of onViolation.
        RULE_NOT_ENFORCEABLE = "RuleNotEnforceable",
        /// Instances are ready.
        INSTANCES_READY = "InstancesReady",
        /// No instance is ready yet.
        INSTANCES_NOT_READY = "InstancesNotReady",
        /// Some instances are ready, not all.
        INSTANCES_PARTLY_READY = "InstancesPartlyReady",
        /// No instance is wanted.
        SCALED_TO_ZERO = "ScaledToZero",
        /// No node can take it; the message says why, node by node.
        NO_NODE_FITS = "NoNodeFits",
        /// An instance failed.
        INSTANCE_FAILED = "InstanceFailed",
        /// An instance is drained before it goes.
        DRAINING = "Draining",
        /// A new revision is coming up.
        ROLLING_OUT = "RollingOut",
        /// Nothing is being changed.
        STABLE = "Stable",
        /// A field is kept but has no effect in this release.
        NOT_YET_RUN = "NotYetRun",
        /// The node agent renews its Lease.
        LEASE_RENEWED = "LeaseRenewed",
        /// The node agent stopped renewing its Lease.
        LEASE_EXPIRED = "LeaseExpired",
        /// The node agent has no Lease.
        LEASE_MISSING = "LeaseMissing",
        /// The node that has a device is not heard of, and no other can have it yet; the message says why.
        NODE_AWAY = "NodeAway",
        /// A device moves: the node that has it is to let go first.
        MOVING = "Moving",
        /// The Node is gone from the cluster.
        NODE_GONE = "NodeGone",
        /// The Node is tainted out of service.
        NODE_OUT_OF_SERVICE = "NodeOutOfService",
        /// The node is being forgotten; the message names what is lost with it.
        NODE_FORGOTTEN = "NodeForgotten",
        /// The node agent does not see its machine's network, and dials nothing for agents; the message says what to do.
        NETWORK_NOT_SEEN = "NetworkNotSeen",
        /// What a pool held was lost with its node.
        MEMORY_LOST = "MemoryLost",
        /// No agent used the pool yet, so no node holds it.
        WAITING_FOR_FIRST_USE = "WaitingForFirstUse",
        /// A node holds the pool.
        BOUND = "Bound",
        /// Agents still use the pool.
        IN_USE = "InUse",
        /// Nodes are erasing.
        ERASING = "Erasing",
        /// Every node that held a part erased it.
        ERASED = "Erased",
        /// A part was not erased; the message says where and why.
        NOT_ERASED = "NotErased",
        /// The files of a node agent's certificate hold what is not used; the one before stays in force.
        CERTIFICATE_NOT_USED = "CertificateNotUsed",
        /// A node agent's certificate does not hold any more, or not yet.
        CERTIFICATE_NOT_VALID = "CertificateNotValid",
        /// A node agent's certificate ends soon and was not renewed.
        CERTIFICATE_ENDS_SOON = "CertificateEndsSoon",
        /// A device is there.
        ONLINE = "Online",
        /// Nothing was heard of a device yet.
        NOT_HEARD = "NotHeard",
        /// The broker of a device is away; the message says why.
        BROKER_AWAY = "BrokerAway",
        /// A node listens to a device.
        LISTENING = "Listening",
        /// A broker does not let the node listen to a topic of a device; the message names it.
        TOPIC_REFUSED = "TopicRefused",
        /// A device does not take what the node asks, or its address may not be dialled; the message says why.
        REQUEST_REFUSED = "RequestRefused",
        /// Guardrails hold; the message names them.
        GUARDRAILS_HOLD = "GuardrailsHold",
        /// Only what its model says bounds what is written.
        NO_GUARDRAILS = "NoGuardrails",
        /// Nothing can be written or commanded.
        ONLY_READ = "OnlyRead",
        /// Something that decides about it cannot be read by this release; the message names the field.
        UNREADABLE = "Unreadable",
        /// The API server refused what was written.
        API_REFUSED = "ApiRefused",
        /// The API server does not answer, or refuses for now.
        API_UNAVAILABLE = "ApiUnavailable",
    }
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
                .filter(|old| *old.status == *status)
                .map_or_else(|| now.clone(), |old| old.last_transition_time.clone());
            Condition {
                type_: judgement.type_.into(),
                status: status.into(),
                reason: judgement.reason.into(),
                message: cut(&judgement.message, 8192).into(),
                last_transition_time: since,
                observed_generation: generation,
            }
        })
        .collect()
}

/// The condition of `type_`, if it is there.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions
        .iter()
        .find(|condition| *condition.type_ == *type_)
}

/// Whether the condition of `type_` is there and `True`.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| *condition.status == *"True")
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::reason::Reason;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1;

    use super::*;

    #[test]
    fn a_condition_is_written_as_kubernetes_writes_it_and_its_texts_are_shared() {
        for generation in [None, Some(3)] {
            let theirs = v1::Condition {
                type_: READY.to_owned(),
                status: "True".to_owned(),
                reason: reason::OK.to_owned(),
                message: "it can be \"asked\"".to_owned(),
                last_transition_time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
                observed_generation: generation,
            };
            let written = serde_json::to_value(&theirs).unwrap();
            let read: Condition = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), written);
            let again: Condition = serde_json::from_str(&written.to_string()).unwrap();
            assert!(std::ptr::eq(&*read.message, &*again.message));
        }
    }

    #[test]
    fn every_reason_of_a_refused_bundle_is_one_that_the_resources_list() {
        for refused in Reason::ALL {
            assert!(reason::ALL.contains(&refused.as_str()), "{refused}");
        }
    }
}
