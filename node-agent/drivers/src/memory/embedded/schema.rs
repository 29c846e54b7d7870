//! The database's form, its version, and how a connection is set up.

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, config::DbConfig, params};
use std::time::Duration;

use super::{
    super::{failure::MemoryError, words},
    fault::Fault,
    place::Place,
};

/// How long a statement waits for another connection's lock.
const BUSY: Duration = Duration::from_secs(5);

/// Each step leads from the version that is its index to the next one; a step is never changed once it
/// was released.
const MIGRATIONS: [&str; 3] = [V1, V2, V3];

/// - `items` is narrow, since filters look at every match; what is only shown lies in `contents`.
/// - `n` rises with every store and is never used again, so it is the order of a listing, and a vector
///   that was made for an item that is gone meets no other.
/// - `words` holds no text of its own; its `secure-delete` takes a word's traces out of the index at once
///   instead of marking them.
/// - `unscrubbed` is set with what is erased, and cleared once no trace of it is on the disk.
/// - A vector of an item that the model refuses is NULL, so that it is not asked for again.
pub(super) const V1: &str = "
CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE items (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL REFERENCES owners (id),
    collection TEXT NOT NULL,
    stored_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    id TEXT NOT NULL,
    UNIQUE (owner, id)
) STRICT;
CREATE INDEX items_by_collection ON items (owner, collection, n);
CREATE INDEX items_by_age ON items (stored_at);
CREATE TABLE contents (
    n INTEGER PRIMARY KEY REFERENCES items (n) ON DELETE CASCADE,
    attributes TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE TABLE attributes (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    n INTEGER NOT NULL REFERENCES items (n) ON DELETE CASCADE,
    PRIMARY KEY (name, value, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX attributes_by_item ON attributes (n);
CREATE VIRTUAL TABLE words USING fts5 (
    text,
    content = '',
    tokenize = \"porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'\"
);
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
CREATE TABLE models (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    dimension INTEGER NOT NULL,
    current INTEGER NOT NULL,
    UNIQUE (name, dimension)
) STRICT;
CREATE TABLE vectors (
    n INTEGER PRIMARY KEY REFERENCES items (n) ON DELETE CASCADE,
    model INTEGER NOT NULL REFERENCES models (id),
    vector BLOB
) STRICT;
CREATE TABLE totals (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    items INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    unscrubbed INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (1, 0, 0, 0);
CREATE TRIGGER items_added AFTER INSERT ON items BEGIN
    UPDATE totals SET items = items + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER items_removed AFTER DELETE ON items BEGIN
    UPDATE totals SET items = items - 1, bytes = bytes - old.bytes;
END;
";

/// - `age` is how much time the pool saw pass, and the clocks when it was last looked at.
/// - `born` is what had passed when an item was stored; `stored_at` is its date, for people.
const V2: &str = "
CREATE TABLE age (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    passed INTEGER NOT NULL,
    date INTEGER NOT NULL,
    boot BLOB NOT NULL,
    up INTEGER NOT NULL
) STRICT;
INSERT INTO age SELECT 1, IFNULL(MAX(stored_at), 0), IFNULL(MAX(stored_at), 0), zeroblob(16), 0 FROM items;
ALTER TABLE items ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
UPDATE items SET born = stored_at;
DROP INDEX items_by_age;
CREATE INDEX items_by_age ON items (born);
";

/// - `folding` is the version of the words that the index holds; 0 is none that is known.
const V3: &str = "
CREATE TABLE folding (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL) STRICT;
INSERT INTO folding VALUES (1, 0);
";

/// The one connection that writes; brings the database to the newest version.
pub(super) fn open_writer(place: &Place) -> Result<Connection, Fault> {
    let mut writer = Connection::open_with_flags(
        &place.database,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW,
    )?;
    set_up(&writer)?;
    // Larger pages hold vectors of usual models without overflow; it only takes effect on a new file.
    writer.pragma_update(None, "page_size", 8192)?;
    let mode: String =
        writer.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::Known(MemoryError::Unusable {
            pool: place.pool.clone(),
            file: place.shown.clone(),
            why: format!("its disk does not take a write-ahead log (journal mode {mode})"),
        }));
    }
    // FULL: a commit is on the disk when it answers, also when the power fails.
    writer.pragma_update(None, "synchronous", "FULL")?;
    let secure: i64 =
        writer.pragma_update_and_check(None, "secure_delete", true, |row| row.get(0))?;
    if secure != 1 {
        return Err(Fault::broken(place, "secure_delete cannot be switched on"));
    }
    migrate(&mut writer, place)?;
    index_anew(&mut writer)?;
    Ok(writer)
}

/// One of the connections that read.
pub(super) fn open_reader(place: &Place) -> Result<Connection, Fault> {
    let reader = Connection::open_with_flags(
        &place.database,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW,
    )?;
    set_up(&reader)?;
    reader.pragma_update(None, "query_only", true)?;
    Ok(reader)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Sorting never writes texts to a file that nobody erases.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -2048)?;
    Ok(())
}

fn migrate(writer: &mut Connection, place: &Place) -> Result<(), Fault> {
    let newest = MIGRATIONS.len() as i64;
    let version =
        |at: &Connection| at.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    let found = version(writer)?;
    if found == newest {
        return Ok(());
    }
    let known = usize::try_from(found)
        .ok()
        .and_then(|from| MIGRATIONS.get(from..));
    let Some(steps) = known else {
        return Err(Fault::Known(MemoryError::Newer {
            pool: place.pool.clone(),
            file: place.shown.clone(),
            found,
            known: newest,
        }));
    };
    let step: Transaction<'_> = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for sql in steps {
        step.execute_batch(sql)?;
    }
    step.pragma_update(None, "user_version", newest)?;
    step.commit()?;
    Ok(())
}

/// Where the index was made by another version of what a word is, makes it again of the texts.
fn index_anew(writer: &mut Connection) -> Result<(), Fault> {
    let version = |at: &Connection| {
        at.query_row("SELECT version FROM folding", [], |row| {
            row.get::<_, i64>(0)
        })
    };
    if version(writer)? == words::VERSION {
        return Ok(());
    }
    let step = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    step.execute("INSERT INTO words (words) VALUES ('delete-all')", [])?;
    {
        let mut texts = step.prepare("SELECT n, text FROM contents ORDER BY n")?;
        let mut add = step.prepare("INSERT INTO words (rowid, text) VALUES (?1, ?2)")?;
        let mut rows = texts.query([])?;
        while let Some(row) = rows.next()? {
            let (n, text): (i64, String) = (row.get(0)?, row.get(1)?);
            add.execute(params![n, words::indexed(&text)])?;
        }
    }
    step.execute("UPDATE folding SET version = ?1", [words::VERSION])?;
    step.commit()?;
    Ok(())
}
