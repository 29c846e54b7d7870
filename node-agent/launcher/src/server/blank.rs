//! A process that is nobody's worker yet: in its namespaces but that of its mounts, with
//! a user of its own where workers have one, in its program up to where that waits for a
//! plan. It is what a start takes longest to make and what is the same for every start,
//! so one is made ahead: the spare. It has no descriptor but its link, and ends when that
//! closes.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::Server;
use super::starter::{NotBegun, Starter, open_program};
use super::sys::{self, Child, Failure, Made};
use aion_sandbox::Layer;
use aion_sandbox::protocol::{InsideUser, Role, StartFailure};
use aion_sandbox::wire;

/// After a start, until another spare is made: the worker that took the last one has
/// the processor first.
const AFTER_START: Duration = Duration::from_millis(5);

/// A process without a plan.
#[derive(Debug)]
pub(super) struct Blank {
    pub(super) made: Made,
    /// The launcher's end of the pair.
    pub(super) link: OwnedFd,
    /// Who it is in its user namespace.
    inside: InsideUser,
    /// Its user on the host, where it is not the launcher's own.
    pub(super) user: Option<u32>,
}

impl Blank {
    /// Whether it lives. If not, its end is taken by this.
    fn lives(&self) -> bool {
        matches!(sys::wait(self.made.pidfd.as_fd(), false), Ok(None))
    }

    /// Why it ended before it had a plan.
    fn why_it_ended(&self) -> String {
        wire::receive_bytes(&self.link)
            .ok()
            .and_then(|(bytes, _)| Failure::from_bytes(&bytes))
            .map_or_else(|| "it was ended".into(), |failure| failure.to_string())
    }
}

impl Starter {
    /// Makes one for a role, and for who it is inside. `taken` are the host users that others have.
    pub(super) fn blank(
        &self,
        role: Role,
        inside: InsideUser,
        taken: &[u32],
    ) -> Result<Blank, NotBegun> {
        let user = self.namespaces.free_user(taken);
        let user = user.map_err(|why| (StartFailure::Busy, why))?;
        let compiler = match role {
            Role::Compile => Some(self.open_compiler()?),
            Role::Declarative | Role::Wasm | Role::Process | Role::Tool => None,
        };
        let program = match &compiler {
            Some(compiler) => (compiler.as_fd(), c"aion-compiler"),
            None => (self.worker.as_fd(), c"aion-worker"),
        };
        self.make(program, inside, user)
            .map_err(|why| (StartFailure::Spawn, why))
    }

    fn open_compiler(&self) -> Result<OwnedFd, NotBegun> {
        open_program(&self.compiler).map_err(|error| {
            let why = format!(
                "the compiler cannot be opened at {}: {error}; install aion-compiler beside aion-launcher",
                self.compiler.display()
            );
            (StartFailure::NoProgram, why)
        })
    }

    fn make(
        &self,
        (program, name): (BorrowedFd<'_>, &CStr),
        inside: InsideUser,
        user: Option<u32>,
    ) -> Result<Blank, String> {
        let step = |what: &'static str| move |error: Errno| format!("{what}: {error}");
        let (link, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(step("socket pair"))?;
        // This end only: the loop may not wait for one worker, and a worker waits for its plan.
        rustix::io::ioctl_fionbio(&link, true).map_err(step("socket pair"))?;
        let nothing = File::options().read(true).write(true).open("/dev/null");
        let nothing = nothing.map_err(|error| format!("/dev/null: {error}"))?;
        let own_user_namespace = self.namespaces.has(Layer::UserNamespace);
        let (made, release) = sys::spawn(&Child {
            namespaces: self.namespaces.early(),
            link: theirs.as_fd(),
            nothing: nothing.as_fd(),
            inside: own_user_namespace.then_some(inside),
            drop_groups: own_user_namespace && user.is_some(),
            program,
            name,
        })
        .map_err(|error| format!("make the process: {error}"))?;
        let blank = Blank {
            made,
            link,
            inside,
            user,
        };
        let set_up = (|| {
            if own_user_namespace {
                self.namespaces
                    .map(blank.made.pid, inside, user)
                    .map_err(|error| format!("map its user: {error}"))?;
            }
            release.go().map_err(|error| format!("release it: {error}"))
        })();
        match set_up {
            Ok(()) => Ok(blank),
            Err(why) => {
                blank.made.end();
                Err(why)
            }
        }
    }
}

/// The one that is made ahead.
#[derive(Debug, Default)]
pub(super) struct Spare {
    pub(super) blank: Option<Blank>,
    /// When one is to be made.
    pub(super) due: Option<Instant>,
    wanted: Wanted,
}

/// Who the spare is inside: the map of its user namespace is written once, before its program begins. Programs of images
/// with different users start in any order; to follow the last of them would have each put the other's away. So it is
/// the one of most of the starts of late, by a majority vote: a start of that user counts for it, one of another against
/// it, and at nothing the other takes its place.
#[derive(Debug, Default)]
struct Wanted {
    inside: InsideUser,
    votes: u8,
}

/// So many starts in a row of another user change who the spare is at the latest.
const MOST_VOTES: u8 = 8;

impl Wanted {
    /// Counts a start as `inside`. Whether the spare is to be made anew for it.
    fn counts(&mut self, inside: InsideUser) -> bool {
        if self.inside == inside {
            self.votes = (self.votes + 1).min(MOST_VOTES);
            return false;
        }
        match self.votes.checked_sub(1) {
            Some(fewer) => self.votes = fewer,
            None => *self = Self { inside, votes: 1 },
        }
        self.inside == inside
    }
}

impl Spare {
    /// One that waits to be made, from now on.
    pub(super) fn to_be_made() -> Self {
        Self {
            blank: None,
            due: Some(Instant::now()),
            wanted: Wanted::default(),
        }
    }

    /// Its user, whom nobody else may have.
    pub(super) fn user(&self) -> Option<u32> {
        self.blank.as_ref()?.user
    }

    /// Takes it for a start in this role, if it fits and lives. Another is due after.
    pub(super) fn take(&mut self, role: Role, inside: InsideUser) -> Option<Blank> {
        if role == Role::Process && self.wanted.counts(inside) {
            self.put_away();
        }
        let fits = self.blank.as_ref().is_none_or(|it| it.inside == inside);
        match role {
            Role::Compile => return None,
            // They ask who they are: a tool, of which there are few, and they last, is root inside.
            Role::Tool | Role::Process if !fits => return None,
            // They look nobody's name up.
            Role::Declarative | Role::Wasm | Role::Process | Role::Tool => {}
        }
        self.due = Some(Instant::now() + AFTER_START);
        self.blank.take().filter(Blank::lives)
    }

    fn put_away(&mut self) {
        if let Some(blank) = self.blank.take() {
            blank.made.end();
        }
    }
}

impl Server {
    /// The host users that are somebody's.
    pub(super) fn users(&self) -> Vec<u32> {
        (self.workers.values().map(|it| it.known.user))
            .chain(self.leftovers.iter().map(|it| it.user))
            .chain([self.spare.user()])
            .flatten()
            .collect()
    }

    /// Makes the spare once it is due. Where there can be none, a start makes its own
    /// blank, and tells why it cannot.
    pub(super) fn make_spare(&mut self) {
        if self.spare.blank.is_some() || self.spare.due.is_none_or(|due| due > Instant::now()) {
            return;
        }
        self.spare.due = None;
        match self
            .starter
            .blank(Role::Declarative, self.spare.wanted.inside, &self.users())
        {
            Ok(blank) => self.spare.blank = Some(blank),
            Err((_, why)) => tracing::warn!(%why, "no worker could be made ahead"),
        }
    }

    /// Takes the end of a spare that was not taken. Another comes after the next start:
    /// one that cannot live is not made again and again.
    pub(super) fn bury_spare(&mut self) {
        if let Some(blank) = self.spare.blank.take_if(|blank| !blank.lives()) {
            let why = blank.why_it_ended();
            tracing::warn!(%why, "the worker that was made ahead is gone");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32) -> InsideUser {
        InsideUser { uid, gid: uid }
    }

    /// How often the spare is made anew for these starts.
    fn changes(starts: impl IntoIterator<Item = u32>) -> usize {
        let mut wanted = Wanted::default();
        let starts = starts.into_iter();
        starts.filter(|uid| wanted.counts(user(*uid))).count()
    }

    #[test]
    fn users_that_take_turns_do_not_put_each_others_spare_away() {
        let times = |starts: &[u32]| starts.repeat(100);
        assert_eq!(changes(times(&[1, 2])), 1);
        assert_eq!(changes(times(&[1, 1, 2, 2])), 1);
        assert_eq!(changes(times(&[1, 2, 1, 3])), 1);
    }

    #[test]
    fn the_spare_is_who_starts_from_now_on_soon() {
        assert_eq!(changes([1]), 1);
        assert_eq!(changes([1, 1, 1]), 1);
        let mut wanted = Wanted::default();
        for _ in 0..1000 {
            wanted.counts(user(1));
        }
        let starts = (1..).find(|_| wanted.counts(user(2)));
        assert_eq!(starts, Some(usize::from(MOST_VOTES) + 1));
    }
}
