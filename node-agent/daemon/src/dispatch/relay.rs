//! `agent.message` and `agent.checkpoint`: what the daemon itself carries out.

use aion_abi::{
    code::Code,
    problem::Problem,
    syscall::agent::{CheckpointResponse, MessageRequest, MessageResponse},
};
use aion_kernel::TurnId;

use super::{Dispatch, json};
use crate::instance::Instance;

impl Dispatch {
    pub(super) async fn say(
        &self,
        turn: TurnId,
        message: MessageRequest,
    ) -> Result<Vec<u8>, Problem> {
        self.turns.message(turn, message).await?;
        json(MessageResponse {})
    }

    pub(super) async fn keep(
        &self,
        instance: &Instance,
        state: String,
    ) -> Result<Vec<u8>, Problem> {
        let (checkpoints, instance) = (self.checkpoints.clone(), instance.clone());
        let kept = tokio::task::spawn_blocking(move || checkpoints.keep(&instance, &state)).await;
        let kept = kept.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        kept.map_err(|error| {
            let code = match aion_journal::is_full(&error) {
                true => Code::StorageFull,
                false => Code::Internal,
            };
            Problem::new(code, format!("the checkpoint was not kept: {error}"))
        })?;
        json(CheckpointResponse {})
    }
}
