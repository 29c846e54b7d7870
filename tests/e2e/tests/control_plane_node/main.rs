//! The node agent in a cluster: the real daemon, launcher and worker on one side, a real API server on the
//! other, the operator between them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod a2a;
mod approvals;
mod asked;
mod devices;
mod feed;
mod gateway;
#[allow(dead_code)]
#[path = "../devices/house.rs"]
mod house;
mod mcp;
mod network;
mod office;
mod outage;
mod people;
mod renewed;

use std::fs;

use aion_testkit::ControlPlane;
use serde_json::Value;
use tempfile::TempDir;

const FACT: &str = "The lighthouse keeper polishes the brass lamp every Thursday.";
const QUESTION: &str = r#"{"input": "When does the lighthouse keeper polish the lamp?"}"#;

fn documents() -> TempDir {
    let docs = tempfile::tempdir().unwrap();
    fs::write(
        docs.path().join("lighthouse.md"),
        format!("# The lighthouse\n\n{FACT}\n"),
    )
    .unwrap();
    docs
}

fn kubectl(cluster: &ControlPlane, args: &[&str]) -> String {
    cluster.kubectl(args).unwrap()
}

fn get(cluster: &ControlPlane, args: &[&str]) -> Result<Value, String> {
    let text = cluster.kubectl(&[&["get", "-o", "json"], args].concat());
    serde_json::from_str(&text.map_err(|error| error.to_string())?).map_err(|e| e.to_string())
}

fn instance(cluster: &ControlPlane, namespace: &str) -> Result<Value, String> {
    let mut all = get(cluster, &["-n", namespace, "agentinstances"])?;
    match all["items"].get_mut(0) {
        Some(one) => Ok(one.take()),
        None => Err("there is no instance".to_owned()),
    }
}
