//! What stands for a node agent in a story that needs one that works by itself.
//!
//! The rest of a story knows of it only that it answers the API server as a node agent does, so another way
//! to be one can be put in its place.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aion_testkit::StartError;
use parking_lot::Mutex;
use serde_json::Value;

use crate::node_double::NodeDouble;

/// Between two looks of a node that is played.
const PAUSE: Duration = Duration::from_millis(250);

/// A node at work; it stops when dropped.
pub struct Node {
    stop: Arc<AtomicBool>,
    erased: Arc<Mutex<BTreeSet<String>>>,
    said: Arc<Mutex<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// Has `double` work by itself; the bundles of `signed` digests verify there, and others do not.
    #[must_use]
    pub fn start(double: NodeDouble<'static>, signed: &[String]) -> Self {
        let (stop, erased, said) = (Arc::default(), Arc::default(), Arc::default());
        let mut player = Player {
            double,
            signed: signed.to_vec(),
            erased: Arc::clone(&erased),
        };
        let (stopped, told) = (
            Arc::<AtomicBool>::clone(&stop),
            Arc::<Mutex<String>>::clone(&said),
        );
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Err(error) = player.look() {
                    *told.lock() = error.to_string();
                }
                thread::sleep(PAUSE);
            }
        });
        Self {
            stop,
            erased,
            said,
            thread: Some(thread),
        }
    }

    /// The pools it erased, as `namespace/name`.
    #[must_use]
    pub fn erased(&self) -> BTreeSet<String> {
        self.erased.lock().clone()
    }

    /// What went wrong last, for a failing test's message.
    #[must_use]
    pub fn log(&self) -> String {
        self.said.lock().clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Player {
    double: NodeDouble<'static>,
    signed: Vec<String>,
    erased: Arc<Mutex<BTreeSet<String>>>,
}

impl Player {
    fn look(&mut self) -> Result<(), StartError> {
        let instances = self.double.all_instances()?;
        for instance in &instances {
            if !instance["metadata"]["deletionTimestamp"].is_null() {
                self.double.drained(instance)?;
            } else if instance["status"].is_null() {
                self.judge(instance)?;
            }
        }
        for pool in self.double.leaving_pools()? {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (namespace, name) = (
                text(&pool["metadata"]["namespace"]),
                text(&pool["metadata"]["name"]),
            );
            // What still uses it could write to it again.
            let used = instances.iter().any(|instance| {
                instance["metadata"]["namespace"] == pool["metadata"]["namespace"]
                    && instance["spec"]["memory"]["pool"] == pool["metadata"]["name"]
            });
            if !used {
                self.double.erased(&namespace, &name, "Erased")?;
                let mut erased = self.erased.lock();
                erased.insert(format!("{namespace}/{name}"));
            }
        }
        Ok(())
    }

    fn judge(&self, instance: &Value) -> Result<(), StartError> {
        let bundle = &instance["spec"]["bundle"];
        let digest = bundle["digest"].as_str().unwrap_or_default();
        if bundle.is_null() || self.signed.iter().any(|signed| signed == digest) {
            return self.double.ready(instance);
        }
        let name = bundle["name"].as_str().unwrap_or_default();
        let why = format!("bundle {name} carries no signature: sign it with a trusted key");
        let told = [
            ("Verified", "False", "Unsigned", why.as_str()),
            ("Ready", "False", "Unsigned", why.as_str()),
        ];
        self.double.report(instance, "Failed", &told)
    }
}
