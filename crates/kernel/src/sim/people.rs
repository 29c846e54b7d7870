//! What people do: ask, give up, administer.

use super::{model::Check, world::World};
use crate::{
    Body, BodyDigest, Event, GrantRule, InstanceSpec, InstanceUid, Invoke, Kind, Lane, Payer,
    Phase, Profile, Quota, TargetPattern, Ticket, TurnId, Verdict,
};

const LANES: [Lane; 4] = [
    Lane::Realtime,
    Lane::Interactive,
    Lane::Batch,
    Lane::Background,
];

impl World {
    /// Agents of two tenants and their instances.
    pub(super) fn populate(&mut self) -> Check {
        for (tenant, agent) in [
            ("red", "jarvis"),
            ("red", "analyst"),
            ("red", "clerk"),
            ("blue", "jarvis"),
        ] {
            let quota = self.random.chance(50).then(|| Quota {
                calls_per_minute: Some(1 + self.random.below(30)),
                concurrency: Some(1 + self.random.below(6) as u32),
                tokens_per_hour: Some(self.random.below(2_000)),
            });
            let profile = Profile {
                tenant: tenant.into(),
                agent: agent.into(),
                revision: "1".into(),
                lane: self.random.pick(&LANES).unwrap_or_default(),
                required_layers: vec!["seccomp".into(), "landlock".into()],
                grants: self.grants().into(),
                quota: quota.unwrap_or_default(),
                max_turn_seconds: 30 + self.random.below(300) as u32,
            };
            self.agents
                .insert((tenant.into(), agent.into()), profile.clone());
            for _ in 0..1 + self.random.below(2) {
                self.apply_new(profile.clone())?;
            }
        }
        self.put_up_devices()?;
        // One is called as a tenant is, and there are more than are counted.
        for key in ["red", "k", "l"] {
            let budget = self.random.below(1_000);
            self.budgets.insert(key.into(), budget);
        }
        Ok(())
    }

    fn apply_new(&mut self, profile: Profile) -> Check {
        let uid = InstanceUid(u128::from(self.random.below(u64::MAX)));
        self.desired.insert(uid, profile.clone());
        self.feed(Event::Apply(InstanceSpec { uid, profile }))
    }

    fn grants(&mut self) -> Vec<GrantRule> {
        let mut rules = Vec::new();
        for kind in Kind::ALL.into_iter().skip(1) {
            let target = match self.random.below(4) {
                0 => TargetPattern::Any,
                1 => TargetPattern::parse("calendar.*"),
                2 => TargetPattern::parse("notes"),
                _ => continue,
            };
            let wide = match self.random.below(8) {
                0 => Some(Verdict::Deny),
                1 => Some(Verdict::Ask),
                2..=5 => Some(Verdict::Allow),
                _ => None,
            };
            rules.extend(wide.map(|verdict| GrantRule {
                verdict,
                kind,
                target: TargetPattern::Any,
                origin: "wide".into(),
            }));
            rules.push(GrantRule {
                verdict: Verdict::Allow,
                kind,
                target,
                origin: "narrow".into(),
            });
        }
        rules
    }

    pub(super) fn somebody_asks(&mut self) -> Check {
        let instances: Vec<_> = self.desired.keys().copied().collect();
        let Some(instance) = self.random.pick(&instances) else {
            return Ok(());
        };
        let ticket = self.random.chance(80).then(|| self.ticket());
        let deadline_ms = self.random.chance(30).then(|| self.random.below(600_000));
        let input = Body {
            digest: BodyDigest([7; 32]),
            size: 3,
        };
        let keys = self.budgets.iter().map(|(name, tokens)| Payer {
            name: name.clone(),
            tokens_per_hour: *tokens,
            is_listed: false,
        });
        let keys: Vec<Payer> = keys.collect();
        let payer = self.random.pick(&keys).filter(|_| self.random.chance(30));
        let invoke = Invoke {
            ticket,
            instance,
            cause: "ask".into(),
            input,
            deadline_ms,
            payer,
        };
        self.feed(Event::Invoke(invoke))
    }

    pub(super) fn somebody_gives_up(&mut self) -> Check {
        let waiting: Vec<Ticket> = self.told.waiting().collect();
        let Some(ticket) = self.random.pick(&waiting) else {
            return Ok(());
        };
        // Whoever left is not answered any more, or is and does not hear it.
        self.told.close(ticket);
        self.feed(Event::Disconnected { ticket })
    }

    pub(super) fn somebody_administers(&mut self) -> Check {
        let instances: Vec<_> = self.desired.keys().copied().collect();
        // Those with a turn that is set aside more often: few are.
        let turns = self.kernel.state().turns();
        let aside = turns.filter(|(_, row)| row.phase == Phase::Parked);
        let aside = aside.map(|(_, row)| row.instance);
        let aside: Vec<_> = aside.filter(|it| self.desired.contains_key(it)).collect();
        let among = match !aside.is_empty() && self.random.chance(30) {
            true => aside,
            false => instances,
        };
        let Some(uid) = self.random.pick(&among) else {
            return Ok(());
        };
        match self.random.below(7) {
            0..=2 => {
                let same = self.random.chance(25);
                let (grants, revision) = (self.grants(), self.random.below(3).to_string());
                let Some(profile) = self.desired.get_mut(&uid) else {
                    return Ok(());
                };
                match same {
                    true => profile.revision = revision.as_str().into(),
                    false => profile.grants = grants.into(),
                }
                let profile = profile.clone();
                self.feed(Event::Apply(InstanceSpec { uid, profile }))
            }
            3 => {
                let Some(profile) = self.desired.remove(&uid) else {
                    return Ok(());
                };
                self.feed(Event::Remove { instance: uid })?;
                let gone = self.kernel.state().instance(uid).is_none();
                if gone && self.random.chance(50) {
                    // Under its old uid, as a revision comes back that was replaced.
                    self.desired.insert(uid, profile.clone());
                    return self.feed(Event::Apply(InstanceSpec { uid, profile }));
                }
                self.apply_new(profile)
            }
            4 => {
                let spare_running = self.random.chance(50);
                self.feed(Event::Withdraw {
                    instance: uid,
                    spare_running,
                })
            }
            5 => {
                self.limits.worker_slots = self.random.below(4) as u32;
                self.limits.resource_default = self.random.below(4) as u32;
                self.feed(Event::SetLimits(self.limits.clone()))
            }
            _ if self.random.chance(20) => {
                self.draining = true;
                self.feed(Event::Drain)
            }
            _ => {
                let turns: Vec<TurnId> =
                    self.kernel.state().turns().map(|(turn, _)| turn).collect();
                let Some(turn) = self.random.pick(&turns) else {
                    return Ok(());
                };
                self.feed(Event::CancelTurn { turn })
            }
        }
    }

    pub(super) fn remove_the_undesired(&mut self) -> Check {
        let here: Vec<_> = self
            .kernel
            .state()
            .instances()
            .map(|view| view.uid)
            .collect();
        for instance in here
            .into_iter()
            .filter(|uid| !self.desired.contains_key(uid))
            .collect::<Vec<_>>()
        {
            self.feed(Event::Remove { instance })?;
        }
        Ok(())
    }
}
