//! Lists of a namespace: the agents that somebody may see, read page by page, so many at most, and few lists at once, so that nobody has the
//! gateway hold more than it can, or ask the API server more than that answers to others.

use aion_abi::{code::Code, problem::Problem};
use aion_client::ClientError;
use futures::{StreamExt as _, TryFutureExt as _, TryStreamExt as _, stream};
use kube::api::ListParams;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    Caller, REVIEW,
    caller::{is_label, whole},
    in_time, silent,
};

/// So many agents are in one list.
const LISTED: usize = 5_000;
/// In JSON they are so long together.
const BYTES: usize = 16 << 20;
/// So many are looked at for who may ask some of a namespace only: each takes reviews of its own.
pub(super) const REVIEWED: usize = 256;
/// Reviews of one list at once.
pub(super) const AT_ONCE: usize = 16;
/// Agents of a list that come at once.
const PAGE: u32 = 100;

/// Lists under way. Those that take reviews keep nobody waiting who sees all of a namespace, and those that wait for nodes nobody who
/// waits for the API server.
pub(super) struct Lists {
    whole: Semaphore,
    reviewed: Semaphore,
    asked: Semaphore,
}

/// What a list takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Takes {
    /// All of a namespace, in memory.
    Whole,
    /// Reviews, one for each agent.
    Reviews,
    /// Answers of nodes.
    Nodes,
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            whole: Semaphore::new(2),
            reviewed: Semaphore::new(2),
            asked: Semaphore::new(2),
        }
    }
}

impl Lists {
    pub(super) async fn turn(&self, takes: Takes) -> Result<SemaphorePermit<'_>, Problem> {
        let which = match takes {
            Takes::Whole => &self.whole,
            Takes::Reviews => &self.reviewed,
            Takes::Nodes => &self.asked,
        };
        let turn = tokio::time::timeout(REVIEW, which.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| {
            Problem::new(Code::Overloaded, "many lists are made at once").retry_after_ms(5_000)
        })
    }
}

impl Caller {
    /// The agents of a namespace that this one may see and ask.
    pub(crate) async fn agents(&self, namespace: &str) -> Result<Vec<Value>, ClientError> {
        if !is_label(namespace) {
            let what = "this is not the name of a namespace";
            return Err(Problem::new(Code::BadRequest, what)
                .remedy("use ?namespace=NAME, or leave it out")
                .into());
        }
        let sees_all = self.sees((namespace, "")).await?;
        let takes = match sees_all {
            true => Takes::Whole,
            false => Takes::Reviews,
        };
        let _turn = self.cluster().lists.turn(takes).await?;
        if sees_all {
            return match self.listed(namespace, LISTED).await? {
                (all, true) => Ok(all),
                (_, false) => Err(too_large(namespace, "name the agent").into()),
            };
        }
        let (all, is_all) = self.listed(namespace, REVIEWED).await?;
        let seen = stream::iter(all).map(async |agent| {
            let name = agent["metadata"]["name"].as_str().unwrap_or_default();
            let sees = self.sees((namespace, name)).await?;
            Ok::<_, Problem>(sees.then_some(agent))
        });
        let seen = seen.buffered(AT_ONCE);
        let seen: Vec<_> = seen.try_filter_map(async |it| Ok(it)).try_collect().await?;
        // Whoever sees none is not told how many there are.
        match is_all || seen.is_empty() {
            true => Ok(seen),
            false => {
                let remedy =
                    "name the agent, or have somebody allow get and invoke on all of the namespace";
                Err(too_large(namespace, remedy).into())
            }
        }
    }

    /// So many of the first, and whether these are all.
    async fn listed(&self, namespace: &str, most: usize) -> Result<(Vec<Value>, bool), Problem> {
        let api = self.agents_of(namespace);
        let (mut all, mut bytes) = (Vec::new(), 0);
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let listed = api.list(&page).map_err(|it| silent("list agents", &it));
            let listed = in_time("list agents", listed).await?;
            for agent in listed.items {
                let agent = whole(agent);
                bytes += agent.to_string().len();
                if all.len() == most || bytes > BYTES {
                    return Ok((all, false));
                }
                all.push(agent);
            }
            page.continue_token = listed.metadata.continue_.filter(|it| !it.is_empty());
            if page.continue_token.is_none() {
                return Ok((all, true));
            }
        }
    }
}

pub(super) fn too_large(namespace: &str, remedy: &str) -> Problem {
    let what = format!("namespace {namespace} has more agents than are listed at once");
    Problem::new(Code::TooLarge, what).remedy(remedy)
}
