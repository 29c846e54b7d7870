//! What belongs to one agent: uploads for its turns, its log.

use std::sync::Arc;

use aion_abi::{admin::Upload, code::Code, problem::Problem};
use aion_kernel::{InstanceUid, Profile, Verdicts};
use aion_serve::{Json, Path, Query};
use axum::{body::Body, extract::State, response::Response};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    Admin,
    answer::{Refused, events, stopped},
};
use crate::instance::Instance;

/// Lines of a log that are shown where nobody says how many.
const TAIL: usize = 200;
/// Lines that are shown at most.
const MAX_TAIL: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadQuery {
    name: String,
}

pub(super) async fn upload(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
    Query(query): Query<UploadQuery>,
    body: Body,
) -> Result<Json<Upload>, Refused> {
    known(&admin, &namespace, &agent)?;
    let content = body
        .into_data_stream()
        .map(|piece| piece.map_err(|error| error.to_string()));
    let agent = format!("{namespace}/{agent}");
    let uploads = admin.turns.uploads();
    Ok(Json(
        uploads.take(&agent, &query.name, Box::pin(content)).await?,
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    #[serde(default)]
    follow: bool,
    tail: Option<usize>,
}

pub(super) async fn logs(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
    Query(query): Query<LogQuery>,
) -> Result<Response, Refused> {
    known(&admin, &namespace, &agent)?;
    let tail = query.tail.unwrap_or(TAIL).min(MAX_TAIL);
    let (logs, name) = (admin.logs.clone(), format!("{namespace}/{agent}"));
    // Before the file is read, so that no line is between the two.
    let to_come = query.follow.then(|| logs.follow(&name));
    let read = tokio::task::spawn_blocking(move || logs.read(&name, tail)).await;
    let lines = read
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(|error| Refused::internal(format!("the log cannot be read: {error}")))?;
    let so_far = stream::iter(lines);
    let Some(to_come) = to_come else {
        return Ok(events(so_far, &admin.leaving));
    };
    // Who reads too slowly loses lines here, and finds them in the file.
    Ok(events(so_far.chain(coming(to_come)), &admin.leaving))
}

/// The last events, and those to come. Who reads too slowly loses some.
pub(super) async fn kernel_events(
    State(admin): State<Arc<Admin>>,
    Path((namespace, agent)): Path<(String, String)>,
) -> Result<Response, Refused> {
    known(&admin, &namespace, &agent)?;
    let hooks = admin.kernel_traces.hooks();
    if let Some(why) = hooks.iter().find_map(|hook| match hook.name.as_str() {
        "tracepoints" => hook.lacking.as_deref(),
        _ => None,
    }) {
        return Err(Refused::not_found(format!(
            "agents are not followed in the kernel of this machine: {why}"
        )));
    }
    let (last, to_come) = admin.kernel_traces.follow(&format!("{namespace}/{agent}"));
    let all = stream::iter(last).chain(coming(to_come));
    Ok(events(all, &admin.leaving))
}

/// What is sent to a follower, until nobody sends any more.
fn coming<T: Clone + Send + 'static>(receiver: Receiver<T>) -> impl Stream<Item = T> + Send {
    stream::unfold(receiver, |mut receiver| async {
        loop {
            match receiver.recv().await {
                Ok(one) => return Some((one, receiver)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    })
}

/// Whether there is such an agent on this node.
pub(super) fn known(admin: &Admin, namespace: &str, agent: &str) -> Result<(), Refused> {
    let here = match &admin.folder {
        Some(folder) => folder.agent(namespace, agent).is_some(),
        None => !admin.standings.of_agent(namespace, agent).is_empty(),
    };
    match here {
        true => Ok(()),
        false => Err(unknown(admin, namespace, agent).into()),
    }
}

/// An instance of an agent that is asked about as it is now.
pub(super) fn ready(admin: &Admin, namespace: &str, agent: &str) -> Result<Arc<Instance>, Refused> {
    let mut instances = admin.instances.of_agent(namespace, agent).into_iter();
    instances.next().ok_or_else(|| {
        let what = format!("agent {agent} is not ready on this node");
        let remedy = format!("aionctl why {agent} says what is missing");
        Problem::new(Code::NotRunning, what).remedy(remedy).into()
    })
}

/// What the rules of an instance say. They are read beside the kernel, which waits for nobody who looks.
pub(super) async fn verdicts(admin: &Admin, uid: InstanceUid) -> Result<Verdicts, Refused> {
    let profile = admin.shell.look(move |kernel| {
        let known = kernel.state().instance(uid);
        known.map(|it| Profile::clone(it.profile))
    });
    match profile.await {
        Some(Some(profile)) => Ok(profile.verdicts()),
        Some(None) => Err(Refused::not_found("the agent is being removed")),
        None => Err(stopped()),
    }
}

/// What to say of an agent that is not there, with those that are.
fn unknown(admin: &Admin, namespace: &str, agent: &str) -> Problem {
    let shown: String = agent.chars().take(100).collect();
    let problem = Problem::new(
        Code::NotFound,
        format!("there is no agent {shown} in namespace {namespace} on this node"),
    );
    let mut names: Vec<String> = match &admin.folder {
        Some(folder) => folder
            .list("Agent", Some(namespace))
            .iter()
            .filter_map(|it| it["metadata"]["name"].as_str().map(str::to_owned))
            .collect(),
        None => Vec::new(),
    };
    names.truncate(10);
    match names.is_empty() {
        true => problem.remedy("apply its manifest: aionctl apply -f FILE"),
        false => problem.remedy(format!("there are: {}", names.join(", "))),
    }
}
