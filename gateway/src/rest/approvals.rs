//! What agents ask people, and the answers. Whose word counts the node decides, by a token that its gateway does not
//! have: asking an agent is no right to answer for it.

use aion_abi::{
    approval::{Answer, Approval, Approvals},
    code::Code,
    problem::Problem,
};
use aion_client::Node;
use aion_serve::{Path, Refused};
use axum::{
    Json,
    body::Body,
    http::{HeaderMap, StatusCode},
};

use crate::{
    asked::Asked,
    gateway::{Gateway, problem},
    reading,
};

/// Bears the token of `config/approver.token` of the node.
pub(crate) const APPROVER: &str = "aion-approver";

pub(crate) async fn list(
    Asked(gateway): Asked,
    headers: HeaderMap,
) -> Result<Json<Approvals>, Refused> {
    let node = approver(&gateway, &headers)?;
    Ok(Json(node.approvals().await.map_err(problem)?))
}

pub(crate) async fn get(
    Asked(gateway): Asked,
    Path(approval): Path<u64>,
    headers: HeaderMap,
) -> Result<Json<Approval>, Refused> {
    let node = approver(&gateway, &headers)?;
    Ok(Json(node.approval(approval).await.map_err(problem)?))
}

pub(crate) async fn answer(
    Asked(gateway): Asked,
    Path(approval): Path<u64>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Approval>, Refused> {
    let node = approver(&gateway, &headers)?;
    let answer: Answer = reading::json(&headers, body).await?;
    let asked = node.approval(approval).await.map_err(problem)?;
    let (namespace, agent) = asked
        .agent
        .split_once('/')
        .ok_or_else(|| unknown(approval))?;
    let told = node.answer_approval(namespace, agent, approval, &answer);
    Ok(Json(told.await.map_err(problem)?))
}

pub(crate) async fn revoke(
    Asked(gateway): Asked,
    Path(approval): Path<u64>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let node = approver(&gateway, &headers)?;
    let all = node.approvals().await.map_err(problem)?;
    let word = all.standing.iter().find(|it| it.approval == approval);
    let (namespace, agent) = word
        .and_then(|it| it.agent.split_once('/'))
        .ok_or_else(|| unknown(approval))?;
    let revoked = node.revoke_word(namespace, agent, approval);
    revoked.await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The node, asked as whoever bears the approver's token, or has a key: what that may the node knows.
fn approver(gateway: &Gateway, headers: &HeaderMap) -> Result<Node, Problem> {
    let node = gateway.nodes.one(
        "approvals are not answered",
        "answer them with aionctl --cluster approvals",
    )?;
    let token = headers.get(APPROVER).and_then(|it| it.to_str().ok());
    let address = match token {
        Some(token) => node.address.asked_as(token).ok(),
        None if gateway.key.is_some() => Some(node.address.clone()),
        None => None,
    };
    let address = address.ok_or_else(|| {
        Problem::new(Code::Denied, "the right to ask agents is none to answer approvals").remedy(
            "send the token of config/approver.token of the node as Aion-Approver, or use aionctl approvals",
        )
    })?;
    Ok(Node { address })
}

fn unknown(approval: u64) -> Problem {
    Problem::new(Code::NotFound, format!("there is no approval {approval}"))
        .remedy("GET /v1/approvals lists those that wait")
}
