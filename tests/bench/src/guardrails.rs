//! `guardrail_ns`: what the four guardrails of a device cost a write that the last of them refuses, from the event to the
//! kernel's answer, less what the same costs where the grant refuses it. In nanoseconds of CPU, as Linux counts them for the
//! thread; with 10,000 rules, and beside it with 12. Each device was written once, so that its rate has something to count.
//!
//! One device is asked over and over, so that its lines of memory are in the processor's nearest cache: a decision reads
//! the same few however many rules there are, and costs the same. `guardrail_in_turn_ns` is one device after another, each
//! last looked at 2,500 decisions ago: what it takes more is the way to those lines, some twenty, and beside it stands what
//! one line takes that lies as far away.

use std::hint::black_box;

use aion_kernel::{
    Aim, Body, BodyDigest, Call, CallId, Check, Clause, Comparison, Condition, Event, Finish,
    Generation, GrantRule, Guarding, Guards, Incarnation, InstanceSpec, InstanceUid, Invoke,
    Kernel, Kind, Lane, Limits, Measure, Millis, Name, Now, Point, Profile, Quota, Resource, Rule,
    TargetPattern, Term, Ticket, TurnId, Usage, Verdict,
};

use anyhow::{Context, Result};

use crate::report::{Figure, median};

const CALLS: u64 = 200_000;
/// Of four rules each.
const DEVICES: u64 = 2_500;

/// Nanoseconds this thread has run.
fn cpu_ns() -> Result<u64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns = stat
        .split_whitespace()
        .next()
        .and_then(|ns| ns.parse().ok());
    ns.context("no number in /proc/thread-self/schedstat")
}

const NOW: Now = Now {
    at: Millis(1_000),
    date: aion_kernel::Date(1_000),
};

const BODY: Body = Body {
    digest: BodyDigest([7; 32]),
    size: 100,
};

fn device(n: u64) -> Name {
    format!("home/device-{n:05}").into()
}

/// Four rules of each device; the last of them refuses.
fn guards(n: u64) -> Result<Guards> {
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

/// Measures the figures.
pub(crate) fn measure(rounds: usize) -> Result<Vec<Figure>> {
    let (mut few, mut many) = (Vec::new(), Vec::new());
    let (mut in_turn, mut lines) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        few.push(added(3, 1)?);
        many.push(added(DEVICES, 1)?);
        in_turn.push(added(DEVICES, DEVICES)?);
        lines.push(line()?);
    }
    Ok(vec![
        Figure::against(
            "guardrail_ns",
            median(&mut many),
            "ns",
            median(&mut few),
            "flat from 10 to 10,000 rules",
        ),
        Figure::against(
            "guardrail_in_turn_ns",
            median(&mut in_turn),
            "ns",
            median(&mut lines),
            "a few lines of memory that are in no near cache",
        ),
    ])
}

/// What guardrails add to a call, of `asked` of so many devices one after another.
fn added(devices: u64, asked: u64) -> Result<f64> {
    let refused = run(devices, asked, "target")?;
    let denied = run(devices, asked, "elsewhere")?;
    Ok((refused - denied).max(0.0))
}

/// Nanoseconds until one line of 4 MiB is there, each known by the one before.
fn line() -> Result<f64> {
    const LINES: usize = (4 << 20) / 64;
    let mut next = vec![[0_usize; 8]; LINES];
    let mut at = 0;
    for _ in 0..LINES {
        // Odd, and far from any stride that a processor guesses.
        let to = (at + 40_503) % LINES;
        next[at][0] = to;
        at = to;
    }
    let begin = cpu_ns()?;
    for _ in 0..CALLS {
        at = black_box(next[at][0]);
    }
    Ok((cpu_ns()? - begin) as f64 / CALLS as f64)
}

/// Nanoseconds a call.
fn run(devices: u64, asked: u64, target: &str) -> Result<f64> {
    let mut kernel = Kernel::new(Limits::default());
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
        input: BODY,
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
            generation: Generation(n),
        };
        let device = device(n);
        kernel.handle(
            Event::Guard {
                device: device.clone(),
                guards,
            },
            NOW,
        );
        let open = |is| Event::Sensed {
            device: device.clone(),
            point: "open".into(),
            value: Some(Measure(is)),
            until: None,
        };
        kernel.handle(open(0), NOW);
        kernel.handle(Event::Call(call(CALLS + n, n, &device, "target")), NOW);
        kernel.handle(open(1), NOW);
        let finished = Event::Finished {
            call: CallId(n + 1),
            finish: Finish::Ok { body: None },
            usage: Usage::default(),
        };
        kernel.handle(finished, NOW);
    }
    let names: Vec<Name> = (0..devices).map(device).collect();
    let calls: Vec<Call> = (0..CALLS)
        .map(|n| {
            let at = n % asked;
            call(n, at, &names[at as usize], target)
        })
        .collect();
    let begin = cpu_ns()?;
    for call in calls {
        black_box(kernel.handle(Event::Call(call), NOW));
    }
    Ok((cpu_ns()? - begin) as f64 / CALLS as f64)
}

/// A write to the device of this generation.
fn call(n: u64, generation: u64, device: &Name, target: &str) -> Call {
    Call {
        ticket: Ticket(n),
        turn: TurnId(1),
        kind: Kind::DeviceWrite,
        target: Some(target.into()),
        resource: Resource::Devices("home/mosquitto".into()),
        body: BODY,
        key: None,
        deadline_ms: None,
        reserve_tokens: 0,
        repeatable: false,
        peer: None,
        aim: Some(Aim {
            generation: Generation(generation),
            device: device.clone(),
            point: "target".into(),
            value: Some(Measure(20_000_000)),
            safe: None,
            week_ms: 0,
        }),
    }
}
