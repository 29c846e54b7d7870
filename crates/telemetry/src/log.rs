//! The log: to standard error, as lines for eyes or as JSON for machines.

use std::{env, io::IsTerminal};

use tracing_subscriber::EnvFilter;

/// The environment variable that says what is logged.
pub const FILTER: &str = "AION_LOG";

/// What is logged where nothing says what. The library that speaks MCP writes whole messages of the other side, which
/// are of any size and may hold anything.
pub const USUAL: &str = "info,rmcp=off";

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For eyes, with colours on a terminal.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error(
        "what is to be logged, `{filter}`, cannot be read ({why}): write, say, info or aion_operator=debug,warn"
    )]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What [`FILTER`] says is to be logged, or `default`.
///
/// # Errors
/// It is not text.
pub fn wanted(default: &str) -> Result<String, LogError> {
    match env::var(FILTER) {
        Ok(filter) if !filter.trim().is_empty() => Ok(filter),
        Ok(_) | Err(env::VarError::NotPresent) => Ok(default.to_owned()),
        Err(env::VarError::NotUnicode(filter)) => Err(LogError::Filter {
            filter: filter.to_string_lossy().into_owned(),
            why: "it is not UTF-8".to_owned(),
        }),
    }
}

/// Begins to log what `filter` lets through. A second call in one process, as in tests, keeps the first log.
///
/// # Errors
/// `filter` cannot be read.
pub fn start(filter: &str, form: Form) -> Result<(), LogError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(read(filter)?)
        .with_writer(std::io::stderr);
    let _ = match form {
        Form::Json => builder.json().try_init(),
        Form::Text => builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
    };
    Ok(())
}

fn read(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(filter).map_err(|why| LogError::Filter {
        filter: filter.to_owned(),
        why: why.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_told_and_not_passed_over() {
        assert!(read("info,rmcp=off").is_ok());
        let told = read("aion=loud").map(|_| ()).map_err(|why| why.to_string());
        assert!(told.is_err_and(|told| told.contains("aion=loud")));
    }
}
