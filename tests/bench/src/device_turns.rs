//! From a device's word to an agent's turn, and from an agent's command to the device's word that it is done, while five hundred
//! messages a second of other devices pass by.
//!
//! The agent is a WASM guest without a model. Its turn is triggered by a button, and commands a door again and again, each time
//! when the door has said that it did what it was told. All is seen from the broker's side but the start of the turn, which the
//! node's feed tells. Beside it a bare client of the same library commands the same door.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, iter};

use aion_abi::event::{Event as Told, Happened, Item, TurnState};
use aion_testkit::{Mosquitto, MosquittoOptions};
use anyhow::{Context, Result, bail, ensure};
use rumqttc::{Client, Connection, Event, MqttOptions, NetworkOptions, Packet, QoS};
use tokio::runtime::Runtime;

use crate::devices::messages;
use crate::machine::{BOUND, Machine};
use crate::report::{Figure, p99_ms};
use crate::signing;

/// Events that count, after those that warm everything up.
const EVENTS: usize = 200;
const WARM: usize = 10;
/// Commands of a turn; the guest below has the same number.
const COMMANDS: usize = 20;
/// Messages a second of other devices, of so many.
const BESIDE: u32 = 500;
const OTHERS: u32 = 100;

const GUEST: &str = r#"(module
    (import "aion" "syscall" (func $syscall (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "device.command")
    (data (i32.const 32) "{\22device\22:\22door\22,\22command\22:\22open\22,\22arguments\22:{}}")
    (data (i32.const 128) "agent.message")
    (data (i32.const 160) "{\22text\22:\22opened\22,\22kind\22:\22final\22}")
    (func (export "_start") (local $done i32)
        (loop $again
            (if (i32.ne (call $syscall (i32.const 0) (i32.const 14) (i32.const 32) (i32.const 49)) (i32.const 200))
                (then unreachable))
            (local.set $done (i32.add (local.get $done) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $done) (i32.const 20))))
        (drop (call $syscall (i32.const 128) (i32.const 13) (i32.const 160) (i32.const 32)))))"#;

const RECIPE: &str =
    "name: porter\nversion: 0.1.0\nruntime: wasm\nentry: porter.wasm\ndescription: Opens a door\n";

/// Measures the figures.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let broker = Mosquitto::start(MosquittoOptions {
        settings: "set_tcp_nodelay true".to_owned(),
        ..MosquittoOptions::default()
    })?;
    let door = Door::start(broker.port())?;
    let mut bare = door.bare(broker.port())?;
    let button = speaker(broker.port(), "button");
    button.publish("bench/button", QoS::AtLeastOnce, true, "0")?;
    let mut node = Machine::new()?;
    node.start()?;
    set_up(&node, broker.port())?;
    heard(&node)?;
    let others = Others::start(broker.port());
    let (mut waking, mut whole, mut confirmed) = (Vec::new(), Vec::new(), Vec::new());
    let feed = follow(&node, runtime)?;
    for press in 1..=WARM + EVENTS {
        let pressed = Instant::now();
        button.publish("bench/button", QoS::AtLeastOnce, false, press.to_string())?;
        let started = told(&feed, |it| matches!(it, TurnState::Started { .. }))?;
        let told_at: Vec<_> = iter::repeat_with(|| door.told.recv_timeout(BOUND))
            .take(COMMANDS)
            .collect::<Result<_, _>>()
            .context("the door is not told to open")?;
        told(&feed, |it| matches!(it, TurnState::Ended { ok: true, .. }))?;
        if press <= WARM {
            continue;
        }
        waking.push(started - pressed);
        whole.push(told_at[0] - pressed);
        confirmed.extend(told_at.windows(2).map(|two| two[1] - two[0]));
    }
    drop(others);
    for all in [&mut waking, &mut whole, &mut confirmed, &mut bare] {
        all.sort_unstable();
    }
    let bare = p99_ms(&bare);
    let against =
        |name, all: &[Duration], goal| Figure::against(name, p99_ms(all), "ms", bare, goal);
    Ok(vec![
        against(
            "device_event_to_turn_p99_ms",
            &waking,
            "≤ 20, beside a bare command and its confirmation",
        ),
        against("device_event_to_command_p99_ms", &whole, ""),
        against("device_command_p99_ms", &confirmed, "≤ 10"),
    ])
}

fn set_up(node: &Machine, port: u16) -> Result<()> {
    let bundle = node.folder().join("porter");
    fs::create_dir(&bundle)?;
    fs::write(bundle.join("porter.wasm"), wat::parse_str(GUEST)?)?;
    fs::write(bundle.join("bundle.yaml"), RECIPE)?;
    let signing::Signed { digest, policy } = signing::sign(node, &bundle)?;
    let mut world = format!(
        "{policy}\
---
apiVersion: aion.dev/v1alpha1
kind: ClusterAgentPolicy
metadata: {{name: bench}}
spec:
  allow: ['device.*', 'agent.*']
---
apiVersion: aion.dev/v1alpha1
kind: DeviceBroker
metadata: {{name: house}}
spec: {{url: 'mqtt://127.0.0.1:{port}'}}
---
apiVersion: aion.dev/v1alpha1
kind: DeviceModel
metadata: {{name: number}}
spec:
  properties: [{{name: count, type: integer}}]
  mqtt: {{properties: [{{name: count, state: {{topic: 'bench/{{{{device}}}}'}}}}]}}
---
apiVersion: aion.dev/v1alpha1
kind: DeviceModel
metadata: {{name: door}}
spec:
  commands: [{{name: open}}]
  mqtt:
    commands: [{{name: open, send: {{topic: bench/door/set, payload: OPEN}}, done: {{topic: bench/door/done, equals: OPEN}}}}]
---
apiVersion: aion.dev/v1alpha1
kind: Device
metadata: {{name: button}}
spec: {{model: number, mqtt: {{broker: house}}}}
---
apiVersion: aion.dev/v1alpha1
kind: Device
metadata: {{name: door}}
spec:
  model: door
  mqtt: {{broker: house}}
  guardrails: [{{name: pressed, forbidWhen: devices.button.count < 0}}]
---
apiVersion: aion.dev/v1alpha1
kind: Agent
metadata: {{name: porter}}
spec:
  runtime: wasm
  bundle: {{name: porter, digest: \"{digest}\"}}
  permissions: {{allow: ['device.read:button', 'device.command:door']}}
  limits: {{callsPerMinute: 1000000}}
  triggers:
    - {{name: pressed, device: button, property: count, budget: {{perHour: 3600}}}}
"
    );
    for number in 0..OTHERS {
        world += &format!(
            "---\napiVersion: aion.dev/v1alpha1\nkind: Device\nmetadata: {{name: other-{number}}}\n\
             spec: {{model: number, mqtt: {{broker: house}}}}\n"
        );
    }
    node.apply(&world)
}

/// Waits until the node has heard what the button was, which starts no turn.
fn heard(node: &Machine) -> Result<()> {
    let from = Instant::now();
    while messages(node)? == 0 {
        ensure!(from.elapsed() < BOUND, "the node does not hear the button");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Turns of the agent, as the node tells of them, each with when it was read.
fn follow(node: &Machine, runtime: &Runtime) -> Result<Receiver<(Instant, TurnState)>> {
    let (tell, feed) = channel();
    let mut events = runtime.block_on(node.node()?.events(None, true))?;
    runtime.spawn(async move {
        while let Ok(Some(told)) = events.next().await {
            if let Item::Event(Told {
                what: Happened::Turn(turn),
                ..
            }) = told.what
                && tell.send((Instant::now(), turn.state)).is_err()
            {
                return;
            }
        }
    });
    Ok(feed)
}

/// When it was told.
fn told(feed: &Receiver<(Instant, TurnState)>, is: fn(&TurnState) -> bool) -> Result<Instant> {
    loop {
        let (at, state) = feed
            .recv_timeout(BOUND)
            .context("the node tells of no turn")?;
        match state {
            state if is(&state) => return Ok(at),
            TurnState::Ended {
                ok: false, code, ..
            } => bail!("the turn failed: {code:?}"),
            _ => {}
        }
    }
}

/// A client whose packets leave at once, not when others follow or are acknowledged (RFC 896), and its connection.
fn client(port: u16, name: &str) -> (Client, Connection) {
    let mut options = MqttOptions::new(name, "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut connection) = Client::new(options, 64);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    connection.eventloop.set_network_options(network);
    (client, connection)
}

/// As [`client`]; what it hears is nothing to anybody.
fn speaker(port: u16, name: &str) -> Client {
    let (client, mut connection) = client(port, name);
    thread::spawn(move || for _ in connection.iter().take_while(Result::is_ok) {});
    client
}

/// A door that opens whenever it is told to, and says so.
struct Door {
    told: Receiver<Instant>,
}

impl Door {
    fn start(port: u16) -> Result<Self> {
        let (client, mut connection) = client(port, "door");
        client.subscribe("bench/door/set", QoS::AtLeastOnce)?;
        let (ready, is_ready) = channel();
        let (tell, told) = channel();
        thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.send(())),
                    Ok(Event::Incoming(Packet::Publish(_))) => {
                        if tell.send(Instant::now()).is_err() {
                            return;
                        }
                        let _ = client.publish("bench/door/done", QoS::AtLeastOnce, false, "OPEN");
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        is_ready
            .recv_timeout(BOUND)
            .context("the door has no broker")?;
        Ok(Self { told })
    }

    /// How long a bare client takes for a command and its confirmation.
    fn bare(&self, port: u16) -> Result<Vec<Duration>> {
        let (client, mut connection) = client(port, "bare");
        client.subscribe("bench/door/done", QoS::AtLeastOnce)?;
        let (tell, told): (Sender<Packet>, _) = channel();
        thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(it @ (Packet::SubAck(_) | Packet::Publish(_)))) => {
                        if tell.send(it).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        told.recv_timeout(BOUND)
            .context("the bare client has no broker")?;
        let mut took = Vec::new();
        for command in 0..(WARM + EVENTS) * COMMANDS {
            let sent = Instant::now();
            client.publish("bench/door/set", QoS::AtLeastOnce, false, "OPEN")?;
            told.recv_timeout(BOUND).context("nothing is confirmed")?;
            self.told.recv_timeout(BOUND)?;
            if command >= WARM * COMMANDS {
                took.push(sent.elapsed());
            }
        }
        client.disconnect()?;
        Ok(took)
    }
}

/// Other devices, which say something all the time.
struct Others {
    ends: Arc<AtomicBool>,
}

impl Others {
    fn start(port: u16) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        thread::spawn(move || -> Result<()> {
            let client = speaker(port, "others");
            let pause = Duration::from_secs(1) / BESIDE;
            let mut due = Instant::now();
            for number in 0_u32.. {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let topic = format!("bench/other-{}", number % OTHERS);
                client.publish(topic, QoS::AtMostOnce, false, number.to_string())?;
                due += pause;
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            client.disconnect()?;
            Ok(())
        });
        Self { ends }
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}
