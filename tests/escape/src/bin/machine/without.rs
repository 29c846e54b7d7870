//! Taking layers of a sandbox away from whoever is started next, by a filter of system calls. What an attempt itself
//! calls may not enter, except where a layer is made by that very call.

use std::collections::BTreeMap;
use std::io;

use aion_escape::kernel;
use aion_escape::layer::Layer;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// A call, and what its arguments are where not every call of it is meant.
type Call = (i64, Vec<(u8, SeccompCmpOp, u64)>);

/// Answered as if it had been done.
const DONE: u32 = 0;
/// Answered as if it may not be.
const REFUSED: u32 = libc::EPERM as u32;

/// Takes `off` away for good. It takes root, who needs no `no_new_privs` for it, which would be a layer more.
pub(crate) fn take_away(off: &[Layer]) -> io::Result<()> {
    let mut calls: BTreeMap<u32, Vec<Call>> = BTreeMap::new();
    for (answer, call) in off.iter().flat_map(|layer| calls_of(*layer)) {
        calls.entry(answer).or_default().push(call);
    }
    // The last one has to be let in by those before it.
    let programs = calls
        .into_iter()
        .map(|(answer, calls)| program(answer, calls));
    let mut programs = programs
        .collect::<Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    programs.sort_by_key(|(answer, _)| std::cmp::Reverse(*answer));
    programs
        .iter()
        .try_for_each(|(_, program)| kernel::filter(program))
}

/// What makes a layer, each with what is answered to it.
fn calls_of(layer: Layer) -> Vec<(u32, Call)> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let namespace = |flag: i32| {
        let flag = flag as u64;
        (REFUSED, (libc::SYS_clone, vec![(0, MaskedEq(flag), flag)]))
    };
    let prctl = |option: i32| (DONE, (libc::SYS_prctl, vec![(0, Eq, option as u64)]));
    let all = |answer: u32, number| (answer, (number, Vec::new()));
    match layer {
        // Where there is no namespace a worker switches to another user of the machine.
        Layer::User => vec![
            namespace(libc::CLONE_NEWUSER),
            all(DONE, libc::SYS_setresuid),
            all(DONE, libc::SYS_setresgid),
        ],
        // The launcher takes one for itself, too.
        Layer::Network => vec![
            namespace(libc::CLONE_NEWNET),
            (
                REFUSED,
                (libc::SYS_unshare, vec![(0, Eq, libc::CLONE_NEWNET as u64)]),
            ),
        ],
        Layer::Pid => vec![namespace(libc::CLONE_NEWPID)],
        Layer::Ipc => vec![namespace(libc::CLONE_NEWIPC)],
        Layer::Uts => vec![namespace(libc::CLONE_NEWUTS)],
        Layer::MountAttributes => vec![all(DONE, libc::SYS_mount_setattr)],
        Layer::Rlimits => vec![(DONE, (libc::SYS_prlimit64, vec![(2, Ne, 0)]))],
        Layer::NoNewPrivs => vec![prctl(libc::PR_SET_NO_NEW_PRIVS)],
        Layer::Capabilities => vec![
            all(DONE, libc::SYS_capset),
            prctl(libc::PR_CAPBSET_DROP),
            prctl(libc::PR_CAP_AMBIENT),
        ],
        Layer::Landlock => vec![all(libc::ENOSYS as u32, libc::SYS_landlock_create_ruleset)],
        // To install a filter is its first operation.
        Layer::Seccomp => vec![(DONE, (libc::SYS_seccomp, vec![(0, Eq, 1)]))],
        // Bounds that a start asks for, or does not.
        Layer::CgroupMemory | Layer::CgroupPids | Layer::Scratch => Vec::new(),
    }
}

fn program(answer: u32, calls: Vec<Call>) -> Result<(u32, BpfProgram), seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (number, conditions) in calls {
        let of_call = rules.entry(number).or_default();
        let conditions = conditions.into_iter().map(|(index, operator, value)| {
            SeccompCondition::new(index, SeccompCmpArgLen::Qword, operator, value)
        });
        let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
        if !conditions.is_empty() {
            of_call.push(SeccompRule::new(conditions)?);
        }
    }
    let architecture = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(answer),
        architecture,
    )?;
    Ok((answer, filter.try_into()?))
}
