//! What the operator counts. The names are in `aion_telemetry::name`.

use std::time::Duration;

use aion_telemetry::{HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, MetricsError, name};

/// The operator's metrics.
#[derive(Clone)]
pub(crate) struct Metrics {
    all: aion_telemetry::Metrics,
    reconciles: IntCounterVec,
    errors: IntCounterVec,
    seconds: HistogramVec,
    events: IntCounterVec,
    leader: IntGauge,
    unreadable: IntGaugeVec,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Two metrics of one name, which is a fault of this module.
    pub(crate) fn new() -> Result<Self, MetricsError> {
        let all = aion_telemetry::Metrics::default();
        Ok(Self {
            reconciles: all.counters(name::RECONCILES, &["controller", "result"])?,
            errors: all.counters(name::RECONCILE_ERRORS, &["controller", "error"])?,
            seconds: all.spread(name::RECONCILE_SECONDS, &["controller"], 0.001, 14)?,
            events: all.counters(name::OPERATOR_EVENTS, &["outcome"])?,
            leader: all.gauge(name::OPERATOR_LEADS)?,
            unreadable: all.gauges(name::UNREADABLE, &["kind"])?,
            all,
        })
    }

    /// A reconciliation of `controller` ended; `error` is the variant's name where it failed.
    pub(crate) fn reconciled(&self, controller: &str, took: Duration, error: Option<&str>) {
        self.seconds
            .with_label_values(&[controller])
            .observe(took.as_secs_f64());
        let result = if error.is_some() { "error" } else { "success" };
        self.reconciles
            .with_label_values(&[controller, result])
            .inc();
        if let Some(error) = error {
            self.errors.with_label_values(&[controller, error]).inc();
        }
    }

    /// What became of an event that was told: `written`, `counted` in a series, `dropped` since too many wait, `limited`
    /// since too many are of one object, or `failed`.
    pub(crate) fn event(&self, outcome: &str) {
        self.events.with_label_values(&[outcome]).inc();
    }

    /// How many events were lost.
    pub(crate) fn lost_events(&self) -> u64 {
        let of = |outcome| self.events.with_label_values(&[outcome]).get();
        of("dropped") + of("limited") + of("failed")
    }

    /// Whether this operator leads.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// So many objects of `kind` cannot be read.
    pub(crate) fn unreadable(&self, kind: &str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.unreadable.with_label_values(&[kind]).set(count);
    }

    /// In the text format of Prometheus.
    ///
    /// # Errors
    /// A metric that cannot be written, which is a fault of this module.
    pub(crate) fn text(&self) -> Result<String, MetricsError> {
        self.all.render()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn metrics_carry_the_names_that_dashboards_expect() {
        let metrics = Metrics::new().unwrap();
        metrics.reconciled("agent", Duration::from_millis(3), Some("Apply"));
        let text = metrics.text().unwrap();
        for name in [
            r#"controller_runtime_reconcile_total{controller="agent",result="error"} 1"#,
            r#"controller_runtime_reconcile_errors_total{controller="agent",error="Apply"} 1"#,
            "controller_runtime_reconcile_time_seconds_count",
        ] {
            assert!(text.contains(name), "{name} is not in\n{text}");
        }
    }
}
