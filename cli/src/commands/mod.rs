//! One file a command: its arguments, what it asks of the node, what it prints.

pub(crate) mod apply;
pub(crate) mod approvals;
pub(crate) mod ask;
pub(crate) mod bundle;
pub(crate) mod completion;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod dev;
pub(crate) mod explain;
pub(crate) mod get;
pub(crate) mod kind;
pub(crate) mod local;
pub(crate) mod logs;
pub(crate) mod manifests;
pub(crate) mod mount;
pub(crate) mod new;
pub(crate) mod node;
mod question;
pub(crate) mod route;
pub(crate) mod run;
mod shown;
pub(crate) mod trace;
pub(crate) mod trigger;
pub(crate) mod turn;
pub(crate) mod version;
mod wait;
pub(crate) mod why;
