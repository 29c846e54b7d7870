//! Remembering, and finding it again.
#![allow(clippy::unwrap_used)]

use aion_abi::syscall::memory::{Item, Method, RecallRequest};

use super::{super::MemoryDriver, batch, filed, ids, item, pool, query};

pub(super) async fn remembers(driver: &dyn MemoryDriver) {
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
    assert!(found.hits[0].score > 0.0 && found.hits[0].stored_at_ms.0 > 0);
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

pub(super) async fn filters_and_pages(driver: &dyn MemoryDriver) {
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
        let named = RecallRequest {
            ids: ["a.md:1", "chat", "none"].map(str::to_owned).to_vec(),
            ..query(text)
        };
        assert_eq!(ids(driver, &pool, named.clone()).await, ["chat", "a.md:1"]);
        let collection = Some("docs".into());
        let named = RecallRequest {
            collection,
            ..named
        };
        assert_eq!(ids(driver, &pool, named).await, ["a.md:1"]);
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
