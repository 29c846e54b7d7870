//! What a node says of an instance, from what it found. Pure.

use std::sync::Arc;

use aion_abi::{kernel_event::Hook, layer};
use aion_api::{
    AgentInstance, AgentInstanceStatus, InstancePhase, LayerReport, LayerState,
    condition::{self, Judgement, Status, reason},
    program::Runtime,
};
use aion_sandbox::{LayerReading, LayerState as Seen};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::damped::Damped;
use crate::{
    instance::required_layers,
    launching::{FOR_MORE, below, lacking},
};

/// How far the node is with an instance.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The condition `Verified`, once it was judged.
    pub(super) verified: Option<Judgement>,
    /// Why it is not ready though it is verified: the condition `Ready`.
    pub(super) rejected: Option<Judgement>,
    /// Its module is being compiled.
    pub(super) compiling: bool,
    /// The layers of the last worker, or what a worker started now would have.
    pub(super) layers: Option<Arc<[LayerReading]>>,
    /// Whether its workers stay within its limits.
    pub(super) limits: Damped,
    /// Whether they break rules of its policies.
    pub(super) rules: Damped,
    /// It is being drained.
    pub(super) draining: bool,
}

/// The status of `instance`, given what was found; times of conditions that did not change are those of
/// `before`.
pub(super) fn status(
    instance: &AgentInstance,
    before: &AgentInstanceStatus,
    found: &Found,
    has: impl Fn(Hook) -> bool,
    is_connected: impl Fn() -> bool,
    now: &Time,
) -> AgentInstanceStatus {
    let pending = |type_| Judgement::new(type_, Status::Unknown, reason::PENDING, "not judged yet");
    let verified = found
        .verified
        .clone()
        .unwrap_or_else(|| pending(condition::VERIFIED));
    let is_outside = instance.spec.runtime == Runtime::External;
    let sandbox = match &found.layers {
        _ if is_outside => outside(instance),
        Some(layers) => with_rules(instance, enforced(instance, layers), has),
        None => Judgement::new(
            condition::SANDBOX_ENFORCED,
            Status::Unknown,
            reason::PENDING,
            "the launcher does not answer: is aion-launcher running?",
        ),
    };
    let (phase, ready) = match ready(found, &verified, &sandbox) {
        (InstancePhase::Ready, _) if is_outside && !is_connected() => not_connected(),
        judged => judged,
    };
    let mut judged = vec![verified, sandbox, ready];
    judged.extend(
        [&found.limits, &found.rules]
            .into_iter()
            .filter_map(|it| it.said().cloned()),
    );
    AgentInstanceStatus {
        observed_generation: instance.metadata.generation,
        phase,
        conditions: condition::write(
            &before.conditions,
            &judged,
            instance.metadata.generation,
            now,
        ),
        layers: found
            .layers
            .iter()
            .filter(|_| !is_outside)
            .flat_map(|it| it.iter())
            .map(report)
            .collect(),
    }
}

fn ready(found: &Found, verified: &Judgement, sandbox: &Judgement) -> (InstancePhase, Judgement) {
    let not = |reason, message: String| Judgement::new(condition::READY, false, reason, message);
    if found.draining {
        let message = "it ends its turns and takes no new ones".to_owned();
        return (InstancePhase::Draining, not(reason::DRAINING, message));
    }
    if let Some(judgement) = &found.rejected {
        return (InstancePhase::Failed, judgement.clone());
    }
    if found.compiling {
        let message = "its module is being compiled for this machine".to_owned();
        return (InstancePhase::Preparing, not(reason::COMPILING, message));
    }
    // Nothing was to be confined, which is said, and is no fault.
    let sandboxed = match sandbox.reason {
        reason::EXTERNAL => Status::True,
        _ => sandbox.status,
    };
    match (verified.status, sandboxed) {
        (Status::True, Status::True) => (
            InstancePhase::Ready,
            Judgement::new(condition::READY, true, reason::OK, "it can be asked"),
        ),
        (Status::False, _) => (
            InstancePhase::Failed,
            not(verified.reason, verified.message.clone()),
        ),
        (_, Status::False) => (
            InstancePhase::Failed,
            not(sandbox.reason, sandbox.message.clone()),
        ),
        (Status::Unknown, _) => (
            InstancePhase::Preparing,
            not(
                reason::PENDING,
                "its program is being fetched and verified".to_owned(),
            ),
        ),
        (Status::True, Status::Unknown) => (
            InstancePhase::Pending,
            not(sandbox.reason, sandbox.message.clone()),
        ),
    }
}

/// Of a program that runs elsewhere.
fn outside(instance: &AgentInstance) -> Judgement {
    let judge =
        |reason, message| Judgement::new(condition::SANDBOX_ENFORCED, false, reason, message);
    let required = required_layers(&instance.spec);
    if !required.is_empty() {
        let message = format!(
            "its program runs elsewhere, and a policy requires {}: no node confines it",
            layer::list(&required)
        );
        return judge(reason::LAYER_MISSING, message);
    }
    let rules = instance.spec.on_violation.as_ref();
    let rules = rules.map(|rules| aion_policy::in_force(rules, |_| false));
    match rules.filter(|rules| !rules.refused.is_empty()) {
        Some(rules) => judge(
            reason::RULE_NOT_ENFORCEABLE,
            format!(
                "its program runs elsewhere, and no node can hold it to {}",
                rules.refused.join(", nor to ")
            ),
        ),
        None => judge(
            reason::EXTERNAL,
            "its program runs elsewhere: nothing of AION-OS confines it".to_owned(),
        ),
    }
}

fn not_connected() -> (InstancePhase, Judgement) {
    let message = "no program is registered for it: start one that registers, and see whether it reaches the node";
    let ready = Judgement::new(condition::READY, false, reason::NOT_CONNECTED, message);
    (InstancePhase::Pending, ready)
}

fn enforced(instance: &AgentInstance, layers: &[LayerReading]) -> Judgement {
    let missing: Vec<(&'static str, &str)> = layers
        .iter()
        .filter_map(|layer| match &layer.state {
            Seen::Missing { why } => Some((layer.name.as_str(), why.as_str())),
            _ => None,
        })
        .collect();
    let lacking = lacking(&required_layers(&instance.spec), layers);
    let named = missing
        .iter()
        .map(|(name, why)| format!("{name} ({why})"))
        .collect::<Vec<_>>()
        .join("; ");
    let too_little = match instance.spec.runtime {
        Runtime::Process => below(layers),
        Runtime::Declarative | Runtime::Wasm | Runtime::External => Vec::new(),
    };
    if !too_little.is_empty() {
        return Judgement::new(
            condition::SANDBOX_ENFORCED,
            false,
            reason::LAYER_MISSING,
            format!(
                "a program of an image is not run on this node, which lacks {}: {FOR_MORE}",
                too_little.join(", ")
            ),
        );
    }
    if !lacking.is_empty() {
        return Judgement::new(
            condition::SANDBOX_ENFORCED,
            false,
            reason::LAYER_MISSING,
            format!(
                "required and not to be had on this node: {}. Missing here: {named}",
                layer::list(&lacking)
            ),
        );
    }
    // By name: of an Agent nobody sees more of its layers than this.
    let held = layers.iter().filter(|it| it.state == Seen::Enforced);
    let held = layer::list(&held.map(|it| it.name).collect::<Vec<_>>());
    let (reason, told) = match missing.is_empty() {
        true => (reason::ENFORCED, format!("every layer is enforced: {held}")),
        false => (
            reason::ENFORCED_IN_PART,
            format!("missing, and not required: {named}; enforced: {held}"),
        ),
    };
    Judgement::new(condition::SANDBOX_ENFORCED, true, reason, told)
}

/// The judgement on its layers, with what becomes of the rules of its policies here. The hooks are known when the layers
/// are.
fn with_rules(
    instance: &AgentInstance,
    judged: Judgement,
    has: impl Fn(Hook) -> bool,
) -> Judgement {
    let Some(rules) = &instance.spec.on_violation else {
        return judged;
    };
    let rules = aion_policy::in_force(rules, has);
    if judged.status != Status::True {
        return judged;
    }
    if !rules.refused.is_empty() {
        let why = format!(
            "this node cannot hold it to {}; its hooks are in aionctl local status, or in the status of its KernelNode",
            rules.refused.join(", nor to ")
        );
        return Judgement::new(judged.type_, false, reason::RULE_NOT_ENFORCEABLE, why);
    }
    if rules.notes.is_empty() {
        return judged;
    }
    let why = format!("{}; {}", rules.notes.join("; "), judged.message);
    Judgement::new(judged.type_, true, reason::ENFORCED_IN_PART, why)
}

fn report(layer: &LayerReading) -> LayerReport {
    let (state, detail) = match &layer.state {
        Seen::Enforced => (LayerState::Enforced, layer.evidence.clone()),
        Seen::Missing { why } => (LayerState::Missing, why.clone()),
        Seen::NotRequested => (LayerState::Missing, "nothing asked for it".to_owned()),
    };
    let end = detail.floor_char_boundary(512);
    LayerReport {
        layer: layer.name,
        state,
        detail: (end > 0).then(|| detail[..end].to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_api::sandbox::SandboxRules;
    use aion_sandbox::Layer;

    use super::*;

    fn found(layers: Vec<LayerReading>) -> Found {
        Found {
            verified: Some(Judgement::new(
                condition::VERIFIED,
                true,
                reason::INLINE,
                "inline",
            )),
            rejected: None,
            compiling: false,
            limits: Damped::default(),
            rules: Damped::default(),
            layers: Some(layers.into()),
            draining: false,
        }
    }

    fn judge(instance: &AgentInstance, found: &Found) -> (InstancePhase, String) {
        let now = Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH);
        let status = status(
            instance,
            &AgentInstanceStatus::default(),
            found,
            |_| false,
            || true,
            &now,
        );
        let ready = condition::find(&status.conditions, condition::READY).unwrap();
        (status.phase, ready.reason.to_string())
    }

    #[test]
    fn an_instance_is_ready_once_it_is_verified_and_its_layers_are_known() {
        let instance = AgentInstance::default();
        let enforced = vec![LayerReading::enforced(Layer::Seccomp, "mode 2")];
        let all = found(enforced);
        assert_eq!(judge(&instance, &all).0, InstancePhase::Ready);
        let no_launcher = Found {
            layers: None,
            ..all.clone()
        };
        assert_eq!(judge(&instance, &no_launcher).0, InstancePhase::Pending);
        let unverified = Found {
            verified: None,
            ..all
        };
        assert_eq!(judge(&instance, &unverified).0, InstancePhase::Preparing);
    }

    #[test]
    fn a_rule_that_the_kernel_cannot_hold_fails_and_one_that_only_tells_is_named() {
        let now = Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH);
        let all = found(vec![LayerReading::enforced(Layer::Seccomp, "mode 2")]);
        let judge = |rules: serde_json::Value, hooks: &[Hook]| {
            let mut instance = AgentInstance::default();
            instance.spec.on_violation = Some(serde_json::from_value(rules).unwrap());
            let before = AgentInstanceStatus::default();
            let status = status(
                &instance,
                &before,
                &all,
                |it| hooks.contains(&it),
                || true,
                &now,
            );
            let of = condition::find(&status.conditions, condition::SANDBOX_ENFORCED);
            (status.phase, of.unwrap().reason.clone())
        };
        let rule =
            |action| serde_json::json!({"exec": {"action": action, "policy": "AgentPolicy/a"}});
        let tells = [Hook::Tracepoints];
        for action in ["alert", "kill"] {
            let (phase, reason) = judge(rule(action), &tells);
            assert_eq!((phase, &*reason), (InstancePhase::Ready, reason::ENFORCED));
        }
        for (action, hooks) in [("kill", &[][..]), ("deny", &tells)] {
            let (phase, reason) = judge(rule(action), hooks);
            assert_eq!(
                (phase, &*reason),
                (InstancePhase::Failed, reason::RULE_NOT_ENFORCEABLE)
            );
        }
        let (phase, reason) = judge(rule("alert"), &[]);
        assert_eq!(
            (phase, &*reason),
            (InstancePhase::Ready, reason::ENFORCED_IN_PART)
        );
    }

    #[test]
    fn layers_are_named_where_an_agent_shows_them() {
        let seccomp = LayerReading::enforced(Layer::Seccomp, "mode 2");
        let landlock = LayerReading::enforced(Layer::Landlock, "probed");
        let none = LayerReading::missing(Layer::Landlock, "kernel too old", "");
        let told = |layers: &[LayerReading]| enforced(&AgentInstance::default(), layers).message;
        assert_eq!(
            told(&[seccomp.clone(), landlock]),
            "every layer is enforced: seccomp, landlock"
        );
        assert_eq!(
            told(&[seccomp, none]),
            "missing, and not required: landlock (kernel too old); enforced: seccomp"
        );
    }

    #[test]
    fn a_missing_layer_fails_only_where_it_is_required() {
        let mut instance = AgentInstance::default();
        let missing = found(vec![LayerReading::missing(
            Layer::Landlock,
            "kernel too old",
            "",
        )]);
        assert_eq!(
            judge(&instance, &missing),
            (InstancePhase::Ready, reason::OK.to_owned())
        );
        instance.spec.sandbox = Some(SandboxRules {
            require: vec![Layer::Landlock],
            ..SandboxRules::default()
        });
        assert_eq!(
            judge(&instance, &missing),
            (InstancePhase::Failed, reason::LAYER_MISSING.to_owned())
        );
    }
}
