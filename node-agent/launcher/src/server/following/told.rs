//! What the tracer says, in the words of the protocol. What may not enter: who is followed, who is told.

use aion_abi::date::UnixMillis;
use aion_abi::kernel_event::{KernelCounts, KernelEvent, KernelEventKind, OnViolation, Violations};
use aion_sandbox::protocol::Rules;
use aion_tracer::{CLASSES, Counters, Event, Kind, Rule};

/// How threads are counted of which nothing is known.
pub(super) const UNFOLLOWED: &str = "unfollowed";

pub(super) fn told(event: Event) -> KernelEvent {
    KernelEvent {
        at_ms: UnixMillis(aion_tracer::date_of(event.at)),
        kind: kind(event.kind),
        pid: event.pid,
        call: event.call_name(),
        result: event.result,
        violation: event.rule.map(|rule| match rule {
            Rule::Alert => OnViolation::Alert,
            Rule::Deny => OnViolation::Deny,
            Rule::Kill => OnViolation::Kill,
        }),
        process: event.comm,
        text: event.text,
    }
}

pub(super) fn rule(action: OnViolation) -> Rule {
    match action {
        OnViolation::Alert => Rule::Alert,
        OnViolation::Deny => Rule::Deny,
        OnViolation::Kill => Rule::Kill,
    }
}

/// A breach of which is known that it was, and no more.
pub(super) fn untold(kind: KernelEventKind) -> KernelEvent {
    KernelEvent {
        at_ms: UnixMillis(0),
        kind,
        pid: 0,
        call: None,
        result: 0,
        violation: Some(OnViolation::Kill),
        process: String::new(),
        text: String::new(),
    }
}

fn kind(kind: Kind) -> KernelEventKind {
    match kind {
        Kind::Exec => KernelEventKind::Exec,
        Kind::Open => KernelEventKind::Open,
        Kind::Connect => KernelEventKind::Connect,
        Kind::Denied => KernelEventKind::Denied,
        Kind::OutOfMemory => KernelEventKind::OutOfMemory,
        Kind::Signal => KernelEventKind::Signal,
    }
}

/// Events that came out of the kernel and that nobody is told of.
pub(super) struct Lost {
    /// The daemon was behind.
    pub(super) untold: u64,
    /// They were in the ring still as their worker was let go.
    pub(super) unread: u64,
}

pub(super) fn counts(counters: &Counters, rules: &Rules, lost: Lost) -> KernelCounts {
    let by_class = |row: &[u64]| {
        let named = CLASSES.iter().zip(row).filter(|(_, count)| **count > 0);
        named
            .map(|(class, count)| ((*class).to_owned(), *count))
            .collect()
    };
    let lost = [
        ("ring", counters.dropped),
        ("rate", counters.limited),
        ("daemon", lost.untold),
        ("unread", lost.unread),
        (UNFOLLOWED, counters.unfollowed),
    ];
    let latency = CLASSES.iter().zip(&counters.latency);
    KernelCounts {
        calls: by_class(&counters.calls),
        denied: by_class(&counters.denied),
        events: (Kind::ALL.into_iter())
            .map(|it| (kind(it), counters.of(it)))
            .filter(|(_, count)| *count > 0)
            .collect(),
        violations: [
            (Kind::Exec, rules.exec),
            (Kind::Open, rules.open),
            (Kind::Connect, rules.connect),
        ]
        .into_iter()
        .filter_map(|(it, action)| {
            let (action, count) = (action?, counters.broken(it));
            (count > 0).then_some((kind(it), Violations { action, count }))
        })
        .collect(),
        lost: (lost.into_iter())
            .filter(|(_, count)| *count > 0)
            .map(|(why, count)| (why.to_owned(), count))
            .collect(),
        latency: latency
            .filter(|(_, row)| row.iter().any(|count| *count > 0))
            .map(|(class, row)| ((*class).to_owned(), row.to_vec()))
            .collect(),
    }
}
