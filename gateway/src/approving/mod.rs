//! Whoever says a person's word, asked of the node as the node knows them. Whose word counts the node decides: by a token that its
//! gateway does not have, or by a key, and in a cluster by the right that the caller's token has there. Asking an agent is no right to
//! answer for it. What may not enter: how a protocol asks.

pub(crate) mod asked;
pub(crate) mod words;

use aion_abi::{code::Code, problem::Problem};
use aion_client::Node;
use axum::http::HeaderMap;

use crate::{gateway::Gateway, nodes::Nodes};

/// Bears the token of `config/approver.token` of the node.
pub(crate) const APPROVER: &str = "aion-approver";

/// The node, asked as whoever bears the approver's token, or has a key; or those of a cluster, asked as whoever asks here. What that may
/// the node knows.
///
/// # Errors
/// None of these is shown.
#[cfg_attr(
    not(feature = "kubernetes"),
    expect(
        clippy::infallible_destructuring_match,
        reason = "a cluster has another way"
    )
)]
pub(crate) fn approver(gateway: &Gateway, headers: &HeaderMap) -> Result<Nodes, Problem> {
    let node = match &gateway.nodes {
        Nodes::One(node) => node,
        #[cfg(feature = "kubernetes")]
        Nodes::Many(caller) => return Ok(Nodes::Many(caller.clone())),
    };
    let token = headers.get(APPROVER).and_then(|it| it.to_str().ok());
    let address = match token {
        Some(token) => node.address.asked_as(token).ok(),
        None if gateway.key.is_some() => Some(node.address.clone()),
        None => None,
    };
    let address = address.ok_or_else(|| {
        Problem::new(Code::Denied, "the right to ask agents does not include answering approvals").remedy(
            "use a key with --may approve, or send the token of config/approver.token of the node as Aion-Approver, or use aionctl approvals",
        )
    })?;
    Ok(Nodes::One(Node { address }))
}

/// One that waits, for tests.
#[cfg(test)]
pub(crate) fn approval(text: &str) -> aion_abi::approval::Approval {
    use aion_abi::{
        approval::{Approval, Shown},
        date::UnixMillis,
    };
    Approval {
        approval: 3,
        turn: 7,
        agent: "home/clerk".to_owned(),
        capability: "tool.call:mail.send".to_owned(),
        question: false,
        rule: "spec.permissions.ask[0]".to_owned(),
        asked_at_ms: UnixMillis(0),
        until_ms: UnixMillis(1_000),
        shown: Some(Shown {
            text: text.to_owned(),
            size: text.len() as u64,
            cut: false,
        }),
        digest: "abc".to_owned(),
        answered: None,
    }
}
