//! The walk through journals of several segments.
#![allow(clippy::unwrap_used)]

use aion_journal::{Batch, Journal, Options};
use aion_kernel::{Body, BodyDigest, InstanceUid, Usage};

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
        at: Millis(1),
    }
}

fn started(turn: u64, call: u64) -> Fact {
    Fact::CallStarted {
        call: CallId(call),
        turn: TurnId(turn),
        kind: Kind::FsRead,
        target: Some("docs".into()),
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
    let turns = turns.iter().map(|it| TurnId(*it)).collect();
    let (mut all, mut after, mut count) = (Vec::new(), None, 0);
    loop {
        let walked = back(dir, &turns, after, limit).unwrap();
        assert!(walked.calls.len() <= limit);
        for made in &walked.calls {
            let is_whole = !matches!(made.found, Found::Started(None));
            assert!(is_whole, "call {} has no end", made.call);
        }
        all.extend(walked.calls.iter().map(|it| it.call.0));
        count += 1;
        match walked.next {
            Some(next) => after = Some(next),
            None => return (all, count),
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
    assert_eq!(pages(dir.path(), &[9], 20).0, Vec::<u64>::new());
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
    let none = back(dir.path(), &BTreeSet::new(), None, 20).unwrap();
    assert!(none.calls.is_empty() && none.next.is_none());
}

#[test]
fn a_call_that_goes_on_has_no_end_and_its_tokens_are_those_of_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(dir.path());
    append(
        &mut journal,
        &[queued(1), started(1, 1), started(1, 2), ended(1)],
    );
    let walked = back(dir.path(), &[TurnId(1)].into(), None, 20).unwrap();
    let found: Vec<_> = walked.calls.iter().map(|it| &it.found).collect();
    assert!(matches!(found[0], Found::Started(None)));
    assert!(matches!(found[1], Found::Started(Some(it)) if it.tokens == 3 && it.at == Millis(6)));
}
