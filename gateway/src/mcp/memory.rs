//! What agents remember, as resources: each item, and what a query finds. It is the memory of REST, asked of the node in the name of whoever
//! asks, so that nobody sees more of it here. What may not enter: what a key may.

use aion_abi::{code::Code, memory::Wanted, problem::Problem, syscall::memory::Hit};
use aion_client::{ClientError, Node};
use axum::{extract::Query, http::Uri};
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use rmcp::model::{MetaObject, Resource, ResourceContents, ResourceTemplate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{cursor, resources::PLAIN};
use crate::gateway::{Gateway, problem};

/// What the addresses of agents' resources begin with.
pub(super) const BEGIN: &str = "aion://agents/";
const ITEM: &str = "aion://agents/{namespace}/{agent}/memory/{item}";
const SEARCH: &str = "aion://agents/{namespace}/{agent}/memory{?query,collection,limit,after}";
/// The list's name in its cursors.
const LIST: &str = "resources";
/// Items of a page.
const PAGE: u32 = 100;
/// So often the node is asked for a page: it may be short, or empty, and there is more.
const ASKED: usize = 20;
/// Characters of a title.
const TITLE: usize = 80;
/// What of a page or an item is AION-OS's own.
const ABOUT: &str = "aion.dev/memory";

/// From which item of which agent a page goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct At(String, String, u32);

/// What an address names.
#[derive(Debug, PartialEq)]
struct Named {
    namespace: String,
    agent: String,
    what: What,
}

#[derive(Debug, PartialEq)]
enum What {
    Item(String),
    Search(Wanted),
}

/// A page of what is remembered.
#[derive(Default)]
pub(super) struct Page {
    pub(super) resources: Vec<Resource>,
    pub(super) next: Option<String>,
    /// Agents whose memory could not be asked for, and why: the page goes on without them.
    left_out: Vec<Value>,
}

impl Page {
    /// What there is to say of the page.
    pub(super) fn about(&self) -> Option<MetaObject> {
        let left_out = Some(&self.left_out).filter(|it| !it.is_empty())?;
        Some(about(&json!({"leftOut": left_out})))
    }
}

pub(super) fn templates() -> [ResourceTemplate; 2] {
    [
        ResourceTemplate::new(ITEM, "memory-item")
            .with_title("One item that an agent remembers")
            .with_mime_type("text/plain"),
        ResourceTemplate::new(SEARCH, "memory")
            .with_title("What an agent remembers")
            .with_description(
                "What a query finds, best first; without one everything, newest first. A page says as next the after of the page behind it.",
            )
            .with_mime_type("application/json"),
    ]
}

/// The items of the agents that are for who asks, agent by agent, newest first.
pub(super) async fn page(gateway: &Gateway, cursor: Option<&str>) -> Result<Page, Problem> {
    let mut from: Option<At> = cursor::read(LIST, cursor)?;
    if !gateway.remembers {
        return Ok(Page::default());
    }
    let node = gateway.nodes.keeper()?;
    let mut page = Page::default();
    let mut asked = 0;
    for agent in gateway.agents(None).await? {
        let whose = (agent.namespace.as_str(), agent.name.as_str());
        let mut after = match &from {
            Some(At(namespace, name, _)) if whose < (namespace, name) => continue,
            Some(At(namespace, name, after)) if whose == (namespace, name) => *after,
            _ => 0,
        };
        from = None;
        loop {
            let room = PAGE.saturating_sub(u32::try_from(page.resources.len()).unwrap_or(PAGE));
            if asked == ASKED || room == 0 {
                let at = At(agent.namespace.clone(), agent.name.clone(), after);
                page.next = cursor::make(LIST, &at);
                return Ok(page);
            }
            asked += 1;
            match some(node, whose, (room, after), &mut page).await? {
                Some(next) => after = next,
                None => break,
            }
        }
    }
    Ok(page)
}

/// Takes some of an agent's items into the page; gives where the rest begins.
async fn some(
    node: &Node,
    agent: (&str, &str),
    (room, after): (u32, u32),
    page: &mut Page,
) -> Result<Option<u32>, Problem> {
    let wanted = Wanted {
        limit: Some(room),
        after: Some(after),
        ..Wanted::default()
    };
    match node.memory(agent, &wanted).await {
        Ok(found) => {
            page.resources
                .extend(found.items.iter().map(|it| resource(agent, it)));
            Ok(found.next)
        }
        Err(ClientError::Refused(refused)) => {
            // An agent that is gone is not there; whatever else is amiss is told.
            if refused.code != Code::NotFound {
                let (namespace, name) = agent;
                page.left_out.push(json!({
                    "agent": format!("{namespace}/{name}"), "code": refused.code, "detail": refused.detail,
                }));
            }
            Ok(None)
        }
        Err(error) => Err(problem(error)),
    }
}

fn resource(agent: (&str, &str), hit: &Hit) -> Resource {
    let mut words = hit.text.split_whitespace();
    let mut title = String::new();
    while let Some(word) = words.next().filter(|_| title.chars().count() < TITLE) {
        title += word;
        title.push(' ');
    }
    let title: String = title.trim_end().chars().take(TITLE).collect();
    Resource::new(uri(agent, &hit.id), hit.id.clone())
        .with_title(format!("{}: {title}", agent.1))
        .with_mime_type("text/plain")
        .with_size(hit.text.len() as u64)
        .with_meta(of(hit))
}

fn uri((namespace, agent): (&str, &str), item: &str) -> String {
    let item = utf8_percent_encode(item, PLAIN)
        .to_string()
        .replace('/', "%2F");
    format!("{BEGIN}{namespace}/{agent}/memory/{item}")
}

/// What is known of an item beside its text.
fn of(hit: &Hit) -> MetaObject {
    let Hit {
        collection,
        attributes,
        stored_at_ms,
        ..
    } = hit;
    about(&json!({"collection": collection, "attributes": attributes, "storedAtMs": stored_at_ms}))
}

fn about(what: &Value) -> MetaObject {
    MetaObject(Map::from_iter([(ABOUT.to_owned(), what.clone())]))
}

/// Reads what an address names.
pub(super) async fn read(gateway: &Gateway, uri: &str) -> Result<ResourceContents, Problem> {
    let Named {
        namespace,
        agent,
        what,
    } = named(uri).ok_or_else(|| {
        Problem::new(Code::NotFound, format!("there is no resource {uri}"))
            .remedy(format!("name one as a template has it: {ITEM}, {SEARCH}"))
    })??;
    let node = gateway.nodes.keeper()?;
    let whose = (namespace.as_str(), agent.as_str());
    match what {
        What::Item(item) => {
            let hit = node.remembered(whose, &item).await.map_err(problem)?;
            let meta = of(&hit);
            Ok(ResourceContents::text(hit.text, uri)
                .with_mime_type("text/plain")
                .with_meta(meta))
        }
        What::Search(wanted) => {
            let page = node.memory(whose, &wanted).await.map_err(problem)?;
            let text = serde_json::to_string(&page);
            let text = text.map_err(|why| Problem::new(Code::Internal, why.to_string()))?;
            Ok(ResourceContents::text(text, uri).with_mime_type("application/json"))
        }
    }
}

/// What an address names; `None` where it is none of these, a refusal where its query cannot be read.
fn named(uri: &str) -> Option<Result<Named, Problem>> {
    let (path, query) = match uri.strip_prefix(BEGIN)?.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (uri.strip_prefix(BEGIN)?, None),
    };
    let mut parts = path.split('/').map(|it| {
        let part = percent_decode_str(it).decode_utf8().ok()?;
        Some(part.into_owned()).filter(|it| !it.is_empty())
    });
    let (namespace, agent) = (parts.next()??, parts.next()??);
    if parts.next()?? != "memory" {
        return None;
    }
    let what = match (parts.next(), parts.next(), query) {
        (Some(item), None, None) => What::Item(item?),
        (None, None, query) => match wanted(query.unwrap_or_default()) {
            Ok(wanted) => What::Search(wanted),
            Err(problem) => return Some(Err(problem)),
        },
        _ => return None,
    };
    Some(Ok(Named {
        namespace,
        agent,
        what,
    }))
}

fn wanted(query: &str) -> Result<Wanted, Problem> {
    let wrong = |why: String| {
        Problem::new(Code::BadRequest, format!("the query of the address: {why}"))
            .remedy(format!("say it as the template has it: {SEARCH}"))
    };
    let uri: Uri = format!("/?{query}")
        .parse()
        .map_err(|_| wrong("it has characters that are to be percent-encoded".to_owned()))?;
    let read = Query::<Wanted>::try_from_uri(&uri);
    read.map(|Query(wanted)| wanted)
        .map_err(|why| wrong(why.body_text()))
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
