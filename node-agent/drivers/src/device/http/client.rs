//! Devices over the network. Questions wait for one another by turns, so that no host and no crowd of silent devices has them all.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aion_abi::{code::Code, problem::Problem, tenant::Tenant};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::{
    Method, Request, Uri,
    header::{
        ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, IF_MODIFIED_SINCE,
        IF_NONE_MATCH, USER_AGENT,
    },
};
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout, timeout_at},
};

use super::{
    Answer, Asks, HttpDevice, HttpDriver, MAX_AT_ONCE, MAX_OF_HOST, NotAnswered, Order, Validators,
    answer::{of_order, of_question, unknown},
    credentials::{Credentials, Kept},
    exchange::{exchange, exchange_or_reset},
};
use crate::{
    outbound::{NotConnected, Outbound, Stream, Wire},
    secrets::Secrets,
};

/// The longest path that is sent, in bytes.
const MAX_PATH: usize = 8 * 1024;
/// One failure may be chance: after so many in a row a device waits with those that are silent.
const DOUBTED: u32 = 2;
const AGENT: &str = concat!("aion-os/", env!("CARGO_PKG_VERSION"));

/// How many are under way at once.
struct Room {
    questions: Semaphore,
    /// Questions to devices that did not answer twice: each may take all of its time, and others wait for none of them.
    doubtful: Semaphore,
    orders: Semaphore,
    /// Parts of safe states, which wait for no other order.
    safe: Semaphore,
}

impl Room {
    fn of(most: usize) -> Self {
        Self {
            questions: Semaphore::new(most - most / 4),
            doubtful: Semaphore::new(most / 4),
            orders: Semaphore::new(most),
            safe: Semaphore::new(most / 4),
        }
    }
}

/// Devices at addresses that the outbound rule lets through.
pub struct HttpDevices {
    outbound: Arc<Outbound>,
    secrets: Arc<dyn Secrets>,
    all: Arc<Room>,
    /// By what stands before the path: as long as somebody asks there.
    hosts: Mutex<HashMap<String, Weak<Room>>>,
    /// What orders of a namespace share.
    namespaces: Mutex<HashMap<Tenant, Weak<Semaphore>>>,
}

impl HttpDevices {
    /// Devices by `outbound`, with what is shown to them of `secrets`.
    pub fn new(outbound: Arc<Outbound>, secrets: Arc<dyn Secrets>) -> Self {
        Self {
            outbound,
            secrets,
            all: Arc::new(Room::of(MAX_AT_ONCE)),
            hosts: Mutex::default(),
            namespaces: Mutex::default(),
        }
    }

    fn share(&self, of: &Tenant) -> Arc<Semaphore> {
        let mut namespaces = self.namespaces.lock();
        if let Some(share) = namespaces.get(of).and_then(Weak::upgrade) {
            return share;
        }
        namespaces.retain(|_, it| it.strong_count() > 0);
        let share = Arc::new(Semaphore::new(MAX_AT_ONCE / 4));
        namespaces.insert(of.clone(), Arc::downgrade(&share));
        share
    }

    fn room(&self, host: &str) -> Arc<Room> {
        let mut hosts = self.hosts.lock();
        if let Some(room) = hosts.get(host).and_then(Weak::upgrade) {
            return room;
        }
        hosts.retain(|_, it| it.strong_count() > 0);
        let room = Arc::new(Room::of(MAX_OF_HOST));
        hosts.insert(host.to_owned(), Arc::downgrade(&room));
        room
    }
}

impl HttpDriver for HttpDevices {
    fn open(&self, device: HttpDevice) -> Arc<dyn Asks> {
        let url = &device.endpoint.url;
        let behind = url.split_once("://").map_or(url.as_str(), |(_, it)| it);
        let (host, base) = behind.split_once('/').map_or((behind, ""), |(host, base)| {
            (host, base.trim_end_matches('/'))
        });
        let base = match base.is_empty() {
            true => String::new(),
            false => format!("/{base}"),
        };
        Arc::new(Opened {
            host: host.to_owned(),
            base,
            of_host: self.room(&host.to_ascii_lowercase()),
            of_namespace: self.share(&device.endpoint.tenant),
            all: Arc::clone(&self.all),
            outbound: Arc::clone(&self.outbound),
            secrets: Arc::clone(&self.secrets),
            credentials: Kept::default(),
            failures: AtomicU32::new(0),
            device,
        })
    }
}

struct Opened {
    device: HttpDevice,
    /// As it stands in the address, with the port if one is said.
    host: String,
    /// What stands before every path.
    base: String,
    all: Arc<Room>,
    of_host: Arc<Room>,
    of_namespace: Arc<Semaphore>,
    outbound: Arc<Outbound>,
    secrets: Arc<dyn Secrets>,
    credentials: Kept,
    /// So often in a row it did not answer.
    failures: AtomicU32,
}

impl Opened {
    fn name(&self) -> &str {
        &self.device.endpoint.name
    }

    async fn dial(&self, authority: Option<Arc<str>>) -> Result<Stream, NotConnected> {
        let endpoint = &self.device.endpoint;
        let wire = match (endpoint.url.starts_with("https://"), authority) {
            (true, None) => Wire::Tls,
            (true, Some(authority)) => Wire::PrivateTls(authority),
            (false, _) => Wire::Plain,
        };
        self.outbound.connect_or_say(endpoint, &wire).await
    }

    fn request(
        &self,
        (method, path): (Method, &str),
        shown: Credentials,
        payload: Bytes,
    ) -> Result<Request<Full<Bytes>>, Problem> {
        let unfit = |why: &str| {
            Problem::new(
                Code::BadRequest,
                format!("{path} of {} cannot be sent: {why}", self.name()),
            )
        };
        if path.len() > MAX_PATH {
            return Err(Problem::new(
                Code::BadRequest,
                format!("the path is longer than {MAX_PATH} bytes"),
            ));
        }
        let uri: Uri = format!("{}{path}", self.base)
            .parse()
            .map_err(|_| unfit("it is not a path"))?;
        let host = HeaderValue::from_str(&self.host).map_err(|_| unfit("its host is none"))?;
        let mut request = Request::new(Full::new(payload));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, */*;q=0.5"),
        );
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.extend(shown.headers);
        headers.insert(HOST, host);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(request)
    }

    async fn ask(&self, path: &str, known: &Validators) -> Result<Answer, NotAnswered> {
        let shown = self.credentials.read(&self.device, &*self.secrets).await?;
        let authority = shown.authority.clone();
        let mut request = self.request((Method::GET, path), shown, Bytes::new())?;
        let validators = [
            (IF_NONE_MATCH, &known.etag),
            (IF_MODIFIED_SINCE, &known.last_modified),
        ];
        for (name, value) in validators {
            let value = value.as_deref().map(HeaderValue::from_str);
            if let Some(Ok(value)) = value {
                request.headers_mut().insert(name, value);
            }
        }
        let stream = self.dial(authority).await?;
        let answer = of_question((self.name(), path), known, exchange(stream, request).await);
        if answer.as_ref().is_err_and(|it| it.why.code == Code::Denied) {
            self.credentials.forget();
        }
        answer
    }
}

impl Asks for Opened {
    fn get<'a>(
        &'a self,
        path: &'a str,
        known: &'a Validators,
    ) -> BoxFuture<'a, Result<Answer, NotAnswered>> {
        Box::pin(async move {
            // Whoever waits for a host keeps nobody from another one.
            let doubtful = self.failures.load(Ordering::Relaxed) >= DOUBTED;
            let of = |room: &'a Room| match doubtful {
                true => &room.doubtful,
                false => &room.questions,
            };
            let _of_host = permit(of(&self.of_host)).await?;
            let _of_all = permit(of(&self.all)).await?;
            let within = self.device.timeout;
            let answer = timeout(within, self.ask(path, known)).await;
            match &answer {
                Ok(Ok(_)) => self.failures.store(0, Ordering::Relaxed),
                _ => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                }
            }
            match answer {
                Ok(answer) => answer,
                Err(_) => {
                    let (name, seconds) = (self.name(), within.as_secs());
                    let what = format!("{name} did not answer {path} within {seconds} s");
                    Err(NotAnswered::passing(Problem::new(Code::Unreachable, what)))
                }
            }
        })
    }

    fn tell<'a>(
        &'a self,
        order: Order,
        within: Duration,
        may: &'a (dyn Fn() -> bool + Sync),
    ) -> BoxFuture<'a, Result<Bytes, Problem>> {
        Box::pin(async move {
            let (name, path) = (self.name(), order.path.as_str());
            let until = Instant::now() + within;
            let ready = async {
                let room = match order.safe {
                    true => (
                        permit(&self.of_host.safe).await?,
                        None,
                        permit(&self.all.safe).await?,
                    ),
                    false => (
                        permit(&self.of_host.orders).await?,
                        Some(permit(&self.of_namespace).await?),
                        permit(&self.all.orders).await?,
                    ),
                };
                let shown = self.credentials.read(&self.device, &*self.secrets).await?;
                let authority = shown.authority.clone();
                let method = Method::from_bytes(order.method.as_bytes())
                    .map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
                let mut request = self.request((method, path), shown, order.payload.clone())?;
                if let Some(of) = &order.content_type {
                    let of = HeaderValue::from_str(of)
                        .map_err(|_| Problem::new(Code::BadRequest, "contentType is none"))?;
                    request.headers_mut().insert(CONTENT_TYPE, of);
                }
                let stream = self.dial(authority).await.map_err(|it| it.why)?;
                Ok::<_, Problem>((stream, request, room))
            };
            let (stream, request, _room) = match timeout_at(until, ready).await {
                Ok(ready) => ready?,
                Err(_) => {
                    let what = format!("{name} could not be reached within {} s", within.as_secs());
                    return Err(Problem::new(Code::Unreachable, what)
                        .remedy("nothing was sent: try again when it is there"));
                }
            };
            if !may() {
                let what = format!("this node does not serve {name} any more");
                return Err(Problem::new(Code::Unreachable, what).remedy(
                    "nothing was sent: kubectl get devices -o wide says which node has it",
                ));
            }
            match timeout_at(until, exchange_or_reset(stream, request)).await {
                Ok(exchanged) => {
                    let answer = of_order((name, path), exchanged);
                    match &answer {
                        // It is there: what it is is not asked behind those that are silent.
                        Ok(_) => self.failures.store(0, Ordering::Relaxed),
                        Err(_) => self.credentials.forget(),
                    }
                    answer
                }
                Err(_) => Err(unknown(format!(
                    "{path} was sent to {name}, and nothing was answered within {} s",
                    within.as_secs()
                ))),
            }
        })
    }
}

async fn permit(room: &Semaphore) -> Result<SemaphorePermit<'_>, Problem> {
    let permit = room.acquire().await;
    permit.map_err(|error| Problem::new(Code::Internal, error.to_string()))
}
