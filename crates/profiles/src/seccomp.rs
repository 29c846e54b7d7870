//! The stricter variants of a seccomp profile, by the names that its groups give them. What they let through is the
//! launcher's business.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::BUILT_IN_SECCOMP;

#[derive(Deserialize)]
struct Profile {
    #[serde(default)]
    syscalls: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Default, Deserialize)]
struct Condition {
    #[serde(default)]
    variants: Vec<String>,
}

/// The variants that a profile's text names; none where it cannot be read, which whoever compiles it says.
#[must_use]
pub fn variants(text: &str) -> BTreeSet<String> {
    let profile: Profile = match serde_json::from_str(text) {
        Ok(profile) => profile,
        Err(_) => return BTreeSet::new(),
    };
    let groups = profile.syscalls.into_iter();
    let named = groups.flat_map(|it| it.includes.variants.into_iter().chain(it.excludes.variants));
    named.collect()
}

pub(crate) fn built_in() -> &'static BTreeSet<String> {
    static NAMES: LazyLock<BTreeSet<String>> = LazyLock::new(|| variants(BUILT_IN_SECCOMP));
    &NAMES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_variants_have_names() {
        let names: Vec<&str> = built_in().iter().map(String::as_str).collect();
        assert_eq!(names, ["no-processes", "no-threads"]);
    }
}
