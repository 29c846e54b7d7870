//! The causal chain of an agent, drawn from its signature to its last refusals.

use aion_abi::admin::{Denial, Link, LinkState, Why};
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
    out += &denials(screen, &why.denials, zone);
    if !why.kernel_events.is_empty() {
        out += "Last in the kernel of the machine, newest first:\n";
        for trace in &why.kernel_events {
            out += &format!("  {}\n", kernel::line(screen, trace, zone));
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
        out += &format!(
            "  {}  turn {}  {}  {}\n",
            screen.paint(&age::clock(denial.at_ms, zone), Tone::Faint),
            denial.turn,
            tame(&denial.capability),
            screen.paint(denial.code.as_str(), Tone::Bad),
        );
        for line in screen.wrap(&tame(&denial.rule), 6) {
            out += &format!("      {line}\n");
        }
    }
    out
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
