//! Deliveries of webhooks: who signed one, whether it came before, and its way into a turn.
//!
//! Whoever signs nothing learns nothing: an address without a hook, and a signature that is none, are refused in the same
//! words, after as much work. Nothing of a secret or of a body is logged.

use aion_abi::{
    code::Code,
    date::UnixMillis,
    problem::Problem,
    tenant::Tenant,
    trigger::{Fired, MAX_DELIVERY},
};
use aion_api::{Signed, Webhook};
use aion_drivers::secrets::{Secret, SecretRef};
use aion_trigger::signature::{Form, Unverified, verify};
use bytes::Bytes;
use futures::stream;
use http::HeaderMap;

use super::{
    Triggers,
    firing::{not_kept, refusal},
    row::{File, Occasion},
    table::Id,
};
use crate::turns::{QuestionKey, UploadError};

/// What came for a hook.
pub(crate) struct Delivery {
    /// `namespace/agent`.
    pub(crate) agent: String,
    pub(crate) trigger: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Triggers {
    /// Takes a delivery. A sender that goes away leaves nothing half done.
    ///
    /// # Errors
    /// It is not signed, or cannot be taken now.
    pub(crate) async fn deliver(&self, delivery: Delivery) -> Result<Fired, Problem> {
        let this = self.clone();
        let taken = tokio::spawn(async move { this.take(delivery).await });
        let taken = taken.await.unwrap_or_else(|error| {
            let what = format!("a delivery broke off: {error}");
            Err(Problem::new(Code::Internal, what))
        });
        if let Err(problem) = &taken {
            let telemetry = &self.shared.parts.telemetry;
            telemetry.hook_refused(problem.code.as_str());
        }
        taken
    }

    async fn take(&self, delivery: Delivery) -> Result<Fired, Problem> {
        if delivery.body.len() > MAX_DELIVERY {
            let what = format!("a delivery has at most {} MiB", MAX_DELIVERY >> 20);
            return Err(Problem::new(Code::TooLarge, what).remedy("have its sender send less"));
        }
        let id = Id::new(&delivery.agent, &delivery.trigger);
        let key = self.verified(&id, &delivery).await?;
        let Some((instance, trigger)) = self.look(&id) else {
            return Err(unsigned());
        };
        self.ensure(&id, &instance, &trigger);
        let agent = instance.agent();
        let repeated = |this: &Self| {
            let turn = this
                .shared
                .parts
                .turns
                .asked_under(&agent, QuestionKey::of_trigger(&id.name, &key));
            Fired {
                turn: turn.map(|turn| turn.0),
                repeated: true,
            }
        };
        let name = {
            let mut table = self.shared.table.lock();
            let Some(entry) = table.get_mut(&id) else {
                return Err(unsigned());
            };
            if entry.has_seen(&key) {
                drop(table);
                return Ok(repeated(self));
            }
            let now = self.now();
            entry.pace(now.at).map_err(|pause| {
                Problem::new(
                    Code::QuotaExceeded,
                    "this hook takes 60 deliveries at once, and two a second",
                )
                .retry_after_ms(pause)
            })?;
            entry.row.admits(&trigger, now.at).map_err(refusal)?;
            entry.row.files += 1;
            format!("{}-{}.{}", id.name, entry.row.files, ending(&delivery.body))
        };
        let file = self.file(&agent, &name, delivery.body).await?;
        let now = self.now();
        let occasion = Occasion {
            key: key.clone(),
            at: now.date,
            since: now.at,
            scheduled: None,
            file,
            source: None,
            depth: 0,
        };
        {
            let mut table = self.shared.table.lock();
            let Some(entry) = table.get_mut(&id) else {
                return Err(unsigned());
            };
            if entry.has_seen(&key) {
                drop(table);
                return Ok(repeated(self));
            }
            entry.row.take(occasion, &trigger, now).map_err(refusal)?;
            entry.see(key.clone());
        }
        if let Err(error) = self.keep(&id).await {
            // Its sender is told, and sends it again.
            let mut table = self.shared.table.lock();
            if let Some(entry) = table.get_mut(&id) {
                entry.unsee(&key);
                entry.row.waiting.retain(|it| it.key != key);
            }
            return Err(not_kept(&error));
        }
        // What is refused for now is kept, and tried again.
        let turn = self.advance(&id).await.ok().flatten();
        Ok(self.fired(&id, &key, turn))
    }

    /// Who sent it, by a secret of the hook; gives what the delivery is known by.
    async fn verified(&self, id: &Id, delivery: &Delivery) -> Result<String, Problem> {
        let hook = self.look(id);
        let (tenant, webhook) = match &hook {
            Some((instance, trigger)) => (instance.spec().tenant.clone(), trigger.webhook.clone()),
            None => (Tenant::from("default"), None),
        };
        let secrets = self.secrets(&tenant, webhook.as_ref()).await;
        let exposed: Vec<&str> = secrets.iter().map(Secret::expose).collect();
        let form = match webhook.map(|it| it.signed).unwrap_or_default() {
            Signed::Standard => Form::Standard,
            Signed::Github => Form::Github,
            Signed::Stripe => Form::Stripe,
        };
        let header = |name: &str| delivery.headers.get(name).and_then(|it| it.to_str().ok());
        let now: UnixMillis = self.now().date;
        verify(form, header, &delivery.body, &exposed, now).map_err(|why| match why {
            Unverified::Unsigned => unsigned(),
            Unverified::Stale => Problem::new(Code::Stale, why.to_string()).remedy(
                "sign it when it is sent, by a clock that is right; this node's may be wrong",
            ),
        })
    }

    /// The secrets of a hook; of one that there is not, none, after a look at the same place.
    async fn secrets(&self, tenant: &Tenant, webhook: Option<&Webhook>) -> Vec<Secret> {
        let nobodys = || SecretRef {
            secret: "no-such-hook".to_owned(),
            key: "secret".to_owned(),
        };
        let references: Vec<SecretRef> = match webhook {
            Some(webhook) => webhook.secrets.iter().map(of).collect(),
            None => vec![nobodys()],
        };
        let mut found = Vec::new();
        for reference in &references {
            match self.shared.parts.secrets.text(tenant, reference).await {
                Ok(secret) => found.push(secret),
                Err(error) if webhook.is_some() => {
                    tracing::warn!(%tenant, %error, "a webhook has no secret");
                }
                Err(_) => {}
            }
        }
        found
    }

    async fn file(&self, agent: &str, name: &str, body: Bytes) -> Result<Option<File>, Problem> {
        if body.is_empty() {
            return Ok(None);
        }
        let content = stream::iter([Ok::<_, String>(body)]);
        let uploads = self.shared.parts.turns.uploads();
        let taken = uploads.take(agent, name, content).await;
        let upload = taken.map_err(|error| match error {
            UploadError::Io(error) => not_kept(&error),
            error => Problem::new(Code::Overloaded, error.to_string()).retry_after_ms(60_000),
        })?;
        Ok(Some(File {
            upload: upload.upload,
            name: upload.name,
        }))
    }
}

fn of(key: &aion_api::program::SecretKey) -> SecretRef {
    SecretRef {
        secret: key.secret.clone(),
        key: key.key.clone(),
    }
}

/// The same for whoever has no secret, whatever is at the address.
fn unsigned() -> Problem {
    Problem::new(
        Code::BadSignature,
        "there is no such hook, or the delivery is signed with none of its secrets",
    )
    .remedy("compare address and secret with the agent's trigger: aionctl trigger list")
}

fn ending(body: &[u8]) -> &'static str {
    match (
        serde_json::from_slice::<serde::de::IgnoredAny>(body),
        str::from_utf8(body),
    ) {
        (Ok(_), _) => "json",
        (_, Ok(_)) => "txt",
        _ => "bin",
    }
}
