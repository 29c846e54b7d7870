//! What holds for every command. What may not enter: a command.

use std::path::PathBuf;

use clap::Args;

use crate::render::screen::Colour;

/// What holds for every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The namespace the agents are in [default: default; in a cluster that of the context]
    #[arg(
        short,
        long,
        global = true,
        env = "AION_NAMESPACE",
        hide_env_values = true,
        value_name = "NAME",
        help_heading = "Everywhere"
    )]
    pub(crate) namespace: Option<String>,
    /// Speak to a cluster instead of the node on this machine, as kubectl would: the one KUBECONFIG names
    #[arg(
        long,
        global = true,
        env = "AION_CLUSTER",
        hide_env_values = true,
        value_parser = clap::builder::FalseyValueParser::new(),
        help_heading = "In a cluster"
    )]
    pub(crate) cluster: bool,
    /// The kubeconfig; implies --cluster
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "In a cluster"
    )]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context in it; implies --cluster
    #[arg(
        long,
        global = true,
        env = "AION_CONTEXT",
        hide_env_values = true,
        value_name = "NAME",
        help_heading = "In a cluster"
    )]
    pub(crate) context: Option<String>,
    /// Ask agents as this service account of the namespace [default: aion-invoke]
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "In a cluster"
    )]
    pub(crate) service_account: Option<String>,
    /// Where the state of this machine's node is [default: ~/.aion; root's: /var/lib/aion]
    #[arg(
        long,
        global = true,
        env = "AION_HOME",
        hide_env_values = true,
        value_name = "FOLDER",
        help_heading = "Everywhere"
    )]
    pub(crate) home: Option<PathBuf>,
    /// auto, always or never; NO_COLOR is honoured
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_possible_values = true,
        help_heading = "Everywhere"
    )]
    pub(crate) color: Colour,
}
