//! From the request to the driver.

use crate::{
    approval::{Request, Said},
    effect::{Answer, Barrier, Effect, Step},
    event::Call,
    fact::Fact,
    grant::Decision,
    guard::Aimed,
    idempotency::Lookup,
    ids::{AccountId, CallId, InstanceUid, Ticket, TurnId},
    kernel::Kernel,
    ledger::Quotas,
    live::{CallPhase, Holder, LiveCall},
    outcome::{Outcome, Usage},
    refusal::{Queue, Refusal, Unasked},
    scheduler::Claim,
    spec::{Lane, Profile},
    state::Phase,
    syscall::{Class, Kind, Resource},
    timers::Timer,
};

use super::refusing::MAX_TARGET;

/// What a call is judged by.
pub(super) struct Caller {
    instance: InstanceUid,
    accounts: [AccountId; 3],
    payers: Vec<AccountId>,
    lane: Lane,
}

/// How safe an outcome must be before anybody hears of it.
pub(super) fn reply_barrier(kind: Kind) -> Barrier {
    match kind.class() {
        Class::Observe | Class::Cost => Barrier::Written,
        Class::Effect => Barrier::Durable,
    }
}

/// How long a call may take, in milliseconds.
pub(super) fn time_of(call: &Call) -> u64 {
    let wanted = call.deadline_ms.unwrap_or(call.kind.default_deadline_ms());
    wanted.min(call.kind.max_deadline_ms())
}

impl Kernel {
    pub(crate) fn call(&mut self, call: Call, step: &mut Step) {
        if self.live.tickets.contains_key(&call.ticket) {
            return;
        }
        let Some(instance) = self.calling_instance(&call) else {
            self.refuse(&call, Refusal::TurnNotRunning, step);
            return;
        };
        if self.answer_by_key(&call, instance, step) {
            return;
        }
        if let Some(refusal) = self.not_its_turn(&call) {
            return self.refuse(&call, refusal, step);
        }
        let caller = match self.authorise(&call, instance) {
            Ok(caller) => caller,
            Err(Refusal::ApprovalRequired { rule, .. }) => {
                // Nobody is asked about what cannot be.
                return match self.cannot_begin(&call) {
                    Some(refusal) => self.refuse(&call, refusal, step),
                    None => self.ask(call, instance, rule, step),
                };
            }
            Err(refusal) => return self.refuse(&call, refusal, step),
        };
        if call.kind == Kind::Null {
            self.serve_null(call, step);
        } else if let Err(refusal) = self.room_for(&call, caller.accounts[1]) {
            self.refuse(&call, refusal, step);
        } else {
            self.wait(call, &caller, step);
        }
    }

    pub(super) fn calling_instance(&self, call: &Call) -> Option<InstanceUid> {
        let row = self.state.turns.get(&call.turn)?;
        let runs = matches!(row.phase, Phase::Running { .. });
        let runs = runs && row.stopping.is_none() && !row.pausing;
        runs.then_some(row.instance)
    }

    /// Whether its key already decides a call: it is answered by the one made before, whatever else is known of it by now.
    #[must_use]
    pub fn is_made_again(&self, call: &Call) -> bool {
        self.calling_instance(call)
            .is_some_and(|instance| self.earlier(call, instance) != Lookup::New)
    }

    /// What is known of a call by its key: of one that waits, or of what the instance did.
    fn earlier(&self, call: &Call, instance: InstanceUid) -> Lookup<'_> {
        let Some(key) = &call.key else {
            return Lookup::New;
        };
        if let Some(&waiting) = self.live.waiting_keys.get(&(instance, key.clone())) {
            let same = self.live.calls.get(&waiting).is_some_and(|first| {
                (first.kind, first.body.digest) == (call.kind, call.body.digest)
            });
            return match same {
                true => Lookup::InFlight(waiting),
                false => Lookup::Mismatch(waiting),
            };
        }
        let table = self.state.keys.get(&instance);
        table.map_or(Lookup::New, |it| {
            it.lookup(key, call.kind, call.body.digest, self.now)
        })
    }

    /// Whether the key already decides: joins, replays or refuses.
    fn answer_by_key(&mut self, call: &Call, instance: InstanceUid, step: &mut Step) -> bool {
        match self.earlier(call, instance) {
            Lookup::New => return false,
            Lookup::Mismatch(recorded) => {
                self.refuse(call, Refusal::IdempotencyMismatch { recorded }, step)
            }
            Lookup::InFlight(first) => self.join(first, call.ticket),
            Lookup::Ended(first, outcome) => {
                let answer = Answer::Outcome {
                    outcome: outcome.clone(),
                    replayed: true,
                };
                let effect = Effect::Reply {
                    ticket: call.ticket,
                    call: first,
                    answer,
                };
                step.release(reply_barrier(call.kind), effect);
            }
        }
        true
    }

    fn join(&mut self, first: CallId, ticket: Ticket) {
        if let Some(live) = self.live.calls.get_mut(&first) {
            live.tickets.push(ticket);
            self.live.tickets.insert(ticket, Holder::Call(first));
        }
    }

    /// Grants and guardrails, then quotas.
    fn authorise(&self, call: &Call, instance: InstanceUid) -> Result<Caller, Refusal> {
        let aim = call.aim.clone().map(|aim| Aimed::new(aim, self.now));
        self.granted(instance, call.into(), aim.as_ref())?;
        self.within_quota(call.turn, instance, call.reserve_tokens)
    }

    /// Whether one more call fits, one that a person is asked about too.
    pub(super) fn within_quota(
        &self,
        turn: TurnId,
        instance: InstanceUid,
        tokens: u64,
    ) -> Result<Caller, Refusal> {
        let row = self.state.instances.get(&instance);
        let profile = row.and_then(|row| self.state.profiles.get(&row.profile));
        let profile = profile.ok_or(Refusal::TurnNotRunning)?;
        let accounts = self.state.levels(profile.account);
        let accounts = accounts.ok_or(Refusal::TurnNotRunning)?;
        let levels = self.quotas(accounts, &profile.spec);
        let levels = levels.ok_or(Refusal::TurnNotRunning)?;
        self.live.reservations.check(&levels, tokens, self.now)?;
        let payers = self.state.payers(turn);
        let with_quota = payers
            .iter()
            .filter_map(|(id, quota)| Some((*id, self.state.accounts.get(id)?, *quota)));
        let held = &self.live.reservations;
        held.check_payers(with_quota, tokens, self.now)?;
        Ok(Caller {
            instance,
            accounts,
            payers: payers.iter().map(|(id, _)| *id).collect(),
            lane: profile.spec.lane,
        })
    }

    pub(super) fn granted(
        &self,
        instance: InstanceUid,
        call: Request<'_>,
        aim: Option<&Aimed>,
    ) -> Result<(), Refusal> {
        if call
            .target
            .is_some_and(|target| target.as_str().len() > MAX_TARGET)
        {
            return Err(Refusal::Denied { rule: None });
        }
        let called = self.state.turns.get(&call.turn);
        let called = called.and_then(|row| row.called.as_deref());
        if let Some(by) = called.and_then(|it| it.forbids(call.kind.right(), call.target)) {
            let rule = format!("what turn {by} delegated");
            return Err(Refusal::Denied {
                rule: Some(rule.as_str().into()),
            });
        }
        let profile = self.state.instances.get(&instance).map(|row| row.profile);
        let Some(table) = profile.and_then(|profile| self.live.tables.get(profile)) else {
            return Err(Refusal::Denied { rule: None });
        };
        let asks = match table.decide(call.kind.right(), call.target) {
            Decision::Allow => None,
            Decision::Deny { rule } => return Err(Refusal::Denied { rule }),
            // The turn is there: a word for a call is used up as it begins one, and is not asked for again.
            Decision::Ask { .. } if self.has_begun(call) => None,
            Decision::Ask { rule } => Some(rule),
        };
        let guard_asks = self.guarded(call.kind, aim)?;
        // One word is for both.
        let Some(rule) = asks.or(guard_asks) else {
            return Ok(());
        };
        let said = profile.and_then(|profile| {
            let row = self.state.profiles.get(&profile)?;
            let today = self.state.date_of(self.now);
            self.state.said_of(call, row.account, &row.spec, today)
        });
        match said {
            Some(Said::Yes) => Ok(()),
            Some(Said::No { by }) => Err(Refusal::ApprovalDenied { rule, by }),
            Some(Said::TooLate) => Err(Refusal::ApprovalExpired { rule }),
            None => Err(Refusal::ApprovalRequired {
                rule,
                why: Unasked::default(),
            }),
        }
    }

    pub(super) fn quotas(&self, ids: [AccountId; 3], profile: &Profile) -> Option<Quotas<'_>> {
        let of_tenant = self
            .limits
            .tenants
            .get(&profile.tenant)
            .unwrap_or(&self.limits.tenant_default);
        let [cluster, tenant, agent] = ids;
        Some([
            (
                cluster,
                self.state.accounts.get(&cluster)?,
                self.limits.cluster,
            ),
            (tenant, self.state.accounts.get(&tenant)?, *of_tenant),
            (agent, self.state.accounts.get(&agent)?, profile.quota),
        ])
    }

    /// The hot path: one fact, one reply.
    fn serve_null(&mut self, call: Call, step: &mut Step) {
        let id = self.next_call();
        let fact = Fact::CallServed {
            call: id,
            turn: call.turn,
            kind: call.kind,
            key: call.key,
            digest: call.body.digest,
            at: self.now,
        };
        self.record(fact, step);
        let answer = Answer::Outcome {
            outcome: Outcome::Ok { body: None },
            replayed: false,
        };
        step.release(
            reply_barrier(call.kind),
            Effect::Reply {
                ticket: call.ticket,
                call: id,
                answer,
            },
        );
    }

    fn room_for(&mut self, call: &Call, tenant: AccountId) -> Result<(), Refusal> {
        let per_tenant = self.limits.queue_per_tenant as usize;
        let per_resource = self.limits.queue_per_resource as usize;
        let Some(queue) = self.live.scheduler.calls(&call.resource) else {
            return Ok(());
        };
        let (all, of_tenant) = (queue.waiting(), queue.waiting_of(tenant));
        let (full, waiting) = if of_tenant >= per_tenant {
            (Queue::TenantCalls, of_tenant)
        } else if all >= per_resource {
            (Queue::ResourceCalls, all)
        } else {
            return Ok(());
        };
        Err(Refusal::Overloaded {
            queue: full,
            retry_after_ms: queue.retry_after_ms(waiting),
        })
    }

    fn wait(&mut self, call: Call, caller: &Caller, step: &mut Step) {
        let id = self.next_call();
        let deadline = self.now.plus(time_of(&call));
        let attained = self.live.turns.get_mut(&call.turn).map_or(0, |turn| {
            turn.calls.insert(id);
            turn.attained
        });
        let [_, tenant, _] = caller.accounts;
        let cost = matches!(call.resource, Resource::Model(_)).then_some(call.reserve_tokens);
        let claim = Claim {
            id,
            lane: caller.lane,
            tenant,
            attained,
            cost,
        };
        let queue = self
            .live
            .scheduler
            .calls_or_new(&call.resource, &self.limits);
        let place = queue.push(claim, self.now);
        let concurrent = !call.kind.waits_for_a_turn();
        let reservations = &mut self.live.reservations;
        reservations.hold(caller.accounts, call.reserve_tokens, concurrent);
        reservations.hold_tokens(&caller.payers, call.reserve_tokens);
        self.live.timers.set(Timer::Call(id), deadline);
        self.live.tickets.insert(call.ticket, Holder::Call(id));
        if let Some(key) = &call.key {
            self.live
                .waiting_keys
                .insert((caller.instance, key.clone()), id);
        }
        let resource = call.resource.clone();
        let live = LiveCall {
            turn: call.turn,
            instance: caller.instance,
            kind: call.kind,
            target: call.target,
            resource: call.resource,
            body: call.body,
            key: call.key,
            repeatable: call.repeatable,
            peer: call.peer,
            aim: call.aim.map(|aim| Aimed::new(aim, self.now)),
            waits_for: None,
            tickets: vec![call.ticket],
            opened_by: call.ticket,
            accounts: caller.accounts,
            payers: caller.payers.clone(),
            held: call.reserve_tokens,
            seen: Usage::default(),
            deadline,
            timed: call.deadline_ms.is_some(),
            phase: CallPhase::Waiting(place),
        };
        self.live.calls.insert(id, live);
        self.dispatch_calls(&resource, step);
    }

    pub(super) fn next_call(&mut self) -> CallId {
        let id = CallId(self.live.next_call.max(self.state.next_call));
        self.live.next_call = id.0 + 1;
        id
    }
}
