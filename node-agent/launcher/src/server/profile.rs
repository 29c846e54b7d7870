//! `cgroup_profiles.yaml`: what a worker may use where its instance says nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::cgroup::Bounds;
use aion_sandbox::protocol::Limits;

/// The profiles that are built in; a file given to the launcher replaces them.
const DEFAULT: &str = include_str!("../../../../config/cgroup_profiles.yaml");

/// Profiles by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profiles {
    profiles: BTreeMap<String, Profile>,
}

/// One profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Profile {
    /// For the cgroup: `96Mi`.
    #[serde(default)]
    memory: Option<Bytes>,
    /// For the cgroup and the resource limit: processes and threads.
    #[serde(default)]
    pids: Option<u32>,
    /// For the cgroup: `500m` or `2`.
    #[serde(default)]
    cpu: Option<Cpu>,
    /// Descriptors that may be open.
    pub(super) open_files: u64,
    /// What may be mapped beyond `memory`: the program itself, its stack and what
    /// is mapped but never touched.
    pub(super) address_space_over_memory: Bytes,
    /// How long a file may get that it writes; without it there are none.
    #[serde(default)]
    pub(super) file_size: Bytes,
    /// CPU time in all, after which it is killed.
    #[serde(default)]
    pub(super) cpu_seconds: Option<u64>,
}

/// A number of bytes, written with `Ki`, `Mi` or `Gi` or plain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Bytes(pub(super) u64);

/// CPU in thousandths of a core, written `500m` or `2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Cpu(u32);

/// A profile file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cgroup profiles: {0}")]
pub(super) struct BadProfiles(#[from] serde_saphyr::Error);

impl Profiles {
    /// Reads a file's text, or the built-in one.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, BadProfiles> {
        Ok(serde_saphyr::from_str(text.unwrap_or(DEFAULT))?)
    }

    /// A profile by name, or the names there are.
    pub(super) fn get(&self, name: &str) -> Result<&Profile, String> {
        self.profiles.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
            format!("no profile {name}; there are {}", known.join(", "))
        })
    }
}

impl Profile {
    /// The bounds of a worker: the request's, and this profile's for the rest.
    pub(super) fn bounds(&self, limits: &Limits) -> Bounds {
        Bounds {
            memory: limits.memory_bytes.or(self.memory.map(|bytes| bytes.0)),
            pids: limits.pids.or(self.pids),
            cpu_milli: limits.cpu_milli.or(self.cpu.map(|cpu| cpu.0)),
        }
    }
}

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
            Some(at) => text.split_at(at),
            None => (text.as_str(), ""),
        };
        let factor = match unit {
            "" => Some(1),
            "Ki" => Some(1_u64 << 10),
            "Mi" => Some(1 << 20),
            "Gi" => Some(1 << 30),
            _ => None,
        };
        number
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(number, factor)| number.checked_mul(factor))
            .filter(|bytes| *bytes > 0)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a number of bytes such as 512Ki, 96Mi or 1Gi"))
    }
}

impl TryFrom<String> for Cpu {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let milli = match text.strip_suffix('m') {
            Some(milli) => milli.parse::<u32>().ok(),
            None => text.parse::<u32>().ok().and_then(|it| it.checked_mul(1000)),
        };
        milli
            .filter(|milli| *milli > 0)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not an amount of CPU such as 500m or 2"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_built_in_profiles_bound_everything_for_every_runtime() {
        let profiles = Profiles::parse(None).unwrap();
        for name in ["declarative", "wasm", "process", "compile", "tool"] {
            let bounds = profiles.get(name).unwrap().bounds(&Limits::default());
            assert!(bounds.memory.is_some() && bounds.pids.is_some() && bounds.cpu_milli.is_some());
        }
    }

    #[test]
    fn a_request_goes_before_the_profile() {
        let profiles = Profiles::parse(None).unwrap();
        let limits = Limits {
            memory_bytes: Some(7 << 20),
            ..Limits::default()
        };
        let bounds = profiles.get("wasm").unwrap().bounds(&limits);
        assert_eq!(bounds.memory, Some(7 << 20));
        assert!(bounds.pids.is_some());
    }

    #[test]
    fn an_unknown_profile_is_refused_with_the_known_ones() {
        let profiles = Profiles::parse(None).unwrap();
        let why = profiles.get("gpu").unwrap_err();
        assert!(why.contains("gpu") && why.contains("declarative"), "{why}");
    }

    #[test]
    fn quantities_are_read_or_refused() {
        let bytes = |text: &str| Bytes::try_from(text.to_owned()).map(|it| it.0);
        assert_eq!(bytes("512Ki"), Ok(512 << 10));
        assert_eq!(bytes("1Gi"), Ok(1 << 30));
        for wrong in ["", "0", "Mi", "1.5Mi", "1M", "-1", "99999999999999999999"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        let cpu = |text: &str| Cpu::try_from(text.to_owned()).map(|it| it.0);
        assert_eq!(cpu("500m"), Ok(500));
        assert_eq!(cpu("2"), Ok(2000));
        assert!(cpu("0").is_err() && cpu("half").is_err());
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let text = "profiles:\n  a: {openFiles: 9, addressSpaceOverMemory: 1Mi, gpus: 1}\n";
        assert!(Profiles::parse(Some(text)).is_err());
    }
}
