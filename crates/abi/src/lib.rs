//! The wire contracts of a node: what a sandboxed program says to the kernel
//! (the *syscall protocol*), what it is given when it starts ([`boot`]), and what
//! a person's tool says to the daemon ([`admin`]). With them go the words that resources, bundles and the launcher
//! share: [`layer`], [`runtime`], [`reason`], [`tenant`], [`attestation`], [`kernel_event`].
//!
//! What may not enter: IO, clocks, async, Kubernetes. Everything here is data and
//! arithmetic on bytes, so that each SDK can be checked against `sdk/vectors/`.
//!
//! The syscall protocol is HTTP/1.1 over a Unix socket that belongs to one running
//! instance. A call is `POST /v1/<family>/<verb>` with a JSON body and the headers of
//! [`headers`]; a refusal is `application/problem+json` ([`problem::Problem`], RFC 9457).

pub mod a2a;
pub mod admin;
pub mod apply;
pub mod approval;
pub mod attestation;
pub mod audit;
pub mod boot;
pub mod caller;
pub mod canonical;
pub mod code;
pub mod date;
pub mod device;
pub mod event;
pub mod external;
pub mod gateway;
pub mod headers;
pub mod kernel_event;
pub mod key;
pub mod layer;
pub mod memory;
pub mod notice;
pub mod page;
pub mod problem;
pub mod proposal;
pub mod push;
pub mod reason;
pub mod replay;
pub mod resources;
pub mod runtime;
pub mod seen;
pub mod signing;
pub mod steps;
pub mod switch;
pub mod syscall;
pub mod tenant;
pub mod tools;
pub mod trigger;
pub mod turn;
pub mod usage;
