//! Approvals: what waits for a person's word, and the word. Who may say it, the guard has decided before.

use std::sync::Arc;

use aion_abi::{
    approval::{Answer, Approval, Approvals, Scope, Verdict},
    code::Code,
    date::UnixMillis,
    problem::Problem,
};
use aion_kernel::{ApprovalId, Date, Event, Kernel, Unheard};
use aion_serve::{Json, Path};
use axum::{Extension, extract::State, http::StatusCode};
use k8s_openapi::jiff::Timestamp;

use super::{Admin, access::Who, agents, answer::Refused};
use crate::call::{answered, approval as told, standing};

/// A word counts until a date at most so far ahead, in milliseconds: a year.
const MAX_AHEAD_MS: u64 = 366 * 24 * 3_600_000;

type OfApproval = Path<(String, String, u64)>;

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Result<Json<Approvals>, Refused> {
    read(&admin, None).await
}

pub(super) async fn of_agent(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
) -> Result<Json<Approvals>, Refused> {
    agents::known(&admin, &namespace, &agent)?;
    read(&admin, Some((namespace, agent))).await
}

async fn read(admin: &Admin, of: Option<(String, String)>) -> Result<Json<Approvals>, Refused> {
    let today = Date(admin.clock.read().date.0);
    let read = admin.shell.look_with_bodies(move |kernel, body| {
        let wanted = |tenant: &aion_kernel::Name, agent: &aion_kernel::Name| {
            of.as_ref()
                .is_none_or(|(ns, name)| (tenant.as_str(), agent.as_str()) == (ns, name))
        };
        let state = kernel.state();
        let rows = || {
            let rows = state.approvals();
            rows.filter(|(_, row)| wanted(&row.tenant, &row.agent))
        };
        let pending = rows().filter(|(_, row)| row.is_pending());
        let pending = pending.map(|(id, row)| told(id, row, body(row.body.digest).as_deref()));
        let closed: Vec<_> = rows().filter(|(_, row)| !row.is_pending()).collect();
        let closed = closed
            .into_iter()
            .rev()
            .map(|(id, row)| told(id, row, None));
        let words = state.standing_words();
        let words =
            words.filter(|(_, word)| word.until > today && wanted(&word.tenant, &word.agent));
        Approvals {
            items: pending.chain(closed).collect(),
            standing: words.map(|(id, word)| standing(id, word)).collect(),
        }
    });
    read.await.map(Json).ok_or_else(stopped)
}

pub(super) async fn answer(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, approval)): OfApproval,
    Extension(who): Extension<Who>,
    Json(answer): Json<Answer>,
) -> Result<Json<Approval>, Refused> {
    let approval = ApprovalId(approval);
    let whose = format!("{namespace}/{agent}");
    let Json(_) = one(&admin, approval, &whose).await?;
    let yes = scope(&answer, Date(admin.clock.read().date.0))?;
    let ticket = admin.shell.ticket();
    let event = Event::Answer {
        ticket,
        approval,
        yes,
        by: who.0.into(),
    };
    admin
        .shell
        .word(ticket, event)
        .await?
        .map_err(|why| unheard(approval, &why))?;
    one(&admin, approval, &whose).await
}

pub(super) async fn revoke(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, approval)): OfApproval,
    Extension(who): Extension<Who>,
) -> Result<StatusCode, Refused> {
    let (approval, ticket) = (ApprovalId(approval), admin.shell.ticket());
    let whose = format!("{namespace}/{agent}");
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
    let what = format!("no word stands that was given for approval {approval} of this agent");
    Problem::new(Code::NotFound, what).remedy("aionctl approvals lists those that stand")
}

/// An approval of this agent: another's is not told of.
async fn one(admin: &Admin, approval: ApprovalId, whose: &str) -> Result<Json<Approval>, Refused> {
    let read = move |kernel: &Kernel| {
        let row = kernel.state().approval(approval)?;
        Some(told(approval, row, None))
    };
    let found = admin.shell.look(read).await.ok_or_else(stopped)?;
    let found = found.filter(|it| it.agent == whose);
    found
        .map(Json)
        .ok_or_else(|| unheard(approval, &Unheard::Unknown).into())
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
                return bad("a word counts for a year at most");
            }
            let date = Date(until.0);
            Ok(Some(aion_kernel::Scope::Until { date }))
        }
        (Verdict::Approve, Scope::Until, None) => bad("untilMs is missing: until when it counts"),
        (Verdict::Approve, _, Some(_)) => bad("untilMs is for the scope until"),
    }
}

fn unheard(approval: ApprovalId, why: &Unheard) -> Problem {
    match why {
        Unheard::Unknown => Problem::new(Code::NotFound, format!("approval {approval}: {why}"))
            .remedy("aionctl approvals lists those that wait"),
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

fn stopped() -> Refused {
    Refused::internal("the kernel has stopped")
}

#[cfg(test)]
#[path = "approvals_tests.rs"]
mod tests;
