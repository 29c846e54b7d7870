//! Which items a caller may see and asked for, as a condition on `items` under the name `i`.

use std::collections::BTreeMap;

use rusqlite::types::Value;

/// The part of a pool, and what narrows it down.
pub(super) struct Filter {
    /// Empty for the shared part.
    pub(super) owner: String,
    pub(super) collection: Option<String>,
    pub(super) attributes: BTreeMap<String, String>,
    /// Items stored before this are as good as forgotten.
    pub(super) not_before: Option<i64>,
}

impl Filter {
    /// The condition, with a `?` for each of [`Filter::values`].
    pub(super) fn condition(&self) -> String {
        let mut sql = String::from("i.owner = (SELECT id FROM owners WHERE name = ?)");
        if self.collection.is_some() {
            sql.push_str(" AND i.collection = ?");
        }
        if self.not_before.is_some() {
            sql.push_str(" AND i.stored_at >= ?");
        }
        for _ in &self.attributes {
            sql.push_str(" AND i.n IN (SELECT n FROM attributes WHERE name = ? AND value = ?)");
        }
        sql
    }

    /// What fills the condition, in its order.
    pub(super) fn values(&self) -> Vec<Value> {
        let mut values = vec![Value::from(self.owner.clone())];
        values.extend(self.collection.clone().map(Value::from));
        values.extend(self.not_before.map(Value::from));
        for (name, value) in &self.attributes {
            values.push(Value::from(name.clone()));
            values.push(Value::from(value.clone()));
        }
        values
    }
}
