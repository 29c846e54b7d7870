//! What the model may ask for: the agent's tools, and the syscalls of its mounts and memory as tools.
//!
//! A tool's result is text for the model. A refusal is a result too: the model hears what was refused and
//! why, and can do something else.

use std::collections::BTreeMap;

use aion_abi::boot::Declarative;
use aion_abi::code::Code;
use aion_abi::problem::Problem;
use aion_abi::syscall::model::{ToolSpec, ToolUse};
use aion_abi::syscall::{Syscall, fs, memory, tool};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::agents;
use super::arguments::parse;
use super::devices::{self, DeviceTool};
use super::reading::Reader;
use super::told::{bounded, told};
use crate::syscalls::Syscalls;

/// The most links that can be followed in a turn.
const MAX_LINKS: usize = 256;
/// The name of the tool that follows them; it is offered once there are some.
const READ_LINK: &str = "link_read";

/// A tool by what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tool {
    Granted(String),
    /// Another agent, by its name.
    Agent(String),
    ListFiles,
    ReadFile,
    WriteFile,
    Recall,
    Remember,
    ReadLink,
    Device(DeviceTool),
}

/// The tools of one turn.
#[derive(Debug, Default)]
pub(super) struct Toolbox {
    tools: BTreeMap<String, Tool>,
    specs: Vec<ToolSpec>,
    /// The addresses that answers linked to, and the operation whose answer it was.
    links: BTreeMap<String, String>,
    reader: Reader,
}

impl Toolbox {
    /// The tools that `program` and `granted` (the answer to `tool.list`) give.
    pub(super) fn new(program: &Declarative, granted: Vec<ToolSpec>) -> Self {
        let mut toolbox = Self::default();
        for spec in granted {
            let tool = Tool::Granted(spec.name.clone());
            toolbox.add(tool, spec);
        }
        let mounts: Vec<&str> = program
            .mounts
            .iter()
            .map(|mount| mount.name.as_str())
            .collect();
        let writable: Vec<&str> = program
            .mounts
            .iter()
            .filter(|mount| mount.writable)
            .map(|mount| mount.name.as_str())
            .collect();
        if !mounts.is_empty() {
            toolbox.built_in(Tool::ListFiles, "files_list", "Lists a folder of a mount.", json!({
                "mount": {"type": "string", "enum": mounts},
                "path": {"type": "string", "description": "folder within the mount; empty for all of it"},
            }), &["mount"]);
            toolbox.built_in(
                Tool::ReadFile,
                "files_read",
                "Reads a text file of a mount, whatever its encoding; a long one in parts.",
                json!({
                    "mount": {"type": "string", "enum": mounts},
                    "path": {"type": "string"},
                    "offset": {"type": "integer", "minimum": 0, "description": "where to go on, as the part before says"},
                }),
                &["mount", "path"],
            );
        }
        if !writable.is_empty() {
            toolbox.built_in(
                Tool::WriteFile,
                "files_write",
                "Writes a text file of a mount, replacing it.",
                json!({
                    "mount": {"type": "string", "enum": writable},
                    "path": {"type": "string"},
                    "text": {"type": "string"},
                }),
                &["mount", "path", "text"],
            );
        }
        if program.has_memory {
            toolbox.built_in(
                Tool::Recall,
                "memory_recall",
                "Searches what you remember.",
                json!({
                    "query": {"type": "string"},
                }),
                &["query"],
            );
        }
        if program.has_memory && !program.remembers_nothing {
            toolbox.built_in(
                Tool::Remember,
                "memory_remember",
                "Remembers a fact for later.",
                json!({
                    "text": {"type": "string"},
                }),
                &["text"],
            );
        }
        for it in program.devices.map(devices::offered).unwrap_or_default() {
            let tool = Tool::Device(it.tool);
            toolbox.built_in(tool, it.name, it.description, it.properties, it.required);
        }
        for agent in &program.agents {
            let description = agents::description(agent);
            toolbox.built_in(
                Tool::Agent(agent.name.clone()),
                &format!("ask_{}", agent.name),
                &description,
                json!({
                    "input": {"type": "string", "description": "what to ask: all that it has to know, it sees nothing else"},
                }),
                &["input"],
            );
        }
        toolbox
    }

    /// As they are offered to the model.
    pub(super) fn specs(&self) -> &[ToolSpec] {
        &self.specs
    }

    /// Does what the model asked for.
    ///
    /// # Errors
    /// Only what ends the turn; every other refusal is the result's text.
    pub(super) async fn call(
        &mut self,
        syscalls: &impl Syscalls,
        asked: &ToolUse,
    ) -> Result<String, Problem> {
        let result = match self.tools.get(&asked.name).cloned() {
            Some(tool) => self.dispatch(syscalls, tool, &asked.arguments).await,
            None => Err(
                Problem::new(Code::NotFound, format!("there is no tool {:?}", asked.name))
                    .remedy("use one of the tools that are offered"),
            ),
        };
        match result {
            Ok(text) => Ok(bounded(text)),
            Err(problem) if ends_the_turn(problem.code) => Err(problem),
            Err(problem) => Ok(format!("error: {problem}. {}", problem.remedy)),
        }
    }

    async fn operation(
        &mut self,
        syscalls: &impl Syscalls,
        name: String,
        arguments: &str,
    ) -> Result<String, Problem> {
        let request = tool::CallRequest {
            name,
            arguments: parse(arguments)?,
            link: None,
        };
        let answer: tool::CallResponse = syscalls.call(Syscall::ToolCall, &request).await?;
        for link in &answer.links {
            if self.links.len() < MAX_LINKS {
                self.links.insert(link.uri.clone(), request.name.clone());
            }
        }
        if !self.links.is_empty() && !self.tools.contains_key(READ_LINK) {
            self.built_in(
                Tool::ReadLink,
                READ_LINK,
                "Reads a resource that the answer of a tool links to.",
                json!({
                    "uri": {"type": "string", "description": "the address, as it stands in the answer"},
                }),
                &["uri"],
            );
        }
        Ok(told(&answer))
    }

    async fn read_link(
        &self,
        syscalls: &impl Syscalls,
        arguments: &str,
    ) -> Result<String, Problem> {
        let LinkArguments { uri } = parse(arguments)?;
        let Some(name) = self.links.get(&uri) else {
            let text = format!("no answer of this turn links to {uri:?}");
            return Err(Problem::new(Code::NotFound, text)
                .remedy("give an address as it stands in the answer of a tool"));
        };
        let request = tool::CallRequest {
            name: name.clone(),
            arguments: Value::Null,
            link: Some(uri),
        };
        let answer: tool::CallResponse = syscalls.call(Syscall::ToolCall, &request).await?;
        Ok(told(&answer))
    }

    fn built_in(
        &mut self,
        tool: Tool,
        name: &str,
        description: &str,
        properties: Value,
        required: &[&str],
    ) {
        let parameters = json!({"type": "object", "properties": properties, "required": required});
        self.add(
            tool,
            ToolSpec {
                strict: None,
                name: name.to_owned(),
                description: description.to_owned(),
                parameters,
            },
        );
    }

    /// Endpoints take letters, digits, `_` and `-` in a tool's name, 64 at most; ours have dots, and servers name
    /// operations in every script: those are told beside what they do.
    fn add(&mut self, tool: Tool, mut spec: ToolSpec) {
        if let Some((_, operation)) = spec.name.split_once('.')
            && !operation.is_ascii()
        {
            spec.description = format!("{operation}: {}", spec.description);
        }
        let mut name: String = spec
            .name
            .chars()
            .map(|char| {
                if char.is_ascii_alphanumeric() || char == '-' {
                    char
                } else {
                    '_'
                }
            })
            .take(60)
            .collect();
        let plain = name.clone();
        let mut number = 2;
        while self.tools.contains_key(&name) {
            name = format!("{plain}_{number}");
            number += 1;
        }
        self.tools.insert(name.clone(), tool);
        spec.name = name;
        self.specs.push(spec);
    }
}

fn ends_the_turn(code: Code) -> bool {
    matches!(
        code,
        Code::NotRunning | Code::Cancelled | Code::BadSignature | Code::Replayed | Code::Stale
    )
}

#[derive(Deserialize)]
struct FileArguments {
    mount: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct LinkArguments {
    uri: String,
}

#[derive(Deserialize)]
struct MemoryArguments {
    #[serde(default)]
    query: String,
    #[serde(default)]
    text: String,
}

impl Toolbox {
    async fn dispatch(
        &mut self,
        syscalls: &impl Syscalls,
        tool: Tool,
        arguments: &str,
    ) -> Result<String, Problem> {
        match tool {
            Tool::Granted(name) => self.operation(syscalls, name, arguments).await,
            Tool::Agent(agent) => agents::ask(syscalls, agent, arguments).await,
            Tool::Device(tool) => devices::call(syscalls, tool, arguments).await,
            Tool::ReadLink => self.read_link(syscalls, arguments).await,
            Tool::ListFiles => list_files(syscalls, parse(arguments)?).await,
            Tool::ReadFile => {
                let asked: FileArguments = parse(arguments)?;
                self.reader
                    .read(syscalls, &asked.mount, &asked.path, asked.offset)
                    .await
            }
            Tool::WriteFile => {
                let FileArguments {
                    mount, path, text, ..
                } = parse(arguments)?;
                let data = BASE64.encode(text);
                let request = fs::WriteRequest {
                    mount,
                    path,
                    data,
                    mode: fs::WriteMode::Replace,
                };
                let answer: fs::WriteResponse = syscalls.call(Syscall::FsWrite, &request).await?;
                Ok(format!("written, {} bytes", answer.size))
            }
            Tool::Recall => {
                let MemoryArguments { query, .. } = parse(arguments)?;
                let request = memory::RecallRequest {
                    query,
                    k: 8,
                    collection: None,
                    attributes: BTreeMap::new(),
                    ids: Vec::new(),
                    offset: 0,
                };
                let answer: memory::RecallResponse =
                    syscalls.call(Syscall::MemoryRecall, &request).await?;
                Ok(match answer.hits.is_empty() {
                    true => "nothing found".to_owned(),
                    false => answer
                        .hits
                        .into_iter()
                        .map(|hit| hit.text)
                        .collect::<Vec<_>>()
                        .join("\n\n"),
                })
            }
            Tool::Remember => {
                let MemoryArguments { text, .. } = parse(arguments)?;
                let item = memory::Item {
                    id: None,
                    text,
                    collection: "facts".to_owned(),
                    attributes: BTreeMap::new(),
                };
                let request = memory::RememberRequest { items: vec![item] };
                let _: memory::RememberResponse =
                    syscalls.call(Syscall::MemoryRemember, &request).await?;
                Ok("remembered".to_owned())
            }
        }
    }
}

async fn list_files(syscalls: &impl Syscalls, arguments: FileArguments) -> Result<String, Problem> {
    let request = fs::ListRequest {
        mount: arguments.mount,
        path: arguments.path,
        recursive: false,
        after: None,
        limit: fs::MAX_ENTRIES,
        unless: None,
    };
    let page: fs::ListResponse = syscalls.call(Syscall::FsList, &request).await?;
    let mut lines: Vec<String> = page
        .entries
        .iter()
        .map(|entry| match entry.kind {
            fs::EntryKind::File => format!("{} ({} bytes)", entry.path, entry.size),
            fs::EntryKind::Folder => format!("{}/", entry.path),
        })
        .collect();
    for missed in &page.left_out.first {
        lines.push(format!("[{} is left out: {}]", missed.path, missed.why));
    }
    let unnamed = page
        .left_out
        .count
        .saturating_sub(page.left_out.first.len() as u64);
    if unnamed > 0 {
        lines.push(format!("[{unnamed} more are left out]"));
    }
    if page.more {
        lines.push("[more files follow]".to_owned());
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_endpoints_take_and_stay_apart() {
        let spec = |name: &str| ToolSpec {
            strict: None,
            name: name.to_owned(),
            description: String::new(),
            parameters: json!({}),
        };
        let toolbox = Toolbox::new(
            &Declarative::default(),
            vec![
                spec("calendar.read"),
                spec("calendar_read"),
                spec(&"x".repeat(80)),
            ],
        );
        let names: Vec<&str> = toolbox
            .specs()
            .iter()
            .map(|spec| spec.name.as_str())
            .collect();
        assert_eq!(names, ["calendar_read", "calendar_read_2", &"x".repeat(60)]);
        assert_eq!(
            toolbox.tools["calendar_read_2"],
            Tool::Granted("calendar_read".to_owned())
        );
    }

    #[test]
    fn only_what_the_program_has_is_offered() {
        let bare = Toolbox::new(&Declarative::default(), Vec::new());
        assert!(bare.specs().is_empty());
        let mount = aion_abi::boot::Mount {
            name: "notes".to_owned(),
            writable: false,
        };
        let reader = Toolbox::new(
            &Declarative {
                mounts: vec![mount],
                ..Declarative::default()
            },
            Vec::new(),
        );
        let names: Vec<&str> = reader
            .specs()
            .iter()
            .map(|spec| spec.name.as_str())
            .collect();
        assert_eq!(names, ["files_list", "files_read"]);
    }
}
