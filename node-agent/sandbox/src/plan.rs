//! The messages between the launcher and the worker it made, on the worker's end
//! of their socket pair: the plan down, then ready and at most one note up.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use aion_abi::layer::Layer;

/// The longest note, in bytes.
pub const MAX_NOTE: usize = 1024;

/// What the worker is to do to itself. The namespaces, the cgroup and the
/// resource limits are there before it runs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Whether it has a mount namespace of its own to empty.
    pub private_root: bool,
    /// How it comes by its socket; a compiler has none.
    pub socket: Option<Socket>,
    /// Whether a WASM module is among its descriptors.
    pub module: bool,
    /// What a tool is shown of the machine.
    #[serde(default)]
    pub tool: Option<Tool>,
    /// The user to become, where no user namespace did it.
    pub switch_user: Option<u32>,
    /// Seccomp programs, installed in this order.
    pub filters: Vec<Filter>,
}

/// What a tool is shown of the machine beside its system folders. Paths are the
/// machine's, and the sandbox has everything at the same ones.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tool {
    /// Its program, links followed.
    pub program: PathBuf,
    /// Folders to read, with the name each has under `/mnt`.
    pub mounts: Vec<(String, PathBuf)>,
    /// Whether detached mounts of all of them are on
    /// [`crate::protocol::TOOL_MOUNTS`] and after.
    pub handles: bool,
}

/// How a worker comes by its socket.
#[derive(Debug, Serialize, Deserialize)]
pub enum Socket {
    /// A detached mount of it is on [`crate::protocol::SOCKET_MOUNT`].
    Mount,
    /// Its folder is open on [`crate::protocol::SOCKET_MOUNT`]: the worker, of another
    /// user, may not look its path up, and has no namespace to mount it in.
    Folder,
    /// It is at this path of the host, which the worker may look up.
    Path(PathBuf),
}

/// A seccomp program: one `sock_filter` in eight bytes, as `code`, `jt`, `jf` and
/// `k` from the most significant end.
pub type Filter = Vec<u64>;

/// What a worker tells its launcher.
#[derive(Debug, Serialize, Deserialize)]
pub enum WorkerMessage {
    /// It is confined and waits at its gate.
    Ready {
        /// What was tried against the Landlock domain and refused.
        landlock: Option<String>,
        /// Steps that failed.
        failures: Vec<(Layer, String)>,
    },
    /// Why it is about to end, in one line.
    Note(String),
}
