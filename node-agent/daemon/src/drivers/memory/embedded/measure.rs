//! What recall costs. Not a test: run by hand with
//! `cargo test --release -p aion-daemon --lib drivers::memory::embedded::measure -- --ignored --nocapture`.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Instant};

use rusqlite::Connection;

use super::{
    super::{
        MemoryConfig, MemoryDriver, Pool,
        conformance::{batch, item, pool, query},
        embed::fake::FakeEmbedder,
    },
    EmbeddedMemory,
    recall::{self, Wish},
    vectors,
};

const DIMENSION: usize = 384;
const ROUNDS: usize = 21;

/// A word by Zipf's law, as words of a language are used.
fn word(random: &mut fastrand::Rng) -> String {
    let rank = (1.0 / (random.f64() + 0.00003)) as u32;
    format!("w{rank:x}")
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
    println!(
        "{what:<44} p50 {:>8.2} ms   max {:>8.2} ms",
        times[times.len() / 2],
        times[times.len() - 1]
    );
}

#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn recall_at_size() {
    for size in [10_000, 100_000] {
        let home = tempfile::tempdir().unwrap();
        let config = MemoryConfig::shipped().unwrap();
        let memory =
            EmbeddedMemory::open(home.path(), config, Arc::new(FakeEmbedder::default())).unwrap();
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
        for (what, words) in [
            ("rare words", vec!["wa3f", "w1b2c"]),
            ("8 words as used", vec![]),
            ("the commonest word", vec!["w1"]),
        ] {
            let times = futures::future::join_all((0..ROUNDS).map(|_| async { 0.0 })).await;
            let mut times = times;
            for time in &mut times {
                let text = if words.is_empty() {
                    sentence(&mut random, 8)
                } else {
                    words.join(" ")
                };
                let start = Instant::now();
                memory.recall(&pool, query(&text)).await.unwrap();
                *time = start.elapsed().as_secs_f64() * 1000.0;
            }
            told(&format!("lexical, {size}, {what}"), times);
        }
        by_hand(
            &pool,
            &home.path().join("me/personal~u1/items.db"),
            memory,
            &mut random,
            i64::from(size),
        );
    }
}

/// The same on the connection, so that no embedding is counted.
fn by_hand(
    pool: &Pool,
    file: &std::path::Path,
    memory: EmbeddedMemory,
    random: &mut fastrand::Rng,
    size: i64,
) {
    drop(memory);
    let mut connection = Connection::open(file).unwrap();
    for from in (1..=size).step_by(1000) {
        let made: Vec<_> = (from..from + 1000)
            .map(|n| (n, Some(vector(random))))
            .collect();
        vectors::keep(&mut connection, "m", &made).unwrap();
    }
    connection.pragma_update(None, "cache_size", -2048).unwrap();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let wish = Wish::new(pool, 0, query(&sentence(random, 8)));
        let asked = ("m".to_owned(), vector(random));
        let start = Instant::now();
        recall::recall(&connection, &wish, Some(&asked)).unwrap();
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    told(&format!("hybrid, {size}, {DIMENSION} dimensions"), times);
    let size = std::fs::metadata(file).unwrap().len() as f64 / 1024.0 / 1024.0;
    println!("{:<44} {size:>8.1} MiB", "the database");
}
