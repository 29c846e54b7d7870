//! What columns are called.

use std::collections::BTreeSet;

use crate::word;

/// Makes a distinct name for each column out of the header's cells, or of nothing. A name that is there stays with the
/// first column that has it; a number is put behind the others, one that gives no name that is there.
pub(super) fn column_names(header: &[String], width: usize) -> Vec<String> {
    let mut names: Vec<String> = (0..width)
        .map(|i| header.get(i).map_or(String::new(), |name| plain(name)))
        .collect();
    let mut taken: BTreeSet<String> = names.iter().cloned().collect();
    let mut used = BTreeSet::new();
    for (i, name) in names.iter_mut().enumerate() {
        if !name.is_empty() && used.insert(name.clone()) {
            continue;
        }
        let numbered = |n: usize| match name.is_empty() {
            true if n == 1 => format!("column {}", i + 1),
            true => format!("column {} ({n})", i + 1),
            false => format!("{name} ({})", n + 1),
        };
        let Some(free) = (1..).map(numbered).find(|name| !taken.contains(name)) else {
            continue;
        };
        taken.insert(free.clone());
        used.insert(free.clone());
        *name = free;
    }
    names
}

fn plain(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a column with this name may hold bare years.
pub(super) fn called_year(name: &str) -> bool {
    const YEARS: [&str; 13] = [
        "year", "yr", "jahr", "année", "annee", "año", "anno", "ano", "rok", "год", "yıl", "jaar",
        "år",
    ];
    YEARS.contains(&word::lower(name).as_str())
}

/// Whether a column with this name may hold days of eight digits.
pub(super) fn called_date(name: &str) -> bool {
    const DATES: [&str; 11] = [
        "date", "datum", "fecha", "data", "tarih", "дата", "day", "tag", "jour", "when", "time",
    ];
    let name = word::lower(name);
    DATES.iter().any(|word| name.contains(word))
}
