//! Which sheet is meant.

use std::io;

use super::{Book, refused};
use crate::word;

/// How many names are told.
const MOST: usize = 12;

impl Book {
    /// Finds the sheet that a question names; the first that is not hidden where it names none. A sheet that is called
    /// for as such ("sheet X") and is not there is an error.
    pub fn choose(&self, question: &str) -> io::Result<usize> {
        let mut best: Option<(usize, usize)> = None;
        for (i, sheet) in self.sheets.iter().enumerate() {
            if best.is_none_or(|(_, length)| sheet.name.len() > length)
                && says(question, &sheet.name)
            {
                best = Some((i, sheet.name.len()));
            }
        }
        if let Some((index, _)) = best {
            return Ok(index);
        }
        let name = called_for(question);
        if !name.is_empty() && self.beyond > 0 {
            return refused(format!(
                "no sheet {name:?} is among the first {} of the workbook, and the {} behind them are not looked at: move \
                 it to the front, or save it as CSV",
                self.sheets.len(),
                self.beyond
            ));
        }
        if !name.is_empty() {
            return refused(format!(
                "the workbook has no sheet {name:?}; its sheets are {}",
                self.names(None)
            ));
        }
        Ok(self
            .sheets
            .iter()
            .position(|sheet| !sheet.hidden)
            .unwrap_or(0))
    }

    /// Says which sheets were not read, and how they are; empty where there are none.
    pub fn others(&self, read: usize) -> String {
        if self.sheets.len() < 2 {
            return String::new();
        }
        let shown = self
            .sheets
            .iter()
            .enumerate()
            .position(|(i, sheet)| i != read && !sheet.hidden);
        let another = shown.unwrap_or((read + 1) % self.sheets.len());
        format!(
            "The workbook has other sheets, which were not read: {}. Name one in the question to have it read: \"sheet {}\".",
            self.names(Some(read)),
            self.sheets.get(another).map_or("", |sheet| &sheet.name)
        )
    }

    fn names(&self, but: Option<usize>) -> String {
        let others = self
            .sheets
            .iter()
            .enumerate()
            .filter(|(i, _)| Some(*i) != but);
        let mut names: Vec<String> = others
            .map(|(_, sheet)| {
                format!(
                    "{}{}",
                    sheet.name,
                    if sheet.hidden { " (hidden)" } else { "" }
                )
            })
            .collect();
        let all = names.len() + self.beyond;
        if all > MOST {
            names.truncate(MOST);
            let more = all - names.len();
            names.push(format!("and {more} more"));
        }
        names.join(", ")
    }
}

/// Whether a name stands in a text as words of its own, whatever its case.
fn says(text: &str, name: &str) -> bool {
    let (text, name) = (word::lower(text), word::lower(name.trim()));
    if name.is_empty() {
        return false;
    }
    text.match_indices(&name).any(|(at, found)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text
            .get(at + found.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(joins) && !after.is_some_and(joins)
    })
}

fn joins(c: char) -> bool {
    word::is_letter(c) || word::is_digit(c) || c == '_'
}

/// The name behind the word sheet: in quotation marks, or the only other word.
fn called_for(question: &str) -> String {
    let words: Vec<&str> = question.split_whitespace().collect();
    for (i, word) in words.iter().enumerate() {
        let Some(rest) = words.get(i + 1..).filter(|rest| !rest.is_empty()) else {
            break;
        };
        if !word
            .trim_matches([',', '.', ':', ';'])
            .eq_ignore_ascii_case("sheet")
        {
            continue;
        }
        let joined = rest.join(" ");
        for mark in ['"', '\''] {
            if let Some((name, _)) = joined
                .strip_prefix(mark)
                .and_then(|rest| rest.split_once(mark))
            {
                return name.to_owned();
            }
        }
        if let ([only], 0) = (rest, i) {
            return (*only).to_owned();
        }
    }
    String::new()
}
