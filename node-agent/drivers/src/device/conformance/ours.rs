//! The fake, and a real broker by each version, held to it.

use aion_testkit::{Mosquitto, MosquittoOptions, or_skip};

use super::{
    super::{FakeBroker, MqttBrokers, Version},
    *,
};
use crate::{
    outbound::{Endpoint, NodeAddresses, Outbound, Place, Rule},
    secrets::{HeldSecrets, SecretRef},
};

const AUTHORITY: &str = include_str!("../../outbound/test_tls/authority.pem");
const CERTIFICATE: &str = include_str!("../../outbound/test_tls/server.pem");
const KEY: &str = include_str!("../../outbound/test_tls/server.key");
/// Everybody may everything but write to one topic.
const ACCESS: &str = "topic readwrite #\ntopic deny denied/topic\n";

/// A broker at a port of this machine.
pub(in crate::device) fn broker(port: u16, version: Version, client: &str) -> Broker {
    Broker {
        endpoint: Endpoint {
            name: "home".into(),
            tenant: "default".into(),
            url: format!("mqtt://127.0.0.1:{port}"),
            secret: None,
        },
        authority: None,
        version,
        client_id: client.to_owned(),
        username: None,
        keep_alive: Duration::from_secs(30),
        max_packet: 4096,
    }
}

/// The real driver, which waits for nothing long.
pub(in crate::device) fn brokers(password: &str) -> MqttBrokers {
    let outbound = Outbound::new(Rule {
        offline: false,
        place: Place::Standalone,
        nodes: NodeAddresses::none(),
    });
    let key = "default/broker/password".to_owned();
    let secrets = HeldSecrets([(key, password.to_owned())].into());
    MqttBrokers::new(Arc::new(outbound), Arc::new(secrets)).in_short()
}

struct Fake(FakeBroker);

impl Bench for Fake {
    fn driver(&self) -> &dyn BrokerDriver {
        &self.0
    }

    fn broker(&self, client: &str) -> Broker {
        broker(1883, Version::V5, client)
    }

    fn cut(&mut self) {
        self.0.cut();
    }

    fn mend(&mut self) {
        self.0.mend();
    }

    fn forgets(&self) -> bool {
        false
    }

    fn denies(&self) -> bool {
        true
    }
}

struct Real {
    broker: Mosquitto,
    driver: MqttBrokers,
    version: Version,
}

impl Bench for Real {
    fn driver(&self) -> &dyn BrokerDriver {
        &self.driver
    }

    fn broker(&self, client: &str) -> Broker {
        broker(self.broker.port(), self.version, client)
    }

    fn cut(&mut self) {
        self.broker.kill();
    }

    fn mend(&mut self) {
        self.broker.start_again().unwrap();
    }

    fn forgets(&self) -> bool {
        true
    }

    fn denies(&self) -> bool {
        self.version == Version::V5
    }
}

fn mosquitto(options: MosquittoOptions) -> Option<Mosquitto> {
    or_skip(Mosquitto::start(options))
}

async fn real(version: Version) {
    let options = MosquittoOptions {
        access: Some(ACCESS.into()),
        ..MosquittoOptions::default()
    };
    let Some(broker) = mosquitto(options) else {
        return;
    };
    let driver = brokers("");
    conforms(&mut Real {
        broker,
        driver,
        version,
    })
    .await;
}

#[tokio::test]
async fn the_fake_conforms() {
    let fake = FakeBroker::default();
    fake.deny("denied/topic");
    conforms(&mut Fake(fake)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_conforms_by_mqtt_5() {
    real(Version::V5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_conforms_by_mqtt_3_1_1() {
    real(Version::V311).await;
}

#[tokio::test]
async fn a_fake_that_holds_its_acknowledgements_leaves_the_outcome_unknown_when_it_is_cut() {
    let fake = FakeBroker::default();
    let mut client = Client::open(&fake, broker(1883, Version::V5, "a"));
    client.up().await;
    fake.hold(true);
    let said = client.say(publish("a", "1", Qos::AtLeastOnce));
    let cut = async { fake.cut() };
    let (said, ()) = tokio::join!(said, cut);
    assert_eq!(said.unwrap_err().code, Code::OutcomeUnknown);
    assert_eq!(fake.published().len(), 1);
}

#[tokio::test]
async fn who_logs_in_is_let_in_by_the_right_password_alone() {
    let options = MosquittoOptions {
        users: vec![("node".into(), "open-sesame".into())],
        ..MosquittoOptions::default()
    };
    let Some(mosquitto) = mosquitto(options) else {
        return;
    };
    for version in [Version::V5, Version::V311] {
        let user = |secret: &str| {
            let mut broker = broker(mosquitto.port(), version, "node");
            broker.username = Some("node".into());
            broker.endpoint.secret = Some(SecretRef {
                secret: secret.into(),
                key: "password".into(),
            });
            broker
        };
        Client::open(&brokers("open-sesame"), user("broker"))
            .up()
            .await;
        let why = Client::open(&brokers("open-sesam"), user("broker"))
            .down()
            .await;
        assert_eq!(why.code, Code::Denied, "{version:?}: {why}");
        assert!(
            why.remedy.contains("secret of the DeviceBroker"),
            "{}",
            why.remedy
        );
        assert!(!format!("{why:?}").contains("open-sesam"), "{why:?}");
        let why = Client::open(&brokers(""), broker(mosquitto.port(), version, "nobody"))
            .down()
            .await;
        assert_eq!(why.code, Code::Denied, "{version:?}: {why}");
        let why = Client::open(&brokers(""), user("elsewhere")).down().await;
        assert_eq!(why.code, Code::NotFound, "{why}");
    }
    assert!(!mosquitto.log().contains("open-sesam"));
}

#[tokio::test]
async fn a_certificate_counts_if_the_named_authority_signed_it() {
    let options = MosquittoOptions {
        tls: Some((CERTIFICATE.into(), KEY.into())),
        ..MosquittoOptions::default()
    };
    let Some(mosquitto) = mosquitto(options) else {
        return;
    };
    let with = |authority: Option<&str>| {
        let mut broker = broker(mosquitto.port(), Version::V5, "node");
        broker.endpoint.url = format!("mqtts://store.localhost:{}", mosquitto.port());
        broker.authority = authority.map(Into::into);
        broker
    };
    let mut client = Client::open(&brokers(""), with(Some(AUTHORITY)));
    client.up().await;
    subscribed(&mut client, &["tls/#"]).await;
    client
        .say(publish("tls/a", "secret", Qos::ExactlyOnce))
        .await
        .unwrap();
    assert_eq!(client.message().await.1, b"secret");
    // What it signed is not an authority, and the system knows neither.
    for other in [Some(CERTIFICATE), None] {
        let why = Client::open(&brokers(""), with(other)).down().await;
        assert_eq!(why.code, Code::Unreachable, "{why}");
        assert!(why.detail.contains("TLS"), "{why}");
    }
    let mut plain = with(Some(AUTHORITY));
    plain.endpoint.url = format!("mqtt://store.localhost:{}", mosquitto.port());
    let why = Client::open(&brokers(""), plain).down().await;
    assert_eq!(why.code, Code::BadRequest, "{why}");
}
