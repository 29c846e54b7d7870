//! A device of this process: it answers what a scene says, by the same rules as one over the network.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aion_abi::{code::Code, problem::Problem};
use bytes::Bytes;
use futures::future::BoxFuture;
use hyper::{
    HeaderMap, StatusCode,
    header::{ETAG, RETRY_AFTER},
};

use super::{
    Answer, Asks, HttpDevice, HttpDriver, MAX_ANSWER, NotAnswered, Order, Validators,
    answer::{of_order, of_question},
    exchange::{Fault, Whole},
};

/// What a device is asked or told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path, with what stands before it in the address, and the query.
    pub path: String,
    /// `If-None-Match`.
    pub etag: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// The payload.
    pub body: Bytes,
}

/// What it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// `ETag`.
    pub etag: Option<&'static str>,
    /// `Retry-After`.
    pub retry_after: Option<&'static str>,
}

impl Reply {
    /// Success, with this body.
    #[must_use]
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            body: body.into(),
            ..Self::default()
        }
    }

    /// A status and nothing else.
    #[must_use]
    pub fn of(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }
}

/// What a device does.
pub type Scene = Arc<dyn Fn(Asked) -> Reply + Send + Sync>;

/// See the module. Clones are one device.
#[derive(Clone)]
pub struct FakeHttp {
    scene: Scene,
    down: Arc<AtomicBool>,
}

impl FakeHttp {
    /// A device that does this.
    #[must_use]
    pub fn new(scene: Scene) -> Self {
        Self {
            scene,
            down: Arc::default(),
        }
    }

    /// Nobody is at its address, or somebody again.
    pub fn down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    fn is_down(&self, name: &str) -> Result<(), Problem> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(Problem::new(
                Code::Unreachable,
                format!("{name} could not be reached"),
            )),
            false => Ok(()),
        }
    }

    fn answer(&self, asked: Asked) -> Result<Whole, Fault> {
        let reply = (self.scene)(asked);
        if reply.body.len() > MAX_ANSWER {
            return Err(Fault::TooLarge);
        }
        let mut headers = HeaderMap::new();
        let named = [(ETAG, reply.etag), (RETRY_AFTER, reply.retry_after)];
        for (name, value) in named {
            if let Some(value) = value {
                headers.insert(name, hyper::header::HeaderValue::from_static(value));
            }
        }
        Ok(Whole {
            status: StatusCode::from_u16(reply.status)
                .map_err(|error| Fault::Broken(error.to_string()))?,
            headers,
            body: reply.body,
        })
    }
}

impl HttpDriver for FakeHttp {
    fn open(&self, device: HttpDevice) -> Arc<dyn Asks> {
        Arc::new(Opened {
            device,
            fake: self.clone(),
        })
    }
}

struct Opened {
    device: HttpDevice,
    fake: FakeHttp,
}

impl Asks for Opened {
    fn get<'a>(
        &'a self,
        path: &'a str,
        known: &'a Validators,
    ) -> BoxFuture<'a, Result<Answer, NotAnswered>> {
        let name = &self.device.endpoint.name;
        Box::pin(async move {
            self.fake.is_down(name)?;
            let asked = Asked {
                method: "GET".to_owned(),
                path: path.to_owned(),
                etag: known.etag.clone(),
                ..Asked::default()
            };
            of_question((name, path), known, self.fake.answer(asked))
        })
    }

    fn tell<'a>(
        &'a self,
        order: Order,
        _within: Duration,
        may: &'a (dyn Fn() -> bool + Sync),
    ) -> BoxFuture<'a, Result<Bytes, Problem>> {
        let name = &self.device.endpoint.name;
        Box::pin(async move {
            self.fake.is_down(name)?;
            if !may() {
                let what = format!("this node does not serve {name} any more");
                return Err(Problem::new(Code::Unreachable, what));
            }
            let asked = Asked {
                method: order.method.to_owned(),
                path: order.path.clone(),
                etag: None,
                content_type: order.content_type.clone(),
                body: order.payload,
            };
            of_order((name, &order.path), self.fake.answer(asked))
        })
    }
}
