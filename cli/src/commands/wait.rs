//! Waits until agents are ready: what `apply --wait` does.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    context::Context,
    failure::Failure,
    render::screen::{Tone, tame},
    resources::Resources,
};

const PAUSE: Duration = Duration::from_millis(200);
/// In causal order: the first that is not True is the one to mend.
const CHAIN: [&str; 5] = [
    "Accepted",
    "ResolvedRefs",
    "Verified",
    "SandboxEnforced",
    "Ready",
];

/// Waits until every one of `agents` (namespace and name) is ready.
///
/// # Errors
/// After `bound`, with what the first one that is not ready waits for.
pub(super) async fn until_ready(
    context: &Context,
    resources: &Resources,
    agents: &[(String, String)],
    bound: Duration,
) -> Result<(), Failure> {
    let until = Instant::now() + bound;
    for (namespace, name) in agents {
        loop {
            let agent = resources.get("agents", Some(namespace), name).await?;
            let Some(waits) = waits_for(&agent) else {
                break;
            };
            if Instant::now() >= until {
                clear(context);
                return Err(Failure::new(format!("agent {name} is not ready: {waits}"))
                    .remedy(format!("see the whole chain: aionctl why {name}")));
            }
            show(context, &format!("{name}: {waits}"));
            tokio::time::sleep(PAUSE).await;
        }
        clear(context);
        let word = context.screen.paint("ready", Tone::Good);
        context.print(&format!("agent/{name} {word}\n"))?;
    }
    Ok(())
}

/// A condition of the agent as it is now; `None` where that was not judged yet.
pub(super) fn judged<'a>(agent: &'a Value, kind: &str) -> Option<&'a Value> {
    let generation = agent["metadata"]["generation"].as_i64();
    let condition = condition(agent, kind)?;
    let observed = condition["observedGeneration"].as_i64();
    let is_of_now = observed.is_none() || generation.is_none() || observed >= generation;
    (is_of_now && condition["status"] != "Unknown").then_some(condition)
}

fn condition<'a>(agent: &'a Value, kind: &str) -> Option<&'a Value> {
    let mut all = agent["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    all.find(|condition| condition["type"] == kind)
}

/// What an agent waits for, or `None` where it is ready.
pub(super) fn waits_for(agent: &Value) -> Option<String> {
    if judged(agent, "Ready").is_some_and(|ready| ready["status"] == "True") {
        return None;
    }
    let find = |kind| condition(agent, kind);
    let text =
        |condition: &Value, key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    let blamed = CHAIN
        .into_iter()
        .filter_map(find)
        .find(|condition| condition["status"] != "True");
    Some(blamed.map_or_else(
        || "it is not processed yet".to_owned(),
        |condition| {
            let (kind, message) = (text(condition, "type"), text(condition, "message"));
            if message.is_empty() {
                kind
            } else {
                format!("{kind}: {message}")
            }
        },
    ))
}

fn show(context: &Context, text: &str) {
    if context.screen.live {
        let room = context.screen.width.unwrap_or(80).saturating_sub(4);
        let line: String = tame(text).replace('\n', " ").chars().take(room).collect();
        eprint!("\r\x1b[2K{}", context.screen.paint_err(&line, Tone::Faint));
        let _ = io::stderr().flush();
    }
}

fn clear(context: &Context) {
    if context.screen.live {
        eprint!("\r\x1b[2K");
        let _ = io::stderr().flush();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_link_that_is_not_well_is_what_an_agent_waits_for() {
        let agent = |conditions: Value| json!({"metadata": {"generation": 2}, "status": {"conditions": conditions}});
        let ready = json!([{"type": "Ready", "status": "True", "observedGeneration": 2}]);
        assert_eq!(waits_for(&agent(ready)), None);
        let stale = json!([{"type": "Ready", "status": "True", "observedGeneration": 1}]);
        assert!(waits_for(&agent(stale)).is_some());
        let chain = json!([
            {"type": "Ready", "status": "False", "message": "waits"},
            {"type": "Accepted", "status": "True"},
            {"type": "Verified", "status": "False", "message": "no signature refers to it"},
        ]);
        assert_eq!(
            waits_for(&agent(chain)).as_deref(),
            Some("Verified: no signature refers to it")
        );
        assert!(waits_for(&json!({})).is_some());
    }
}
