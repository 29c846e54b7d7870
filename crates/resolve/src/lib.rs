//! draft
pub mod manifest;
pub mod problem;
