//! One worker of the crew. What becomes of it may not enter.

use aion_abi::kernel_event::OnViolation;
use aion_api::ResolvedViolations;
use aion_kernel::{Incarnation, InstanceUid, TurnId};
use tokio_util::task::TaskTracker;

use crate::{
    instance::{Instance, Prepared},
    launching::Fifo,
    network::Network,
    server::Listener,
};

/// A worker.
pub(super) struct Member {
    pub(super) turn: TurnId,
    pub(super) incarnation: Incarnation,
    pub(super) instance: InstanceUid,
    /// Whose log it writes, once its program is there.
    pub(super) agent: Option<String>,
    /// The trace of its turn, once that is known.
    pub(super) trace: Option<String>,
    /// The rules that it is held to.
    pub(super) rules: Option<ResolvedViolations>,
    /// What was done about the gravest breach of them.
    pub(super) broke: Option<OnViolation>,
    /// Its program is not of AION-OS's making: what it exits with is its own.
    pub(super) own_code: bool,
    /// It runs elsewhere.
    pub(super) outside: bool,
    /// Its start is under way.
    pub(super) starting: bool,
    /// How often it was told of memory pressure.
    pub(super) pressure_told: u64,
    /// It is to be killed as soon as its start is over.
    pub(super) kill: bool,
    /// Its end was told.
    pub(super) exited: bool,
    pub(super) listener: Option<Listener>,
    /// Its network, where it has one, until it ends.
    pub(super) network: Option<Network>,
    /// Copies its log.
    pub(super) log: TaskTracker,
    pub(super) fifos: [Fifo; 2],
}

impl Member {
    pub(super) fn is_of(&mut self, instance: &Instance) {
        self.agent = Some(instance.agent());
        self.rules.clone_from(&instance.spec().on_violation);
        self.outside = instance.program == Prepared::External;
        self.own_code = self.outside || matches!(instance.program, Prepared::Process { .. });
    }

    pub(super) fn clear(self) {
        drop((self.listener, self.network));
        for fifo in &self.fifos {
            fifo.remove();
        }
        self.log.close();
    }
}
