//! What a command says when it cannot do its work: what, where, what to do, and with which exit status. Every
//! error of every command becomes one of these, in the file of that command.

use std::fmt::Display;

/// Exit statuses, as `docs/cli.md` and `aionctl --help` list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// What was asked for was tried and did not succeed.
    Failed = 1,
    /// The arguments or a manifest are wrong: nothing was tried.
    Usage = 2,
    /// Nothing answers at the node's or the cluster's address.
    Unreachable = 3,
    /// It does not exist.
    NotFound = 4,
    /// It is not allowed.
    Refused = 5,
    /// It was done, and a part of what was given is not in it: an agent's answer, an imported description.
    Incomplete = 6,
    /// Ctrl-C.
    Interrupted = 130,
}

/// A command's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) place: Option<String>,
    pub(crate) remedy: Option<String>,
    pub(crate) status: Status,
}

impl Failure {
    /// With [`Status::Failed`].
    pub(crate) fn new(what: impl Display) -> Self {
        Self {
            what: what.to_string(),
            place: None,
            remedy: None,
            status: Status::Failed,
        }
    }

    /// With [`Status::Usage`].
    pub(crate) fn usage(what: impl Display) -> Self {
        Self::new(what).status(Status::Usage)
    }

    /// For a file or folder that could not be read or written.
    pub(crate) fn io(doing: &str, path: &std::path::Path, why: &std::io::Error) -> Self {
        Self::new(format!("cannot {doing}: {why}")).at(path.display())
    }

    #[must_use]
    pub(crate) fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    #[must_use]
    pub(crate) fn at(mut self, place: impl Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    #[must_use]
    pub(crate) fn remedy(mut self, remedy: impl Display) -> Self {
        self.remedy = Some(remedy.to_string());
        self
    }
}
