//! Words that are only left as signposts of the full-text index.
//!
//! FTS5 keeps, for each page of its index, the shortest text that tells the page's first word from the
//! last one of the page before (`words_idx`). `secure-delete` takes a forgotten word off its page, but not
//! out of such a signpost; where two forgotten words differed in their last letter only, that is a whole
//! word. So after a deletion each signpost is looked up, and where no word begins so any more the index is
//! written anew, with signposts out of the words that are left.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::fault::Fault;

/// Sees to it that every signpost is the beginning of a word that is there.
pub(super) fn renew(writer: &mut Connection) -> Result<(), Fault> {
    let step = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    step.execute_batch(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.spoken USING fts5vocab ('main', 'words', 'instance')",
    )?;
    if has_orphan(&step)? {
        write_anew(&step)?;
    }
    step.commit()?;
    Ok(())
}

/// FTS5 leaves an index alone that is in one piece already. So a piece is added, of a word that is there,
/// the pieces are made one, and the word is taken off again. No item has the number 0.
fn write_anew(step: &Connection) -> Result<(), Fault> {
    let some_word: Option<String> = step
        .query_row("SELECT term FROM temp.spoken LIMIT 1", [], |row| row.get(0))
        .optional()?;
    let Some(some_word) = some_word else {
        step.execute("INSERT INTO words (words) VALUES ('delete-all')", [])?;
        return Ok(());
    };
    step.execute(
        "INSERT INTO words (rowid, text) VALUES (0, ?1)",
        [&some_word],
    )?;
    step.execute("INSERT INTO words (words) VALUES ('optimize')", [])?;
    step.execute(
        "INSERT INTO words (words, rowid, text) VALUES ('delete', 0, ?1)",
        [&some_word],
    )?;
    Ok(())
}

fn has_orphan(step: &Connection) -> Result<bool, Fault> {
    // The first byte says which index it is; there is one. The first page of all has an empty signpost.
    let mut signposts =
        step.prepare("SELECT DISTINCT substr(term, 2) FROM words_idx WHERE length(term) > 1")?;
    let mut begins = step.prepare(
        "SELECT 1 FROM temp.spoken WHERE term >= CAST(?1 AS TEXT) AND term < CAST(?2 AS TEXT) LIMIT 1",
    )?;
    let mut rows = signposts.query([])?;
    while let Some(row) = rows.next()? {
        let signpost: Vec<u8> = row.get(0)?;
        // A signpost may end within a character, so these are bytes; none of them is 255 in UTF-8.
        let mut past = signpost.clone();
        if let Some(last) = past.last_mut() {
            *last = last.saturating_add(1);
        }
        if !begins.exists((signpost, past))? {
            return Ok(true);
        }
    }
    Ok(false)
}
