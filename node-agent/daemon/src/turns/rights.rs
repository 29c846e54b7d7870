//! What every instance may do beside its grants: use the folders of its own turn.

use std::sync::LazyLock;

use aion_api::FileMode;
use aion_kernel::{GrantRule, TargetPattern, Verdict};
use aion_policy::{kind, of_mount};

use super::mounts_of_a_turn;

/// A turn may use the folders that were made for it: its caller put the files there, and gets them.
pub(crate) fn turn_rights() -> &'static [GrantRule] {
    // Once for all instances: clones share the names.
    static RIGHTS: LazyLock<Vec<GrantRule>> = LazyLock::new(rights);
    &RIGHTS
}

fn rights() -> Vec<GrantRule> {
    let rule = |kind, mount: &str| GrantRule {
        verdict: Verdict::Allow,
        kind,
        target: TargetPattern::Exact(mount.into()),
        origin: "the turn's own files".into(),
    };
    mounts_of_a_turn()
        .into_iter()
        .flat_map(|(mount, writable)| {
            let mode = match writable {
                true => FileMode::ReadWrite,
                false => FileMode::Read,
            };
            of_mount(mode).map(move |syscall| rule(kind(syscall), mount))
        })
        .collect()
}
