//! Taking items out of the store and the words of the index; what SQLite leaves behind is scrubbed after.

use std::collections::BTreeMap;

use aion_abi::syscall::memory::ForgetRequest;
use rusqlite::{Connection, Transaction, TransactionBehavior, params, params_from_iter};

use super::{
    super::{Reading, words},
    age,
    fault::Fault,
    filter::Filter,
};

/// Erases what the request names within the owner's part.
pub(super) fn forget(
    writer: &mut Connection,
    owner: &str,
    request: &ForgetRequest,
) -> Result<u64, Fault> {
    erase(writer, |step| match request {
        ForgetRequest::Ids { ids } => {
            let mut by_id =
                step.prepare_cached("SELECT n FROM items WHERE owner = (SELECT id FROM owners WHERE name = ?1) AND id = ?2")?;
            let mut found = Vec::new();
            for id in ids {
                found.extend(
                    by_id
                        .query_map(params![owner, id], |row| row.get::<_, i64>(0))?
                        .collect::<Result<Vec<_>, _>>()?,
                );
            }
            Ok(found)
        }
        ForgetRequest::Collection {
            collection,
            attributes,
        } => {
            let filter = Filter {
                owner: owner.to_owned(),
                collection: Some(collection.clone()),
                attributes: attributes.clone(),
                ids: Vec::new(),
                not_before: None,
            };
            numbers(step, &filter.condition(), filter.values())
        }
    })
}

/// Erases an owner's part, and its name.
pub(super) fn owned(writer: &mut Connection, owner: &str) -> Result<u64, Fault> {
    let whole = Filter {
        owner: owner.to_owned(),
        collection: None,
        attributes: BTreeMap::new(),
        ids: Vec::new(),
        not_before: None,
    };
    let step = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = numbers(&step, &whole.condition(), whole.values())?;
    all(&step, &found)?;
    if step.execute("DELETE FROM owners WHERE name = ?1", [owner])? > 0 {
        step.execute("UPDATE totals SET unscrubbed = 1", [])?;
    }
    step.commit()?;
    Ok(found.len() as u64)
}

/// Erases what is older than the pool keeps it, whoever owns it.
pub(super) fn older(
    writer: &mut Connection,
    retention_days: Option<u32>,
    now: &Reading,
) -> Result<u64, Fault> {
    erase(writer, |step| {
        let passed = age::note(step, now)?;
        match age::cutoff(retention_days, passed) {
            Some(cutoff) => numbers(step, "i.born < ?", vec![cutoff.into()]),
            None => Ok(Vec::new()),
        }
    })
}

/// The same within a transaction that does more.
pub(super) fn older_than(step: &Transaction<'_>, cutoff: i64) -> Result<(), Fault> {
    let found = numbers(step, "i.born < ?", vec![cutoff.into()])?;
    all(step, &found)
}

/// Erases one item. The index holds no text, so it is told the words it is to forget.
pub(super) fn one(step: &Transaction<'_>, n: i64) -> Result<(), Fault> {
    let text: String = step
        .prepare_cached("SELECT text FROM contents WHERE n = ?1")?
        .query_row([n], |row| row.get(0))?;
    step.prepare_cached("INSERT INTO words (words, rowid, text) VALUES ('delete', ?1, ?2)")?
        .execute(params![n, words::indexed(&text)])?;
    step.prepare_cached("DELETE FROM items WHERE n = ?1")?
        .execute([n])?;
    Ok(())
}

fn erase(
    writer: &mut Connection,
    find: impl FnOnce(&Transaction<'_>) -> Result<Vec<i64>, Fault>,
) -> Result<u64, Fault> {
    let step = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = find(&step)?;
    all(&step, &found)?;
    step.commit()?;
    Ok(found.len() as u64)
}

fn all(step: &Transaction<'_>, found: &[i64]) -> Result<(), Fault> {
    for n in found {
        one(step, *n)?;
    }
    if !found.is_empty() {
        step.execute("UPDATE totals SET unscrubbed = 1", [])?;
    }
    Ok(())
}

fn numbers(
    step: &Transaction<'_>,
    condition: &str,
    values: Vec<rusqlite::types::Value>,
) -> Result<Vec<i64>, Fault> {
    let mut found = step.prepare_cached(&format!("SELECT i.n FROM items i WHERE {condition}"))?;
    let rows = found.query_map(params_from_iter(values), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
