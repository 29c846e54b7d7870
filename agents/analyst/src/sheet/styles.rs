//! Which styles make dates of numbers.

use std::collections::HashMap;
use std::io;

use super::MAX_PART;
use super::archive::Archive;
use super::xml::Token;

/// How the number of a cell reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Plain,
    Date,
    /// A time of day, without a date.
    Clock,
}

/// The form of each style.
pub(super) fn read_styles(archive: &Archive) -> io::Result<Vec<Form>> {
    let mut styles = Vec::new();
    let mut own: HashMap<i64, Form> = HashMap::new();
    let mut in_cells = false;
    archive.walk("xl/styles.xml", MAX_PART, |token| {
        match token {
            Token::Start(start) => match start.local() {
                b"numFmt" => {
                    if let Ok(id) = start.attribute("numFmtId")?.parse() {
                        own.insert(id, form_of(&start.attribute("formatCode")?));
                    }
                }
                b"cellXfs" => in_cells = true,
                b"xf" if in_cells => {
                    let id = start.attribute("numFmtId")?.parse().unwrap_or(0);
                    styles.push(own.get(&id).copied().unwrap_or_else(|| built_in(id)));
                }
                _ => {}
            },
            Token::End(end) if end.local_name().as_ref() == b"cellXfs" => in_cells = false,
            Token::End(_) | Token::Text(_) | Token::Aside => {}
        }
        Ok(())
    })?;
    Ok(styles)
}

/// The formats that a workbook does not spell out (ECMA-376, part 1, 18.8.30).
fn built_in(id: i64) -> Form {
    match id {
        14..=17 | 22 | 27..=31 | 36 | 50..=54 | 57 | 58 => Form::Date,
        18..=21 | 32..=35 | 45 | 47 | 55 | 56 => Form::Clock,
        _ => Form::Plain,
    }
}

/// Reads a format of the workbook's own: letters outside of quotation marks and brackets. Hours that count on beyond a
/// day, `[h]`, are a number of days.
pub(super) fn form_of(code: &str) -> Form {
    let code = code.split(';').next().unwrap_or_default().to_lowercase();
    let code = code.as_bytes();
    let (mut date, mut clock, mut m) = (false, false, false);
    let behind = |i: usize, end: u8| code.get(i..).and_then(|rest| memchr::memchr(end, rest));
    let mut i = 0;
    while let Some(&c) = code.get(i) {
        match c {
            b'"' => i += behind(i + 1, b'"').map_or(0, |end| end + 1),
            b'\\' | b'_' | b'*' => i += 1,
            b'[' => {
                let Some(end) = behind(i, b']') else {
                    return Form::Plain;
                };
                let inner = code.get(i + 1..i + end).unwrap_or_default();
                if !inner.is_empty() && inner.iter().all(|c| matches!(c, b'h' | b'm' | b's')) {
                    return Form::Plain;
                }
                i += end;
            }
            b'y' | b'd' => date = true,
            b'h' | b's' => clock = true,
            b'm' => m = true,
            b'0' | b'#' | b'?' if !clock => return Form::Plain,
            _ => {}
        }
        i += 1;
    }
    if memchr::memmem::find(code, b"general").is_some() {
        Form::Plain
    } else if date || m && !clock {
        Form::Date
    } else if clock {
        Form::Clock
    } else {
        Form::Plain
    }
}
