//! The hosts that an agent wants to reach: what is none, and what no network can have.

use std::collections::BTreeSet;

use aion_api::Agent;
use aion_api::program::Runtime;
use aion_policy::Destination;

use crate::problem::Problem;

use super::Findings;

/// The most ports of one network: a door of its own listens on each.
const PORTS: usize = 16;
/// Where a program asks for names, which its node answers itself.
const NAMES_PORT: u16 = 53;

/// Finds hosts that are none, and ports that cannot be given.
pub(super) fn check(agent: &Agent, findings: &mut Findings) {
    let permissions = agent.spec.permissions.as_ref();
    let network = permissions.map(|it| &*it.network).unwrap_or_default();
    let mut ports = BTreeSet::new();
    for (at, text) in network.iter().enumerate() {
        let told = match Destination::parse(text) {
            Err(why) => (
                format!("{text} {why}"),
                "write HOST:PORT: api.example.org:443, *.example.org:443 for all one label below, 192.0.2.7:443, \
                 or [2001:db8::7]:443",
            ),
            Ok(Destination {
                port: Some(NAMES_PORT),
                ..
            }) => (
                format!(
                    "{text}: port {NAMES_PORT} is where the agent asks for names, which its node answers"
                ),
                "remove it: names of granted hosts are resolved without it",
            ),
            Ok(Destination { port, .. }) => {
                ports.extend(port);
                continue;
            }
        };
        let field = format!("spec.permissions.network[{at}]");
        findings.invalid.push(Problem::new(field, told));
    }
    if ports.len() > PORTS {
        let what = format!(
            "there are {} ports, and a network has at most {PORTS}",
            ports.len()
        );
        let told = (what, "ask for fewer ports, however many hosts have them");
        findings
            .invalid
            .push(Problem::new("spec.permissions.network", told));
    }
}

/// Why the hosts that an agent lists have no effect, where they have none.
pub(super) fn idle(agent: &Agent) -> Option<&'static str> {
    let permissions = agent.spec.permissions.as_ref()?;
    let listed = !permissions.network.is_empty();
    (listed && agent.spec.runtime != Runtime::Process).then_some(
        "spec.permissions.network: only the program of an image (runtime: process) has a network",
    )
}

#[cfg(test)]
mod tests {
    use aion_api::{AgentSpec, Permissions};

    use super::*;

    fn found(network: &[String], runtime: Runtime) -> (Vec<String>, bool) {
        let spec = AgentSpec {
            runtime,
            permissions: Some(Permissions {
                network: network.to_vec(),
                ..Permissions::default()
            }),
            ..AgentSpec::default()
        };
        let agent = Agent::new("a", spec);
        let mut findings = Findings::default();
        check(&agent, &mut findings);
        let told = findings.invalid.iter().map(ToString::to_string).collect();
        (told, idle(&agent).is_some())
    }

    #[test]
    fn what_no_network_can_have_is_told_by_its_field() {
        let check = |hosts: &[&str], field: &str, words: &str| {
            let hosts: Vec<String> = hosts.iter().map(|it| (*it).to_owned()).collect();
            let (told, _) = found(&hosts, Runtime::Process);
            assert_eq!(told.len(), 1, "{hosts:?}: {told:?}");
            assert!(
                told[0].contains(field) && told[0].contains(words),
                "{told:?}"
            );
        };
        check(
            &["a.example:443", "a.*.example:443"],
            "spec.permissions.network[1]",
            "neither a name in lower case",
        );
        check(&["127.1:80"], "network[0]", "write four numbers");
        check(&["dns.example:53"], "network[0]", "which its node answers");
        let ports: Vec<String> = (1..=17)
            .map(|it| format!("a.example:{}", 8000 + it))
            .collect();
        let (told, _) = found(&ports, Runtime::Process);
        assert!(told[0].contains("17 ports"), "{told:?}");
        let hosts: Vec<String> = (0..32).map(|it| format!("h{it}.example:443")).collect();
        assert_eq!(found(&hosts, Runtime::Process), (Vec::new(), false));
        assert!(found(&hosts, Runtime::Declarative).1);
        assert!(found(&hosts, Runtime::Wasm).1);
    }
}
