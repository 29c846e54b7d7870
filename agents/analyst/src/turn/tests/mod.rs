//! Turns with a node that stands in for the real one.

#![allow(clippy::unwrap_used, clippy::panic)]

mod corpus;
mod node;
mod progress;
mod tables;
