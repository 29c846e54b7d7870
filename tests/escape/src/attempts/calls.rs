//! Attempts with calls that are the machine's owner's, or that a program has no use for. Each is made so that nothing
//! comes of it where it is let through.

use libc::{EBADF, EINVAL, ENOENT, ENOEXEC, ENOKEY, EOVERFLOW, ESTALE};

use super::{Attempt, by, past};
use crate::kernel::{at, call, signed, text};
use crate::layer::Layer::{Capabilities, Landlock, Rlimits, Seccomp, User};

const BOTH: (&str, &str) = ("EPERM", "SIGSYS");
const ALONE: (&str, &str) = ("EPERM", "EPERM");
/// What takes a capability on the machine itself.
const OWNERS: &[crate::layer::Layer] = &[Seccomp, Capabilities, User];

pub(super) const ATTEMPTS: &[Attempt] = &[
    // Without its magic numbers it does nothing.
    by(
        "reboot",
        "reboot the machine",
        BOTH,
        &[Seccomp, Capabilities],
        || past(call(libc::SYS_reboot, &[0, 0, 0, 0]), &[EINVAL]),
    ),
    by("kexec-load", "load another kernel", BOTH, OWNERS, || {
        past(call(libc::SYS_kexec_load, &[0, 0, 0, 0xffff]), &[EINVAL])
    }),
    by(
        "kexec-file-load",
        "load another kernel from a file",
        BOTH,
        OWNERS,
        || {
            past(
                call(
                    libc::SYS_kexec_file_load,
                    &[signed(-1), signed(-1), 0, 0, 0xffff],
                ),
                &[EINVAL, EBADF],
            )
        },
    ),
    by(
        "init-module",
        "load a module into the kernel",
        BOTH,
        OWNERS,
        || {
            let image = [0_u8; 64];
            past(
                call(libc::SYS_init_module, &[at(&image), image.len(), text(c"")]),
                &[ENOEXEC, EINVAL],
            )
        },
    ),
    by(
        "finit-module",
        "load a module from a file",
        BOTH,
        OWNERS,
        || {
            past(
                call(libc::SYS_finit_module, &[signed(-1), text(c""), 0xffff]),
                &[EINVAL, EBADF],
            )
        },
    ),
    by("delete-module", "unload a module", BOTH, OWNERS, || {
        past(
            call(
                libc::SYS_delete_module,
                &[text(c"escape_none"), libc::O_NONBLOCK as usize],
            ),
            &[ENOENT],
        )
    }),
    by(
        "swapon",
        "have the machine swap to a file",
        BOTH,
        OWNERS,
        || past(call(libc::SYS_swapon, &[text(c"/none"), 0]), &[ENOENT]),
    ),
    by("swapoff", "take the machine's swap", BOTH, OWNERS, || {
        past(call(libc::SYS_swapoff, &[text(c"/none")]), &[ENOENT])
    }),
    // Neither a time nor a zone is given.
    by(
        "settimeofday",
        "set the machine's clock",
        ALONE,
        OWNERS,
        || call(libc::SYS_settimeofday, &[0, 0]).map(drop),
    ),
    by(
        "adjtimex",
        "change the speed of the machine's clock",
        ALONE,
        OWNERS,
        || {
            // The tick, to what it is: the mode is the first word, the tick the twelfth.
            let mut clock = [0_u64; 26];
            clock[0] = 0x4000;
            clock[11] = 10_000;
            call(libc::SYS_adjtimex, &[at(&clock)]).map(drop)
        },
    ),
    // A console's level that does not exist.
    by(
        "syslog",
        "change what the kernel logs",
        ALONE,
        OWNERS,
        || past(call(libc::SYS_syslog, &[8, 0, 0]), &[EINVAL]),
    ),
    by(
        "acct",
        "have the kernel write to a file",
        ALONE,
        OWNERS,
        || past(call(libc::SYS_acct, &[text(c"/none")]), &[ENOENT]),
    ),
    by(
        "quotactl",
        "ask and change disk quotas",
        ALONE,
        &[Seccomp],
        || call(libc::SYS_quotactl, &[0x8000_0100, 0, 0, 0]).map(drop),
    ),
    by(
        "vhangup",
        "hang up the machine's terminal",
        ALONE,
        OWNERS,
        || call(libc::SYS_vhangup, &[]).map(drop),
    ),
    #[cfg(target_arch = "x86_64")]
    by("iopl", "reach the machine's ports", ALONE, OWNERS, || {
        call(libc::SYS_iopl, &[3]).map(drop)
    }),
    #[cfg(target_arch = "x86_64")]
    by(
        "ioperm",
        "reach one of the machine's ports",
        ALONE,
        OWNERS,
        || call(libc::SYS_ioperm, &[0x80, 1, 1]).map(drop),
    ),
    #[cfg(target_arch = "x86_64")]
    by(
        "modify-ldt",
        "read and change its segments",
        ALONE,
        &[Seccomp],
        || {
            let table = [0_u8; 16];
            call(libc::SYS_modify_ldt, &[0, at(&table), table.len()]).map(drop)
        },
    ),
    by("bpf", "make a map of eBPF's", BOTH, OWNERS, || {
        // An array of one number.
        let wanted: [u32; 32] = {
            let mut it = [0; 32];
            it[0] = 2;
            it[1] = 4;
            it[2] = 4;
            it[3] = 1;
            it
        };
        call(libc::SYS_bpf, &[0, at(&wanted), size_of_val(&wanted)]).map(drop)
    }),
    by("perf-event-open", "watch a processor", BOTH, OWNERS, || {
        // A software clock of every process on processor 0.
        let mut wanted = [0_u32; 32];
        (wanted[0], wanted[1]) = (1, 128);
        call(
            libc::SYS_perf_event_open,
            &[at(&wanted), signed(-1), 0, signed(-1), 0],
        )
        .map(drop)
    }),
    by(
        "userfaultfd",
        "hold the kernel up in a page fault",
        BOTH,
        &[Seccomp],
        || call(libc::SYS_userfaultfd, &[1]).map(drop),
    ),
    by(
        "io-uring",
        "make calls that no filter sees",
        BOTH,
        &[Seccomp, Rlimits],
        || {
            let wanted = [0_u32; 30];
            call(libc::SYS_io_uring_setup, &[1, at(&wanted)]).map(drop)
        },
    ),
    by(
        "aio",
        "make a context of asynchronous calls",
        ALONE,
        &[Seccomp],
        || {
            let context = [0_u64];
            call(libc::SYS_io_setup, &[1, at(&context)]).map(drop)
        },
    ),
    by(
        "keyctl",
        "find the session's keys",
        BOTH,
        &[Seccomp],
        || call(libc::SYS_keyctl, &[0, signed(-3), 1]).map(drop),
    ),
    by(
        "add-key",
        "keep something in the kernel's keys",
        BOTH,
        &[Seccomp],
        || {
            let (kind, name) = (text(c"user"), text(c"escape"));
            call(libc::SYS_add_key, &[kind, name, text(c"x"), 1, signed(-2)]).map(drop)
        },
    ),
    by(
        "request-key",
        "have a program of the machine's run for a key",
        BOTH,
        &[Seccomp],
        || {
            past(
                call(
                    libc::SYS_request_key,
                    &[text(c"user"), text(c"escape-none"), 0, 0],
                ),
                &[ENOKEY],
            )
        },
    ),
    by(
        "fanotify",
        "watch a file system's files",
        ALONE,
        &[Seccomp],
        || call(libc::SYS_fanotify_init, &[0x200, 0]).map(drop),
    ),
    by(
        "name-to-handle",
        "learn a file's number on the machine",
        BOTH,
        &[Seccomp],
        || {
            let handle = [128_u32; 64];
            let mount = [0_i32];
            call(
                libc::SYS_name_to_handle_at,
                &[
                    signed(libc::AT_FDCWD.into()),
                    text(c"/"),
                    at(&handle),
                    at(&mount),
                    0,
                ],
            )
            .map(drop)
        },
    ),
    by(
        "open-by-handle",
        "open a file by its number on the machine",
        BOTH,
        OWNERS,
        || {
            let mut handle = [0_u32; 64];
            (handle[0], handle[1]) = (8, 1);
            past(
                call(
                    libc::SYS_open_by_handle_at,
                    &[signed(libc::AT_FDCWD.into()), at(&handle), 0],
                ),
                &[ESTALE, EOVERFLOW, EINVAL],
            )
        },
    ),
    by(
        "memory-file",
        "make a file in memory, and execute it",
        ALONE,
        &[Seccomp],
        || call(libc::SYS_memfd_create, &[text(c"escape"), 0]).map(drop),
    ),
    by(
        "secret-memory",
        "have memory that the machine cannot read",
        ("ENOSYS", "ENOSYS"),
        &[Seccomp],
        || call(libc::SYS_memfd_secret, &[0]).map(drop),
    ),
    by(
        "message-queue",
        "make a message queue",
        ALONE,
        &[Seccomp, Rlimits, Landlock],
        || {
            call(
                libc::SYS_mq_open,
                &[
                    text(c"escape"),
                    (libc::O_CREAT | libc::O_RDWR) as usize,
                    0o600,
                    0,
                ],
            )
            .map(drop)
        },
    ),
    by(
        "semaphores",
        "make System V semaphores",
        ALONE,
        &[Seccomp],
        || call(libc::SYS_semget, &[0, 1, 0o600]).map(drop),
    ),
    by(
        "nice",
        "go before the machine's processes",
        ("EACCES", "EACCES"),
        &[Capabilities, User],
        || {
            call(
                libc::SYS_setpriority,
                &[libc::PRIO_PROCESS as usize, 0, signed(-5)],
            )
            .map(drop)
        },
    ),
    by(
        "io-priority",
        "have the disks to itself",
        ALONE,
        &[Seccomp, Capabilities, User],
        || {
            // The class of real time.
            call(libc::SYS_ioprio_set, &[1, 0, 1 << 13]).map(drop)
        },
    ),
];
