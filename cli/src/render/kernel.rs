//! What an agent did in the kernel of the machine, one line an event.

use aion_abi::{
    admin::KernelTrace,
    kernel_event::{KernelEvent, KernelEventKind, OnViolation},
};
use jiff::tz::TimeZone;

use super::{
    age,
    screen::{Screen, Tone, tame},
};

/// One line, without its end.
pub(crate) fn line(screen: &Screen, trace: &KernelTrace, zone: &TimeZone) -> String {
    let run = format!("turn {}.{}", trace.turn, trace.incarnation);
    let Some(event) = &trace.event else {
        let text = format!("{run}  {} events of this run are lost", trace.lost);
        return screen.paint(&text, Tone::Warn);
    };
    let tone = match event.kind {
        KernelEventKind::Exec | KernelEventKind::Connect => Tone::Strong,
        KernelEventKind::Open => Tone::Warn,
        KernelEventKind::Denied | KernelEventKind::OutOfMemory | KernelEventKind::Signal => {
            Tone::Bad
        }
    };
    format!(
        "{}  {run}  {}  {}[{}]  {}",
        screen.paint(&age::clock(event.at_ms, zone), Tone::Faint),
        screen.paint(event.kind.as_str(), tone),
        tame(&event.process),
        event.pid,
        what(trace, event)
    )
}

fn what(trace: &KernelTrace, event: &KernelEvent) -> String {
    let mut words: Vec<String> = event
        .call
        .iter()
        .map(|call| tame(call).to_string())
        .collect();
    if !event.text.is_empty() {
        words.push(tame(&event.text).to_string());
    }
    match (event.kind, event.result) {
        (KernelEventKind::Signal, signal) => words.push(format!("signal {signal}")),
        (_, failed) if failed < 0 => {
            words.push(std::io::Error::from_raw_os_error(-failed).to_string());
        }
        _ => {}
    }
    let policy = trace.policy.as_deref().unwrap_or("its policy");
    words.extend(event.violation.map(|did| {
        let done = match did {
            OnViolation::Alert => "",
            OnViolation::Deny => ": refused",
            OnViolation::Kill => ": killed",
        };
        format!("(against {}{done})", tame(policy))
    }));
    words.join("  ")
}

#[cfg(test)]
mod tests {
    use aion_abi::date::UnixMillis;

    use super::*;

    fn drawn(trace: &KernelTrace) -> String {
        line(&Screen::test(None, false, true), trace, &TimeZone::UTC)
    }

    #[test]
    fn an_event_says_when_in_which_turn_who_and_what() {
        let mut trace = KernelTrace {
            turn: 7,
            incarnation: 2,
            trace: None,
            policy: Some("AgentPolicy/strict".into()),
            event: Some(KernelEvent {
                at_ms: UnixMillis(0),
                kind: KernelEventKind::Open,
                pid: 41,
                process: "py\x1bthon".into(),
                call: Some("openat".into()),
                result: -13,
                violation: Some(OnViolation::Kill),
                text: "/etc/shadow".into(),
            }),
            lost: 0,
        };
        assert_eq!(
            drawn(&trace),
            "1970-01-01 00:00:00  turn 7.2  open  py\\u{1b}thon[41]  openat  /etc/shadow  \
             Permission denied (os error 13)  (against AgentPolicy/strict: killed)"
        );
        trace.event = None;
        trace.lost = 4;
        assert_eq!(drawn(&trace), "turn 7.2  4 events of this run are lost");
    }
}
