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
            is_listed,
        }) = payer
        else {
            return Ok(None);
        };
        let known = (CLUSTER, Level::Key, name.clone());
        let beside = if is_listed {
            self.limits.listed_payers
        } else {
            0
        };
        let most = self.limits.payers.saturating_add(beside);
        if !self.live.account_ids.contains_key(&known) && self.live.payers >= most {
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
