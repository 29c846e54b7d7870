//! Forgetting and erasing that a crash cut short are finished at the next chance.
#![allow(clippy::unwrap_used)]

use std::fs;

use aion_abi::syscall::memory::ForgetRequest;

use super::marks::{Mark, Seen, marked, open, raw};
use super::{
    super::{
        MemoryDriver, Pool,
        conformance::{batch, clocks, ids, item, pool, query},
    },
    EmbeddedMemory,
};

#[tokio::test]
async fn a_forgetting_that_a_crash_cut_short_is_finished_when_the_pool_is_opened() {
    let home = tempfile::tempdir().unwrap();
    let agent = pool("me", None);
    // What remembering and forgetting commit, and nothing of what forgetting does then.
    let place = super::place::Place::new(home.path(), &super::place::Shelf::of(&agent)).unwrap();
    place.make().unwrap();
    let mut writer = super::schema::open_writer(&place).unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    let (mut held, mut gone) = (Vec::new(), Vec::new());
    for _ in 0..12 {
        let new: Vec<_> = (0..100).map(|_| marked(&mut random)).collect();
        let items = new.iter().map(|(item, _)| item.clone()).collect();
        let batch = super::remember::Batch::new(&agent, u64::MAX, clocks(), items);
        super::remember::remember(&mut writer, &batch).unwrap();
        held.extend(new);
        random.shuffle(&mut held);
        let out = held.split_off(held.len() - 70);
        let ids = out
            .iter()
            .map(|(item, _)| item.id.clone().unwrap())
            .collect();
        super::forget::forget(&mut writer, "", &ForgetRequest::Ids { ids }).unwrap();
        gone.extend(out);
    }
    drop(writer);
    let left = |seen: &Seen| {
        gone.iter()
            .flat_map(|(_, marks)| marks)
            .filter(|mark| mark.is_in(seen))
            .count()
    };
    assert!(
        left(&raw(home.path())) > 0,
        "copies stay where entries moved away, or scrubbing were not needed"
    );
    let memory = open(home.path());
    assert_eq!(ids_of(&memory, &agent).await, 100);
    assert_eq!(left(&raw(home.path())), 0);
}

async fn ids_of(memory: &EmbeddedMemory, agent: &Pool) -> usize {
    ids(
        memory,
        agent,
        aion_abi::syscall::memory::RecallRequest {
            k: 100,
            ..query("")
        },
    )
    .await
    .len()
}

#[tokio::test]
async fn an_erasure_that_a_crash_cut_short_is_finished_at_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path());
    let mark = Mark::new(&mut fastrand::Rng::with_seed(10));
    memory
        .remember(&pool("me", None), batch([item("1", &mark.0)]))
        .await
        .unwrap();
    drop(memory);
    let tenant = home.path().join("me");
    fs::rename(tenant.join("personal~u1"), tenant.join(".erasing-1")).unwrap();
    assert!(mark.is_in(&raw(home.path())));
    drop(open(home.path()));
    assert!(!mark.is_in(&raw(home.path())));
}
