//! `aionctl local stop`.

use std::time::Duration;

use rustix::process::Signal;

use crate::{context::Context, failure::Failure, process::Program};

use super::StopArgs;

/// How long a program is given after it was told to end at once.
const AFTER_KILL: Duration = Duration::from_secs(10);
/// How long the launcher is given: it has nothing to wait for once the node is gone.
const LAUNCHER: Duration = Duration::from_secs(20);

pub(super) async fn run(context: &Context, args: StopArgs) -> Result<(), Failure> {
    let home = context.home()?;
    let node = super::node(&home);
    let launcher = super::launcher(&home);
    let bound = Duration::from_secs(args.timeout);
    let mut stopped = false;
    // The node first: it drains, and needs the launcher for that.
    stopped |= stop(context, &node, bound, args.force).await?;
    stopped |= stop(context, &launcher, LAUNCHER, args.force).await?;
    context.print(if stopped {
        "stopped\n"
    } else {
        "nothing runs\n"
    })
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
            return Err(Failure::new(format!(
                "{} still has work to end after {} s",
                program.name,
                bound.as_secs()
            ))
            .at(format!("pid {}", running.pid))
            .remedy("wait and look with aionctl local status, or stop with --force"));
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
