//! What agents of a namespace ask people, on all nodes that have some: each is asked with the caller's token, and judges what they may
//! see. One that does not tell is named.
//!
//! Few are asked at once, each for a while, and all together within a time, so that nobody has the gateway hold or wait for more than it can.

use std::{pin::pin, sync::Arc, time::Duration};

use aion_abi::{approval::Approvals, code::Code, problem::Problem};
use aion_client::{ClientError, MAX_LIST};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use tokio::time::{Instant, timeout_at};

use super::{
    Caller,
    caller::is_label,
    lists::{AT_ONCE, REVIEWED, Takes, too_large},
    table::Within,
};
use crate::{
    paged::{List, Rows, Silent},
    place::Place,
    unanswered::problem,
};

/// What it takes to see and to answer them, as nodes have it.
const APPROVE: &str = "approve";
/// Nodes that are asked at once, of whom each answers with 8 MiB at most for a namespace.
const NODES: usize = 4;
/// How long one of them has.
const ONE: Duration = Duration::from_secs(5);
/// How long all of them have.
const ALL: Duration = Duration::from_secs(20);

/// A node, and what it tells once it is asked.
type Asked<'a> = (Arc<str>, BoxFuture<'a, Result<Approvals, Problem>>);

impl Caller {
    /// A page of them, as far as this one may answer them: nothing where that is none.
    ///
    /// # Errors
    /// The API server does not say what they may, or no node tells anything.
    pub(crate) async fn approvals(&self, namespace: &str, rows: Rows) -> Result<List, ClientError> {
        if !is_label(namespace) {
            let what = "this is no name of a namespace";
            return Err(Problem::new(Code::BadRequest, what)
                .remedy("say one as ?namespace=NAME, or none")
                .into());
        }
        self.cluster().ready()?;
        let sees_all = self.may(APPROVE, (namespace, "")).await?;
        let _turn = self.cluster().lists.turn(Takes::Nodes).await?;
        let mut nodes = self.cluster().table.read().within(namespace);
        if !sees_all {
            self.keep_allowed(namespace, &mut nodes).await?;
        }
        let mut asked: Vec<Asked<'_>> = Vec::new();
        for within in nodes {
            let node = Arc::clone(&within.node);
            let told = async move { self.told(namespace, &within, sees_all).await };
            asked.push((node, told.boxed()));
        }
        Ok(gathered(asked, rows).await?)
    }

    /// Leaves of each node the agents that this one may answer for.
    async fn keep_allowed(&self, namespace: &str, nodes: &mut Vec<Within>) -> Result<(), Problem> {
        let _turn = self.cluster().lists.turn(Takes::Reviews).await?;
        let mut names: Vec<Box<str>> = nodes.iter().flat_map(|it| it.agents.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let is_all = names.len() <= REVIEWED;
        names.truncate(REVIEWED);
        let allowed = stream::iter(names).map(async |name| {
            let may = self.may(APPROVE, (namespace, &name)).await?;
            Ok::<_, Problem>(may.then_some(name))
        });
        let allowed = allowed.buffered(AT_ONCE);
        let allowed: Vec<_> = allowed
            .try_filter_map(async |it| Ok(it))
            .try_collect()
            .await?;
        // Whoever may answer for none is not told how many there are.
        if !is_all && !allowed.is_empty() {
            let remedy =
                "have somebody allow approve on all agents of the namespace, or name the approval";
            return Err(too_large(namespace, remedy));
        }
        for node in nodes.iter_mut() {
            node.agents.retain(|it| allowed.binary_search(it).is_ok());
        }
        nodes.retain(|it| !it.agents.is_empty());
        Ok(())
    }

    /// What a node tells: of all agents of the namespace, or of each of those that are named.
    async fn told(
        &self,
        namespace: &str,
        within: &Within,
        sees_all: bool,
    ) -> Result<Approvals, Problem> {
        let unasked = |why: &String| Problem::new(Code::Unreachable, why.clone());
        let place: &Place = within.place.as_ref().map_err(unasked)?;
        let place = self.of_mine(place.clone())?;
        if sees_all {
            return place.approvals_in(namespace).await.map_err(problem);
        }
        let (mut all, mut left) = (Approvals::default(), MAX_LIST);
        for agent in &within.agents {
            match place.approvals_of((namespace, agent), &mut left).await {
                Ok(some) => {
                    all.items.extend(some.items);
                    all.standing.extend(some.standing);
                }
                // It left meanwhile, and what it asked with it.
                Err(ClientError::Refused(it)) if it.code == Code::NotFound => {}
                Err(error) => return Err(problem(error)),
            }
        }
        Ok(all)
    }

    /// Where an approval is, and its number there.
    ///
    /// # Errors
    /// Nowhere, or the nodes that may have it do not say.
    pub(crate) async fn of_approval(&self, shown: u64) -> Result<(Place, u64), ClientError> {
        self.of_number(shown, "approval", async |place, own| {
            place.approval(own).await.map(|_| ())
        })
        .await
    }
}

/// What nodes tell, few at a time and within a time. One that does not is named.
///
/// # Errors
/// Some were asked, and none tells.
async fn gathered(nodes: Vec<Asked<'_>>, mut rows: Rows) -> Result<List, Problem> {
    let end = Instant::now() + ALL;
    let in_time = async |(node, asked): Asked<'_>| {
        let until = end.min(Instant::now() + ONE);
        let told = timeout_at(until, asked).await;
        (node, told.unwrap_or_else(|_| Err(late())))
    };
    let told: Vec<_> = nodes.into_iter().map(in_time).collect();
    let mut told = pin!(stream::iter(told).buffer_unordered(NODES));
    let (mut silent, mut first, mut is_told) = (Vec::new(), None, false);
    while let Some((node, told)) = told.next().await {
        match told {
            Ok(all) => {
                is_told = true;
                rows.add(all);
            }
            Err(why) => {
                silent.push(Silent::of(&node, &why));
                first.get_or_insert(why);
            }
        }
    }
    match first {
        Some(why) if !is_told => Err(none_told(why, &silent)),
        _ => Ok(rows.page(silent)),
    }
}

fn late() -> Problem {
    let what = format!(
        "it told nothing in {} s, or was not asked in the {} s that all have",
        ONE.as_secs(),
        ALL.as_secs()
    );
    Problem::new(Code::Unreachable, what)
}

/// As one node says it, where all that were asked say nothing.
fn none_told(mut why: Problem, silent: &[Silent]) -> Problem {
    let names: Vec<&str> = silent.iter().take(8).map(|it| it.node.as_str()).collect();
    let more = match silent.len() > names.len() {
        true => ", …",
        false => "",
    };
    why.detail = format!(
        "no node tells what agents ask ({}{more}): {}",
        names.join(", "),
        why.detail
    );
    why
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    type Told = BoxFuture<'static, Result<Approvals, Problem>>;

    fn tells() -> Told {
        Box::pin(std::future::ready(Ok(Approvals::default())))
    }

    fn is_silent() -> Told {
        Box::pin(std::future::pending())
    }

    fn refuses() -> Told {
        let why = Problem::new(Code::Denied, "they may not");
        Box::pin(std::future::ready(Err(why)))
    }

    async fn of(nodes: Vec<Told>) -> Result<List, Problem> {
        let rows = Rows::new(&serde_json::from_str("{}").unwrap()).unwrap();
        let named = nodes.into_iter().enumerate();
        let named = named.map(|(at, told)| (Arc::from(format!("n{at}")), told));
        gathered(named.collect(), rows).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_does_not_tell_is_named_and_holds_up_nobody_for_long() {
        let begun = Instant::now();
        let list = of(vec![is_silent(), tells(), refuses(), tells()]).await;
        let silent = list.unwrap().silent;
        let named: Vec<_> = silent.iter().map(|it| (&*it.node, it.code)).collect();
        assert_eq!(named, [("n0", Code::Unreachable), ("n2", Code::Denied)]);
        assert_eq!(begun.elapsed(), ONE);
    }

    #[tokio::test(start_paused = true)]
    async fn many_that_do_not_tell_have_a_time_together() {
        let begun = Instant::now();
        let mut nodes = vec![tells()];
        nodes.extend((0..100).map(|_| is_silent()));
        let list = of(nodes).await.unwrap();
        assert_eq!(list.silent.len(), 100);
        assert_eq!(begun.elapsed(), ALL);
    }

    #[tokio::test]
    async fn where_none_tells_the_list_is_refused_as_a_node_refuses_it() {
        let refused = of(vec![refuses(), refuses()]).await.unwrap_err();
        assert_eq!(refused.code, Code::Denied);
        assert!(refused.detail.contains("n0, n1"), "{refused}");
        assert!(refused.detail.contains("they may not"), "{refused}");
        // No node has agents of the namespace.
        assert!(of(Vec::new()).await.unwrap().silent.is_empty());
    }
}
