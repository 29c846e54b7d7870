//! What is done where a program breaks a rule that the kernel of the machine watches: as policies say it, and resolved.

pub use aion_abi::kernel_event::OnViolation;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::said;

/// The path of a program, without a step up or an empty one.
const PROGRAM: &str = r"^(/([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+))+$";

/// What is done where an agent's program breaks one of these rules. Where several policies speak of one, the strictest
/// holds: kill, then deny, then alert.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.exec) || has(self.connect) || has(self.open)").message(said("says what is done about nothing", "name exec, connect or open")),
    validation = Rule::new("!has(self.programs) || has(self.exec)").message(said("programs are an exception from exec", "say what is done about the others")).field_path(".programs"),
    validation = Rule::new("!has(self.withoutHooks) || (has(self.exec) && self.exec == 'deny') || (has(self.connect) && self.connect == 'deny') || (has(self.open) && self.open == 'deny')").message(said("nothing is denied, so nothing takes hooks", "leave withoutHooks out")).field_path(".withoutHooks"),
)]
pub struct ViolationRules {
    /// A program is executed that is neither the agent's own, which is its first, nor one of programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<OnViolation>,
    /// A connection to an IP address is made that the agent was not granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<OnViolation>,
    /// A file is opened that the agent was not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OnViolation>,
    /// Programs that may be executed beside the agent's own, by the whole path that they are executed by, as in
    /// /usr/bin/git. Of several policies that speak of exec, those that stand in each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 2, max = 95), regex(pattern = PROGRAM)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub programs: Vec<String>,
    /// What becomes of deny on a node whose kernel cannot refuse: refuse (the default) starts nothing there, kill
    /// kills instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_hooks: Option<WithoutHooks>,
}

/// What becomes of what is to be denied where the kernel has no hooks for that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WithoutHooks {
    /// The agent is not started there.
    #[default]
    Refuse,
    /// It is started, and killed instead.
    Kill,
}

/// The rules of an instance, after every policy had its say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedViolations {
    /// About programs that are executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ResolvedViolation>,
    /// About connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<ResolvedViolation>,
    /// About files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<ResolvedViolation>,
    /// Programs that may be executed beside its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 2, max = 95)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub programs: Vec<String>,
}

/// What is done about a violation, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedViolation {
    /// alert, deny or kill.
    pub action: OnViolation,
    /// The policy that says so, as KIND/NAME.
    #[schemars(length(min = 1, max = 300))]
    pub policy: String,
    /// What becomes of deny where nothing can be refused.
    #[serde(default)]
    pub without_hooks: WithoutHooks,
}
