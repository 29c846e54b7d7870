//! Which items a caller may see and asked for, as a condition on `items` under the name `i`.

use std::collections::BTreeMap;

use rusqlite::types::Value;

/// The part of a pool, and what narrows it down.
#[derive(Clone)]
pub(super) struct Filter {
    /// Empty for the shared part.
    pub(super) owner: String,
    pub(super) collection: Option<String>,
    pub(super) attributes: BTreeMap<String, String>,
    /// Where there are any: these alone.
    pub(super) ids: Vec<String>,
    /// Items born before this are as good as forgotten.
    pub(super) not_before: Option<i64>,
}

impl Filter {
    /// The condition, with a `?` for each of [`Filter::values`].
    pub(super) fn condition(&self) -> String {
        let mut sql = String::from("i.owner = (SELECT id FROM owners WHERE name = ?)");
        match (&self.collection, self.ids.is_empty()) {
            (None, _) => {}
            (Some(_), true) => sql.push_str(" AND i.collection = ?"),
            // The few ids lead to the items; `+` keeps the index of the whole collection out of it.
            (Some(_), false) => sql.push_str(" AND +i.collection = ?"),
        }
        if !self.ids.is_empty() {
            let marks = vec!["?"; self.ids.len()].join(", ");
            sql.push_str(&format!(" AND i.id IN ({marks})"));
        }
        if self.not_before.is_some() {
            sql.push_str(" AND i.born >= ?");
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
        values.extend(self.ids.iter().cloned().map(Value::from));
        values.extend(self.not_before.map(Value::from));
        for (name, value) in &self.attributes {
            values.push(Value::from(name.clone()));
            values.push(Value::from(value.clone()));
        }
        values
    }
}
