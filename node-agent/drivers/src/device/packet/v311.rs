//! MQTT 3.1.1, by rumqttc.

use bytes::BytesMut;
use rumqttc::{
    ConnAck, Connect, ConnectReturnCode, Login, Packet, Protocol, PubAck, PubComp, PubRec, PubRel,
    QoS, Subscribe, SubscribeFilter, SubscribeReasonCode, Unsubscribe, mqttbytes::Error,
};
use zeroize::Zeroize;

use super::{
    Accepted, Head, Hello, Incoming, Outgoing, Unwritten,
    frame::{checked_pkid, checked_topic},
};
use crate::device::{Publish, Qos, refused::Refusal};

/// Reads one packet, whole and alone.
pub(super) fn read(kind: u8, mut bytes: BytesMut) -> Result<Incoming, String> {
    // Only what a broker says.
    if !matches!(kind, 2..=7 | 9 | 11 | 13) {
        return Err("no broker sends such a packet".to_owned());
    }
    let most = bytes.len();
    let packet = Packet::read(&mut bytes, most).map_err(|error| error.to_string())?;
    Ok(match packet {
        Packet::ConnAck(ack) => Incoming::Connected(connected(&ack)),
        Packet::Publish(publish) => Incoming::Publish {
            head: Head {
                topic: checked_topic(publish.topic.as_bytes())?,
                qos: ours(publish.qos),
                pkid: publish.pkid,
                retained: publish.retain,
            },
            payload: publish.payload,
        },
        Packet::PubAck(PubAck { pkid }) => Incoming::Acked {
            pkid,
            refused: None,
        },
        Packet::PubRec(PubRec { pkid }) => Incoming::Received {
            pkid,
            refused: None,
        },
        Packet::PubRel(PubRel { pkid }) => Incoming::Release {
            pkid: checked_pkid(pkid)?,
        },
        Packet::PubComp(PubComp { pkid }) => Incoming::Completed {
            pkid,
            refused: None,
        },
        Packet::SubAck(ack) => Incoming::Subscribed {
            pkid: ack.pkid,
            refused: ack.return_codes.into_iter().map(unsubscribed).collect(),
        },
        Packet::UnsubAck(ack) => Incoming::Unsubscribed { pkid: ack.pkid },
        Packet::PingResp => Incoming::Pong,
        _ => return Err("no broker sends such a packet".to_owned()),
    })
}

fn connected(ack: &ConnAck) -> Result<Accepted, Refusal> {
    Err(match ack.code {
        ConnectReturnCode::Success => {
            return Ok(Accepted {
                session_present: ack.session_present,
                receive_maximum: u16::MAX,
                maximum_qos: Qos::ExactlyOnce,
                retains: true,
                max_packet: u32::MAX,
                keep_alive: None,
            });
        }
        ConnectReturnCode::RefusedProtocolVersion => {
            Refusal::bad("it does not speak this version of MQTT")
        }
        ConnectReturnCode::BadClientId => Refusal::bad("it does not take the name of this client"),
        ConnectReturnCode::ServiceUnavailable => Refusal::failed("it is not available"),
        ConnectReturnCode::BadUserNamePassword => {
            Refusal::denied("the user or the password is wrong")
        }
        ConnectReturnCode::NotAuthorized => {
            Refusal::denied("this client may not connect, or its user or password is wrong")
        }
    })
}

fn unsubscribed(code: SubscribeReasonCode) -> Option<Refusal> {
    match code {
        SubscribeReasonCode::Success(_) => None,
        // The version has one word for all.
        SubscribeReasonCode::Failure => Some(Refusal::denied("it does not say why")),
    }
}

/// Appends one packet.
pub(super) fn write(packet: &Outgoing<'_>, most: u32, out: &mut BytesMut) -> Result<(), Unwritten> {
    let mut packet = lowered(packet);
    let written = packet.write(out, usize::try_from(most).unwrap_or(usize::MAX));
    if let Packet::Connect(Connect {
        login: Some(login), ..
    }) = &mut packet
    {
        login.password.zeroize();
    }
    match written {
        Ok(_) => Ok(()),
        Err(Error::OutgoingPacketTooLarge { pkt_size, .. }) => Err(Unwritten::TooLarge {
            size: pkt_size,
            most,
        }),
        Err(error) => Err(Unwritten::Other(error.to_string())),
    }
}

fn lowered(packet: &Outgoing<'_>) -> Packet {
    match packet {
        Outgoing::Connect(hello) => Packet::Connect(connect(hello)),
        Outgoing::Publish { pkid, publish } => {
            let Publish { topic, payload, .. } = publish;
            let mut packet =
                rumqttc::Publish::from_bytes(topic, theirs(publish.qos), payload.clone());
            packet.pkid = *pkid;
            packet.retain = publish.retain;
            Packet::Publish(packet)
        }
        Outgoing::Acked(pkid) => Packet::PubAck(PubAck::new(*pkid)),
        Outgoing::Received(pkid) => Packet::PubRec(PubRec::new(*pkid)),
        Outgoing::Release(pkid) => Packet::PubRel(PubRel::new(*pkid)),
        Outgoing::Completed(pkid) => Packet::PubComp(PubComp::new(*pkid)),
        Outgoing::Subscribe { pkid, filters } => {
            let filters = filters
                .iter()
                .map(|(filter, qos)| SubscribeFilter::new(filter.to_string(), theirs(*qos)));
            let mut packet = Subscribe::new_many(filters);
            packet.pkid = *pkid;
            Packet::Subscribe(packet)
        }
        Outgoing::Unsubscribe { pkid, filters } => Packet::Unsubscribe(Unsubscribe {
            pkid: *pkid,
            topics: filters.iter().map(ToString::to_string).collect(),
        }),
        Outgoing::Ping => Packet::PingReq,
    }
}

fn connect(hello: &Hello<'_>) -> Connect {
    Connect {
        protocol: Protocol::V4,
        keep_alive: hello.keep_alive,
        client_id: hello.client_id.to_owned(),
        clean_session: true,
        last_will: None,
        login: hello.username.map(|username| Login {
            username: username.to_owned(),
            password: hello.password.unwrap_or_default().to_owned(),
        }),
    }
}

fn ours(qos: QoS) -> Qos {
    match qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

fn theirs(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}
