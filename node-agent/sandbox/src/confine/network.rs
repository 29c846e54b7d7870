//! The network of the program of an image: its own namespace, in which every address is the namespace itself, and
//! the doors that lead out of it. A door is a listening socket that is made here and served by the daemon: no packet
//! ever leaves, so nothing is routed, filtered or translated. What may not enter: which hosts are meant, which the
//! daemon judges for each connection.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrV4, SocketAddrV6, SocketFlags, SocketType, bind,
    listen, recv, send, socket_with,
};

use crate::protocol::NAMES_PORT;

/// Connections that wait for the daemon, for each door.
const WAITING: i32 = 128;
/// The loopback interface's number in a namespace that has no other (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;

// Of linux/netlink.h and linux/rtnetlink.h.
const REQUEST_AND_ACK: u16 = 0x1 | 0x4;
const CREATE: u16 = 0x400 | 0x200;
const NEW_LINK: u16 = 16;
const NEW_ROUTE: u16 = 24;
const ERROR: u16 = 2;
const UP: u32 = 1;
const TABLE_LOCAL: u8 = 255;
const BY_BOOT: u8 = 3;
const SCOPE_HOST: u8 = 254;
const KIND_LOCAL: u8 = 2;
const OUT_INTERFACE: u16 = 4;

/// Opens the doors, and makes the loopback interface lead to them: one for each port in their order, then the two
/// that names are asked at, by datagram and by stream.
///
/// It takes the capabilities of a namespace that has no other interface; the launcher plans it for no other.
pub(super) fn open(ports: &[u16]) -> Result<Vec<OwnedFd>, String> {
    let step = |what: String| move |error: io::Error| format!("{what}: {error}");
    let kernel = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // NETLINK_ROUTE, which is 0.
        None,
    );
    let kernel = kernel.map_err(|error| step("netlink".into())(error.into()))?;
    bring_up(&kernel).map_err(step("bring lo up".into()))?;
    lead_here(&kernel, AddressFamily::INET).map_err(step("make every address its own".into()))?;
    // A kernel without IPv6 has nothing to lead anywhere.
    let _ = lead_here(&kernel, AddressFamily::INET6);
    let mut doors = Vec::with_capacity(ports.len() + 2);
    for port in ports {
        doors.push(door(*port).map_err(step(format!("listen on port {port}")))?);
    }
    doors.push(names(SocketType::DGRAM).map_err(step("listen for names".into()))?);
    doors.push(names(SocketType::STREAM).map_err(step("listen for names".into()))?);
    Ok(doors)
}

/// Listens on a port of every address of both families.
fn door(port: u16) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = match socket_with(AddressFamily::INET6, SocketType::STREAM, flags, None) {
        Ok(socket) => {
            set_ipv6_v6only(&socket, false)?;
            set_socket_reuseaddr(&socket, true)?;
            bind(
                &socket,
                &SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0),
            )?;
            socket
        }
        Err(Errno::AFNOSUPPORT) => {
            let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
            set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))?;
            socket
        }
        Err(error) => return Err(error.into()),
    };
    listen(&socket, WAITING)?;
    Ok(socket)
}

/// Where names are asked: what every resolver takes that is told of no other.
fn names(kind: SocketType) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, kind, flags, None)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, NAMES_PORT))?;
    if kind == SocketType::STREAM {
        listen(&socket, WAITING)?;
    }
    Ok(socket)
}

fn bring_up(kernel: &OwnedFd) -> io::Result<()> {
    // struct ifinfomsg: family and type unspecified, then the interface, its flags and which of them change.
    let mut body = vec![0; 4];
    for word in [LOOPBACK, UP, UP] {
        body.extend(word.to_ne_bytes());
    }
    ask(kernel, NEW_LINK, 0, &body)
}

/// `ip route add local default dev lo`, of a family: a connection to any address arrives here, with that address.
fn lead_here(kernel: &OwnedFd, family: AddressFamily) -> io::Result<()> {
    // struct rtmsg: the address family, no prefix and no type of service, then what kind of route it is, and no flags.
    let family = u8::try_from(family.as_raw()).map_err(io::Error::other)?;
    let mut body = vec![
        family,
        0,
        0,
        0,
        TABLE_LOCAL,
        BY_BOOT,
        SCOPE_HOST,
        KIND_LOCAL,
        0,
        0,
        0,
        0,
    ];
    body.extend(8_u16.to_ne_bytes());
    body.extend(OUT_INTERFACE.to_ne_bytes());
    body.extend(LOOPBACK.to_ne_bytes());
    ask(kernel, NEW_ROUTE, CREATE, &body)
}

/// One request to the kernel, and its answer.
fn ask(kernel: &OwnedFd, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    const HEADER: usize = 16;
    let mut message = Vec::with_capacity(HEADER + body.len());
    let length = u32::try_from(HEADER + body.len()).map_err(io::Error::other)?;
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((REQUEST_AND_ACK | flags).to_ne_bytes());
    // Sequence and sender: one request is open at a time.
    message.extend([0; 8]);
    message.extend(body);
    send(kernel, &message, SendFlags::empty())?;
    let mut answer = [0; 4096];
    let (got, _) = recv(kernel, &mut answer, RecvFlags::empty())?;
    let number = |at: usize| {
        answer[..got]
            .get(at..at + 4)
            .and_then(|it| it.try_into().ok())
    };
    let kind = answer[..got].get(4..6).and_then(|it| it.try_into().ok());
    match (
        kind.map(u16::from_ne_bytes),
        number(HEADER).map(i32::from_ne_bytes),
    ) {
        (Some(ERROR), Some(0)) => Ok(()),
        (Some(ERROR), Some(error)) => Err(io::Error::from_raw_os_error(error.saturating_neg())),
        _ => Err(io::Error::other("the kernel's answer is not one")),
    }
}
