//! Whether the program of an image is in it, looked for as `execvp` does. What may not enter: running it.

use crate::content::{
    archive::UnpackError,
    image::tree::{File, Node, Tree},
    layer::path::shown,
};

/// How often a script's interpreter may be a script, as Linux has it.
const MAX_SCRIPTS: usize = 4;
/// How much of a script's first line is read, as Linux has it.
pub(crate) const FIRST_LINE: usize = 256;

/// Why a program cannot be run.
#[derive(Debug)]
pub(crate) enum Unfound {
    /// It is not there, or not executable; in words.
    Missing(String),
    /// It could not be looked for.
    Unpack(UnpackError),
}

impl From<UnpackError> for Unfound {
    fn from(error: UnpackError) -> Self {
        match error {
            // A path through a file, or through links without end, leads to no program.
            UnpackError::Unsafe { path, why } => Self::Missing(format!("`{path}`: {why}")),
            other => Self::Unpack(other),
        }
    }
}

/// Looks for `program` in `tree`, and for what interprets it. `first_line` reads the beginning of a file.
pub(crate) fn find(
    tree: &mut Tree,
    program: &str,
    path: &str,
    working_dir: &str,
    first_line: impl Fn(&File) -> Result<Vec<u8>, UnpackError>,
) -> Result<(), Unfound> {
    let mut found = match program.contains('/') {
        true => executable(tree, &within(working_dir, program.as_bytes()), "")?,
        false => on_path(tree, program, path, working_dir)?,
    };
    let mut named = shown(program.as_bytes());
    for _ in 0..=MAX_SCRIPTS {
        let line = first_line(&found)?;
        let Some(interpreter) = interpreter(&line) else {
            return Ok(());
        };
        let of_script = format!("{named} is interpreted by ");
        found = executable(tree, &within(working_dir, interpreter), &of_script)?;
        named = shown(interpreter);
    }
    Err(Unfound::Missing(format!(
        "{named} is interpreted by scripts without end"
    )))
}

fn on_path(tree: &mut Tree, program: &str, path: &str, working_dir: &str) -> Result<File, Unfound> {
    for folder in path.split(':') {
        // An empty one is where it works.
        let full = match folder {
            "" => within(working_dir, program.as_bytes()),
            folder => within(working_dir, format!("{folder}/{program}").as_bytes()),
        };
        match executable(tree, &full, "") {
            Ok(found) => return Ok(found),
            Err(Unfound::Missing(_)) => {}
            Err(other) => return Err(other),
        }
    }
    let (program, path) = (shown(program.as_bytes()), shown(path.as_bytes()));
    Err(Unfound::Missing(format!(
        "`{program}` is in no folder of PATH ({path})"
    )))
}

/// `path` as it is seen from `folder`.
fn within(folder: &str, path: &[u8]) -> Vec<u8> {
    match path.starts_with(b"/") {
        true => path.to_vec(),
        false => [folder.as_bytes(), b"/", path].concat(),
    }
}

/// What is at `path`, of which a sentence says something where it has a beginning already.
fn executable(tree: &mut Tree, path: &[u8], beginning: &str) -> Result<File, Unfound> {
    let which = if beginning.is_empty() { "" } else { ", which" };
    let missing =
        |why: &str| Unfound::Missing(format!("{beginning}`{}`{which} {why}", shown(path)));
    match tree.get(path)? {
        Some(Node::File(file)) if file.content.executable => Ok(*file),
        Some(Node::File(_)) => Err(missing("is not executable")),
        Some(_) => Err(missing("is not a file")),
        None => Err(missing("is not in the image")),
    }
}

/// The interpreter that the first line of a script names.
fn interpreter(beginning: &[u8]) -> Option<&[u8]> {
    let line = beginning.strip_prefix(b"#!")?;
    let line = line.split(|b| *b == b'\n').next()?;
    let mut words = line
        .split(|b| matches!(b, b' ' | b'\t'))
        .filter(|it| !it.is_empty());
    words.next()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::content::image::tree::Most;
    use crate::content::layer::{index::Content, path::LayerPath};

    const FILES: [(&str, &str, bool); 8] = [
        ("bin/sh", "\x7fELF", true),
        ("usr/bin/env", "\x7fELF", true),
        ("app/run", "#!/bin/sh\nx", true),
        ("app/env", "#! /usr/bin/env python3", true),
        ("app/lost", "#!/bin/gone -x\n", true),
        ("app/loop", "#!/app/loop\n", true),
        ("app/plain", "x", false),
        ("app/bare", "#!\n", true),
    ];

    fn tree() -> Tree {
        let mut tree = Tree::new(Most {
            nodes: 100,
            names: 1000,
        });
        let path = |text: &str| LayerPath::parse(text.as_bytes()).unwrap();
        for (number, (name, text, executable)) in FILES.iter().enumerate() {
            let content = Content {
                number: u32::try_from(number).unwrap(),
                size: text.len() as u64,
                executable: *executable,
            };
            tree.put(&path(name), Node::File(File { layer: 0, content }))
                .unwrap();
        }
        tree.put(&path("sbin"), Node::Symlink(b"/bin".as_slice().into()))
            .unwrap();
        tree
    }

    fn look(program: &str, path: &str) -> Result<(), String> {
        let line = |file: &File| Ok(FILES[file.content.number as usize].1.as_bytes().to_vec());
        find(&mut tree(), program, path, "/app", line).map_err(|why| match why {
            Unfound::Missing(why) => why,
            Unfound::Unpack(error) => panic!("{error}"),
        })
    }

    #[test]
    fn a_program_is_looked_for_as_execvp_does() {
        let check = |program: &str, path: &str, word: &str| {
            let found = look(program, path);
            match word {
                "" => found.unwrap(),
                word => {
                    let why = found.unwrap_err();
                    assert!(why.contains(word), "{program}: `{word}` in: {why}");
                }
            }
        };
        check("/bin/sh", "", "");
        check("/sbin/sh", "", "");
        check("sh", "/usr/bin:/sbin", "");
        check("sh", "/usr/bin:/nowhere", "no folder of PATH");
        check("sh", "/bin/sh:/bin", "");
        check("run", "", "");
        check("run", "/bin::/usr/bin", "");
        check("./run", "/bin", "");
        check("../app/run", "/bin", "");
        check("../../../../bin/sh", "/bin", "");
        check("plain", "/app", "no folder of PATH");
        check("./plain", "/app", "not executable");
        check("/app", "/bin", "not a file");
        check("/app/gone", "/bin", "`/app/gone` is not in the image");
        check("/bin/sh/x", "/bin", "not a folder");
    }

    #[test]
    fn what_interprets_a_script_has_to_be_there_too() {
        look("./env", "").unwrap();
        look("./bare", "").unwrap();
        let why = look("./lost", "").unwrap_err();
        assert!(
            why.contains("./lost is interpreted by `/bin/gone`, which is not in"),
            "{why}"
        );
        assert!(look("./loop", "").unwrap_err().contains("without end"));
    }
}
