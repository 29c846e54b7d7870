//! `aionctl local status`.

use aion_abi::admin::{Layer, NodeStatus};
use aion_client::ClientError;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

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

use super::StatusArgs;

pub(super) async fn run(context: &Context, args: StatusArgs) -> Result<(), Failure> {
    let home = context.home()?;
    let programs = [super::node(&home), super::launcher(&home)];
    let status = context.node()?.status().await;
    if args.json {
        let running = |program: &Program| program.running().map(|running| running.pid);
        context.print_json(&json!({
            "node": status.as_ref().ok(),
            "pids": {"aion-node": running(&programs[0]), "aion-launcher": running(&programs[1])},
        }))?;
    } else {
        context.print(&processes(&context.screen, &programs))?;
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

fn processes(screen: &Screen, programs: &[Program]) -> String {
    let rows: Vec<_> = programs
        .iter()
        .map(|program| {
            let (state, tone, pid) = match program.running() {
                Some(running) => ("runs", Tone::Good, running.pid.to_string()),
                None => ("does not run", Tone::Bad, String::new()),
            };
            vec![
                Field::plain(program.name),
                Field::toned(state, tone),
                Field::plain(pid),
                Field::toned(program.log.display().to_string(), Tone::Faint),
            ]
        })
        .collect();
    table(screen, &["program", "state", "pid", "log"], &rows)
}

fn told(screen: &Screen, status: &NodeStatus) -> String {
    let mut out = String::from("\n");
    let mut fact = |label: &str, text: String| {
        let label = screen.paint(&format!("{:<10}", label), Tone::Faint);
        out += &format!("{label} {}\n", tame(&text));
    };
    fact(
        "node",
        format!(
            "{} ({}, version {})",
            status.node, status.mode, status.version
        ),
    );
    let started = i64::try_from(status.started_at_ms).ok();
    let started = started.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    if let Some(started) = started {
        let clock = age::clock(status.started_at_ms, &TimeZone::system());
        fact(
            "since",
            format!("{clock} ({})", age::since(started, Timestamp::now())),
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
    if status.offline {
        fact(
            "network",
            "OFFLINE_MODE: no packet leaves this machine".to_owned(),
        );
    }
    fact("launcher", status.launcher.clone());
    out.push('\n');
    out + &layers(screen, &status.layers)
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
