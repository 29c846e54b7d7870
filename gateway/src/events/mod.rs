//! The feed of the node for programs: one connection there for all of them here, as a WebSocket of many subscriptions or as one
//! stream of server-sent events. In a cluster each follows its nodes itself (`several`).
//!
//! Each reader goes at its own pace over the ring of the hub, so what is kept is bounded however many read, and nobody is held up by
//! another. The node judges which events a caller may see: whoever has a key has a connection there in the key's name.

mod awake;
mod catching_up;
mod commands;
mod conversation;
mod hub;
mod reader;
#[cfg(feature = "kubernetes")]
mod several;
mod socket;
mod stream;
mod subscriptions;
mod wire;

use std::{sync::Arc, time::Duration};

use aion_abi::{code::Code, event::Filter, problem::Problem};
use aion_client::Node;
use aion_serve::Query;
use axum::{
    extract::{
        FromRequestParts as _, Request,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{conversation::Told, hub::Hub};
pub(crate) use self::{stream::Wanted, wire::Frame};
#[cfg(feature = "kubernetes")]
use crate::cluster::Caller;

/// Where it is.
pub(crate) const PATH: &str = "/v1/events";
/// What is spoken on the socket.
const PROTOCOL: &str = "aion.events.v1";
/// A token as a subprotocol, in base64 for addresses without padding: a page in a browser can set no header of a WebSocket.
const BEARER: &str = "base64url.bearer.authorization.aion.dev.";
/// The largest message of a client, in bytes.
const MAX_MESSAGE: usize = 64 << 10;
/// What is read or written at once, in bytes: what each socket takes at rest.
const BUFFER: usize = 8 << 10;
/// Of the connections of the gateway, those that listen are one in so many.
const SHARE: usize = 2;
/// How long sockets have to be told that the gateway stops.
const LAST: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Events {
    of: Of,
    /// For so many more.
    room: Arc<Semaphore>,
    /// For feeds of several nodes.
    #[cfg(feature = "kubernetes")]
    feeds: several::Room,
    /// Of agents that are named without one.
    namespace: String,
    sockets: TaskTracker,
    stop: CancellationToken,
}

/// Whose feed it is.
enum Of {
    One(Arc<Hub>),
    /// Of the nodes that somebody may ask.
    #[cfg(feature = "kubernetes")]
    Many(Caller),
}

impl Events {
    pub(crate) fn of(node: Node, namespace: &str) -> Self {
        Self::new(Of::One(Arc::new(Hub::of(node))), namespace)
    }

    /// Of the nodes of a cluster, for nobody yet.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn of_cluster(nobody: Caller, namespace: &str) -> Self {
        Self::new(Of::Many(nobody), namespace)
    }

    fn new(of: Of, namespace: &str) -> Self {
        Self {
            of,
            room: Arc::new(Semaphore::new(aion_serve::connections().div_ceil(SHARE))),
            #[cfg(feature = "kubernetes")]
            feeds: several::Room::of_gateway(),
            namespace: namespace.to_owned(),
            sockets: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// The same of the node as somebody else sees it, who has a connection of his own there.
    pub(crate) fn asked_of(&self, node: Node) -> Self {
        self.as_seen(Of::One(Arc::new(Hub::of(node))), &self.namespace)
    }

    /// The same for whoever asks in a cluster, whose agents are of this namespace where none is named.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn asked_by(&self, caller: Caller, namespace: &str) -> Self {
        self.as_seen(Of::Many(caller), namespace)
    }

    fn as_seen(&self, of: Of, namespace: &str) -> Self {
        Self {
            of,
            room: Arc::clone(&self.room),
            #[cfg(feature = "kubernetes")]
            feeds: self.feeds.clone(),
            namespace: namespace.to_owned(),
            sockets: self.sockets.clone(),
            stop: self.stop.clone(),
        }
    }

    /// Tells whoever listens that it is over.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        self.sockets.close();
        let _ = tokio::time::timeout(LAST, self.sockets.wait()).await;
    }

    /// Follows the feed: over a WebSocket, or as events for who accepts them.
    ///
    /// # Errors
    /// What is wrong with the request; or the node does not say what is behind a cursor.
    pub(crate) async fn listen(self: &Arc<Self>, request: Request) -> Result<Response, Problem> {
        let (mut parts, _) = request.into_parts();
        if !asks_for_socket(&parts.headers) {
            if !accepts_events(&parts.headers) {
                let what = "events come over a WebSocket or as a stream, and this asks for neither";
                return Err(Problem::new(Code::BadRequest, what)
                    .remedy("open a WebSocket here, or send Accept: text/event-stream"));
            }
            let wanted = Query::<Wanted>::from_request_parts(&mut parts, &()).await;
            let Query(wanted) = wanted.map_err(|refused| refused.0)?;
            let place = self.place()?;
            return match &self.of {
                Of::One(hub) => stream::follow(self, hub, wanted, &parts.headers, place).await,
                #[cfg(feature = "kubernetes")]
                Of::Many(caller) => {
                    let caller = caller.clone();
                    several::follow(self, caller, wanted, &parts.headers, place).await
                }
            };
        }
        let socket = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
        let socket = socket.map_err(|why: WebSocketUpgradeRejection| {
            Problem::new(Code::BadRequest, why.body_text()).remedy("open a WebSocket of version 13")
        })?;
        let socket = socket
            .protocols([PROTOCOL])
            .max_message_size(MAX_MESSAGE)
            .max_frame_size(MAX_MESSAGE)
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER);
        let (events, place) = (Arc::clone(self), self.place()?);
        Ok(match &self.of {
            Of::One(hub) => {
                let told = socket::Socket::new(events, Arc::clone(hub));
                self.upgraded(socket, told, place)
            }
            #[cfg(feature = "kubernetes")]
            Of::Many(caller) => {
                let told = several::Socket::new(events, caller.clone());
                self.upgraded(socket, told, place)
            }
        })
    }

    fn upgraded<T>(
        &self,
        socket: WebSocketUpgrade,
        told: T,
        place: OwnedSemaphorePermit,
    ) -> Response
    where
        T: Told<Cursor: Send, News: Send> + Send + 'static,
    {
        let (sockets, stop) = (self.sockets.clone(), self.stop.clone());
        let serve = move |socket| {
            let serving = conversation::serve(socket, told, stop);
            sockets.track_future(async move {
                let _place = place;
                serving.await;
            })
        };
        socket.on_upgrade(serve).into_response()
    }

    /// A place among those who listen, who leave connections for everything else.
    fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.room).try_acquire_owned();
        place.map_err(|_| {
            let what = "as many listen to events as the gateway has room for";
            Problem::new(Code::Overloaded, what)
                .remedy("have one connection with more subscriptions, or close others")
                .retry_after_ms(5_000)
        })
    }

    /// A filter within one namespace, and that: the usual one where it names none.
    #[cfg(feature = "kubernetes")]
    fn within(&self, filter: Filter) -> Result<(Filter, String), Problem> {
        let mut filter = self.named(filter);
        let usual = || self.namespace.clone();
        let namespace = filter.namespace.get_or_insert_with(usual).clone();
        subscriptions::check(&filter)?;
        Ok((filter, namespace))
    }

    /// Agents of a filter by their whole names.
    fn named(&self, mut filter: Filter) -> Filter {
        let namespace = filter.namespace.as_deref().unwrap_or(&self.namespace);
        for agent in &mut filter.agents {
            if !agent.contains('/') && !agent.is_empty() {
                *agent = format!("{namespace}/{agent}");
            }
        }
        filter
    }
}

/// Takes the token of a WebSocket's client where its page could put it, so that whoever asks who it is finds it where it always is.
pub(crate) fn take_token(uri: &Uri, headers: &mut HeaderMap) {
    if uri.path() != PATH || headers.contains_key(header::AUTHORIZATION) {
        return;
    }
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    let mut offered = offered
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','));
    let token = offered.find_map(|it| it.trim().strip_prefix(BEARER));
    let token = token.and_then(|token| BASE64_URL_SAFE_NO_PAD.decode(token).ok());
    let bearer = token.map(|token| [b"Bearer ", token.as_slice()].concat());
    if let Some(bearer) = bearer.and_then(|it| HeaderValue::from_bytes(&it).ok()) {
        headers.insert(header::AUTHORIZATION, bearer);
    }
}

/// Another protocol that is offered, such as `h2c`, is not taken up.
fn asks_for_socket(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(header::UPGRADE).into_iter();
    let offered = offered.filter_map(|it| it.to_str().ok());
    let mut offered = offered.flat_map(|it| it.split(','));
    offered.any(|it| it.trim().eq_ignore_ascii_case("websocket"))
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).into_iter();
    let mut accepted = accepted.filter_map(|it| it.to_str().ok());
    accepted.any(|it| it.contains("text/event-stream"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_socket_is_an_upgrade() {
        let asks = |upgrade: &'static str| {
            let upgrade = HeaderValue::from_static(upgrade);
            asks_for_socket(&HeaderMap::from_iter([(header::UPGRADE, upgrade)]))
        };
        assert!(asks("WebSocket") && asks("h2c, websocket") && !asks("h2c"));
    }

    #[tokio::test]
    async fn who_listens_leaves_room_for_the_others() {
        let node = Node {
            address: aion_client::Address::unix(std::path::Path::new("/nowhere")).unwrap(),
        };
        let events = Events::of(node, "default");
        let room = aion_serve::connections().div_ceil(SHARE);
        let mut places: Vec<_> = (0..room).map(|_| events.place().unwrap()).collect();
        let refused = events.place().unwrap_err();
        assert_eq!(
            (refused.code, refused.retry_after_ms),
            (Code::Overloaded, Some(5_000))
        );
        places.pop();
        assert!(events.place().is_ok());
    }

    #[test]
    fn a_page_has_its_token_among_the_protocols_and_only_here() {
        let taken = |path: &'static str, offered: &'static str| {
            let offered = HeaderValue::from_static(offered);
            let mut headers = HeaderMap::from_iter([(header::SEC_WEBSOCKET_PROTOCOL, offered)]);
            take_token(&Uri::from_static(path), &mut headers);
            let taken = headers.get(header::AUTHORIZATION);
            taken.map(|it| it.to_str().unwrap().to_owned())
        };
        let offered = "aion.events.v1, base64url.bearer.authorization.aion.dev.c2VjcmV0";
        assert_eq!(taken(PATH, offered).as_deref(), Some("Bearer secret"));
        assert_eq!(taken("/v1/agents", offered), None);
        assert_eq!(
            taken(PATH, "base64url.bearer.authorization.aion.dev.?"),
            None
        );
        // No second header comes of it.
        let broken = "base64url.bearer.authorization.aion.dev.YQ0KYjogYw";
        assert_eq!(taken(PATH, broken), None);
    }
}
