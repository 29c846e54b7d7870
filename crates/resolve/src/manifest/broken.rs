//! Text that is not YAML: where it breaks, and what is to be done there.

use serde_saphyr::Error;

use crate::problem::Told;

/// Line and column, from 1, and what is said of them.
pub(super) fn told(error: &Error, text: &str) -> (u64, u64, Told) {
    let error = error.without_snippet();
    // The renderer's first line says what is wrong; place and excerpt are ours to show.
    let said = error.to_string();
    let said = said.lines().next().unwrap_or_default();
    let said = said.split(" at line ").next().unwrap_or(said);
    let (line, column) = error
        .location()
        .map_or((1, 1), |at| (at.line(), at.column()));
    if let Error::DuplicateMappingKey { key: Some(key), .. } = error {
        let what = format!("this is not YAML: the key {key} occurs twice");
        return (line, column, (what, "remove one of the two").into());
    }
    if let Some((line, column)) = indenting_tab(text, line, said.contains("tab")) {
        let what = "this is not YAML: a tab indents this line";
        return (line, column, (what, "indent it with spaces").into());
    }
    let remedy = "correct this line, or what is open above it";
    (
        line,
        column,
        (format!("this is not YAML ({said})"), remedy).into(),
    )
}

/// The tab that indents `line`; where the fault `is_of_a_tab`, also one in the next line that holds anything: the
/// scanner tells then where it came from.
fn indenting_tab(text: &str, line: u64, is_of_a_tab: bool) -> Option<(u64, u64)> {
    let lines = (1_u64..).zip(text.lines());
    let mut near = lines
        .skip_while(|(number, _)| *number < line)
        .filter(|(number, held)| *number == line || !held.trim().is_empty())
        .take(if is_of_a_tab { 2 } else { 1 });
    near.find_map(|(number, held)| {
        let mut indent = (1_u64..).zip(held.chars().take_while(|it| it.is_whitespace()));
        let (column, _) = indent.find(|(_, char)| *char == '\t')?;
        Some((number, column))
    })
}
