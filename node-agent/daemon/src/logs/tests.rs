//! Lines on a disk, without a worker.
#![allow(clippy::unwrap_used)]
use super::*;
use rate::{MOST, WINDOW};

fn logs(dir: &Path) -> Logs {
    Logs::new(dir.to_owned(), Reserve::new(dir, 0), Feed::new())
}

#[tokio::test]
async fn lines_are_kept_in_order_and_files_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let logs = logs(dir.path());
    let long = "x".repeat(4000);
    for n in 0..3000 {
        logs.add("home/a", Incarnation(1), "node", &format!("{n} {long}"));
    }
    let mut to_come = logs.follow("home/a");
    let lines = logs.read("home/a", 2).unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines[1].text.starts_with("2999 "));
    let on_disk: u64 = fs::read_dir(dir.path().join("home"))
        .unwrap()
        .map(|it| it.unwrap().metadata().unwrap().len())
        .sum();
    assert!(on_disk < 3 * MAX_FILE, "{on_disk}");
    logs.add("home/a", Incarnation(2), "node", "more");
    assert_eq!(to_come.recv().await.unwrap().text, "more");
}

#[tokio::test]
async fn a_line_without_an_end_is_handed_on_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let logs = logs(dir.path());
    let endless = "y".repeat(20_000);
    logs.copy("home/a", Incarnation(1), "stderr", endless.as_bytes())
        .await;
    let lines = logs.read("home/a", 100).unwrap();
    assert_eq!(lines.iter().map(|it| it.text.len()).sum::<usize>(), 20_000);
    assert!(lines.iter().all(|it| it.text.len() <= MAX_LINE));
}

fn texts(logs: &Logs) -> Vec<String> {
    let lines = logs.read("home/a", 100).unwrap();
    lines.into_iter().map(|line| line.text).collect()
}

#[tokio::test]
async fn nothing_is_held_for_an_agent_that_nobody_writes_or_follows() {
    let dir = tempfile::tempdir().unwrap();
    let logs = logs(dir.path());
    logs.add("home/a", Incarnation(1), "node", "one");
    assert!(logs.shared.agents.lock().is_empty());
    {
        let _writing = logs.writing("home/a", Incarnation(1));
        logs.add("home/a", Incarnation(1), "stdout", "two");
        let agents = logs.shared.agents.lock();
        let log = agents["home/a"].lock();
        assert!(log.file.is_some() && log.lines.is_none());
    }
    assert!(logs.shared.agents.lock().is_empty());
    let mut follower = logs.follow("home/a");
    logs.add("home/a", Incarnation(2), "node", "three");
    assert!(logs.shared.agents.lock()["home/a"].lock().file.is_none());
    assert_eq!(follower.recv().await.unwrap().text, "three");
    drop(follower);
    drop(logs.follow("home/b"));
    drop(logs.follow("home/c"));
    assert_eq!(
        logs.shared.agents.lock().len(),
        1,
        "one at most that was just left"
    );
    assert_eq!(texts(&logs), ["one", "two", "three"]);
}

#[test]
fn a_file_that_was_removed_or_spoilt_by_hand_does_not_stop_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let logs = logs(dir.path());
    let path = dir.path().join("home/a.log");
    let _writing = logs.writing("home/a", Incarnation(1));
    logs.add("home/a", Incarnation(1), "stdout", "gone");
    fs::remove_file(&path).unwrap();
    logs.add("home/a", Incarnation(1), "stdout", "one");
    let mut by_hand = File::options().append(true).open(&path).unwrap();
    by_hand.write_all(b"\xff\xfe no text\n").unwrap();
    logs.add("home/a", Incarnation(1), "stdout", "two");
    assert_eq!(texts(&logs), ["one", "two"]);
    fs::remove_dir_all(dir.path().join("home")).unwrap();
    logs.add("home/a", Incarnation(1), "stdout", "three");
    assert_eq!(texts(&logs), ["three"]);
}

#[test]
fn a_long_text_of_several_lines_is_added_whole() {
    let dir = tempfile::tempdir().unwrap();
    let logs = logs(dir.path());
    let long = "é".repeat(MAX_LINE);
    logs.add_whole(
        "home/a",
        Incarnation(1),
        "node",
        &format!("one\n{long}\ntwo"),
    );
    let texts = texts(&logs);
    assert_eq!((&*texts[0], &*texts[texts.len() - 1]), ("one", "two"));
    assert_eq!(texts[1..texts.len() - 1].concat(), long);
}

#[test]
fn lines_of_the_node_alone_are_bounded_too() {
    let dir = tempfile::tempdir().unwrap();
    let logs = logs(dir.path());
    let path = dir.path().join("home/a.log");
    fs::create_dir(dir.path().join("home")).unwrap();
    File::create(&path).unwrap().set_len(MAX_FILE).unwrap();
    logs.add("home/a", Incarnation(1), "node", "one");
    assert!(path.metadata().unwrap().len() < 1000);
    assert_eq!(aside(&path).metadata().unwrap().len(), MAX_FILE);
}

/// So many lines of 100 bytes with their ends, numbered.
fn flood(lines: usize) -> String {
    (0..lines).map(|n| format!("{n:0>99}\n")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_program_that_writes_without_end_is_left_out_and_told_of_once() {
    let dir = tempfile::tempdir().unwrap();
    let logs = logs(dir.path());
    let mut follower = logs.follow("home/a");
    let copy = async |text: &str| {
        logs.copy("home/a", Incarnation(1), "stdout", text.as_bytes())
            .await;
    };
    // At once, as far as this clock goes: 12 MB, which would be over the files' bound, too.
    let began = Instant::now();
    copy(&flood(120_000)).await;
    assert!(began.elapsed() < WINDOW);
    let kept = logs.read("home/a", usize::MAX).unwrap();
    let (last, kept) = kept.split_last().unwrap();
    let bytes: usize = kept.iter().map(|line| line.text.len()).sum();
    assert!(bytes as u64 <= MOST, "{bytes}");
    assert!(
        kept.iter()
            .enumerate()
            .all(|(n, it)| it.text == format!("{n:0>99}"))
    );
    let left = 120_000 - kept.len();
    let told = format!("lines left out here: {left}, of {} bytes;", left * 99);
    assert_eq!(last.source, "node");
    assert!(last.text.starts_with(&told), "{}", last.text);
    // Whoever writes waited: the pipe is read no faster than 8 MiB in a second.
    assert!(began.elapsed() >= Duration::from_secs(1));
    // The next worker begins where this one was; the node has its word all the same.
    copy("more\n").await;
    logs.add("home/a", Incarnation(1), "node", "ended");
    assert_eq!(logs.read("home/a", 1).unwrap()[0].text, "ended");
    tokio::time::advance(WINDOW).await;
    copy("again\n").await;
    let last: Vec<_> = logs.read("home/a", 3).unwrap();
    let last: Vec<_> = last.iter().map(|line| line.text.as_str()).collect();
    assert!(
        last[0].starts_with("lines left out here: 1, of 4 bytes;"),
        "{last:?}"
    );
    assert_eq!(last[1..], ["ended", "again"]);
    // A follower has what is kept, and no more of it.
    let mut followed = 0;
    while let Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_)) = follower.try_recv() {
        followed += 1;
    }
    assert!(followed <= FOLLOWERS_BEHIND + 1, "{followed}");
}

#[tokio::test(start_paused = true)]
async fn what_one_agent_writes_leaves_out_nothing_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let logs = logs(dir.path());
    logs.copy("home/b", Incarnation(1), "stdout", flood(20_000).as_bytes())
        .await;
    logs.copy("home/a", Incarnation(1), "stdout", &b"heard\n"[..])
        .await;
    assert_eq!(texts(&logs), ["heard"]);
}

#[test]
fn the_log_of_one_agent_waits_for_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let logs = logs(dir.path());
    let _writing = logs.writing("home/b", Incarnation(1));
    // As where the disk holds up a line of it.
    let busy = Arc::clone(&logs.shared.agents.lock()["home/b"]);
    let _held = busy.lock();
    logs.add("home/a", Incarnation(1), "node", "heard");
    drop(logs.follow("home/a"));
    assert_eq!(texts(&logs), ["heard"]);
}

#[test]
fn a_log_that_is_erased_while_it_is_written_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let logs = logs(dir.path());
    let mut follower = logs.follow("home/a");
    {
        let _writing = logs.writing("home/a", Incarnation(1));
        logs.add("home/a", Incarnation(1), "stdout", "gone");
        logs.erase("home/a").unwrap();
        assert_eq!(texts(&logs), [""; 0]);
        logs.add("home/a", Incarnation(1), "stdout", "one");
    }
    assert_eq!(texts(&logs), ["one"]);
    assert_eq!(follower.try_recv().unwrap().text, "gone");
    let closed = broadcast::error::TryRecvError::Closed;
    assert_eq!(follower.try_recv().unwrap_err(), closed);
    assert!(logs.shared.agents.lock().is_empty());
}
