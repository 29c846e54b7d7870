//! Devices of a cluster on a real broker: each on one node, told once, and moved when that node is gone. Messages cost the API
//! server nothing.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

use aion_e2e::{
    cluster::{BOUND, furnish, namespace},
    elsewhere::Elsewhere,
    node_agent::NodeAgent,
    operator::Operator,
    world::World,
};
use aion_testkit::{ControlPlane, Mosquitto, MosquittoOptions, or_skip, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{asked::account, documents, get, house::House, kubectl};

const HOME: &str = "house";
const NODES: [&str; 2] = ["node-left", "node-right"];
/// An address of the world, where no node is.
const BROKER: &str = "198.51.100.20";
const OURS: &str = "203.0.113.1";
const ENOUGH: u64 = 3_000;

/// Two nodes in a world in which a broker is.
struct Estate {
    cluster: ControlPlane,
    nodes: [NodeAgent; 2],
    house: House,
    server: String,
    operator: Operator,
    _broker: Mosquitto,
    _docs: TempDir,
    _world: World,
}

/// Hands on what comes to a socket of the world to the broker, which is on loopback.
fn bridge(listener: TcpListener, port: u16) {
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else {
                continue;
            };
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
}

impl Estate {
    fn settle() -> Option<Self> {
        let world = World::enter(&[("broker.test", BROKER)]).unwrap()?;
        let broker = or_skip(Mosquitto::start(MosquittoOptions::default()))?;
        let cluster = or_skip(ControlPlane::start())?;
        bridge(
            world.listen(&format!("{BROKER}:1883")).unwrap(),
            broker.port(),
        );
        let house = House::on(broker.port()).unwrap();
        furnish(&cluster).unwrap();
        namespace(&cluster, HOME).unwrap();
        for (kind, name, spec) in [
            (
                "ClusterAgentPolicy",
                "default",
                json!({"allow": ["device.*"]}),
            ),
            ("TrustPolicy", "elsewhere", json!({"external": "allow"})),
        ] {
            let object = json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
            cluster.apply(&object.to_string()).unwrap();
        }
        let docs = documents();
        let operator = Operator::start(&cluster, "operator-of-devices").unwrap();
        let nodes = NODES.map(|name| {
            let node = NodeAgent::start(&cluster, name, docs.path(), false).unwrap();
            kubectl(&cluster, &["label", "node", name, &format!("side={name}")]);
            let status =
                json!({"status": {"addresses": [{"type": "InternalIP", "address": OURS}]}});
            let patch = [
                "--subresource=status",
                "--type=merge",
                "-p",
                &status.to_string(),
            ]
            .map(str::to_owned);
            let patch: Vec<&str> = patch.iter().map(String::as_str).collect();
            kubectl(&cluster, &[&["patch", "node", name], &patch[..]].concat());
            node
        });
        let server = account(&cluster, HOME, "server");
        let subject = format!("--serviceaccount={HOME}:server");
        let role = [
            "create",
            "rolebinding",
            "server",
            "--clusterrole=aion-serve",
            &subject,
        ];
        kubectl(&cluster, &[&["-n", HOME], &role[..]].concat());
        let estate = Self {
            cluster,
            nodes,
            house,
            server,
            operator,
            _broker: broker,
            _docs: docs,
            _world: world,
        };
        estate.furnish();
        Some(estate)
    }

    /// The house's devices, and an agent on each node.
    fn furnish(&self) {
        let house = include_str!("../devices/house.yaml");
        let of_home = house.replace(
            "metadata: {name:",
            &format!("metadata: {{namespace: {HOME}, name:"),
        );
        // What it says of trust is another test's.
        let (_, of_home) = of_home.split_once("---").unwrap();
        self.cluster.apply(of_home).unwrap();
        let broker = json!({"url": format!("mqtt://{BROKER}:1883"), "messagesPerSecond": 10_000});
        self.apply("DeviceBroker", "house", &broker);
        for name in NODES {
            let agent = json!({
                "description": "Looks after the house", "runtime": "external", "nodeSelector": {"side": name},
                "permissions": {"allow": ["device.read", "device.write", "device.command"]},
                "limits": {"turnSeconds": 3600},
            });
            self.apply("Agent", name, &agent);
        }
    }

    fn apply(&self, kind: &str, name: &str, spec: &Value) {
        let object = json!({"apiVersion": "aion.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": HOME}, "spec": spec});
        self.cluster.apply(&object.to_string()).unwrap();
    }

    /// Where a device is, once it is ready there and nowhere of `besides`.
    fn ready(&self, device: &str, besides: Option<usize>) -> usize {
        until(&format!("{device} to be ready"), BOUND, || {
            let found = get(&self.cluster, &["-n", HOME, "device", device])?;
            let status = &found["status"];
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions
                .iter()
                .any(|it| it["type"] == "Ready" && it["status"] == "True");
            let at = NODES.iter().position(|it| status["nodeName"] == *it);
            match at.filter(|at| ready && besides != Some(*at)) {
                Some(at) => Ok(at),
                None => Err(format!(
                    "{status:#}\n{}\n{}\n{}",
                    self.nodes[0].tail(),
                    self.nodes[1].tail(),
                    self.operator.process.tail()
                )),
            }
        })
        .unwrap()
    }

    /// What the agent of a node is answered when it makes these calls in one turn.
    fn calls(&self, at: usize, calls: &[(&str, Value)]) -> Vec<(u16, String)> {
        let agent = format!("{HOME}/agents/{}", NODES[at]);
        let node = &self.nodes[at];
        let program = Elsewhere::register(node.port, &self.server, &agent).unwrap();
        thread::scope(|scope| {
            let ask = format!("POST /api/v1/namespaces/{agent}/turns");
            let asked = scope.spawn(move || node.request_here(&ask, Some(r#"{"input": "Look."}"#)));
            let mut given = program.take().unwrap();
            let answers = calls.iter();
            let answers =
                answers.map(|(path, body)| program.call(&mut given, path, body, None).unwrap());
            let answers = answers.collect();
            program.message(&mut given, "final", "done").unwrap();
            program.end(&given).unwrap();
            asked.join().unwrap().unwrap();
            answers
        })
    }

    fn opened(&self) -> usize {
        let told = self.house.told();
        told.iter()
            .filter(|(topic, _)| topic == "house/door/set")
            .count()
    }

    /// How often anything of a device was written, as the API server counts.
    fn writes(&self) -> Vec<String> {
        let text = kubectl(&self.cluster, &["get", "--raw", "/metrics"]);
        let requests = text
            .lines()
            .filter(|it| it.starts_with("apiserver_request_total{"));
        let written = requests
            .filter(|it| it.contains("group=\"aion.dev\"") && it.contains("resource=\"device"));
        let read = ["GET", "LIST", "WATCH"].map(|verb| format!("verb=\"{verb}\""));
        let written = written.filter(|it| !read.iter().any(|verb| it.contains(verb)));
        written.map(str::to_owned).collect()
    }

    /// What the node that has it heard of a device.
    fn seen(&self, at: usize, device: &str) -> Result<Value, String> {
        let line = format!("GET /api/v1/namespaces/{HOME}/devices/{device}");
        let answer = self.nodes[at].request_here(&line, None);
        let (status, body) = answer.map_err(|error| error.to_string())?;
        match status {
            200 => serde_json::from_str(&body).map_err(|error| error.to_string()),
            _ => Err(format!("{status} {body}")),
        }
    }
}

fn command() -> (&'static str, Value) {
    (
        "/v1/device/command",
        json!({"device": "door", "command": "open"}),
    )
}

fn read() -> (&'static str, Value) {
    ("/v1/device/read", json!({"device": "door"}))
}

#[test]
fn a_device_of_a_cluster_is_one_nodes_is_told_once_and_moves_when_that_is_gone() {
    let Some(mut estate) = Estate::settle() else {
        return;
    };
    let [heater, window, door] = ["heater", "window", "door"].map(|it| estate.ready(it, None));
    assert_eq!(heater, window, "guardrails tie them");
    assert_ne!(heater, door, "they are spread");
    let wide = kubectl(
        &estate.cluster,
        &["-n", HOME, "get", "devices", "-o", "wide"],
    );
    let line = wide.lines().find(|it| it.starts_with("door")).unwrap();
    assert!(wide.lines().next().unwrap().contains("NODE"), "{wide}");
    assert!(
        line.contains(NODES[door]) && line.contains("True"),
        "{wide}"
    );

    messages_cost_no_write(&estate, heater);

    // Told once, by who is on its node; who is on the other is told where it is.
    let told = estate.calls(door, &[read(), command()]);
    assert!(told.iter().all(|(status, _)| *status == 200), "{told:?}");
    assert_eq!(estate.opened(), 1);
    for (_, said) in estate.calls(heater, &[read(), command()]) {
        assert!(
            said.contains("unreachable") && said.contains(NODES[door]),
            "{said}"
        );
        assert!(said.contains("same nodeSelector"), "{said}");
    }
    assert_eq!(estate.opened(), 1);

    // Its node is killed: another has it once that one has stopped for certain.
    let node = &mut estate.nodes[door];
    node.daemon.signal(Signal::SIGKILL);
    node.daemon.wait(BOUND).unwrap();
    let now = estate.ready("door", Some(door));
    let told = estate.calls(now, &[command()]);
    assert_eq!(told[0].0, 200, "{told:?}");
    assert_eq!(estate.opened(), 2);

    // It is back, and the device stays where it is.
    estate.nodes[door].start_again().unwrap();
    let (_, said) = estate.calls(door, &[command()]).remove(0);
    assert!(
        said.contains("unreachable") && said.contains(NODES[now]),
        "{said}"
    );
    assert_eq!(estate.opened(), 2);
    assert_eq!(estate.ready("door", Some(door)), now);
    lets_go(&estate, now, door);
}

/// Labels that its node does not carry: it lets go by itself, and the other has it.
fn lets_go(estate: &Estate, from: usize, to: usize) {
    let patch = json!({"spec": {"nodeSelector": {"side": NODES[to]}}}).to_string();
    let patch = [
        "-n",
        HOME,
        "patch",
        "device",
        "door",
        "--type=merge",
        "-p",
        &patch,
    ];
    kubectl(&estate.cluster, &patch);
    assert_eq!(estate.ready("door", Some(from)), to);
    let told = estate.calls(to, &[command()]);
    assert_eq!(told[0].0, 200, "{told:?}");
    assert_eq!(estate.opened(), 3);
}

/// As long as nothing but values changes, nothing is written.
fn messages_cost_no_write(estate: &Estate, at: usize) {
    let taken = |estate: &Estate| {
        estate
            .seen(at, "window")
            .map(|it| it["messages"]["taken"].as_u64().unwrap_or_default())
    };
    // What was to be said of how they stand is said.
    estate.house.window("open");
    until("the window to be known to be there", BOUND, || {
        let found = get(&estate.cluster, &["-n", HOME, "device", "window"])?;
        let conditions = found["status"]["conditions"].as_array().cloned();
        let online = |it: &Value| it["type"] == "Connected" && it["reason"] == "Online";
        match conditions.unwrap_or_default().iter().any(online) {
            true => Ok(()),
            false => Err(format!("{:#}", found["status"])),
        }
    })
    .unwrap();
    let (before, first) = (estate.writes(), taken(estate).unwrap());
    for n in 0..ENOUGH {
        estate
            .house
            .window(if n % 2 == 0 { "closed" } else { "open" });
    }
    estate.house.window("closed");
    until("the last message to be heard", BOUND, || {
        let seen = estate.seen(at, "window")?;
        match seen["readings"][0]["value"] == "closed" && taken(estate)? >= first + ENOUGH {
            true => Ok(()),
            false => Err(seen.to_string()),
        }
    })
    .unwrap();
    assert_eq!(estate.writes(), before, "messages were written");
}
