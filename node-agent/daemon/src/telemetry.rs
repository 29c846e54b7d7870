//! What the daemon counts, and what it logs. The names are in `aion_telemetry::name`.

use std::{collections::BTreeMap, time::Duration};

use aion_abi::{kernel_event::KernelCounts, resources::Resources};
use aion_kernel::Load;
use aion_telemetry::{
    Counter, Form, HistogramVec, IntCounter, IntCounterVec, IntGauge, LogError, Metrics,
    MetricsError, log, name,
};

/// The daemon's metrics.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    /// Turns that were taken in.
    pub turns_asked: IntCounter,
    turns_running: IntGauge,
    turns_waiting: IntGauge,
    turns_parked: IntGauge,
    approvals_pending: IntGauge,
    calls_running: IntGauge,
    calls_waiting: IntGauge,
    trigger_turns: IntCounterVec,
    trigger_skipped: IntCounterVec,
    hooks_refused: IntCounterVec,
    device_messages: IntCounterVec,
    brokers_lost: IntCounterVec,
    journal_full: IntGauge,
    connections: IntCounterVec,
    carried: IntCounterVec,
    kernel_calls: IntCounterVec,
    kernel_denied: IntCounterVec,
    kernel_events: IntCounterVec,
    kernel_violations: IntCounterVec,
    kernel_lost: IntCounterVec,
    kernel_seconds: HistogramVec,
    limits_met: IntCounterVec,
    pressure_told: IntCounter,
    throttled: Counter,
    tool_memory: HistogramVec,
}

/// What is counted of one broker.
#[derive(Debug)]
pub(crate) struct BrokerCounters {
    /// Messages that were taken in.
    pub(crate) taken: IntCounter,
    /// That could not be read.
    pub(crate) unread: IntCounter,
    /// How often it was lost.
    pub(crate) lost: IntCounter,
}

/// Where the first bucket of a tool's memory ends, in bytes, and how many there are: up to 16 GiB.
const FIRST_MEMORY: f64 = 1_048_576.0;
const MEMORIES: usize = 15;

/// Where the first bucket of times in the kernel ends, in seconds; each further one ends at twice as much.
const FIRST_BUCKET: f64 = 256e-9;
/// Buckets of them; those of the kernel have one more, without an end.
const BUCKETS: usize = 23;

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
            turns_parked: metrics.gauge(name::TURNS_PARKED)?,
            approvals_pending: metrics.gauge(name::APPROVALS_PENDING)?,
            calls_running: metrics.gauge(name::CALLS_RUNNING)?,
            calls_waiting: metrics.gauge(name::CALLS_WAITING)?,
            trigger_turns: metrics.counters(name::TRIGGER_TURNS, &["kind"])?,
            trigger_skipped: metrics.counters(name::TRIGGER_SKIPPED, &["kind", "why"])?,
            hooks_refused: metrics.counters(name::HOOKS_REFUSED, &["code"])?,
            device_messages: metrics.counters(name::DEVICE_MESSAGES, &["broker", "what"])?,
            brokers_lost: metrics.counters(name::BROKERS_LOST, &["broker"])?,
            journal_full: metrics.gauge(name::JOURNAL_FULL)?,
            connections: metrics.counters(name::NETWORK_CONNECTIONS, &["outcome"])?,
            carried: metrics.counters(name::NETWORK_BYTES, &["direction"])?,
            kernel_calls: metrics.counters(name::KERNEL_CALLS, &["class"])?,
            kernel_denied: metrics.counters(name::KERNEL_DENIED, &["class"])?,
            kernel_events: metrics.counters(name::KERNEL_EVENTS, &["kind"])?,
            kernel_violations: metrics.counters(name::KERNEL_VIOLATIONS, &["kind", "action"])?,
            kernel_lost: metrics.counters(name::KERNEL_LOST, &["why"])?,
            limits_met: metrics.counters(name::LIMITS_MET, &["limit"])?,
            pressure_told: metrics.counter(name::PRESSURE_TOLD)?,
            throttled: metrics.sum(name::THROTTLED)?,
            tool_memory: metrics.spread(name::TOOL_MEMORY, &["tool"], FIRST_MEMORY, MEMORIES)?,
            kernel_seconds: metrics.spread(
                name::KERNEL_SECONDS,
                &["class"],
                FIRST_BUCKET,
                BUCKETS,
            )?,
            metrics,
        })
    }

    /// A worker ended, having used this.
    pub fn used(&self, used: &Resources) {
        for met in &used.met {
            self.limits_met.with_label_values(&[met.label()]).inc();
        }
        self.pressure_told.inc_by(used.pressure_told);
        self.throttled
            .inc_by(Duration::from_millis(used.throttled_ms).as_secs_f64());
    }

    /// A call of a tool ended, during which its process held `bytes` at most.
    pub fn tool_memory(&self, tool: &str, bytes: u64) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a bucket is twice the one before"
        )]
        self.tool_memory
            .with_label_values(&[tool])
            .observe(bytes as f64);
    }

    /// What waits and runs.
    pub fn load(&self, load: &Load) {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.turns_running.set(number(load.running_turns));
        self.turns_waiting.set(number(load.waiting_turns));
        self.turns_parked.set(number(load.parked_turns));
        self.approvals_pending.set(number(load.pending_approvals));
        self.calls_running.set(number(load.running_calls));
        self.calls_waiting.set(number(load.waiting_calls));
    }

    /// Whether the journal has room.
    pub fn has_room(&self, room: bool) {
        self.journal_full.set(i64::from(!room));
    }

    /// What came of a program's connection as it was to be made.
    pub fn connection(&self, outcome: &str) {
        self.connections.with_label_values(&[outcome]).inc();
    }

    /// Bytes that went over one.
    pub fn carried(&self, sent: u64, received: u64) {
        for (direction, bytes) in [("sent", sent), ("received", received)] {
            self.carried.with_label_values(&[direction]).inc_by(bytes);
        }
    }

    /// The counters of a broker of devices, `namespace/name`.
    pub(crate) fn broker(&self, broker: &str) -> BrokerCounters {
        let of = |what| self.device_messages.with_label_values(&[broker, what]);
        BrokerCounters {
            taken: of("taken"),
            unread: of("unread"),
            lost: self.brokers_lost.with_label_values(&[broker]),
        }
    }

    /// Nothing is reached by a broker any more.
    pub(crate) fn forget_broker(&self, broker: &str) {
        for what in ["taken", "unread"] {
            let _ = self.device_messages.remove_label_values(&[broker, what]);
        }
        let _ = self.brokers_lost.remove_label_values(&[broker]);
    }

    /// A trigger started a turn.
    pub fn trigger_started(&self, kind: &str) {
        self.trigger_turns.with_label_values(&[kind]).inc();
    }

    /// A trigger started none.
    pub fn trigger_skipped(&self, kind: &str, why: &str) {
        self.trigger_skipped.with_label_values(&[kind, why]).inc();
    }

    /// A delivery was refused.
    pub fn hook_refused(&self, code: &str) {
        self.hooks_refused.with_label_values(&[code]).inc();
    }

    /// When the certificate ends, where there is one: zero would be a date.
    ///
    /// # Errors
    /// It is there already.
    #[cfg(feature = "kubernetes")]
    pub fn certificate_ends(&self) -> Result<IntGauge, MetricsError> {
        self.metrics.gauge(name::CERTIFICATE_ENDS)
    }

    /// What a worker did in the kernel of the machine since `before`.
    pub fn kernel(&self, before: &KernelCounts, now: &KernelCounts) {
        added(&self.kernel_calls, &before.calls, &now.calls);
        added(&self.kernel_denied, &before.denied, &now.denied);
        added(&self.kernel_lost, &before.lost, &now.lost);
        for (kind, count) in &now.events {
            let more = count.saturating_sub(before.events.get(kind).copied().unwrap_or(0));
            let counter = self.kernel_events.with_label_values(&[kind.as_str()]);
            counter.inc_by(more);
        }
        for (kind, now) in &now.violations {
            let before = before.violations.get(kind).map_or(0, |it| it.count);
            let labels = [kind.as_str(), now.action.as_str()];
            let counter = self.kernel_violations.with_label_values(&labels);
            counter.inc_by(now.count.saturating_sub(before));
        }
        for (class, row) in &now.latency {
            let seconds = self.kernel_seconds.with_label_values(&[class]);
            let before = before.latency.get(class);
            for (bucket, count) in row.iter().enumerate().take(BUCKETS + 1) {
                let known = before.and_then(|row| row.get(bucket)).copied();
                let end = FIRST_BUCKET * 2_f64.powi(i32::try_from(bucket).unwrap_or(i32::MAX));
                for _ in known.unwrap_or(0)..*count {
                    seconds.observe(end);
                }
            }
        }
    }

    /// In Prometheus' text format.
    ///
    /// # Errors
    /// A metric that cannot be written.
    pub fn render(&self) -> Result<String, MetricsError> {
        self.metrics.render()
    }
}

fn added(counters: &IntCounterVec, before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) {
    for (label, count) in now {
        let more = count.saturating_sub(before.get(label).copied().unwrap_or(0));
        counters.with_label_values(&[label]).inc_by(more);
    }
}

/// Sets the log up: lines for eyes on a terminal, JSON for machines elsewhere when asked for. What is
/// logged says `AION_LOG`.
///
/// # Errors
/// What it says cannot be read.
pub(crate) fn log(json: bool) -> Result<(), LogError> {
    let form = if json { Form::Json } else { Form::Text };
    log::start(&log::wanted(log::USUAL)?, form)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::resources::Met;
    use tracing_subscriber::{EnvFilter, layer::SubscriberExt};

    use super::*;

    #[test]
    fn every_metric_has_a_name_of_the_house_and_a_value() {
        let telemetry = Telemetry::new().unwrap();
        telemetry.turns_asked.inc();
        telemetry.tool_memory("notes", 3 << 20);
        telemetry.used(&Resources {
            throttled_ms: 1500,
            met: vec![Met::Throttled],
            ..Resources::default()
        });
        let text = telemetry.render().unwrap();
        assert!(
            text.contains("aion_limits_met_total{limit=\"throttled\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("aion_cpu_throttled_seconds_total 1.5"),
            "{text}"
        );
        assert!(
            text.contains("_bucket{tool=\"notes\",le=\"4194304\"} 1"),
            "{text}"
        );
        assert!(text.contains("aion_turns_asked_total 1"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.starts_with("aion_"), "{line}");
        }
    }

    #[test]
    fn what_a_tools_server_sends_is_not_logged() {
        let log = tracing_subscriber::registry().with(EnvFilter::new(log::USUAL));
        tracing::subscriber::with_default(log, || {
            assert!(tracing::enabled!(tracing::Level::INFO));
            assert!(!tracing::enabled!(target: "rmcp::service", tracing::Level::INFO));
            assert!(!tracing::enabled!(target: "rmcp::transport::async_rw", tracing::Level::ERROR));
        });
    }
}
