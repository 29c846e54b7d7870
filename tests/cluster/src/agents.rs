//! Agents of the stories: applied, ready, asked, gone.

use serde_json::Value;

use crate::{HOME, Installed, root};

impl Installed {
    /// Applies a shipped agent.
    pub fn apply_shipped(&self, agent: &str) {
        let manifest = root().join(format!("agents/{agent}/agent.yaml"));
        self.kubectl(&["-n", HOME, "apply", "-f", &manifest.to_string_lossy()]);
    }

    /// Waits until an agent is ready.
    pub fn until_ready(&self, agent: &str) {
        self.until(&format!("agent {agent} becoming ready"), || {
            let found = self.get(&["-n", HOME, "agent", agent])?;
            match condition(&found, "Ready").starts_with("True") {
                true => Ok(()),
                false => {
                    let instances = self.get(&["-n", HOME, "agentinstances"])?;
                    Err(format!("{:#}\n{:#}", found["status"], instances["items"]))
                }
            }
        });
    }

    /// Waits until an agent answers with `words`.
    pub fn until_answered(&self, agent: &str, question: &str, words: &str) {
        self.until(&format!("an answer of {agent}"), || {
            match self.aionctl(&["ask", agent, question])? {
                answer if answer.contains(words) => Ok(()),
                answer => Err(answer),
            }
        });
    }

    /// Deletes what [`Installed::apply_shipped`] applied, and waits until it is gone.
    pub fn delete_shipped(&self, agent: &str) {
        let manifest = root().join(format!("agents/{agent}/agent.yaml"));
        self.kubectl(&[
            "-n",
            HOME,
            "delete",
            "-f",
            &manifest.to_string_lossy(),
            "--timeout=120s",
        ]);
    }
}

/// A condition's status, reason and message, in words.
#[must_use]
pub fn condition(object: &Value, type_: &str) -> String {
    let all = object["status"]["conditions"].as_array();
    let found = all.into_iter().flatten().find(|it| it["type"] == type_);
    found.map_or("none".to_owned(), |it| {
        let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}: {}", text("status"), text("reason"), text("message"))
    })
}
