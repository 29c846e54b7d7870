//! Attempts on the network, and on sockets of others.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use libc::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, EINPROGRESS, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW,
    SOCK_SEQPACKET, SOCK_STREAM,
};

use super::{Attempt, by, inside, past};
use crate::kernel::{at, call, owned};
use crate::layer::Layer::{Capabilities, Landlock, Network, Seccomp};

const ALONE: (&str, &str) = ("EPERM", "EPERM");
/// What a TCP connection passes.
const TCP: &[crate::layer::Layer] = &[Seccomp, Network, Landlock];
/// And a datagram, or a connection that begins with what is sent.
const UDP: &[crate::layer::Layer] = &[Seccomp, Network];

pub(super) const ATTEMPTS: &[Attempt] = &[
    by(
        "tcp-loopback",
        "connect to the machine's loopback",
        ALONE,
        TCP,
        || connect([127, 0, 0, 1], 80),
    ),
    by(
        "tcp-node",
        "connect to the node's kubelet",
        ALONE,
        TCP,
        || connect([10, 77, 0, 1], 10_250),
    ),
    by(
        "tcp-metadata",
        "connect to the cloud's metadata",
        ALONE,
        TCP,
        || connect([169, 254, 169, 254], 80),
    ),
    by(
        "tcp-cluster",
        "connect to the cluster's API",
        ALONE,
        TCP,
        || connect([10, 96, 0, 1], 443),
    ),
    by(
        "tcp-agent",
        "connect to another agent's address",
        ALONE,
        TCP,
        || connect([10, 77, 0, 2], 8080),
    ),
    by(
        "tcp-internet",
        "connect to an address of the internet",
        ALONE,
        TCP,
        || connect([192, 0, 2, 1], 443),
    ),
    by(
        "tcp-dns",
        "ask the cluster's DNS over TCP",
        ALONE,
        TCP,
        || connect([10, 96, 0, 10], 53),
    ),
    by(
        "tcp-fast-open",
        "connect with what is sent, and not by connect",
        ALONE,
        UDP,
        || fast_open([192, 0, 2, 1], 443),
    ),
    by(
        "udp-dns",
        "carry something out in a name that is asked for",
        ALONE,
        UDP,
        || send([10, 96, 0, 10], 53),
    ),
    by(
        "udp-dns-loopback",
        "ask a resolver of the machine",
        ALONE,
        UDP,
        || send([127, 0, 0, 53], 53),
    ),
    by(
        "tcp-listen",
        "listen for others",
        ALONE,
        &[Seccomp, Landlock],
        || {
            let socket = owned(socket(AF_INET, SOCK_STREAM, 0)?);
            let place = address([0, 0, 0, 0], 8080);
            call(
                libc::SYS_bind,
                &[socket.as_raw_fd() as usize, at(&place), place.len()],
            )?;
            call(libc::SYS_listen, &[socket.as_raw_fd() as usize, 1]).map(drop)
        },
    ),
    by(
        "socket-inet",
        "make a TCP socket",
        ALONE,
        &[Seccomp],
        || family(AF_INET, SOCK_STREAM, 0),
    ),
    by(
        "socket-inet6",
        "make a TCP socket for IPv6",
        ALONE,
        &[Seccomp],
        || family(AF_INET6, SOCK_STREAM, 0),
    ),
    by("socket-udp", "make a UDP socket", ALONE, &[Seccomp], || {
        family(AF_INET, SOCK_DGRAM, 0)
    }),
    by(
        "socket-raw",
        "make a socket for whole packets of IP",
        ALONE,
        &[Seccomp, Capabilities],
        || family(AF_INET, SOCK_RAW, 1),
    ),
    by(
        "socket-packet",
        "make a socket for whole frames",
        ALONE,
        &[Seccomp, Capabilities],
        || family(libc::AF_PACKET, SOCK_RAW, 0),
    ),
    by(
        "socket-netlink",
        "change the network's set-up",
        ALONE,
        &[Seccomp],
        || family(AF_NETLINK, SOCK_RAW, 0),
    ),
    by(
        "socket-audit",
        "read and write the audit log",
        ALONE,
        &[Seccomp],
        || family(AF_NETLINK, SOCK_RAW, 9),
    ),
    by(
        "socket-vsock",
        "reach the hypervisor",
        ALONE,
        &[Seccomp],
        || family(libc::AF_VSOCK, SOCK_STREAM, 0),
    ),
    by(
        "socket-alg",
        "reach the kernel's cryptography",
        ALONE,
        &[Seccomp],
        || family(libc::AF_ALG, SOCK_SEQPACKET, 0),
    ),
    by(
        "socket-bluetooth",
        "reach Bluetooth",
        ALONE,
        &[Seccomp],
        || family(libc::AF_BLUETOOTH, SOCK_RAW, 1),
    ),
    by(
        "socket-key",
        "change IPsec's keys",
        ALONE,
        &[Seccomp, Capabilities],
        || family(libc::AF_KEY, SOCK_RAW, 2),
    ),
    by(
        "socket-can",
        "reach a vehicle's bus",
        ALONE,
        &[Seccomp],
        || family(libc::AF_CAN, SOCK_RAW, 1),
    ),
    by(
        "socket-xdp",
        "make a socket beside the network stack",
        ALONE,
        &[Seccomp, Capabilities],
        || family(libc::AF_XDP, SOCK_RAW, 0),
    ),
    by(
        "socket-tipc",
        "reach other machines by TIPC",
        ALONE,
        &[Seccomp],
        || family(libc::AF_TIPC, SOCK_STREAM, 0),
    ),
    by(
        "socket-rds",
        "reach other machines by RDS",
        ALONE,
        &[Seccomp],
        || family(libc::AF_RDS, SOCK_SEQPACKET, 0),
    ),
    by(
        "unix-datagram",
        "make a datagram socket, which can send to any",
        ALONE,
        &[Seccomp],
        || family(AF_UNIX, SOCK_DGRAM, 0),
    ),
    by(
        "abstract-host",
        "connect to an abstract socket of the machine",
        ("ECONNREFUSED", "EPERM"),
        &[Network, Landlock],
        || unix(b"\0escape-host"),
    ),
    by(
        "abstract-agent",
        "connect to an abstract socket of another agent",
        ("ECONNREFUSED", "EPERM"),
        &[Network, Landlock],
        || unix(b"\0escape-sibling"),
    ),
    inside(
        "named-host",
        "connect to a socket of the machine by its name",
        ("ENOENT", "EPERM"),
        || {
            let path = std::env::var("ESCAPE_NAMED").map_err(io::Error::other)?;
            unix(path.as_bytes())
        },
    ),
    inside(
        "launcher",
        "speak to the launcher",
        ("ENOENT", "EPERM"),
        || {
            let path = std::env::var("ESCAPE_LAUNCHER").map_err(io::Error::other)?;
            // It is of another type, which is answered where it is reached.
            past(unix(path.as_bytes()), &[libc::EPROTOTYPE])
        },
    ),
    by(
        "host-sockets",
        "see which ports the machine listens on",
        ("its own", "ENOENT"),
        &[Network],
        || {
            let table = std::fs::read_to_string("/proc/net/tcp")?;
            // The kubelet's.
            match table.contains(":280A ") {
                true => Ok(()),
                false => Err(io::Error::other("its own")),
            }
        },
    ),
    by(
        "privileged-port",
        "listen where only root may",
        ALONE,
        &[Seccomp, Capabilities, Landlock],
        || {
            let socket = owned(socket(AF_INET, SOCK_STREAM, 0)?);
            let place = address([127, 0, 0, 3], 99);
            past(
                call(
                    libc::SYS_bind,
                    &[socket.as_raw_fd() as usize, at(&place), place.len()],
                ),
                &[libc::EADDRNOTAVAIL],
            )
        },
    ),
];

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<usize> {
    call(
        libc::SYS_socket,
        &[
            family as usize,
            (kind | libc::SOCK_CLOEXEC) as usize,
            protocol as usize,
        ],
    )
}

fn family(family: i32, kind: i32, protocol: i32) -> io::Result<()> {
    socket(family, kind, protocol).map(drop)
}

/// Of IPv4, as the kernel takes it.
fn address(host: [u8; 4], port: u16) -> [u8; 16] {
    let mut place = [0; 16];
    place[..2].copy_from_slice(&(AF_INET as u16).to_ne_bytes());
    place[2..4].copy_from_slice(&port.to_be_bytes());
    place[4..8].copy_from_slice(&host);
    place
}

fn connect(host: [u8; 4], port: u16) -> io::Result<()> {
    let socket = owned(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)?);
    let place = address(host, port);
    // A packet is under way.
    past(
        call(
            libc::SYS_connect,
            &[socket.as_raw_fd() as usize, at(&place), place.len()],
        ),
        &[EINPROGRESS],
    )
}

fn send(host: [u8; 4], port: u16) -> io::Result<()> {
    let socket = owned(socket(AF_INET, SOCK_DGRAM, 0)?);
    send_to(&socket, 0, host, port)
}

fn fast_open(host: [u8; 4], port: u16) -> io::Result<()> {
    let socket = owned(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)?);
    let sent = send_to(&socket, libc::MSG_FASTOPEN as usize, host, port);
    // A packet is under way.
    past(sent, &[EINPROGRESS])
}

fn send_to(socket: &OwnedFd, flags: usize, host: [u8; 4], port: u16) -> io::Result<()> {
    let (place, text) = (address(host, port), b"a secret in a name");
    call(
        libc::SYS_sendto,
        &[
            socket.as_raw_fd() as usize,
            at(text),
            text.len(),
            flags,
            at(&place),
            place.len(),
        ],
    )
    .map(drop)
}

fn unix(name: &[u8]) -> io::Result<()> {
    let socket = owned(socket(AF_UNIX, SOCK_STREAM, 0)?);
    let mut place = [0_u8; 110];
    place[..2].copy_from_slice(&(AF_UNIX as u16).to_ne_bytes());
    let name = &name[..name.len().min(107)];
    place[2..2 + name.len()].copy_from_slice(name);
    call(
        libc::SYS_connect,
        &[socket.as_raw_fd() as usize, at(&place), 2 + name.len()],
    )
    .map(drop)
}
