//! What agents and their tenants used of their quotas.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aion_abi::{
    code::Code,
    page::{MAX_ROWS, Part, ROWS},
    problem::Problem,
    usage::{MAX_KEYS, Usage, UsageOf, UsageOfKey},
};
use aion_kernel::{Account, Kernel, Millis, Name, Quota, Used};
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
use crate::keys::Holder;

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
            let remedy = "use next of the page before";
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
    let keys = match part.after {
        None => keys(&admin, &by, within.as_deref(), now).await?,
        Some(_) => Vec::new(),
    };
    let most = match &by {
        Some(_) => LOOKED_AT,
        None => limit + 1,
    };
    let rows = admin
        .shell
        .look(move |kernel| rows(kernel, within, after, (now, most)));
    let (rows, is_whole) = rows.await.ok_or_else(stopped)?;
    let (rows, next) = cut(rows, is_whole, limit, |name| admin.is_for(&by, name));
    let (mut items, mut tenants, mut named) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (agent, tenant) in rows {
        if by.is_none() && named.insert(tenant.namespace.clone()) {
            tenants.push(of_tenant(&admin, tenant));
        }
        items.push(of_agent(&admin, agent));
    }
    Ok(Json(Usage {
        items,
        tenants,
        keys,
        next,
    }))
}

/// Keys with a budget, by name, and behind them the others whose tokens weigh still, who used most first; or the one that is asked by.
async fn keys(
    admin: &Admin,
    by: &ByKey,
    within: Option<&str>,
    now: Millis,
) -> Result<Vec<UsageOfKey>, Refused> {
    if let Some(Extension(by)) = by {
        return own(admin, by, now).await.map(|it| it.into_iter().collect());
    }
    let used = admin.shell.look(move |kernel| {
        let used = kernel.used_by_keys();
        let used = used.map(|it| (it.name.to_string(), it.tokens_in_window(now)));
        used.collect::<BTreeMap<_, _>>()
    });
    let mut used = used.await.ok_or_else(stopped)?;
    let named = admin.keys.list().items.into_iter();
    let named = named.filter_map(|it| {
        let tokens_in_hour = used.remove(&it.id).unwrap_or_default();
        let is_within = within.is_none_or(|within| it.made.scope.namespace == within);
        is_within.then_some(UsageOfKey {
            tokens_per_hour: Some(it.made.tokens_per_hour?),
            tokens_in_hour,
            name: Some(it.made.name),
            namespace: Some(it.made.scope.namespace),
            id: it.id,
        })
    });
    let mut keys: Vec<_> = named.collect();
    if within.is_none() {
        let mut others: Vec<_> = used.into_iter().collect();
        others.sort_by_key(|(_, tokens)| Reverse(*tokens));
        keys.extend(others.into_iter().map(|(id, tokens_in_hour)| UsageOfKey {
            id,
            tokens_in_hour,
            ..UsageOfKey::default()
        }));
    }
    keys.truncate(MAX_KEYS);
    Ok(keys)
}

/// What is told to who asks by a key, or by the token of an issuer: its own.
async fn own(admin: &Admin, by: &Holder, now: Millis) -> Result<Option<UsageOfKey>, Refused> {
    let Some(budget) = by.tokens_per_hour else {
        return Ok(None);
    };
    let id: Name = by.id.as_str().into();
    let used = admin
        .shell
        .look(move |kernel| Some(kernel.used_by_key(&id)?.tokens_in_window(now)));
    let used = used.await.ok_or_else(stopped)?;
    Ok(Some(UsageOfKey {
        id: by.id.clone(),
        name: admin.keys.name_of(&by.id).or_else(|| Some(by.name.clone())),
        namespace: Some(by.scope.namespace.clone()),
        tokens_in_hour: used.unwrap_or_default(),
        tokens_per_hour: Some(budget),
    }))
}

/// The rows that are shown, as many as `limit`, and where the next page begins: behind the last of them where another is shown
/// there, or behind the last that was looked at where that were not all.
fn cut(
    rows: Vec<(UsageOf, UsageOf)>,
    is_whole: bool,
    limit: usize,
    is_shown: impl Fn(&str) -> bool,
) -> (Vec<(UsageOf, UsageOf)>, Option<String>) {
    let (mut shown, mut last_shown, mut last) = (Vec::new(), None, None);
    for row in rows {
        let agent = row.0.agent.as_deref().unwrap_or_default();
        let name = format!("{}/{agent}", row.0.namespace);
        if is_shown(&name) {
            if shown.len() == limit {
                return (shown, last_shown);
            }
            shown.push(row);
            last_shown = Some(name.clone());
        }
        last = Some(name);
    }
    (shown, last.filter(|_| !is_whole))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_only_others_follow_there_is_no_next_page() {
        let row = |name: &str| {
            let agent = UsageOf {
                namespace: "home".into(),
                agent: Some(name.into()),
                ..UsageOf::default()
            };
            (agent, UsageOf::default())
        };
        let page = |is_whole, limit| {
            let rows = ["a", "b", "own", "own2", "z"].map(row).to_vec();
            let (rows, next) = cut(rows, is_whole, limit, |it| it.starts_with("home/own"));
            (rows.len(), next)
        };
        assert_eq!(page(true, 2), (2, None));
        assert_eq!(page(true, 1), (1, Some("home/own".into())));
        assert_eq!(page(false, 2), (2, Some("home/z".into())));
    }
}
