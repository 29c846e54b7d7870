//! Accounts of the API keys that turns are begun by: opened with the first turn, and forgotten as an agent's is.

use crate::{
    effect::Step,
    kernel::Kernel,
    payer::{PaidBy, Payer},
    refusal::{Level, Queue, Refusal},
    state::CLUSTER,
};

/// When there may be room for another key: they leave one by one.
const RETRY_MS: u64 = 60_000;

impl Kernel {
    /// The account that a key's turns charge to, beside those of their agents.
    pub(super) fn paid_by(
        &mut self,
        payer: Option<Payer>,
        step: &mut Step,
    ) -> Result<Option<PaidBy>, Refusal> {
        let Some(Payer {
            name,
            tokens_per_hour,
        }) = payer
        else {
            return Ok(None);
        };
        let known = (CLUSTER, Level::Key, name.clone());
        if !self.live.account_ids.contains_key(&known)
            && self.used_by_keys().count() >= self.limits.payers as usize
        {
            return Err(Refusal::Overloaded {
                queue: Queue::Payers,
                retry_after_ms: RETRY_MS,
            });
        }
        let account = self.account_id(CLUSTER, Level::Key, &name, step);
        Ok(Some(PaidBy {
            account,
            tokens_per_hour,
        }))
    }
}
