//! Finding items: by words, by meaning, or the newest.

use aion_abi::{
    date::UnixMillis,
    syscall::memory::{Hit, Method, RecallRequest},
};
use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};

use super::{
    super::{Pool, Reading, bounds::is_listing, fusion, words},
    age,
    fault::{Fault, whole},
    filter::Filter,
    vectors,
};

/// How deep each ranking is read before they are fused: twice the page, and never less than this.
const FUSED_AT_LEAST: usize = 100;

/// From so many items on, words that say nothing are left out of a search.
const LARGE: i64 = 5000;

/// A recall within its bounds.
pub(super) struct Wish {
    filter: Filter,
    query: Option<String>,
    k: usize,
    offset: usize,
    retention_days: Option<u32>,
    now: Reading,
}

impl Wish {
    pub(super) fn new(pool: &Pool, now: Reading, request: RecallRequest) -> Self {
        Self {
            query: (!is_listing(&request)).then_some(request.query),
            k: usize::try_from(request.k).unwrap_or(usize::MAX),
            offset: usize::try_from(request.offset).unwrap_or(usize::MAX),
            filter: Filter {
                owner: pool.owner.clone().unwrap_or_default(),
                collection: request.collection,
                attributes: request.attributes,
                ids: request.ids,
                not_before: None,
            },
            retention_days: pool.retention_days,
            now,
        }
    }

    /// The words that are searched for; nothing where the newest are listed.
    pub(super) fn searched_text(&self) -> Option<&str> {
        self.query.as_deref()
    }

    pub(super) fn method(&self, has_vector: bool) -> Method {
        match (&self.query, has_vector) {
            (None, _) => Method::Listing,
            (Some(_), true) => Method::Hybrid,
            (Some(_), false) => Method::Lexical,
        }
    }
}

/// The page of hits. `vector`: the query as the model of that name sees it.
pub(super) fn recall(
    reader: &Connection,
    wish: &Wish,
    vector: Option<&(String, Vec<f32>)>,
) -> Result<Vec<Hit>, Fault> {
    // One snapshot, so that an item found is an item that can be shown.
    let snapshot = reader.unchecked_transaction()?;
    let filter = Filter {
        not_before: age::cutoff_now(&snapshot, wish.retention_days, &wish.now)?,
        ..wish.filter.clone()
    };
    let ranked = match (&wish.query, vector) {
        (None, _) => newest(&snapshot, wish, &filter)?,
        (Some(query), None) => by_words(&snapshot, &filter, query, wish.k, wish.offset)?,
        (Some(query), Some((model, vector))) => {
            let depth = FUSED_AT_LEAST.max((wish.k + wish.offset) * 2);
            let words = by_words(&snapshot, &filter, query, depth, 0)?;
            let words = words.into_iter().map(|(n, _)| n).collect();
            let meaning = vectors::nearest(&snapshot, &filter, model, vector, depth)?;
            let fused = fusion::fuse(&[words, meaning]);
            fused.into_iter().skip(wish.offset).take(wish.k).collect()
        }
    };
    ranked
        .into_iter()
        .map(|(n, score)| Ok(shown(&snapshot, n, score)?))
        .collect()
}

fn newest(reader: &Connection, wish: &Wish, filter: &Filter) -> Result<Vec<(i64, f64)>, Fault> {
    let sql = format!(
        "SELECT i.n FROM items i WHERE {} ORDER BY i.n DESC LIMIT ? OFFSET ?",
        filter.condition()
    );
    let mut values = filter.values();
    values.extend([Value::from(wish.k as i64), Value::from(wish.offset as i64)]);
    let mut statement = reader.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, 0.0)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Items that hold any of the words, by falling BM25.
fn by_words(
    reader: &Connection,
    filter: &Filter,
    query: &str,
    limit: usize,
    offset: usize,
) -> Result<Vec<(i64, f64)>, Fault> {
    let terms = telling(reader, words::terms(query))?;
    if terms.is_empty() {
        return Ok(Vec::new());
    }
    // CROSS JOIN: the matches come from the index, and each is then looked up; never the other way round.
    let sql = format!(
        "SELECT w.rowid, bm25(words) AS score FROM words w CROSS JOIN items i ON i.n = w.rowid
         WHERE words MATCH ? AND {} ORDER BY score, w.rowid DESC LIMIT ? OFFSET ?",
        filter.condition()
    );
    let mut values = vec![Value::from(terms.join(" OR "))];
    values.extend(filter.values());
    values.extend([Value::from(limit as i64), Value::from(offset as i64)]);
    let mut statement = reader.prepare_cached(&sql)?;
    // FTS5's BM25 is negated so that the best comes first in rising order.
    let rows = statement.query_map(params_from_iter(values), |row| {
        Ok((row.get(0)?, -row.get::<_, f64>(1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The terms without those that more than half of all items hold. BM25 gives them no weight, and in a
/// large pool they are what a search spends its time on. Where there are only such terms, they are kept.
fn telling(reader: &Connection, terms: Vec<String>) -> Result<Vec<String>, Fault> {
    let items: i64 = reader.query_row("SELECT items FROM totals", [], |row| row.get(0))?;
    if items < LARGE {
        return Ok(terms);
    }
    let mut more_than_half =
        reader.prepare_cached("SELECT 1 FROM words WHERE words MATCH ?1 LIMIT 1 OFFSET ?2")?;
    let mut telling = Vec::with_capacity(terms.len());
    for term in &terms {
        if !more_than_half.exists(params![term, items / 2])? {
            telling.push(term.clone());
        }
    }
    Ok(if telling.is_empty() { terms } else { telling })
}

fn shown(reader: &Connection, n: i64, score: f64) -> rusqlite::Result<Hit> {
    let found = reader
        .prepare_cached(
            "SELECT i.id, c.text, i.collection, c.attributes, i.stored_at
             FROM items i JOIN contents c ON c.n = i.n WHERE i.n = ?1",
        )?
        .query_row([n], |row| {
            let attributes: String = row.get(3)?;
            Ok(Hit {
                id: row.get(0)?,
                text: row.get(1)?,
                collection: row.get(2)?,
                attributes: serde_json::from_str(&attributes).map_err(|error| {
                    rusqlite::Error::FromSqlConversionFailure(
                        3,
                        rusqlite::types::Type::Text,
                        Box::new(error),
                    )
                })?,
                score,
                stored_at_ms: UnixMillis(whole(row, 4)?),
            })
        })
        .optional()?;
    found.ok_or(rusqlite::Error::QueryReturnedNoRows)
}
