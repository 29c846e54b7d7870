//! What the agent does with one request: each table it was given becomes a report, a plot and a memory.

mod focus;
mod open;
mod paths;
mod progress;
mod recall;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use crate::host::{self, Caller, FileRef, Input, Kind, Source, message};
use crate::profile::{self, Options, Table};
use crate::report;
use focus::mentioned;
use paths::{base, folder, within};
use progress::Progress;

const OUTPUT: &str = "output";
const COLLECTION: &str = "analyses";
/// The longest id of what is remembered.
const MAX_ID: usize = 200;
/// A file that changes while it is read is read so often.
const TRIES: usize = 3;

/// Answers one request. An error is for the log; what the person must know was said already.
pub fn run(caller: &Rc<dyn Caller>, input: &Input) -> io::Result<()> {
    let request = &input.input;
    if request.files.is_empty() {
        return recall::without_file(&**caller, &request.text);
    }
    let mut answers = Vec::new();
    let mut failed = None;
    for (i, file) in request.files.iter().enumerate() {
        let folder = folder(&request.files, i);
        answers.push(match analyse(caller, file, &request.text, &folder) {
            Ok(summary) => summary,
            Err(error) => {
                let said = format!("{} could not be analysed: {error}.\n", base(&file.path));
                failed = Some(io::Error::other(format!("{}: {error}", file.path)));
                said
            }
        });
    }
    let answer = answers.join("\n");
    match failed {
        None => message(&**caller, Kind::Final, &answer),
        Some(error) => {
            message(&**caller, Kind::Failed, &answer)?;
            Err(error)
        }
    }
}

fn analyse(
    caller: &Rc<dyn Caller>,
    file: &FileRef,
    question: &str,
    folder: &str,
) -> io::Result<String> {
    let told = Rc::new(Progress::new(Rc::clone(caller), base(&file.path)));
    let focus = mentioned(question);
    let (about, table) = read(caller, file, question, &focus, &told)?;
    told.say("writing the report");
    let output = |path: &str| FileRef {
        mount: OUTPUT.into(),
        path: path.into(),
    };
    let (mut plot_path, mut plot_name) = (String::new(), "");
    if let Some(plot) = report::plot(&about, &table, &focus) {
        plot_name = "plot.svg";
        plot_path = within(folder, plot_name);
        host::write(&**caller, &output(&plot_path), plot.as_bytes())?;
    }
    let report_path = within(folder, "report.md");
    let text = report::markdown(&about, &table, question, &focus, plot_name);
    host::write(&**caller, &output(&report_path), text.as_bytes())?;
    let left = report::left_out(&about, &table);
    if !left.is_empty() {
        message(&**caller, Kind::LeftOut, &left)?;
    }
    let mut summary = report::summary(&about, &table, &focus, &report_path, &plot_path);
    // Without memory the analysis stands all the same, and its reader learns why it is not remembered.
    if let Err(error) = remember(&**caller, &about, &table) {
        summary += &format!("\nIt is not remembered: {error}.\n");
    }
    Ok(summary)
}

/// Reads the table, all of one version of its file: one that changes meanwhile is begun again.
fn read(
    caller: &Rc<dyn Caller>,
    file: &FileRef,
    question: &str,
    focus: &[String],
    told: &Rc<Progress>,
) -> io::Result<(report::File, Table)> {
    let mut left = TRIES;
    loop {
        let source = Source::new(Rc::clone(caller), file.clone());
        left -= 1;
        match once(&source, base(&file.path), question, focus, told) {
            Err(_) if source.changed() && left > 0 => {
                told.say(&format!("{} changed: it is read again", base(&file.path)));
            }
            outcome => return outcome,
        }
    }
}

fn once(
    source: &Source,
    name: &str,
    question: &str,
    focus: &[String],
    told: &Rc<Progress>,
) -> io::Result<(report::File, Table)> {
    let heard = {
        let told = Rc::clone(told);
        Rc::new(move |offset, size| told.heard(offset, size))
    };
    let opened = open::open(source, question, heard)?;
    let options = Options {
        focus,
        source: &opened.source,
        pass: &|pass| told.begin(pass),
        ..Options::default()
    };
    let table = profile::analyse(&|| opened.text(), &opened.head, opened.whole, &options)?;
    let about = report::File {
        name: name.into(),
        size: opened.size,
        others: opened.others.clone(),
    };
    Ok((about, table))
}

fn remember(caller: &dyn Caller, file: &report::File, table: &Table) -> io::Result<()> {
    let mut id = format!("analysis:{}", file.name);
    id.truncate(id.floor_char_boundary(MAX_ID));
    let attributes = BTreeMap::from([
        ("file", file.name.clone()),
        ("bytes", file.size.to_string()),
        ("rows", table.rows.to_string()),
        ("columns", table.columns.len().to_string()),
    ]);
    host::remember(
        caller,
        &id,
        COLLECTION,
        &report::memory(file, table),
        attributes,
    )
}
