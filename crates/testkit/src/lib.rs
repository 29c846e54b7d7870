//! Starts the real components that the tests run against, and the two stand-ins
//! for what no test machine has (a model, a tool server).
//!
//! Every launcher is a value: it starts on a free loopback port in a folder of
//! its own, is ready when `start` returns, and is gone when the value is dropped
//! or the test's process ends, however it ends. A component that is not on this
//! machine is not a failure: [`or_skip`] notes the test as skipped, by name.
//!
//! Nothing of AION-OS itself may enter: the crate depends on none of ours, so
//! every one of them can use it in its tests.

mod buildah;
mod cluster;
mod component;
mod control_plane;
mod cosign;
mod crane;
mod digest;
mod interpreter;
mod loopback;
mod mcp;
mod model;
mod mosquitto;
mod process;
mod registry;
mod root_files;
mod sigstore;
mod skip;
mod wait;

pub use buildah::Buildah;
pub use cluster::{Cluster, Image, Leftovers, Node};
pub use component::{Component, StartError, architecture, node_package, python_package};
pub use control_plane::{ApiProxy, ControlPlane, ControlPlaneOptions, Moment};
pub use cosign::{Cosign, KeyPair};
pub use crane::Crane;
pub use interpreter::Interpreter;
pub use mcp::{McpServer, serve_mcp_on_stdio};
pub use model::{FakeModel, ModelRequest, Reply, ScriptedCall};
pub use mosquitto::{Mosquitto, MosquittoOptions};
pub use process::{Process, free_port};
pub use registry::{Credentials, Registry, RegistryKind};
pub use root_files::RootFiles;
pub use sigstore::{Evidence, PrivateSigstore, Sct, Signing};
pub use skip::{or_skip, skip};
pub use wait::{WaitError, until};
