//! The node that a question goes to. How it is found may not enter.

use aion_client::Node;

/// The node that is asked about an agent.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) node: Node,
    /// Its name, in a cluster.
    #[cfg(feature = "kubernetes")]
    pub(crate) name: Option<String>,
}
