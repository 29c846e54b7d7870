//! All metric names of the operator, under the names that dashboards for Kubernetes controllers expect
//! (those of controller-runtime), and the log's form.

use std::time::Duration;

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use tracing_subscriber::EnvFilter;

/// The operator's metrics.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    errors: IntCounterVec,
    seconds: HistogramVec,
    leader: IntGauge,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Two metrics of one name, which is a fault of this module.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let reconciles = IntCounterVec::new(
            Opts::new(
                "controller_runtime_reconcile_total",
                "Reconciliations by controller and result (success, requeue, error).",
            ),
            &["controller", "result"],
        )?;
        let errors = IntCounterVec::new(
            Opts::new(
                "controller_runtime_reconcile_errors_total",
                "Failed reconciliations by controller and error.",
            ),
            &["controller", "error"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "controller_runtime_reconcile_time_seconds",
                "Time of one reconciliation by controller.",
            )
            .buckets(prometheus::exponential_buckets(0.001, 2.0, 14)?),
            &["controller"],
        )?;
        let leader = IntGauge::new(
            "aion_operator_leader_info",
            "Whether this operator leads (1) or waits (0).",
        )?;
        registry.register(Box::new(reconciles.clone()))?;
        registry.register(Box::new(errors.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(leader.clone()))?;
        Ok(Self {
            registry,
            reconciles,
            errors,
            seconds,
            leader,
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

    /// Whether this operator leads.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// In the text format of Prometheus.
    ///
    /// # Errors
    /// A metric that cannot be written, which is a fault of this module.
    pub(crate) fn text(&self) -> Result<String, prometheus::Error> {
        let mut bytes = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut bytes)?;
        String::from_utf8(bytes).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

/// Writes the log to standard error, one JSON object a line.
///
/// # Errors
/// `filter` is not a filter.
pub(crate) fn log(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
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
