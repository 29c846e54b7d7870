//! Whoever says a person's word, asked of the node as the node knows them. Whose word counts the node decides, by a token that its
//! gateway does not have, or by a key: asking an agent is no right to answer for it. What may not enter: how a protocol asks.

use aion_abi::{code::Code, problem::Problem};
use aion_client::Node;
use axum::http::HeaderMap;

use crate::gateway::Gateway;

/// Bears the token of `config/approver.token` of the node.
pub(crate) const APPROVER: &str = "aion-approver";

/// The node, asked as whoever bears the approver's token, or has a key: what that may the node knows.
///
/// # Errors
/// Neither is shown, or there are several nodes.
pub(crate) fn approver(gateway: &Gateway, headers: &HeaderMap) -> Result<Node, Problem> {
    let node = gateway.nodes.one(
        "approvals cannot be answered",
        "answer them with aionctl --cluster approvals",
    )?;
    let token = headers.get(APPROVER).and_then(|it| it.to_str().ok());
    let address = match token {
        Some(token) => node.address.asked_as(token).ok(),
        None if gateway.key.is_some() => Some(node.address.clone()),
        None => None,
    };
    let address = address.ok_or_else(|| {
        Problem::new(Code::Denied, "the right to ask agents does not include answering approvals").remedy(
            "send the token of config/approver.token of the node as Aion-Approver, or use aionctl approvals",
        )
    })?;
    Ok(Node { address })
}
