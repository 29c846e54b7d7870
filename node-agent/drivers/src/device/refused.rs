//! What a broker refuses, in words with a remedy, and what it gets wrong.
//!
//! What may not enter: text that the broker wrote. It is said by codes alone, so that nobody writes into the node's logs.

use std::fmt::Display;

use aion_abi::{code::Code, problem::Problem};

/// Characters of a topic that are said.
const SHOWN: usize = 128;

/// A refusal by the broker, without whom and what it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: Code,
    pub why: &'static str,
}

impl Refusal {
    pub(super) const fn denied(why: &'static str) -> Self {
        let code = Code::Denied;
        Self { code, why }
    }

    pub(super) const fn bad(why: &'static str) -> Self {
        let code = Code::BadRequest;
        Self { code, why }
    }

    pub(super) const fn failed(why: &'static str) -> Self {
        let code = Code::UpstreamFailed;
        Self { code, why }
    }

    /// The connection itself was refused.
    pub(super) fn of_connection(self, broker: &str) -> Problem {
        let remedy = match self.code {
            Code::Denied => {
                "correct the user and the secret of the DeviceBroker, or let that user in at the broker"
            }
            Code::BadRequest => "correct the version or the client's name in the DeviceBroker",
            _ => "see the broker's log, and whether it takes more connections",
        };
        self.said(broker, "the broker refuses the connection", remedy)
    }

    /// A subscription was refused.
    pub(super) fn of_filter(self, broker: &str, filter: &str) -> Problem {
        let remedy = "let the user of the DeviceBroker read the topic in the broker's access rules, or correct the topic";
        self.said(
            broker,
            &format!("the broker refuses to subscribe to {}", shown(filter)),
            remedy,
        )
    }

    /// A publish was refused.
    pub(super) fn of_topic(self, broker: &str, topic: &str) -> Problem {
        let remedy = "let the user of the DeviceBroker write to the topic in the broker's access rules, or correct the topic";
        self.said(
            broker,
            &format!("the broker refuses what is published to {}", shown(topic)),
            remedy,
        )
    }

    fn said(self, broker: &str, what: &str, remedy: &str) -> Problem {
        Problem::new(self.code, format!("{broker}: {what}: {}", self.why)).remedy(remedy)
    }
}

/// A topic as it is said to people: escaped, and its beginning where it is long.
pub(super) fn shown(topic: &str) -> String {
    let beginning = topic.chars().take(SHOWN);
    let more = if topic.chars().nth(SHOWN).is_some() {
        "…"
    } else {
        ""
    };
    format!("{:?}{more}", beginning.collect::<String>())
}

/// What breaks the protocol.
pub(super) fn broken(broker: &str, why: impl Display) -> Problem {
    Problem::new(
        Code::UpstreamFailed,
        format!("{broker}: the broker breaks the protocol: {why}"),
    )
    .remedy("see that an MQTT broker is at the address, of the version that the DeviceBroker says")
}

/// What to do where no broker answers.
pub(super) const REACH: &str = "start the broker, or correct its address in the DeviceBroker";

/// There is no connection, or there is none any more.
pub(super) fn unreachable(broker: &str, why: impl Display) -> Problem {
    Problem::new(Code::Unreachable, format!("{broker}: {why}")).remedy(REACH)
}

/// What was written whole and is not acknowledged.
pub(super) fn unknown(broker: &str) -> Problem {
    Problem::new(
        Code::OutcomeUnknown,
        format!("{broker}: the connection was lost before the broker said that it has the message"),
    )
}

/// A filter that is none, or that the broker's packets do not hold.
pub(super) fn no_filter(broker: &str, filter: &str, why: &str) -> Problem {
    let detail = format!("{broker}: {} is not subscribed to: {why}", shown(filter));
    Problem::new(Code::BadRequest, detail).remedy("correct the topic")
}

/// A message that is not handed on.
pub(super) fn dropped(broker: &str, topic: &str, code: Code, why: impl Display) -> Problem {
    let detail = format!("{broker}: a message to {} is dropped: {why}", shown(topic));
    Problem::new(code, detail)
        .remedy("correct the device that sent it, or keep it from the topic at the broker")
}

/// What cannot be published to this broker.
pub(super) fn unfit(broker: &str, topic: &str, code: Code, why: impl Display) -> Problem {
    Problem::new(
        code,
        format!("{broker}: nothing is published to {}: {why}", shown(topic)),
    )
}
