//! Deliveries of webhooks: who signed one, whether it came before, and its way into a turn.
//!
//! Whoever signs nothing learns nothing: an address without a hook, and a signature that is none, are refused in the same
//! words, after as much work. Nothing of a secret or of a body is logged.

use std::slice::from_ref;

use aion_abi::{
    code::Code,
    date::UnixMillis,
    problem::Problem,
    tenant::Tenant,
    trigger::{Fired, MAX_DELIVERY},
};
use aion_api::{Signed, Webhook};
use aion_drivers::secrets::{Secret, SecretError, SecretRef};
use aion_trigger::signature::{Form, Unverified, verify};
use bytes::Bytes;
use futures::{future::join_all, stream};
use http::HeaderMap;

use super::{
    Triggers,
    asking::{not_kept, refusal},
    row::{File, Occasion},
    table::Id,
};
use crate::turns::{QuestionKey, UploadError};

/// Secrets of a hook: one, and one that takes its place.
const SECRETS: usize = 2;

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
            return Err(
                Problem::new(Code::TooLarge, what).remedy("have its sender send a smaller body")
            );
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
        let given: Vec<String> = file.iter().map(|it| it.upload.clone()).collect();
        let now = self.now();
        let occasion = Occasion {
            key: key.clone(),
            at: now.date,
            since: now.at,
            scheduled: None,
            file,
            source: None,
            said: None,
            depth: 0,
        };
        {
            let mut table = self.shared.table.lock();
            let taken = match table.get_mut(&id) {
                None => Err(unsigned()),
                Some(entry) if entry.has_seen(&key) => Ok(false),
                Some(entry) => {
                    let taken = entry.row.take(occasion, &trigger, now);
                    taken.map_err(refusal).map(|()| {
                        entry.see(key.clone());
                        true
                    })
                }
            };
            drop(table);
            if !matches!(taken, Ok(true)) {
                self.leave(&id, &given);
                return taken.map(|_| repeated(self));
            }
        }
        if let Err(error) = self.keep(&id).await {
            // Its sender is told, and sends it again.
            let mut table = self.shared.table.lock();
            if let Some(entry) = table.get_mut(&id) {
                entry.unsee(&key);
                entry.row.waiting.retain(|it| it.key != key);
            }
            drop(table);
            self.leave(&id, &given);
            return Err(not_kept(&error));
        }
        match self.advance(&id).await {
            Ok(turn) => Ok(self.fired(&id, &key, turn)),
            Err(problem) => self.refused(&id, &agent, &key, problem),
        }
    }

    /// What came of a delivery where a turn was refused: one that is refused for now is kept, and tried again. One that was given
    /// up its sender may send again.
    fn refused(&self, id: &Id, agent: &str, key: &str, problem: Problem) -> Result<Fired, Problem> {
        let mut table = self.shared.table.lock();
        let Some(entry) = table.get_mut(id) else {
            return Err(problem);
        };
        let row = &entry.row;
        let kept = row.asking.is_some() || row.waiting.iter().any(|it| it.key == key);
        let question = QuestionKey::of_trigger(&id.name, key);
        let turn = self.shared.parts.turns.asked_under(agent, question);
        if kept || turn.is_some() {
            let turn = turn.map(|turn| turn.0);
            return Ok(Fired {
                turn,
                repeated: false,
            });
        }
        entry.unsee(key);
        Err(problem)
    }

    /// Who sent it, by a secret of the hook; gives what the delivery is known by.
    async fn verified(&self, id: &Id, delivery: &Delivery) -> Result<String, Problem> {
        let hook = self.look(id);
        let (tenant, webhook) = match &hook {
            Some((instance, trigger)) => (instance.spec().tenant.clone(), trigger.webhook.clone()),
            None => (Tenant::from("default"), None),
        };
        let (secrets, unread) = self.secrets(id, &tenant, webhook.as_ref()).await;
        let form = match webhook.map(|it| it.signed).unwrap_or_default() {
            Signed::Standard => Form::Standard,
            Signed::Github => Form::Github,
            Signed::Stripe => Form::Stripe,
        };
        let (headers, body) = (delivery.headers.clone(), delivery.body.clone());
        let now: UnixMillis = self.now().date;
        // A large body is work: not on a thread that others wait for.
        let verified = tokio::task::spawn_blocking(move || {
            let exposed: Vec<&str> = secrets.iter().map(Secret::expose).collect();
            let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
            verify(form, header, &body, &exposed, now)
        });
        let verified = verified
            .await
            .map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
        verified.map_err(|why| match why {
            Unverified::Unsigned if unread => Problem::new(
                Code::Overloaded,
                "whether the delivery is signed cannot be found out now",
            )
            .retry_after_ms(60_000),
            Unverified::Unsigned => unsigned(),
            Unverified::Stale => Problem::new(Code::Stale, why.to_string()).remedy(
                "sign it when it is sent, by a clock that is right; this node's may be wrong",
            ),
        })
    }

    /// The secrets of a hook, and whether one that there may be cannot be read now. Of a hook that there is not, none, after as many
    /// looks.
    async fn secrets(
        &self,
        id: &Id,
        tenant: &Tenant,
        webhook: Option<&Webhook>,
    ) -> (Vec<Secret>, bool) {
        let mut references: Vec<SecretRef> = match webhook {
            Some(webhook) => webhook.secrets.iter().map(of).collect(),
            None => Vec::new(),
        };
        let own = references.len();
        references.resize_with(own.max(SECRETS), || SecretRef {
            secret: "no-such-hook".to_owned(),
            key: "secret".to_owned(),
        });
        let secrets = &self.shared.parts.secrets;
        let read = join_all(references.iter().map(|it| secrets.text(tenant, it))).await;
        let (mut found, mut unread, mut lacks) = (Vec::new(), false, None);
        for (place, read) in read.into_iter().enumerate() {
            match read {
                Ok(secret) if place < own => found.push(secret),
                Ok(_) => {}
                Err(error) => {
                    let none = matches!(error, SecretError::Missing(_) | SecretError::Unfit { .. });
                    unread |= !none && (place < own || own == 0);
                    lacks = lacks.or((place < own).then_some(error));
                }
            }
        }
        // Anybody can ask this often: it is told once.
        let mut table = self.shared.table.lock();
        if let Some(entry) = table.get_mut(id)
            && std::mem::replace(&mut entry.lacks_secret, lacks.is_some()) != lacks.is_some()
            && let Some(error) = lacks
        {
            tracing::warn!(trigger = %id, %error, "a webhook has no secret");
        }
        (found, unread)
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
        uploads.keep(agent, from_ref(&upload.upload));
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
        "there is no such hook, or none of its secrets signed the delivery",
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
