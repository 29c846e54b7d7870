//! `aionctl local status`.

use std::path::Path;

use aion_abi::{
    admin::{Layer, NodeStatus},
    date::UnixMillis,
    kernel_event::KernelHook,
};
use aion_client::ClientError;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use crate::{
    context::Context,
    failure::{Failure, Status},
    process::Program,
    render::{
        age,
        screen::{Screen, Tone, tame},
        table::{Field, table},
    },
};

use super::{
    StatusArgs,
    gateway::{Gateway, variables},
    service::{AtBoot, By, Kept, Shown, Standing},
};

pub(super) async fn run(context: &Context, args: StatusArgs) -> Result<(), Failure> {
    let home = context.home()?;
    let programs = [
        super::node(&home),
        super::launcher(&home),
        super::gateway(&home),
    ];
    let standing = Standing::find(&home);
    let gateway = Gateway::find(&home, &standing);
    let status = context.node()?.status().await;
    if args.json {
        let pid = |it: &Program| (it.name.to_owned(), json!(standing.seen(it).0));
        let pids: serde_json::Map<_, _> = programs.iter().map(pid).collect();
        context.print_json(&json!({
            "node": status.as_ref().ok(),
            "pids": pids,
            "gateway": {"on": gateway != Gateway::Off, "url": gateway.url(), "tokenFile": home.gateway_token()},
            "service": standing.json(&programs),
        }))?;
    } else {
        context.print(&processes(&context.screen, &standing, &programs, &gateway))?;
        context.print(&watched(&context.screen, &standing, &programs))?;
        context.print(&asked(&context.screen, &gateway, &home.gateway_token()))?;
        if let Ok(status) = &status {
            context.print(&told(&context.screen, status))?;
        }
    }
    match status {
        Ok(_) => Ok(()),
        Err(ClientError::Unreachable { at, .. }) => Err(Failure::new("the node does not run")
            .at(at)
            .remedy("aionctl local start")
            .status(Status::Unreachable)),
        Err(error) => Err(error.into()),
    }
}

fn processes(
    screen: &Screen,
    standing: &Standing,
    programs: &[Program],
    gateway: &Gateway,
) -> String {
    let rows: Vec<_> = programs
        .iter()
        .map(|program| {
            let (pid, log) = standing.seen(program);
            let (state, tone, pid) = match pid {
                Some(pid) => ("runs", Tone::Good, pid.to_string()),
                None if program.name == "aion-gateway" && *gateway == Gateway::Off => {
                    ("is off", Tone::Faint, String::new())
                }
                None => ("does not run", Tone::Bad, String::new()),
            };
            vec![
                Field::plain(program.name),
                Field::toned(state, tone),
                Field::plain(pid),
                Field::toned(log, Tone::Faint),
            ]
        })
        .collect();
    table(screen, &["program", "state", "pid", "log"], &rows)
}

/// Who watches the programs, what they had to do, and whether they start at boot.
fn watched(screen: &Screen, standing: &Standing, programs: &[Program]) -> String {
    let mut out = String::from("\n");
    let (who, tone) = standing.who();
    out += &fact(screen, "watched by", &screen.paint(&tame(&who), tone));
    for program in programs {
        if let Some((text, tone)) = standing.restarts(program) {
            let text = format!("{}: {text}", program.name);
            out += &fact(screen, "restarts", &screen.paint(&tame(&text), tone));
        }
    }
    let (at_boot, tone) = match &standing.at_boot {
        AtBoot::Yes(how) => (format!("started by {how}"), Tone::Good),
        AtBoot::No(advice) => (format!("not started: {advice}"), Tone::Warn),
    };
    out + &fact(screen, "at boot", &screen.paint(&tame(&at_boot), tone))
}

/// Where programs ask, and how they get there.
fn asked(screen: &Screen, gateway: &Gateway, token: &Path) -> String {
    let (text, tone) = match gateway {
        Gateway::Serves(serving) => {
            let (url, shown) = (serving.url(), token.display());
            let root = url.trim_end_matches("/v1");
            let text = format!(
                "REST and OpenAI's API at {url}, MCP at {root}/mcp, A2A at {url}/a2a/NAMESPACE/AGENT, with the token in {shown}"
            );
            let text = fact(screen, "gateway", &screen.paint(&tame(&text), Tone::Good));
            return text + &fact(screen, "use it", &tame(&variables(&url, token)));
        }
        Gateway::Off => (
            "off: none was started; aionctl local start does, unless --no-gateway or AION_GATEWAY=false is said",
            Tone::Faint,
        ),
        Gateway::Ended => (
            "it does not run: its log says why; then aionctl local start",
            Tone::Bad,
        ),
        Gateway::Starts => ("it does not listen yet; its log says why", Tone::Warn),
    };
    fact(screen, "gateway", &screen.paint(text, tone))
}

fn fact(screen: &Screen, label: &str, text: &str) -> String {
    let label = screen.paint(&format!("{label:<10}"), Tone::Faint);
    format!("{label} {text}\n")
}

fn times(restarts: u64) -> String {
    match restarts {
        0 => "none".to_owned(),
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}

impl Standing {
    /// Its process, and where to read what it wrote.
    fn seen(&self, program: &Program) -> (Option<i32>, String) {
        let by_hand = program.running().map(|running| running.pid);
        match &self.by {
            By::Systemd { units, .. } if by_hand.is_none() => (
                self.unit(program).and_then(|it| it.pid),
                units.log_of(units.of_program(program.name)),
            ),
            _ => (by_hand, program.log().display().to_string()),
        }
    }

    fn unit(&self, program: &Program) -> Option<&Shown> {
        match &self.by {
            By::Systemd {
                node,
                launcher,
                gateway,
                ..
            } => match program.name {
                "aion-launcher" => Some(launcher),
                "aion-gateway" => gateway.as_deref(),
                _ => Some(node),
            },
            By::Aionctl(..) | By::Nobody => None,
        }
    }

    fn kept(&self, program: &Program) -> Option<&Kept> {
        match &self.by {
            By::Aionctl(_, told) => told.as_ref()?.programs.get(program.name),
            By::Systemd { .. } | By::Nobody => None,
        }
    }

    fn who(&self) -> (String, Tone) {
        match &self.by {
            By::Systemd { units, node, .. } => {
                let since = match node.since.as_str() {
                    "" => String::new(),
                    since => format!(" since {since}"),
                };
                let text = format!("systemd: {} and {}{since}", units.launcher, units.node);
                (text, Tone::Good)
            }
            By::Aionctl(running, told) => {
                let since = told.as_ref().map_or_else(String::new, |told| {
                    let clock = age::clock(told.since_ms, &TimeZone::system());
                    format!(" since {clock}")
                });
                let text = format!("aionctl local supervise (pid {}){since}", running.pid);
                (text, Tone::Good)
            }
            By::Nobody => (
                "nobody: nothing starts the node again when it ends; aionctl local start does"
                    .to_owned(),
                Tone::Warn,
            ),
        }
    }

    fn restarts(&self, program: &Program) -> Option<(String, Tone)> {
        if let Some(unit) = self.unit(program) {
            let text = times(unit.restarts);
            return Some(match unit.state.as_str() {
                "failed" => (
                    format!(
                        "{text}; systemd gave up ({}): aionctl local start",
                        unit.result
                    ),
                    Tone::Bad,
                ),
                "activating" => (format!("{text}; it is being started again"), Tone::Warn),
                _ => (text, Tone::Faint),
            });
        }
        let kept = self.kept(program)?;
        let clock = |date: &UnixMillis| age::clock(*date, &TimeZone::system());
        let mut text = times(kept.restarts);
        if let (Some(end), Some(at)) = (&kept.last_end, &kept.last_end_ms) {
            text += &format!(", last at {}: {end}", clock(at));
        }
        let tone = match kept.in_a_row {
            0 | 1 => Tone::Faint,
            _ => Tone::Warn,
        };
        if kept.in_a_row >= 2 {
            text += &format!(
                "; it ended {} times in a row without staying",
                kept.in_a_row
            );
        }
        if let Some(next) = &kept.next_start_ms {
            text += &format!(
                "; it is started again at {}, or now by aionctl local start",
                clock(next)
            );
        }
        Some((text, tone))
    }

    fn json(&self, programs: &[Program]) -> Value {
        let by = match &self.by {
            By::Systemd { .. } => Some("systemd"),
            By::Aionctl(..) => Some("aionctl"),
            By::Nobody => None,
        };
        let pid = match &self.by {
            By::Aionctl(running, _) => Some(running.pid),
            By::Systemd { .. } | By::Nobody => None,
        };
        let (at_boot, advice) = match &self.at_boot {
            AtBoot::Yes(how) => (true, how),
            AtBoot::No(advice) => (false, advice),
        };
        let of_program = |program: &Program| {
            let value = match (self.unit(program), self.kept(program)) {
                (Some(unit), _) => json!({"restarts": unit.restarts, "state": unit.state}),
                (None, Some(kept)) => json!(kept),
                (None, None) => Value::Null,
            };
            (program.name.to_owned(), value)
        };
        let told: serde_json::Map<String, Value> = programs.iter().map(of_program).collect();
        json!({"by": by, "pid": pid, "programs": told, "atBoot": at_boot, "atBootBy": advice})
    }
}

fn told(screen: &Screen, status: &NodeStatus) -> String {
    let mut out = String::from("\n");
    let mut fact = |label: &str, text: String| out += &fact(screen, label, &tame(&text));
    fact(
        "node",
        format!(
            "{} ({}, version {})",
            status.node, status.mode, status.version
        ),
    );
    let started = i64::try_from(status.started_at_ms.0).ok();
    let started = started.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    if let Some(started) = started {
        let clock = age::clock(status.started_at_ms, &TimeZone::system());
        fact(
            "since",
            format!("{clock} ({})", age::since(started, crate::clock::now())),
        );
    }
    fact("state", status.home.clone());
    fact(
        "agents",
        format!("{} of {} ready", status.agents_ready, status.agents),
    );
    fact(
        "turns",
        format!(
            "{} running, {} waiting",
            status.turns_running, status.turns_waiting
        ),
    );
    if status.approvals_pending > 0 {
        let waits = format!(
            "{} waiting for approval: aionctl approvals",
            status.approvals_pending
        );
        fact("approvals", waits);
    }
    if status.offline {
        fact(
            "network",
            "OFFLINE_MODE: no packet leaves this machine".to_owned(),
        );
    }
    fact("launcher", status.launcher.clone());
    out.push('\n');
    out += &layers(screen, &status.layers);
    if !status.hooks.is_empty() {
        out.push('\n');
        out += &hooks(screen, &status.hooks);
    }
    out
}

/// What agents are followed and held to rules by.
fn hooks(screen: &Screen, hooks: &[KernelHook]) -> String {
    let rows: Vec<_> = hooks
        .iter()
        .map(|hook| {
            let (state, tone) = match hook.lacking {
                None => ("used", Tone::Good),
                Some(_) => ("missing", Tone::Warn),
            };
            vec![
                Field::plain(hook.name.as_str()),
                Field::toned(state, tone),
                Field::plain(hook.lacking.as_deref().unwrap_or_default()),
            ]
        })
        .collect();
    table(screen, &["kernel hook", "state", "why"], &rows)
}

fn layers(screen: &Screen, layers: &[Layer]) -> String {
    if layers.is_empty() {
        return "The sandbox of this machine is not known yet.\n".to_owned();
    }
    let rows: Vec<_> = layers
        .iter()
        .map(|layer| {
            let (state, tone) = match layer.enforced {
                true => ("enforced", Tone::Good),
                false => ("missing", Tone::Warn),
            };
            vec![
                Field::plain(&layer.name),
                Field::toned(state, tone),
                Field::plain(&layer.evidence),
            ]
        })
        .collect();
    table(screen, &["sandbox layer", "state", "evidence"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_layer_is_named_with_its_reason() {
        let layer = |name: &str, enforced, evidence: &str| Layer {
            name: name.into(),
            enforced,
            evidence: evidence.into(),
        };
        let drawn = layers(
            &Screen::test(Some(80), false, true),
            &[
                layer("seccomp", true, "Seccomp: 2"),
                layer("cgroup", false, "no write access to /sys/fs/cgroup"),
            ],
        );
        assert_eq!(
            drawn,
            "SANDBOX LAYER   STATE      EVIDENCE\n\
             seccomp         enforced   Seccomp: 2\n\
             cgroup          missing    no write access to /sys/fs/cgroup\n"
        );
    }
}
