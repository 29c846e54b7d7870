//! What recall costs. Not a test: run by hand with
//! `cargo test --release -p aion-daemon --lib memory::embedded::measure -- --ignored --nocapture`.
#![allow(clippy::unwrap_used)]

use std::{path::Path, sync::Arc, time::Instant};

use aion_abi::syscall::memory::{ForgetRequest, RecallRequest};
use rusqlite::Connection;

use super::{
    super::{
        MemoryDriver, Pool,
        conformance::{batch, clocks, item, pool, query},
        embed::fake::FakeEmbedder,
    },
    EmbeddedMemory,
    config::EmbeddedConfig,
    recall::{self, Wish},
    vectors,
};

const DIMENSION: usize = 384;
const ROUNDS: usize = 21;
/// Words of a language.
const VOCABULARY: f64 = 50_000.0;

/// A word by Zipf's law: the second is used half as often as the first, the third a third.
fn word(random: &mut fastrand::Rng) -> String {
    format!("w{:x}", VOCABULARY.powf(random.f64()) as u32)
}

fn sentence(random: &mut fastrand::Rng, words: usize) -> String {
    (0..words)
        .map(|_| word(random))
        .collect::<Vec<_>>()
        .join(" ")
}

fn vector(random: &mut fastrand::Rng) -> Vec<f32> {
    let raw: Vec<f32> = (0..DIMENSION).map(|_| random.f32() - 0.5).collect();
    let length = raw.iter().map(|part| part * part).sum::<f32>().sqrt();
    raw.into_iter().map(|part| part / length).collect()
}

fn told(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what:<48} p50 {middle:>8.2} ms   max {last:>8.2} ms");
}

#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn recall_at_size() {
    for size in [10_000, 100_000] {
        let home = tempfile::tempdir().unwrap();
        let config = EmbeddedConfig::shipped(|_| ());
        let memory = EmbeddedMemory::open(
            home.path(),
            config,
            Arc::new(FakeEmbedder::default()),
            clocks,
        )
        .unwrap();
        let pool = pool("me", None);
        let mut random = fastrand::Rng::with_seed(1);
        let start = Instant::now();
        for from in (0..size).step_by(250) {
            let items =
                (from..from + 250).map(|n| item(&n.to_string(), &sentence(&mut random, 60)));
            memory.remember(&pool, batch(items)).await.unwrap();
        }
        println!(
            "{size} items of 60 words stored at {:.0}/s",
            f64::from(size) / start.elapsed().as_secs_f64()
        );
        let asked = [
            ("2 rare words", Some("w9c3f w7b2c")),
            ("8 words as used", None),
            ("the commonest word", Some("w1")),
        ];
        for (what, text) in asked {
            let mut times = Vec::new();
            for _ in 0..ROUNDS {
                let text = text.map_or_else(|| sentence(&mut random, 8), str::to_owned);
                let start = Instant::now();
                memory.recall(&pool, query(&text)).await.unwrap();
                times.push(start.elapsed().as_secs_f64() * 1000.0);
            }
            told(&format!("lexical, {size}, {what}"), times);
        }
        for n in 0..5 {
            let start = Instant::now();
            let one = ForgetRequest::Ids {
                ids: vec![(n * 7).to_string()],
            };
            memory.forget(&pool, one).await.unwrap();
            println!(
                "forgetting 1 of {size} {:>40.2} ms",
                start.elapsed().as_secs_f64() * 1000.0
            );
        }
        drop(memory);
        with_vectors(
            &pool,
            &home.path().join("me/personal~u1/items.db"),
            &mut random,
            i64::from(size),
        );
    }
}

/// On the connection itself, so that no embedding is counted.
fn with_vectors(pool: &Pool, file: &Path, random: &mut fastrand::Rng, size: i64) {
    let mut connection = Connection::open(file).unwrap();
    connection.pragma_update(None, "cache_size", -2048).unwrap();
    for from in (1..=size).step_by(1000) {
        let made: Vec<_> = (from..from + 1000)
            .map(|n| (n, Some(vector(random))))
            .collect();
        vectors::keep(&mut connection, "m", &made).unwrap();
    }
    let filtered = RecallRequest {
        collection: Some(String::new()),
        ..query("!")
    };
    for (what, request) in [
        ("vectors alone", query("!")),
        ("vectors alone, filtered", filtered),
        ("hybrid", query("")),
    ] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let text = if request.query.is_empty() {
                sentence(random, 8)
            } else {
                request.query.clone()
            };
            let wish = Wish::new(
                pool,
                clocks(),
                RecallRequest {
                    query: text,
                    ..request.clone()
                },
            );
            let asked = ("m".to_owned(), vector(random));
            let start = Instant::now();
            recall::recall(&connection, &wish, Some(&asked)).unwrap();
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        told(&format!("{what}, {size}, {DIMENSION} dimensions"), times);
    }
    let size = std::fs::metadata(file).unwrap().len() as f64 / 1024.0 / 1024.0;
    println!("{:<48} {size:>12.1} MiB", "the database");
}
