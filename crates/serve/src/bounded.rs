//! Connections of whoever may connect: so many at once, and none of them for ever.

use std::{io, sync::Arc};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Semaphore;

use crate::{connection::Accepting, patience::Patience};

/// Connections that are open at once, at most; more wait. Each may hold a head of 64 KiB before anybody knows whose it is.
const CONNECTIONS: usize = 2048;
/// Of the files that this process may have open, connections are one in so many: whoever may connect does not
/// keep the program from its work.
const SHARE: u64 = 4;

/// As many connections of a listener as have room, each with [`Patience`].
pub struct Bounded<A> {
    listener: A,
    room: Arc<Semaphore>,
}

impl<A> Bounded<A> {
    /// Those of `listener`.
    pub fn new(listener: A) -> Self {
        Self {
            listener,
            room: Arc::new(Semaphore::new(connections())),
        }
    }
}

impl<A: Accepting> Accepting for Bounded<A> {
    type Connection = Patience<A::Connection>;

    async fn next(&mut self) -> io::Result<Self::Connection> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.map_err(io::Error::other)?;
        Ok(Patience::new(self.listener.next().await?, room))
    }
}

/// How many connections of a listener are open at once, at most.
#[must_use]
pub fn connections() -> usize {
    room(getrlimit(Resource::Nofile).current)
}

/// How many connections fit beside everything else, where so many files may be open.
fn room(open_files: Option<u64>) -> usize {
    let share = open_files.map_or(u64::MAX, |files| files / SHARE);
    usize::try_from(share).map_or(CONNECTIONS, |share| share.clamp(1, CONNECTIONS))
}

/// Lets this process have as many files open as it may ask for. What it starts with is made for programs that
/// count theirs on one hand.
///
/// # Errors
/// The limit stays what it was.
pub fn raise_open_files() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(());
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Somebody always waits.
    struct Crowd;

    impl Accepting for Crowd {
        type Connection = ();

        async fn next(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_waits_for_who_leaves() {
        let mut listener = Bounded {
            listener: Crowd,
            room: Arc::new(Semaphore::new(2)),
        };
        let first = listener.next().await.unwrap();
        let _second = listener.next().await.unwrap();
        let long = Duration::from_secs(3600);
        assert!(timeout(long, listener.next()).await.is_err());
        drop(first);
        assert!(timeout(long, listener.next()).await.is_ok());
    }

    #[test]
    fn connections_leave_the_program_the_files_it_works_with() {
        assert_eq!(room(Some(256)), 64);
        assert_eq!(room(Some(1 << 20)), CONNECTIONS);
        assert_eq!(room(None), CONNECTIONS);
        assert_eq!(room(Some(3)), 1);
    }
}
