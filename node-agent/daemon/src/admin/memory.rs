//! What an agent remembers: listed, looked up and forgotten for people, as far as the agent itself may.

use std::sync::Arc;

use aion_abi::{
    code::Code,
    memory::{MAX_BYTES, MAX_PAGE, PAGE, Page, Wanted},
    problem::Problem,
    syscall::memory::{ForgetRequest, ForgetResponse, Hit, RecallRequest, RecallResponse},
};
use aion_drivers::memory::{Pool, Tier};
use aion_kernel::{Kind, Name, Verdict};
use aion_serve::{Json, Path, Query};
use axum::{Extension, extract::State};

use super::{Admin, access::Who, agents, answer::Refused, page};
use crate::dispatch::pool;

/// What is found for a query, best first; without one, everything, newest first.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page>, Refused> {
    let limit = page::limit(wanted.limit, PAGE, MAX_PAGE)?;
    let after = wanted.after.unwrap_or_default();
    let pool = pool_of(&admin, &namespace, &agent, Kind::MemoryRecall).await?;
    let request = RecallRequest {
        query: wanted.query.unwrap_or_default(),
        k: limit,
        collection: wanted.collection,
        attributes: Default::default(),
        ids: Vec::new(),
        offset: after,
    };
    let found = admin.memory.recall(&pool, request).await?;
    Ok(Json(cut(found, after, limit)))
}

/// One item, by its id.
pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, item)): Path<(String, String, String)>,
) -> Result<Json<Hit>, Refused> {
    let pool = pool_of(&admin, &namespace, &agent, Kind::MemoryRecall).await?;
    let request = RecallRequest {
        query: String::new(),
        k: 1,
        collection: None,
        attributes: Default::default(),
        ids: vec![item],
        offset: 0,
    };
    let mut found = admin.memory.recall(&pool, request).await?;
    let found = found.hits.pop();
    found
        .map(Json)
        .ok_or_else(|| Refused::not_found(format!("agent {agent} remembers no such item")))
}

/// Forgets one item. One that is not there is not an error.
pub(super) async fn forget(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, item)): Path<(String, String, String)>,
    Extension(Who(who)): Extension<Who>,
) -> Result<Json<ForgetResponse>, Refused> {
    let pool = pool_of(&admin, &namespace, &agent, Kind::MemoryForget).await?;
    let ids = vec![item.clone()];
    let forgotten = admin
        .memory
        .forget(&pool, ForgetRequest::Ids { ids })
        .await?;
    if forgotten.forgotten > 0 {
        tracing::info!(%namespace, %agent, ?item, %who, "an item of an agent's memory was forgotten for a person");
    }
    Ok(Json(forgotten))
}

/// The part of a pool that is the agent's, where its own rights let it do this without asking a person.
async fn pool_of(admin: &Admin, namespace: &str, agent: &str, kind: Kind) -> Result<Pool, Refused> {
    agents::known(admin, namespace, agent)?;
    let instance = agents::ready(admin, namespace, agent)?;
    let pool = pool(&instance, Tier::Long)?;
    // Grants name the pool, as the syscall does.
    let target = Name::from(pool.id.pool.as_str());
    let verdicts = agents::verdicts(admin, instance.uid).await?;
    let may_not = match verdicts.of(kind, Some(&target)) {
        Verdict::Allow => return Ok(pool),
        Verdict::Ask => "asks a person each time that it wants to",
        Verdict::Deny => "itself may not",
    };
    let what = format!("agent {agent} {may_not} {}", kind.as_str());
    let remedy = "allow it under spec.permissions of the Agent and in its policy";
    Err(Problem::new(Code::Denied, what).remedy(remedy).into())
}

/// The page, no larger than one may be.
fn cut(found: RecallResponse, after: u32, limit: u32) -> Page {
    let RecallResponse {
        hits,
        method,
        degraded,
    } = found;
    let is_full = hits.len() as u64 >= u64::from(limit);
    let (items, is_cut) = page::within(hits, MAX_BYTES, bytes);
    let behind = after.saturating_add(u32::try_from(items.len()).unwrap_or(limit));
    Page {
        next: (is_full || is_cut).then_some(behind),
        items,
        method,
        degraded,
    }
}

fn bytes(hit: &Hit) -> usize {
    let attributes = hit.attributes.iter();
    let attributes: usize = attributes.map(|(key, value)| key.len() + value.len()).sum();
    hit.id.len() + hit.collection.len() + hit.text.len() + attributes
}

#[cfg(test)]
mod tests {
    use aion_abi::{date::UnixMillis, syscall::memory::Method};

    use super::*;

    fn found(sizes: &[usize]) -> RecallResponse {
        let hit = |size: &usize| Hit {
            id: String::new(),
            text: "x".repeat(*size),
            collection: String::new(),
            attributes: Default::default(),
            score: 0.0,
            stored_at_ms: UnixMillis(0),
        };
        RecallResponse {
            hits: sizes.iter().map(hit).collect(),
            method: Method::Listing,
            degraded: None,
        }
    }

    #[test]
    fn a_page_is_bounded_in_bytes_and_says_where_the_next_begins() {
        let page = |sizes: &[usize], after, limit| {
            let page = cut(found(sizes), after, limit);
            (page.items.len(), page.next)
        };
        assert_eq!(page(&[1, 1], 0, 3), (2, None));
        assert_eq!(page(&[1, 1, 1], 5, 3), (3, Some(8)));
        let half = MAX_BYTES / 2;
        assert_eq!(page(&[half, half, 1], 5, 4), (2, Some(7)));
        assert_eq!(page(&[MAX_BYTES + 1, 1], 0, 4), (1, Some(1)));
        assert_eq!(page(&[], 9, 4), (0, None));
    }
}
