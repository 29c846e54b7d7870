//! A verified call as it goes from the server through the shell to its driver.

use std::sync::Arc;

use aion_abi::syscall::model::ChatEvent;
use aion_kernel::{IdempotencyKey, Kind, TurnId};
use tokio::sync::mpsc;

use super::Request;
use crate::instance::Instance;

/// Who makes a call.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its turn.
    pub turn: TurnId,
    /// Its instance.
    pub instance: Arc<Instance>,
}

/// A call whose signature and body were checked. It is moved whole.
#[derive(Debug)]
pub struct Verified {
    /// Who makes it.
    pub caller: Caller,
    /// Which syscall.
    pub kind: Kind,
    /// What is asked.
    pub request: Request,
    /// Its idempotency key: with one its answer will be recorded.
    pub key: Option<IdempotencyKey>,
    /// Where a stream's events go but for its last; it may be closed already.
    pub chunks: Option<mpsc::Sender<ChatEvent>>,
}
