//! What the end of a turn costs: nothing of what is at rest is opened or read for it.
#![allow(clippy::unwrap_used)]

use std::{mem::MaybeUninit, path::Path};

use aion_kernel::TurnId;
use rustix::fs::inotify;

use super::{
    Known, Turns,
    crash_tests::{answered, end, open},
};

/// Sees what is opened in folders of turns.
struct Watch(std::os::fd::OwnedFd);

impl Watch {
    fn on<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Self {
        let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
        let watch = inotify::init(flags).unwrap();
        let each = inotify::WatchFlags::OPEN | inotify::WatchFlags::ACCESS;
        for folder in folders {
            inotify::add_watch(&watch, folder, each).unwrap();
        }
        Self(watch)
    }

    fn seen(&self) -> usize {
        let mut space = [const { MaybeUninit::uninit() }; 64 * 1024];
        let mut events = inotify::Reader::new(&self.0, &mut space);
        std::iter::from_fn(|| events.next().ok().map(drop)).count()
    }
}

/// Kept turns of others, the turns of `home/mine`, and one of it that runs.
async fn full() -> (tempfile::TempDir, Watch, Turns) {
    let root = tempfile::tempdir().unwrap();
    let mut others = Vec::new();
    for turn in 0..20 {
        let (live, _) = answered(root.path(), turn, &format!("home/other-{}", turn % 5));
        live.end(&end(turn)).unwrap();
        others.push(live.folder.mount(""));
    }
    let (live, _) = answered(root.path(), 30, "home/mine");
    live.end(&end(30)).unwrap();
    let (_, input) = answered(root.path(), 31, "home/mine");
    let waiting = vec![(input, TurnId(31))];
    let known = Known {
        waiting,
        ended: Vec::new(),
    };
    let turns = open(root.path(), known);
    let watch = Watch::on(others.iter().map(std::path::PathBuf::as_path));
    turns.done(input, end(31)).await;
    (root, watch, turns)
}

#[tokio::test]
async fn the_end_of_a_turn_opens_no_other_turn() {
    let (_root, watch, turns) = full().await;
    turns.tidy(std::collections::HashSet::new()).await;
    assert_eq!(watch.seen(), 0);
    // What is asked of another turn is seen.
    turns.record(TurnId(3)).await.unwrap();
    assert!(watch.seen() > 0);
}

#[tokio::test]
async fn the_turns_of_an_agent_are_found_without_those_of_others() {
    let (_root, watch, turns) = full().await;
    let newest = turns.of_agent("home/mine", 5).await;
    let newest: Vec<_> = newest.iter().map(|it| it.turn).collect();
    assert_eq!(newest, [31, 30]);
    assert_eq!(watch.seen(), 0);
    turns.erase("home/mine".to_owned()).await.unwrap();
    assert!(turns.of_agent("home/mine", 5).await.is_empty());
    assert_eq!(watch.seen(), 0);
}
