//! Devices: messages a second that a node takes of ten thousand of them, beside a bare client of the same library that counts
//! them, and what a device takes of memory at rest.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aion_testkit::{Mosquitto, MosquittoOptions};
use anyhow::{Context, Result, ensure};
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};

use crate::machine::{BOUND, Machine};
use crate::programs::mib;
use crate::report::{Figure, median};

const DEVICES: usize = 10_000;
/// Devices of one file of manifests.
const A_FILE: usize = 500;
/// How long messages are sent and counted.
const SENDING: Duration = Duration::from_secs(4);

const WORLD: &str = "apiVersion: aion.dev/v1alpha1
kind: DeviceModel
metadata: {name: meter}
spec:
  properties:
    - {name: running, type: boolean}
    - {name: power, type: number, unit: W}
    - {name: energy, type: number, unit: kW.h}
    - {name: mode, type: choice, choices: [idle, busy, fault]}
  mqtt:
    properties:
      - {name: running, state: {topic: 'meters/{{device}}', pointer: /on}}
      - {name: power, state: {topic: 'meters/{{device}}', pointer: /power}}
      - {name: energy, state: {topic: 'meters/{{device}}', pointer: /energy}}
      - {name: mode, state: {topic: 'meters/{{device}}', pointer: /mode}}
---
apiVersion: aion.dev/v1alpha1
kind: DeviceBroker
metadata: {name: plant}
";

/// Measures every figure.
pub(crate) fn measure(rounds: usize) -> Result<Vec<Figure>> {
    let options = MosquittoOptions {
        settings: "max_queued_messages 0\nmax_inflight_messages 0".to_owned(),
        ..MosquittoOptions::default()
    };
    let broker = Mosquitto::start(options)?;
    let mut machine = Machine::new()?;
    machine.start()?;
    settle();
    let bare_mib = held(&machine)?;
    // By the command, which fails where something is wrong with it.
    machine.apply(&format!(
        "{WORLD}spec: {{url: 'mqtt://127.0.0.1:{}', messagesPerSecond: 10000}}\n",
        broker.port()
    ))?;
    machine.stop();
    let manifests = machine.home().join("manifests");
    for part in 0..DEVICES / A_FILE {
        let mut text = String::new();
        for number in part * A_FILE..(part + 1) * A_FILE {
            text += &format!(
                "---\napiVersion: aion.dev/v1alpha1\nkind: Device\nmetadata: {{name: m{number}}}\n\
                 spec: {{model: meter, mqtt: {{broker: plant}}}}\n"
            );
        }
        fs::write(manifests.join(format!("devices-{part}.yaml")), text)?;
    }
    machine.start()?;
    // Each says what it is once, which the broker keeps: the node has it when it listens.
    let said = Publisher::start(broker.port(), true)?;
    said.all_once()?;
    listens(&machine)?;
    drop(said);
    settle();
    let each = (held(&machine)? - bare_mib) * 1024.0 * 1024.0 / DEVICES as f64;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(rate(broker.port(), || messages(&machine))?);
    }
    // Beside it the node would take its share of the processors, and of what the broker gives.
    machine.stop();
    for _ in 0..rounds {
        let counter = Counter::start(broker.port())?;
        bare.push(rate(broker.port(), || Ok(counter.counted()))?);
    }
    Ok(vec![
        Figure::against(
            "device_ingest_per_s",
            median(&mut ours),
            "messages/s",
            median(&mut bare),
            "ratio to a bare client ≥ 0.5, of 4 properties each",
        ),
        Figure::plain("device_bytes_each", each, "bytes", "≤ 4096"),
    ])
}

fn held(machine: &Machine) -> Result<f64> {
    mib(machine.pid().context("the node runs")?, "Pss:")
}

/// What was started does what it does at first.
fn settle() {
    thread::sleep(Duration::from_secs(2));
}

/// Waits until the node has heard of each device.
fn listens(machine: &Machine) -> Result<()> {
    let from = Instant::now();
    while messages(machine)? < DEVICES as u64 {
        ensure!(from.elapsed() < BOUND, "the node does not hear its devices");
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Messages that the node has taken in, by its own count.
pub(crate) fn messages(machine: &Machine) -> Result<u64> {
    let mut stream = UnixStream::connect(machine.socket())?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let counted = text
        .lines()
        .filter(|it| it.starts_with("aion_device_messages_total{"));
    let taken = counted.filter(|it| it.contains("what=\"taken\""));
    let numbers = taken.filter_map(|it| it.rsplit(' ').next()?.parse::<f64>().ok());
    // Counts are whole.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let sum = numbers.sum::<f64>() as u64;
    Ok(sum)
}

/// Messages a second that `counted` grows by while as many are sent as can be.
fn rate(port: u16, counted: impl Fn() -> Result<u64>) -> Result<f64> {
    let publisher = Publisher::start(port, false)?;
    publisher.flood(true);
    thread::sleep(Duration::from_millis(500));
    let (from, before) = (Instant::now(), counted()?);
    thread::sleep(SENDING);
    let (took, after) = (from.elapsed(), counted()?);
    publisher.flood(false);
    ensure!(after > before, "nothing was heard");
    Ok((after - before) as f64 / took.as_secs_f64())
}

/// Says what devices are.
struct Publisher {
    client: Client,
    floods: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    retain: bool,
}

impl Publisher {
    fn start(port: u16, retain: bool) -> Result<Self> {
        let mut options =
            MqttOptions::new(if retain { "says" } else { "floods" }, "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(30));
        let (client, mut connection) = Client::new(options, 1024);
        let (floods, ends) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let ended = Arc::clone(&ends);
        thread::spawn(move || {
            for event in connection.iter() {
                if event.is_err() || ended.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let (sending, flooding, ended) = (client.clone(), Arc::clone(&floods), Arc::clone(&ends));
        thread::spawn(move || {
            let mut number = 0_usize;
            while !ended.load(Ordering::Relaxed) {
                if !flooding.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(5));
                    continue;
                }
                // Not one after another: a stride that shares no divisor.
                number = (number + 7919) % DEVICES;
                let topic = format!("meters/m{number}");
                if sending
                    .publish(topic, QoS::AtMostOnce, false, payload(number))
                    .is_err()
                {
                    return;
                }
            }
        });
        Ok(Self {
            client,
            floods,
            ends,
            retain,
        })
    }

    fn all_once(&self) -> Result<()> {
        for number in 0..DEVICES {
            let topic = format!("meters/m{number}");
            self.client
                .publish(topic, QoS::AtLeastOnce, self.retain, payload(number))?;
        }
        Ok(())
    }

    fn flood(&self, floods: bool) {
        self.floods.store(floods, Ordering::Relaxed);
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.client.disconnect();
    }
}

fn payload(number: usize) -> String {
    let (on, mode) = (
        number.is_multiple_of(2),
        ["idle", "busy", "fault"][number % 3],
    );
    format!(
        "{{\"on\":{on},\"power\":{}.{},\"energy\":{number}.25,\"mode\":\"{mode}\",\"linkquality\":120}}",
        number % 3000,
        number % 10
    )
}

/// A client of the same library that counts what it hears of all.
struct Counter {
    client: Client,
    counted: Arc<AtomicU64>,
}

impl Counter {
    fn start(port: u16) -> Result<Self> {
        let mut options = MqttOptions::new("counts", "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(30));
        let (client, mut connection) = Client::new(options, 64);
        let counted = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&counted);
        client.subscribe("meters/#", QoS::AtLeastOnce)?;
        thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::Publish(_))) => {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        Ok(Self { client, counted })
    }

    fn counted(&self) -> u64 {
        self.counted.load(Ordering::Relaxed)
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let _ = self.client.disconnect();
    }
}
