//! What an instance at rest costs in memory: `cargo run --release -p aion-kernel --example idle_rows`.
//!
//! Reads this process's resident memory around the application of 100,000 instances:
//! all of one agent, then each of an agent of its own. Nothing is asserted.

use aion_kernel::{
    Event, GrantRule, InstanceSpec, InstanceUid, Kernel, Kind, Lane, Limits, Now, Profile, Quota,
    TargetPattern, Verdict,
};

const INSTANCES: u128 = 100_000;

fn profile(agent: &str) -> Profile {
    let rule = |target: &str| GrantRule {
        verdict: Verdict::Allow,
        kind: Kind::ToolCall,
        target: TargetPattern::parse(target),
        origin: "namespace policy base".into(),
    };
    Profile {
        tenant: "home".into(),
        agent: agent.into(),
        revision: "0123456789abcdef".into(),
        lane: Lane::Interactive,
        required_layers: ["seccomp", "landlock", "namespaces", "cgroup"]
            .map(Into::into)
            .to_vec(),
        grants: ["calendar.read", "calendar.write", "mail.*"]
            .map(rule)
            .to_vec()
            .into(),
        quota: Quota::default(),
        max_turn_seconds: 600,
    }
}

/// Resident bytes, as Linux counts them.
fn resident() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|kib| kib * 1_024)
        .ok_or_else(|| std::io::Error::other("no VmRSS in /proc/self/status"))
}

fn main() -> std::io::Result<()> {
    for (what, own_agent) in [("one agent", false), ("an agent each", true)] {
        let mut kernel = Kernel::new(Limits::default());
        let before = resident()?;
        for n in 0..INSTANCES {
            let name = if own_agent {
                format!("agent-{n}")
            } else {
                String::from("agent")
            };
            // Spread like random uids.
            let uid = InstanceUid((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
            kernel.handle(
                Event::Apply(InstanceSpec {
                    uid,
                    profile: profile(&name),
                }),
                Now::default(),
            );
        }
        let bytes = resident()?.saturating_sub(before);
        println!(
            "{INSTANCES} instances of {what}: {} bytes each",
            u128::from(bytes) / INSTANCES
        );
    }
    Ok(())
}
