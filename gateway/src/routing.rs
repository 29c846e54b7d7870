//! Who is asked where nobody is named: chosen by `aion_route` among the agents of a namespace that are ready.

use aion_abi::{code::Code, problem::Problem};
use aion_route::{Choice, Match};
use serde_json::Value;

use crate::{
    agents::unread,
    gateway::{AUTO, Gateway, problem},
};

/// Why nobody is asked.
pub(crate) struct Unrouted {
    pub(crate) problem: Problem,
    /// Those that could be meant, where the caller has to say whom it means.
    pub(crate) candidates: Vec<Match>,
}

impl From<Problem> for Unrouted {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            candidates: Vec::new(),
        }
    }
}

impl Gateway {
    /// Who is to be asked `question`. `remedy` says how one is named.
    pub(crate) async fn route(
        &self,
        namespace: &str,
        question: &str,
        remedy: &str,
    ) -> Result<Match, Unrouted> {
        let resources = self.resources(namespace).await?;
        chosen(namespace, question, remedy, resources).await
    }

    /// As [`Gateway::route`], where [`AUTO`] stands where names of agents stand: an agent that is called so is not passed over in silence.
    pub(crate) async fn route_auto(&self, question: &str) -> Result<Match, Problem> {
        let namespace = &self.namespace;
        let resources = self.resources(namespace).await?;
        if resources.iter().any(|it| it["metadata"]["name"] == AUTO) {
            let what = format!(
                "{AUTO} is the name of an agent of {namespace}, and also means the choice among all agents"
            );
            let remedy = format!("name it {namespace}/{AUTO}, or another agent");
            return Err(Problem::new(Code::Undecided, what).remedy(remedy));
        }
        let chosen = chosen(namespace, question, "name one as the model", resources).await;
        chosen.map_err(|it| it.problem)
    }

    async fn resources(&self, namespace: &str) -> Result<Vec<Value>, Problem> {
        let listed = self.nodes.agents(Some(namespace), namespace).await;
        listed.map_err(problem)
    }
}

/// As [`choose`], where it holds up nobody: there may be ten thousand agents.
async fn chosen(
    namespace: &str,
    question: &str,
    remedy: &str,
    resources: Vec<Value>,
) -> Result<Match, Unrouted> {
    let [namespace, question, remedy] = [namespace, question, remedy].map(str::to_owned);
    let chosen = move || choose(&namespace, &question, &remedy, &resources);
    match tokio::task::spawn_blocking(chosen).await {
        Ok(chosen) => chosen,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn choose(
    namespace: &str,
    question: &str,
    remedy: &str,
    resources: &[Value],
) -> Result<Match, Unrouted> {
    let undecided = match aion_route::among(resources, question).map_err(unread)? {
        Choice::One(chosen) => return Ok(chosen),
        Choice::Undecided(undecided) => undecided,
    };
    let (what, remedy) = undecided.told(namespace, remedy);
    Err(Unrouted {
        problem: Problem::new(Code::Undecided, what).remedy(remedy),
        candidates: undecided.candidates,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn agent(name: &str, description: &str, ready: &str) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"description": description},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        })
    }

    #[test]
    fn one_that_is_not_ready_is_neither_chosen_nor_named() {
        let agents = [
            agent("analyst", "Reads tables", "True"),
            agent("jarvis", "Helps with your day", "True"),
            agent("librarian", "Reads documents", "False"),
        ];
        let route = |question: &str| choose("default", question, "name one", &agents);
        assert!(route("my tables").is_ok_and(|it| it.name == "analyst"));
        let back = route("my documents").unwrap_err();
        assert_eq!(back.problem.code, Code::Undecided);
        let said = "it is not clear which agent is asked: analyst, jarvis";
        assert_eq!(back.problem.detail, said);
        assert_eq!(back.candidates.len(), 2);
        let nobody = choose("office", "my tables", "name one", &agents[2..]).unwrap_err();
        assert_eq!(nobody.problem.detail, "no agent of office is ready");
    }
}
