//! `config/cgroup_profiles.yaml` and the names in `config/seccomp_profile.json`, read once for all: the launcher takes
//! from them what a role may use, whoever resolves an agent what a named profile says. Text in, numbers out; what opens
//! a file may not enter.

mod quantity;
mod seccomp;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

pub use quantity::{Bytes, Cpu, CpuWeight, IoWeight, Percent, Pids};
pub use seccomp::variants;

/// The profiles that are built in; a file replaces them.
const BUILT_IN: &str = include_str!("../../../config/cgroup_profiles.yaml");
/// The seccomp profile that is built in; a file replaces it.
pub const BUILT_IN_SECCOMP: &str = include_str!("../../../config/seccomp_profile.json");

/// Profiles: of roles, and those that an agent or a policy names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    profiles: BTreeMap<String, Role>,
    #[serde(default)]
    named: BTreeMap<String, Named>,
}

/// What a worker of a role may use where its start says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// For the cgroup: `96Mi`.
    #[serde(default)]
    pub memory: Option<Bytes>,
    /// Of the memory, from which on it is told of pressure: `85%`.
    #[serde(default)]
    pub memory_high: Option<Percent>,
    /// For the cgroup and the resource limit: processes and threads.
    #[serde(default)]
    pub pids: Option<Pids>,
    /// For the cgroup: `500m` or `2`.
    #[serde(default)]
    pub cpu: Option<Cpu>,
    /// Descriptors that may be open.
    pub open_files: u64,
    /// What may be mapped beyond `memory`: the program itself, its stack and what
    /// is mapped but never touched.
    pub address_space_over_memory: Bytes,
    /// How long a file may get that it writes; without it there are none.
    #[serde(default)]
    pub file_size: Option<Bytes>,
    /// CPU time in all, after which it is killed.
    #[serde(default)]
    pub cpu_seconds: Option<u64>,
}

/// A profile that an agent or a policy names: what it says goes before the defaults and behind what the agent says
/// itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Named {
    /// What it is for, in a line.
    #[serde(default)]
    pub description: String,
    /// Memory at most.
    #[serde(default)]
    pub memory: Option<Bytes>,
    /// Of the memory, from which on it is told of pressure.
    #[serde(default)]
    pub memory_high: Option<Percent>,
    /// Processes and threads of a program of an image.
    #[serde(default)]
    pub pids: Option<Pids>,
    /// CPU at most.
    #[serde(default)]
    pub cpu: Option<Cpu>,
    /// Its share where CPU is short: 1 to 10,000, 100 is what everybody has.
    #[serde(default)]
    pub cpu_weight: Option<CpuWeight>,
    /// Block devices.
    #[serde(default)]
    pub io: Io,
    /// Variants of the system call filter.
    #[serde(default)]
    pub seccomp: Vec<String>,
}

/// What is read of and written to block devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Io {
    /// The share where a device is busy: 1 to 1,000, 100 is what everybody has.
    #[serde(default)]
    pub weight: Option<IoWeight>,
    /// Bytes a second that are read of each device.
    #[serde(default)]
    pub read: Option<Bytes>,
    /// Bytes a second that are written to each device.
    #[serde(default)]
    pub write: Option<Bytes>,
}

/// A profile file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cgroup profiles: {0}")]
pub struct BadProfiles(#[from] serde_saphyr::Error);

impl Profiles {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`BadProfiles`].
    pub fn parse(text: &str) -> Result<Self, BadProfiles> {
        Ok(serde_saphyr::from_str(text)?)
    }

    /// Those that are built in.
    #[must_use]
    pub fn built_in() -> Arc<Self> {
        #[allow(clippy::expect_used, reason = "a test reads the file that is built in")]
        static READ: LazyLock<Arc<Profiles>> = LazyLock::new(|| {
            Arc::new(Profiles::parse(BUILT_IN).expect("the built-in profiles are of their format"))
        });
        Arc::clone(&READ)
    }

    /// The profile of a role, or the names there are.
    ///
    /// # Errors
    /// In words.
    pub fn role(&self, name: &str) -> Result<&Role, String> {
        find(&self.profiles, name)
    }

    /// A profile by the name that an agent gives, or the names there are.
    ///
    /// # Errors
    /// In words.
    pub fn named(&self, name: &str) -> Result<&Named, String> {
        find(&self.named, name)
    }
}

impl Default for Profiles {
    fn default() -> Self {
        Self::clone(&Self::built_in())
    }
}

/// The first variant that there is not, with those that there are.
///
/// # Errors
/// In words.
pub fn unknown_variants(names: &[String]) -> Result<(), String> {
    let known = seccomp::built_in();
    match names.iter().find(|name| !known.contains(*name)) {
        None => Ok(()),
        Some(name) => Err(no_such("variant", name, known.iter())),
    }
}

fn find<'a, T>(all: &'a BTreeMap<String, T>, name: &str) -> Result<&'a T, String> {
    all.get(name)
        .ok_or_else(|| no_such("profile", name, all.keys()))
}

fn no_such<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<&str> = known.map(String::as_str).collect();
    format!("no {what} {name}; there are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_built_in_profiles_bound_everything_for_every_role() {
        let profiles = Profiles::built_in();
        for name in ["declarative", "wasm", "process", "compile", "tool"] {
            let role = profiles.role(name).unwrap();
            assert!(
                role.memory.is_some() && role.pids.is_some() && role.cpu.is_some(),
                "{name}"
            );
        }
        for (name, named) in &profiles.named {
            assert_eq!(unknown_variants(&named.seccomp), Ok(()), "{name}");
        }
        let why = unknown_variants(&["none".to_owned()]).unwrap_err();
        assert!(why.contains("no-processes"), "{why}");
        for name in ["small", "standard", "large"] {
            let named = profiles.named(name).unwrap();
            assert!(
                named.memory.is_some() && named.cpu.is_some() && named.pids.is_some(),
                "{name}"
            );
        }
    }

    #[test]
    fn an_unknown_profile_is_refused_with_the_known_ones() {
        let profiles = Profiles::built_in();
        let why = profiles.role("gpu").unwrap_err();
        assert!(why.contains("gpu") && why.contains("declarative"), "{why}");
        let why = profiles.named("gpu").unwrap_err();
        assert!(why.contains("gpu") && why.contains("small"), "{why}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let role = "openFiles: 9, addressSpaceOverMemory: 1Mi";
        let text =
            |named: &str| format!("profiles: {{a: {{{role}}}}}\nnamed: {{b: {{{named}}}}}\n");
        assert!(Profiles::parse(&text("memory: 1Mi, io: {read: 5Mi}")).is_ok());
        for wrong in [
            "gpus: 1",
            "cpuWeight: 0",
            "cpuWeight: 10001",
            "memoryHigh: 100%",
            "memoryHigh: 0.9",
            "pids: 0",
            "io: {weight: 1001}",
        ] {
            assert!(Profiles::parse(&text(wrong)).is_err(), "{wrong}");
        }
    }
}
