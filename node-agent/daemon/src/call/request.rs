//! The body of a syscall, read once: what the kernel must know of it, and what the driver gets.

use std::sync::Arc;

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::{
        Syscall,
        agent::{AskRequest, BegunRequest, CheckpointRequest, MAX_CHECKPOINT, MessageRequest},
        device,
        embed::{EmbedRequest, MAX_DIMENSIONS, MAX_TEXTS},
        fs, memory,
        model::ChatRequest,
        tool,
    },
};
use aion_api::{ResolvedEndpoint, program::Runtime};
use aion_drivers::model::{estimate, prompt};
use aion_kernel::{Aim, Called, Kind, Name, Peer, Resource, TurnId};
use aion_policy::{count, kind};
use serde::de::DeserializeOwned;

use super::{Connection, Prepared};
use crate::instance::{Instance, named};

/// Tokens reserved for an answer whose length nobody bounds.
const DEFAULT_ANSWER_TOKENS: u32 = 4096;

/// The longest name of an agent, in bytes.
const MAX_AGENT: usize = 63;

/// Milliseconds that `tool.list` may take where the caller names no deadline: a tool that is a program is started for
/// it, and some take their time.
const LISTING_MS: u64 = 60_000;

/// A request as a driver takes it.
#[derive(Debug)]
pub enum Request {
    /// `sys.null`.
    Null,
    /// `model.chat`.
    Chat(ChatRequest),
    /// `model.embed`.
    Embed(EmbedRequest),
    /// `tool.list`.
    ToolList,
    /// `tool.call`.
    ToolCall(tool::CallRequest),
    /// `memory.remember`.
    Remember(memory::RememberRequest),
    /// `memory.recall`.
    Recall(memory::RecallRequest),
    /// `memory.forget`.
    Forget(memory::ForgetRequest),
    /// `fs.read`.
    Read(fs::ReadRequest),
    /// `fs.write`.
    Write(fs::WriteRequest),
    /// `fs.list`.
    List(fs::ListRequest),
    /// `agent.message`.
    Message(MessageRequest),
    /// `agent.checkpoint`.
    Checkpoint(CheckpointRequest),
    /// `agent.ask` and `agent.spawn`.
    Begin(Begin),
    /// `agent.wait`.
    Wait(TurnId),
    /// `agent.cancel`, which the kernel has done when a driver hears of it.
    Cancel,
    /// `device.list`.
    DeviceList(Listing),
    /// `device.read`.
    DeviceRead(device::ReadRequest),
    /// `device.history`.
    DeviceHistory(device::HistoryRequest),
    /// `device.write`.
    DeviceWrite(device::WriteRequest),
    /// `device.command`.
    DeviceCommand(device::CommandRequest),
    /// `net.connect`, which has no body: it comes by a door of the network.
    Connect(Connection),
}

/// A turn of another agent that is to be begun.
#[derive(Debug)]
pub struct Begin {
    /// What of whom.
    pub request: AskRequest,
    /// Its question on the disk, for the kernel to take.
    pub prepared: Option<Arc<Prepared>>,
}

/// Devices that are to be listed.
#[derive(Debug)]
pub struct Listing {
    /// Which part.
    pub request: device::ListRequest,
    /// What the callers of the turn let it have.
    pub called: Option<Box<Called>>,
}

/// A request and what the kernel decides by.
#[derive(Debug)]
pub(crate) struct Lowered {
    /// For the driver.
    pub request: Request,
    /// Which syscall.
    pub kind: Kind,
    /// What a grant is looked up for.
    pub target: Option<Name>,
    /// What it waits for.
    pub resource: Resource,
    /// Tokens to reserve.
    pub reserve_tokens: u64,
    /// Whether doing it twice changes nothing more than once.
    pub repeatable: bool,
    /// Milliseconds it may take where the caller names no deadline; none for the kernel's own.
    pub deadline_ms: Option<u64>,
    /// The turn that it is about.
    pub peer: Option<Peer>,
    /// What of which device it moves.
    pub aim: Option<Aim>,
}

impl Lowered {
    /// Reads the body of `syscall` that `instance` made.
    ///
    /// # Errors
    /// `bad-request` for a body that is not of its form, `not-found` for what the instance does not have.
    pub(crate) fn read(
        syscall: Syscall,
        body: &[u8],
        instance: &Instance,
    ) -> Result<Self, Problem> {
        let kind = kind(syscall);
        let request = match syscall {
            Syscall::SysNull => return Ok(Self::new(kind, Request::Null)),
            Syscall::ModelChat => Request::Chat(json(body)?),
            Syscall::ModelEmbed => Request::Embed(json(body)?),
            Syscall::ToolList => {
                let tool::ListRequest {} = json(body)?;
                Request::ToolList
            }
            Syscall::ToolCall => Request::ToolCall(json(body)?),
            Syscall::MemoryRemember => Request::Remember(json(body)?),
            Syscall::MemoryRecall => Request::Recall(json(body)?),
            Syscall::MemoryForget => Request::Forget(json(body)?),
            Syscall::FsRead => Request::Read(json(body)?),
            Syscall::FsWrite => Request::Write(json(body)?),
            Syscall::FsList => Request::List(json(body)?),
            Syscall::DeviceList => Request::DeviceList(Listing {
                request: json(body)?,
                called: None,
            }),
            Syscall::DeviceRead => Request::DeviceRead(json(body)?),
            Syscall::DeviceHistory => Request::DeviceHistory(json(body)?),
            Syscall::DeviceWrite => Request::DeviceWrite(json(body)?),
            Syscall::DeviceCommand => Request::DeviceCommand(json(body)?),
            Syscall::AgentMessage => Request::Message(json(body)?),
            Syscall::AgentAsk | Syscall::AgentSpawn => Request::Begin(Begin {
                request: json(body)?,
                prepared: None,
            }),
            Syscall::AgentWait | Syscall::AgentCancel => {
                let BegunRequest { turn } = json(body)?;
                let turn = TurnId(turn);
                let request = match syscall {
                    Syscall::AgentWait => Request::Wait(turn),
                    _ => Request::Cancel,
                };
                let mut lowered = Self::new(kind, request);
                lowered.peer = Some(Peer::Begun(turn));
                return Ok(lowered);
            }
            Syscall::AgentCheckpoint => {
                let request: CheckpointRequest = json(body)?;
                if request.state.len() > MAX_CHECKPOINT {
                    return Err(Problem::new(
                        Code::TooLarge,
                        format!("a checkpoint has at most {MAX_CHECKPOINT} bytes"),
                    ));
                }
                Request::Checkpoint(request)
            }
        };
        Self::new(kind, request).aimed(body.len(), instance)
    }

    fn new(kind: Kind, request: Request) -> Self {
        Self {
            request,
            kind,
            target: None,
            resource: Resource::Agent,
            reserve_tokens: 0,
            repeatable: false,
            deadline_ms: None,
            peer: None,
            aim: None,
        }
    }

    /// Names target, resource and reserve.
    fn aimed(mut self, body_bytes: usize, instance: &Instance) -> Result<Self, Problem> {
        match &mut self.request {
            Request::Null
            | Request::Message(_)
            | Request::Checkpoint(_)
            | Request::Wait(_)
            | Request::Cancel
            | Request::DeviceList(_)
            | Request::Connect(_) => {}
            Request::Begin(begin) => {
                let agent = &begin.request.agent;
                bounded("the name of an agent", agent, MAX_AGENT)?;
                self.target = Some(agent.as_str().into());
            }
            Request::DeviceRead(device::ReadRequest { device, .. })
            | Request::DeviceHistory(device::HistoryRequest { device, .. })
            | Request::DeviceWrite(device::WriteRequest { device, .. })
            | Request::DeviceCommand(device::CommandRequest { device, .. }) => {
                bounded("the name of a device", device, device::MAX_NAME)?;
                self.target = Some(device.as_str().into());
            }
            Request::ToolList => self.deadline_ms = Some(LISTING_MS),
            Request::Chat(request) => {
                let all = instance.spec().model.iter().flat_map(|it| &it.endpoints);
                let (first, timeout, context) = match &request.model {
                    Some(named) => {
                        let it = all.clone().find(|it| it.is_called(named));
                        let it = it.ok_or_else(|| unnamed(named, all))?;
                        (it, millis(it.timeout_seconds), it.context_tokens)
                    }
                    None => {
                        let first = all.clone().next();
                        let first = first.ok_or_else(|| lacks("model", "spec.model"))?;
                        let least = all.clone().filter_map(|it| it.context_tokens).min();
                        let timeout = all.map(|it| millis(it.timeout_seconds)).sum();
                        (first, timeout, least)
                    }
                };
                // The kernel reserves before anybody has counted: no less than is charged where the server does not count.
                let asked = prompt(request).max(body_bytes as u64 / 4);
                request.max_tokens = request.max_tokens.or_else(|| bound(instance, context));
                let answer = request.max_tokens.unwrap_or(DEFAULT_ANSWER_TOKENS);
                self.reserve_tokens = asked + u64::from(answer);
                self.deadline_ms = Some(timeout);
                self.target = Some(first.endpoint.as_str().into());
                self.resource = Resource::Model(named(instance, &first.endpoint));
            }
            Request::Embed(request) => {
                let has = instance.spec().model.as_ref();
                let model = has.and_then(|it| it.embedding.as_ref());
                let model =
                    model.ok_or_else(|| lacks("embedding model", "spec.model.embedding"))?;
                if let Some(named) = request.model.as_deref().filter(|it| !model.is_called(it)) {
                    return Err(unnamed(named, std::iter::once(model)));
                }
                texts_are_some(&request.texts)?;
                if request
                    .dimensions
                    .is_some_and(|it| !(1..=MAX_DIMENSIONS).contains(&it))
                {
                    let what = format!("dimensions: it must be 1 to {MAX_DIMENSIONS}");
                    return Err(Problem::new(Code::BadRequest, what));
                }
                self.reserve_tokens = tokens(&request.texts);
                self.deadline_ms = Some(millis(model.timeout_seconds));
                self.target = Some(model.endpoint.as_str().into());
                self.resource = Resource::Model(named(instance, &model.endpoint));
            }
            Request::ToolCall(request) => {
                bounded(
                    "the name of a tool's operation",
                    &request.name,
                    tool::MAX_NAME,
                )?;
                let (tool, operation) = request
                    .name
                    .split_once('.')
                    .filter(|(tool, operation)| !tool.is_empty() && !operation.is_empty())
                    .ok_or_else(|| {
                        Problem::new(
                            Code::BadRequest,
                            "a tool is called by the name that tool.list gives: tool.operation",
                        )
                    })?;
                let known = instance.spec().tools.iter().find(|it| it.name == tool);
                self.deadline_ms = known.map(|it| millis(it.timeout_seconds));
                self.repeatable = instance.repeats(&request.name);
                self.target = Some(format!("{tool}.{operation}").into());
                self.resource = Resource::Tool(named(instance, tool));
            }
            Request::Remember(_) | Request::Recall(_) | Request::Forget(_) => {
                let memory = instance.spec().memory.as_ref();
                let pool = &memory
                    .ok_or_else(|| lacks("memory pool", "spec.memory"))?
                    .pool;
                self.target = Some(pool.as_str().into());
                self.resource = Resource::Memory(named(instance, pool));
            }
            Request::Read(fs::ReadRequest { mount, .. })
            | Request::Write(fs::WriteRequest { mount, .. })
            | Request::List(fs::ListRequest { mount, .. }) => {
                bounded("the name of a mount", mount, fs::MAX_MOUNT)?;
                self.target = Some(mount.as_str().into());
                self.resource = Resource::Files(named(instance, mount));
            }
        }
        Ok(self)
    }
}

/// What a call is about goes into the record, so it is no longer than a name can be.
fn bounded(what: &str, name: &str, most: usize) -> Result<(), Problem> {
    match name.len() > most {
        true => Err(Problem::new(
            Code::BadRequest,
            format!("{what} has at most {most} bytes"),
        )),
        false => Ok(()),
    }
}

/// Tokens of an answer that its caller does not bound: what the server is told is what was reserved. The program of an
/// agent elsewhere asks as often at once as it likes, so an answer of its models always has a bound, which leaves the
/// conversation most of the model's `context`.
fn bound(instance: &Instance, context: Option<i32>) -> Option<u32> {
    let spec = instance.spec();
    let most = context.map_or(DEFAULT_ANSWER_TOKENS, |it| (count(it) / 4).max(1));
    let elsewhere = (spec.runtime == Runtime::External).then_some(most.min(DEFAULT_ANSWER_TOKENS));
    spec.limits.max_tokens.map(count).or(elsewhere)
}

/// About as many tokens as the texts have, with what servers put round each.
pub(crate) fn tokens(texts: &[String]) -> u64 {
    texts.iter().map(|text| estimate(text) + 2).sum()
}

fn texts_are_some(texts: &[String]) -> Result<(), Problem> {
    let bad = |what: String| Err(Problem::new(Code::BadRequest, what));
    if !(1..=MAX_TEXTS).contains(&texts.len()) {
        let count = texts.len();
        return bad(format!(
            "texts: there are {count}, and must be 1 to {MAX_TEXTS}"
        ));
    }
    match texts.iter().position(String::is_empty) {
        Some(at) => bad(format!("texts[{at}]: it is empty, and has no vector")),
        None => Ok(()),
    }
}

fn millis(seconds: i32) -> u64 {
    u64::from(count(seconds)) * 1000
}

/// A model that is none of the agent's.
fn unnamed<'a>(named: &str, all: impl Iterator<Item = &'a ResolvedEndpoint>) -> Problem {
    let shown: String = named.chars().take(100).collect();
    let has: Vec<String> = all
        .map(|it| format!("{}/{}", it.endpoint, it.model))
        .collect();
    let problem = Problem::new(Code::NotFound, format!("the agent has no model {shown}"));
    match has.is_empty() {
        true => problem.remedy("declare one in spec.model of the Agent"),
        false => problem.remedy(format!("it has: {}", has.join(", "))),
    }
}

fn lacks(what: &str, field: &str) -> Problem {
    Problem::new(Code::NotFound, format!("the agent has no {what}"))
        .remedy(format!("declare one in {field} of the Agent"))
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(Code::BadRequest, format!("the body: {error}")))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
