//! A broker that a test scripts, byte by byte, on a socket of this machine.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aion_abi::problem::Problem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{
    Qos, Version,
    conformance::{
        Client,
        ours::{broker, brokers},
        publish,
    },
};

pub(super) const VERSIONS: [Version; 2] = [Version::V5, Version::V311];

/// The broker's side of one connection after another.
pub(super) struct Script {
    pub(super) listener: TcpListener,
    version: Version,
}

impl Script {
    pub(super) async fn new(version: Version) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, version }
    }

    pub(super) fn open(&self, keep_alive: Duration) -> Client {
        let port = self.listener.local_addr().unwrap().port();
        let mut broker = broker(port, self.version, "node");
        broker.keep_alive = keep_alive;
        Client::open(&brokers(""), broker)
    }

    /// Takes the next connection, up to its CONNECT.
    pub(super) async fn connect(&self) -> TcpStream {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        assert_eq!(packet(&mut stream).await.unwrap()[0], 0x10);
        stream
    }

    pub(super) fn yes(&self) -> &'static [u8] {
        match self.version {
            Version::V5 => &[0x20, 3, 0, 0, 0],
            Version::V311 => &[0x20, 2, 0, 0],
        }
    }

    /// Takes the next connection and says yes.
    pub(super) async fn up(&self) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(self.yes()).await.unwrap();
        stream
    }
}

/// The next packet of the client's, or nothing where it closed the connection.
pub(super) async fn packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut packet = vec![stream.read_u8().await.ok()?];
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let byte = stream.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await.ok()?;
    packet.extend(rest);
    Some(packet)
}

/// The number of a publish to `a` that has one.
pub(super) fn number(packet: &[u8]) -> [u8; 2] {
    assert_eq!(packet[1..4], [0, 1, b'a']);
    [packet[4], packet[5]]
}

/// Says something to `a`.
pub(super) fn said(client: &Client, qos: Qos) -> impl Future<Output = Result<(), Problem>> + '_ {
    client.say(publish("a", "x", qos))
}
