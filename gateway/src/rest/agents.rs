//! Which agents there are.

use aion_abi::{code::Code, problem::Problem};
use aion_route::Agent;
use aion_serve::{Path, Query, Refused};
use axum::{http::HeaderMap, response::Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Within;
use crate::{asked::Asked, tagged::tagged};

/// The most on one page.
const PAGE: usize = 500;

/// Some of them, or all.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "AgentList")]
pub(crate) struct List {
    items: Vec<Agent>,
    /// Where there are more: the `after` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which part of them.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Page {
    /// So many at most.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// Those that follow this one, as NAMESPACE/NAME; it need not be there any more.
    #[schemars(regex(pattern = "/"))]
    after: Option<String>,
}

/// Those of a namespace, where one is named.
pub(crate) async fn list(
    Asked(gateway): Asked,
    Query(within): Query<Within>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let items = gateway.agents(within.namespace.as_deref()).await?;
    Ok(tagged(&headers, &page.of(items)?))
}

pub(crate) async fn get(
    Asked(gateway): Asked,
    Path(agent): Path<String>,
    Query(within): Query<Within>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let found = gateway.agent(within.or(&gateway), &agent).await?;
    Ok(tagged(&headers, &found))
}

impl Page {
    /// The page, of agents in order.
    fn of(&self, mut items: Vec<Agent>) -> Result<List, Problem> {
        let wrong = |what: &str, remedy: &str| Problem::new(Code::BadRequest, what).remedy(remedy);
        if let Some(after) = &self.after {
            let after = after.split_once('/').ok_or_else(|| {
                wrong("after is not NAMESPACE/NAME", "use next of the page before")
            })?;
            items.retain(|it| (it.namespace.as_str(), it.name.as_str()) > after);
        }
        let limit = self.limit.unwrap_or(usize::MAX);
        if limit == 0 || (limit > PAGE && self.limit.is_some()) {
            let remedy = format!("say 1 to {PAGE}, or leave it out for all");
            return Err(wrong("limit is out of bounds", &remedy));
        }
        let is_whole = items.len() <= limit;
        items.truncate(limit);
        let last = items.last().filter(|_| !is_whole);
        let next = last.map(|it| format!("{}/{}", it.namespace, it.name));
        Ok(List { items, next })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn agents(names: &[&str]) -> Vec<Agent> {
        let agent = |name: &&str| Agent {
            namespace: "default".to_owned(),
            name: (*name).to_owned(),
            ..Agent::default()
        };
        names.iter().map(agent).collect()
    }

    fn page(
        limit: Option<usize>,
        after: Option<&str>,
    ) -> Result<(Vec<String>, Option<String>), String> {
        let after = after.map(str::to_owned);
        let list = Page { limit, after }.of(agents(&["a", "b", "c"]));
        let List { items, next } = list.map_err(|it| it.detail)?;
        Ok((items.into_iter().map(|it| it.name).collect(), next))
    }

    #[test]
    fn pages_follow_each_other_to_the_end_and_no_agent_is_on_two() {
        let names = |names: &[&str]| names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let (first, next) = page(Some(2), None).unwrap();
        assert_eq!(
            (first, next.as_deref()),
            (names(&["a", "b"]), Some("default/b"))
        );
        let last = page(Some(2), next.as_deref()).unwrap();
        assert_eq!(last, (names(&["c"]), None));
        assert_eq!(page(None, None).unwrap(), (names(&["a", "b", "c"]), None));
        assert_eq!(page(Some(3), None).unwrap().1, None);
        // One that was deleted meanwhile.
        assert_eq!(page(None, Some("default/bb")).unwrap().0, names(&["c"]));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for limit in [0, PAGE + 1] {
            assert!(page(Some(limit), None).unwrap_err().starts_with("limit"));
        }
        assert!(page(None, Some("b")).unwrap_err().starts_with("after"));
    }
}
