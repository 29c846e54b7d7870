//! What agents of a node ask people, and the answers, by the numbers that are shown.

use aion_abi::{
    approval::{Answer, Approval, Approvals},
    code::Code,
    problem::Problem,
};
use aion_client::ClientError;

use super::Place;
use crate::numbers;

impl Place {
    /// What all agents of the node ask.
    pub(crate) async fn approvals(&self) -> Result<Approvals, ClientError> {
        self.all(self.node.approvals().await?)
    }

    /// What agents of a namespace ask.
    #[cfg_attr(
        not(feature = "kubernetes"),
        expect(dead_code, reason = "there is one node")
    )]
    pub(crate) async fn approvals_in(&self, namespace: &str) -> Result<Approvals, ClientError> {
        self.all(self.node.approvals_in(namespace).await?)
    }

    /// What one agent asks, in `left` bytes at most, which are fewer afterwards.
    pub(crate) async fn approvals_of(
        &self,
        agent: (&str, &str),
        left: &mut usize,
    ) -> Result<Approvals, ClientError> {
        let told = self.begun(self.node.approvals_of_within(agent, left));
        self.all(told.await?)
    }

    /// One approval.
    pub(crate) async fn approval(&self, own: u64) -> Result<Approval, ClientError> {
        let found = self.begun(self.node.approval(own)).await?;
        self.one(found)
    }

    /// Says yes or no, to what was shown of it here.
    pub(crate) async fn answer(&self, own: u64, answer: &Answer) -> Result<Approval, ClientError> {
        let turn = self.turn_of(answer)?;
        let asked = self.begun(self.node.approval(own)).await?;
        let (namespace, agent) = asked.agent.split_once('/').ok_or_else(|| {
            let what = format!("approval {own} of its node is of no agent");
            Problem::new(Code::UpstreamFailed, what)
        })?;
        let answer = Answer {
            turn,
            ..answer.clone()
        };
        let said = self.node.answer_approval(namespace, agent, own, &answer);
        self.one(self.in_time(said, || self.unsaid()).await?)
    }

    /// Takes a word back that stands.
    pub(crate) async fn revoke(&self, own: u64) -> Result<(), ClientError> {
        let revoked = self.node.revoke(own);
        self.in_time(revoked, || self.unsaid()).await
    }

    /// The turn that a person was shown, as the node counts it.
    fn turn_of(&self, answer: &Answer) -> Result<u64, Problem> {
        let Some(tag) = self.tag else {
            return Ok(answer.turn);
        };
        match numbers::number(answer.turn) {
            Some((at, own)) if at == tag => Ok(own),
            _ => {
                let what = format!("turn {} is not of the approval's node", answer.turn);
                Err(Problem::new(Code::Changed, what)
                    .remedy("look at the approval, and answer with its turn and digest"))
            }
        }
    }

    fn all(&self, mut all: Approvals) -> Result<Approvals, ClientError> {
        let items = all.items.into_iter().map(|it| self.one(it));
        all.items = items.collect::<Result<_, _>>()?;
        for word in &mut all.standing {
            word.approval = self.shown(word.approval)?;
        }
        Ok(all)
    }

    fn one(&self, mut it: Approval) -> Result<Approval, ClientError> {
        it.approval = self.shown(it.approval)?;
        it.turn = self.shown(it.turn)?;
        Ok(it)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::{
        approval::{Scope, Standing, Verdict},
        date::UnixMillis,
    };
    use aion_client::{Address, Node};

    use super::*;
    use crate::numbers::Tag;

    fn place(tag: Option<&str>) -> Place {
        let address = Address::unix("/nowhere").unwrap();
        Place {
            node: Node { address },
            tag: tag.map(Tag::of),
        }
    }

    fn answer(turn: u64) -> Answer {
        Answer {
            turn,
            digest: "abc".to_owned(),
            verdict: Verdict::Deny,
            scope: Scope::Once,
            until_ms: None,
        }
    }

    #[test]
    fn an_answer_is_of_a_turn_of_the_approvals_node() {
        let (one, other) = (Tag::of("n1"), Tag::of("n2"));
        let shown = one.number(7).unwrap();
        assert_eq!(place(Some("n1")).turn_of(&answer(shown)).unwrap(), 7);
        for wrong in [7, other.number(7).unwrap(), u64::MAX] {
            let refused = place(Some("n1")).turn_of(&answer(wrong)).unwrap_err();
            assert_eq!(refused.code, Code::Changed, "{wrong}");
        }
        // Where there is one node its own numbers are shown.
        assert_eq!(place(None).turn_of(&answer(7)).unwrap(), 7);
    }

    #[tokio::test]
    async fn an_answer_of_another_node_is_refused_before_the_node_is_asked() {
        let other = answer(Tag::of("n2").number(7).unwrap());
        // The node is nowhere: it would be unreachable.
        let refused = place(Some("n1")).answer(3, &other).await.unwrap_err();
        assert!(
            matches!(&refused, ClientError::Refused(it) if it.code == Code::Changed),
            "{refused}"
        );
    }

    #[tokio::test]
    async fn lists_of_several_agents_have_one_bound_together() {
        const LIST: &str = r#"{"items":[],"standing":[]}"#;
        let router = axum::Router::new().fallback(async || LIST);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let place = Place {
            node: Node {
                address: Address::cluster(&at, None, None).unwrap(),
            },
            tag: None,
        };
        let mut left = 2 * LIST.len();
        for agent in ["a", "b"] {
            place
                .approvals_of(("home", agent), &mut left)
                .await
                .unwrap();
        }
        assert_eq!(left, 0);
        let refused = place.approvals_of(("home", "c"), &mut left).await;
        let refused = refused.unwrap_err();
        assert!(refused.to_string().contains("larger"), "{refused}");
    }

    #[test]
    fn what_stands_has_the_number_that_is_shown_too() {
        let word = Standing {
            approval: 3,
            agent: "home/clerk".to_owned(),
            capability: "memory.remember".to_owned(),
            until_ms: UnixMillis(2),
            by: None,
            given_at_ms: UnixMillis(1),
        };
        let all = || Approvals {
            items: Vec::new(),
            standing: vec![word.clone()],
        };
        let shown = place(Some("n1")).all(all()).unwrap();
        let number = Tag::of("n1").number(3);
        assert_eq!(Some(shown.standing[0].approval), number);
        assert_eq!(place(None).all(all()).unwrap(), all());
    }
}
