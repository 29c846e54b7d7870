//! The beginning of a connection: dial, say who connects, and hear whether the broker takes it.

use std::{io, time::Duration};

use aion_abi::{code::Code, problem::Problem};
use bytes::BytesMut;
use futures::StreamExt;
use tokio::{
    io::{AsyncWriteExt, ReadHalf, WriteHalf},
    time::timeout,
};
use tokio_util::codec::FramedRead;
use zeroize::{Zeroize, Zeroizing};

use super::Shared;
use crate::{
    device::{
        Broker, MAX_PACKET, MIN_PACKET,
        packet::{self, Accepted, Fault, Frames, Hello, Incoming, Outgoing},
        refused,
    },
    outbound::{Stream, Wire},
    secrets::Secret,
};

/// Bytes that are read at once.
const READ: usize = 32 * 1024;

/// A connection that the broker took.
pub(super) struct Greeted {
    pub reader: FramedRead<ReadHalf<Stream>, Frames>,
    pub writer: WriteHalf<Stream>,
    pub accepted: Accepted,
}

/// # Errors
/// Why there is no connection.
pub(super) async fn dial(shared: &Shared) -> Result<Greeted, Problem> {
    let Shared { broker, times, .. } = shared;
    let name = shared.name();
    let wire = wire(broker)?;
    let password = match &broker.endpoint.secret {
        Some(reference) => {
            let read = shared
                .secrets
                .read(&broker.endpoint.tenant, reference)
                .await;
            Some(read.map_err(Problem::from)?)
        }
        None => None,
    };
    check(broker, password.as_ref())?;
    let dialled = shared.outbound.connect(&broker.endpoint, &wire).await;
    let stream = dialled.map_err(|why| match why.code {
        Code::Unreachable => why.remedy(refused::REACH),
        _ => why,
    })?;
    match timeout(times.connected, greet(broker, password.as_ref(), stream)).await {
        Ok(greeted) => greeted,
        Err(_) => Err(refused::unreachable(
            name,
            "the broker did not answer in time whether it takes the connection",
        )),
    }
}

async fn greet(
    broker: &Broker,
    password: Option<&Secret>,
    stream: Stream,
) -> Result<Greeted, Problem> {
    let name = &broker.endpoint.name;
    let lost =
        |error: io::Error| refused::unreachable(name, format!("the connection was lost: {error}"));
    let (reader, mut writer) = tokio::io::split(stream);
    let hello = Hello {
        client_id: &broker.client_id,
        username: broker.username.as_deref(),
        password: password.map(Secret::expose),
        keep_alive: seconds(broker.keep_alive),
        max_packet: broker.max_packet,
    };
    let mut bytes = BytesMut::with_capacity(64 * 1024);
    let hello = Outgoing::Connect(hello);
    let written = packet::write(broker.version, &hello, u32::MAX, &mut bytes);
    // Wiped wherever this ends.
    let hello = Zeroizing::new(bytes.to_vec());
    bytes.as_mut().zeroize();
    written.map_err(|error| lost(io::Error::other(error)))?;
    writer.write_all(&hello).await.map_err(lost)?;
    writer.flush().await.map_err(lost)?;
    let frames = Frames::new(broker.version, broker.max_packet);
    let mut reader = FramedRead::with_capacity(reader, frames, READ);
    let accepted = match reader.next().await {
        Some(Ok(Incoming::Connected(Ok(accepted)))) => accepted,
        Some(Ok(Incoming::Connected(Err(refusal)))) => return Err(refusal.of_connection(name)),
        Some(Ok(_)) => {
            return Err(refused::broken(
                name,
                "it says something before it says whether it takes the connection",
            ));
        }
        Some(Err(Fault::Io(error))) => return Err(lost(error)),
        Some(Err(fault)) => return Err(refused::broken(name, fault)),
        None => {
            return Err(refused::unreachable(
                name,
                "the broker closed the connection without an answer",
            ));
        }
    };
    if accepted.session_present {
        let why = "it remembers a session where none was asked for";
        return Err(refused::broken(name, why));
    }
    Ok(Greeted {
        reader,
        writer,
        accepted,
    })
}

/// Whole seconds, at least one where there is a silence at all.
fn seconds(keep_alive: Duration) -> u16 {
    let whole = keep_alive.as_millis().div_ceil(1000);
    u16::try_from(whole).unwrap_or(u16::MAX)
}

fn wire(broker: &Broker) -> Result<Wire, Problem> {
    let scheme = broker
        .endpoint
        .url
        .split_once("://")
        .map(|(scheme, _)| scheme);
    match (scheme, &broker.authority) {
        (Some("mqtt"), None) => Ok(Wire::Plain),
        (Some("mqtt"), Some(_)) => Err(bad(
            broker,
            "a certificate authority counts for mqtts:// alone",
        )),
        (Some("mqtts"), None) => Ok(Wire::Tls),
        (Some("mqtts"), Some(authority)) => Ok(Wire::PrivateTls(authority.clone())),
        _ => Err(bad(
            broker,
            "its address begins with neither mqtt:// nor mqtts://",
        )),
    }
}

fn check(broker: &Broker, password: Option<&Secret>) -> Result<(), Problem> {
    let longest = usize::from(u16::MAX);
    let fits = |text: &str| text.len() <= longest && !text.chars().any(char::is_control);
    let user = broker.username.as_deref();
    match () {
        () if !(MIN_PACKET..=MAX_PACKET).contains(&broker.max_packet) => {
            Err(bad(broker, "its packets have between 2 KiB and 16 MiB"))
        }
        () if !fits(&broker.client_id) => Err(bad(
            broker,
            "the client's name is too long, or has a control character",
        )),
        () if !user.is_none_or(|user| !user.is_empty() && fits(user)) => Err(bad(
            broker,
            "the user is empty, too long, or has a control character",
        )),
        () if password.is_some() && user.is_none() => {
            Err(bad(broker, "it has a password and no user"))
        }
        () if password.is_some_and(|it| it.expose().len() > longest) => {
            Err(bad(broker, "its password has more than 65,535 bytes"))
        }
        () => Ok(()),
    }
}

fn bad(broker: &Broker, why: &str) -> Problem {
    let name = &broker.endpoint.name;
    Problem::new(Code::BadRequest, format!("{name} cannot be used: {why}"))
        .remedy("correct the DeviceBroker")
}
