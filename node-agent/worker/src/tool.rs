//! A tool: a program of somebody else's, in the place of this one once the sandbox stands.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use aion_abi::boot::Order;
use aion_sandbox::Held;
use thiserror::Error;

/// What every program may rely on; what the order says goes before it.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("HOME", "/tmp"),
    ("LANG", "C.UTF-8"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("TMPDIR", "/tmp"),
];

/// Why it did not become the tool.
#[derive(Debug, Error)]
pub(crate) enum Failed {
    /// The order could not be read.
    #[error("the order cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The order is not of this version.
    #[error("the order is not valid: {0}")]
    Invalid(#[source] serde_json::Error),
    /// The program cannot be executed.
    #[error("{0} cannot be executed: {1}")]
    Execute(String, #[source] io::Error),
}

/// Executes the tool, which is at `found`, links followed. Returns only with the reason why not.
pub(crate) fn become_it(held: &Held, found: &Path) -> Failed {
    let Err(failed) = execute(held, found);
    failed
}

fn execute(held: &Held, found: &Path) -> Result<Infallible, Failed> {
    let order = held.read_boot().map_err(Failed::Unreadable)?;
    let order: Order = serde_json::from_slice(&order).map_err(Failed::Invalid)?;
    // By the name that was given, where that is shown: a program may look at what it was called by, as
    // Python does to find the environment that a link to it stands in.
    let error = command(Path::new(&order.command), &order).exec();
    if error.kind() != io::ErrorKind::NotFound {
        return Err(Failed::Execute(order.command, error));
    }
    let error = command(found, &order).exec();
    Err(Failed::Execute(found.display().to_string(), error))
}

fn command(program: &Path, order: &Order) -> Command {
    let mut environment: BTreeMap<&str, &str> = ENVIRONMENT.into();
    environment.extend(order.env.iter().map(|(name, value)| (&**name, &**value)));
    let mut command = Command::new(program);
    command
        .arg0(&order.command)
        .args(&order.args)
        .env_clear()
        .envs(environment);
    // Not where there is no folder of its own.
    if Path::new("/tmp").is_dir() {
        command.current_dir("/tmp");
    }
    command
}
