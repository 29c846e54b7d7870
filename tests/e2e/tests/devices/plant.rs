//! An edge node of Sparkplug B on a real broker, by its own reading of the specification: it is born, says what changes by alias, and
//! does what it is told.

use std::{sync::Arc, thread, time::Duration};

use parking_lot::Mutex;
use prost::Message;
use rumqttc::{Client, Event, LastWill, MqttOptions, Packet, QoS, RecvTimeoutError};

const NODE: &str = "Hall 2/{}/Line 1";
const PRESS: &str = "Hall 2/{}/Line 1/Press 1";

/// `org.eclipse.tahu.protobuf.Payload`, as far as this plant needs it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Payload {
    #[prost(uint64, optional, tag = "1")]
    timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) metrics: Vec<Metric>,
    #[prost(uint64, optional, tag = "3")]
    pub(crate) seq: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metric {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) alias: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    datatype: Option<u32>,
    #[prost(message, optional, tag = "9")]
    properties: Option<Properties>,
    #[prost(uint32, optional, tag = "10")]
    int_value: Option<u32>,
    #[prost(uint64, optional, tag = "11")]
    long_value: Option<u64>,
    #[prost(float, optional, tag = "12")]
    pub(crate) float_value: Option<f32>,
    #[prost(bool, optional, tag = "14")]
    boolean_value: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct Properties {
    #[prost(string, repeated, tag = "1")]
    keys: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    values: Vec<Property>,
}

#[derive(Clone, PartialEq, Message)]
struct Property {
    #[prost(uint32, optional, tag = "1")]
    of: Option<u32>,
    #[prost(bool, optional, tag = "7")]
    boolean_value: Option<bool>,
    #[prost(string, optional, tag = "8")]
    string_value: Option<String>,
}

fn metric(name: &str, alias: Option<u64>, datatype: u32) -> Metric {
    Metric {
        name: Some(name.to_owned()),
        alias,
        timestamp: Some(1),
        datatype: Some(datatype),
        ..Metric::default()
    }
}

/// The metric of a birth or death.
fn bd_seq(number: u64) -> Metric {
    Metric {
        long_value: Some(number),
        ..metric("bdSeq", None, 8)
    }
}

/// What an edge node is at.
#[derive(Default)]
struct State {
    bd_seq: u64,
    seq: u64,
    setpoint: f32,
    temperature: i16,
    at_home: bool,
    births: usize,
    told: Vec<(String, Metric)>,
    mute: bool,
    gone: bool,
}

/// See the module.
pub(crate) struct Plant {
    port: u16,
    client: Client,
    state: Arc<Mutex<State>>,
}

impl Plant {
    /// It comes, and is born.
    pub(crate) fn on(port: u16) -> Self {
        let state = State {
            setpoint: 120.5,
            temperature: 215,
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let client = come(port, &state);
        Self {
            port,
            client,
            state,
        }
    }

    /// It says how warm it is, in tenths.
    pub(crate) fn temperature(&self, tenths: i16) {
        let mut state = self.state.lock();
        state.temperature = tenths;
        let metric = Metric {
            int_value: Some(u32::from(tenths.cast_unsigned())),
            ..by_alias(2)
        };
        data(&self.client, &mut state, metric);
    }

    /// A message of it is lost.
    pub(crate) fn loses_one(&self) {
        self.state.lock().seq += 1;
    }

    /// It does what it is told, and does not say so; or does.
    pub(crate) fn mute(&self, mute: bool) {
        self.state.lock().mute = mute;
    }

    /// Its connection is cut: the broker says that it died.
    pub(crate) fn cut(&self) {
        self.state.lock().gone = true;
    }

    /// It comes again, in another session.
    pub(crate) fn comes_again(&mut self) {
        {
            let mut state = self.state.lock();
            state.gone = false;
            state.bd_seq += 1;
        }
        self.client = come(self.port, &self.state);
    }

    /// How often it was born.
    pub(crate) fn births(&self) -> usize {
        self.state.lock().births
    }

    /// What it was told but for births.
    pub(crate) fn told(&self) -> Vec<(String, Metric)> {
        self.state.lock().told.clone()
    }
}

fn come(port: u16, state: &Arc<Mutex<State>>) -> Client {
    let mut options = MqttOptions::new("line-1", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(5));
    let death = payload(None, vec![bd_seq(state.lock().bd_seq)]);
    let will = LastWill::new(topic(NODE, "NDEATH"), death, QoS::AtLeastOnce, false);
    options.set_last_will(will);
    let (client, mut connection) = Client::new(options, 64);
    let (state, says) = (Arc::clone(state), client.clone());
    thread::spawn(move || {
        while !state.lock().gone {
            match connection.recv_timeout(Duration::from_millis(20)) {
                Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => {
                    for of in [topic(NODE, "NCMD"), topic(PRESS, "DCMD")] {
                        let _ = says.subscribe(of, QoS::AtLeastOnce);
                    }
                    born(&says, &mut state.lock());
                }
                Ok(Ok(Event::Incoming(Packet::Publish(publish)))) => {
                    let read = Payload::decode(publish.payload.as_ref()).unwrap();
                    assert!(read.seq.is_none() && read.timestamp.is_some() && !publish.retain);
                    let mut state = state.lock();
                    for metric in read.metrics {
                        obey(&says, &mut state, &publish.topic, metric);
                    }
                }
                Ok(Ok(_)) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Err(_)) => thread::sleep(Duration::from_millis(50)),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    client
}

fn obey(client: &Client, state: &mut State, topic: &str, metric: Metric) {
    if metric.name.as_deref() == Some("Node Control/Rebirth") {
        assert_eq!(metric.boolean_value, Some(true));
        return born(client, state);
    }
    state.told.push((topic.to_owned(), metric.clone()));
    if let Some(value) = metric.float_value.filter(|_| metric.alias == Some(1)) {
        state.setpoint = value;
        if !state.mute {
            let said = Metric {
                float_value: Some(value),
                ..by_alias(1)
            };
            data(client, state, said);
        }
    }
    if metric.name.as_deref() == Some("Drive/Home") && metric.boolean_value == Some(true) {
        state.at_home = true;
        let said = Metric {
            boolean_value: Some(true),
            ..metric_of_home()
        };
        data(client, state, said);
    }
}

fn metric_of_home() -> Metric {
    metric("Drive/AtHome", None, 11)
}

fn by_alias(alias: u64) -> Metric {
    Metric {
        alias: Some(alias),
        timestamp: Some(1),
        ..Metric::default()
    }
}

/// A birth of the edge node, and of its press.
fn born(client: &Client, state: &mut State) {
    state.births += 1;
    state.seq = 0;
    let rebirth = Metric {
        boolean_value: Some(false),
        ..metric("Node Control/Rebirth", None, 11)
    };
    let birth = payload(Some(0), vec![bd_seq(state.bd_seq), rebirth]);
    say(client, topic(NODE, "NBIRTH"), birth);
    state.seq = 1;
    let text = |it: &str| Property {
        of: Some(12),
        string_value: Some(it.to_owned()),
        ..Property::default()
    };
    let writable = Property {
        of: Some(11),
        boolean_value: Some(false),
        ..Property::default()
    };
    let properties = Properties {
        keys: vec!["engUnit".to_owned(), "readOnly".to_owned()],
        values: vec![text("°C"), writable],
    };
    let metrics = vec![
        Metric {
            float_value: Some(state.setpoint),
            properties: Some(properties),
            ..metric("Plate/Setpoint", Some(1), 9)
        },
        Metric {
            int_value: Some(u32::from(state.temperature.cast_unsigned())),
            ..metric("Plate/Temperature", Some(2), 2)
        },
        Metric {
            int_value: Some(1),
            ..metric("Mode", Some(3), 3)
        },
        Metric {
            boolean_value: Some(false),
            ..metric("Drive/Home", None, 11)
        },
        Metric {
            boolean_value: Some(state.at_home),
            ..metric_of_home()
        },
    ];
    say(client, topic(PRESS, "DBIRTH"), payload(Some(1), metrics));
}

fn data(client: &Client, state: &mut State, metric: Metric) {
    state.seq = (state.seq + 1) % 256;
    let payload = payload(Some(state.seq), vec![metric]);
    say(client, topic(PRESS, "DDATA"), payload);
}

fn topic(of: &str, said: &str) -> String {
    format!("spBv1.0/{}", of.replace("{}", said))
}

fn payload(seq: Option<u64>, metrics: Vec<Metric>) -> Vec<u8> {
    let payload = Payload {
        timestamp: Some(1),
        metrics,
        seq,
    };
    payload.encode_to_vec()
}

fn say(client: &Client, topic: String, payload: Vec<u8>) {
    let _ = client.publish(topic, QoS::AtMostOnce, false, payload);
}
