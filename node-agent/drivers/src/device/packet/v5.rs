//! MQTT 5, by rumqttc.

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::{
    Error, QoS,
    v5::{
        ConnAck, Connect, ConnectProperties, ConnectReturnCode, DisconnectReasonCode, Filter,
        Login, Packet, PingReq, PubAck, PubAckReason, PubComp, PubCompReason, PubRec, PubRecReason,
        PubRel, Subscribe, SubscribeReasonCode, Unsubscribe,
    },
};
use zeroize::Zeroize;

use super::{
    Accepted, Head, Hello, Incoming, Outgoing, RECEIVE_MAXIMUM, Unwritten,
    closing::closing,
    frame::{checked_pkid, checked_topic},
};
use crate::device::{Publish, Qos, refused::Refusal};

/// Reads one packet, whole and alone.
pub(super) fn read(kind: u8, mut bytes: BytesMut) -> Result<Incoming, String> {
    // Only what a broker says.
    if !matches!(kind, 2..=7 | 9 | 11 | 13 | 14) {
        return Err("no broker sends such a packet".to_owned());
    }
    match bytes[..] {
        // A broker of MQTT 3.1.1 refuses in its own way.
        [0x20, 2, _, 1] => return Ok(Incoming::Connected(Err(OTHER_VERSION))),
        // rumqttc wants the properties of a farewell, which may be left out.
        [0xe0, 1, reason] => {
            let reason = DisconnectReasonCode::try_from(reason).map_err(|it| it.to_string())?;
            return Ok(Incoming::Closing(closing(reason)));
        }
        [0xe0, 0] => return Ok(Incoming::Closing("it says nothing about why")),
        _ => {}
    }
    let packet = Packet::read(&mut bytes, None).map_err(|error| error.to_string())?;
    Ok(match packet {
        Packet::ConnAck(ack) => Incoming::Connected(connected(&ack)),
        Packet::Publish(publish) => {
            let properties = publish.properties.as_ref();
            if properties.is_some_and(|it| it.topic_alias.is_some()) {
                return Err("it has an alias of a topic, which nobody asked for".to_owned());
            }
            Incoming::Publish {
                head: Head {
                    topic: checked_topic(&publish.topic)?,
                    qos: ours(publish.qos),
                    pkid: publish.pkid,
                    retained: publish.retain,
                },
                payload: publish.payload,
            }
        }
        Packet::PubAck(ack) => Incoming::Acked {
            pkid: ack.pkid,
            refused: unpublished(ack.reason),
        },
        Packet::PubRec(ack) => Incoming::Received {
            pkid: ack.pkid,
            refused: unpublished(of_pubrec(ack.reason)),
        },
        Packet::PubRel(release) => Incoming::Release {
            pkid: checked_pkid(release.pkid)?,
        },
        Packet::PubComp(ack) => Incoming::Completed {
            pkid: ack.pkid,
            refused: match ack.reason {
                PubCompReason::Success => None,
                PubCompReason::PacketIdentifierNotFound => {
                    return Err("it does not know a publish that it received".to_owned());
                }
            },
        },
        Packet::SubAck(ack) => Incoming::Subscribed {
            pkid: ack.pkid,
            refused: ack.return_codes.into_iter().map(unsubscribed).collect(),
        },
        Packet::UnsubAck(ack) => Incoming::Unsubscribed { pkid: ack.pkid },
        Packet::PingResp(_) => Incoming::Pong,
        Packet::Disconnect(farewell) => Incoming::Closing(closing(farewell.reason_code)),
        _ => return Err("no broker sends such a packet".to_owned()),
    })
}

const OTHER_VERSION: Refusal = Refusal::bad("it does not speak this version of MQTT");

fn connected(ack: &ConnAck) -> Result<Accepted, Refusal> {
    use ConnectReturnCode as Code;
    Err(match ack.code {
        Code::Success => {
            let properties = ack.properties.as_ref();
            return Ok(Accepted {
                session_present: ack.session_present,
                receive_maximum: properties.and_then(|it| it.receive_max).unwrap_or(u16::MAX),
                maximum_qos: match properties.and_then(|it| it.max_qos) {
                    Some(0) => Qos::AtMostOnce,
                    Some(1) => Qos::AtLeastOnce,
                    _ => Qos::ExactlyOnce,
                },
                retains: properties.and_then(|it| it.retain_available) != Some(0),
                max_packet: properties
                    .and_then(|it| it.max_packet_size)
                    .unwrap_or(u32::MAX),
                keep_alive: properties.and_then(|it| it.server_keep_alive),
            });
        }
        Code::UnsupportedProtocolVersion | Code::RefusedProtocolVersion => OTHER_VERSION,
        Code::ClientIdentifierNotValid | Code::BadClientId => {
            Refusal::bad("it does not take the name of this client")
        }
        Code::BadUserNamePassword => Refusal::denied("the user or the password is wrong"),
        Code::NotAuthorized => {
            Refusal::denied("this client may not connect, or its user or password is wrong")
        }
        Code::Banned => Refusal::denied("this client is banned"),
        Code::BadAuthenticationMethod => Refusal::denied("it wants another way to log in"),
        Code::ServerBusy => Refusal::failed("it is busy"),
        Code::ServerUnavailable | Code::ServiceUnavailable => {
            Refusal::failed("it is not available")
        }
        Code::QuotaExceeded => Refusal::failed("a quota of the broker is used up"),
        Code::ConnectionRateExceeded => Refusal::failed("there are too many connections a second"),
        Code::UseAnotherServer | Code::ServerMoved => {
            Refusal::failed("another broker is to be used, which has to be named")
        }
        Code::PacketTooLarge => Refusal::failed("the packet that connects is too large for it"),
        Code::MalformedPacket | Code::ProtocolError => {
            Refusal::failed("it does not understand the packet that connects")
        }
        _ => Refusal::failed("it does not say why"),
    })
}

/// The reasons of a PUBREC are those of a PUBACK.
fn of_pubrec(reason: PubRecReason) -> PubAckReason {
    match reason {
        PubRecReason::Success => PubAckReason::Success,
        PubRecReason::NoMatchingSubscribers => PubAckReason::NoMatchingSubscribers,
        PubRecReason::UnspecifiedError => PubAckReason::UnspecifiedError,
        PubRecReason::ImplementationSpecificError => PubAckReason::ImplementationSpecificError,
        PubRecReason::NotAuthorized => PubAckReason::NotAuthorized,
        PubRecReason::TopicNameInvalid => PubAckReason::TopicNameInvalid,
        PubRecReason::PacketIdentifierInUse => PubAckReason::PacketIdentifierInUse,
        PubRecReason::QuotaExceeded => PubAckReason::QuotaExceeded,
        PubRecReason::PayloadFormatInvalid => PubAckReason::PayloadFormatInvalid,
    }
}

fn unpublished(reason: PubAckReason) -> Option<Refusal> {
    Some(match reason {
        // The broker has it, whoever hears it.
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => return None,
        PubAckReason::NotAuthorized => Refusal::denied("this client may not"),
        PubAckReason::TopicNameInvalid => Refusal::bad("it does not take the topic"),
        PubAckReason::PayloadFormatInvalid => Refusal::bad("it does not take the payload"),
        PubAckReason::QuotaExceeded => Refusal::failed("a quota of the broker is used up"),
        PubAckReason::PacketIdentifierInUse => Refusal::failed("it knows the number already"),
        PubAckReason::UnspecifiedError | PubAckReason::ImplementationSpecificError => {
            Refusal::failed("it does not say why")
        }
    })
}

fn unsubscribed(reason: SubscribeReasonCode) -> Option<Refusal> {
    use SubscribeReasonCode as Code;
    Some(match reason {
        Code::Success(_) => return None,
        Code::NotAuthorized => Refusal::denied("this client may not"),
        Code::TopicFilterInvalid => Refusal::bad("it does not take the topic"),
        Code::SharedSubscriptionsNotSupported => Refusal::bad("it shares no subscriptions"),
        Code::WildcardSubscriptionsNotSupported => Refusal::bad("it takes no wildcards"),
        Code::QuotaExceeded => Refusal::failed("a quota of the broker is used up"),
        _ => Refusal::failed("it does not say why"),
    })
}

/// Appends one packet.
pub(super) fn write(packet: &Outgoing<'_>, most: u32, out: &mut BytesMut) -> Result<(), Unwritten> {
    let mut packet = lowered(packet);
    let written = packet.write(out, Some(most));
    if let Packet::Connect(_, _, Some(login)) = &mut packet {
        login.password.zeroize();
    }
    match written {
        Ok(_) => Ok(()),
        Err(Error::OutgoingPacketTooLarge { pkt_size, .. }) => Err(Unwritten::TooLarge {
            size: pkt_size as usize,
            most,
        }),
        Err(error) => Err(Unwritten::Other(error.to_string())),
    }
}

fn lowered(packet: &Outgoing<'_>) -> Packet {
    use rumqttc::v5::mqttbytes::v5;
    match packet {
        Outgoing::Connect(hello) => connect(hello),
        Outgoing::Publish { pkid, publish } => {
            let Publish { topic, payload, .. } = publish;
            let qos = theirs(publish.qos);
            let mut packet = v5::Publish::new(topic, qos, payload.clone(), None);
            packet.pkid = *pkid;
            packet.retain = publish.retain;
            Packet::Publish(packet)
        }
        Outgoing::Acked(pkid) => Packet::PubAck(PubAck::new(*pkid, None)),
        Outgoing::Received(pkid) => Packet::PubRec(PubRec::new(*pkid, None)),
        Outgoing::Release(pkid) => Packet::PubRel(PubRel::new(*pkid, None)),
        Outgoing::Completed(pkid) => Packet::PubComp(PubComp::new(*pkid, None)),
        Outgoing::Subscribe { pkid, filters } => Packet::Subscribe(Subscribe {
            pkid: *pkid,
            filters: filters
                .iter()
                .map(|(filter, qos)| Filter::new(filter.to_string(), theirs(*qos)))
                .collect(),
            properties: None,
        }),
        Outgoing::Unsubscribe { pkid, filters } => Packet::Unsubscribe(Unsubscribe {
            pkid: *pkid,
            filters: filters.iter().map(ToString::to_string).collect(),
            properties: None,
        }),
        Outgoing::Ping => Packet::PingReq(PingReq),
    }
}

fn connect(hello: &Hello<'_>) -> Packet {
    let mut properties = ConnectProperties::new();
    properties.max_packet_size = Some(hello.max_packet);
    properties.receive_maximum = Some(RECEIVE_MAXIMUM);
    // Words of the broker's are not read.
    properties.request_problem_info = Some(0);
    let connect = Connect {
        keep_alive: hello.keep_alive,
        client_id: hello.client_id.to_owned(),
        clean_start: true,
        properties: Some(properties),
    };
    let login = hello.username.map(|username| Login {
        username: username.to_owned(),
        password: hello.password.unwrap_or_default().to_owned(),
    });
    Packet::Connect(connect, None, login)
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
