//! The real `aion-compiler`, started as its launcher starts it, and confined as far as this machine lets it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use aion_abi::boot::GO;
use aion_engine::answer::{HEAD, Head};
use aion_sandbox::plan::{Handed, LINK, Plan};
use aion_sandbox::wire;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::pipe;

/// What the compiler makes of `wasm`.
pub(super) fn compile(wasm: &[u8]) -> Vec<u8> {
    let mut module = tempfile::tempfile().unwrap();
    module.write_all(wasm).unwrap();
    std::io::Seek::rewind(&mut module).unwrap();
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    let (gate, opener) = pipe().unwrap();
    File::from(opener).write_all(&[GO]).unwrap();
    let plan = Plan {
        private_root: false,
        socket: None,
        module: true,
        shown: None,
        ports: Vec::new(),
        groups: 0,
        limits: Vec::new(),
        switch_user: None,
        filters: Vec::new(),
    };
    let (mut out, stdout) = pipe()
        .map(|(read, write)| (File::from(read), write))
        .unwrap();
    let nothing = File::open("/dev/null").unwrap();
    let stderr = std::io::stderr();
    let handed = Handed {
        boot: nothing.as_fd(),
        gate: gate.as_fd(),
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
        stdin: None,
        module: Some(module.as_fd()),
        socket: None,
        mounts: Vec::new(),
        groups: Vec::new(),
    };
    wire::send(&ours, &plan, &handed.in_order()).unwrap();
    drop(stdout);

    // Out of the way of the number that it is to have.
    let link = fcntl_dupfd_cloexec(&theirs, 64).unwrap();
    let mut command = Command::new(program());
    command.stdin(Stdio::null());
    #[allow(unsafe_code)]
    // SAFETY: dup2 may be called between fork and exec, and nothing is allocated.
    unsafe {
        command.pre_exec(move || match libc::dup2(link.as_raw_fd(), LINK) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let mut compiler = command.spawn().unwrap();
    let mut answer = Vec::new();
    out.read_to_end(&mut answer).unwrap();
    let status = compiler.wait().unwrap();
    assert!(answer.len() >= HEAD, "aion-compiler ended with {status}");
    let artifact = answer.split_off(HEAD);
    let head = answer.try_into().unwrap();
    assert_eq!(
        Head::from_bytes(&head),
        Some(Head::Artifact(artifact.len() as u64)),
        "{}",
        String::from_utf8_lossy(&artifact)
    );
    artifact
}

/// Beside this test's own folder, where cargo puts it.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.ancestors().nth(2).unwrap().join("aion-compiler");
    assert!(
        program.is_file(),
        "{} is not built; `make test` does it, or cargo build in node-agent/compiler",
        program.display()
    );
    program
}
