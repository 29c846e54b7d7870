//! `aionctl device simulate`: how it ends, at a real broker and at one that takes what is said and does not say so.
#![allow(clippy::unwrap_used)]

mod admin;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStderr, Stdio},
    thread,
    time::Duration,
};

use admin::{command, ran};
use aion_testkit::{Mosquitto, MosquittoOptions, or_skip, until};
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};

/// A bound, and no measure: what ends at all ends long before.
const BOUND: Duration = Duration::from_secs(60);
/// Of more devices than wait anywhere.
const COUNT: &str = "10000";
const MODEL: &str = "
apiVersion: aion.dev/v1alpha1
kind: DeviceModel
metadata: {name: lamp}
spec:
  properties: [{name: power, type: boolean}, {name: level, type: integer}]
  mqtt:
    properties:
      - {name: power, state: {topic: '{{device}}/power'}}
      - {name: level, state: {topic: '{{device}}/level'}}
";

/// Answers the greeting of MQTT, and confirms a message now and then where `acknowledges`.
fn broker(acknowledges: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&[0x20, 2, 0, 0]).unwrap();
        let writes = stream.try_clone().unwrap();
        let mut writes = acknowledges.then_some(writes);
        // It reads, so that nothing waits for room on the wire.
        let (mut bytes, mut all) = ([0; 4096], 0);
        while let Ok(some @ 1..) = stream.read(&mut bytes) {
            all += some;
            // Some messages are there, behind the greeting.
            if let Some(writes) = writes.take_if(|_| all > 500) {
                thread::spawn(move || acknowledge(writes));
            }
        }
    });
    port
}

/// One message after another, slowly: there are more than anybody waits for.
fn acknowledge(mut stream: TcpStream) {
    for number in (1..=100_u8).cycle() {
        if stream.write_all(&[0x40, 2, 0, number]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

struct Simulator {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Simulator {
    /// So many lamps that nobody can wait for.
    fn of_lamps(port: u16) -> Self {
        let home = tempfile::tempdir().unwrap();
        let model = home.path().join("lamp.yaml");
        fs::write(&model, MODEL).unwrap();
        let model = model.to_string_lossy();
        Self::start(port, &["--count", COUNT, "--model", &model])
    }

    fn start(port: u16, args: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let url = format!("mqtt://127.0.0.1:{port}");
        let mut child = command(home.path())
            .args(["device", "simulate", "--broker", &url])
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        let mut simulator = Self { child, said };
        // The model is read by then, and signals are waited for.
        simulator.says("are played at");
        simulator
    }

    fn says(&mut self, what: &str) {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "no {what}");
        }
    }

    fn interrupt(&self) {
        let id = self.child.id().to_string();
        let sent = ran(std::process::Command::new("kill").args(["-INT", &id]));
        assert_eq!(sent.status, 0, "{sent:?}");
    }

    fn ends(&mut self) -> Option<i32> {
        until("the simulator to end", BOUND, || {
            match self.child.try_wait().map_err(|why| why.to_string())? {
                Some(status) => Ok(status.code()),
                None => Err("it goes on".to_owned()),
            }
        })
        .unwrap()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn ctrl_c_ends_it_though_the_broker_takes_nothing() {
    let mut simulator = Simulator::of_lamps(broker(false));
    simulator.interrupt();
    simulator.says("did not hear that the devices went");
    assert_eq!(simulator.ends(), Some(0));
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let mut simulator = Simulator::of_lamps(broker(true));
    simulator.interrupt();
    simulator.says("Ctrl-C once more");
    simulator.interrupt();
    assert_eq!(simulator.ends(), Some(130));
}

/// What a broker retains, by topic.
fn retained(port: u16) -> BTreeMap<String, String> {
    let options = MqttOptions::new("looks", "127.0.0.1", port);
    let (client, mut connection) = Client::new(options, 16);
    client.subscribe("#", QoS::AtLeastOnce).unwrap();
    let mut all = BTreeMap::new();
    for event in connection.iter() {
        match event.unwrap() {
            // It comes behind all that is retained.
            Event::Incoming(Packet::SubAck(_)) => {
                client.publish("end", QoS::AtLeastOnce, false, "").unwrap();
            }
            Event::Incoming(Packet::Publish(it)) if it.topic == "end" => break,
            Event::Incoming(Packet::Publish(it)) if it.retain => {
                let payload = String::from_utf8(it.payload.to_vec()).unwrap();
                all.insert(it.topic, payload);
            }
            _ => {}
        }
    }
    all
}

/// Plays the house until the broker retains all of it.
fn house(broker: &Mosquitto, args: &[&str]) -> Simulator {
    let simulator = Simulator::start(broker.port(), &[&["house"], args].concat());
    until("the house to be retained", BOUND, || {
        match retained(broker.port()).len() {
            16 => Ok(()),
            other => Err(format!("{other} topics")),
        }
    })
    .unwrap();
    simulator
}

#[test]
fn what_a_broker_retains_is_taken_back_unless_it_is_kept() {
    let Some(broker) = or_skip(Mosquitto::start(MosquittoOptions::default())) else {
        return;
    };
    let mut simulator = house(&broker, &[]);
    simulator.interrupt();
    assert_eq!(simulator.ends(), Some(0));
    assert_eq!(retained(broker.port()), BTreeMap::new());
    let mut simulator = house(&broker, &["--keep"]);
    simulator.interrupt();
    assert_eq!(simulator.ends(), Some(0));
    let kept = retained(broker.port());
    assert_eq!(kept.len(), 16, "{kept:?}");
    assert_eq!(kept["home/heater/availability"], "offline");
}

#[test]
fn a_broker_that_is_away_at_the_end_is_told_of() {
    let Some(mut broker) = or_skip(Mosquitto::start(MosquittoOptions::default())) else {
        return;
    };
    let mut simulator = house(&broker, &[]);
    broker.kill();
    simulator.says("the broker is away");
    simulator.interrupt();
    simulator.says("on 16 topics");
    assert_eq!(simulator.ends(), Some(0));
}
