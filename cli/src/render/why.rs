//! The causal chain of an agent, drawn from its signature to its last refusals.

use std::collections::BTreeMap;

use aion_abi::{
    admin::{Denial, Link, LinkState, Why},
    date::UnixMillis,
};
use jiff::tz::TimeZone;

use super::{
    age, kernel,
    screen::{Screen, Tone, tame},
};

/// Draws the chain.
pub(crate) fn chain(screen: &Screen, why: &Why, zone: &TimeZone) -> String {
    let verdict = if why.ready {
        screen.paint("ready", Tone::Good)
    } else {
        screen.paint("not ready", Tone::Bad)
    };
    let mut out = format!(
        "{}  {verdict}\n",
        screen.paint(&tame(&why.agent), Tone::Strong)
    );
    let stage = why.links.iter().map(|l| l.stage.chars().count()).max();
    let stage = stage.unwrap_or_default();
    for (at, link) in why.links.iter().enumerate() {
        out += &self::link(screen, link, stage, at + 1 == why.links.len());
    }
    out.push('\n');
    out + &match why.kernel_events.is_empty() {
        true => denials(screen, &why.denials, zone),
        false => turns(screen, why, zone),
    }
}

/// What is known of one turn.
#[derive(Default)]
struct Turn<'a> {
    trace: Option<&'a str>,
    lines: Vec<(UnixMillis, String)>,
}

/// What was refused and what happened in the kernel of the machine, one chain a turn, in the order of time.
fn turns(screen: &Screen, why: &Why, zone: &TimeZone) -> String {
    let mut turns: BTreeMap<u64, Turn<'_>> = BTreeMap::new();
    for denial in &why.denials {
        let turn = turns.entry(denial.turn).or_default();
        turn.trace = turn.trace.or(denial.trace.as_deref());
        let line = format!(
            "{}: {}",
            self::denial(screen, denial, zone),
            tame(&denial.rule)
        );
        turn.lines.push((denial.at_ms, line));
    }
    // Oldest first, and where events were lost is where the next one was told.
    let mut at = UnixMillis(0);
    for event in why.kernel_events.iter().rev() {
        let turn = turns.entry(event.turn).or_default();
        turn.trace = turn.trace.or(event.trace.as_deref());
        at = event.event.as_ref().map_or(at, |event| event.at_ms);
        turn.lines.push((at, kernel::line(screen, event, zone)));
    }
    let mut out =
        "Last refusals and what was done in the kernel of the machine, newest turn first:\n"
            .to_owned();
    for (turn, Turn { trace, mut lines }) in turns.into_iter().rev() {
        let trace = trace.map(|trace| format!("  trace {}", tame(trace)));
        let heading = format!("turn {turn}{}", trace.unwrap_or_default());
        out += &format!("  {}\n", screen.paint(&heading, Tone::Strong));
        lines.sort_by_key(|(at, _)| *at);
        for (_, line) in lines {
            out += &format!("    {line}\n");
        }
    }
    out
}

fn link(screen: &Screen, link: &Link, width: usize, last: bool) -> String {
    let (fancy, plain, tone) = match link.state {
        LinkState::Ok => ("✓", "ok  ", Tone::Good),
        LinkState::Degraded => ("!", "less", Tone::Warn),
        LinkState::Failed => ("✗", "FAIL", Tone::Bad),
        LinkState::Pending => ("…", "wait", Tone::Faint),
    };
    let (branch, stem) = match (last, screen.unicode) {
        (false, true) => ("├─ ", "│  "),
        (true, true) => ("└─ ", "   "),
        (false, false) => ("|- ", "|  "),
        (true, false) => ("`- ", "   "),
    };
    let mark = screen.paint(screen.pick(fancy, plain), tone);
    let stage = format!("{:width$}", tame(&link.stage));
    let reason = screen.paint(&tame(&link.reason), Tone::Faint);
    let mut out = format!("{branch}{mark} {stage}  {reason}\n");
    let indent = stem.chars().count() + 2;
    for line in screen.wrap(&tame(&link.message), indent + 2) {
        out += &format!("{stem}  {line}\n");
    }
    out
}

fn denials(screen: &Screen, denials: &[Denial], zone: &TimeZone) -> String {
    if denials.is_empty() {
        return "No syscall was refused.\n".to_owned();
    }
    let mut out = "Last refusals, newest first:\n".to_owned();
    for denial in denials {
        out += &format!("  {}\n", self::denial(screen, denial, zone));
        for line in screen.wrap(&tame(&denial.rule), 6) {
            out += &format!("      {line}\n");
        }
    }
    out
}

fn denial(screen: &Screen, denial: &Denial, zone: &TimeZone) -> String {
    format!(
        "{}  turn {}  {}  {}",
        screen.paint(&age::clock(denial.at_ms, zone), Tone::Faint),
        denial.turn,
        tame(&denial.capability),
        screen.paint(denial.code.as_str(), Tone::Bad),
    )
}

#[cfg(test)]
mod tests {
    use aion_abi::code::Code;
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn why() -> Why {
        let link = |stage: &str, state, reason: &str, message: &str| Link {
            stage: stage.into(),
            state,
            reason: reason.into(),
            message: message.into(),
        };
        Why {
            agent: "default/librarian".into(),
            ready: false,
            links: vec![
                link("accepted", LinkState::Ok, "Valid", "the manifest is valid"),
                link(
                    "sandbox",
                    LinkState::Failed,
                    "LayerMissing",
                    "cgroup is required by the policy `strict` and is not enforced on this node: run the launcher as root",
                ),
            ],
            noted: None,
            kernel_events: Vec::new(),
            denials: vec![Denial {
                at_ms: aion_abi::date::UnixMillis(0),
                turn: 3,
                trace: None,
                capability: "fs.read:notes".into(),
                code: Code::Denied,
                rule: "no grant".into(),
            }],
        }
    }

    #[test]
    fn the_chain_reads_from_its_cause_to_its_effect() {
        let drawn = chain(&Screen::test(Some(66), false, true), &why(), &TimeZone::UTC);
        assert_eq!(
            drawn,
            "default/librarian  not ready\n\
             ├─ ✓ accepted  Valid\n\
             │    the manifest is valid\n\
             └─ ✗ sandbox   LayerMissing\n     \
             cgroup is required by the policy `strict` and is not\n     \
             enforced on this node: run the launcher as root\n\
             \n\
             Last refusals, newest first:\n\
             \x20\x201970-01-01 00:00:00  turn 3  fs.read:notes  denied\n      no grant\n"
        );
    }

    #[test]
    fn a_turns_refused_syscalls_and_what_the_kernel_saw_are_one_chain() {
        use aion_abi::{
            admin::KernelTrace,
            kernel_event::{KernelEvent, KernelEventKind, OnViolation},
        };
        let seen = |turn, at, path: &str| KernelTrace {
            turn,
            incarnation: 1,
            trace: Some("0af7651916cd43dd8448eb211c80319c".into()),
            policy: Some("AgentPolicy/strict".into()),
            event: Some(KernelEvent {
                at_ms: UnixMillis(at),
                kind: KernelEventKind::Exec,
                pid: 41,
                process: "sh".into(),
                call: None,
                result: 0,
                violation: Some(OnViolation::Kill),
                text: path.into(),
            }),
            lost: 0,
        };
        let mut why = why();
        // Newest first, as a node tells them.
        why.kernel_events = vec![seen(4, 9000, "/bin/last"), seen(3, 1000, "/bin/after")];
        let drawn = chain(&Screen::test(None, false, true), &why, &TimeZone::UTC);
        let (_, turns) = drawn.split_once("newest turn first:\n").unwrap_or_default();
        let policy = "(against AgentPolicy/strict: killed)";
        let trace = "trace 0af7651916cd43dd8448eb211c80319c";
        assert_eq!(
            turns,
            format!(
                "  turn 4  {trace}\n    1970-01-01 00:00:09  turn 4.1  exec  sh[41]  /bin/last  {policy}\n  \
                 turn 3  {trace}\n    1970-01-01 00:00:00  turn 3  fs.read:notes  denied: no grant\n    \
                 1970-01-01 00:00:01  turn 3.1  exec  sh[41]  /bin/after  {policy}\n"
            )
        );
    }

    #[test]
    fn without_utf8_the_chain_is_ascii_and_says_the_same() {
        let drawn = chain(
            &Screen::test(Some(80), false, false),
            &why(),
            &TimeZone::UTC,
        );
        assert!(drawn.is_ascii(), "{drawn}");
        assert!(drawn.contains("|- ok   accepted  Valid"), "{drawn}");
        assert!(drawn.contains("`- FAIL sandbox   LayerMissing"), "{drawn}");
        for line in drawn.lines() {
            assert!(line.width() <= 80, "{line}");
        }
    }
}
