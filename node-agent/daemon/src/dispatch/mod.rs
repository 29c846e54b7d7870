//! From a call to its driver: the resources an instance was resolved to become the plain types that the
//! drivers take, and what they answer becomes one ending for the kernel.
//!
//! What may not enter: authorisation, order, deadlines (the kernel had its say, and says stop).

mod callees;
mod chat;
mod connect;
mod devices;
mod embed;
mod ending;
mod lower;
mod relay;
mod splice;
mod tools;

pub(crate) use lower::{memory_is_kept, pool};
pub(crate) use tools::offered;

use std::{collections::HashSet, sync::Arc};

use aion_abi::{code::Code, problem::Problem, syscall::agent::CancelResponse};
use aion_drivers::{
    embed::Embedder,
    files::FilesDriver,
    memory::{MemoryDriver, Tier},
    model::ModelDriver,
    outbound::Outbound,
    reserve::Reserve,
    tool::{ToolDriver, Waits},
};
use aion_kernel::{Class, Finish, Generation, Name, Parts, PeerTurn, TurnId, Usage};
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{
    call::{Request, Verified},
    clock::Clock,
    devices::Devices,
    logs::Logs,
    mounts::Mounts,
    shell::{Driven, Driving, Job},
    telemetry::Telemetry,
    turns::{Checkpoints, Turns},
};

/// What a tool says of its progress and is not shown yet; what is more is left out.
const TOLD: usize = 16;

/// The drivers of a node.
pub(crate) struct Dispatch {
    /// Files beneath mounts.
    pub files: Arc<dyn FilesDriver>,
    /// Which folders the mounts are.
    pub mounts: Mounts,
    /// Memory pools.
    pub memory: Arc<dyn MemoryDriver>,
    /// Models.
    pub models: Arc<dyn ModelDriver>,
    /// Models that make vectors.
    pub embedder: Arc<dyn Embedder>,
    /// Tools.
    pub tools: Arc<dyn ToolDriver>,
    /// Devices.
    pub devices: Devices,
    /// What programs connect to.
    pub outbound: Arc<Outbound>,
    /// The clock of the kernel's deadlines.
    pub clock: Clock,
    /// Turns, for what programs say to their callers.
    pub turns: Turns,
    /// What programs keep.
    pub checkpoints: Checkpoints,
    /// Logs of agents, for the notices among it.
    pub logs: Logs,
    /// What is kept of the state's disk.
    pub reserve: Reserve,
    /// For what connections come to.
    pub telemetry: Arc<Telemetry>,
    /// The turns that were there when the node started: a call of one may be made a second time.
    pub standing: HashSet<TurnId>,
}

impl Driving for Dispatch {
    fn drive(self: Arc<Self>, job: Job) -> BoxFuture<'static, Driven> {
        Box::pin(async move {
            let (kind, cancel) = (job.verified.kind, job.cancel.clone());
            let driven = async {
                let answer = self.answer(job).await;
                answer.unwrap_or_else(|problem| ending::of(Err(problem), false))
            };
            if kind.class() != Class::Observe {
                // What changes something runs to its end; a kernel that cannot wait drops this future.
                return driven.await;
            }
            tokio::select! {
                biased;
                driven = driven => driven,
                () = cancel.cancelled() => ending::stopped(),
            }
        })
    }

    fn make_safe(
        self: Arc<Self>,
        device: Name,
        judged: Generation,
        parts: Parts,
    ) -> BoxFuture<'static, (Parts, Parts)> {
        Box::pin(async move { self.devices.make_safe(&device, judged, parts).await })
    }
}

impl Dispatch {
    async fn answer(&self, job: Job) -> Result<Driven, Problem> {
        let deadline = self.clock.instant(job.deadline).into();
        let Verified {
            caller,
            kind,
            request,
            key,
            chunks,
            ..
        } = job.verified;
        let keyed = key.is_some();
        let instance = &caller.instance;
        let (cancel, peer) = (&job.cancel, job.peer);
        // No device is of the one that is not said.
        let judged = job.judged.unwrap_or_default();
        let whole = match request {
            Request::Chat(request) => {
                let listener = chat::Listener {
                    chunks,
                    progress: job.progress,
                    cancel: job.cancel,
                    keyed,
                };
                return Ok(self.chat(instance, request, deadline, listener).await);
            }
            Request::Embed(request) => {
                let listener = embed::Listener {
                    progress: job.progress,
                    cancel: job.cancel,
                    keyed,
                };
                return Ok(self.embed(instance, request, deadline, listener).await);
            }
            Request::Connect(connection) => {
                return Ok(self.connect(connection, &job.cancel, &job.progress).await);
            }
            Request::Begin(_) => {
                let answer = self.begun(kind, peer, cancel).await?;
                return Ok(callees::driven(answer, keyed));
            }
            Request::Wait(turn) => {
                let peer = peer.unwrap_or(PeerTurn { turn, input: None });
                let answer = self.end_of(peer, cancel).await;
                return Ok(callees::waited(answer, keyed));
            }
            Request::Cancel => json(CancelResponse {})?,
            Request::Null => b"{}".to_vec(),
            Request::Read(request) => {
                let mounts = self.mount_table(&caller);
                json(self.files.read(&mounts, request).await?)?
            }
            Request::Write(request) => {
                let mounts = self.mount_table(&caller);
                json(self.files.write(&mounts, request).await?)?
            }
            Request::List(request) => {
                let mounts = self.mount_table(&caller);
                json(self.files.list(&mounts, request).await?)?
            }
            Request::Remember(request) => {
                let pool = lower::pool(instance, Tier::Long)?;
                self.room("nothing was remembered")?;
                json(self.memory.remember(&pool, request).await?)?
            }
            Request::Recall(request) => {
                let pool = lower::pool(instance, Tier::Long)?;
                json(self.memory.recall(&pool, request).await?)?
            }
            Request::Forget(request) => {
                let pool = lower::pool(instance, Tier::Long)?;
                json(self.memory.forget(&pool, request).await?)?
            }
            Request::DeviceList(request) => json(self.listed(&caller, &request)?)?,
            Request::DeviceRead(request) => {
                json(self.devices.read(instance.namespace(), &request)?)?
            }
            Request::DeviceHistory(request) => {
                json(self.devices.history(instance.namespace(), &request)?)?
            }
            Request::DeviceWrite(request) => {
                let told = self.devices.write(instance.namespace(), &request, judged);
                json(told.await?)?
            }
            Request::DeviceCommand(request) => {
                let told = self.devices.command(instance.namespace(), &request, judged);
                json(told.await?)?
            }
            Request::Message(message) => self.say(&caller, message).await?,
            Request::Checkpoint(request) => self.keep(instance, request.state).await?,
            Request::ToolList => json(offered(&*self.tools, instance).await?)?,
            Request::ToolCall(request) => {
                let (servers, unavailable) = instance.tool_servers();
                tools::reached(&request, &unavailable)?;
                let (told, said) = mpsc::channel(TOLD);
                let waits = Waits {
                    told: Arc::new(move |text| drop(told.try_send(text))),
                    asks: tools::asks(job.progress),
                };
                let attempt = tools::attempt(&caller, &request, key.as_ref(), &self.standing);
                let called = self
                    .tools
                    .call(&servers, request, &attempt, deadline, &waits);
                json(self.telling(&caller, called, said).await?)?
            }
        };
        Ok(ending::of(Ok(whole), keyed))
    }
}

fn json(answer: impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(&answer).map_err(|error| {
        Problem::new(
            Code::Internal,
            format!("the answer has no JSON form: {error}"),
        )
    })
}

/// Used for nothing but tokens of models and bytes of connections.
pub(crate) const NO_USAGE: Usage = Usage {
    input_tokens: 0,
    output_tokens: 0,
    sent_bytes: 0,
    received_bytes: 0,
};

/// What the kernel is told of a driver that did it.
pub(crate) fn done(body: Option<aion_kernel::Body>) -> Finish {
    Finish::Ok { body }
}

#[cfg(test)]
mod tests;
