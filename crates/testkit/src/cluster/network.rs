//! The network of a cluster: a bridge in the machine of the control plane, a cable from it
//! to each node, and routes to the pods of each. No address is seen outside.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::machine::Machine;
use crate::StartError;

/// The control plane's; its nodes follow.
pub(super) const CONTROL_PLANE: Ipv4Addr = Ipv4Addr::new(10, 70, 0, 1);

/// The address of the node of that number, from 0.
pub(super) fn node(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 70, 0, number.saturating_add(11))
}

/// The addresses of its pods.
pub(super) fn pods(number: u8) -> String {
    format!("10.71.{number}.0/24")
}

/// Makes the bridge.
pub(super) fn lay(switch: &Machine) -> Result<(), StartError> {
    ip(switch, "link add cluster type bridge")?;
    ip(switch, &format!("addr add {CONTROL_PLANE}/24 dev cluster"))?;
    ip(switch, "link set cluster up")?;
    switch
        .run("sysctl", &["-qw", "net.ipv4.ip_forward=1"])
        .map(drop)
}

/// Lays the cable to a node and the routes to its pods, also from the `others`.
pub(super) fn connect(
    switch: &Machine,
    machine: &Machine,
    number: u8,
    others: &[(u8, &Machine)],
) -> Result<(), StartError> {
    let cable = format!("node{number}");
    let _ = ip(switch, &format!("link del {cable}"));
    // From the switch's side the node is known by its number as the host counts, since
    // its own names for processes are other ones.
    let entrance = switch.pid();
    ip(
        machine,
        &format!("link add eth0 type veth peer name {cable}"),
    )?;
    crate::component::run(
        std::process::Command::new("nsenter")
            .args([
                &format!("--target={}", machine.pid()),
                "--net",
                "ip",
                "link",
                "set",
                &cable,
            ])
            .args(["netns", &entrance.to_string()]),
    )?;
    ip(switch, &format!("link set {cable} master cluster up"))?;
    ip(machine, &format!("addr add {}/24 dev eth0", node(number)))?;
    ip(machine, "link set eth0 up")?;
    ip(machine, &format!("route add default via {CONTROL_PLANE}"))?;
    machine.run("sysctl", &["-qw", "net.ipv4.ip_forward=1"])?;
    let _ = ip(switch, &format!("route del {}", pods(number)));
    ip(
        switch,
        &format!("route add {} via {}", pods(number), node(number)),
    )?;
    for (other, there) in others {
        ip(
            machine,
            &format!("route add {} via {}", pods(*other), node(*other)),
        )?;
        ip(
            there,
            &format!("route replace {} via {}", pods(number), node(number)),
        )?;
    }
    Ok(())
}

/// Shows the nodes what listens on a port of the control plane's loopback, at a port of its address.
pub(super) fn show(switch: &Machine, port: u16, at: u16) -> Result<(), StartError> {
    let loopback = "net.ipv4.conf.cluster.route_localnet=1";
    switch.run("sysctl", &["-qw", loopback])?;
    let rules = format!(
        "add table ip shown; delete table ip shown; table ip shown {{ chain in {{ type nat hook prerouting priority dstnat; \
         ip daddr {CONTROL_PLANE} tcp dport {at} dnat to {}:{port}; }}; }}",
        Ipv4Addr::LOCALHOST
    );
    switch.run("nft", &[&rules]).map(drop)
}

/// What the CNI plugins of a node read.
pub(super) fn cni(number: u8) -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "cluster",
        "plugins": [{
            "type": "bridge",
            "bridge": "pods",
            "isGateway": true,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": pods(number)}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    })
}

fn ip(machine: &Machine, words: &str) -> Result<(), StartError> {
    let words: Vec<_> = words.split(' ').collect();
    machine.run("ip", &words).map(drop)
}
