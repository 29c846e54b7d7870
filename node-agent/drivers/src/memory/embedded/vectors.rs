//! Vectors beside the items: which are missing, how they are kept, which are nearest.
//!
//! A vector is kept at length one as 32-bit floats, so its product with another is their cosine. All of a
//! pool's vectors are compared; see `measure` for what that costs.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use rusqlite::{
    Connection, OptionalExtension, TransactionBehavior, params, params_from_iter, types::Value,
};

use super::{fault::Fault, filter::Filter};

/// Products that are summed apart from each other: what the processor can do at once.
const LANES: usize = 16;

/// An item without a vector of the model in use.
pub(super) struct Pending {
    pub(super) n: i64,
    pub(super) text: String,
}

/// The newest items that lack a vector of `model`.
pub(super) fn pending(
    reader: &Connection,
    model: &str,
    limit: usize,
) -> Result<Vec<Pending>, Fault> {
    let mut statement = reader.prepare_cached(
        "SELECT i.n, c.text FROM items i JOIN contents c ON c.n = i.n
         WHERE NOT EXISTS (
             SELECT 1 FROM vectors v JOIN models m ON m.id = v.model
             WHERE v.n = i.n AND m.name = ?1 AND (m.current = 1 OR v.vector IS NULL))
         ORDER BY i.n DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![model, limit as i64], |row| {
        Ok(Pending {
            n: row.get(0)?,
            text: row.get(1)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps vectors for items that are still there; `None` for one that the model refuses.
pub(super) fn keep(
    writer: &mut Connection,
    model: &str,
    made: &[(i64, Option<Vec<f32>>)],
) -> Result<(), Fault> {
    let step = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (n, vector) in made {
        let dimension = vector.as_ref().map_or(0, Vec::len) as i64;
        let id = model_id(&step, model, dimension)?;
        let blob = vector.as_ref().map(|vector| {
            vector
                .iter()
                .flat_map(|part| part.to_le_bytes())
                .collect::<Vec<u8>>()
        });
        step.prepare_cached(
            "INSERT OR REPLACE INTO vectors (n, model, vector) SELECT n, ?2, ?3 FROM items WHERE n = ?1",
        )?
        .execute(params![n, id, blob])?;
    }
    step.commit()?;
    Ok(())
}

/// The number of a model in that dimension, which thereby is the one in use. A server may change the model
/// behind a name; then the dimension changes, and what was made before is made again.
fn model_id(step: &Connection, model: &str, dimension: i64) -> Result<i64, Fault> {
    let known: Option<(i64, bool)> = step
        .prepare_cached("SELECT id, current FROM models WHERE name = ?1 AND dimension = ?2")?
        .query_row(params![model, dimension], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    match known {
        Some((id, true)) => return Ok(id),
        Some((id, false)) if dimension == 0 => return Ok(id),
        Some(_) => {}
        None => {
            step.prepare_cached(
                "INSERT INTO models (name, dimension, current) VALUES (?1, ?2, 0)",
            )?
            .execute(params![model, dimension])?;
        }
    }
    if dimension > 0 {
        step.prepare_cached("UPDATE models SET current = (dimension = ?2) WHERE name = ?1")?
            .execute(params![model, dimension])?;
    }
    Ok(step
        .prepare_cached("SELECT id FROM models WHERE name = ?1 AND dimension = ?2")?
        .query_row(params![model, dimension], |row| row.get(0))?)
}

/// The items nearest to `query`, nearest first; none of those that point away from it.
pub(super) fn nearest(
    reader: &Connection,
    filter: &Filter,
    model: &str,
    query: &[f32],
    most: usize,
) -> Result<Vec<i64>, Fault> {
    let sql = format!(
        "SELECT v.n, v.vector FROM vectors v CROSS JOIN items i ON i.n = v.n
         WHERE v.model = (SELECT id FROM models WHERE name = ? AND dimension = ?) AND {}",
        filter.condition()
    );
    let mut values = vec![
        Value::from(model.to_owned()),
        Value::from(query.len() as i64),
    ];
    values.extend(filter.values());
    let mut statement = reader.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    // The worst of the best so far is on top.
    let mut best: BinaryHeap<Reverse<Near>> = BinaryHeap::with_capacity(most + 1);
    while let Some(row) = rows.next()? {
        let Some(blob) = row
            .get_ref(1)?
            .as_blob_or_null()
            .map_err(rusqlite::Error::from)?
        else {
            continue;
        };
        let near = Near {
            cosine: product(query, blob),
            n: row.get(0)?,
        };
        if near.cosine <= 0.0 {
            continue;
        }
        if best.len() < most {
            best.push(Reverse(near));
        } else if best.peek().is_some_and(|Reverse(worst)| near > *worst) {
            best.pop();
            best.push(Reverse(near));
        }
    }
    Ok(best
        .into_sorted_vec()
        .into_iter()
        .map(|Reverse(near)| near.n)
        .collect())
}

/// Ordered by cosine; where that is equal the newer item is the nearer.
struct Near {
    cosine: f32,
    n: i64,
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cosine
            .total_cmp(&other.cosine)
            .then(self.n.cmp(&other.n))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Near {}

/// The product with a kept vector; 0 for one of another length. Summed in lanes, since a compiler must not
/// reorder a plain sum of floats and so could not use wide registers.
fn product(query: &[f32], blob: &[u8]) -> f32 {
    if blob.len() != size_of_val(query) {
        return 0.0;
    }
    let mut sums = [0.0_f32; LANES];
    let (whole, rest) = query.as_chunks::<LANES>();
    let (blocks, tail) = blob.as_chunks::<{ LANES * size_of::<f32>() }>();
    for (parts, block) in whole.iter().zip(blocks) {
        let (floats, _) = block.as_chunks::<4>();
        for ((sum, part), float) in sums.iter_mut().zip(parts).zip(floats) {
            *sum += part * f32::from_le_bytes(*float);
        }
    }
    let (floats, _) = tail.as_chunks::<4>();
    let left: f32 = rest
        .iter()
        .zip(floats)
        .map(|(part, float)| part * f32::from_le_bytes(*float))
        .sum();
    sums.iter().sum::<f32>() + left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_the_plain_sum_whatever_the_length() {
        for length in [0_u8, 1, 15, 16, 17, 100] {
            let query: Vec<f32> = (0..length).map(|n| f32::from(n) * 0.5).collect();
            let blob: Vec<u8> = (0..length)
                .flat_map(|n| (f32::from(n) - 3.0).to_le_bytes())
                .collect();
            let plain: f32 = (0..length)
                .map(|n| f32::from(n) * 0.5 * (f32::from(n) - 3.0))
                .sum();
            assert!(
                (product(&query, &blob) - plain).abs() <= plain.abs() * 1e-5,
                "{length}"
            );
        }
        assert!(product(&[1.0, 2.0], &[0; 4]).abs() < f32::EPSILON);
    }
}
