//! Syscalls that were made, told from the journal: newest first, a bounded part of it each time.

mod walk;

use std::{collections::BTreeSet, sync::Arc};

use aion_abi::{
    audit::{Audit, Entry, Place, State as Became},
    code::Code,
    date::UnixMillis,
    page::{MAX_ROWS, Part, ROWS},
    problem::Problem,
};
use aion_kernel::{Outcome, TurnId};
use aion_serve::{Json, Path, Query};
use axum::extract::State;
use tokio::sync::Semaphore;

use self::walk::{Ended, Found, Made, Walked};
use super::{
    Admin, agents,
    answer::{Refused, stopped},
    held::ByKey,
    page,
};
use crate::{
    call::{capability, refusal},
    shell::journal_folder,
};

/// So many read the journal at once; more wait.
static READERS: Semaphore = Semaphore::const_new(2);

/// Of the turns of an agent that are kept; by a key, of those that it began.
pub(super) async fn of_agent(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
    Query(part): Query<Part>,
    by: ByKey,
) -> Result<Json<Audit>, Refused> {
    agents::known(&admin, &namespace, &agent)?;
    let mut turns = BTreeSet::new();
    for turn in admin.turns.numbers_of(&format!("{namespace}/{agent}")) {
        if admin.began(&by, turn).await {
            turns.insert(turn);
        }
    }
    told(&admin, turns, &part).await
}

/// Of one turn.
pub(super) async fn of_turn(
    State(admin): State<Arc<Admin>>,
    Path(turn): Path<u64>,
    Query(part): Query<Part>,
) -> Result<Json<Audit>, Refused> {
    let turn = TurnId(turn);
    if admin.turns.known(turn).is_none() {
        return Err(Refused::not_found(format!("there is no turn {turn}")));
    }
    told(&admin, [turn].into(), &part).await
}

async fn told(admin: &Admin, turns: BTreeSet<TurnId>, part: &Part) -> Result<Json<Audit>, Refused> {
    let limit = page::limit(part.limit, ROWS, MAX_ROWS)?;
    let before = match &part.after {
        Some(after) => Some(after.parse::<Place>().map_err(|why| {
            Problem::new(Code::BadRequest, why.to_string())
                .remedy("take it from next of the page before")
        })?),
        None => None,
    };
    let dir = journal_folder(&admin.home);
    let _turn = READERS.acquire().await;
    let walked =
        tokio::task::spawn_blocking(move || walk::back(&dir, &turns, before, limit as usize));
    let walked = walked
        .await
        .map_err(|why| Refused::internal(why.to_string()))?;
    let Walked { calls, next } =
        walked.map_err(|why| Refused::internal(format!("the journal cannot be read: {why}")))?;
    let items = admin.shell.look(move |kernel| {
        let state = kernel.state();
        let entry = |made: Made| {
            let at_ms = UnixMillis(state.date_of(made.at).0);
            let runs = state.call(made.call).is_some();
            entry(made, at_ms, runs)
        };
        calls.into_iter().map(entry).collect()
    });
    let items = items.await.ok_or_else(stopped)?;
    Ok(Json(Audit {
        items,
        next: next.map(|it| it.to_string()),
    }))
}

fn entry(made: Made, at_ms: UnixMillis, runs: bool) -> Entry {
    let (state, problem, ended) = match made.found {
        Found::Refused(refused) => (Became::Refused, Some(refusal::problem(&refused)), None),
        Found::Served => (Became::Done, None, None),
        Found::Started(None) if runs => (Became::Running, None, None),
        Found::Started(None) => (Became::Unknown, None, None),
        Found::Started(Some(ended)) => {
            let (state, problem) = match &ended.outcome {
                Outcome::Ok { .. } => (Became::Done, None),
                Outcome::Unknown => (Became::Unknown, Some(refusal::ended(&ended.outcome))),
                other => (Became::Failed, Some(refusal::ended(other))),
            };
            (state, problem, Some(ended))
        }
    };
    let (code, because) = problem.map(|it| (it.code, it.detail)).unzip();
    Entry {
        at_ms,
        call: made.call.0,
        turn: made.turn.0,
        capability: capability(made.kind, made.target.as_ref()),
        state,
        code,
        because,
        elapsed_ms: ended.as_ref().map(|it| it.at.since(made.at)),
        tokens: ended.map_or(0, |it: Ended| it.tokens),
    }
}
