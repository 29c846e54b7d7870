//! Metrics that are registered as they are made, and rendered together.

use prometheus::{
    Counter, Error, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder, core::Collector,
};

use crate::name::Metric;

/// The metrics of a program. A copy is the same metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Registry);

impl Metrics {
    /// A count, at zero.
    ///
    /// # Errors
    /// It is there already.
    pub fn counter(&self, metric: Metric) -> Result<IntCounter, Error> {
        self.register(IntCounter::new(metric.name, metric.help)?)
    }

    /// A sum of parts that are no whole numbers, at zero.
    ///
    /// # Errors
    /// It is there already.
    pub fn sum(&self, metric: Metric) -> Result<Counter, Error> {
        self.register(Counter::new(metric.name, metric.help)?)
    }

    /// Counts by `labels`.
    ///
    /// # Errors
    /// They are there already.
    pub fn counters(&self, metric: Metric, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.register(IntCounterVec::new(options(metric), labels)?)
    }

    /// A number that goes up and down, at zero.
    ///
    /// # Errors
    /// It is there already.
    pub fn gauge(&self, metric: Metric) -> Result<IntGauge, Error> {
        self.register(IntGauge::new(metric.name, metric.help)?)
    }

    /// Numbers that go up and down, by `labels`.
    ///
    /// # Errors
    /// They are there already.
    pub fn gauges(&self, metric: Metric, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.register(IntGaugeVec::new(options(metric), labels)?)
    }

    /// Times in seconds, or sizes in bytes, by `labels`: `buckets` of them, each twice the one before and the first up to `first`.
    ///
    /// # Errors
    /// They are there already, or there is no bucket.
    pub fn spread(
        &self,
        metric: Metric,
        labels: &[&str],
        first: f64,
        buckets: usize,
    ) -> Result<HistogramVec, Error> {
        let buckets = prometheus::exponential_buckets(first, 2.0, buckets)?;
        let options = HistogramOpts::from(options(metric)).buckets(buckets);
        self.register(HistogramVec::new(options, labels)?)
    }

    /// All of them in Prometheus' text format.
    ///
    /// # Errors
    /// One cannot be written.
    pub fn render(&self) -> Result<String, Error> {
        let mut text = String::new();
        TextEncoder::new().encode_utf8(&self.0.gather(), &mut text)?;
        Ok(text)
    }

    fn register<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

fn options(metric: Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::name;

    #[test]
    fn what_is_made_is_rendered_under_its_name_and_made_once() {
        let metrics = Metrics::default();
        metrics.counter(name::TURNS_ASKED).unwrap().inc();
        let errors = metrics
            .counters(name::RECONCILE_ERRORS, &["controller", "error"])
            .unwrap();
        errors.with_label_values(&["agent", "Refused"]).inc();
        let seconds = metrics
            .spread(name::RECONCILE_SECONDS, &["controller"], 0.001, 14)
            .unwrap();
        seconds.with_label_values(&["agent"]).observe(0.5);
        let text = metrics.clone().render().unwrap();
        for line in [
            "aion_turns_asked_total 1",
            r#"controller_runtime_reconcile_errors_total{controller="agent",error="Refused"} 1"#,
            r#"controller_runtime_reconcile_time_seconds_count{controller="agent"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(metrics.gauge(name::TURNS_ASKED).is_err());
    }
}
