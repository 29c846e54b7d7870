//! The node's memory as its configuration makes it, with a second back end that only tests have.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::{
    super::{
        Means, MemoryConfig,
        conformance::{batch, clocks, conforms, ids, item, pool, query},
        embed::fake::FakeEmbedder,
    },
    *,
};
use crate::{
    outbound::{NodeAddresses, Outbound, Place, Rule},
    secrets::SecretFolder,
};

/// The shipped settings, with the short tier in the back end of the tests.
fn two_backends() -> MemoryConfig {
    let shipped = include_str!("../../../../../config/memory.yaml");
    let text = shipped.replacen("backend: embedded", "backend: fake", 1);
    MemoryConfig::parse(&format!("{text}fake: {{}}\n")).unwrap()
}

fn open(home: &Path, config: &MemoryConfig) -> TieredMemory {
    let rule = Rule {
        offline: true,
        place: Place::Standalone,
        nodes: NodeAddresses::none(),
    };
    let means = Means {
        folder: home.to_owned(),
        outbound: Arc::new(Outbound::new(rule)),
        secrets: Arc::new(SecretFolder::new(home.join("secrets"))),
        embedder: Arc::new(FakeEmbedder::default()),
        now: clocks,
    };
    config.open(&means).unwrap()
}

fn folders(home: &Path) -> usize {
    std::fs::read_dir(home).unwrap().count()
}

#[tokio::test]
async fn the_memory_of_a_node_conforms() {
    let home = tempfile::tempdir().unwrap();
    conforms(&open(home.path(), &MemoryConfig::shipped().unwrap())).await;
    let home = tempfile::tempdir().unwrap();
    conforms(&open(home.path(), &two_backends())).await;
}

#[tokio::test]
async fn a_tier_is_kept_where_the_configuration_says() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path(), &two_backends());
    let long = pool("me", None);
    let short = Pool {
        tier: Tier::Short,
        ..long.clone()
    };
    memory
        .remember(&short, batch([item("1", "a plum")]))
        .await
        .unwrap();
    assert_eq!(folders(home.path()), 0, "the embedded store holds nothing");
    memory
        .remember(&long, batch([item("2", "a plum")]))
        .await
        .unwrap();
    assert_eq!(folders(home.path()), 1);
    assert_eq!(ids(&memory, &short, query("plum")).await, ["1"]);
    assert_eq!(ids(&memory, &long, query("plum")).await, ["2"]);
}

#[tokio::test]
async fn a_pool_may_name_another_back_end_that_the_node_runs() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path(), &two_backends());
    let named = Pool {
        tier: Tier::Short,
        backend: Some("embedded"),
        ..pool("me", None)
    };
    memory
        .remember(&named, batch([item("1", "a plum")]))
        .await
        .unwrap();
    assert_eq!(folders(home.path()), 1, "the embedded store holds it");
}

#[tokio::test]
async fn a_back_end_that_the_node_does_not_run_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path(), &MemoryConfig::shipped().unwrap());
    let named = Pool {
        backend: Some("redis"),
        ..pool("me", None)
    };
    let problem = memory.recall(&named, query("plum")).await.unwrap_err();
    assert_eq!(memory.keeps(&named), Err(problem.clone()));
    assert_eq!(memory.keeps(&pool("me", None)), Ok(()));
    assert_eq!(problem.code, Code::NotFound);
    assert!(problem.detail.contains("long tier in redis"), "{problem}");
    assert!(problem.remedy.contains("embedded"), "{}", problem.remedy);
}

#[tokio::test]
async fn what_is_erased_is_gone_from_every_back_end() {
    let home = tempfile::tempdir().unwrap();
    let memory = open(home.path(), &two_backends());
    let mine = |tier, backend| Pool {
        tier,
        backend,
        ..pool("me", Some("a"))
    };
    let all = [
        mine(Tier::Short, Some("fake")),
        mine(Tier::Short, Some("embedded")),
        mine(Tier::Long, Some("embedded")),
    ];
    let fill = async || {
        for pool in &all {
            memory
                .remember(pool, batch([item("1", "a plum")]))
                .await
                .unwrap();
        }
    };
    fill().await;
    assert_eq!(memory.erase_owner(&all[0].id, "a").await, Ok(3));
    fill().await;
    memory.erase(&all[0].id).await.unwrap();
    for pool in &all {
        assert!(ids(&memory, pool, query("")).await.is_empty());
    }
    assert_eq!(folders(home.path()), 0);
}
