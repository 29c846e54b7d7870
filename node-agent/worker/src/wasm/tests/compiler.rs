//! The real `aion-compiler`, started as its launcher starts it, and confined as far as this machine lets it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use aion_abi::boot::{GO, fd};
use aion_engine::answer::{HEAD, Head};
use aion_sandbox::{plan::Plan, wire};
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
        tool: None,
        switch_user: None,
        filters: Vec::new(),
    };
    wire::send(&ours, &plan, &[]).unwrap();

    let boot = OwnedFd::from(File::open("/dev/null").unwrap());
    let inherited = [
        (fd::BOOT, boot),
        (fd::GATE, gate),
        (fd::READY, theirs),
        (fd::MODULE, module.into()),
    ]
    // Out of the way of the numbers that they are to have.
    .map(|(number, it)| (number, fcntl_dupfd_cloexec(it.as_fd(), 64).unwrap()));
    let mut command = Command::new(program());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    #[allow(unsafe_code)]
    // SAFETY: dup2 may be called between fork and exec, and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            for (number, it) in &inherited {
                if libc::dup2(it.as_raw_fd(), *number) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    let mut compiler = command.spawn().unwrap();
    let mut answer = Vec::new();
    let mut out = compiler.stdout.take().unwrap();
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
