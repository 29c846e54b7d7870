//! The network that the program of an image is granted: doors to whoever holds them, and nothing else.

#![allow(clippy::unwrap_used, clippy::panic)]

mod stage;

use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::thread;

use aion_sandbox::Layer;
use aion_sandbox::protocol::InsideUser;
use stage::image::{Run, lines, worker};
use stage::{Captive, Stage, exit_of, is_root};

/// What it tries of everywhere: two doors and a port that has none, its own and somebody's.
const TRIED: [&str; 12] = [
    "tcp 192.0.2.7:8080",
    "tcp 127.0.0.1:8080",
    "tcp 169.254.169.254:80",
    "tcp 10.0.0.1:8081",
    "tcp 127.0.0.1:22",
    "udp 127.0.0.1:53",
    "udp 192.0.2.7:443",
    "call raw",
    "call ping",
    "call netlink",
    "call packet",
    "call inet6",
];

/// Holds the doors as the daemon does: says on each connection whom it was for.
fn serve(mut captive: Captive) -> Captive {
    let doors = std::mem::take(&mut captive.started.doors);
    let mut doors = doors.into_iter();
    for _ in 0..2 {
        let door = TcpListener::from(doors.next().unwrap());
        door.set_nonblocking(false).unwrap();
        thread::spawn(move || {
            while let Ok((mut stream, _)) = door.accept() {
                let meant = stream.local_addr().unwrap();
                let meant = (meant.ip().to_canonical(), meant.port());
                write!(stream, "{} {}", meant.0, meant.1).unwrap();
            }
        });
    }
    let names = UdpSocket::from(doors.next().unwrap());
    names.set_nonblocking(false).unwrap();
    thread::spawn(move || {
        let mut asked = [0; 64];
        while let Ok((_, from)) = names.recv_from(&mut asked) {
            names.send_to(b"answered", from).unwrap();
        }
    });
    assert_eq!(doors.count(), 1, "streams of names");
    captive
}

async fn has_doors_and_nothing_else(stage: &Stage, user: Option<InsideUser>) {
    let image = stage.image();
    image
        .put("/etc/resolv.conf", "nameserver 192.0.2.53")
        .unwrap();
    let mut run = Run::words(&[&TRIED[..], &["read /etc/resolv.conf"]].concat());
    run.ports = vec![8080, 80];
    run.user = user;
    let (client, mut exits) = stage.connect().await;
    let captive = stage.resident(&client, "a", &image, run).await.unwrap();
    let layer = captive.layer(Layer::NetworkNamespace).clone();
    assert!(layer.is_enforced(), "{layer:?}");
    assert!(
        layer
            .evidence
            .ends_with("no interface but lo, doors at 53, 80, 8080"),
        "{layer:?}"
    );
    for name in [Layer::Seccomp, Layer::Capabilities] {
        assert!(
            captive.layer(name).is_enforced(),
            "{:?}",
            captive.layer(name)
        );
    }
    let captive = serve(captive);
    client.open_gate(&captive.id).await.unwrap();
    exit_of(&mut exits, &captive.id).await;
    let (printed, complained) = captive.said();
    assert_eq!(complained, "");
    assert_eq!(
        lines(&printed),
        [
            "192.0.2.7 8080",
            "127.0.0.1 8080",
            "169.254.169.254 80",
            "refused, ECONNREFUSED",
            "refused, ECONNREFUSED",
            "answered",
            "refused, ECONNREFUSED",
            "refused, EPERM",
            "refused, EPERM",
            "refused, EPERM",
            "refused, EPERM",
            "done",
            "nameserver 127.0.0.1",
        ]
    );
    let host = std::fs::read_to_string(image.at("etc/resolv.conf")).unwrap();
    assert_eq!(
        host, "nameserver 192.0.2.53",
        "the image itself is not changed"
    );
}

#[tokio::test]
async fn every_address_of_a_granted_port_leads_to_its_door_and_nothing_leads_elsewhere() {
    if !is_root() {
        return;
    }
    let Some(worker) = worker() else { return };
    has_doors_and_nothing_else(&Stage::with_worker(&worker, None, false), None).await;
}

#[tokio::test]
async fn an_image_with_a_user_has_the_same_network() {
    if !is_root() {
        return;
    }
    let Some(worker) = worker() else { return };
    let user = InsideUser {
        uid: 1000,
        gid: 1000,
    };
    has_doors_and_nothing_else(&Stage::with_worker(&worker, None, false), Some(user)).await;
}

#[tokio::test]
async fn an_ordinary_users_launcher_gives_the_same_network() {
    if !is_root() {
        return;
    }
    let Some(worker) = worker() else { return };
    has_doors_and_nothing_else(&Stage::with_worker(&worker, Some(61_995), false), None).await;
}

#[tokio::test]
async fn without_a_grant_there_is_no_socket_and_no_door() {
    if !is_root() {
        return;
    }
    let Some(worker) = worker() else { return };
    let stage = Stage::with_worker(&worker, None, false);
    let image = stage.image();
    let came = stage
        .does(
            "a",
            &image,
            &["call inet", "call inet6", "tcp 127.0.0.1:80"],
        )
        .await;
    assert_eq!(came, ["refused, EPERM"; 3]);
}
