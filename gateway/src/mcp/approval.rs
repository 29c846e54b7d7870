//! A person's word about a call of an agent, asked of the client that began its turn: as a form of one field. A client is asked that says it
//! answers forms, in the name of who may approve, and nobody else. What may not enter: whose word counts, which is the node's to say.

use aion_abi::{
    approval::{Approval, Verdict},
    code::Code,
    problem::Problem,
};

use super::{
    questions::Outlet,
    resumed::State,
    words::{question, verdict},
};
use crate::{
    approving::asked::{self, may_be_asked, seen},
    gateway::problem,
    nodes::Nodes,
};

/// How the client of a call is asked.
#[derive(Clone)]
pub(super) enum Asker {
    /// In the call's stream, while it goes on.
    Stream(Outlet, Nodes),
    /// By its result: the client calls again, with the answer.
    Result(Nodes),
}

/// Takes what a client says that calls again to the node.
pub(super) async fn answered(
    nodes: &Nodes,
    state: &State,
    verdict: Verdict,
) -> Result<(), Problem> {
    let asked = nodes.approval(state.approval).await.map_err(problem)?;
    say(nodes, &asked, (state.turn, &state.digest), verdict).await
}

/// The approval, where it waits for a word about this turn, and who asks may say it. Anybody else is not asked.
pub(super) async fn waits(nodes: &Nodes, approval: u64, turn: u64) -> Option<Approval> {
    match seen(nodes, approval, turn).await {
        Ok(it) => it.filter(may_be_asked),
        Err(error) => {
            tracing::warn!(approval, %error, "a client is not asked about an approval that the node does not tell");
            None
        }
    }
}

/// Asks in the stream, and takes what is said to the node.
pub(super) async fn asked(outlet: Outlet, nodes: Nodes, (approval, turn): (u64, u64)) {
    let Some(asked) = waits(&nodes, approval, turn).await else {
        return;
    };
    let Some(said) = outlet.ask(&question(&asked)).await else {
        return;
    };
    let Some(verdict) = said.answer.as_ref().and_then(verdict) else {
        return;
    };
    // In the name of who says it, which may be somebody else by now.
    let taken = say(&said.by, &asked, (turn, &asked.digest), verdict).await;
    if let Err(why) = taken {
        tracing::warn!(approval, %why, "what a client said about an approval was not taken");
    }
}

/// Says it, of what was shown. Where another was first, theirs counts, and the turn tells it.
async fn say(
    nodes: &Nodes,
    asked: &Approval,
    of: (u64, &str),
    verdict: Verdict,
) -> Result<(), Problem> {
    match asked::say(nodes, asked.approval, of, verdict).await {
        Err(it) if it.code == Code::AlreadyAnswered => Ok(()),
        said => said,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_client::{Address, Node};
    use axum::{Json, Router, routing::get};
    use tokio::net::UnixListener;

    use super::*;
    use crate::approving;

    fn approval(cut: bool) -> Approval {
        let mut approval = approving::approval("{}");
        approval.shown.as_mut().unwrap().cut = cut;
        approval
    }

    /// A node that tells of the approval, or refuses to whoever asks.
    fn node(told: Result<Approval, Code>) -> Nodes {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("node.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let one = move || {
            let refused = |code| aion_serve::Refused(Problem::new(code, "it is so"));
            std::future::ready(told.clone().map(Json).map_err(refused))
        };
        let router = Router::new().route("/api/v1/approvals/{approval}", get(one));
        tokio::spawn(async move {
            let _folder = folder;
            axum::serve(listener, router).await
        });
        let address = Address::unix(&socket).unwrap();
        Nodes::One(Node { address })
    }

    #[tokio::test]
    async fn only_who_may_see_all_of_it_is_asked_and_about_its_own_turn() {
        let whole = node(Ok(approval(false)));
        assert_eq!(waits(&whole, 3, 7).await, Some(approval(false)));
        assert_eq!(waits(&whole, 3, 8).await, None, "it is another's turn");
        for silent in [
            Err(Code::Denied),
            Ok(approval(true)),
            Ok(Approval {
                shown: None,
                ..approval(false)
            }),
        ] {
            assert_eq!(waits(&node(silent.clone()), 3, 7).await, None, "{silent:?}");
        }
    }
}
