//! Names: every metric of the daemon stands here, `aion_<noun>_<unit>` in base units, and how the log is
//! set up.

use std::io::IsTerminal;

use aion_kernel::Load;
use prometheus::{Encoder, IntCounter, IntGauge, Registry, TextEncoder};
use tracing_subscriber::EnvFilter;

/// The environment variable that says what is logged.
const FILTER: &str = "AION_LOG";

/// What is logged where that does not say. The library that speaks MCP writes whole messages of a tool's
/// server, which are of any size and may hold anything; what fails there is in the answer to the call.
const DEFAULT: &str = "info,rmcp=off";

/// The daemon's metrics.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    /// `aion_turns_asked_total`.
    pub turns_asked: IntCounter,
    turns_running: IntGauge,
    turns_waiting: IntGauge,
    calls_running: IntGauge,
    calls_waiting: IntGauge,
    journal_full: IntGauge,
}

impl Telemetry {
    /// All metrics, at zero.
    ///
    /// # Errors
    /// Two metrics of one name, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let turns_asked = IntCounter::new("aion_turns_asked_total", "Turns that were taken in.")?;
        registry.register(Box::new(turns_asked.clone()))?;
        Ok(Self {
            turns_asked,
            turns_running: gauge("aion_turns_running", "Turns that have a worker.")?,
            turns_waiting: gauge("aion_turns_waiting", "Turns that wait for a worker.")?,
            calls_running: gauge("aion_calls_running", "Syscalls whose driver works.")?,
            calls_waiting: gauge("aion_calls_waiting", "Syscalls that wait.")?,
            journal_full: gauge(
                "aion_journal_full",
                "1 while new work is refused for want of room in the journal.",
            )?,
            registry,
        })
    }

    /// What waits and runs.
    pub fn load(&self, load: &Load) {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.turns_running.set(number(load.running_turns));
        self.turns_waiting.set(number(load.waiting_turns));
        self.calls_running.set(number(load.running_calls));
        self.calls_waiting.set(number(load.waiting_calls));
    }

    /// Whether the journal has room.
    pub fn has_room(&self, room: bool) {
        self.journal_full.set(i64::from(!room));
    }

    /// In Prometheus' text format.
    ///
    /// # Errors
    /// A metric that cannot be written.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Sets the log up: lines for eyes on a terminal, JSON for machines elsewhere when asked for. What is
/// logged says `AION_LOG`.
pub fn log(json: bool) {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    // A second set-up in one process, as in tests, keeps the first.
    let _ = match json {
        true => builder.json().try_init(),
        false => builder.try_init(),
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_metric_has_a_name_of_the_house_and_a_value() {
        let telemetry = Telemetry::new().unwrap();
        telemetry.turns_asked.inc();
        let text = telemetry.render().unwrap();
        assert!(text.contains("aion_turns_asked_total 1"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.starts_with("aion_"), "{line}");
        }
    }

    #[test]
    fn what_a_tools_server_sends_is_not_logged() {
        use tracing_subscriber::layer::SubscriberExt;
        let log = tracing_subscriber::registry().with(EnvFilter::new(DEFAULT));
        tracing::subscriber::with_default(log, || {
            assert!(tracing::enabled!(tracing::Level::INFO));
            assert!(!tracing::enabled!(target: "rmcp::service", tracing::Level::INFO));
            assert!(!tracing::enabled!(target: "rmcp::transport::async_rw", tracing::Level::ERROR));
        });
    }
}
