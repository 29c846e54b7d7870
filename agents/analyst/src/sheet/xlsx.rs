//! What the sheets of an XLSX share (ECMA-376, part 1, SpreadsheetML): where they are, their texts and styles.

use std::collections::HashMap;
use std::io;

use super::row::append;
use super::styles::{Form, read_styles};
use super::xml::{Element, Token};
use super::{Book, MAX_PART, MAX_SHEETS, Sheet, refused};

/// The texts that the cells share.
const MAX_TEXTS: usize = 64 << 20;
/// What a text weighs beside its bytes.
const OF_A_TEXT: usize = 16;

/// What the sheets share.
#[derive(Default)]
pub(super) struct Xlsx {
    pub(super) texts: Texts,
    /// How the numbers of each style read.
    pub(super) styles: Vec<Form>,
    /// Days are counted from 1904.
    pub(super) since_1904: bool,
}

/// Texts that cells name by number, one behind the other.
#[derive(Default)]
pub(super) struct Texts {
    all: String,
    ends: Vec<u32>,
}

impl Texts {
    fn push(&mut self, text: &str) -> io::Result<()> {
        if self.all.len() + text.len() + OF_A_TEXT * (self.ends.len() + 1) > MAX_TEXTS {
            return refused(format!(
                "the texts of the workbook are more than {} MiB: save the sheet as CSV",
                MAX_TEXTS >> 20
            ));
        }
        self.all.push_str(text);
        self.ends.push(self.all.len() as u32);
        Ok(())
    }

    /// A text by its number; empty where there is none.
    pub(super) fn get(&self, number: usize) -> &str {
        let end = |i: usize| self.ends.get(i).map(|&end| end as usize);
        let from = number.checked_sub(1).map_or(Some(0), end);
        match (from, end(number)) {
            (Some(from), Some(to)) => self.all.get(from..to).unwrap_or_default(),
            _ => "",
        }
    }
}

impl Book {
    pub(super) fn open_xlsx(&mut self) -> io::Result<()> {
        let targets = self.targets()?;
        let mut xlsx = Xlsx::default();
        let (archive, sheets, beyond) = (&self.archive, &mut self.sheets, &mut self.beyond);
        archive.walk("xl/workbook.xml", MAX_PART, |token| {
            let Token::Start(start) = token else {
                return Ok(());
            };
            match start.local() {
                b"workbookPr" => xlsx.since_1904 = is_true(&start.attribute("date1904")?),
                b"sheet" => {
                    let part = targets
                        .get(&*start.prefixed(None, "id")?)
                        .cloned()
                        .unwrap_or_default();
                    if !archive.has(&part) || part.contains("chartsheets/") {
                    } else if sheets.len() == MAX_SHEETS {
                        *beyond += 1;
                    } else {
                        let hidden = matches!(&*start.attribute("state")?, "hidden" | "veryHidden");
                        sheets.push(Sheet {
                            name: start.attribute("name")?.into_owned(),
                            hidden,
                            part,
                        });
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        if archive.has("xl/styles.xml") {
            xlsx.styles = read_styles(archive)?;
        }
        if archive.has("xl/sharedStrings.xml") {
            xlsx.texts = self.texts()?;
        }
        self.xlsx = Some(xlsx);
        Ok(())
    }

    /// Where the parts are that the workbook names by an identifier.
    fn targets(&self) -> io::Result<HashMap<String, String>> {
        let mut targets = HashMap::new();
        self.archive
            .walk("xl/_rels/workbook.xml.rels", MAX_PART, |token| {
                if let Token::Start(start) = token
                    && start.local() == b"Relationship"
                {
                    targets.insert(start.attribute("Id")?.into_owned(), target(&start)?);
                }
                Ok(())
            })?;
        Ok(targets)
    }

    /// Reads the shared texts. What is said beside a text, how it is pronounced, is none of it.
    fn texts(&self) -> io::Result<Texts> {
        let mut texts = Texts::default();
        let mut text = String::new();
        let (mut aside, mut in_text) = (0_i32, false);
        self.archive
            .walk("xl/sharedStrings.xml", 8 * MAX_TEXTS as u64, |token| {
                match token {
                    Token::Start(start) => match start.local() {
                        b"rPh" => aside = aside.saturating_add(1),
                        b"t" => in_text = aside == 0,
                        b"si" => text.clear(),
                        _ => {}
                    },
                    Token::End(end) => match end.local_name().as_ref() {
                        b"rPh" => aside = aside.saturating_sub(1),
                        b"t" => in_text = false,
                        b"si" => texts.push(&text)?,
                        _ => {}
                    },
                    Token::Text(more) if in_text => append(&mut text, &more)?,
                    Token::Text(_) | Token::Aside => {}
                }
                Ok(())
            })?;
        Ok(texts)
    }
}

/// What a relationship points to, as a path in the archive.
fn target(relationship: &Element<'_>) -> io::Result<String> {
    let target = relationship.attribute("Target")?;
    if let Some(absolute) = target.strip_prefix('/') {
        return Ok(absolute.to_owned());
    }
    let mut path: Vec<&str> = vec!["xl"];
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." if path.last().is_some_and(|&last| last != "..") => {
                path.pop();
            }
            _ => path.push(step),
        }
    }
    Ok(path.join("/"))
}

/// Whether an attribute says yes.
pub(super) fn is_true(text: &str) -> bool {
    text == "1" || text.eq_ignore_ascii_case("true")
}
