//! Who asks, in a cluster: what they may see, and where what they ask is asked.
//!
//! A question, a turn, a file: that the node judges, by the token. The gateway asks the cluster, too (SubjectAccessReview), before it says
//! anything of an agent, and of lists its word is the only one, since no node has all agents.

use std::{fmt, sync::Arc};

use aion_abi::{code::Code, problem::Problem};
use aion_client::ClientError;
use aion_review::{Wanted, refused};
use futures::TryFutureExt as _;
use k8s_openapi::api::authentication::v1::UserInfo;
use kube::{Api, api::DynamicObject};
use serde_json::Value;

use super::{Cluster, in_time, silent, table::Nowhere, watching::resource};
use crate::{
    numbers::{self, Tag},
    place::{Candidate, Key, Place, Places},
};

/// What it takes to ask an agent, and what is read of it: who may not do both is told of none. The first is what a node asks about, so
/// that who may not is told the same, wherever the agent is or is not.
const SEES: [&str; 2] = ["invoke", "get"];

/// See the module.
#[derive(Clone)]
pub(crate) struct Caller {
    cluster: Arc<Cluster>,
    who: Option<Arc<Who>>,
}

/// Somebody.
pub(super) struct Who {
    pub(super) token: String,
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

    pub(super) fn who(&self) -> Result<&Who, Problem> {
        self.who
            .as_deref()
            .ok_or_else(|| Problem::new(Code::BadSignature, "the request names no caller"))
    }

    /// The same place, asked as whoever this is.
    pub(super) fn of_mine(&self, mut place: Place) -> Result<Place, Problem> {
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
        // Before anything is told, also of where it is.
        self.judged(SEES[0], agent).await?;
        let found = self.cluster.table.read().candidates(agent, key);
        let mine = |all: Vec<Candidate>| -> Result<Vec<_>, Problem> {
            let mine = all.into_iter().map(|it| {
                Ok(Candidate {
                    place: self.of_mine(it.place)?,
                    ..it
                })
            });
            mine.collect()
        };
        if !uploads.is_empty() {
            let at = self.of_uploads(uploads)?;
            let mut before = match key {
                Key::Theirs(_) => found.unwrap_or_default(),
                Key::Ours(_) => Vec::new(),
            };
            // Those may know the key, and take nothing.
            before.retain(|it| it.is_left && it.place.tag != at.tag);
            return Ok(Places::at(agent, mine(before)?, at));
        }
        match found {
            Ok(candidates) => Ok(Places::new(agent, mine(candidates)?)),
            Err(nowhere) => Err(self.nowhere(agent, nowhere).await?.into()),
        }
    }

    /// Whether this one may do something with an agent.
    pub(super) async fn may(
        &self,
        verb: &str,
        (namespace, name): (&str, &str),
    ) -> Result<bool, Problem> {
        let (who, wanted) = (self.who()?, wanted(verb, namespace, name));
        let may = self.cluster.reviews.may(&who.user, &wanted);
        in_time("say what they may", may).await
    }

    async fn judged(&self, verb: &str, agent: (&str, &str)) -> Result<(), Problem> {
        if !(is_label(agent.0) && is_label(agent.1)) {
            return Err(none(agent));
        }
        match self.may(verb, agent).await? {
            true => Ok(()),
            false => Err(refused(self.name(), &wanted(verb, agent.0, agent.1))),
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
                let why = why.unwrap_or("the operator has not processed it yet");
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
        self.of_number(shown, "turn", async |place, own| {
            place.turn(own).await.map(|_| ())
        })
        .await
    }

    /// Where `what` has this number is, and its number there; `has` asks a node about it.
    pub(super) async fn of_number(
        &self,
        shown: u64,
        what: &str,
        has: impl AsyncFn(&Place, u64) -> Result<(), ClientError>,
    ) -> Result<(Place, u64), ClientError> {
        let none = || {
            let what = format!("there is no {what} {shown}, or the node that had it is gone");
            Problem::new(Code::NotFound, what)
        };
        let (tag, own) = numbers::number(shown).ok_or_else(none)?;
        let mut at = self.tagged(tag)?;
        if at.len() < 2 {
            return Ok((at.pop().ok_or_else(none)?, own));
        }
        // Of those that are called alike, the one that has it. Each has to say so: a turn of the other would be somebody else's.
        let mut found = None;
        for place in at {
            match has(&place, own).await {
                Ok(()) if found.is_some() => return Err(alike().into()),
                Ok(()) => found = Some(place),
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
        let agent = (namespace, name);
        for verb in SEES {
            self.judged(verb, agent).await?;
        }
        let (doing, api) = (format!("get agent {name}"), self.agents_of(namespace));
        let found = api.get_opt(name).map_err(|error| silent(&doing, &error));
        let found = in_time(&doing, found).await?;
        Ok(whole(found.ok_or_else(|| none(agent))?))
    }

    /// Whether this one is told of an agent; of all of a namespace, where none is named.
    pub(super) async fn sees(&self, agent: (&str, &str)) -> Result<bool, Problem> {
        for verb in SEES {
            if !self.may(verb, agent).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn agents_of(&self, namespace: &str) -> Api<DynamicObject> {
        let client = self.cluster.client.clone();
        Api::namespaced_with(client, namespace, &resource("Agent"))
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

pub(super) fn wanted<'a>(verb: &'a str, namespace: &'a str, name: &'a str) -> Wanted<'a> {
    Wanted {
        verb,
        resource: "agents",
        namespace,
        name,
    }
}

pub(super) fn none((namespace, name): (&str, &str)) -> Problem {
    // What is no name is cut: it is the client's own text.
    let short = |text: &str| text.chars().take(63).collect::<String>();
    let what = format!("there is no agent {}/{}", short(namespace), short(name));
    Problem::new(Code::NotFound, what)
}

/// Whether it is a name of a namespace or of an agent (RFC 1123). Anything else would be another path at the API server.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = |byte: Option<&u8>| byte.is_some_and(|it| inner(*it));
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|it| inner(*it) || *it == b'-')
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
pub(super) fn whole(mut object: DynamicObject) -> Value {
    object.metadata.managed_fields = None;
    // The whole of it again, as kubectl applied it.
    let annotations = object.metadata.annotations.as_mut();
    annotations.map(|it| it.remove("kubectl.kubernetes.io/last-applied-configuration"));
    // What was JSON is.
    serde_json::to_value(object).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path_and_nothing_else() {
        for name in ["a", "keeper-2", "0", &"x".repeat(63)] {
            assert!(is_label(name), "{name}");
        }
        for other in [
            "",
            "x/agentinstances?",
            "x/agentinstances?watch=true&a=",
            "../../other/agents/secret",
            "..",
            "a b",
            "a.b",
            "-a",
            "a-",
            "A",
            "ä",
            "a%2fb",
            &"x".repeat(64),
        ] {
            assert!(!is_label(other), "{other}");
        }
    }

    #[test]
    fn agents_without_a_namespace_are_those_of_the_service_account() {
        assert_eq!(of_account("system:serviceaccount:home:asker"), Some("home"));
        for other in ["alice", "system:serviceaccount:", "system:node:n1"] {
            assert_eq!(of_account(other), None, "{other}");
        }
    }
}
