//! The machine that agents try to reach, around the launcher: its own network, host name and shared memory, so that
//! nothing of the real one is touched; a process, sockets and addresses to reach; and less of what a sandbox is made of.
//!
//! `aion-escape-machine --without LAYERS --tells FILE --socket PATH PROGRAM ARGUMENTS…` becomes PROGRAM. What makes a
//! layer is refused as on a machine that lacks it, or answered as if it had been done (`without.rs`).

mod without;

use std::fs;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use aion_escape::attempts::SHARED_KEY;
use aion_escape::kernel::{at, call, fork, owned};
use aion_escape::layer::Layer;

/// Every address that an attempt connects to; loopback has the first and the last from the beginning.
const ADDRESSES: [[u8; 4]; 6] = [
    [10, 77, 0, 1],
    [10, 77, 0, 2],
    [10, 96, 0, 1],
    [10, 96, 0, 10],
    [169, 254, 169, 254],
    [192, 0, 2, 1],
];
/// And every port.
const PORTS: [u16; 5] = [53, 80, 443, 8080, 10_250];

fn main() -> ExitCode {
    match run() {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("aion-escape-machine: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<std::convert::Infallible> {
    let mut arguments = std::env::args().skip(1);
    let mut option = |name: &str| match (arguments.next(), arguments.next()) {
        (Some(given), Some(value)) if given == name => Ok(value),
        _ => Err(io::Error::other(format!(
            "{name} and its value are missing"
        ))),
    };
    let off = Layer::list(&option("--without")?);
    let off = off.map_err(|name| io::Error::other(format!("{name} is not a layer")))?;
    let (tells, socket) = (option("--tells")?, option("--socket")?);
    let program = arguments
        .next()
        .ok_or_else(|| io::Error::other("a program is missing"))?;

    let own = libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    call(libc::SYS_unshare, &[own as usize])?;
    network()?;
    call(
        libc::SYS_shmget,
        &[SHARED_KEY as usize, 4096, libc::IPC_CREAT as usize | 0o666],
    )?;
    let (ready, mut told) = io::pipe()?;
    let victim = match fork()? {
        0 => {
            // It ends with the launcher.
            call(
                libc::SYS_prctl,
                &[libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize],
            )?;
            let held = listen(&socket);
            let ready = held.is_ok();
            let _ = io::Write::write_all(&mut told, &[u8::from(ready)]);
            drop(told);
            let _held = held?;
            loop {
                std::thread::park();
            }
        }
        victim => victim,
    };
    drop(told);
    let mut byte = [0];
    io::Read::read_exact(&mut &ready, &mut byte)?;
    if byte != [1] {
        return Err(io::Error::other("the machine's sockets cannot be made"));
    }
    drop(ready);
    let uts = fs::read_link("/proc/self/ns/uts")?;
    fs::write(tells, format!("{victim}\n{}\n", uts.display()))?;
    // As many as there may be: without the limit of an agent it has what it inherits.
    let many = [8192_u64; 2];
    call(
        libc::SYS_prlimit64,
        &[0, libc::RLIMIT_NOFILE as usize, at(&many), 0],
    )?;
    without::take_away(&off)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("ESCAPE_VICTIM", victim.to_string());
    command
        .env("ESCAPE_UTS", uts)
        .env("ESCAPE_SIBLING", victim.to_string());
    Err(command.exec())
}

/// Everything that an attempt could reach.
fn listen(named: &str) -> io::Result<(Vec<TcpListener>, UdpSocket, [UnixListener; 2])> {
    let listeners = PORTS
        .into_iter()
        .map(|port| TcpListener::bind(("0.0.0.0", port)));
    let address = SocketAddr::from_abstract_name("escape-host")?;
    let sockets = [
        UnixListener::bind_addr(&address)?,
        UnixListener::bind(named)?,
    ];
    Ok((
        listeners.collect::<io::Result<_>>()?,
        UdpSocket::bind(("0.0.0.0", 53))?,
        sockets,
    ))
}

/// Loopback, with every address.
fn network() -> io::Result<()> {
    let socket = owned(call(
        libc::SYS_socket,
        &[libc::AF_INET as usize, libc::SOCK_DGRAM as usize, 0],
    )?);
    let ask = |name: &str, request: libc::c_ulong, value: &[u8]| {
        let mut wanted = [0_u8; 40];
        wanted[..name.len()].copy_from_slice(name.as_bytes());
        wanted[16..16 + value.len()].copy_from_slice(value);
        call(
            libc::SYS_ioctl,
            &[socket.as_raw_fd() as usize, request as usize, at(&wanted)],
        )
    };
    ask(
        "lo",
        libc::SIOCSIFFLAGS as libc::c_ulong,
        &((libc::IFF_UP | libc::IFF_RUNNING) as u16).to_ne_bytes(),
    )?;
    for (number, address) in ADDRESSES.iter().enumerate() {
        let mut place = [0_u8; 16];
        place[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        place[4..8].copy_from_slice(address);
        ask(
            &format!("lo:{number}"),
            libc::SIOCSIFADDR as libc::c_ulong,
            &place,
        )?;
    }
    Ok(())
}
