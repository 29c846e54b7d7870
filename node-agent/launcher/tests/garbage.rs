//! A connection that does not speak the protocol is closed; the launcher goes on.

#![allow(clippy::unwrap_used)]

mod stage;

use std::os::fd::OwnedFd;

use aion_sandbox::protocol::MAX_MESSAGE;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, connect, recv, send, socket,
};
use stage::Stage;

fn dial(stage: &Stage) -> OwnedFd {
    let socket = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    let address = SocketAddrUnix::new(stage.path("s/launcher.sock")).unwrap();
    connect(&socket, &address).unwrap();
    socket
}

/// Sends and expects to be hung up on.
fn is_closed_after(stage: &Stage, packets: &[&[u8]]) {
    let socket = dial(stage);
    for packet in packets {
        if send(&socket, packet, SendFlags::NOSIGNAL).is_err() {
            return;
        }
    }
    let mut answer = [0; MAX_MESSAGE];
    loop {
        match recv(&socket, &mut answer, RecvFlags::empty()) {
            // A greeting may come before the end.
            Ok((n, _)) if n > 0 => {}
            _ => return,
        }
    }
}

#[tokio::test]
async fn every_kind_of_garbage_ends_the_connection_and_nothing_else() {
    let stage = Stage::new(&[]);
    let (client, _exits) = stage.connect().await;
    let captive = stage.start(&client, "a", "sleep").await;

    let hello: &[u8] = br#"{"hello":{"version":1}}"#;
    let long = vec![b' '; MAX_MESSAGE + 1];
    is_closed_after(&stage, &[b"\x00\x01\x02"]);
    is_closed_after(&stage, &[b"{}"]);
    is_closed_after(&stage, &[b"\"list\""]);
    is_closed_after(&stage, &[br#"{"hello":{"version":99}}"#]);
    is_closed_after(&stage, &[hello, br#"{"start":{}}"#]);
    is_closed_after(&stage, &[hello, &long]);
    is_closed_after(
        &stage,
        &[
            hello,
            br#"{"kill":{"id":{"instance":"../x","incarnation":1},"grace_ms":0}}"#,
        ],
    );
    let mut state = 88_172_645_463_325_252_u64;
    for _ in 0..200 {
        let packet: Vec<u8> = (0..64)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .collect();
        is_closed_after(&stage, &[&packet]);
    }

    let (client, _exits) = stage.connect().await;
    let listed = client.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, captive.id);
}

#[tokio::test]
async fn a_user_who_is_not_the_daemon_is_not_served() {
    if !stage::is_root() {
        return;
    }
    // The socket's mode keeps others out already; as root the test gets past it.
    let stage = Stage::new(&["--daemon-uid", "61999"]);
    let socket = loop {
        if let Ok(socket) = try_dial(&stage) {
            break socket;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let hello = br#"{"hello":{"version":1}}"#;
    let _ = send(&socket, hello, SendFlags::NOSIGNAL);
    let mut answer = [0; 64];
    let answered = recv(&socket, &mut answer, RecvFlags::empty());
    assert!(!matches!(answered, Ok((n, _)) if n > 0));
}

fn try_dial(stage: &Stage) -> rustix::io::Result<OwnedFd> {
    let socket = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None)?;
    connect(
        &socket,
        &SocketAddrUnix::new(stage.path("s/launcher.sock"))?,
    )?;
    Ok(socket)
}
