//! What one `sys.null` costs in the kernel: `cargo run --release -p aion-kernel --example null_cost`.
//!
//! Prints nanoseconds of CPU (as Linux counts them for the thread) per call through `handle` (which applies the fact), with every
//! level of quota on and one hundred instances running. Nothing is asserted.

use std::hint::black_box;

use aion_kernel::{
    Body, BodyDigest, Call, Event, GrantRule, Incarnation, InstanceSpec, InstanceUid, Invoke,
    Kernel, Kind, Lane, Limits, Millis, Now, Profile, Quota, Resource, TargetPattern, Ticket,
    TurnId, Verdict,
};

const INSTANCES: u64 = 100;
const CALLS: u64 = 2_000_000;

/// Nanoseconds this thread has run.
fn cpu_ns() -> std::io::Result<u64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns = stat
        .split_whitespace()
        .next()
        .and_then(|ns| ns.parse().ok());
    ns.ok_or_else(|| std::io::Error::other("no number in /proc/thread-self/schedstat"))
}

fn main() -> std::io::Result<()> {
    let quota = Quota {
        calls_per_minute: Some(u64::MAX / 2),
        concurrency: Some(1_000),
        tokens_per_hour: Some(1_000_000),
    };
    let limits = Limits {
        worker_slots: 1_000,
        cluster: quota,
        tenant_default: quota,
        ..Limits::default()
    };
    let mut kernel = Kernel::new(limits);
    let body = Body {
        digest: BodyDigest([7; 32]),
        size: 1_024,
    };
    let at = |ms: u64| Now {
        at: Millis(ms),
        ..Now::default()
    };
    let start = at(0);
    for n in 0..INSTANCES {
        let rules = Kind::ALL.map(|kind| GrantRule {
            verdict: Verdict::Allow,
            kind,
            target: TargetPattern::Any,
            origin: "bench".into(),
        });
        let profile = Profile {
            tenant: format!("tenant-{}", n % 10).as_str().into(),
            agent: format!("agent-{n}").as_str().into(),
            revision: "1".into(),
            lane: Lane::Interactive,
            required_layers: Vec::new(),
            grants: rules.to_vec().into(),
            quota,
            max_turn_seconds: 86_400,
        };
        let uid = InstanceUid(u128::from(n) << 64 | 0x0190_163d);
        kernel.handle(Event::Apply(InstanceSpec { uid, profile }), start);
        let invoke = Invoke {
            ticket: None,
            instance: uid,
            cause: "bench".into(),
            input: body,
            deadline_ms: None,
            payer: None,
        };
        kernel.handle(Event::Invoke(invoke), start);
        let ready = Event::WorkerReady {
            turn: TurnId(n + 1),
            incarnation: Incarnation(1),
            pid: 1,
            start_time: 1,
            layers: Vec::new(),
        };
        kernel.handle(ready, start);
    }
    for _ in 0..3 {
        let begin = cpu_ns()?;
        for n in 0..CALLS {
            let call = Call {
                ticket: Ticket(n),
                turn: TurnId(n % INSTANCES + 1),
                kind: Kind::Null,
                target: None,
                resource: Resource::Agent,
                body,
                key: None,
                deadline_ms: None,
                reserve_tokens: 0,
                repeatable: false,
                peer: None,
                aim: None,
            };
            black_box(kernel.handle(Event::Call(call), at(n / 100)));
        }
        println!("sys.null {} ns/op", (cpu_ns()? - begin) / CALLS);
    }
    Ok(())
}
