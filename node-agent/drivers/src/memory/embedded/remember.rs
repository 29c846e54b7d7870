//! Storing a batch in one transaction.

use aion_abi::{date::UnixMillis, syscall::memory::Item};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::{
    super::{Pool, PoolQuota, Reading, failure::MemoryError, words},
    age,
    fault::{Fault, whole},
    forget,
};

/// A batch within its bounds, and the pool's.
pub(super) struct Batch {
    pool: String,
    owner: String,
    quota: PoolQuota,
    retention_days: Option<u32>,
    now: Reading,
    items: Vec<Item>,
}

impl Batch {
    pub(super) fn new(pool: &Pool, max_items: u64, now: Reading, items: Vec<Item>) -> Self {
        let most = pool
            .quota
            .max_items
            .map_or(max_items, |most| most.min(max_items));
        Self {
            pool: pool.id.pool.clone(),
            owner: pool.owner.clone().unwrap_or_default(),
            quota: PoolQuota {
                max_items: Some(most),
                ..pool.quota
            },
            retention_days: pool.retention_days,
            now,
            items,
        }
    }
}

/// Stores the batch and answers the ids, in its order.
pub(super) fn remember(writer: &mut Connection, batch: &Batch) -> Result<Vec<String>, Fault> {
    let step = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let born = age::note(&step, &batch.now)?;
    if let Some(cutoff) = age::cutoff(batch.retention_days, born) {
        forget::older_than(&step, cutoff)?;
    }
    step.execute(
        "INSERT OR IGNORE INTO owners (name) VALUES (?1)",
        [&batch.owner],
    )?;
    let owner = step.query_row(
        "SELECT id FROM owners WHERE name = ?1",
        [&batch.owner],
        |row| row.get(0),
    )?;
    let ids = batch
        .items
        .iter()
        .map(|item| store(&step, (batch.now.date, born), owner, item))
        .collect::<Result<Vec<_>, _>>()?;
    check_quota(&step, batch)?;
    step.commit()?;
    Ok(ids)
}

fn store(
    step: &Transaction<'_>,
    (date, born): (UnixMillis, i64),
    owner: i64,
    item: &Item,
) -> Result<String, Fault> {
    let attributes = serde_json::to_string(&item.attributes)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    // Time-ordered, so that neighbours in time are neighbours in the index.
    let id = item
        .id
        .clone()
        .unwrap_or_else(|| Uuid::now_v7().to_string());
    if item.id.is_some() {
        let there: Option<(i64, bool)> = step
            .prepare_cached(
                "SELECT i.n, i.collection = ?3 AND c.text = ?4 AND c.attributes = ?5
                 FROM items i JOIN contents c ON c.n = i.n WHERE i.owner = ?1 AND i.id = ?2",
            )?
            .query_row(
                params![owner, id, item.collection, item.text, attributes],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        match there {
            // A retry, or a document indexed once more: it keeps its vector and its time.
            Some((_, true)) => return Ok(id),
            Some((n, false)) => forget::one(step, n)?,
            None => {}
        }
    }
    let bytes: usize = item.text.len()
        + id.len()
        + item.collection.len()
        + item
            .attributes
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>();
    step.prepare_cached(
        "INSERT INTO items (owner, collection, stored_at, born, bytes, id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        owner,
        item.collection,
        age::stored(date.0),
        born,
        bytes as i64,
        id
    ])?;
    let n = step.last_insert_rowid();
    step.prepare_cached("INSERT INTO contents (n, attributes, text) VALUES (?1, ?2, ?3)")?
        .execute(params![n, attributes, item.text])?;
    for (name, value) in &item.attributes {
        step.prepare_cached("INSERT INTO attributes (name, value, n) VALUES (?1, ?2, ?3)")?
            .execute(params![name, value, n])?;
    }
    step.prepare_cached("INSERT INTO words (rowid, text) VALUES (?1, ?2)")?
        .execute(params![n, words::indexed(&item.text)])?;
    Ok(id)
}

fn check_quota(step: &Transaction<'_>, batch: &Batch) -> Result<(), Fault> {
    let (items, bytes) = step.query_row("SELECT items, bytes FROM totals", [], |row| {
        Ok((whole(row, 0)?, whole(row, 1)?))
    })?;
    for (what, would, most) in [
        ("items", items, batch.quota.max_items),
        ("bytes", bytes, batch.quota.max_bytes),
    ] {
        if let Some(most) = most.filter(|most| would > *most) {
            return Err(Fault::Known(MemoryError::Quota {
                pool: batch.pool.clone(),
                what,
                would,
                most,
            }));
        }
    }
    Ok(())
}
