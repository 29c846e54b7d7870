//! The keys that an issuer serves (OpenID Connect Discovery, RFC 7517): fetched when one is needed, kept for a while, and for a stated
//! time longer where the issuer does not answer.

use std::{fs, sync::Arc, time::Duration};

use aion_abi::{code::Code, problem::Problem};
use jsonwebtoken::jwk::Jwk;
use parking_lot::Mutex;
use reqwest::{Certificate, Client, Url, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::settings::{Issuer, SettingsError, is_safe_of};

/// For how long keys are believed without another look.
const FRESH: Duration = Duration::from_secs(600);
/// From which age on they are fetched again while they are believed, so that nobody waits for it.
const AGING: Duration = Duration::from_secs(300);
/// Between two tries to fetch them, whatever tokens say.
const PAUSE: Duration = Duration::from_secs(30);
/// How long one may take, with both of its requests.
const FETCH: Duration = Duration::from_secs(5);
/// The largest answer, in bytes.
const LARGEST: usize = 256 << 10;

/// See the module. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Served(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    issuer: String,
    /// None: no packet leaves this machine.
    client: Option<Client>,
    offline: Duration,
    kept: Mutex<Kept>,
    /// Held while they are fetched: whoever needs them waits for it.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Kept {
    keys: Arc<Vec<Jwk>>,
    fetched: Option<Instant>,
    /// When the last try began, and where it is over when it ended.
    tried: Option<Instant>,
    /// The last try that is over came to nothing.
    failed: bool,
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl Served {
    pub(super) fn of(issuer: &Issuer, offline: bool) -> Result<Self, SettingsError> {
        let client = match offline {
            true => None,
            false => Some(client(issuer)?),
        };
        Ok(Self(Arc::new(Shared {
            issuer: issuer.issuer.clone(),
            client,
            offline: Duration::from_secs(issuer.offline_seconds),
            kept: Mutex::default(),
            fetching: Arc::default(),
        })))
    }

    /// The key that is called so. Only who has none that counts waits for the issuer.
    ///
    /// # Errors
    /// There is none, or whether there is cannot be known.
    pub(super) async fn key(&self, kid: &str) -> Result<Jwk, Problem> {
        let shared = &self.0;
        let found = shared.find(kid, shared.believed());
        if found.is_none() || shared.is_aging() {
            self.refresh();
        }
        if let Some(key) = found {
            return Ok(key);
        }
        drop(shared.fetching.lock().await);
        let found = shared.find(kid, FRESH + shared.offline);
        found.ok_or_else(|| shared.missing())
    }

    /// Has the keys fetched, where nobody does and it was not tried a moment ago. It goes on to its end whoever goes away: what leaves no
    /// trace could be had again and again.
    fn refresh(&self) {
        let Ok(alone) = Arc::clone(&self.0.fetching).try_lock_owned() else {
            return;
        };
        if !self.0.is_due() {
            return;
        }
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            shared.fetch().await;
            drop(alone);
        });
    }
}

impl Shared {
    /// How old a key may be that is used without a look.
    fn believed(&self) -> Duration {
        match self.kept.lock().failed {
            true => FRESH + self.offline,
            false => FRESH,
        }
    }

    fn is_aging(&self) -> bool {
        let fetched = self.kept.lock().fetched;
        fetched.is_none_or(|it| it.elapsed() >= AGING)
    }

    /// Whether to try now; whoever hears so does.
    fn is_due(&self) -> bool {
        let mut kept = self.kept.lock();
        let due = kept.tried.is_none_or(|it| it.elapsed() >= PAUSE);
        if due {
            kept.tried = Some(Instant::now());
        }
        due
    }

    fn missing(&self) -> Problem {
        let kept = self.kept.lock();
        let is_current = kept.fetched.is_some() && !kept.failed;
        drop(kept);
        match is_current {
            true => {
                let what = "the token is signed by a key that its issuer does not serve";
                Problem::new(Code::BadSignature, what).remedy("log in again")
            }
            false if self.client.is_none() => {
                let what = format!("the keys of {} are not fetched offline", self.issuer);
                Problem::new(Code::Offline, what)
            }
            false => {
                let what = format!("the issuer {} does not say its keys", self.issuer);
                Problem::new(Code::Unreachable, what)
                    .remedy("see the node's log, and whether the issuer answers")
                    .retry_after_ms(u64::try_from(PAUSE.as_millis()).unwrap_or_default())
            }
        }
    }

    /// Among keys that are no older.
    fn find(&self, kid: &str, age: Duration) -> Option<Jwk> {
        let kept = self.kept.lock();
        kept.fetched.filter(|it| it.elapsed() < age)?;
        let mut keys = kept.keys.iter();
        let key = keys.find(|it| it.common.key_id.as_deref() == Some(kid));
        key.cloned()
    }

    async fn fetch(&self) {
        let began = Instant::now();
        let fetched = timeout(FETCH, self.fetched()).await;
        let mut kept = self.kept.lock();
        kept.tried = Some(Instant::now());
        kept.failed = !matches!(fetched, Ok(Ok(_)));
        match fetched.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {FETCH:?}"))) {
            Ok(keys) => {
                kept.keys = Arc::new(keys);
                kept.fetched = Some(began);
            }
            Err(error) => {
                let issuer = &self.issuer;
                tracing::warn!(%issuer, error = format!("{error:#}"), "the keys of an issuer are not fetched");
            }
        }
    }

    async fn fetched(&self) -> anyhow::Result<Vec<Jwk>> {
        let client = self.client.as_ref();
        let client = client.ok_or_else(|| anyhow::anyhow!("OFFLINE_MODE is on"))?;
        let issuer = self.issuer.trim_end_matches('/');
        let discovery = format!("{issuer}/.well-known/openid-configuration");
        let found: Discovered = json(client, &discovery).await?;
        if found.issuer != self.issuer || !is_safe_of(&self.issuer, &found.jwks_uri) {
            anyhow::bail!("it describes another issuer, or keys without TLS");
        }
        let KeySet { keys } = json(client, &found.jwks_uri).await?;
        // One that cannot be read hides no other.
        let keys = keys
            .into_iter()
            .filter_map(|it| serde_json::from_value(it).ok());
        Ok(keys.collect())
    }
}

/// One that goes where it is told.
fn client(issuer: &Issuer) -> Result<Client, SettingsError> {
    let failed = |why: String| SettingsError {
        path: issuer.ca.clone().unwrap_or_default(),
        why,
    };
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .pool_max_idle_per_host(0);
    let is_plain = Url::parse(&issuer.issuer).is_ok_and(|it| it.scheme() == "http");
    let authorities = match &issuer.ca {
        Some(path) => {
            let pem = fs::read(path).map_err(|why| failed(why.to_string()))?;
            let read = Certificate::from_pem_bundle(&pem).map_err(|why| failed(why.to_string()))?;
            Some(read)
        }
        // It needs none.
        None if is_plain => Some(Vec::new()),
        None => None,
    };
    if let Some(authorities) = authorities {
        builder = builder.tls_certs_only(authorities);
    }
    builder.build().map_err(|why| failed(why.to_string()))
}

async fn json<T: DeserializeOwned>(client: &Client, url: &str) -> anyhow::Result<T> {
    let mut answer = client.get(url).send().await?.error_for_status()?;
    let mut whole = Vec::new();
    while let Some(part) = answer.chunk().await? {
        if whole.len() + part.len() > LARGEST {
            anyhow::bail!("{url} answers with more than {LARGEST} bytes");
        }
        whole.extend_from_slice(&part);
    }
    Ok(serde_json::from_slice(&whole)?)
}
