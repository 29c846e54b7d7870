//! The reasons with which a broker of MQTT 5 ends a connection, in words.

use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode as Reason;

pub(super) fn closing(reason: Reason) -> &'static str {
    match reason {
        Reason::SessionTakenOver => {
            "another client has connected under the same name, which two DeviceBrokers or nodes share"
        }
        Reason::NotAuthorized => "this client may no longer connect",
        Reason::AdministrativeAction => "somebody ended the connection at the broker",
        Reason::ServerShuttingDown => "it is being stopped",
        Reason::ServerBusy => "it is busy",
        Reason::KeepAliveTimeout => "it heard nothing for too long",
        Reason::PacketTooLarge => "a packet was too large for it",
        Reason::MessageRateTooHigh => "there were too many messages a second",
        Reason::QuotaExceeded => "a quota of the broker is used up",
        Reason::ReceiveMaximumExceeded => "too many publishes were under way",
        Reason::UseAnotherServer | Reason::ServerMoved => {
            "another broker is to be used, which has to be named"
        }
        Reason::MalformedPacket | Reason::ProtocolError => "it did not understand a packet",
        Reason::TopicNameInvalid | Reason::TopicFilterInvalid => "it does not take a topic",
        Reason::RetainNotSupported => "it keeps no messages",
        Reason::QoSNotSupported => "it does not take this quality of service",
        Reason::ConnectionRateExceeded => "there are too many connections a second",
        Reason::MaximumConnectTime => "the connection lasted as long as one may",
        _ => "it does not say why",
    }
}
