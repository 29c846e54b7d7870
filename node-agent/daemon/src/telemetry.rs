//! What the daemon counts, and what it logs. The names are in `aion_telemetry::name`.

use aion_kernel::Load;
use aion_telemetry::{Form, IntCounter, IntGauge, LogError, Metrics, MetricsError, log, name};

/// What is logged where nothing says what. The library that speaks MCP writes whole messages of a tool's
/// server, which are of any size and may hold anything; what fails there is in the answer to the call.
const DEFAULT: &str = "info,rmcp=off";

/// The daemon's metrics.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    /// Turns that were taken in.
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
    pub fn new() -> Result<Self, MetricsError> {
        let metrics = Metrics::default();
        Ok(Self {
            turns_asked: metrics.counter(name::TURNS_ASKED)?,
            turns_running: metrics.gauge(name::TURNS_RUNNING)?,
            turns_waiting: metrics.gauge(name::TURNS_WAITING)?,
            calls_running: metrics.gauge(name::CALLS_RUNNING)?,
            calls_waiting: metrics.gauge(name::CALLS_WAITING)?,
            journal_full: metrics.gauge(name::JOURNAL_FULL)?,
            metrics,
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

    /// When the certificate ends, where there is one: zero would be a date.
    ///
    /// # Errors
    /// It is there already.
    #[cfg(feature = "kubernetes")]
    pub fn certificate_ends(&self) -> Result<IntGauge, MetricsError> {
        self.metrics.gauge(name::CERTIFICATE_ENDS)
    }

    /// In Prometheus' text format.
    ///
    /// # Errors
    /// A metric that cannot be written.
    pub fn render(&self) -> Result<String, MetricsError> {
        self.metrics.render()
    }
}

/// Sets the log up: lines for eyes on a terminal, JSON for machines elsewhere when asked for. What is
/// logged says `AION_LOG`.
///
/// # Errors
/// What it says cannot be read.
pub(crate) fn log(json: bool) -> Result<(), LogError> {
    let form = if json { Form::Json } else { Form::Text };
    log::start(&log::wanted(DEFAULT)?, form)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tracing_subscriber::{EnvFilter, layer::SubscriberExt};

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
        let log = tracing_subscriber::registry().with(EnvFilter::new(DEFAULT));
        tracing::subscriber::with_default(log, || {
            assert!(tracing::enabled!(tracing::Level::INFO));
            assert!(!tracing::enabled!(target: "rmcp::service", tracing::Level::INFO));
            assert!(!tracing::enabled!(target: "rmcp::transport::async_rw", tracing::Level::ERROR));
        });
    }
}
