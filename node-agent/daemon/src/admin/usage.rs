//! What agents and their tenants used of their quotas.

use std::{collections::BTreeSet, sync::Arc};

use aion_abi::{
    code::Code,
    page::{MAX_ROWS, Part, ROWS},
    problem::Problem,
    usage::{Usage, UsageOf},
};
use aion_kernel::{Account, Kernel, Millis, Quota, Used};
use aion_policy::count;
use aion_serve::{Json, Query};
use axum::{Extension, extract::State};
use serde::Deserialize;

use super::{
    Admin,
    answer::{Refused, stopped},
    held::ByKey,
    page,
};

/// Agents that an answer looks at by a key, which passes over those that it is not for.
const LOOKED_AT: usize = 2_000;

#[derive(Deserialize)]
pub(super) struct Within {
    namespace: Option<String>,
}

pub(super) async fn usage(
    State(admin): State<Arc<Admin>>,
    Query(within): Query<Within>,
    Query(part): Query<Part>,
    by: ByKey,
) -> Result<Json<Usage>, Refused> {
    let limit = page::limit(part.limit, ROWS, MAX_ROWS)? as usize;
    let after = match part.after.as_deref().map(|it| it.split_once('/')) {
        None => None,
        Some(Some((namespace, agent))) => Some((namespace.to_owned(), agent.to_owned())),
        Some(None) => {
            let what = "after is not NAMESPACE/NAME";
            let remedy = "take it from next of the page before";
            return Err(Problem::new(Code::BadRequest, what).remedy(remedy).into());
        }
    };
    // A key is for one namespace.
    let of_key = by.as_ref().map(|Extension(it)| it.scope.namespace.clone());
    let within = match (within.namespace, of_key) {
        (Some(asked), Some(has)) if asked != has => return Ok(Json(Usage::default())),
        (Some(namespace), _) | (None, Some(namespace)) => Some(namespace),
        (None, None) => None,
    };
    let now = admin.clock.now();
    let most = match &by {
        Some(_) => LOOKED_AT,
        None => limit + 1,
    };
    let rows = admin
        .shell
        .look(move |kernel| rows(kernel, within, after, (now, most)));
    let (rows, is_whole) = rows.await.ok_or_else(stopped)?;
    let (mut items, mut tenants, mut next) = (Vec::new(), Vec::new(), None);
    let (mut named, mut last) = (BTreeSet::new(), None);
    for (agent, tenant) in rows {
        if items.len() == limit {
            next.clone_from(&last);
            break;
        }
        let name = format!(
            "{}/{}",
            agent.namespace,
            agent.agent.as_deref().unwrap_or_default()
        );
        if admin.is_for(&by, &name) {
            if by.is_none() && named.insert(tenant.namespace.clone()) {
                tenants.push(of_tenant(&admin, tenant));
            }
            items.push(of_agent(&admin, agent));
        }
        last = Some(name);
    }
    if next.is_none() && !is_whole {
        next = last;
    }
    Ok(Json(Usage {
        items,
        tenants,
        next,
    }))
}

/// Agents behind `after`, each with its tenant, as many as `most`; and whether they are all.
fn rows(
    kernel: &Kernel,
    within: Option<String>,
    after: Option<(String, String)>,
    (now, most): (Millis, usize),
) -> (Vec<(UsageOf, UsageOf)>, bool) {
    let start = within.clone().map(|namespace| (namespace, String::new()));
    let (namespace, agent) = after.max(start).unwrap_or_default();
    let used = kernel.used((&namespace, &agent));
    let mut used = used.take_while(|it| {
        within
            .as_deref()
            .is_none_or(|within| it.profile.tenant.as_str() == within)
    });
    let rows = used.by_ref().take(most).map(|it: Used<'_>| {
        let agent = of(it.agent, it.profile.quota, now);
        let tenant = of(it.tenant, it.quota, now);
        let namespace = it.profile.tenant.to_string();
        let agent = UsageOf {
            namespace: namespace.clone(),
            agent: Some(it.profile.agent.to_string()),
            ..agent
        };
        (
            agent,
            UsageOf {
                namespace,
                ..tenant
            },
        )
    });
    let rows = rows.collect();
    (rows, used.next().is_none())
}

fn of(account: &Account, quota: Quota, now: Millis) -> UsageOf {
    UsageOf {
        calls_in_minute: account.calls_in_window(now),
        calls_per_minute: quota.calls_per_minute,
        tokens_in_hour: account.tokens_in_window(now),
        tokens_per_hour: quota.tokens_per_hour,
        calls: account.total_calls,
        tokens: account.total_tokens,
        bytes: account.total_bytes,
        ..UsageOf::default()
    }
}

/// With what the kernel does not count.
fn of_agent(admin: &Admin, used: UsageOf) -> UsageOf {
    let agent = used.agent.as_deref().unwrap_or_default();
    let instances = admin.instances.of_agent(&used.namespace, agent);
    let cpu_millis = instances
        .first()
        .map(|it| u64::from(count(it.spec().limits.cpu_millis)));
    UsageOf {
        cpu_ms: admin.turns.cpu_ms(&format!("{}/{agent}", used.namespace)),
        cpu_millis,
        ..used
    }
}

fn of_tenant(admin: &Admin, used: UsageOf) -> UsageOf {
    UsageOf {
        cpu_ms: admin.turns.tenant_cpu_ms(&used.namespace),
        ..used
    }
}
