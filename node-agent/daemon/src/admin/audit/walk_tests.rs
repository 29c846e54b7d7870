//! The walk through journals of several segments.
#![allow(clippy::unwrap_used)]

use aion_journal::{Batch, Journal, Options};
use aion_kernel::{Body, BodyDigest, InstanceUid};

use super::*;

const DIGEST: BodyDigest = BodyDigest([0; 32]);

fn journal(dir: &Path) -> Journal {
    let options = Options {
        dir: dir.to_owned(),
        segment_bytes: 4096,
        keep_bytes: 1 << 20,
    };
    aion_journal::open(&options).unwrap().0
}

fn append(journal: &mut Journal, facts: &[Fact]) {
    let mut batch = Batch::default();
    facts.iter().for_each(|fact| batch.fact(fact).unwrap());
    journal.append(&mut batch, false).unwrap();
}

fn walk(
    dir: &Path,
    turns: &[u64],
    (before, limit): (Option<Place>, usize),
    bounds: Bounds,
) -> Walked {
    let turns = turns.iter().map(|it| TurnId(*it)).collect();
    let walk = Walk {
        dir,
        turns: &turns,
        goes_on: |_: &Made| false,
        bounds,
    };
    walk.back(before, limit).unwrap()
}

fn queued(turn: u64) -> Fact {
    Fact::TurnQueued {
        turn: TurnId(turn),
        instance: InstanceUid(1),
        cause: "ask".into(),
        input: Body {
            digest: DIGEST,
            size: 0,
        },
        deadline: None,
        caller: None,
        paid_by: None,
        at: Millis(1),
    }
}

fn started(turn: u64, call: u64) -> Fact {
    Fact::CallStarted {
        call: CallId(call),
        turn: TurnId(turn),
        kind: Kind::FsRead,
        target: Some("docs".into()),
        point: None,
        key: None,
        digest: DIGEST,
        reserve: 0,
        repeatable: false,
        at: Millis(call),
    }
}

fn ended(call: u64) -> Fact {
    Fact::CallEnded {
        call: CallId(call),
        outcome: Outcome::Ok { body: None },
        usage: Usage {
            input_tokens: 3,
            ..Usage::default()
        },
        at: Millis(call + 5),
    }
}

fn refused(turn: u64, call: u64) -> Fact {
    Fact::CallRefused {
        call: CallId(call),
        turn: TurnId(turn),
        kind: Kind::ToolCall,
        target: None,
        refusal: Refusal::Denied { rule: None },
        at: Millis(call),
    }
}

/// The numbers of all calls, page by page, and how many pages there were.
fn pages(dir: &Path, turns: &[u64], limit: usize) -> (Vec<u64>, usize) {
    let (mut all, mut after, mut count) = (Vec::new(), None, 0);
    // One segment each time, as where they are as large as they are.
    let bounds = Bounds {
        back: 1,
        on: u64::MAX,
    };
    loop {
        let walked = walk(dir, turns, (after, limit), bounds);
        assert!(walked.calls.len() <= limit);
        for (_, made) in &walked.calls {
            let is_whole = !matches!(made.found, Found::Started(None));
            assert!(is_whole, "call {} has no end", made.call);
        }
        all.extend(walked.calls.iter().map(|(_, it)| it.call.0));
        count += 1;
        match walked.next {
            Some(next) => after = Some(next),
            None => {
                assert_eq!(walked.missing, BTreeSet::new());
                return (all, count);
            }
        }
    }
}

#[test]
fn calls_come_newest_first_over_all_segments_each_once_and_with_their_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(dir.path());
    append(&mut journal, &[queued(1), queued(2)]);
    for call in 0..60 {
        // An end is often in the segment behind.
        let end = (call >= 1).then(|| ended(2 * call - 2));
        let facts: Vec<_> = [started(1, 2 * call), refused(2, 2 * call + 1)]
            .into_iter()
            .chain(end)
            .collect();
        append(&mut journal, &facts);
    }
    append(&mut journal, &[ended(118)]);
    assert!(segments(dir.path()).unwrap().len() > 3);
    let expected: Vec<u64> = (0..120).rev().collect();
    for limit in [1, 7, 50, 500] {
        assert_eq!(pages(dir.path(), &[1, 2], limit).0, expected, "{limit}");
    }
    let of_one: Vec<u64> = (0..60).rev().map(|call| 2 * call).collect();
    assert_eq!(pages(dir.path(), &[1], 20).0, of_one);
    let at_once = walk(dir.path(), &[1, 2], (None, 500), BOUNDS);
    assert_eq!(at_once.calls.len(), 120, "small segments are one page");
    assert!(at_once.next.is_none() && at_once.missing.is_empty());
}

#[test]
fn what_is_older_than_the_turns_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(dir.path());
    for call in 0..120 {
        append(&mut journal, &[refused(1, call)]);
    }
    append(&mut journal, &[queued(2), refused(2, 200)]);
    assert!(segments(dir.path()).unwrap().len() > 3);
    assert_eq!(pages(dir.path(), &[2], 20), (vec![200], 1));
    let none = walk(dir.path(), &[], (None, 20), BOUNDS);
    assert!(none.calls.is_empty() && none.next.is_none() && none.missing.is_empty());
}

#[test]
fn a_call_that_goes_on_has_no_end_and_its_tokens_are_those_of_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(dir.path());
    append(
        &mut journal,
        &[queued(1), started(1, 1), started(1, 2), ended(1)],
    );
    let walked = walk(dir.path(), &[1], (None, 20), BOUNDS);
    let found: Vec<_> = walked.calls.iter().map(|(_, it)| &it.found).collect();
    assert!(matches!(found[0], Found::Started(None)));
    assert!(matches!(found[1], Found::Started(Some(it)) if it.tokens == 3 && it.at == Millis(6)));
}

/// A turn that began, and did this much behind: it fills several segments.
fn long(journal: &mut Journal, dir: &Path, segments_wanted: usize) {
    let mut call = 1000;
    while segments(dir).unwrap().len() < segments_wanted {
        append(journal, &[refused(2, call)]);
        call += 1;
    }
}

#[test]
fn an_end_many_segments_later_is_found_as_far_as_is_looked() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(dir.path());
    append(&mut journal, &[queued(1), started(1, 1)]);
    long(&mut journal, dir.path(), 5);
    append(&mut journal, &[ended(1)]);
    let found = |on| {
        let bounds = Bounds { on, ..BOUNDS };
        let walked = walk(dir.path(), &[1], (None, 20), bounds);
        assert_eq!((walked.calls.len(), &walked.next), (1, &None));
        matches!(walked.calls[0].1.found, Found::Started(Some(_)))
    };
    assert!(found(u64::MAX));
    assert!(!found(4096), "what is looked at has a bound");
}

#[test]
fn nothing_is_looked_for_of_a_call_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(dir.path());
    append(&mut journal, &[queued(1), started(1, 1)]);
    long(&mut journal, dir.path(), 3);
    append(&mut journal, &[ended(1)]);
    let turns = [TurnId(1)].into();
    let walk = Walk {
        dir: dir.path(),
        turns: &turns,
        goes_on: |made: &Made| made.call == CallId(1),
        bounds: BOUNDS,
    };
    let walked = walk.back(None, 20).unwrap();
    assert!(matches!(walked.calls[0].1.found, Found::Started(None)));
}

#[test]
fn a_journal_that_does_not_reach_back_or_cannot_be_read_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(dir.path());
    append(&mut journal, &[queued(1), refused(1, 1)]);
    long(&mut journal, dir.path(), 4);
    append(&mut journal, &[refused(1, 2)]);
    let bases = segments(dir.path()).unwrap();
    let file = |base: Lsn| dir.path().join(format!("{:016x}.log", base.0));
    let told = || {
        let walked = walk(dir.path(), &[1], (None, 20), BOUNDS);
        let missing: Vec<_> = walked.missing.into_iter().collect();
        (walked.calls.len(), walked.next, missing)
    };
    assert_eq!(told(), (2, None, vec![]));

    let mut bytes = std::fs::read(file(bases[1])).unwrap();
    let end = bytes.len() - 10;
    bytes[end] ^= 1;
    std::fs::write(file(bases[1]), bytes).unwrap();
    assert_eq!(told(), (2, None, vec![Missing::Unreadable]));

    std::fs::remove_file(file(bases[3])).unwrap();
    assert_eq!(told(), (1, None, vec![Missing::Older, Missing::Unreadable]));
    // The page before said that there is more, and there is not any more.
    let walked = walk(dir.path(), &[1], (Some(first(bases[2])), 20), BOUNDS);
    assert_eq!(walked.missing, [Missing::Older].into());
}

#[test]
fn of_what_others_did_nothing_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(dir.path());
    append(&mut journal, &[queued(1)]);
    for call in 0..30 {
        append(&mut journal, &[started(1, call), ended(call)]);
    }
    let turns = [TurnId(1)].into();
    let walk = Walk {
        dir: dir.path(),
        turns: &turns,
        goes_on: |_: &Made| false,
        bounds: BOUNDS,
    };
    let base = *segments(dir.path()).unwrap().last().unwrap();
    let segment = walk.read(base, None, 2).unwrap();
    assert_eq!((segment.calls.len(), segment.is_cut), (2, true));
    let whole = |it: &Made| matches!(it.found, Found::Started(Some(_)));
    assert!(segment.calls.iter().all(whole));
}
