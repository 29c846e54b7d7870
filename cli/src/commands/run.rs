//! `aionctl run`.

use std::{
    fs::{self, File},
    io::Write,
    path::{Component, Path, PathBuf},
};

use aion_abi::admin::{OutputFile, TurnRequest};
use aion_client::Node;
use clap::Args;

use crate::{
    context::Context,
    failure::Failure,
    render::{
        age,
        table::{Field, table},
    },
};

use super::{
    ask::{self, AnswerForm, HowToAnswer},
    question::Question,
    turn::{self, Followed},
};

/// Give an agent files, and fetch the files that it makes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aionctl run analyst --file sales.csv
  aionctl run analyst --file a.csv --file b.csv --output-dir reports \"What about revenue?\"")]
pub(crate) struct RunArgs {
    /// The agent
    agent: String,
    /// A file for it; may be given several times
    #[arg(short, long = "file", value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Where to put the files it makes [default: a new folder AGENT-TURN here]
    #[arg(short = 'd', long, value_name = "FOLDER")]
    output_dir: Option<PathBuf>,
    /// What to do; may be left out where there are files
    text: Vec<String>,
    #[command(flatten)]
    how: HowToAnswer,
}

pub(crate) async fn run(context: &Context, args: RunArgs) -> Result<(), Failure> {
    let input = match args.text.is_empty() && !args.file.is_empty() {
        true => String::new(),
        false => ask::input(&args.text)?.unwrap_or_default(),
    };
    if input.is_empty() && args.file.is_empty() {
        return Err(
            Failure::usage("there is neither a file nor a text").remedy(format!(
                "aionctl run {} --file FILE \"what to do with it\"",
                args.agent
            )),
        );
    }
    let asked = context.node_of(&args.agent).await?;
    let mut request = TurnRequest {
        input,
        deadline_ms: args.how.timeout.map(|seconds| seconds * 1000),
        ..TurnRequest::default()
    };
    for file in &args.file {
        let upload = upload(context, &asked.node, &args.agent, file).await?;
        request.uploads.push(upload);
    }
    let mut question = Question::new(&args.agent, request);
    let json = args.how.output == AnswerForm::Json;
    let (followed, node) = turn::follow(context, asked, &mut question, json).await?;
    let files = fetch(&node, &followed, args.output_dir, &args.agent).await?;
    if json {
        let paths: Vec<_> = files
            .iter()
            .map(|(path, _)| path.display().to_string())
            .collect();
        ask::print_json(context, &followed, &paths)?;
    } else {
        context.print(&listed(context, &files))?;
        turn::cost(context, &followed);
    }
    turn::verdict(&followed)
}

async fn upload(
    context: &Context,
    node: &Node,
    agent: &str,
    path: &Path,
) -> Result<String, Failure> {
    let failed = |why: std::io::Error| Failure::io("read the file", path, &why);
    let about = fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(Failure::usage("that is not a file").at(path.display()));
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let name =
        name.ok_or_else(|| Failure::usage("the file's name is not UTF-8").at(path.display()))?;
    let content = tokio::fs::File::open(path).await.map_err(failed)?;
    let upload = node
        .upload(&context.namespace, agent, name, content)
        .await?;
    if upload.size != about.len() {
        return Err(Failure::new(format!(
            "the node took {} of {} bytes: the file changed meanwhile",
            upload.size,
            about.len()
        ))
        .at(path.display())
        .remedy("run again when nobody writes to it"));
    }
    Ok(upload.upload)
}

/// Fetches what the turn wrote, and says where it is.
async fn fetch(
    node: &Node,
    followed: &Followed,
    folder: Option<PathBuf>,
    agent: &str,
) -> Result<Vec<(PathBuf, u64)>, Failure> {
    if followed.outcome.files.is_empty() {
        return Ok(Vec::new());
    }
    let folder = folder.unwrap_or_else(|| unused(agent, followed.turn));
    let mut fetched = Vec::new();
    for file in &followed.outcome.files {
        let path = folder.join(beneath(file)?);
        download(node, followed.turn, file, &path).await?;
        fetched.push((path, file.size));
    }
    Ok(fetched)
}

/// A folder name that is not taken.
fn unused(agent: &str, turn: u64) -> PathBuf {
    let first = PathBuf::from(format!("{agent}-{turn}"));
    let numbered = (2u32..).map(|n| PathBuf::from(format!("{agent}-{turn}-{n}")));
    let mut names = std::iter::once(first.clone()).chain(numbered);
    names.find(|name| !name.exists()).unwrap_or(first)
}

/// The path of a file beneath the folder; the node's word is not taken for it.
fn beneath(file: &OutputFile) -> Result<PathBuf, Failure> {
    let path = Path::new(&file.path);
    let inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if inside && path.components().next().is_some() {
        return Ok(path.to_owned());
    }
    Err(Failure::new(format!(
        "the node names a file outside of the folder: {:?}",
        file.path
    )))
}

/// Writes beside the place first, so that neither a broken connection nor a loss of power leaves a half file under
/// the name.
async fn download(node: &Node, turn: u64, file: &OutputFile, path: &Path) -> Result<(), Failure> {
    let failed = |why: std::io::Error| Failure::io("write the file", path, &why);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let mut body = node.turn_file(turn, &file.path).await?;
    let mut out = File::create(&part).map_err(failed)?;
    let mut size = 0;
    while let Some(data) = body.next().await? {
        size += data.len() as u64;
        out.write_all(&data).map_err(failed)?;
    }
    if size != file.size {
        let _ = fs::remove_file(&part);
        return Err(Failure::new(format!(
            "only {size} of {} bytes of {} came",
            file.size, file.path
        ))
        .at(&node.address));
    }
    out.sync_all().map_err(failed)?;
    fs::rename(&part, path).map_err(failed)?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    folder.sync_all().map_err(failed)
}

fn listed(context: &Context, files: &[(PathBuf, u64)]) -> String {
    if files.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = files
        .iter()
        .map(|(path, size)| {
            vec![
                Field::plain(path.display().to_string()),
                Field::plain(age::size(*size)),
            ]
        })
        .collect();
    format!("\n{}", table(&context.screen, &["file", "size"], &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_turn_cannot_leave_its_folder() {
        let named = |path: &str| OutputFile {
            path: path.into(),
            size: 0,
        };
        for path in ["report.md", "a/b/plot.svg"] {
            assert_eq!(beneath(&named(path)), Ok(PathBuf::from(path)));
        }
        for path in ["../x", "/etc/passwd", "a/../../x", "", "./.."] {
            assert!(beneath(&named(path)).is_err(), "{path}");
        }
    }
}
