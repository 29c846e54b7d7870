//! What a program of AION-OS tells those that watch it: the name of every metric, the registry that renders them, and
//! how the log is set up. The operator and the node agent share it.
//!
//! What may not enter: when something is counted or logged, which is its program's own affair; and a server.

pub mod log;
pub mod name;
mod registry;

pub use log::{Form, LogError};
pub use name::Metric;
pub use prometheus::{
    Counter, Error as MetricsError, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
};
pub use registry::Metrics;
