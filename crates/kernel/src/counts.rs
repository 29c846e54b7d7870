//! What people are told of the ledger and of the queues, in an order that pages can follow. What may not enter: a
//! decision.

use std::ops::Bound;

use crate::{
    kernel::Kernel,
    ledger::Account,
    live::Live,
    name::Name,
    refusal::Level,
    spec::{Lane, Profile, Quota},
    state::{CLUSTER, Phase, State},
    syscall::Resource,
};

/// What an agent and its tenant have used, and may use.
#[derive(Clone, Copy, Debug)]
pub struct Used<'a> {
    /// The agent's profile. While two revisions are here it is one of them.
    pub profile: &'a Profile,
    /// The agent's account, which its instances share.
    pub agent: &'a Account,
    /// The tenant's account.
    pub tenant: &'a Account,
    /// The tenant's quota.
    pub quota: Quota,
}

/// What waits for one resource, and what has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits<'a> {
    /// The resource; `None` is a worker, for turns.
    pub resource: Option<&'a Resource>,
    /// So many may have it at once.
    pub slots: u32,
    /// So many have it.
    pub running: u32,
    /// How many wait, by lane and tenant; none is zero.
    pub waiting: Vec<(Lane, &'a Name, usize)>,
}

impl Kernel {
    /// What agents used, by tenant and name: those behind `after`. Costs what is read of it, and not how many there are.
    pub fn used(&self, after: (&str, &str)) -> impl Iterator<Item = Used<'_>> {
        let behind = behind(after);
        let from = (Bound::Included(&behind), Bound::Unbounded);
        let profiles = self.live.profile_ids.range::<Profile, _>(from);
        let mut profiles = profiles.peekable();
        std::iter::from_fn(move || {
            loop {
                let (profile, id) = profiles.next()?;
                let again = |(next, _): &(&std::sync::Arc<Profile>, _)| {
                    (&next.tenant, &next.agent) == (&profile.tenant, &profile.agent)
                };
                if profiles.peek().is_some_and(again) {
                    continue;
                }
                let account = self.state.profiles.get(id).map(|row| row.account);
                let agent = account.and_then(|id| self.state.accounts.get(&id));
                let tenant = agent.and_then(|it| self.state.accounts.get(&it.parent?));
                let (Some(agent), Some(tenant)) = (agent, tenant) else {
                    continue;
                };
                let named = self.limits.tenants.get(&profile.tenant);
                return Some(Used {
                    profile,
                    agent,
                    tenant,
                    quota: *named.unwrap_or(&self.limits.tenant_default),
                });
            }
        })
    }

    /// What the turns of an API key used, where it has a budget; none where nothing of it weighs any more.
    #[must_use]
    pub fn used_by_key(&self, name: &Name) -> Option<&Account> {
        let key = (CLUSTER, Level::Key, name.clone());
        self.state.accounts.get(self.live.account_ids.get(&key)?)
    }

    /// API keys with a budget that have turns, or used tokens that may weigh still, by name.
    pub fn used_by_keys(&self) -> impl Iterator<Item = &Account> {
        let first = (CLUSTER, Level::Key, Name::default());
        let keys = self.live.account_ids.range(first..);
        let keys =
            keys.take_while(|((above, level, _), _)| (*above, *level) == (CLUSTER, Level::Key));
        keys.filter_map(|(_, id)| self.state.accounts.get(id))
    }

    /// What waits for workers, and for each resource that somebody waits for or has, in that order.
    pub fn queues(&self) -> impl Iterator<Item = Waits<'_>> {
        let scheduler = &self.live.scheduler;
        let workers = Waits {
            resource: None,
            slots: self.limits.worker_slots,
            running: scheduler.workers.busy(),
            waiting: turns(&self.state, &self.live),
        };
        let calls = scheduler.resources().map(|(resource, queue)| {
            let waiting = queue.waiting_by().filter_map(|(lane, tenant, waiting)| {
                Some((lane, &self.state.accounts.get(&tenant)?.name, waiting))
            });
            Waits {
                resource: Some(resource),
                slots: queue.slots(),
                running: queue.busy(),
                waiting: waiting.collect(),
            }
        });
        std::iter::once(workers).chain(calls)
    }
}

/// Turns that wait for a worker. In the scheduler's queue is only the first of each instance.
fn turns<'a>(state: &'a State, live: &Live) -> Vec<(Lane, &'a Name, usize)> {
    let mut waiting = std::collections::BTreeMap::new();
    for turn in live.waiting_turns.values().flatten() {
        let row = state
            .turns
            .get(turn)
            .filter(|row| row.phase == Phase::Queued);
        if let Some(instance) = row.and_then(|row| state.instance(row.instance)) {
            let of = (instance.profile.lane, &instance.profile.tenant);
            *waiting.entry(of).or_insert(0) += 1;
        }
    }
    let waiting = waiting.into_iter();
    waiting
        .map(|((lane, tenant), n)| (lane, tenant, n))
        .collect()
}

/// What stands before every profile of agents behind this one, and behind all others.
fn behind((tenant, agent): (&str, &str)) -> Profile {
    Profile {
        tenant: tenant.into(),
        // No name has it, and no name is between the two.
        agent: format!("{agent}\0").into(),
        revision: Name::default(),
        lane: Lane::Realtime,
        required_layers: Vec::new(),
        grants: std::sync::Arc::default(),
        quota: Quota::default(),
        max_turn_seconds: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Date, Event, InstanceSpec, InstanceUid, Invoke, Limits, Millis, Now};

    fn kernel(agents: &[(&str, &str, &str)]) -> Kernel {
        let mut kernel = Kernel::new(Limits {
            worker_slots: 0,
            tenants: [("b".into(), quota(7))].into(),
            ..Limits::default()
        });
        for (uid, (tenant, agent, revision)) in (1..).zip(agents) {
            let profile = Profile {
                tenant: (*tenant).into(),
                agent: (*agent).into(),
                revision: (*revision).into(),
                max_turn_seconds: 1,
                ..behind(("", ""))
            };
            let uid = InstanceUid(uid);
            take(&mut kernel, Event::Apply(InstanceSpec { uid, profile }));
        }
        kernel
    }

    fn quota(calls: u64) -> Quota {
        Quota {
            calls_per_minute: Some(calls),
            ..Quota::default()
        }
    }

    fn take(kernel: &mut Kernel, event: Event) {
        let now = Now {
            at: Millis(1),
            date: Date(1),
        };
        kernel.handle(event, now);
    }

    #[test]
    fn agents_come_once_each_in_order_and_a_page_goes_on_behind_its_last() {
        let kernel = kernel(&[
            ("b", "x", "1"),
            ("a", "z", "1"),
            ("a", "ab", "1"),
            ("a", "ab", "2"),
            ("a", "a", "1"),
        ]);
        let after = |tenant, agent| -> Vec<_> {
            let used = kernel.used((tenant, agent));
            used.map(|it| format!("{}/{}", it.tenant.name, it.agent.name))
                .collect()
        };
        assert_eq!(after("", ""), ["a/a", "a/ab", "a/z", "b/x"]);
        assert_eq!(after("a", "a"), ["a/ab", "a/z", "b/x"]);
        assert_eq!(after("a", "b"), ["a/z", "b/x"], "one that is not there");
        assert!(after("b", "x").is_empty());
        let quotas: Vec<_> = kernel.used(("a", "ab")).map(|it| it.quota).collect();
        assert_eq!(quotas, [Quota::default(), quota(7)]);
    }

    #[test]
    fn turns_that_wait_behind_others_of_their_instance_are_counted_too() {
        let mut kernel = kernel(&[("a", "x", "1")]);
        for _ in 0..3 {
            let invoke = Invoke {
                ticket: None,
                instance: InstanceUid(1),
                cause: "ask".into(),
                input: crate::Body {
                    digest: crate::BodyDigest([0; 32]),
                    size: 0,
                },
                deadline_ms: None,
                payer: None,
            };
            take(&mut kernel, Event::Invoke(invoke));
        }
        let queues: Vec<_> = kernel.queues().collect();
        assert_eq!(queues.len(), 1);
        assert_eq!(queues[0].waiting, [(Lane::Realtime, &Name::from("a"), 3)]);
        assert_eq!((queues[0].slots, queues[0].running), (0, 0));
    }
}
