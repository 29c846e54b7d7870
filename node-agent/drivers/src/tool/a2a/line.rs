//! The wire to an agent: its card, and requests to the one address that the card names, each with the key where the Tool
//! has one. What is said is read as it comes, events or a document, whatever it calls itself, without the key and within
//! bounds. What may not enter: which requests are made (`follow`).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use aion_abi::{code::Code, problem::Problem};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};
use tokio::time::timeout;

use super::{
    super::{refused::may_have_acted, stream::strike_out},
    Remote,
    agents::Agent,
    binding::{Asked, Binding},
    card::{Card, KeyForm, MAX_CARD},
    events::Events,
    fault::{self, Kind, NotDone},
    problem,
};
use crate::{
    outbound::{
        Endpoint, Outbound, REFUSAL, describe, millis, named_pause, not_before, read_at_most,
        refusal_of, said,
    },
    secrets::{Secret, Secrets},
    wire::json,
};

/// The version that is spoken.
const VERSION: (&str, &str) = ("a2a-version", "1.0");
/// The most of a refusal that is read.
const MAX_REFUSAL: usize = 64 * 1024;
const NO_KEY: &str =
    "correct the key in the secret that spec.a2a.token of the Tool names, or name one";

/// What reaching an agent needs.
pub(super) struct Dialer {
    pub(super) outbound: Arc<Outbound>,
    pub(super) secrets: Arc<dyn Secrets>,
}

impl Dialer {
    /// Fetches the card.
    pub(super) async fn card(&self, agent: &Agent) -> Result<Card, Problem> {
        let remote = agent.remote()?;
        let (_, at) = self.outbound.client(&remote.endpoint)?;
        let card_url = remote.card_url.clone();
        let card_url = card_url.unwrap_or_else(|| {
            let base = at.as_str().trim_end_matches('/');
            format!("{base}/.well-known/agent-card.json")
        });
        let (client, url) = self.outbound.client(&Endpoint {
            url: card_url,
            ..remote.endpoint.clone()
        })?;
        let mut request = client.get(url.clone()).header(ACCEPT, "application/json");
        let key = self.key(remote).await?;
        // Where its card is elsewhere, the key is not for those who keep the card.
        if let Some(key) = key.as_ref().filter(|_| url.origin() == at.origin()) {
            request = request.bearer_auth(key.expose());
        }
        let tool = agent.name();
        let answered = sent(tool, key.as_deref(), request).await;
        let response = answered.map_err(|it| match it.kind {
            Kind::NoTask => problem(
                Code::UpstreamFailed,
                agent,
                &format!("there is no card at {}", url.path()),
            )
            .remedy("correct spec.a2a.url of the Tool, or name the card by spec.a2a.cardUrl"),
            _ => it.problem,
        })?;
        let upstream = |what: &str| problem(Code::UpstreamFailed, agent, what);
        let body = read_at_most(response, MAX_CARD).await;
        let body = body.map_err(|why| upstream(&format!("its card: {why}")))?;
        let mut card = json(&body).map_err(|why| {
            let what = format!("what is there in the place of its card is no JSON: {why}");
            upstream(&what)
                .remedy("correct spec.a2a.url of the Tool, or name the card by spec.a2a.cardUrl")
        })?;
        // A server that repeats headers would write the key into what a model is told.
        strike_out_of(key.as_deref(), &mut card);
        Card::read(&card, &at, key.is_some())
            .map_err(|wrong| upstream(&wrong.what).remedy(wrong.remedy))
    }

    /// The line to the address that the card names.
    pub(super) async fn line(&self, agent: &Agent, card: &Card) -> Result<Line, Problem> {
        let remote = agent.remote()?;
        let client = self.outbound.client_to(&remote.endpoint, &card.url)?;
        let key = self.key(remote).await?;
        Ok(Line {
            tool: agent.name().to_owned(),
            client,
            url: card.url.clone(),
            binding: card.binding,
            tenant: card.tenant.clone(),
            streams: card.streams,
            key: key.map(|it| (card.key.clone(), it)),
            requests: AtomicU64::new(0),
        })
    }

    async fn key(&self, remote: &Remote) -> Result<Option<Arc<Secret>>, Problem> {
        let Some(reference) = &remote.endpoint.secret else {
            return Ok(None);
        };
        let tenant = &remote.endpoint.tenant;
        let secret = self.secrets.read(tenant, reference).await?;
        Ok(Some(Arc::new(secret)))
    }
}

/// See the module.
pub(super) struct Line {
    pub(super) tool: String,
    client: Client,
    url: Url,
    binding: Binding,
    tenant: Option<String>,
    /// It tells of a task while it works.
    pub(super) streams: bool,
    key: Option<(KeyForm, Arc<Secret>)>,
    requests: AtomicU64,
}

impl Line {
    /// Asks, and gives what is told as it comes.
    ///
    /// # Errors
    /// [`NotDone`], also for an error in the place of an answer.
    pub(super) async fn open(&self, asked: &Asked<'_>) -> Result<Events, NotDone> {
        let id = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let tenant = self.tenant.as_deref();
        let what = self.binding.sent(asked, &self.url, tenant, id);
        let accepts = format!("text/event-stream, {}, application/json", what.content_type);
        let mut request = self.client.request(what.method, what.url);
        request = request.header(ACCEPT, accepts).header(VERSION.0, VERSION.1);
        if let Some(body) = what.body {
            request = request
                .body(body.to_string())
                .header(CONTENT_TYPE, what.content_type);
        }
        let secret = self.key.as_ref().map(|it| &it.1);
        match &self.key {
            None => {}
            Some((KeyForm::Bearer, key)) => request = request.bearer_auth(key.expose()),
            Some((KeyForm::Header(name), key)) => {
                let value = HeaderValue::from_bytes(key.expose().as_bytes());
                let mut value = value.map_err(|_| {
                    let what = "its key has a character that a header may not have";
                    NotDone::new(Kind::Refused, Code::BadRequest, &self.tool, what).remedy(NO_KEY)
                })?;
                value.set_sensitive(true);
                request = request.header(name.clone(), value);
            }
        }
        let response = sent(&self.tool, secret.map(AsRef::as_ref), request).await?;
        // The first word of an answer may take the agent as long as the call may; the others it has at once.
        let is_asked = matches!(asked, Asked::Send(_) | Asked::Stream(_));
        let secret = secret.cloned();
        Ok(Events::new(&self.tool, response, secret, is_asked))
    }

    /// Asks to be told of a task that is at work: by POST, and where a server knows that by GET alone, so.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) async fn subscribe(&self, task: &str) -> Result<Events, NotDone> {
        match self.open(&Asked::Subscribe(task)).await {
            Err(fault)
                if self.binding == Binding::Rest
                    && matches!(fault.kind, Kind::NotSupported | Kind::NoTask) =>
            {
                self.open(&Asked::SubscribeByGet(task)).await
            }
            told => told,
        }
    }

    /// Asks for something that is told at once.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) async fn whole(&self, asked: &Asked<'_>) -> Result<serde_json::Value, NotDone> {
        let told = self.open(asked).await?.next().await?;
        told.ok_or_else(|| {
            let what = "it took the request and gave no answer";
            NotDone::new(Kind::Lost, Code::UpstreamFailed, &self.tool, what)
        })
    }
}

/// Sends; a status that is a refusal is one.
async fn sent(
    tool: &str,
    key: Option<&Secret>,
    request: RequestBuilder,
) -> Result<Response, NotDone> {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Err(not_sent(tool, &error)),
    };
    match response.status().is_success() {
        true => Ok(response),
        false => Err(refused(tool, key, response).await),
    }
}

fn not_sent(tool: &str, error: &reqwest::Error) -> NotDone {
    if let Some(problem) = refusal_of(tool, error) {
        return NotDone {
            problem,
            kind: Kind::Refused,
        };
    }
    let kind = match error.is_connect() {
        true => Kind::Away,
        false => Kind::Lost,
    };
    NotDone::new(kind, Code::Unreachable, tool, &describe(error))
}

async fn refused(tool: &str, key: Option<&Secret>, response: Response) -> NotDone {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = timeout(REFUSAL, read_at_most(response, MAX_REFUSAL)).await;
    let body = body.ok().and_then(Result::ok).unwrap_or_default();
    let pause = named_pause(&headers);
    let later = pause.is_some();
    let mut fault = match error_in(&body, key) {
        // For a request that is unauthenticated or forbidden the status decides, whatever the body says.
        _ if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            let what = format!("it does not accept the key ({status})");
            NotDone::new(Kind::Refused, Code::UpstreamFailed, tool, &what).remedy(NO_KEY)
        }
        _ if status.is_redirection() => {
            let what = format!("it redirects to another address ({status}), which is not followed");
            NotDone::new(Kind::Refused, Code::UpstreamFailed, tool, &what)
                .remedy("write the address that it redirects to into the Tool or the agent's card")
        }
        Some(error) => {
            let mut fault = fault::of_protocol(tool, &error);
            // A gateway writes such a body, too: only a reason of the protocol says more than the status.
            if !fault::has_reason(&error) {
                fault.kind = match by_status(status, later) {
                    Kind::Refused => fault.kind,
                    kind => kind.graver(fault.kind),
                };
            }
            fault
        }
        None => {
            let what = format!("it answered {status}: {}", said(&body, key));
            NotDone::new(by_status(status, later), Code::UpstreamFailed, tool, &what)
        }
    };
    fault.problem = not_before(fault.problem, pause.map(millis));
    fault
}

fn by_status(status: StatusCode, later: bool) -> Kind {
    match status {
        _ if may_have_acted(status, later) => Kind::Lost,
        StatusCode::NOT_FOUND => Kind::NoTask,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Kind::NotSupported,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Kind::Away,
        _ => Kind::Refused,
    }
}

fn strike_out_of(key: Option<&Secret>, value: &mut serde_json::Value) {
    let mut said = serde_json::json!({"result": value.take()});
    strike_out(key, &mut said);
    *value = said["result"].take();
}

/// The protocol's own error in the body of a refusal, without the key.
fn error_in(body: &[u8], key: Option<&Secret>) -> Option<serde_json::Value> {
    let mut body = json(body).ok()?;
    strike_out(key, &mut body);
    let error = body.get_mut("error")?.take();
    error.is_object().then_some(error)
}
