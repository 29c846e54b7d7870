//! The tools that an agent has: what it is offered itself, page by page.

use std::{sync::Arc, time::Duration};

use aion_abi::{
    code::Code,
    page::{MAX_ROWS, Part, ROWS},
    problem::Problem,
    syscall::tool::{ListResponse, ToolSpec},
    tools::{Access, MAX_BYTES, Source, Tool, Tools},
};
use aion_kernel::{Kind, Verdict, Verdicts};
use aion_serve::{Json, Path, Query};
use axum::extract::State;

use super::{Admin, agents, answer::Refused, page};
use crate::{dispatch::offered, instance::Instance};

/// How long servers are waited for; as long as where the agent itself asks.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
    Query(part): Query<Part>,
) -> Result<Json<Tools>, Refused> {
    let limit = page::limit(part.limit, ROWS, MAX_ROWS)? as usize;
    agents::known(&admin, &namespace, &agent)?;
    let instance = agents::ready(&admin, &namespace, &agent)?;
    let listed = tokio::time::timeout(PATIENCE, offered(&*admin.tools, &instance)).await;
    let ListResponse {
        mut tools,
        unavailable,
    } = listed.map_err(|_| {
        let what = format!("the tools of agent {agent} did not answer in time");
        Problem::new(Code::Unreachable, what)
    })??;
    let is_first = part.after.is_none();
    let verdicts = agents::verdicts(&admin, instance.uid).await?;
    // The kernel's rules may be newer than what the servers were asked by.
    tools.retain(|it| access(verdict(&verdicts, it)).is_some());
    let (specs, next) = cut(tools, part.after.as_deref(), limit);
    let told = |spec| tool(&instance, spec, &verdicts);
    Ok(Json(Tools {
        items: specs.into_iter().filter_map(told).collect(),
        unavailable: match is_first {
            true => unavailable.into_iter().take(MAX_ROWS as usize).collect(),
            false => Vec::new(),
        },
        next,
    }))
}

/// The page, in order of names; and where the next begins.
fn cut(
    mut specs: Vec<ToolSpec>,
    after: Option<&str>,
    limit: usize,
) -> (Vec<ToolSpec>, Option<String>) {
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(after) = after {
        specs.retain(|it| it.name.as_str() > after);
    }
    let is_whole = specs.len() <= limit;
    specs.truncate(limit);
    let (specs, is_cut) = page::within(specs, MAX_BYTES, |it| {
        it.name.len() + it.description.len() + it.parameters.to_string().len()
    });
    let last = specs.last().filter(|_| is_cut || !is_whole);
    let next = last.map(|it| it.name.clone());
    (specs, next)
}

fn verdict(verdicts: &Verdicts, spec: &ToolSpec) -> Verdict {
    verdicts.of(Kind::ToolCall, Some(&spec.name.as_str().into()))
}

/// What the rules let the agent do; `None` where that is nothing.
fn access(verdict: Verdict) -> Option<Access> {
    match verdict {
        Verdict::Allow => Some(Access::Granted),
        Verdict::Ask => Some(Access::Asked),
        Verdict::Deny => None,
    }
}

fn tool(instance: &Instance, spec: ToolSpec, verdicts: &Verdicts) -> Option<Tool> {
    let server = spec.name.split('.').next().unwrap_or_default();
    let mut tools = instance.spec().tools.iter();
    let resolved = tools.find(|it| it.name == server);
    Some(Tool {
        source: match resolved {
            Some(it) if it.stdio().is_some() => Source::Process,
            Some(it) if it.a2a.is_some() => Source::Agent,
            _ => Source::Http,
        },
        access: access(verdict(verdicts, &spec))?,
        name: spec.name,
        description: spec.description,
        parameters: spec.parameters,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(name: &str, size: usize) -> ToolSpec {
        ToolSpec {
            name: name.to_owned(),
            description: "x".repeat(size),
            parameters: json!({}),
            strict: None,
        }
    }

    #[test]
    fn what_the_rules_refuse_is_not_told_as_what_a_person_is_asked_about() {
        let told = [Verdict::Allow, Verdict::Ask, Verdict::Deny].map(access);
        assert_eq!(told, [Some(Access::Granted), Some(Access::Asked), None]);
    }

    #[test]
    fn pages_of_tools_are_bounded_and_follow_each_other() {
        let page = |specs: &[ToolSpec], after: Option<&str>, limit| {
            let (specs, next) = cut(specs.to_vec(), after, limit);
            let names: Vec<_> = specs.into_iter().map(|it| it.name).collect();
            (names.concat(), next)
        };
        let small = ["c", "a", "b"].map(|name| spec(name, 1));
        assert_eq!(page(&small, None, 2), ("ab".into(), Some("b".into())));
        assert_eq!(page(&small, Some("b"), 2), ("c".into(), None));
        let large = ["a", "b"].map(|name| spec(name, MAX_BYTES - 100));
        assert_eq!(page(&large, None, 9), ("a".into(), Some("a".into())));
        assert_eq!(page(&large, Some("a"), 9), ("b".into(), None));
    }
}
