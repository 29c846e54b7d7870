//! Flags and environment, read once.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;

/// The variable that says where it listens.
pub(crate) const LISTEN: &str = "AION_GATEWAY_LISTEN";

/// The door of AION-OS for programs: REST, the OpenAI API, MCP and A2A, on this machine or for a cluster.
///
/// `aionctl local start` starts it beside the node agent, which it asks on a socket where agents are asked and nothing
/// else is done. Whoever connects has to show the token, as a bearer token or as an API key of OpenAI's clients. With --cluster it asks the
/// nodes of a cluster, with the token that it is shown.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "aion-gateway",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  aion-gateway --home ~/.aion &
  export OPENAI_BASE_URL=http://127.0.0.1:8421/v1 OPENAI_API_KEY=$(cat ~/.aion/gateway/token)
  curl -H \"Authorization: Bearer $OPENAI_API_KEY\" $OPENAI_BASE_URL/agents"
)]
pub(crate) struct Args {
    /// Where it listens: an address of this machine alone, unless it has a certificate.
    #[arg(long, env = LISTEN, default_value = "127.0.0.1:8421")]
    pub(crate) listen: SocketAddr,

    /// Where the node keeps its state, as for aionctl.
    #[arg(
        long,
        env = "AION_HOME",
        value_name = "FOLDER",
        required_unless_present = "cluster"
    )]
    pub(crate) home: Option<PathBuf>,

    /// Asks the nodes of a cluster, with the token of who asks. For a program that is built with the feature kubernetes.
    #[arg(long, env = "AION_CLUSTER", conflicts_with = "token_file")]
    pub(crate) cluster: bool,

    /// The token's file, for its owner alone, or root's for the group of this user; made where there is none [default:
    /// gateway/token in the state]
    #[arg(long, env = "AION_GATEWAY_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// The key that agent cards of A2A are signed with: a file of 32 bytes, for its owner alone. Gateways that are to sign alike share it;
    /// made where there is none [default: gateway/run/card.key in the state; in a cluster cards are signed with what is named, or not at all]
    #[arg(long, env = "AION_GATEWAY_CARD_KEY_FILE", value_name = "FILE")]
    pub(crate) card_key_file: Option<PathBuf>,

    /// In a cluster: the certificate it shows, in PEM form, and those between it and the authority. Read again when it changes; without
    /// one it listens on this machine alone
    #[arg(long, env = "AION_GATEWAY_TLS_CERT", value_name = "FILE", requires_all = ["cluster", "tls_key"])]
    pub(crate) tls_cert: Option<PathBuf>,

    /// In a cluster: the certificate's key
    #[arg(
        long,
        env = "AION_GATEWAY_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub(crate) tls_key: Option<PathBuf>,

    /// In a cluster: the address that clients have, which agent cards say [default: where it listens]
    #[arg(
        long,
        env = "AION_GATEWAY_URL",
        value_name = "URL",
        requires = "cluster"
    )]
    pub(crate) url: Option<String>,

    /// Asks nodes of this machine without TLS, for tests.
    #[arg(long, requires = "cluster", hide = true)]
    pub(crate) plain_nodes: bool,

    /// The namespace of agents that are named without one; in a cluster, for who is no service account.
    #[arg(long, env = "AION_NAMESPACE", default_value = "default")]
    pub(crate) namespace: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Args::command().debug_assert();
    }
}
