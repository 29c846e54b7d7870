//! `aionctl local stop`.

use std::time::Duration;

use rustix::process::Signal;

use crate::{
    context::Context,
    failure::Failure,
    process::{AFTER_KILL, Program, Running},
};

use super::{StopArgs, service::Systemd, start::installed};

/// How long the gateway is given: it lets answers under way end for ten seconds.
pub(super) const GATEWAY: Duration = Duration::from_secs(20);
/// How long the launcher is given: it has nothing to wait for once the node is gone.
const LAUNCHER: Duration = Duration::from_secs(20);

pub(super) async fn run(context: &Context, args: StopArgs) -> Result<(), Failure> {
    let home = context.home()?;
    let node = super::node(&home);
    let launcher = super::launcher(&home);
    let bound = Duration::from_secs(args.timeout);
    let mut stopped = false;
    let units = installed(&home);
    if let Some(units) = &units {
        if !units.answers() {
            return Err(Failure::new("systemd, which starts this node, does not answer")
                .remedy("run this in a session of the node's user, where systemctl --user works, or as root for root's node"));
        }
        // Nobody new asks while the node drains.
        stopped |= stop_unit(units, &units.gateway, GATEWAY, args.force).await?;
        stopped |= stop_unit(units, &units.node, bound, args.force).await?;
        stopped |= stop_unit(units, &units.launcher, LAUNCHER, args.force).await?;
    }
    if let Some(running) = super::supervisor(&home).running() {
        stopped |= stop_supervised(context, &running, &node, bound, args.force).await?;
        super::supervisor(&home).forget();
    }
    stopped |= stop(context, &super::gateway(&home), GATEWAY, args.force).await?;
    // The node first: it drains, and needs the launcher for that.
    stopped |= stop(context, &node, bound, args.force).await?;
    stopped |= stop(context, &launcher, LAUNCHER, args.force).await?;
    match &units {
        Some(units) if args.no_service => units.remove(context)?,
        Some(units) if stopped => context.note(&format!(
            "{} starts it again at boot; to have that no more: aionctl local stop --no-service",
            units.node
        )),
        _ => {}
    }
    context.print(if stopped {
        "stopped\n"
    } else {
        "nothing runs\n"
    })
}

async fn stop_unit(
    units: &Systemd,
    unit: &str,
    bound: Duration,
    force: bool,
) -> Result<bool, Failure> {
    let shown = units.show(unit);
    // One that waits for its next start is stopped too.
    if shown.pid.is_none() && shown.state != "activating" {
        return Ok(false);
    }
    match units.stop(unit, bound, force).await? {
        true => Ok(true),
        false => Err(still_busy(unit, bound).at(units.log_of(unit))),
    }
}

fn still_busy(what: &str, bound: Duration) -> Failure {
    Failure::new(format!(
        "{what} still has work to end after {} s",
        bound.as_secs()
    ))
    .remedy("wait and look with aionctl local status, or stop with --force")
}

/// The supervisor stops them in their order, and ends; it is asked, so that it starts nothing meanwhile.
async fn stop_supervised(
    context: &Context,
    supervisor: &Running,
    node: &Program,
    bound: Duration,
    force: bool,
) -> Result<bool, Failure> {
    let failed = |why: std::io::Error| {
        Failure::new(format!("cannot stop the supervisor: {why}"))
            .at(format!("pid {}", supervisor.pid))
    };
    supervisor.signal(Signal::TERM).map_err(failed)?;
    if supervisor.ended(GATEWAY + bound + LAUNCHER).await {
        return Ok(true);
    }
    if !force {
        return Err(still_busy(node.name, bound).at(format!("pid {}", supervisor.pid)));
    }
    context.note("what still runs is ended at once");
    supervisor.signal(Signal::QUIT).map_err(failed)?;
    if !supervisor.ended(AFTER_KILL).await {
        supervisor.signal(Signal::KILL).map_err(failed)?;
    }
    Ok(true)
}

async fn stop(
    context: &Context,
    program: &Program,
    bound: Duration,
    force: bool,
) -> Result<bool, Failure> {
    let Some(running) = program.running() else {
        program.forget();
        return Ok(false);
    };
    let failed = |why: std::io::Error| {
        Failure::new(format!("cannot stop {}: {why}", program.name))
            .at(format!("pid {}", running.pid))
    };
    running.signal(Signal::TERM).map_err(failed)?;
    if !running.ended(bound).await {
        if !force {
            return Err(still_busy(program.name, bound).at(format!("pid {}", running.pid)));
        }
        context.note(&format!("{} is ended at once", program.name));
        running.signal(Signal::KILL).map_err(failed)?;
        if !running.ended(AFTER_KILL).await {
            return Err(failed(std::io::Error::other("it does not end")));
        }
    }
    program.forget();
    Ok(true)
}
