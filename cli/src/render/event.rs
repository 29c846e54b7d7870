//! What happens on a node, one line an event: when, whose, what.

use aion_abi::event::{Because, Event, Happened, Item, Missed, Standing, Syscall, Turn, TurnState};
use jiff::tz::TimeZone;

use super::{
    age,
    screen::{Screen, Tone, tame},
};

/// The column of agents.
const AGENT: usize = 20;

/// One line, without its end.
pub(crate) fn line(screen: &Screen, item: &Item, zone: &TimeZone) -> String {
    match item {
        Item::Event(event) => drawn(screen, event, zone),
        Item::Missed(missed) => screen.paint(&lost(*missed), Tone::Warn),
        Item::Listening {} => screen.paint("the node answers", Tone::Faint),
        Item::Away {} => screen.paint("the node does not answer", Tone::Warn),
    }
}

fn lost(missed: Missed) -> String {
    let how_many = missed.events.map(|it| format!("{it} events"));
    let what = how_many.unwrap_or_else(|| "events".to_owned());
    let why = match missed.because {
        Because::Restarted => "the node was started again",
        Because::Unheard => "nobody listened",
        Because::Late => "they were not read in time",
        Because::Unknown => "they are of a newer version",
    };
    format!("{what} are missing: {why}")
}

fn drawn(screen: &Screen, event: &Event, zone: &TimeZone) -> String {
    let (tone, what) = what(&event.what);
    let agent = event.agent.as_deref().unwrap_or("-");
    let agent = agent.strip_prefix("default/").unwrap_or(agent);
    format!(
        "{}  {:<AGENT$}  {}",
        screen.paint(&age::clock(event.at_ms, zone), Tone::Faint),
        tame(agent),
        match tone {
            Some(tone) => screen.paint(&what, tone),
            None => what,
        }
    )
}

fn what(what: &Happened) -> (Option<Tone>, String) {
    match what {
        Happened::Agent {
            replica,
            state,
            because,
        } => {
            let (tone, state) = match state {
                Standing::Ready => (None, "is ready"),
                Standing::Unready => (Some(Tone::Warn), "is not ready"),
                Standing::Gone => (Some(Tone::Warn), "is gone"),
            };
            let because = because.iter().map(|it| format!(": {}", tame(it)));
            let because: String = because.collect();
            (tone, format!("instance {replica} {state}{because}"))
        }
        Happened::Turn(turn) => self::turn(turn),
        Happened::Syscall(syscall) => self::syscall(syscall),
        Happened::Queue(queue) => {
            let text = format!(
                "turns: {} wait, {} run, {} paused; calls: {} wait, {} run, {} ask",
                queue.turns_waiting,
                queue.turns_running,
                queue.turns_paused,
                queue.calls_waiting,
                queue.calls_running,
                queue.approvals_pending
            );
            (Some(Tone::Faint), text)
        }
        Happened::Log { source, text, .. } => {
            let tone = (source == "stderr").then_some(Tone::Warn);
            (tone, format!("{}  {}", tame(source), tame(text)))
        }
    }
}

fn turn(turn: &Turn) -> (Option<Tone>, String) {
    let (tone, text) = match &turn.state {
        TurnState::Queued { cause, caller } => {
            let cause = cause.iter().map(|it| tame(it));
            let caller = caller.iter().map(|it| format!("called by turn {it}"));
            let because: Vec<String> = cause.chain(caller).collect();
            match because.is_empty() {
                true => (None, "waits".to_owned()),
                false => (None, format!("waits ({})", because.join(", "))),
            }
        }
        TurnState::Started { incarnation } => (None, format!("starts, run {incarnation}")),
        TurnState::Asked {
            approval,
            capability,
        } => (
            Some(Tone::Warn),
            format!(
                "asks for {}: aionctl approvals show {approval}",
                tame(capability)
            ),
        ),
        TurnState::Answered { approval, word } => {
            (None, format!("approval {approval} is {}", word.as_str()))
        }
        TurnState::Paused => (None, "waits for a person".to_owned()),
        TurnState::Resumed => (None, "goes on".to_owned()),
        TurnState::Ended {
            ok,
            code,
            tokens,
            syscalls,
            elapsed_ms,
        } => {
            let how = match (ok, code) {
                (true, _) => "ended well".to_owned(),
                (false, Some(code)) => format!("failed: {code}"),
                (false, None) => "failed".to_owned(),
            };
            let took = age::duration(*elapsed_ms);
            (
                Some(if *ok { Tone::Strong } else { Tone::Bad }),
                format!("{how} in {took}, {syscalls} syscalls, {tokens} tokens"),
            )
        }
    };
    (tone, format!("turn {} {text}", turn.turn))
}

fn syscall(call: &Syscall) -> (Option<Tone>, String) {
    let took = call
        .elapsed_ms
        .map(|it| format!(" in {}", age::duration(it)));
    let tokens = (call.tokens > 0).then(|| format!(", {} tokens", call.tokens));
    let rest: String = took.into_iter().chain(tokens).collect();
    let capability = tame(&call.capability);
    let turn = call.turn;
    match (call.ok, call.code) {
        (true, _) => (None, format!("turn {turn} {capability}{rest}")),
        (false, code) => {
            let code = code.map_or_else(|| "failed".to_owned(), |it| it.to_string());
            (
                Some(Tone::Bad),
                format!("turn {turn} {capability}: {code}{rest}"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use aion_abi::{code::Code, date::UnixMillis};

    use super::*;

    fn drawn(agent: Option<&str>, what: Happened) -> String {
        let event = Event {
            at_ms: UnixMillis(0),
            agent: agent.map(str::to_owned),
            what,
        };
        let screen = Screen::test(None, false, true);
        line(&screen, &Item::Event(event), &TimeZone::UTC)
    }

    #[test]
    fn a_line_says_when_whose_and_what() {
        let ended = Happened::Turn(Turn {
            turn: 7,
            state: TurnState::Ended {
                ok: false,
                code: Some(Code::Cancelled),
                tokens: 3,
                syscalls: 2,
                elapsed_ms: 10,
            },
        });
        assert_eq!(
            drawn(Some("default/librarian"), ended),
            format!(
                "1970-01-01 00:00:00  librarian             turn 7 failed: cancelled in {}, 2 syscalls, 3 tokens",
                age::duration(10)
            )
        );
        let called = Happened::Syscall(Syscall {
            call: 1,
            turn: 7,
            capability: "tool.call:a\x1b[2J".into(),
            ok: true,
            code: None,
            elapsed_ms: None,
            tokens: 0,
        });
        assert_eq!(
            drawn(Some("lab/a"), called),
            "1970-01-01 00:00:00  lab/a                 turn 7 tool.call:a\\u{1b}[2J"
        );
    }

    #[test]
    fn a_turn_that_waits_says_who_called_it() {
        let queued = |cause: Option<&str>, caller| {
            let cause = cause.map(str::to_owned);
            let state = TurnState::Queued { cause, caller };
            turn(&Turn { turn: 8, state }).1
        };
        assert_eq!(
            queued(Some("agent"), Some(7)),
            "turn 8 waits (agent, called by turn 7)"
        );
        assert_eq!(queued(Some("admin"), None), "turn 8 waits (admin)");
        assert_eq!(queued(None, None), "turn 8 waits");
    }

    #[test]
    fn what_is_missing_is_said_with_its_number() {
        let missed = Missed {
            events: Some(5),
            because: Because::Late,
        };
        assert_eq!(
            lost(missed),
            "5 events are missing: they were not read in time"
        );
    }
}
