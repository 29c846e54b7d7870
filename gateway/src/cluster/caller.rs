//! Who asks, in a cluster: what they may see, and where what they ask is asked.
//!
//! A question, a turn, a file: that the node judges, by the token. Lists are nobody's to judge but the gateway's, since no node
//! has all agents: it asks the cluster (SubjectAccessReview) whether they may read an agent and ask it.

use std::{fmt, sync::Arc};

use aion_abi::{code::Code, problem::Problem};
use aion_client::ClientError;
use aion_review::{Wanted, refused};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::authentication::v1::UserInfo;
use kube::{
    Api,
    api::{DynamicObject, ListParams},
};
use serde_json::Value;

use super::{Cluster, silent, table::Nowhere, watching::resource};
use crate::{
    numbers::{self, Tag},
    place::{Candidate, Key, Place, Places},
};

/// What an agent's name has to be one of for who may ask some of a namespace only: so many reviews are made for one list.
const REVIEWED: usize = 256;
/// Reviews of one list at once.
const AT_ONCE: usize = 16;
/// Agents of a list that come at once.
const PAGE: u32 = 250;
/// What is read of an agent, and what it takes to ask it: who may not do both is told of none.
const SEES: [&str; 2] = ["get", "invoke"];

/// See the module.
#[derive(Clone)]
pub(crate) struct Caller {
    cluster: Arc<Cluster>,
    who: Option<Arc<Who>>,
}

/// Somebody.
pub(super) struct Who {
    token: String,
    user: UserInfo,
}

impl Who {
    pub(super) fn new(token: &str, user: UserInfo) -> Self {
        Self {
            token: token.to_owned(),
            user,
        }
    }

    fn name(&self) -> &str {
        self.user.username.as_deref().unwrap_or_default()
    }
}

/// Says nothing of the token.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({})", self.name())
    }
}

impl Caller {
    pub(super) fn new(cluster: &Arc<Cluster>, who: Option<Who>) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            who: who.map(Arc::new),
        }
    }

    /// As the cluster calls them.
    pub(crate) fn name(&self) -> &str {
        self.who.as_deref().map_or("nobody", Who::name)
    }

    /// The namespace of a service account, whose agents are named without one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        of_account(self.name())
    }

    fn who(&self) -> Result<&Who, Problem> {
        self.who.as_deref().ok_or_else(|| {
            Problem::new(
                Code::BadSignature,
                "nobody says in whose name this is asked",
            )
        })
    }

    /// The same place, asked as whoever this is.
    fn of_mine(&self, mut place: Place) -> Result<Place, Problem> {
        let token = &self.who()?.token;
        place.node.address = place
            .node
            .address
            .asked_as(token)
            .map_err(|why| Problem::new(Code::BadSignature, why.to_string()))?;
        Ok(place)
    }

    /// Where a question to an agent is asked. Uploads are where they were given.
    pub(crate) async fn places(
        &self,
        agent: (&str, &str),
        key: Key<'_>,
        uploads: &[String],
    ) -> Result<Places, ClientError> {
        if !uploads.is_empty() {
            return Ok(Places::only(agent, self.of_uploads(uploads)?));
        }
        let found = self.cluster.table.read().candidates(agent, key);
        match found {
            Ok(candidates) => {
                let mine = candidates.into_iter().map(|it| {
                    Ok(Candidate {
                        place: self.of_mine(it.place)?,
                        ..it
                    })
                });
                Ok(Places::new(agent, mine.collect::<Result<_, Problem>>()?))
            }
            Err(nowhere) => Err(self.nowhere(agent, nowhere).await?.into()),
        }
    }

    /// Why an agent is asked nowhere, for who may ask it. No node judges that.
    async fn nowhere(&self, agent: (&str, &str), why: Nowhere) -> Result<Problem, ClientError> {
        let found = self.agent(agent.0, agent.1).await?;
        let name = agent.1;
        let remedy = format!("see the whole chain: aionctl --cluster why {name}");
        Ok(match why {
            Nowhere::Unreachable(why) => {
                let what = format!("agent {name} is on no node that can be asked: {why}");
                Problem::new(Code::Unreachable, what).remedy(remedy)
            }
            Nowhere::NoInstance => {
                let conditions = found["status"]["conditions"].as_array();
                let ready = conditions
                    .into_iter()
                    .flatten()
                    .find(|it| it["type"] == "Ready");
                let why = ready.and_then(|it| it["message"].as_str());
                let why = why.unwrap_or("the operator has not looked at it yet");
                let what = format!("agent {name} runs nowhere: {why}");
                Problem::new(Code::NotRunning, what).remedy(remedy)
            }
        })
    }

    fn of_uploads(&self, uploads: &[String]) -> Result<Place, Problem> {
        let mut tags = uploads.iter().map(|it| {
            let (tag, _) = numbers::upload(it)?;
            Some(tag)
        });
        let first = tags.next().flatten();
        let remedy = "give the files anew, one after the other, under one Idempotency-Key";
        let no = |what: &str| Problem::new(Code::NotFound, what).remedy(remedy);
        let tag = first.ok_or_else(|| no("there is no such upload"))?;
        if tags.any(|it| it != Some(tag)) {
            return Err(no("the uploads are at several nodes, and a turn is at one"));
        }
        let mut at = self.tagged(tag)?;
        match (at.pop(), at.is_empty()) {
            (Some(place), true) => Ok(place),
            (None, _) => Err(no("the node of the upload is gone")),
            (Some(_), false) => Err(alike()),
        }
    }

    /// Where a turn is, and its number there.
    pub(crate) async fn of_turn(&self, shown: u64) -> Result<(Place, u64), ClientError> {
        let none = || {
            let what = format!("there is no turn {shown}, or the node that had it is gone");
            Problem::new(Code::NotFound, what)
        };
        let (tag, own) = numbers::turn(shown).ok_or_else(none)?;
        let mut at = self.tagged(tag)?;
        if at.len() < 2 {
            return Ok((at.pop().ok_or_else(none)?, own));
        }
        // Of those that are called alike, the one that has it. Each has to say so: a turn of the other would be somebody else's.
        let mut found = None;
        for place in at {
            match place.turn(own).await {
                Ok(_) if found.is_some() => return Err(alike().into()),
                Ok(_) => found = Some(place),
                Err(ClientError::Refused(it))
                    if matches!(it.code, Code::NotFound | Code::Denied) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((found.ok_or_else(none)?, own))
    }

    /// The nodes that a tag stands for, each of which can be asked.
    fn tagged(&self, tag: Tag) -> Result<Vec<Place>, Problem> {
        let at = self.cluster.table.read().tagged(tag);
        let mine = at.into_iter().map(|it| match it {
            Ok(place) => self.of_mine(place),
            Err(why) => Err(Problem::new(Code::Unreachable, why)),
        });
        mine.collect()
    }

    /// One agent, as it was applied.
    pub(crate) async fn agent(&self, namespace: &str, name: &str) -> Result<Value, ClientError> {
        let who = self.who()?;
        for verb in SEES {
            let wanted = wanted(verb, namespace, name);
            if !self.cluster.reviews.may(&who.user, &wanted).await? {
                return Err(refused(who.name(), &wanted).into());
            }
        }
        let found = self.agents_of(namespace).get_opt(name).await;
        let found = found.map_err(|error| silent(&format!("get agent {name}"), &error))?;
        let found = found.ok_or_else(|| {
            let what = format!("there is no agent {namespace}/{name}");
            Problem::new(Code::NotFound, what)
        })?;
        Ok(whole(found))
    }

    /// The agents of a namespace that this one may see and ask.
    pub(crate) async fn agents(&self, namespace: &str) -> Result<Vec<Value>, ClientError> {
        let who = self.who()?;
        let sees_all = self.sees(who, namespace, "").await?;
        let api = self.agents_of(namespace);
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let mut page = ListParams::default().limit(PAGE);
            page.continue_token = after.take();
            let listed = api.list(&page).await;
            let listed = listed.map_err(|error| silent("list agents", &error))?;
            after = listed.metadata.continue_.filter(|it| !it.is_empty());
            all.extend(listed.items.into_iter().map(whole));
            if !sees_all && all.len() > REVIEWED {
                let what = format!(
                    "namespace {namespace} has more than {REVIEWED} agents, and {} may ask some of them at most",
                    who.name()
                );
                return Err(Problem::new(Code::TooLarge, what)
                    .remedy("name the agent, or have somebody allow get and invoke on all of the namespace")
                    .into());
            }
            if after.is_none() {
                break;
            }
        }
        if sees_all {
            return Ok(all);
        }
        let seen = stream::iter(all).map(async |agent| {
            let name = agent["metadata"]["name"].as_str().unwrap_or_default();
            let sees = self.sees(who, namespace, name).await?;
            Ok::<_, ClientError>(sees.then_some(agent))
        });
        let seen = seen.buffered(AT_ONCE);
        seen.try_filter_map(async |it| Ok(it)).try_collect().await
    }

    async fn sees(&self, who: &Who, namespace: &str, name: &str) -> Result<bool, Problem> {
        for verb in SEES {
            let wanted = wanted(verb, namespace, name);
            if !self.cluster.reviews.may(&who.user, &wanted).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn agents_of(&self, namespace: &str) -> Api<DynamicObject> {
        let client = self.cluster.client.clone();
        Api::namespaced_with(client, namespace, &resource("Agent"))
    }
}

fn wanted<'a>(verb: &'a str, namespace: &'a str, name: &'a str) -> Wanted<'a> {
    Wanted {
        verb,
        resource: "agents",
        namespace,
        name,
    }
}

fn of_account(user: &str) -> Option<&str> {
    let account = user.strip_prefix("system:serviceaccount:")?;
    Some(account.split_once(':')?.0)
}

fn alike() -> Problem {
    let what = "two nodes are called alike here, and both have it";
    Problem::new(Code::Undecided, what)
        .remedy("ask the node itself: aionctl --cluster; forget one of the two nodes, and it is called otherwise when it registers anew")
}

/// As it is on the wire, without the managers of its fields, which nobody reads.
fn whole(mut object: DynamicObject) -> Value {
    object.metadata.managed_fields = None;
    // What was JSON is.
    serde_json::to_value(object).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_without_a_namespace_are_those_of_the_service_account() {
        assert_eq!(of_account("system:serviceaccount:home:asker"), Some("home"));
        for other in ["alice", "system:serviceaccount:", "system:node:n1"] {
            assert_eq!(of_account(other), None, "{other}");
        }
    }
}
