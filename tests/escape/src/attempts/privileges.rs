//! Attempts to get rights, or to get rid of what was taken.

use std::fs;
use std::io;
use std::process::Command;

use super::{Attempt, by, inside};
use crate::kernel::{at, call, signed};
use crate::layer::Layer::{Capabilities, MountAttributes, NoNewPrivs, Seccomp, User};

const ALONE: (&str, &str) = ("EPERM", "EPERM");

pub(super) const ATTEMPTS: &[Attempt] = &[
    by(
        "setuid",
        "become another user",
        ("EINVAL", "EINVAL"),
        &[User, Capabilities],
        || call(libc::SYS_setuid, &[1]).map(drop),
    ),
    by(
        "setgid",
        "become another group",
        ("EINVAL", "EINVAL"),
        &[User, Capabilities],
        || call(libc::SYS_setgid, &[1]).map(drop),
    ),
    inside(
        "setresuid",
        "become another user in every way",
        ("EINVAL", "EINVAL"),
        || call(libc::SYS_setresuid, &[1, 1, 1]).map(drop),
    ),
    by(
        "setgroups",
        "take supplementary groups",
        ALONE,
        &[Seccomp, Capabilities, User],
        || {
            let groups = [4_u32];
            call(libc::SYS_setgroups, &[1, at(&groups)]).map(drop)
        },
    ),
    by(
        "setfsuid",
        "open files as another user",
        ALONE,
        &[Seccomp, Capabilities, User],
        || {
            call(libc::SYS_setfsuid, &[1])?;
            // The call answers with who it was before, whatever came of it.
            match call(libc::SYS_setfsuid, &[signed(-1)])? {
                1 => Ok(()),
                _ => Err(io::Error::from_raw_os_error(libc::EPERM)),
            }
        },
    ),
    by(
        "capset",
        "take every capability",
        ALONE,
        &[Seccomp, Capabilities],
        || {
            let (head, sets) = ([0x2008_0522_u32, 0], [u32::MAX; 6]);
            call(libc::SYS_capset, &[at(&head), at(&sets)])?;
            let status = fs::read_to_string("/proc/self/status")?;
            let held = status
                .lines()
                .find_map(|line| line.strip_prefix("CapEff:\t"));
            match held.is_some_and(|held| held.bytes().any(|digit| digit != b'0')) {
                true => Ok(()),
                false => Err(io::Error::from_raw_os_error(libc::EPERM)),
            }
        },
    ),
    by(
        "secure-bits",
        "change how root gains capabilities",
        ALONE,
        &[Capabilities],
        || call(libc::SYS_prctl, &[libc::PR_SET_SECUREBITS as usize, 4]).map(drop),
    ),
    by(
        "undo-no-new-privs",
        "take no_new_privs back",
        ("EINVAL", "EINVAL"),
        &[NoNewPrivs],
        || {
            let done = call(libc::SYS_prctl, &[libc::PR_SET_NO_NEW_PRIVS as usize, 0]);
            match call(libc::SYS_prctl, &[libc::PR_GET_NO_NEW_PRIVS as usize])? {
                0 => Ok(()),
                _ => done.map(drop),
            }
        },
    ),
    by(
        "undo-seccomp",
        "take the filter back",
        ("EINVAL", "EINVAL"),
        &[Seccomp],
        || {
            let done = call(libc::SYS_prctl, &[libc::PR_SET_SECCOMP as usize, 0]);
            // What the filter refuses.
            match call(libc::SYS_personality, &[u32::MAX as usize]) {
                Ok(_) => Ok(()),
                Err(_) => done.map(drop),
            }
        },
    ),
    by(
        "wider-filter",
        "install a filter that lets everything through",
        ALONE,
        &[Seccomp],
        || {
            let allow = [0x7fff_0000_0000_0006_u64];
            let program: [usize; 2] = [1, at(&allow)];
            call(libc::SYS_seccomp, &[1, 0, at(&program)])?;
            call(libc::SYS_personality, &[u32::MAX as usize]).map(drop)
        },
    ),
    by(
        "personality",
        "have addresses that are known",
        ALONE,
        &[Seccomp],
        || call(libc::SYS_personality, &[libc::ADDR_NO_RANDOMIZE as usize]).map(drop),
    ),
    by(
        "executable-data",
        "have everything that can be read be executed",
        ALONE,
        &[Seccomp],
        || call(libc::SYS_personality, &[libc::READ_IMPLIES_EXEC as usize]).map(drop),
    ),
    by(
        "setuid-program",
        "execute a program of the image that is another user's",
        ("as itself", "ENOENT"),
        &[User, NoNewPrivs, MountAttributes],
        || {
            let output = Command::new("/bin/setuid").arg("who").output()?;
            match output.stdout.as_slice() {
                b"1" => Ok(()),
                _ => Err(io::Error::other("as itself")),
            }
        },
    ),
    by(
        "setgid-program",
        "execute a program of the image that is another group's",
        ("as itself", "ENOENT"),
        &[User, NoNewPrivs, MountAttributes],
        || {
            let output = Command::new("/bin/setgid").arg("group").output()?;
            match output.stdout.as_slice() {
                b"1" => Ok(()),
                _ => Err(io::Error::other("as itself")),
            }
        },
    ),
];
