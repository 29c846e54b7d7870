//! What a module is compiled for. A compiled module fits one engine, one set of settings and one kind of
//! processor; [`Settings::key`] names all of it.

use serde::{Deserialize, Serialize};

/// The engine, by its exact version: its artifacts fit no other.
pub const ENGINE: &str = "wasmtime-48.0.8";

/// Counts changes of what is set in `engine`.
const REVISION: u32 = 1;

/// What may differ from module to module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whether instructions are counted.
    pub fuel: bool,
}

/// The compiler's boot document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// How.
    pub settings: Settings,
}

impl Settings {
    /// Names what a module compiled so fits, in characters that a file name may have. `cpu` is of [`cpu`].
    pub fn key(self, cpu: &str) -> String {
        let fuel = if self.fuel { "-fuel" } else { "" };
        format!("{ENGINE}-{REVISION}-{}-{cpu}{fuel}", std::env::consts::ARCH)
    }
}

/// Names the features of this machine's processor, from the text of `/proc/cpuinfo`: code is made for them.
/// Two machines with the same text may share what was compiled.
pub fn cpu(cpuinfo: &str) -> String {
    let features = cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| matches!(key.trim(), "flags" | "Features" | "isa"))
        .map_or("", |(_, features)| features.trim());
    // FNV-1a, 64 bits: a name and no proof.
    let hash = features
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_engine_is_named_by_the_version_that_is_built() {
        let lock = include_str!("../../../Cargo.lock");
        let (_, after) = lock
            .split_once("name = \"wasmtime\"\nversion = \"")
            .unwrap();
        let version = after.split('"').next().unwrap();
        assert_eq!(ENGINE, format!("wasmtime-{version}"));
    }

    #[test]
    fn what_a_module_fits_is_in_its_key() {
        let text = "processor : 0\nflags\t\t: fpu sse2 avx\n\nprocessor : 1\nflags : other\n";
        let one = Settings::default().key(&cpu(text));
        let counted = Settings { fuel: true }.key(&cpu(text));
        let elsewhere = Settings::default().key(&cpu("flags : fpu sse2\n"));
        assert_ne!(one, counted);
        assert_ne!(one, elsewhere);
        assert!(one.starts_with(ENGINE));
        assert!(
            one.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        );
    }
}
