//! What a module is compiled for. A compiled module fits one engine and one kind of processor; [`key`] names
//! both.

/// The engine, by its exact version: its artifacts fit no other.
pub const ENGINE: &str = "wasmtime-48.0.8";

/// Counts changes of what is set in `settings`.
const REVISION: u32 = 1;

/// Names what a module compiled on this machine fits, in characters that a file name may have. `cpuinfo` is
/// the text of `/proc/cpuinfo`: two machines with the same features may share what was compiled.
pub fn key(cpuinfo: &str) -> String {
    let cpu = cpu(cpuinfo);
    format!("{ENGINE}-{REVISION}-{}-{cpu}", std::env::consts::ARCH)
}

/// Names the features of a processor: code is made for them.
fn cpu(cpuinfo: &str) -> String {
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
        let one = key(text);
        let elsewhere = key("flags : fpu sse2\n");
        assert_ne!(one, elsewhere);
        assert!(one.starts_with(ENGINE));
        assert!(
            one.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        );
    }
}
