//! What a turn may have kept: an agent at its bound is refused, and leaves others whole.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use aion_abi::{
    admin::TurnEvent,
    code::Code,
    date::UnixMillis,
    problem::Problem,
    syscall::{
        agent::{MessageKind, MessageRequest},
        fs::{WriteMode, WriteRequest},
    },
};
use aion_drivers::{
    files::{FilesDriver, FolderFiles, Mount, MountTable, Origin, Room},
    reserve::Reserve,
};
use aion_kernel::TurnId;

use super::{
    Known, Turns,
    crash_tests::{asked, end, open},
    live::Live,
};

fn says(live: &Live, kind: MessageKind, text: &str, reserve: &Reserve) -> Result<(), Problem> {
    let message = MessageRequest {
        kind,
        text: text.to_owned(),
        problem: None,
        steps: Vec::new(),
    };
    live.message(message, reserve).map(|_| ())
}

#[test]
fn messages_without_text_come_to_an_end() {
    let root = tempfile::tempdir().unwrap();
    let (live, _) = asked(root.path(), 1, "home/a");
    let room = Reserve::new(root.path(), 0);
    let kinds = [MessageKind::Delta, MessageKind::Progress];
    let mut all = (0..1_000_000).map(|n| says(&live, kinds[n % 2], "", &room));
    let refused = all.find_map(Result::err).unwrap();
    assert_eq!(refused.code, Code::TooLarge);
    drop(all);
    assert!(live.events().len() < 100_000);
    // A later daemon counts what was said.
    let again = Live::open(live.folder.clone()).unwrap();
    says(&again, MessageKind::Delta, "", &room).unwrap_err();
}

#[test]
fn questions_to_people_count_as_what_the_turn_says() {
    let root = tempfile::tempdir().unwrap();
    let (live, _) = asked(root.path(), 1, "home/a");
    let asks = || TurnEvent::Asked {
        approval: 3,
        capability: "tool.call:mail.send".to_owned(),
        until_ms: UnixMillis(0),
    };
    let (room, full) = (
        Reserve::new(root.path(), 0),
        Reserve::new(root.path(), u64::MAX),
    );
    let refused = live.tell(asks(), &full).unwrap_err();
    assert_eq!(refused.code, Code::StorageFull);
    let text = "a".repeat(1 << 20);
    while says(&live, MessageKind::Delta, &text, &room).is_ok() {}
    while says(&live, MessageKind::Delta, "", &room).is_ok() {}
    let refused = live.tell(asks(), &room).unwrap_err();
    assert_eq!(refused.code, Code::TooLarge);
}

#[test]
fn on_a_disk_whose_rest_is_kept_a_turn_can_still_answer() {
    let root = tempfile::tempdir().unwrap();
    let (live, _) = asked(root.path(), 1, "home/a");
    let full = Reserve::new(root.path(), u64::MAX);
    for kind in [MessageKind::Delta, MessageKind::Progress] {
        let refused = says(&live, kind, "more", &full).unwrap_err();
        assert_eq!(refused.code, Code::StorageFull);
    }
    says(&live, MessageKind::Final, "the answer", &full).unwrap();
    live.end(&end(1)).unwrap();
}

async fn writes(turns: &Turns, turn: u64, size: usize) -> Result<(), Problem> {
    let most = Room {
        bytes: 999,
        entries: 10,
    };
    let (folder, account) = turns.output(TurnId(turn), most).unwrap();
    let mount = Mount {
        folder: folder.mount("output"),
        writable: true,
        origin: Origin::Turn,
        account: Some(Arc::clone(&account)),
    };
    let mounts = MountTable::new().with("output", mount);
    let request = WriteRequest {
        mount: "output".into(),
        path: "f".into(),
        // Three bytes in Base64.
        data: "AAAA".repeat(size / 3),
        mode: WriteMode::Append,
    };
    let driver = FolderFiles::new([]);
    driver.write(&mounts, request).await.map(|_| ())
}

#[tokio::test]
async fn an_output_at_its_bound_leaves_that_of_another_turn_whole() {
    let root = tempfile::tempdir().unwrap();
    let waiting = [1, 2].map(|turn| (asked(root.path(), turn, "home/a").1, TurnId(turn)));
    let known = || Known {
        waiting: waiting.to_vec(),
        ended: Vec::new(),
    };
    let turns = open(root.path(), known());
    writes(&turns, 1, 999).await.unwrap();
    let refused = writes(&turns, 1, 3).await.unwrap_err();
    assert_eq!(refused.code, Code::TooLarge);
    assert!(refused.remedy.contains("limits.outputMiB"), "{refused:?}");
    writes(&turns, 2, 999).await.unwrap();
    // A daemon that takes the turns over knows what is there.
    let turns = open(root.path(), known());
    assert!(writes(&turns, 1, 3).await.is_err());
}

#[test]
fn notices_are_kept_whole_once_and_bounded_together() {
    let root = tempfile::tempdir().unwrap();
    let (live, _) = asked(root.path(), 1, "home/a");
    let room = Reserve::new(root.path(), 0);
    for n in 0..150 {
        says(&live, MessageKind::Notice, &format!("left out: {n}"), &room).unwrap();
        says(&live, MessageKind::Notice, &format!("left out: {n}"), &room).unwrap();
    }
    // A later daemon knows them, and that there were more.
    let again = Live::open(live.folder.clone()).unwrap();
    assert_eq!(again.notices().0, live.notices().0);
    assert!(again.notices().1 > 0);
    says(&live, MessageKind::LeftOut, "left out: 0", &room).unwrap();
    says(&live, MessageKind::Final, "the rest", &room).unwrap();
    live.end(&end(1)).unwrap();
    let outcome = live.record(TurnId(1)).unwrap().outcome.unwrap();
    assert_eq!((outcome.notices.len(), outcome.notices_beyond), (100, 100));
    assert!(outcome.ok && outcome.incomplete);
    let told = live.events().into_iter();
    let told = told.filter(|event| matches!(event, TurnEvent::Notice { .. }));
    assert_eq!(
        told.count(),
        100 + 1 + 1,
        "one in the place of the rest, one that says left out"
    );
}
