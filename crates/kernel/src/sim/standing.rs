//! What must hold between any two events: nothing waits without reason or end.

use std::collections::BTreeMap;

use super::model::{Check, ensure};
use crate::{
    Guards, Kernel, Level, Millis, Phase, TurnId,
    live::{CallPhase, Holder, LiveCall},
    timers::Timer,
};

pub(super) fn check(kernel: &Kernel, now: Millis) -> Check {
    let Kernel {
        state,
        live,
        limits,
        ..
    } = kernel;
    ensure!(
        kernel.next_deadline().is_none_or(|at| at > now),
        "a deadline has passed unseen"
    );
    for (resource, queue) in live.scheduler.resources() {
        let slots = limits
            .resources
            .get(resource)
            .copied()
            .unwrap_or(limits.resource_default);
        ensure!(
            queue.waiting() == 0 || queue.busy() >= slots,
            "{resource:?} is idle and calls wait for it"
        );
        ensure!(!queue.is_idle(), "{resource:?} is unused and kept");
    }
    let workers = &live.scheduler.workers;
    let idle = workers.busy() < limits.worker_slots && !live.draining;
    ensure!(
        workers.waiting() == 0 || !idle,
        "workers are free and turns wait"
    );
    for (instance, queue) in &live.waiting_turns {
        let first = queue
            .front()
            .and_then(|turn| live.turns.get(turn))
            .ok_or("an empty queue is kept")?;
        let busy = state
            .instances
            .get(instance)
            .is_none_or(|row| row.turn.is_some());
        ensure!(
            busy != first.place.is_some(),
            "{instance} is idle and its turn asks for no worker"
        );
        // One more, a turn that a restart has put back, and those that waited for a person's word.
        let asked = limits.approvals as usize;
        ensure!(
            queue.len() <= limits.turns_per_instance as usize + 1 + asked,
            "too many turns wait for {instance}"
        );
    }
    for (id, row) in &state.turns {
        let timed = live.timers.is_set(Timer::Turn(*id));
        ensure!(
            timed || (row.phase.incarnation().is_none() && row.deadline.is_none()),
            "turn {id} has no end"
        );
        let parked = |it: &TurnId| {
            state
                .turns
                .get(it)
                .is_some_and(|it| it.phase == Phase::Parked)
        };
        ensure!(
            row.phase != Phase::Parked || state.is_asking(*id) || row.behind.iter().any(parked),
            "turn {id} waits for a word that nobody is asked for"
        );
        let has_slot = live
            .turns
            .get(id)
            .is_some_and(|turn| turn.slot.is_some() != turn.lends);
        ensure!(
            has_slot == row.phase.incarnation().is_some(),
            "turn {id} runs without a slot, or has one for nothing"
        );
    }
    for (instance, row) in state.instances.iter().filter(|(_, row)| row.retiring) {
        let stops = row
            .turn
            .and_then(|turn| state.turns.get(&turn))
            .is_some_and(|turn| turn.stopping.is_some());
        ensure!(stops, "{instance} is being removed and its worker runs on");
    }
    for (id, row) in state.approvals().filter(|(_, row)| row.is_pending()) {
        let timed = live.timers.is_set(Timer::Approval(id));
        ensure!(timed, "approval {id} is waited for without end");
        let of_turn = state.turns.contains_key(&row.turn);
        ensure!(of_turn, "approval {id} is asked for nobody");
    }
    for (id, call) in &live.calls {
        let pausing = |it| state.turns.get(it).is_some_and(|row| row.pausing);
        let held = matches!(call.phase, CallPhase::Held(..));
        ensure!(
            live.timers.is_set(Timer::Call(*id)) || (held && pausing(&call.turn)),
            "call {id} has no end"
        );
        let stops = matches!(call.phase, CallPhase::Stopping(..));
        ensure!(
            stops || !call.tickets.is_empty(),
            "call {id} runs for nobody"
        );
        let started = state.calls.contains_key(id);
        ensure!(
            started != matches!(call.phase, CallPhase::Waiting(_) | CallPhase::Held(..)),
            "call {id} runs without a fact, or waits with one"
        );
    }
    for (ticket, holder) in &live.tickets {
        let known = match holder {
            Holder::Call(call) => live
                .calls
                .get(call)
                .is_some_and(|call| call.tickets.contains(ticket)),
            Holder::Turn(turn) => live
                .turns
                .get(turn)
                .is_some_and(|turn| turn.ticket == Some(*ticket)),
        };
        ensure!(known, "ticket {ticket} waits for nothing");
    }
    for (id, account) in &state.accounts {
        let turns = state.turns.values();
        let of_key = turns.filter(|row| row.paid_by.is_some_and(|it| it.account == *id));
        ensure!(
            account.level != Level::Key || account.users as usize == of_key.count(),
            "the key {} has other turns than it is kept for",
            account.name
        );
        ensure!(
            account.parent.is_none()
                || account.users > 0
                || live.timers.is_set(Timer::Account(*id)),
            "{} is kept for ever",
            account.name
        );
    }
    for (device, armed) in state.watchdogs.iter() {
        let known = live.watch.guards(device).and_then(Guards::watchdog);
        let told = live.under_way.is_told(device);
        ensure!(
            known.is_none() || told || live.watchdogs.is_set(device.clone()),
            "{device} is never made safe"
        );
        ensure!(
            told || armed.doing().is_none(),
            "nobody makes {device} safe"
        );
    }
    at_once_within_quota(kernel)?;
    super::calling::check(kernel)?;
    ensure!(
        state.calls.keys().all(|id| live.calls.contains_key(id)),
        "a call in flight is forgotten"
    );
    Ok(())
}

/// No level has more calls at once than its quota allows.
fn at_once_within_quota(kernel: &Kernel) -> Check {
    let Kernel {
        state,
        live,
        limits,
        ..
    } = kernel;
    let mut at_once = BTreeMap::new();
    let holds = |call: &&LiveCall| {
        !matches!(call.phase, CallPhase::Held(..)) && !call.kind.waits_for_a_turn()
    };
    for call in live.calls.values().filter(holds) {
        for account in call.accounts {
            *at_once.entry(account).or_insert(0) += 1;
        }
    }
    for (id, count) in at_once {
        let account = state
            .accounts
            .get(&id)
            .ok_or("a call charges to no account")?;
        let quota = match account.level {
            Level::Cluster => Some(limits.cluster),
            Level::Tenant => Some(
                *limits
                    .tenants
                    .get(&account.name)
                    .unwrap_or(&limits.tenant_default),
            ),
            Level::Caller | Level::Key => None,
            Level::Agent => state
                .profiles
                .values()
                .find(|row| row.account == id)
                .map(|row| row.spec.quota),
        };
        let most = quota.and_then(|quota| quota.concurrency);
        ensure!(
            most.is_none_or(|most| count <= most),
            "{count} calls of {} at once",
            account.name
        );
    }
    Ok(())
}

/// When all is quiet nothing is held.
pub(super) fn nothing_is_left(kernel: &Kernel) -> Check {
    let Kernel { state, live, .. } = kernel;
    ensure!(
        live.calls.is_empty() && state.calls.is_empty(),
        "calls are left"
    );
    ensure!(
        live.turns.is_empty() && state.turns.is_empty(),
        "turns are left"
    );
    ensure!(
        live.waiting_turns.is_empty() && live.waiting_by_tenant.is_empty(),
        "waiting turns are left"
    );
    ensure!(
        live.waiting_keys.is_empty(),
        "keys of waiting calls are left"
    );
    ensure!(live.tickets.is_empty(), "tickets are left");
    ensure!(
        live.under_way.is_empty(),
        "devices are still told something"
    );
    ensure!(live.reservations.is_empty(), "reservations are left");
    ensure!(
        live.scheduler.resources().next().is_none(),
        "queues are left"
    );
    ensure!(live.scheduler.workers.is_idle(), "worker slots are left");
    Ok(())
}
