//! What documents cost: `index_mb_per_s` of a tree that is read for the first time, and `second_question_ms`, when
//! nothing changed, beside the same question to an agent that knows one file.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::machine::Machine;
use crate::report::{Figure, median_ms};

const FILES: usize = 5_000;
/// Files in one folder.
const PER_FOLDER: usize = 100;
/// Paragraphs of a file; with them it has about 4 KB.
const PARAGRAPHS: usize = 12;
/// Questions that count.
const QUESTIONS: usize = 9;
/// A file that changed just now has no version yet, and would be read twice.
const SETTLED: Duration = Duration::from_secs(3);

/// Measures both figures.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let mut node = Machine::new()?;
    node.start()?;
    let mut manifest = String::from(
        "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: bench}\nspec: {inline: allow}\n\
         ---\napiVersion: aion.dev/v1alpha1\nkind: ClusterAgentPolicy\nmetadata: {name: bench}\n\
         spec: {allow: ['*'], mounts: [{mount: '*', mode: read}], quotas: {callsPerMinute: 1000000}}\n",
    );
    let mut bytes = 0;
    for (name, files) in [("one", 1), ("many", FILES)] {
        let folder = node.folder().join(name);
        bytes = grow(&folder, files)?;
        node.aionctl(&["mount", "add", name, &folder.to_string_lossy()])?;
        write!(
            manifest,
            "---\napiVersion: aion.dev/v1alpha1\nkind: MemoryPool\nmetadata: {{name: {name}}}\nspec: {{}}\n\
             ---\napiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\n\
             spec: {{instructions: Answers., withoutModel: quote, knowledge: [{name}], memory: {{pool: {name}}},\n\
             \x20 limits: {{callsPerMinute: 1000000}},\n\
             \x20 permissions: {{allow: [memory.forget], files: [{{mount: {name}, mode: read}}]}}}}\n"
        )?;
    }
    node.apply(&manifest)?;
    std::thread::sleep(SETTLED);
    node.ask(runtime, "one")?;
    let first = node.ask(runtime, "many")?;
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for _ in 0..QUESTIONS {
        one.push(node.ask(runtime, "one")?);
        many.push(node.ask(runtime, "many")?);
    }
    let megabytes = bytes as f64 / 1_000_000.0;
    let speed = megabytes / first.as_secs_f64();
    Ok(vec![
        Figure::plain("index_mb_per_s", speed, "MB/s", "5,000 files, first time"),
        Figure::against(
            "second_question_ms",
            median_ms(many),
            "ms",
            median_ms(one),
            "beside one file",
        ),
    ])
}

/// Writes so many documents, and says how many bytes that is. Each is about something of its own.
fn grow(folder: &Path, files: usize) -> Result<usize> {
    let mut bytes = 0;
    for file in 0..files {
        let shelf = folder.join(format!("shelf-{}", file / PER_FOLDER));
        fs::create_dir_all(&shelf)?;
        let mut text = format!("# Binder {file}\n");
        for paragraph in 0..PARAGRAPHS {
            let subject = (file * PARAGRAPHS + paragraph) % 997;
            write!(
                text,
                "\n## Sheet {paragraph}\n\nSubject{subject} is kept in locker {} beside the window. The keeper of binder \
                 {file} looks after it once in {} days, writes down what was moved, and says whether anything is \
                 missing. Where `lockerOf{subject}` is empty, the place is free for what comes next, be it a drawing, \
                 a tool or a letter.\n",
                subject % 89,
                subject % 13 + 1,
            )?;
        }
        bytes += text.len();
        fs::write(shelf.join(format!("binder-{file}.md")), text)?;
    }
    Ok(bytes)
}
