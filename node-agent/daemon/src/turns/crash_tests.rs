//! Turns against a daemon that dies, and against folders that cannot be read.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use aion_abi::{
    admin::{TurnEvent, TurnRecord},
    syscall::agent::{MessageKind, MessageRequest},
};
use aion_drivers::reserve::Reserve;
use aion_kernel::{BodyDigest, Date, Incarnation, Millis, Now, TurnId, TurnOutcome, Usage};
use tempfile::TempDir;

use super::{folder::Name, live::Live, *};
use crate::{clock::Clock, shell::TurnEnd};

static ASKED_AT: LazyLock<u64> = LazyLock::new(|| Clock::behind(None).now().0);

fn now(at: u64) -> Now {
    Now {
        at: Millis(at),
        date: Date(at),
    }
}

pub(super) fn open(root: &Path, known: Known) -> Turns {
    open_at(root, known, Clock::behind(None))
}

fn open_at(root: &Path, known: Known, clock: Clock) -> Turns {
    let reserve = Reserve::new(root, 0);
    Turns::open(root.to_owned(), clock, reserve, known).unwrap()
}

/// A turn of `agent` that runs.
pub(super) fn asked(root: &Path, turn: u64, agent: &str) -> (Live, BodyDigest) {
    asked_at(root, turn, agent, now(*ASKED_AT))
}

fn asked_at(root: &Path, turn: u64, agent: &str, at: Now) -> (Live, BodyDigest) {
    let asked = Asked::new(agent.to_owned(), "what is it?".to_owned(), Vec::new(), at);
    let (folder, input) = TurnFolder::make(root, &asked, |_| Ok(())).unwrap();
    let live = Live::open(folder).unwrap();
    live.begin(TurnId(turn)).unwrap();
    (live, input.digest)
}

/// It has answered, and written a file.
pub(super) fn answered(root: &Path, turn: u64, agent: &str) -> (Live, BodyDigest) {
    let (live, input) = asked(root, turn, agent);
    let answer = MessageRequest {
        kind: MessageKind::Final,
        text: "42".to_owned(),
        problem: None,
        steps: Vec::new(),
    };
    live.message(answer, &Reserve::new(root, 0)).unwrap();
    fs::write(live.folder.mount("output").join("report.md"), "x").unwrap();
    (live, input)
}

pub(super) fn end(turn: u64) -> TurnEnd {
    TurnEnd {
        turn: TurnId(turn),
        outcome: TurnOutcome::Completed,
        usage: Usage {
            input_tokens: 3,
            output_tokens: 4,
            ..Usage::default()
        },
        calls: 5,
        at: Millis(*ASKED_AT + 900),
    }
}

fn path(live: &Live) -> PathBuf {
    live.folder.mount("")
}

fn is_whole(record: &TurnRecord) {
    assert_eq!(record.answer.as_deref(), Some("42"));
    let outcome = record.outcome.as_ref().unwrap();
    assert!(outcome.ok, "{outcome:?}");
    assert_eq!(outcome.files[0].path, "report.md");
}

async fn last_event(turns: &Turns, turn: u64) -> TurnEvent {
    let mut follow = turns.follow(TurnId(turn)).await.unwrap().unwrap();
    let mut last = None;
    while let Some(event) = follow.next().await {
        last = Some(event);
    }
    last.unwrap()
}

/// What is there of a file, or of a line, when the daemon dies.
#[derive(Debug, Clone, Copy, PartialEq)]
enum There {
    Nothing,
    Half,
    All,
}

#[test]
fn an_answer_that_was_kept_is_taken_again_from_a_program_that_never_heard_so() {
    let root = tempfile::tempdir().unwrap();
    let (live, _) = answered(root.path(), 7, "home/a");
    let anew = Live::open(live.folder.clone()).unwrap();
    let said = |text: &str| {
        let message = MessageRequest {
            kind: MessageKind::Final,
            text: text.to_owned(),
            problem: None,
            steps: Vec::new(),
        };
        anew.message(message, &Reserve::new(root.path(), 0))
    };
    assert_eq!(said("42").unwrap(), None);
    assert!(said("43").is_err());
    let answers = anew.events().into_iter();
    let answers = answers.filter(|it| matches!(it, TurnEvent::Final { .. }));
    assert_eq!(answers.count(), 1);
}

/// Whatever the order is in which record and last event are written.
#[tokio::test]
async fn a_kill_at_any_step_of_a_turns_end_leaves_its_answer_and_its_files() {
    let steps = [There::Nothing, There::Half, There::All];
    let each = steps
        .into_iter()
        .flat_map(|record| steps.map(|event| (record, event)));
    for ((record, event), journal_knows) in each.flat_map(|it| [(it, true), (it, false)]) {
        let root = tempfile::tempdir().unwrap();
        let (live, input) = answered(root.path(), 7, "home/a");
        live.end(&end(7)).unwrap();
        let file = path(&live).join("record.json");
        let whole = fs::read(&file).unwrap();
        if record != There::All {
            fs::remove_file(&file).unwrap();
        }
        if record == There::Half {
            fs::write(path(&live).join("record.json.aion.tmp"), &whole[..9]).unwrap();
        }
        let events = path(&live).join("events.jsonl");
        let text = fs::read_to_string(&events).unwrap();
        let last = text.trim_end().rfind('\n').unwrap() + 1;
        match event {
            There::Nothing => fs::write(&events, &text[..last]).unwrap(),
            There::Half => fs::write(&events, &text[..last + 9]).unwrap(),
            There::All => {}
        }
        let known = Known {
            waiting: Vec::new(),
            ended: journal_knows.then(|| (input, end(7))).into_iter().collect(),
        };
        let turns = open(root.path(), known);
        let said =
            format!("record {record:?}, last event {event:?}, journal knows {journal_knows}");
        let found = turns.record(TurnId(7)).await.unwrap();
        let found = found.unwrap_or_else(|| panic!("{said}: the turn is gone"));
        is_whole(&found);
        if journal_knows || record == There::All || event == There::All {
            let outcome = found.outcome.unwrap();
            assert_eq!((outcome.tokens, outcome.elapsed_ms), (7, 900), "{said}");
        }
        let last = last_event(&turns, 7).await;
        assert!(matches!(last, TurnEvent::Ended(_)), "{said}: {last:?}");
        drop(turns);
        // And at the start after that, when nobody knows more than the folder.
        let turns = open(root.path(), Known::default());
        is_whole(&turns.record(TurnId(7)).await.unwrap().unwrap());
    }
}

#[tokio::test]
async fn a_turn_that_ended_without_an_answer_is_kept_as_it_ended() {
    let root = tempfile::tempdir().unwrap();
    let (_, cancelled) = asked(root.path(), 1, "home/a");
    asked(root.path(), 2, "home/a");
    let by = aion_kernel::CancelCause::Request;
    let ended = TurnEnd {
        outcome: TurnOutcome::Cancelled { by },
        ..end(1)
    };
    let known = Known {
        waiting: Vec::new(),
        ended: vec![(cancelled, ended)],
    };
    let turns = open(root.path(), known);
    let code = async |turn| {
        let record = turns.record(TurnId(turn)).await.unwrap().unwrap();
        record.outcome.unwrap().problem.unwrap().code
    };
    assert_eq!(code(1).await, aion_abi::code::Code::Cancelled);
    assert_eq!(code(2).await, aion_abi::code::Code::OutcomeUnknown);
}

/// A turn that nobody knows any more, on a machine whose kernel's time is `at` while its calendar shows `date`, and
/// whose events were written on the date `heard`. Gives how long it is said to have taken.
async fn forgotten(at: u64, date: u64, heard: u64) -> u64 {
    const HOUR: u64 = 3_600_000;
    let root = tempfile::tempdir().unwrap();
    let asked = Now {
        at: Millis(at - HOUR),
        date: Date(date),
    };
    let (live, _) = asked_at(root.path(), 1, "home/a", asked);
    let events = fs::File::options()
        .append(true)
        .open(path(&live).join("events.jsonl"))
        .unwrap();
    let heard = std::time::UNIX_EPOCH + std::time::Duration::from_millis(heard);
    events.set_modified(heard).unwrap();
    drop(live);
    let latest = Now {
        at: Millis(at),
        date: Date(u64::MAX),
    };
    let clock = Clock::behind(Some(latest));
    let turns = open_at(root.path(), Known::default(), clock);
    turns.tidy(std::collections::HashSet::new()).await;
    let record = turns.record(TurnId(1)).await.unwrap();
    record.unwrap().outcome.unwrap().elapsed_ms
}

#[tokio::test]
async fn a_date_is_not_taken_for_the_kernels_time_when_a_turn_was_forgotten() {
    const DAY: u64 = 24 * 3_600_000;
    const TODAY: u64 = 1_800_000_000_000;
    // The machine slept 200 days in all.
    assert_eq!(forgotten(TODAY - 200 * DAY, TODAY, TODAY + 70).await, 70);
    // It had lost its clock when the turn was heard of last, and when it was asked.
    assert_eq!(forgotten(TODAY, TODAY, 5_000).await, 0);
    let longest = forgotten(TODAY, 5_000, TODAY).await;
    assert!((3_600_000..DAY).contains(&longest), "{longest}");
}

#[tokio::test]
async fn a_turn_that_the_kernel_still_has_goes_on() {
    let root = tempfile::tempdir().unwrap();
    // The daemon died before it said that the turn is queued.
    let question = Asked::new("home/a".to_owned(), "q".to_owned(), Vec::new(), now(1));
    let (_, input) = TurnFolder::make(root.path(), &question, |_| Ok(())).unwrap();
    let known = || Known {
        waiting: vec![(input.digest, TurnId(3))],
        ended: Vec::new(),
    };
    let turns = open(root.path(), known());
    let record = turns.record(TurnId(3)).await.unwrap().unwrap();
    assert_eq!(record.outcome, None);
    drop(turns);
    // From then on nothing makes it one that never began.
    let turns = open(root.path(), Known::default());
    assert!(turns.record(TurnId(3)).await.unwrap().is_some());
}

/// A folder of each kind that is not to be read, and one that is.
fn unreadable() -> (TempDir, Vec<PathBuf>) {
    let root = tempfile::tempdir().unwrap();
    let dir = |path: &Path, name: &str| {
        let _ = fs::remove_file(path.join(name));
        fs::create_dir(path.join(name)).unwrap();
    };
    let mut left = Vec::new();
    for (turn, name) in ["record.json", "asked.json", "events.jsonl"]
        .iter()
        .enumerate()
    {
        let (live, _) = answered(root.path(), turn as u64, "home/a");
        live.end(&end(turn as u64)).unwrap();
        if *name != "record.json" {
            fs::remove_file(path(&live).join("record.json")).unwrap();
        }
        dir(&path(&live), name);
        left.push(path(&live));
    }
    for (turn, name) in [(10, "record.json"), (11, "asked.json")] {
        let (live, _) = answered(root.path(), turn, "home/a");
        fs::write(path(&live).join(name), "{\"half").unwrap();
        left.push(path(&live));
    }
    // Started, and its events are gone.
    let (live, _) = answered(root.path(), 12, "home/a");
    fs::write(path(&live).join("instance.json"), "{}").unwrap();
    fs::write(path(&live).join("events.jsonl"), "").unwrap();
    left.push(path(&live));
    dir(root.path(), "lost+found");
    left.push(root.path().join("lost+found"));
    (root, left)
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_left_as_it_is() {
    let (root, left) = unreadable();
    let (live, _) = answered(root.path(), 20, "home/a");
    let turns = open(root.path(), Known::default());
    for folder in &left {
        assert!(folder.exists(), "{}", folder.display());
    }
    is_whole(&turns.record(TurnId(20)).await.unwrap().unwrap());
    assert!(path(&live).exists());

    // Nor is that of a turn which the kernel still has.
    let (live, input) = asked(root.path(), 21, "home/a");
    fs::write(path(&live).join("asked.json"), "{\"half").unwrap();
    let known = Known {
        waiting: vec![(input, TurnId(21))],
        ended: Vec::new(),
    };
    open(root.path(), known);
    assert!(path(&live).exists());
}

#[tokio::test]
async fn what_never_began_goes_and_what_was_being_erased() {
    let root = tempfile::tempdir().unwrap();
    let question = Asked::new("home/a".to_owned(), "q".to_owned(), Vec::new(), now(1));
    let (never, _) = TurnFolder::make(root.path(), &question, |_| Ok(())).unwrap();
    let made = Name::of(BodyDigest([1; 32])).folder(root.path());
    fs::create_dir_all(made.mount("output")).unwrap();
    let (live, _) = answered(root.path(), 1, "home/a");
    live.end(&end(1)).unwrap();
    let leaving = root.path().join(".erasing-00");
    fs::rename(path(&live), &leaving).unwrap();
    open(root.path(), Known::default());
    for folder in [never.mount(""), made.mount(""), leaving] {
        assert!(!folder.exists(), "{}", folder.display());
    }
}

#[tokio::test]
async fn a_record_that_the_disk_does_not_take_is_written_later() {
    let root = tempfile::tempdir().unwrap();
    let (live, input) = answered(root.path(), 1, "home/a");
    let known = Known {
        waiting: vec![(input, TurnId(1))],
        ended: Vec::new(),
    };
    let turns = open(root.path(), known);
    let file = path(&live).join("record.json");
    fs::create_dir(&file).unwrap();
    turns.done(input, end(1)).await;
    is_whole(&turns.record(TurnId(1)).await.unwrap().unwrap());
    assert!(matches!(last_event(&turns, 1).await, TurnEvent::Ended(_)));
    fs::remove_dir(&file).unwrap();
    turns.tidy(std::collections::HashSet::new()).await;
    assert!(file.is_file());
    is_whole(&turns.record(TurnId(1)).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_turn_that_ends_before_anybody_mentions_it_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let turns = open(root.path(), Known::default());
    let question = Asked::new("home/a".to_owned(), "q".to_owned(), Vec::new(), now(1));
    let (_, input) = TurnFolder::make(root.path(), &question, |_| Ok(())).unwrap();
    turns.done(input.digest, end(4)).await;
    assert!(matches!(last_event(&turns, 4).await, TurnEvent::Ended(_)));
}

/// As while the turns of an agent that is deleted are erased: the table is the last to know.
#[tokio::test]
async fn a_turn_whose_folder_is_taken_away_meanwhile_is_not_there() {
    let root = tempfile::tempdir().unwrap();
    let turns = open(root.path(), Known::default());
    let (live, input) = answered(root.path(), 5, "home/a");
    turns.done(input, end(5)).await;
    fs::remove_dir_all(path(&live)).unwrap();
    assert!(turns.known(TurnId(5)).is_some());
    assert!(turns.record(TurnId(5)).await.unwrap().is_none());
    assert!(turns.follow(TurnId(5)).await.unwrap().is_none());

    let (live, input) = answered(root.path(), 6, "home/a");
    turns.done(input, end(6)).await;
    fs::remove_file(path(&live).join("record.json")).unwrap();
    let lost = turns.record(TurnId(6)).await.unwrap_err();
    assert_eq!(lost.kind(), std::io::ErrorKind::NotFound, "a fault is told");
}

#[test]
fn a_turn_runs_from_the_start_of_its_program_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    let (live, _) = asked(root.path(), 1, "home/a");
    let is_running = |live: &Live| live.record(TurnId(1)).unwrap().running;
    assert!(!is_running(&live));
    live.start(Incarnation(1)).unwrap();
    assert!(is_running(&live));
    // A later daemon knows it, too.
    assert!(is_running(&Live::open(live.folder.clone()).unwrap()));
    live.end(&end(1)).unwrap();
    assert!(!is_running(&live));
}
