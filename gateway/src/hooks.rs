//! Deliveries of webhooks: the raw body and the headers that sign it go to the node, which has the secrets, and its answer
//! back. Who sent one, its signature says: no token is asked for.

use std::sync::{Arc, LazyLock};

use aion_abi::{
    code::Code,
    problem::Problem,
    trigger::{MAX_DELIVERY, SIGNED_HEADERS},
};
use aion_serve::{Path, Refused};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, header},
    response::Response,
};
use tokio::sync::Semaphore;

use crate::{gateway::Gateway, reading, unanswered};

/// Deliveries that are with the node at once. Anybody may send one.
const AT_ONCE: usize = 32;
static PLACES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(AT_ONCE));

pub(crate) async fn deliver(
    State(gateway): State<Arc<Gateway>>,
    Path((namespace, agent, trigger)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let body = reading::whole(body).await?;
    if body.len() > MAX_DELIVERY {
        let what = format!("a delivery has at most {} MiB", MAX_DELIVERY >> 20);
        let problem = Problem::new(Code::TooLarge, what);
        return Err(problem.remedy("have its sender send less").into());
    }
    let Ok(_place) = PLACES.try_acquire() else {
        let what = format!("{AT_ONCE} deliveries are under way");
        let problem = Problem::new(Code::Overloaded, what);
        return Err(problem.retry_after_ms(1_000).into());
    };
    let signed = SIGNED_HEADERS.into_iter().filter_map(|name| {
        let name = HeaderName::from_static(name);
        let value = headers.get(&name)?.clone();
        Some((name, value))
    });
    let signed: HeaderMap = signed.collect();
    let agent = (&*namespace, &*agent);
    let answered = gateway.node.deliver(agent, &trigger, signed, body.into());
    let remedy = "send it again: a delivery that was taken starts nothing twice";
    let away = |error| unanswered::away(error, remedy);
    let (status, mut said, answer) = answered.await.map_err(away)?;
    let answer = answer.whole().await.map_err(away)?;
    let mut response = Response::new(Body::from(answer));
    *response.status_mut() = status;
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = said.remove(&name) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
