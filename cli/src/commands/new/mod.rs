//! `aionctl new`: projects to begin with, as a folder of files. A node may not enter: nothing is asked of one.

mod template;

use std::{fs, io, path::PathBuf};

use clap::{Args, Subcommand};

use crate::{context::Context, failure::Failure};

use template::{LANGUAGES, PLACEHOLDER};

/// Begin a project
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  aionctl new agent --python notekeeper
  aionctl new agent --typescript notekeeper
  aionctl new agent --python notekeeper --dir agents/notekeeper")]
pub(crate) enum NewCommand {
    /// An agent that is a program in an image: its program, its test, bundle.yaml and agent.yaml
    Agent(AgentArgs),
}

/// Of `new agent`.
#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    #[command(flatten)]
    language: LanguageArgs,
    /// What the agent is called
    name: String,
    /// Where the project goes, a folder that is not there yet; by default NAME
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// One of them is said; each has a row of [`LANGUAGES`].
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct LanguageArgs {
    /// In Python, 3.10 or later
    #[arg(long)]
    python: bool,
    /// In TypeScript, for Node 20 or later
    #[arg(long)]
    typescript: bool,
}

impl LanguageArgs {
    fn named(&self) -> &'static str {
        match self {
            Self {
                typescript: true, ..
            } => "typescript",
            Self { python: _, .. } => "python",
        }
    }
}

pub(crate) fn run(context: &Context, command: NewCommand) -> Result<(), Failure> {
    let NewCommand::Agent(args) = command;
    if !is_name(&args.name) {
        let what = format!("{} is not a name for an agent", args.name);
        return Err(Failure::usage(what)
            .remedy("use at most 63 of a-z, 0-9 and -, and begin and end with a letter or digit"));
    }
    let language = args.language.named();
    let template = LANGUAGES.iter().find(|it| it.language == language);
    let template = template.ok_or_else(|| Failure::new("the language has no template"))?;
    let folder = args.dir.unwrap_or_else(|| PathBuf::from(&args.name));
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above).map_err(|why| Failure::io("make the folder", above, &why))?;
    }
    fs::create_dir(&folder).map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => Failure::usage("there is something already")
            .at(folder.display())
            .remedy("choose another name, or say where with --dir"),
        _ => Failure::io("make the folder", &folder, &why),
    })?;
    for (path, text) in template.files {
        let path = folder.join(path);
        let text = text.replace(PLACEHOLDER, &args.name);
        let above = path.parent().map_or(Ok(()), fs::create_dir_all);
        above
            .and_then(|()| fs::write(&path, text))
            .map_err(|why| Failure::io("write the file", &path, &why))?;
    }
    context.print(&format!(
        "made {}\n\nWhat comes next is in {}\n",
        folder.display(),
        folder.join("README.md").display()
    ))
}

/// What Kubernetes takes for a label of DNS (RFC 1123), which is also a bundle's name.
fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_agents_and_bundles_may_have() {
        let long = "a".repeat(64);
        for bad in [
            "",
            "A",
            "a_b",
            "-a",
            "a-",
            "a/b",
            "..",
            "a.b",
            long.as_str(),
        ] {
            assert!(!is_name(bad), "{bad}");
        }
        for good in ["a", "note-keeper-2", &long[1..]] {
            assert!(is_name(good), "{good}");
        }
    }

    #[test]
    fn each_template_can_be_begun_with_and_is_called_as_it_is_told() {
        for template in LANGUAGES {
            let names: Vec<_> = template.files.iter().map(|(path, _)| *path).collect();
            for needed in ["README.md", "agent.yaml", "bundle.yaml"] {
                assert!(names.contains(&needed), "{}: {names:?}", template.language);
            }
            let named = template.files.iter();
            assert!(named.clone().any(|(_, text)| text.contains(PLACEHOLDER)));
        }
    }
}
