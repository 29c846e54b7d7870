//! What every memory driver must do; run on the fake and on the real one.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::Arc};

use aion_abi::{
    code::Code,
    syscall::memory::{ForgetRequest, Item, MAX_K, Method, RecallRequest, RememberRequest},
};

use super::{
    EmbeddedMemory, FakeMemory, MemoryConfig, MemoryDriver, Pool, PoolId, PoolQuota,
    embed::fake::FakeEmbedder,
};

/// A pool of `tenant`, as an agent of that name uses it.
pub(super) fn pool(tenant: &str, owner: Option<&str>) -> Pool {
    Pool {
        id: PoolId {
            tenant: tenant.into(),
            pool: "personal".into(),
            uid: "u1".into(),
        },
        owner: owner.map(str::to_owned),
        quota: PoolQuota::default(),
        retention_days: None,
        embedding: None,
    }
}

pub(super) fn item(id: &str, text: &str) -> Item {
    Item {
        id: Some(id.into()),
        text: text.into(),
        collection: String::new(),
        attributes: BTreeMap::new(),
    }
}

pub(super) fn batch(items: impl IntoIterator<Item = Item>) -> RememberRequest {
    RememberRequest {
        items: items.into_iter().collect(),
    }
}

pub(super) fn query(text: &str) -> RecallRequest {
    RecallRequest {
        query: text.into(),
        k: 10,
        collection: None,
        attributes: BTreeMap::new(),
        offset: 0,
    }
}

fn filed(id: &str, text: &str, collection: &str, attributes: &[(&str, &str)]) -> Item {
    let attributes = attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Item {
        collection: collection.into(),
        attributes,
        ..item(id, text)
    }
}

pub(super) async fn ids(
    driver: &dyn MemoryDriver,
    pool: &Pool,
    request: RecallRequest,
) -> Vec<String> {
    driver
        .recall(pool, request)
        .await
        .unwrap()
        .hits
        .into_iter()
        .map(|hit| hit.id)
        .collect()
}

async fn conforms(driver: &dyn MemoryDriver) {
    remembers(driver).await;
    filters_and_pages(driver).await;
    forgets(driver).await;
    keeps_apart(driver).await;
    bounds(driver).await;
    erases(driver).await;
}

async fn remembers(driver: &dyn MemoryDriver) {
    let pool = pool("remembers", Some("jarvis"));
    assert!(
        ids(driver, &pool, query("anything")).await.is_empty(),
        "a pool that is not there yet is empty"
    );
    let unnamed = Item {
        id: None,
        ..item("", "the cat sleeps on the warm stove")
    };
    let stored = driver
        .remember(
            &pool,
            batch([item("dog", "the dog Rex barks at night"), unnamed]),
        )
        .await
        .unwrap();
    assert_eq!(stored.ids[0], "dog");
    assert!(!stored.ids[1].is_empty() && stored.ids[1] != "dog");
    let found = driver
        .recall(&pool, query("What does Rex do?"))
        .await
        .unwrap();
    assert_eq!((found.method, found.degraded), (Method::Lexical, None));
    assert_eq!(found.hits[0].id, "dog");
    assert_eq!(found.hits[0].text, "the dog Rex barks at night");
    assert!(found.hits[0].score > 0.0 && found.hits[0].stored_at_ms > 0);
    assert!(ids(driver, &pool, query("submarine")).await.is_empty());

    let first = driver
        .recall(&pool, query("Rex"))
        .await
        .unwrap()
        .hits
        .remove(0);
    driver
        .remember(&pool, batch([item("dog", "the dog Rex barks at night")]))
        .await
        .unwrap();
    assert_eq!(
        driver.recall(&pool, query("Rex")).await.unwrap().hits,
        [first],
        "a retry changes nothing"
    );
    driver
        .remember(&pool, batch([item("dog", "the hound Fido howls")]))
        .await
        .unwrap();
    assert!(
        ids(driver, &pool, query("Rex barks")).await.is_empty(),
        "replaced words are not found"
    );
    assert_eq!(ids(driver, &pool, query("Fido")).await, ["dog"]);
    assert_eq!(
        ids(driver, &pool, query(" ")).await,
        ["dog", &stored.ids[1]],
        "replaced is newest"
    );

    for hostile in [
        "\"",
        "Fido\" OR \"cat",
        "NEAR(Fido cat)",
        "text:Fido*",
        "^Fido -cat",
        "Fido) OR (1=1",
        "'; DROP TABLE items;--",
        "\0",
    ] {
        driver.recall(&pool, query(hostile)).await.unwrap();
    }
    assert_eq!(
        ids(driver, &pool, query("-Fido +howls* (dog)")).await,
        ["dog"],
        "signs are not operators"
    );
}

async fn filters_and_pages(driver: &dyn MemoryDriver) {
    let pool = pool("filters", None);
    let places = [("a.md", "1"), ("a.md", "2"), ("b.md", "1")];
    let docs = places.iter().map(|(path, lines)| {
        filed(
            &format!("{path}:{lines}"),
            "an apple falls",
            "docs",
            &[("path", path), ("lines", lines)],
        )
    });
    driver
        .remember(
            &pool,
            batch(docs.chain([filed("chat", "an apple rolls", "chat", &[])])),
        )
        .await
        .unwrap();
    for text in ["apple", ""] {
        let docs = RecallRequest {
            collection: Some("docs".into()),
            ..query(text)
        };
        assert_eq!(ids(driver, &pool, docs.clone()).await.len(), 3);
        let path = [("path".to_owned(), "a.md".to_owned())].into();
        let of_file = RecallRequest {
            attributes: path,
            ..docs
        };
        assert_eq!(
            ids(driver, &pool, of_file.clone()).await,
            ["a.md:2", "a.md:1"],
            "newest first"
        );
        let mut both = of_file;
        both.attributes.insert("lines".into(), "1".into());
        assert_eq!(ids(driver, &pool, both).await, ["a.md:1"]);
        let whole = ids(driver, &pool, query(text)).await;
        let mut paged = Vec::new();
        for offset in 0..5 {
            paged.extend(
                ids(
                    driver,
                    &pool,
                    RecallRequest {
                        k: 1,
                        offset,
                        ..query(text)
                    },
                )
                .await,
            );
        }
        assert_eq!(paged, whole);
    }
    let listed = driver.recall(&pool, query("")).await.unwrap();
    assert_eq!(listed.method, Method::Listing);
    assert_eq!(listed.hits[0].id, "chat");
    assert_eq!(listed.hits[1].attributes["path"], "b.md");
    assert!(listed.hits.iter().all(|hit| hit.score == 0.0));
}

async fn forgets(driver: &dyn MemoryDriver) {
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
        "forgetting twice is no error"
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

async fn keeps_apart(driver: &dyn MemoryDriver) {
    let views = [
        pool("t1", Some("a")),
        pool("t1", Some("b")),
        pool("t1", None),
        pool("t2", Some("a")),
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
}

async fn bounds(driver: &dyn MemoryDriver) {
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

async fn erases(driver: &dyn MemoryDriver) {
    let pool = pool("erases", Some("jarvis"));
    driver.erase(&pool.id).await.unwrap();
    driver
        .remember(&pool, batch([item("1", "a quince")]))
        .await
        .unwrap();
    driver.erase(&pool.id).await.unwrap();
    assert!(ids(driver, &pool, query("")).await.is_empty());
    driver
        .remember(&pool, batch([item("2", "a quince")]))
        .await
        .unwrap();
    assert_eq!(ids(driver, &pool, query("quince")).await, ["2"]);
    assert_eq!(driver.expire(&pool).await, Ok(0));
}

#[tokio::test]
async fn the_fake_conforms() {
    conforms(&FakeMemory::default()).await;
}

#[tokio::test]
async fn the_embedded_store_conforms() {
    let home = tempfile::tempdir().unwrap();
    let config = MemoryConfig::shipped().unwrap();
    let driver =
        EmbeddedMemory::open(home.path(), config, Arc::new(FakeEmbedder::default())).unwrap();
    conforms(&driver).await;
}

/// The same when no pool stays open from one call to the next.
#[tokio::test]
async fn the_embedded_store_conforms_while_its_pools_are_closed_all_the_time() {
    let home = tempfile::tempdir().unwrap();
    let config = MemoryConfig {
        open_pools: 0,
        ..MemoryConfig::shipped().unwrap()
    };
    let driver =
        EmbeddedMemory::open(home.path(), config, Arc::new(FakeEmbedder::default())).unwrap();
    conforms(&driver).await;
    let folders: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(folders.contains(&"filters".into()), "{folders:?}");
}
