//! Approvals: what waits for a person's word, and the word. Who may say it, the guard has decided before.

use std::{cmp::Reverse, sync::Arc};

use aion_abi::{
    approval::{Answer, Approval, Approvals, MAX_SHOWN, MAX_SHOWN_TOGETHER, Scope, Verdict},
    code::Code,
    date::UnixMillis,
    problem::Problem,
};
use aion_journal::FoundBody;
use aion_kernel::{ApprovalId, Date, Event, Unheard, Word};
use aion_serve::{Json, Path};
use axum::{Extension, extract::State, http::StatusCode};
use k8s_openapi::jiff::Timestamp;

use super::{
    Admin,
    access::Who,
    agents,
    answer::{Refused, stopped},
    held::ByKey,
};
use crate::{
    call::{answered, approval as told, shown, standing},
    shell::Handle,
};

/// A word counts until a date at most so far ahead, in milliseconds: a year.
const MAX_AHEAD_MS: u64 = 366 * 24 * 3_600_000;

type OfApproval = Path<(String, String, u64)>;

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    by: ByKey,
) -> Result<Json<Approvals>, Refused> {
    let all = read(&admin, Of::All).await?;
    Ok(Json(for_whom(&admin, &by, all)))
}

pub(super) async fn of_namespace(
    State(admin): State<Arc<Admin>>,
    Path(namespace): Path<String>,
    by: ByKey,
) -> Result<Json<Approvals>, Refused> {
    let all = read(&admin, Of::Namespace(namespace)).await?;
    let mut all = for_whom(&admin, &by, all);
    bound(&mut all.items);
    Ok(Json(all))
}

/// Those that are for who asks.
fn for_whom(admin: &Admin, by: &ByKey, mut all: Approvals) -> Approvals {
    all.items.retain(|it| admin.is_for(by, &it.agent));
    all.standing.retain(|it| admin.is_for(by, &it.agent));
    all
}

/// Leaves out requests of answered approvals beyond what a list shows: each approval by its number has it still. The room is first for
/// all that waits, then for the latest answers, in whichever order the items are.
fn bound(items: &mut [Approval]) {
    let bytes = |it: &Approval| it.shown.as_ref().map_or(0, |shown| shown.text.len());
    let waiting = items.iter().filter(|it| it.answered.is_none());
    let mut room = MAX_SHOWN_TOGETHER.saturating_sub(waiting.map(bytes).sum());
    let answered = items.iter_mut().filter_map(|it| {
        let at = it.answered.as_ref()?.at_ms.0;
        Some((Reverse((at, it.approval)), it))
    });
    let mut answered: Vec<_> = answered.collect();
    answered.sort_by_key(|(order, _)| *order);
    for (_, it) in answered {
        match room.checked_sub(bytes(it)) {
            Some(left) => room = left,
            None => it.shown = None,
        }
    }
}

pub(super) async fn of_agent(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
) -> Result<Json<Approvals>, Refused> {
    agents::known(&admin, &namespace, &agent)?;
    read(&admin, Of::Agent(namespace, agent)).await.map(Json)
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    Path(approval): Path<u64>,
    by: ByKey,
) -> Result<Json<Approval>, Refused> {
    let found = one(&admin, ApprovalId(approval), None).await?;
    match admin.is_for(&by, &found.0.agent) {
        true => shown_one(found).await,
        false => Err(unheard(ApprovalId(approval), &Unheard::Unknown).into()),
    }
}

pub(super) async fn get_of_agent(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, approval)): OfApproval,
) -> Result<Json<Approval>, Refused> {
    let whose = format!("{namespace}/{agent}");
    shown_one(one(&admin, ApprovalId(approval), Some(&whose)).await?).await
}

/// An approval, and where the journal has its request.
type Found = (Approval, Option<FoundBody>);

/// Whose approvals are listed.
enum Of {
    All,
    Namespace(String),
    Agent(String, String),
}

impl Of {
    fn has(&self, tenant: &aion_kernel::Name, agent: &aion_kernel::Name) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(namespace) => tenant.as_str() == namespace,
            Self::Agent(namespace, name) => (tenant.as_str(), agent.as_str()) == (namespace, name),
        }
    }
}

/// Whose an approval is, or was, while a word of it stands, as `namespace/agent`; `None` where there is none.
pub(super) async fn whose(shell: &Handle, approval: ApprovalId) -> Option<String> {
    let read = shell.look(move |kernel| {
        let state = kernel.state();
        if let Some(row) = state.approval(approval) {
            return Some(told(approval, row).agent);
        }
        let mut words = state.standing_words();
        let found = words.find(|(id, _)| *id == approval);
        found.map(|(id, word)| standing(id, word).agent)
    });
    read.await?
}

async fn read(admin: &Admin, of: Of) -> Result<Approvals, Refused> {
    let today = Date(admin.clock.read().date.0);
    let read = admin.shell.look_with_bodies(move |kernel, find| {
        let wanted = |tenant: &aion_kernel::Name, agent: &aion_kernel::Name| of.has(tenant, agent);
        let state = kernel.state();
        let rows = state.approvals();
        let rows = rows.filter(|(_, row)| wanted(&row.tenant, &row.agent));
        let (pending, closed): (Vec<_>, Vec<_>) = rows.partition(|(_, row)| row.is_pending());
        let rows = pending.into_iter().chain(closed.into_iter().rev());
        let items: Vec<Found> = rows
            .map(|(id, row)| (told(id, row), find(row.body.digest)))
            .collect();
        let words = state.standing_words();
        let words =
            words.filter(|(_, word)| word.until > today && wanted(&word.tenant, &word.agent));
        let standing: Vec<_> = words.map(|(id, word)| standing(id, word)).collect();
        (items, standing)
    });
    let (items, standing) = read.await.ok_or_else(stopped)?;
    Ok(Approvals {
        items: with_requests(items).await?,
        standing,
    })
}

async fn shown_one(found: Found) -> Result<Json<Approval>, Refused> {
    let mut read = with_requests(vec![found]).await?;
    let one = read.pop();
    one.map(Json)
        .ok_or_else(|| Refused::internal("an approval was lost while its request was read"))
}

/// Reads as much of each request as is shown: from the disk, and so not where the kernel works.
async fn with_requests(found: Vec<Found>) -> Result<Vec<Approval>, Refused> {
    let read = tokio::task::spawn_blocking(move || {
        let with_request = |(approval, body): Found| {
            let shown = body.and_then(|body| {
                let part = body.begin(MAX_SHOWN).ok()?;
                Some(shown(&part, body.size()))
            });
            Approval { shown, ..approval }
        };
        found.into_iter().map(with_request).collect()
    });
    read.await.map_err(|why| Refused::internal(why.to_string()))
}

pub(super) async fn answer(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, approval)): OfApproval,
    Extension(who): Extension<Who>,
    by: ByKey,
    Json(answer): Json<Answer>,
) -> Result<Json<Approval>, Refused> {
    let approval = ApprovalId(approval);
    let whose = format!("{namespace}/{agent}");
    let found = one(&admin, approval, Some(&whose)).await?;
    is_of(&answer, &found.0)?;
    let today = Date(admin.clock.read().date.0);
    let yes = scope(&answer, today)?;
    lasts(yes, by.as_ref().map(|Extension(holder)| holder.expires))?;
    let ticket = admin.shell.ticket();
    let by = aion_kernel::Name::from(who.0);
    let event = Event::Answer {
        ticket,
        approval,
        yes,
        by: by.clone(),
    };
    let taken = admin.shell.word(ticket, event).await?;
    taken.map_err(|why| unheard(approval, &why))?;
    let said = aion_kernel::Answered {
        word: yes.map_or(Word::Denied, |scope| Word::Approved { scope }),
        by: Some(by),
        at: today,
    };
    shown_one(with_word(found, &said)).await
}

/// The approval as it is now that the word was taken. Its row may be gone by then: its turn ended, or its instance.
fn with_word((approval, body): Found, said: &aion_kernel::Answered) -> Found {
    let answered = Some(answered(said));
    (
        Approval {
            answered,
            ..approval
        },
        body,
    )
}

/// Numbers are each node's own: whoever was shown an approval of another node, or of a node before it was made anew,
/// says nothing about this one.
fn is_of(answer: &Answer, asked: &Approval) -> Result<(), Problem> {
    let same = (answer.turn, answer.digest.as_str()) == (asked.turn, asked.digest.as_str());
    match same {
        true => Ok(()),
        false => Err(Problem::new(
            Code::Changed,
            format!(
                "approval {} of this node is about something else than was shown",
                asked.approval
            ),
        )
        .remedy("look at it, and answer with its turn and digest: aionctl approvals show ID")),
    }
}

pub(super) async fn revoke(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, approval)): OfApproval,
    Extension(who): Extension<Who>,
) -> Result<StatusCode, Refused> {
    let whose = format!("{namespace}/{agent}");
    revoked(&admin, ApprovalId(approval), whose, who).await
}

pub(super) async fn revoke_one(
    State(admin): State<Arc<Admin>>,
    Path(approval): Path<u64>,
    Extension(who): Extension<Who>,
    by: ByKey,
) -> Result<StatusCode, Refused> {
    let approval = ApprovalId(approval);
    let whose = whose(&admin.shell, approval).await;
    let whose = whose.filter(|whose| admin.is_for(&by, whose));
    let whose = whose.ok_or_else(|| not_standing(approval))?;
    revoked(&admin, approval, whose, who).await
}

/// Takes the word back that was given for an approval of this agent.
async fn revoked(
    admin: &Admin,
    approval: ApprovalId,
    whose: String,
    who: Who,
) -> Result<StatusCode, Refused> {
    let ticket = admin.shell.ticket();
    let read = admin.shell.look(move |kernel| {
        let mut words = kernel.state().standing_words();
        words.any(|(id, word)| id == approval && standing(id, word).agent == whose)
    });
    if !read.await.ok_or_else(stopped)? {
        return Err(not_standing(approval).into());
    }
    let event = Event::Revoke {
        ticket,
        approval,
        by: who.0.into(),
    };
    let taken = admin.shell.word(ticket, event).await?;
    taken.map_err(|_| not_standing(approval))?;
    Ok(StatusCode::NO_CONTENT)
}

fn not_standing(approval: ApprovalId) -> Problem {
    let what = format!("this agent has no standing approval {approval}");
    Problem::new(Code::NotFound, what).remedy("see those that stand: aionctl approvals")
}

/// An approval, where an agent is named of that: another's is not told of.
async fn one(admin: &Admin, approval: ApprovalId, whose: Option<&str>) -> Result<Found, Refused> {
    let read = admin.shell.look_with_bodies(move |kernel, find| {
        let row = kernel.state().approval(approval)?;
        Some((told(approval, row), find(row.body.digest)))
    });
    let found = read.await.ok_or_else(stopped)?;
    let found = found.filter(|(it, _)| whose.is_none_or(|whose| it.agent == whose));
    found.ok_or_else(|| unheard(approval, &Unheard::Unknown).into())
}

/// What a yes is to; `None` is a no.
fn scope(answer: &Answer, today: Date) -> Result<Option<aion_kernel::Scope>, Problem> {
    let bad = |what: &str| Err(Problem::new(Code::BadRequest, what));
    match (answer.verdict, answer.scope, answer.until_ms) {
        (Verdict::Deny, Scope::Once, None) => Ok(None),
        (Verdict::Deny, ..) => bad("a no is to this call: it has no scope and no date"),
        (Verdict::Approve, Scope::Once, None) => Ok(Some(aion_kernel::Scope::Once)),
        (Verdict::Approve, Scope::Turn, None) => Ok(Some(aion_kernel::Scope::Turn)),
        (Verdict::Approve, Scope::Until, Some(until)) => {
            if until.0.saturating_sub(today.0) > MAX_AHEAD_MS {
                return bad("a standing approval lasts a year at most");
            }
            let date = Date(until.0);
            Ok(Some(aion_kernel::Scope::Until { date }))
        }
        (Verdict::Approve, Scope::Until, None) => {
            bad("untilMs is missing: it says until when the approval counts")
        }
        (Verdict::Approve, _, Some(_)) => bad("untilMs is for the scope until"),
    }
}

/// What is said by a key counts no longer than the key does.
fn lasts(yes: Option<aion_kernel::Scope>, key: Option<UnixMillis>) -> Result<(), Problem> {
    let Some(ends) = key else {
        return Ok(());
    };
    match yes {
        Some(aion_kernel::Scope::Until { date: until }) if until.0 > ends.0 => {
            let ends = date(ends);
            let what = format!(
                "the key is valid until {ends}, and what it approves is valid no longer than that"
            );
            Err(Problem::new(Code::BadRequest, what).remedy("say an earlier untilMs"))
        }
        _ => Ok(()),
    }
}

fn unheard(approval: ApprovalId, why: &Unheard) -> Problem {
    match why {
        Unheard::Unknown => Problem::new(Code::NotFound, format!("approval {approval}: {why}"))
            .remedy("list those that wait: aionctl approvals"),
        Unheard::Answered(by) => {
            let said = answered(by);
            let who = said.by.as_deref().map(|by| format!(" by {by}"));
            let detail = format!(
                "approval {approval} is {}{} since {}",
                said.word.as_str(),
                who.unwrap_or_default(),
                date(said.at_ms),
            );
            Problem::new(Code::AlreadyAnswered, detail)
        }
        Unheard::Once => Problem::new(Code::BadRequest, why.to_string())
            .remedy("say yes without --turn and --always, or no"),
        Unheard::Past => Problem::new(Code::BadRequest, why.to_string()),
        Unheard::TooMany => Problem::new(Code::Overloaded, why.to_string())
            .remedy("take back some that stand: aionctl approvals revoke ID"),
    }
}

fn date(at: UnixMillis) -> String {
    let at = i64::try_from(at.0).ok();
    let at = at.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| "then".to_owned(), |at| format!("{at:.0}"))
}

#[cfg(test)]
#[path = "approvals_tests.rs"]
mod tests;
