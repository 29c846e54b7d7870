//! Syscalls that were made, told from the journal: newest first, a bounded part of it each time.

mod walk;

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, LazyLock},
};

use aion_abi::{
    audit::{Audit, Entry, Missing, Place, State as Became},
    code::Code,
    date::UnixMillis,
    page::{MAX_ROWS, Part, ROWS},
    problem::Problem,
};
use aion_kernel::{CallId, Millis, Outcome, State as Kept, TurnId};
use aion_serve::{Json, Path, Query};
use axum::extract::State;

use self::walk::{BOUNDS, Ended, Found, Made, Walk, Walked};
use super::{
    Admin, agents,
    answer::{Refused, stopped},
    held::ByKey,
    page,
};
use crate::{
    call::{capability, refusal},
    lanes::Lanes,
    shell::journal_folder,
};

/// So many read the journal at once; more wait.
static READERS: LazyLock<Lanes<()>> = LazyLock::new(|| Lanes::new(2));

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
            Problem::new(Code::BadRequest, why.to_string()).remedy("use next of the page before")
        })?),
        None => None,
    };
    // Before the journal is read: what ends meanwhile went on, and is not told as lost.
    let running = admin.shell.look(|kernel| Running::of(kernel.state()));
    let running = running.await.ok_or_else(stopped)?;
    let dir = journal_folder(&admin.home);
    let walk = move || {
        let walk = Walk {
            dir: &dir,
            turns: &turns,
            goes_on: |made: &Made| running.goes_on(made.call, made.at),
            bounds: BOUNDS,
        };
        let walked = walk.back(before, limit as usize);
        walked.map(|it| (it, running))
    };
    let (walked, running) = reading(&READERS, walk)
        .await?
        .map_err(|why| Refused::internal(format!("the journal cannot be read: {why}")))?;
    let Walked {
        calls,
        next,
        missing,
    } = walked;
    if missing.contains(&Missing::Unreadable) {
        tracing::warn!("a part of the journal could not be read back for an audit");
    }
    let items = admin.shell.look(move |kernel| {
        let state = kernel.state();
        let entry = |(_, made): (usize, Made)| {
            let at_ms = UnixMillis(state.date_of(made.at).0);
            let goes_on = running.goes_on(made.call, made.at);
            entry(made, at_ms, goes_on)
        };
        calls.into_iter().map(entry).collect()
    });
    let items = items.await.ok_or_else(stopped)?;
    Ok(Json(Audit {
        items,
        next: next.map(|it| it.to_string()),
        missing,
    }))
}

/// What ran at a moment.
struct Running {
    calls: HashSet<CallId>,
    at: Option<Millis>,
}

impl Running {
    fn of(state: &Kept) -> Self {
        Self {
            calls: state.calls().map(|(call, _)| call).collect(),
            at: state.latest().map(|it| it.at),
        }
    }

    /// Whether a call ran then, or was started later.
    fn goes_on(&self, call: CallId, at: Millis) -> bool {
        self.calls.contains(&call) || self.at.is_none_or(|then| at > then)
    }
}

/// Has `work` done on a thread for the disk. The place belongs to the work: who goes away does not free a thread that still reads.
async fn reading<T: Send + 'static>(
    readers: &Lanes<()>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    let place = readers.enter(()).await;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(place);
        done
    });
    done.await.map_err(|why| Refused::internal(why.to_string()))
}

fn entry(made: Made, at_ms: UnixMillis, goes_on: bool) -> Entry {
    let (state, why, ended) = match made.found {
        Found::Refused(refused) => (Became::Refused, Some(refusal::problem(&refused)), None),
        Found::Served => (Became::Done, None, None),
        Found::Started(None) if goes_on => (Became::Running, None, None),
        Found::Started(None) => (Became::Unknown, Some(not_found()), None),
        Found::Started(Some(ended)) => {
            let (state, why) = match &ended.outcome {
                Outcome::Ok { .. } => (Became::Done, None),
                Outcome::Unknown => (Became::Unknown, Some(refusal::ended(&ended.outcome))),
                other => (Became::Failed, Some(refusal::ended(other))),
            };
            (state, why, Some(ended))
        }
    };
    // A driver's words may repeat what it was given, or what another program answered.
    let by_driver = matches!(&ended, Some(it) if matches!(it.outcome, Outcome::Failed(_)));
    let (code, because) = why.map(|it| (it.code, it.detail)).unzip();
    Entry {
        at_ms,
        call: made.call.0,
        turn: made.turn.0,
        capability: capability(made.kind, made.target.as_ref()),
        state,
        code,
        because: because.filter(|_| !by_driver),
        elapsed_ms: ended.as_ref().map(|it| it.at.since(made.at)),
        tokens: ended.map_or(0, |it: Ended| it.tokens),
    }
}

fn not_found() -> Problem {
    let what = "it ended further on in the journal than is looked for, or where it cannot be read";
    Problem::new(Code::OutcomeUnknown, what)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc;

    use aion_kernel::{Failure, Kind, Refusal};
    use futures::FutureExt;

    use super::*;

    fn told(found: Found, goes_on: bool) -> Entry {
        let made = Made::example(found);
        entry(made, UnixMillis(9), goes_on)
    }

    fn ended(outcome: Outcome) -> Found {
        Found::Started(Some(Ended {
            outcome,
            tokens: 3,
            at: Millis(107),
        }))
    }

    #[test]
    fn an_entry_says_what_became_of_it() {
        let done = told(ended(Outcome::Ok { body: None }), false);
        assert_eq!((done.state, done.code), (Became::Done, None));
        assert_eq!((done.elapsed_ms, done.tokens), (Some(7), 3));
        assert_eq!(done.capability, Kind::FsRead.as_str());
        let runs = told(Found::Started(None), true);
        assert_eq!((runs.state, runs.code), (Became::Running, None));
        let lost = told(Found::Started(None), false);
        assert_eq!(lost.state, Became::Unknown);
        assert_eq!(lost.code, Some(Code::OutcomeUnknown));
        let refused = told(Found::Refused(Refusal::Denied { rule: None }), false);
        assert_eq!(refused.state, Became::Refused);
        assert!(refused.because.unwrap().contains("no rule allows"));
    }

    #[test]
    fn of_what_failed_the_drivers_words_are_not_told() {
        let failure = Failure {
            code: "not-found".into(),
            detail: "docs/secret.md does not exist".into(),
        };
        let failed = told(ended(Outcome::Failed(failure)), false);
        assert_eq!(failed.state, Became::Failed);
        assert_eq!((failed.code, failed.because), (Some(Code::NotFound), None));
        let late = told(ended(Outcome::DeadlineExceeded), false);
        assert!(late.because.unwrap().contains("deadline"));
    }

    #[test]
    fn what_ran_or_began_later_goes_on() {
        let running = Running {
            calls: [CallId(7)].into(),
            at: Some(Millis(100)),
        };
        assert!(running.goes_on(CallId(7), Millis(5)));
        assert!(running.goes_on(CallId(2), Millis(101)));
        assert!(!running.goes_on(CallId(8), Millis(100)));
    }

    #[tokio::test]
    async fn who_goes_away_frees_no_place_of_work_that_goes_on() {
        let readers = Lanes::new(1);
        let (release, stuck) = mpsc::channel::<()>();
        let (begun, at_work) = tokio::sync::oneshot::channel();
        let work = move || (begun.send(()), stuck.recv());
        tokio::select! {
            biased;
            _ = reading(&readers, work) => unreachable!("it is stuck"),
            _ = at_work => {}
        }
        assert!(readers.enter(()).now_or_never().is_none());
        release.send(()).unwrap();
        assert_eq!(reading(&readers, || 7).await.ok(), Some(7));
    }
}
