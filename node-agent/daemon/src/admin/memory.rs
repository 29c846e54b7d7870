//! What an agent remembers: listed, looked up and forgotten for people, as far as the agent itself may.

use std::sync::Arc;

use aion_abi::{
    code::Code,
    memory::{MAX_BYTES, MAX_PAGE, PAGE, Page, Wanted},
    problem::Problem,
    syscall::memory::{
        ForgetRequest, ForgetResponse, Hit, MAX_SEARCH_OFFSET, RecallRequest, RecallResponse,
    },
};
use aion_drivers::memory::{Pool, Tier};
use aion_kernel::{Kind, Name, Verdict};
use aion_serve::{Json, Path, Query};
use axum::{Extension, extract::State};

use super::{Admin, access::Who, agents, answer::Refused, held::ByKey, page};
use crate::dispatch::pool;

/// What is found for a query, best first; without one, everything, newest first.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    by: ByKey,
) -> Result<Json<Page>, Refused> {
    let limit = page::limit(wanted.limit, PAGE, MAX_PAGE)?;
    let after = wanted.after.unwrap_or_default();
    let is_search = wanted
        .query
        .as_ref()
        .is_some_and(|it| !it.trim().is_empty());
    if is_search && after > MAX_SEARCH_OFFSET {
        let what = format!("after: a search is paged up to {MAX_SEARCH_OFFSET}");
        let problem = Problem::new(Code::BadRequest, what).remedy("ask more exactly");
        return Err(problem.into());
    }
    let pool = pool_of(&admin, (&namespace, &agent), Kind::MemoryRecall, &by).await?;
    let request = RecallRequest {
        query: wanted.query.unwrap_or_default(),
        k: limit,
        collection: wanted.collection,
        attributes: Default::default(),
        ids: Vec::new(),
        offset: after,
    };
    let found = admin.memory.recall(&pool, request).await?;
    let mut page = cut(found, after, limit);
    page.next = page
        .next
        .filter(|next| !is_search || *next <= MAX_SEARCH_OFFSET);
    Ok(Json(page))
}

/// One item, by its id.
pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent, item)): Path<(String, String, String)>,
    by: ByKey,
) -> Result<Json<Hit>, Refused> {
    let pool = pool_of(&admin, (&namespace, &agent), Kind::MemoryRecall, &by).await?;
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
    by: ByKey,
) -> Result<Json<ForgetResponse>, Refused> {
    let pool = pool_of(&admin, (&namespace, &agent), Kind::MemoryForget, &by).await?;
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
async fn pool_of(
    admin: &Admin,
    (namespace, agent): (&str, &str),
    kind: Kind,
    by: &ByKey,
) -> Result<Pool, Refused> {
    agents::known(admin, namespace, agent)?;
    let instance = agents::ready(admin, namespace, agent)?;
    let pool = pool(&instance, Tier::Long)?;
    if by.is_some() {
        is_its_own(&pool, agent)?;
    }
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

/// Of what stands in a pool that agents share nobody knows whose it was, and a key is not for the others.
fn is_its_own(pool: &Pool, agent: &str) -> Result<(), Problem> {
    if pool.owner.is_some() {
        return Ok(());
    }
    let what = format!(
        "agent {agent} shares memory pool {} with others, and a key sees and erases nothing there",
        pool.id.pool
    );
    let remedy = "ask with the gateway's own token, or use aionctl memory on the node";
    Err(Problem::new(Code::Denied, what).remedy(remedy))
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

    use aion_drivers::memory::{PoolId, PoolQuota};

    use super::*;

    #[test]
    fn by_a_key_a_pool_that_agents_share_is_refused_by_name() {
        let pool = |owner: Option<&str>| Pool {
            id: PoolId {
                tenant: aion_abi::tenant::Tenant::default(),
                pool: "notes".to_owned(),
                uid: "u".to_owned(),
            },
            tier: Tier::Long,
            backend: None,
            owner: owner.map(str::to_owned),
            quota: PoolQuota {
                max_items: None,
                max_bytes: None,
            },
            retention_days: None,
            embedding: None,
        };
        assert_eq!(is_its_own(&pool(Some("jarvis")), "jarvis"), Ok(()));
        let refused = is_its_own(&pool(None), "jarvis").err();
        let (code, what) = refused.map(|it| (it.code, it.detail)).unzip();
        assert_eq!(code, Some(Code::Denied));
        assert!(what.is_some_and(|it| it.contains("pool notes")));
    }

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
