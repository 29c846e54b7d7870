//! The program of an image, in the place of this one once the sandbox stands. It is given its boot document, its
//! socket and nothing else, and its end is its own. What may not enter: what a turn is about, which the program reads.

mod execute;
mod refused;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::env;
use std::ffi::{CString, NulError};
use std::io;

use aion_abi::boot::{Boot, DESCRIPTOR, DESCRIPTOR_VARIABLE, Process, Program};
use aion_sandbox::{Held, exit};
use rustix::fs::Mode;
use thiserror::Error;

use crate::turn;
use refused::Refused;

/// What every program may rely on; what its image says goes before it.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("HOME", "/tmp"),
    ("LANG", "C.UTF-8"),
    ("PATH", SEARCHED),
    ("TMPDIR", "/tmp"),
];

/// Where programs are looked for unless the image says so.
const SEARCHED: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why it did not become the program.
#[derive(Debug, Error)]
pub(crate) enum Failed {
    /// The boot document cannot be read.
    #[error("{0}")]
    Boot(#[source] turn::Ended),
    /// The boot document is of another runtime.
    #[error("the boot document does not say how the image's program is executed")]
    OtherRuntime,
    /// The boot document cannot be handed on.
    #[error("the boot document cannot be handed to the program, which takes a file in memory: {0}")]
    NotHandedOn(#[source] io::Error),
    /// There is no command.
    #[error("the image has no program: its Entrypoint and Cmd are empty")]
    NoCommand,
    /// An argument or a variable that no program can be given.
    #[error("an argument or a variable of the image's program holds a zero byte: {0}")]
    ZeroByte(#[from] NulError),
    /// A variable without a name.
    #[error("{0:?} is not a name of a variable of the environment")]
    Variable(String),
    /// The folder to start in.
    #[error("the program cannot start in {0}: {1}; correct WorkingDir of the image")]
    Folder(String, #[source] io::Error),
    /// The kernel does not execute it.
    #[error("{0}")]
    Refused(#[from] Refused),
}

impl Failed {
    /// The exit code that says this.
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Boot(_) | Self::OtherRuntime | Self::NotHandedOn(_) => exit::BOOT,
            Self::NoCommand
            | Self::ZeroByte(_)
            | Self::Variable(_)
            | Self::Folder(..)
            | Self::Refused(_) => exit::NOT_EXECUTED,
        }
    }
}

/// Executes the program. Returns only with the reason why not.
pub(crate) fn become_it(held: &mut Held) -> Failed {
    let Err(failed) = execute(held);
    failed
}

fn execute(held: &mut Held) -> Result<Infallible, Failed> {
    let process = match turn::read_boot(held) {
        Ok(Boot {
            program: Program::Process(process),
            ..
        }) => process,
        Ok(_) => return Err(Failed::OtherRuntime),
        Err(ended) => return Err(Failed::Boot(ended)),
    };
    let environment = environment(&process)?;
    let searched = environment.get("PATH").map_or(SEARCHED, String::as_str);
    let program = process.command.first().filter(|it| !it.is_empty());
    let program = program.ok_or(Failed::NoCommand)?;
    let texts = |texts: &[String]| -> Result<Vec<CString>, NulError> {
        texts.iter().map(|text| CString::new(&**text)).collect()
    };
    let arguments = texts(&process.command)?;
    let pairs: Vec<String> = environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let pairs = texts(&pairs)?;
    env::set_current_dir(&process.working_dir)
        .map_err(|error| Failed::Folder(process.working_dir.clone(), error))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    held.pass_boot_on().map_err(Failed::NotHandedOn)?;
    let Err(refused) = execute::first_of(program, searched, &arguments, &pairs);
    Err(refused.into())
}

/// Its environment by name; nothing is inherited.
fn environment(process: &Process) -> Result<BTreeMap<&str, String>, Failed> {
    let own = ENVIRONMENT.map(|(name, value)| (name, value.to_owned()));
    let mut environment = BTreeMap::from(own);
    for (name, value) in &process.env {
        if name.is_empty() || name.contains('=') {
            return Err(Failed::Variable(name.clone()));
        }
        environment.insert(name, value.clone());
    }
    environment.insert(DESCRIPTOR_VARIABLE, DESCRIPTOR.to_string());
    Ok(environment)
}
