//! What guardrails cost a write to a device: `cargo run --release -p aion-kernel --example guard_cost`.
//!
//! Prints nanoseconds of CPU (as Linux counts them for the thread) of a write that a guardrail refuses, from the event to
//! the answer, less what the same costs where the grant refuses it: with 10 rules on the node and with 10,000, four for each
//! device. Nothing is asserted.

use std::hint::black_box;

use aion_kernel::{
    Aim, Body, BodyDigest, Call, Check, Clause, Comparison, Condition, Event, Generation,
    GrantRule, Guarding, Guards, Incarnation, InstanceSpec, InstanceUid, Invoke, Kernel, Kind,
    Lane, Limits, Measure, Millis, Name, Now, Point, Profile, Quota, Resource, Rule, TargetPattern,
    Term, Ticket, TurnId, Verdict,
};

const CALLS: u64 = 200_000;

/// Nanoseconds this thread has run.
fn cpu_ns() -> std::io::Result<u64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns = stat
        .split_whitespace()
        .next()
        .and_then(|ns| ns.parse().ok());
    ns.ok_or_else(|| std::io::Error::other("no number in /proc/thread-self/schedstat"))
}

const NOW: Now = Now {
    at: Millis(1_000),
    date: aion_kernel::Date(1_000),
};

fn device(n: u64) -> Name {
    format!("home/device-{n:05}").into()
}

/// Four rules of each device; the last of them refuses.
fn guards(n: u64) -> Result<Guards, Box<dyn std::error::Error>> {
    let open = Term::Sensed {
        device: device(n),
        point: "open".into(),
    };
    let compare = |left, how, right| Clause::Compare(left, how, Term::Constant(Measure(right)));
    let forbid = Condition::new(Clause::All(vec![
        compare(Term::Wanted, Comparison::Greater, 18_000_000),
        compare(open, Comparison::Equal, 1),
    ]))?;
    let checks = [
        Check::Minimum(Measure(5_000_000)),
        Check::Maximum(Measure(30_000_000)),
        Check::Rate {
            times: 64,
            within_ms: 60_000,
        },
        Check::Forbid(forbid),
    ];
    let rules = checks.into_iter().enumerate().map(|(at, check)| Rule {
        name: format!("rule-{at}").into(),
        reason: None,
        points: vec!["target".into()],
        checks: vec![check],
    });
    let point = Point {
        name: "target".into(),
        heard: true,
    };
    Ok(Guards::new(vec![point], rules.collect())?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for devices in [3, 2_500] {
        let refused = run(devices, "target")?;
        let denied = run(devices, "elsewhere")?;
        println!(
            "{:>6} rules: {refused} ns a write that a guardrail refuses, {denied} ns one that the grant does, {} ns more",
            devices * 4,
            refused.saturating_sub(denied)
        );
    }
    Ok(())
}

/// Nanoseconds a call.
fn run(devices: u64, target: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let mut kernel = Kernel::new(Limits::default());
    let body = Body {
        digest: BodyDigest([7; 32]),
        size: 100,
    };
    let rule = GrantRule {
        verdict: Verdict::Allow,
        kind: Kind::DeviceWrite,
        target: TargetPattern::Exact("target".into()),
        origin: "bench".into(),
    };
    let uid = InstanceUid(7);
    let profile = Profile {
        tenant: "home".into(),
        agent: "agent".into(),
        revision: "1".into(),
        lane: Lane::Interactive,
        required_layers: Vec::new(),
        grants: vec![rule].into(),
        quota: Quota::default(),
        max_turn_seconds: 86_400,
    };
    kernel.handle(Event::Apply(InstanceSpec { uid, profile }), NOW);
    let invoke = Invoke {
        ticket: None,
        instance: uid,
        cause: "bench".into(),
        input: body,
        deadline_ms: None,
        payer: None,
    };
    kernel.handle(Event::Invoke(invoke), NOW);
    let ready = Event::WorkerReady {
        turn: TurnId(1),
        incarnation: Incarnation(1),
        pid: 1,
        start_time: 1,
        layers: Vec::new(),
    };
    kernel.handle(ready, NOW);
    for n in 0..devices {
        let guards = Guarding::By {
            guards: guards(n)?.into(),
            generation: Generation::default(),
        };
        let device = device(n);
        kernel.handle(
            Event::Guard {
                device: device.clone(),
                guards,
            },
            NOW,
        );
        let open = Event::Sensed {
            device,
            point: "open".into(),
            value: Some(Measure(1)),
            until: None,
        };
        kernel.handle(open, NOW);
    }
    let names: Vec<Name> = (0..devices).map(device).collect();
    let (target, point) = (Name::from(target), Name::from("target"));
    let resource = Resource::Devices("home/mosquitto".into());
    let calls: Vec<Call> = (0..CALLS)
        .zip(names.iter().cycle())
        .map(|(n, device)| Call {
            ticket: Ticket(n),
            turn: TurnId(1),
            kind: Kind::DeviceWrite,
            target: Some(target.clone()),
            resource: resource.clone(),
            body,
            key: None,
            deadline_ms: None,
            reserve_tokens: 0,
            repeatable: false,
            peer: None,
            aim: Some(Aim {
                generation: Generation::default(),
                device: device.clone(),
                point: point.clone(),
                value: Some(Measure(20_000_000)),
                week_ms: 0,
            }),
        })
        .collect();
    let begin = cpu_ns()?;
    for call in calls {
        black_box(kernel.handle(Event::Call(call), NOW));
    }
    Ok((cpu_ns()? - begin) / CALLS)
}
