//! Letting go of users and capabilities, for good.

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

/// Becomes this user and the group of the same number, with no other groups. The
/// process has one thread, so the thread's identity is the process's.
pub(super) fn switch_user(user: u32) -> Result<(), String> {
    let step = |what: &'static str| move |error: Errno| format!("{what}: {error}");
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    set_thread_groups(&[]).map_err(step("setgroups"))?;
    set_thread_res_gid(gid, gid, gid).map_err(step("setresgid"))?;
    set_thread_res_uid(uid, uid, uid).map_err(step("setresuid"))
}

/// Empties the sets that a process acts by. The bounding set has gone before.
pub(super) fn drop_all() -> Result<(), String> {
    let ambient = clear_ambient_capability_set();
    let rest = set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        },
    );
    rest.map_err(|error| format!("capset: {error}"))?;
    ambient.map_err(|error| format!("clear the ambient set: {error}"))
}

/// Empties the bounding set. It takes `CAP_SETPCAP`, which a switch of user costs:
/// this comes before it.
pub(super) fn empty_bounding_set() -> Result<(), String> {
    for number in 0..64 {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            // Past the last capability that this kernel knows.
            Err(Errno::INVAL) => return Ok(()),
            Err(Errno::PERM) => {
                return Err(
                    "the bounding set needs CAP_SETPCAP to be emptied, which an ordinary user \
                     has only in a user namespace; the other sets are empty"
                        .into(),
                );
            }
            Err(error) => return Err(format!("empty the bounding set: {error}")),
        }
    }
    Ok(())
}
