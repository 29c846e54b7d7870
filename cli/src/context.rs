//! What every command is given: the screen, the namespace, and the way to a node. Also what a client's error means
//! to the person who typed the command.

use std::io::{self, Write};

use aion_abi::code::Code;
use serde_json::Value;

use crate::{
    args::Global,
    client::{Address, ClientError, Node},
    failure::{Failure, Status},
    home::Home,
    render::{message, screen::Screen},
};

/// What every command is given.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) screen: Screen,
    pub(crate) namespace: String,
    global: Global,
}

impl Context {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            screen: Screen::of_process(global.color),
            namespace: global.namespace.clone(),
            global: global.clone(),
        }
    }

    pub(crate) fn home(&self) -> Result<Home, Failure> {
        Home::find(self.global.home.as_deref())
    }

    /// The node that answers for this machine.
    pub(crate) fn node(&self) -> Result<Node, Failure> {
        Ok(Node {
            address: Address::Unix(self.home()?.admin_socket()),
        })
    }

    /// Prints to standard output. A reader that went away (`| head`) is no failure: the command is done then.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match written {
            Err(why) if why.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            Err(why) => Err(Failure::new(format!("cannot write the output: {why}"))),
            Ok(()) => Ok(()),
        }
    }

    /// A remark on standard error.
    pub(crate) fn note(&self, text: &str) {
        eprint!("{}", message::note(&self.screen, text));
    }

    /// Prints a value whole.
    pub(crate) fn print_json(&self, value: &Value) -> Result<(), Failure> {
        self.print(&format!("{value:#}\n"))
    }

    /// Prints a value whole, as YAML.
    pub(crate) fn print_yaml(&self, value: &Value) -> Result<(), Failure> {
        let text = yaml(value)?;
        self.print(&text)
    }
}

/// A value as YAML, with a newline at its end.
pub(crate) fn yaml(value: &Value) -> Result<String, Failure> {
    let text = serde_saphyr::to_string(value)
        .map_err(|why| Failure::new(format!("cannot write the answer as YAML: {why}")))?;
    Ok(format!("{}\n", text.trim_end()))
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let what = error.to_string();
        match error {
            ClientError::Unreachable { at, why } => Self::new(format!(
                "the node does not answer: {}",
                match why.kind() {
                    io::ErrorKind::NotFound => "it is not running".to_owned(),
                    io::ErrorKind::ConnectionRefused => "it is not running any more".to_owned(),
                    _ => why.to_string(),
                }
            ))
            .at(at)
            .remedy("start it: aionctl local start")
            .status(Status::Unreachable),
            ClientError::Forbidden { at } => {
                Self::new("the node on this machine belongs to another user")
                    .at(at)
                    .remedy("use it as that user, or your own with AION_HOME")
                    .status(Status::Refused)
            }
            ClientError::Broken { at, why } => {
                Self::new(format!("the connection to the node broke: {why}"))
                    .at(at)
                    .remedy("see how it is: aionctl local status")
                    .status(Status::Unreachable)
            }
            ClientError::Unexpected { at, .. } => Self::new(what)
                .at(at)
                .remedy("compare the versions: aionctl version"),
            ClientError::Refused(problem) => {
                let status = match problem.code {
                    Code::NotFound => Status::NotFound,
                    Code::Denied | Code::ApprovalRequired | Code::Offline => Status::Refused,
                    Code::BadRequest => Status::Usage,
                    _ => Status::Failed,
                };
                Self::new(&problem.detail)
                    .remedy(&problem.remedy)
                    .status(status)
            }
        }
    }
}
