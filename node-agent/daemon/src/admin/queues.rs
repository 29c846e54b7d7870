//! What waits in the kernel, as numbers.

use std::{collections::BTreeMap, sync::Arc};

use aion_abi::{
    code::Code,
    page::{MAX_ROWS, Part, ROWS},
    problem::Problem,
    usage::{Lanes, MAX_TENANTS, QueueOf, Queues, Waiting},
};
use aion_kernel::{Lane, Name, Resource, Waits};
use aion_serve::{Json, Query};
use axum::extract::State;

use super::{
    Admin,
    answer::{Refused, stopped},
    held::ByKey,
    page,
};
use crate::shell::depths;

pub(super) async fn queues(
    State(admin): State<Arc<Admin>>,
    Query(part): Query<Part>,
    by: ByKey,
) -> Result<Json<Queues>, Refused> {
    if by.is_some() {
        // What waits may be others'.
        let what = "the queues are the whole node's, and a key is for agents";
        return Err(Problem::new(Code::Denied, what)
            .remedy("aionctl queues shows them")
            .into());
    }
    let limit = page::limit(part.limit, ROWS, MAX_ROWS)? as usize;
    let read = admin.shell.look(move |kernel| {
        let mut items: Vec<_> = kernel.queues().map(queue).collect();
        items.sort_by(|a, b| a.driver.cmp(&b.driver));
        if let Some(after) = part.after {
            items.retain(|it| it.driver > after);
        }
        let is_whole = items.len() <= limit;
        items.truncate(limit);
        let last = items.last().filter(|_| !is_whole);
        Queues {
            next: last.map(|it| it.driver.clone()),
            depths: depths(&kernel.load()),
            items,
        }
    });
    Ok(Json(read.await.ok_or_else(stopped)?))
}

fn queue(waits: Waits<'_>) -> QueueOf {
    let mut lanes = Lanes::default();
    let mut tenants: BTreeMap<&Name, u64> = BTreeMap::new();
    let mut waiting = 0;
    for (lane, tenant, count) in waits.waiting {
        let count = count as u64;
        *match lane {
            Lane::Realtime => &mut lanes.realtime,
            Lane::Interactive => &mut lanes.interactive,
            Lane::Batch => &mut lanes.batch,
            Lane::Background => &mut lanes.background,
        } += count;
        *tenants.entry(tenant).or_default() += count;
        waiting += count;
    }
    let mut tenants: Vec<_> = tenants.into_iter().collect();
    // Of equal ones the first by name.
    tenants.sort_by_key(|(_, waiting)| std::cmp::Reverse(*waiting));
    let tenants = tenants.into_iter().take(MAX_TENANTS);
    QueueOf {
        driver: driver(waits.resource),
        slots: waits.slots.into(),
        running: waits.running.into(),
        waiting,
        lanes,
        tenants: tenants
            .map(|(tenant, waiting)| Waiting {
                namespace: tenant.to_string(),
                waiting,
            })
            .collect(),
    }
}

fn driver(resource: Option<&Resource>) -> String {
    match resource {
        None => "workers".to_owned(),
        Some(Resource::Model(name)) => format!("model:{name}"),
        Some(Resource::Tool(name)) => format!("tool:{name}"),
        Some(Resource::Memory(name)) => format!("memory:{name}"),
        Some(Resource::Files(name)) => format!("files:{name}"),
        Some(Resource::Devices(name)) => format!("devices:{name}"),
        Some(Resource::Network(name)) => format!("network:{name}"),
        Some(Resource::Agent) => "agent".to_owned(),
        Some(Resource::Turns(turn)) => format!("turns of {turn}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_told_by_lane_and_by_those_tenants_that_wait_most() {
        let names: Vec<Name> = (0..30).map(|n| format!("t{n:02}").into()).collect();
        let model = Resource::Model("default/small".into());
        let waits = Waits {
            resource: Some(&model),
            slots: 2,
            running: 2,
            waiting: (names.iter().map(|name| (Lane::Batch, name, 1)))
                .chain([(Lane::Interactive, &names[29], 4)])
                .collect(),
        };
        let told = queue(waits);
        assert_eq!(told.driver, "model:default/small");
        assert_eq!(
            (told.waiting, told.lanes.batch, told.lanes.interactive),
            (34, 30, 4)
        );
        assert_eq!(told.tenants.len(), MAX_TENANTS);
        let first: Vec<_> = told
            .tenants
            .iter()
            .take(2)
            .map(|it| (&*it.namespace, it.waiting))
            .collect();
        assert_eq!(first, [("t29", 5), ("t00", 1)]);
    }
}
