//! `aion-node`: the daemon of a node, as a program.

mod args;

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::Parser;

use args::{Cli, Output, Task};

fn main() -> ExitCode {
    let done = match Cli::parse().resolve() {
        Ok(Task::Run { config, log_json }) => {
            aion_daemon::run(*config, log_json).map_err(Into::into)
        }
        Ok(Task::Dump { journal, output }) => dump(&journal, output),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aion-node: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, without those that it names itself.
fn told(error: &anyhow::Error) -> String {
    let causes = error.chain().map(ToString::to_string);
    causes.fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        known if known.ends_with(&cause) => told,
        known => format!("{known}: {cause}"),
    })
}

fn dump(dir: &Path, output: Output) -> anyhow::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut failed = Ok(());
    let damage = aion_journal::dump(dir, |entry| {
        let written = match output {
            Output::Json => serde_json::to_writer(&mut out, &entry)
                .map_err(io::Error::from)
                .and_then(|()| out.write_all(b"\n")),
            Output::Text => writeln!(out, "{:>12}  {}", entry.lsn, entry.fact.get()),
        };
        failed = written;
        failed.is_ok()
    })?;
    match failed.and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        other => other?,
    }
    match damage {
        None => Ok(()),
        Some(what) => anyhow::bail!("the journal ends here: {what}"),
    }
}
