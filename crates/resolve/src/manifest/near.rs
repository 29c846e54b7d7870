//! What somebody meant who misspelt a name.

/// The name among `known` that is nearest to `written`, where one is near enough to be meant.
pub(crate) fn near<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    known
        .into_iter()
        .map(|name| (distance(&written, &name.to_lowercase()), name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .map(|(_, name)| name)
}

/// What to do about `written`, which is none of `known`: which of them was meant, or which there are.
pub(crate) fn meant<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) -> String {
    let known = known.into_iter();
    match near(written, known.clone()) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// Edits (insert, remove, replace, swap neighbours) from one text to the other: the restricted
/// Damerau-Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognised_and_another_word_is_not() {
        let known = ["instructions", "description", "model", "memory", "lane"];
        let check = |written: &str, expect: Option<&str>| {
            assert_eq!(near(written, known), expect, "{written}")
        };
        check("instruction", Some("instructions"));
        check("Instrucitons", Some("instructions"));
        check("modle", Some("model"));
        check("lanes", Some("lane"));
        check("prompt", None);
        check("x", None);
    }
}
