//! Forgetting, keeping apart, bounds, erasing.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use aion_abi::{
    code::Code,
    syscall::memory::{ForgetRequest, MAX_K, RecallRequest},
};

use super::{
    super::{MemoryDriver, Pool, PoolId, PoolQuota, Tier},
    batch, filed, ids, item, pool, query,
};

pub(super) async fn forgets(driver: &dyn MemoryDriver) {
    let pool = pool("forgets", Some("jarvis"));
    let forget = |request| async { driver.forget(&pool, request).await.unwrap().forgotten };
    let by_ids = |ids: &[&str]| ForgetRequest::Ids {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    };
    assert_eq!(
        forget(by_ids(&["none"])).await,
        0,
        "a pool that is not there yet"
    );
    let items = (0..6).map(|n| {
        filed(
            &n.to_string(),
            "a pear",
            "docs",
            &[("path", if n < 4 { "a" } else { "b" })],
        )
    });
    driver
        .remember(&pool, batch(items.chain([item("other", "a pear")])))
        .await
        .unwrap();
    assert_eq!(forget(by_ids(&["0", "none"])).await, 1);
    assert_eq!(
        forget(by_ids(&["0"])).await,
        0,
        "forgetting twice is not an error"
    );
    let file = |path: &str| ForgetRequest::Collection {
        collection: "docs".into(),
        attributes: [("path".to_owned(), path.to_owned())].into(),
    };
    assert_eq!(forget(file("a")).await, 3);
    assert_eq!(ids(driver, &pool, query("pear")).await.len(), 3);
    let all = ForgetRequest::Collection {
        collection: "docs".into(),
        attributes: BTreeMap::new(),
    };
    assert_eq!(forget(all).await, 2);
    assert_eq!(ids(driver, &pool, query("")).await, ["other"]);
}

pub(super) async fn keeps_apart(driver: &dyn MemoryDriver) {
    let views = [
        pool("t1", Some("a")),
        pool("t1", Some("b")),
        pool("t1", None),
        pool("t2", Some("a")),
        in_tier(Tier::Short, pool("t1", Some("a"))),
        in_tier(Tier::Episodic, pool("t1", Some("a"))),
    ];
    for (at, view) in views.iter().enumerate() {
        driver
            .remember(view, batch([item("same", &format!("plum {at}"))]))
            .await
            .unwrap();
    }
    for (at, view) in views.iter().enumerate() {
        let hits = driver.recall(view, query("plum")).await.unwrap().hits;
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].text, format!("plum {at}"));
    }
    let again = Pool {
        id: PoolId {
            uid: "u2".into(),
            ..views[0].id.clone()
        },
        ..views[0].clone()
    };
    assert!(
        ids(driver, &again, query("plum")).await.is_empty(),
        "a pool made again is another pool"
    );
    driver
        .forget(
            &views[0],
            ForgetRequest::Ids {
                ids: vec!["same".into()],
            },
        )
        .await
        .unwrap();
    assert_eq!(ids(driver, &views[1], query("plum")).await, ["same"]);
    assert_eq!(driver.erase_owner(&views[1].id, "b").await.unwrap(), 1);
    assert_eq!(ids(driver, &views[2], query("plum")).await, ["same"]);
    assert_eq!(ids(driver, &views[4], query("plum")).await, ["same"]);
    assert_eq!(
        driver.erase_owner(&views[4].id, "a").await.unwrap(),
        2,
        "what an agent has in any tier"
    );
    assert_eq!(ids(driver, &views[2], query("plum")).await, ["same"]);
}

pub(super) async fn forgets_in_time(driver: &dyn MemoryDriver, grow_older: &impl Fn(u64)) {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let long = Pool {
        retention_days: Some(3),
        ..pool("time", Some("jarvis"))
    };
    let short = in_tier(Tier::Short, long.clone());
    // As one whose pool keeps everything: nothing is hidden from it.
    let all = async |pool: &Pool| {
        let keeps = Pool {
            retention_days: None,
            ..pool.clone()
        };
        ids(driver, &keeps, query("")).await
    };
    let store = async |pool: &Pool, id: &str| {
        let stored = driver.remember(pool, batch([item(id, "a medlar")])).await;
        stored.unwrap();
    };
    assert_eq!(
        driver.expire(&long).await,
        Ok(0),
        "a pool that is not there yet"
    );
    store(&long, "old").await;
    store(&short, "old").await;
    grow_older(2 * DAY_MS);
    store(&long, "new").await;
    assert_eq!(driver.expire(&long).await, Ok(0));
    assert_eq!(ids(driver, &long, query("medlar")).await.len(), 2);
    grow_older(DAY_MS + 1);
    for text in ["", "medlar"] {
        let found = ids(driver, &long, query(text)).await;
        assert_eq!(found, ["new"], "too old is as good as forgotten");
    }
    assert_eq!(driver.expire(&long).await, Ok(1));
    assert_eq!(all(&long).await, ["new"]);
    assert_eq!(all(&short).await, ["old"], "another tier has its own turn");
    assert_eq!(driver.expire(&short).await, Ok(1));
    assert!(all(&short).await.is_empty());
}

fn in_tier(tier: Tier, pool: Pool) -> Pool {
    Pool { tier, ..pool }
}

pub(super) async fn bounds(driver: &dyn MemoryDriver) {
    let mut small = pool("bounds", None);
    small.quota = PoolQuota {
        max_items: Some(3),
        max_bytes: Some(1000),
    };
    let code = |request| async {
        driver
            .remember(&small, request)
            .await
            .map(|_| ())
            .map_err(|problem| problem.code)
    };
    assert_eq!(code(batch([item("1", "a"), item("2", "b")])).await, Ok(()));
    assert_eq!(
        code(batch([item("3", "c"), item("4", "d")])).await,
        Err(Code::QuotaExceeded)
    );
    assert_eq!(
        ids(driver, &small, query("")).await,
        ["2", "1"],
        "all or nothing"
    );
    assert_eq!(
        code(batch([item("2", &"x".repeat(1000))])).await,
        Err(Code::QuotaExceeded)
    );
    assert_eq!(ids(driver, &small, query("b")).await, ["2"]);
    assert_eq!(code(batch([item("2", "b"), item("3", "c")])).await, Ok(()));
    assert_eq!(
        code(batch([item("3", "d")])).await,
        Ok(()),
        "a replaced item takes its own place"
    );
    let full = batch([item("4", "d"), item("5", "e"), item("6", "f")]);
    let short = in_tier(Tier::Short, small.clone());
    let beside = driver.remember(&short, full).await;
    assert!(beside.is_ok(), "another tier has its own room");
    assert_eq!(code(batch([])).await, Err(Code::BadRequest));
    assert_eq!(code(batch([item("5", "")])).await, Err(Code::BadRequest));
    for k in [0, MAX_K + 1] {
        let problem = driver
            .recall(&small, RecallRequest { k, ..query("a") })
            .await
            .unwrap_err();
        assert_eq!(problem.code, Code::BadRequest);
    }
    let none = driver
        .forget(&small, ForgetRequest::Ids { ids: vec![] })
        .await
        .unwrap_err();
    assert_eq!(none.code, Code::BadRequest);
}

pub(super) async fn erases(driver: &dyn MemoryDriver) {
    let pool = pool("erases", Some("jarvis"));
    driver.erase(&pool.id).await.unwrap();
    let tiers = Tier::ALL.map(|tier| in_tier(tier, pool.clone()));
    for tier in &tiers {
        driver
            .remember(tier, batch([item("1", "a quince")]))
            .await
            .unwrap();
    }
    driver.erase(&pool.id).await.unwrap();
    for tier in &tiers {
        assert!(ids(driver, tier, query("")).await.is_empty());
    }
    driver
        .remember(&pool, batch([item("2", "a quince")]))
        .await
        .unwrap();
    assert_eq!(ids(driver, &pool, query("quince")).await, ["2"]);
    assert_eq!(driver.expire(&pool).await, Ok(0));
}
