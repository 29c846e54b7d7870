//! Calls that a profile does not know yet. A libc tries a new call and takes the older one where it is answered with
//! ENOSYS, and only then: refused, what it does would fail. So it is not there for a worker, as container runtimes have
//! it too; what a profile knows and does not let through stays refused.

use aion_sandbox::plan::Filter;
use seccompiler::{TargetArch, sock_filter};

use super::{Action, BadProfile, Profile, Rules, compile_one, filter, pack};

/// What stands before the last program: a number above every one that the profile names, whichever worker it is for, is
/// answered with ENOSYS. Nothing where the profile ends or traps whoever calls what it does not name.
pub(super) fn are_not_there(text: &str, arch: TargetArch) -> Result<Filter, BadProfile> {
    let profile: Profile = serde_json::from_str(text)?;
    let default = Action::parse(&profile.default_action, profile.default_errno_ret)?;
    let names = profile.syscalls.iter().flat_map(|group| &group.names);
    let last = names.filter_map(|name| number(name, arch)).max();
    Ok(match (default, last) {
        (Action::Errno(_), Some(last)) => above(last).into_iter().map(pack).collect(),
        _ => Filter::new(),
    })
}

fn above(last: u32) -> [sock_filter; 3] {
    let step = |code: u32, jf, k| sock_filter {
        code: code as u16,
        jt: 0,
        jf,
        k,
    };
    [
        // The number is the first word of what a program is given.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 1, last),
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
        ),
    ]
}

/// The number of a call on this processor, if it has it. The table is not public, so it is asked by making a program:
/// what that compares last is the number.
pub(super) fn number(name: &str, arch: TargetArch) -> Option<u32> {
    let rules = Rules::new();
    let calls = std::iter::once((&name, &rules));
    let probe = filter(Action::KillProcess, Action::Allow, calls);
    let program = compile_one(probe, arch).ok()?;
    let compares =
        |it: &&sock_filter| u32::from(it.code) == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    program.iter().rev().find(compares).map(|it| it.k)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Filters;
    use super::*;
    use aion_profiles::BUILT_IN_SECCOMP as DEFAULT;
    use aion_sandbox::protocol::Role;

    #[test]
    fn a_call_has_its_number_on_each_processor() {
        assert_eq!(number("read", TargetArch::x86_64), Some(0));
        assert_eq!(number("read", TargetArch::aarch64), Some(63));
        assert_eq!(number("fork", TargetArch::aarch64), None);
        let last = libc::SYS_landlock_restrict_self as u32;
        assert_eq!(
            number("landlock_restrict_self", TargetArch::x86_64),
            Some(last)
        );
    }

    #[test]
    fn only_the_last_program_answers_what_the_profile_does_not_know() {
        let last = number("landlock_restrict_self", TargetArch::x86_64).unwrap();
        let newer: Filter = above(last).into_iter().map(pack).collect();
        for role in [Role::Declarative, Role::Process, Role::Tool] {
            let filters = Filters::compile(DEFAULT).unwrap();
            let filters = filters.of(role, false, &[]).unwrap();
            let (list, others) = filters.split_last().unwrap();
            assert!(list.starts_with(&newer), "{role:?}");
            assert!(others.iter().all(|it| !it.starts_with(&newer)), "{role:?}");
        }
    }

    #[test]
    fn a_profile_that_ends_who_calls_something_else_goes_on_ending_them() {
        let text = r#"{"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}"#;
        assert!(are_not_there(text, TargetArch::x86_64).unwrap().is_empty());
    }
}
