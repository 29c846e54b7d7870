//! From a seccomp profile as container runtimes write it (OCI runtime
//! specification, `linux.seccomp`, with Docker's `includes` and `excludes` by
//! architecture) to programs for the kernel. Pure.
//!
//! A program of `seccompiler` knows two outcomes: one for what its rules match,
//! one for the rest. A profile with more actions becomes several programs, and the
//! kernel applies the strictest answer of all installed ones (seccomp(2)):
//!
//! 1. for each action but allow, its rules; the rest passes;
//! 2. the rules that let a call through, or leave it to a program of 1, the rest as `defaultAction`:
//!    last, as nothing can be installed any more once it is there. Calls that are newer than the profile are not there
//!    for a worker (`newer.rs`).

mod newer;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use seccompiler::{BpfProgram, TargetArch};
use serde::Deserialize;
use serde_json::{Value, json};

use aion_sandbox::plan::Filter;
use aion_sandbox::protocol::Role;

/// A profile that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadProfile {
    /// Not of the format, or with something in it that this translation lacks.
    #[error("seccomp profile: {0}")]
    Format(#[from] serde_json::Error),
    /// An action that the kernel cannot take on its own.
    #[error(
        "seccomp profile: action {0} needs a tracer or a listener, and there is none; use SCMP_ACT_ERRNO or SCMP_ACT_KILL_PROCESS"
    )]
    Action(String),
    /// The same call in two actions, whose order would decide.
    #[error("seccomp profile: {0} stands under more than one action")]
    Ambiguous(String),
    /// The default lets calls through, so nothing would be confined.
    #[error("seccomp profile: the default action lets every call through")]
    Open,
    /// The programs could not be made.
    #[error("seccomp profile: {0}")]
    Compile(#[from] seccompiler::Error),
    /// Not one of the processors that programs can be made for.
    #[error("no seccomp programs for this processor")]
    Processor,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: String,
    #[serde(default)]
    default_errno_ret: Option<u32>,
    #[serde(default)]
    syscalls: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    names: Vec<String>,
    action: String,
    #[serde(default)]
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<Argument>>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Argument {
    index: u8,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: Operator,
}

#[derive(Deserialize, Clone, Copy)]
enum Operator {
    #[serde(rename = "SCMP_CMP_NE")]
    Ne,
    #[serde(rename = "SCMP_CMP_LT")]
    Lt,
    #[serde(rename = "SCMP_CMP_LE")]
    Le,
    #[serde(rename = "SCMP_CMP_EQ")]
    Eq,
    #[serde(rename = "SCMP_CMP_GE")]
    Ge,
    #[serde(rename = "SCMP_CMP_GT")]
    Gt,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEq,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(default)]
    arches: Vec<String>,
    #[serde(default)]
    caps: Vec<String>,
    /// Ours, which a container runtime passes over: `declarative`, `wasm`, `process`, `compile`, `tool`.
    #[serde(default)]
    runtimes: Vec<Role>,
    /// Ours as well: of a worker that has a network, which it is granted hosts of.
    #[serde(default)]
    network: bool,
    /// And of one that is held to one of these stricter variants.
    #[serde(default)]
    variants: Vec<String>,
}

/// The programs of a profile, by what the worker runs. Those of a stricter variant are made when they are first asked
/// for.
#[derive(Debug)]
pub(super) struct Filters {
    text: String,
    variants: BTreeSet<String>,
    made: RefCell<HashMap<Whose, Arc<[Filter]>>>,
}

/// Whose programs: of which role, whether with a network, and held to which variants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Whose {
    role: Role,
    network: bool,
    variants: BTreeSet<String>,
}

impl Whose {
    fn of(role: Role, network: bool) -> Self {
        Self {
            role,
            // One of an image alone can have one.
            network: network && role == Role::Process,
            variants: BTreeSet::new(),
        }
    }
}

impl Filters {
    /// Those of a profile for the processor this was built for.
    pub(super) fn compile(text: &str) -> Result<Self, BadProfile> {
        let roles = [
            (Role::Declarative, false),
            (Role::Wasm, false),
            (Role::Process, false),
            (Role::Process, true),
            (Role::Compile, false),
            (Role::Tool, false),
        ];
        let mut made = HashMap::new();
        for (role, network) in roles {
            let whose = Whose::of(role, network);
            made.insert(whose.clone(), compile(text, &whose)?);
        }
        Ok(Self {
            text: text.to_owned(),
            variants: aion_profiles::variants(text),
            made: RefCell::new(made),
        })
    }

    /// On a processor that there are no programs for.
    pub(super) fn none() -> Self {
        Self {
            text: String::new(),
            variants: BTreeSet::new(),
            made: RefCell::default(),
        }
    }

    /// The programs of a worker, held to all `variants`; or why there are none.
    pub(super) fn of(
        &self,
        role: Role,
        network: bool,
        variants: &[String],
    ) -> Result<Arc<[Filter]>, String> {
        if let Some(unknown) = variants.iter().find(|it| !self.variants.contains(*it)) {
            let known: Vec<&str> = self.variants.iter().map(String::as_str).collect();
            let known = known.join(", ");
            return Err(format!(
                "the seccomp profile has no variant {unknown}; there are: {known}"
            ));
        }
        let mut whose = Whose::of(role, network);
        whose.variants.extend(variants.iter().cloned());
        let mut made = self.made.borrow_mut();
        if let Some(filters) = made.get(&whose) {
            return Ok(Arc::clone(filters));
        }
        if self.text.is_empty() {
            return Ok(Arc::default());
        }
        let filters = compile(&self.text, &whose).map_err(|error| error.to_string())?;
        made.insert(whose, Arc::clone(&filters));
        Ok(filters)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Allow,
    Log,
    Errno(u32),
    Trap,
    KillThread,
    KillProcess,
}

impl Action {
    fn parse(name: &str, errno: Option<u32>) -> Result<Self, BadProfile> {
        Ok(match name {
            "SCMP_ACT_ALLOW" => Self::Allow,
            "SCMP_ACT_LOG" => Self::Log,
            "SCMP_ACT_ERRNO" => Self::Errno(errno.unwrap_or(libc::EPERM as u32)),
            "SCMP_ACT_TRAP" => Self::Trap,
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Self::KillThread,
            "SCMP_ACT_KILL_PROCESS" => Self::KillProcess,
            other => return Err(BadProfile::Action(other.to_owned())),
        })
    }

    fn passes(self) -> bool {
        matches!(self, Self::Allow | Self::Log)
    }

    /// As the kernel orders them (seccomp(2)).
    fn strictness(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Log => 1,
            Self::Errno(_) => 2,
            Self::Trap => 3,
            Self::KillThread => 4,
            Self::KillProcess => 5,
        }
    }

    fn to_json(self) -> Value {
        match self {
            Self::Allow => json!("allow"),
            Self::Log => json!("log"),
            Self::Errno(number) => json!({ "errno": number }),
            Self::Trap => json!("trap"),
            Self::KillThread => json!("kill_thread"),
            Self::KillProcess => json!("kill_process"),
        }
    }
}

/// The rules of one call under one action: without any it always matches.
type Rules = Vec<Value>;

fn compile(text: &str, whose: &Whose) -> Result<Arc<[Filter]>, BadProfile> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| BadProfile::Processor)?;
    let newer = newer::are_not_there(text, arch)?;
    let mut filters: Vec<Filter> = Vec::new();
    for filter in translate(text, arch, whose)? {
        let program = compile_one(filter, arch)?;
        filters.push(program.into_iter().map(pack).collect());
    }
    if let Some(list) = filters.last_mut() {
        list.splice(0..0, newer.iter().copied());
    }
    Ok(filters.into())
}

/// The filters in the language of `seccompiler`.
fn translate(text: &str, arch: TargetArch, whose: &Whose) -> Result<Vec<Value>, BadProfile> {
    let profile: Profile = serde_json::from_str(text)?;
    let default = Action::parse(&profile.default_action, profile.default_errno_ret)?;
    if default.passes() {
        return Err(BadProfile::Open);
    }
    let groups = by_action(&profile.syscalls, arch, whose)?;
    // The kernel takes the strictest answer, and of two alike the last program's: what is to be answered no
    // more strictly than the default must pass here for its own program to answer.
    let passing = groups
        .iter()
        .filter(|(action, _)| action.strictness() <= default.strictness() && **action != default);
    let list = filter(
        default,
        Action::Allow,
        passing.flat_map(|(_, calls)| calls.iter()),
    );
    let others = groups
        .iter()
        .filter(|(action, _)| **action != Action::Allow && **action != default)
        .map(|(action, calls)| filter(Action::Allow, *action, calls.iter()));
    Ok(others.chain([list]).collect())
}

fn by_action<'a>(
    groups: &'a [Group],
    arch: TargetArch,
    whose: &Whose,
) -> Result<BTreeMap<Action, BTreeMap<&'a str, Rules>>, BadProfile> {
    let mut found: BTreeMap<Action, BTreeMap<&str, Rules>> = BTreeMap::new();
    let mut owner: BTreeMap<&str, Action> = BTreeMap::new();
    for group in groups.iter().filter(|group| group.applies(arch, whose)) {
        let action = Action::parse(&group.action, group.errno_ret)?;
        let arguments = group.args.as_deref().unwrap_or_default();
        for name in group.names.iter().filter(|name| is_known(name, arch)) {
            if *owner.entry(name).or_insert(action) != action {
                return Err(BadProfile::Ambiguous(name.clone()));
            }
            let calls = found.entry(action).or_default();
            if arguments.is_empty() {
                // Always: narrower rules beside it would narrow it.
                calls.insert(name, Vec::new());
                continue;
            }
            match calls.get_mut(name.as_str()) {
                Some(rules) if rules.is_empty() => {}
                Some(rules) => rules.push(conditions(arguments)),
                None => {
                    calls.insert(name, vec![conditions(arguments)]);
                }
            }
        }
    }
    Ok(found)
}

impl Group {
    /// A worker has no capability, so what is for those who have one is not for it.
    fn applies(&self, arch: TargetArch, whose: &Whose) -> bool {
        let held = |variants: &[String]| variants.iter().any(|it| whose.variants.contains(it));
        let names: &[&str] = match arch {
            TargetArch::x86_64 => &["amd64", "x86_64", "SCMP_ARCH_X86_64"],
            TargetArch::aarch64 => &["arm64", "aarch64", "SCMP_ARCH_AARCH64"],
            TargetArch::riscv64 => &["riscv64", "SCMP_ARCH_RISCV64"],
        };
        let is_mine = |arches: &[String]| arches.iter().any(|it| names.contains(&it.as_str()));
        self.includes.caps.is_empty()
            && (whose.network || !self.includes.network)
            && (self.includes.arches.is_empty() || is_mine(&self.includes.arches))
            && (self.includes.runtimes.is_empty() || self.includes.runtimes.contains(&whose.role))
            && (self.includes.variants.is_empty() || held(&self.includes.variants))
            && !is_mine(&self.excludes.arches)
            && !self.excludes.runtimes.contains(&whose.role)
            && !held(&self.excludes.variants)
    }
}

fn conditions(arguments: &[Argument]) -> Value {
    arguments
        .iter()
        .map(|argument| {
            let (op, value) = match argument.op {
                Operator::Ne => (json!("ne"), argument.value),
                Operator::Lt => (json!("lt"), argument.value),
                Operator::Le => (json!("le"), argument.value),
                Operator::Eq => (json!("eq"), argument.value),
                Operator::Ge => (json!("ge"), argument.value),
                Operator::Gt => (json!("gt"), argument.value),
                Operator::MaskedEq => (json!({ "masked_eq": argument.value }), argument.value_two),
            };
            json!({"index": argument.index, "type": "qword", "op": op, "val": value})
        })
        .collect()
}

fn filter<'a>(
    rest: Action,
    matched: Action,
    calls: impl Iterator<Item = (&'a &'a str, &'a Rules)>,
) -> Value {
    let rules: Vec<Value> = calls
        .flat_map(|(name, rules)| match rules.as_slice() {
            [] => vec![json!({ "syscall": name })],
            rules => rules
                .iter()
                .map(|args| json!({"syscall": name, "args": args}))
                .collect(),
        })
        .collect();
    json!({
        "mismatch_action": rest.to_json(),
        "match_action": matched.to_json(),
        "filter": rules,
    })
}

fn compile_one(filter: Value, arch: TargetArch) -> Result<BpfProgram, seccompiler::Error> {
    let text = json!({ "worker": filter }).to_string();
    let mut programs = seccompiler::compile_from_json(text.as_bytes(), arch)?;
    Ok(programs.remove("worker").unwrap_or_default())
}

/// Whether this processor has the call: profiles name calls of others, which a
/// container runtime passes over too.
fn is_known(name: &str, arch: TargetArch) -> bool {
    newer::number(name, arch).is_some()
}

fn pack(instruction: seccompiler::sock_filter) -> u64 {
    u64::from(instruction.code) << 48
        | u64::from(instruction.jt) << 40
        | u64::from(instruction.jf) << 32
        | u64::from(instruction.k)
}

#[cfg(test)]
mod tests;
