//! Who pays for a turn beside its agent: the agents that called it, and the API key that it was begun by.
//!
//! Tokens of a call are held and charged at the accounts of all of them. Calls a minute and at once are each agent's own.

use super::{State, TurnRow};
use crate::{
    ids::{AccountId, TurnId},
    spec::Quota,
};

impl State {
    /// Whose tokens those of a turn are besides its agent's, with what they may use: each account once.
    pub(crate) fn payers(&self, turn: TurnId) -> Vec<(AccountId, Quota)> {
        let profile = |row: &TurnRow| {
            let instance = self.instances.get(&row.instance)?;
            self.profiles.get(&instance.profile)
        };
        let row = self.turns.get(&turn);
        let own = row.and_then(profile).map(|it| it.account);
        let mut payers: Vec<(AccountId, Quota)> = Vec::new();
        for caller in self.callers(turn).filter_map(|(_, row)| profile(row)) {
            if Some(caller.account) != own && payers.iter().all(|(it, _)| *it != caller.account) {
                payers.push((caller.account, caller.spec.quota));
            }
        }
        let key = row.and_then(|it| it.paid_by);
        payers.extend(key.map(|it| (it.account, it.quota())));
        payers
    }
}
