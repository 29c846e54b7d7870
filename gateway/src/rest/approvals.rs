//! What agents ask people, and the answers.

use aion_abi::{
    approval::{Answer, Approval, Approvals},
    code::Code,
    problem::Problem,
};
use aion_serve::{Path, Refused};
use axum::{
    Json,
    body::Body,
    http::{HeaderMap, StatusCode},
};

use crate::{approving::approver, asked::Asked, gateway::problem, reading};

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

fn unknown(approval: u64) -> Problem {
    Problem::new(Code::NotFound, format!("there is no approval {approval}"))
        .remedy("GET /v1/approvals lists those that wait")
}
