//! Messages of a client: read within bounds, and so many in a second.

use std::time::Duration;

use aion_abi::problem::Problem;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{subscriptions::refused, wire::Command};

/// Messages in [`WINDOW`], at most: more is a flood.
const MOST: u32 = 100;
const WINDOW: Duration = Duration::from_secs(1);
/// The longest text of what is wrong, in characters.
const QUOTED: usize = 256;

/// Reads a message.
///
/// # Errors
/// What is wrong with it, and in which field.
pub(super) fn read<C: DeserializeOwned>(text: &str) -> Result<Command<C>, Problem> {
    let remedy = "say {\"subscribe\": {\"id\": …}} or {\"unsubscribe\": {\"id\": …}}, as docs/gateway.md has it";
    let mut reader = serde_json::Deserializer::from_str(text);
    let command = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let what = match error.path().to_string() {
            path if path == "." => error.inner().to_string(),
            path => format!("{path}: {}", error.inner()),
        };
        // It may quote what was sent.
        refused(&what.chars().take(QUOTED).collect::<String>(), remedy)
    })?;
    let end = reader.end();
    end.map_err(|error| refused(&error.to_string(), remedy))?;
    Ok(command)
}

/// How fast messages come.
pub(super) struct Pace {
    since: Instant,
    count: u32,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            count: 0,
        }
    }

    /// Counts one; whether that is a flood.
    pub(super) fn is_flood(&mut self) -> bool {
        if self.since.elapsed() >= WINDOW {
            *self = Self::new();
        }
        self.count += 1;
        self.count > MOST
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::event::Cursor;

    use super::*;

    fn read(text: &str) -> Result<Command<Cursor>, Problem> {
        super::read(text)
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field() {
        let wrong = |text: &str| read(text).unwrap_err().detail;
        assert!(wrong("{").contains("EOF"));
        assert!(wrong("[]").contains("expected"));
        assert!(wrong(r#"{"subscribe": {}}"#).contains("id"));
        let kind = wrong(r#"{"subscribe": {"id": "a", "kinds": ["turns"]}}"#);
        assert!(
            kind.contains("kinds[0]") && kind.contains("turns"),
            "{kind}"
        );
        assert!(wrong(r#"{"subscribe": {"id": "a", "agent": "b"}}"#).contains("agent"));
        assert!(wrong(r#"{"subscribe": {"id": "a", "after": "1"}}"#).contains("cursor"));
        let long = format!(r#"{{"subscribe": {{"{}": 1}}}}"#, "x".repeat(1_000));
        assert_eq!(wrong(&long).len(), QUOTED);
        assert!(wrong(r#"{"unsubscribe": {"id": "a"}} {}"#).contains("trailing"));
        assert!(read(r#"{"subscribe": {"id": "a"}}"#).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn many_at_once_are_a_flood_and_many_in_time_are_not() {
        let mut pace = Pace::new();
        for _ in 0..5 {
            assert!((0..MOST).all(|_| !pace.is_flood()));
            tokio::time::sleep(WINDOW).await;
        }
        assert!((0..=MOST).any(|_| pace.is_flood()));
    }
}
