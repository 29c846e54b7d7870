//! Who writes events while it leads: a few at once, no more a second than a node's kubelet writes, and when it is to stop what
//! waits, for a bounded time. What may not enter: what is told, and how one event is sent.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use kube::Client;
use tokio::time::{Interval, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::Told;
use super::queue::{Next, Queue, share};
use super::sent::{End, Sent};
use super::series::{Again, Book, Bucket, Outcome, Write};
use crate::metrics::Metrics;

/// Writes at once, and between two of them when there were so many: a kubelet's.
const AT_ONCE: f64 = 100.0;
const BETWEEN: Duration = Duration::from_millis(20);
/// Writes that are on their way: few beside the reconciliations, whose API server it is. Half of them may be of one namespace,
/// whose events the API server may not answer for as long as all their tries take.
const ON_WAY: usize = 4;
const ON_WAY_OF_ONE: usize = 2;
/// How often the counts of series, and what was lost, are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How long what waits is written when it is to stop: nobody else leads before.
const LAST: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Writer {
    client: Client,
    instance: String,
    queue: Arc<Queue>,
    book: Book,
    pace: Bucket,
    /// The pace has one more write.
    may_write: bool,
    on_way: FuturesUnordered<BoxFuture<'static, Landed>>,
    /// The namespaces of what is on its way.
    places: Vec<String>,
    metrics: Metrics,
    /// What was lost until the log said so last.
    said: u64,
}

/// A write that ended.
struct Landed {
    namespace: String,
    name: String,
    end: End,
}

impl Writer {
    pub(super) fn new(client: Client, identity: &str, queue: Arc<Queue>, metrics: Metrics) -> Self {
        Self {
            client,
            instance: identity.to_owned(),
            queue,
            book: Book::new(),
            pace: Bucket::full(AT_ONCE, Instant::now()),
            may_write: false,
            on_way: FuturesUnordered::new(),
            places: Vec::new(),
            metrics,
            said: 0,
        }
    }

    /// Writes until `ended`, when nobody tells any more, and then what waits.
    pub(crate) async fn run(mut self, ended: CancellationToken) {
        let late = async {
            ended.cancelled().await;
            sleep(LAST).await;
        };
        let mut late = pin!(late);
        tokio::select! {
            () = self.work(&ended) => {}
            () = &mut late => {}
        }
    }

    async fn work(&mut self, ended: &CancellationToken) {
        let mut look = interval(LOOK);
        self.until_idle(&mut look, ended).await;
        for again in self.book.owed(Instant::now()) {
            self.owe(again);
        }
        self.until_idle(&mut look, ended).await;
    }

    /// Writes until it is `ended` and nothing waits or is on its way.
    async fn until_idle(&mut self, look: &mut Interval, ended: &CancellationToken) {
        loop {
            self.may_write = self.may_write
                || ended.is_cancelled()
                || self.pace.take(AT_ONCE, BETWEEN, Instant::now());
            let places = &self.places;
            let has_place = |of: &str| places.iter().filter(|it| *it == of).count() < ON_WAY_OF_ONE;
            tokio::select! {
                biased;
                _ = look.tick() => {
                    for again in self.book.due(Instant::now()) {
                        self.owe(again);
                    }
                    self.say_lost();
                }
                Some(landed) = self.on_way.next() => self.land(&landed),
                next = self.queue.next(has_place), if self.may_write && places.len() < ON_WAY => {
                    match next {
                        Next::Told(told) => self.hear(told, ended),
                        Next::Count(again) => self.write(Write::Again(again), ended),
                    }
                }
                () = sleep(BETWEEN), if !self.may_write => {}
                // Not while the pace alone keeps what waits from being looked at.
                () = ended.cancelled(), if self.may_write && places.is_empty() => break,
            }
        }
    }

    fn hear(&mut self, told: Box<Told>, ended: &CancellationToken) {
        let (outcome, owed) = self.book.take(told, Instant::now());
        match outcome {
            Outcome::Write(write) => self.write(write, ended),
            Outcome::Counted => self.metrics.event("counted"),
            Outcome::TooMany => self.metrics.event("limited"),
        }
        if let Some(owed) = owed {
            self.owe(owed);
        }
    }

    /// Lets a count wait; the one that has no place is owed still.
    fn owe(&mut self, again: Again) {
        if let Some(left_out) = self.queue.count(again) {
            self.book.unwritten(&left_out.name);
        }
    }

    fn write(&mut self, write: Write, ended: &CancellationToken) {
        self.may_write = false;
        let namespace = share(write.namespace()).to_owned();
        let name = write.name().to_owned();
        self.places.push(namespace.clone());
        let sent = Sent::new(self.client.clone(), &self.instance, write);
        let ended = ended.clone();
        self.on_way.push(Box::pin(async move {
            let end = sent.send(ended).await;
            Landed {
                namespace,
                name,
                end,
            }
        }));
    }

    fn land(&mut self, landed: &Landed) {
        let place = self.places.iter().position(|it| *it == landed.namespace);
        if let Some(place) = place {
            self.places.swap_remove(place);
        }
        let name = &landed.name;
        match landed.end {
            End::Written => {
                self.metrics.event("written");
                if let Some(again) = self.book.written(name, Instant::now()) {
                    self.owe(again);
                }
            }
            End::Lost => {
                self.metrics.event("failed");
                self.book.lost(name);
            }
            End::Unwritten => {
                self.metrics.event("failed");
                self.book.unwritten(name);
            }
        }
    }

    /// Says in the log what was lost since it said so last.
    fn say_lost(&mut self) {
        let lost = self.metrics.lost_events();
        if lost > self.said {
            let since = lost - self.said;
            tracing::warn!(
                lost = since,
                "events were not written: there are more than the API server takes, or than one object may have"
            );
            self.said = lost;
        }
    }
}

impl Drop for Writer {
    /// What still waits is lost, and so is what is on its way for all that is known.
    fn drop(&mut self) {
        for _ in 0..self.queue.close() + self.on_way.len() {
            self.metrics.event("dropped");
        }
        self.say_lost();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::VecDeque;
    use std::future::pending;
    use std::sync::Arc;

    use axum::extract::Path;
    use axum::http::StatusCode;
    use axum::routing::{patch, post};
    use axum::{Json, Router};
    use k8s_openapi::api::core::v1::ObjectReference;
    use k8s_openapi::api::events::v1::Event as Written;
    use parking_lot::Mutex;
    use serde_json::json;

    use super::super::queue::WAITING;
    use super::super::sent::PATIENCE;
    use super::super::{Announcer, announcer, event};
    use super::*;

    const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/{namespace}/events";
    /// A namespace whose events are never answered.
    const SILENT: &str = "silent";

    /// What is to be answered to the first writes; the others are taken.
    type Answers = Arc<Mutex<VecDeque<StatusCode>>>;

    /// Where a writer writes: an API server that keeps the reasons of events, and the counts of series.
    async fn written() -> (Announcer, Writer, Metrics, Arc<Mutex<Vec<String>>>) {
        let (announcer, writer, metrics, kept, _) = served().await;
        (announcer, writer, metrics, kept)
    }

    async fn served() -> (Announcer, Writer, Metrics, Arc<Mutex<Vec<String>>>, Answers) {
        let kept = Arc::<Mutex<Vec<String>>>::default();
        let refusals = Answers::default();
        let (keeps, counts) = (Arc::clone(&kept), Arc::clone(&kept));
        let (refuses, refuses_counts) = (Arc::clone(&refusals), Arc::clone(&refusals));
        let take = move |Path(of): Path<String>, Json(event): Json<Written>| async move {
            if of == SILENT {
                pending::<()>().await;
            }
            if let Some(code) = refuses.lock().pop_front() {
                return Err(code);
            }
            keeps.lock().extend(event.reason.clone());
            Ok(Json(event))
        };
        let count = move |Json(patch): Json<serde_json::Value>| async move {
            if let Some(code) = refuses_counts.lock().pop_front() {
                return Err(code);
            }
            counts.lock().push(patch["series"]["count"].to_string());
            Ok(Json(json!({"metadata": {}})))
        };
        let app = Router::new()
            .route(EVENTS, post(take))
            .route(&format!("{EVENTS}/{{name}}"), patch(count));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
        let metrics = Metrics::new().unwrap();
        let (announcer, writer) = announcer(client, "me", metrics.clone());
        (announcer, writer, metrics, kept, refusals)
    }

    fn tell(announcer: &Announcer, number: usize, good: bool) {
        tell_of("home", announcer, number, good);
    }

    fn tell_of(namespace: &str, announcer: &Announcer, number: usize, good: bool) {
        let object = ObjectReference {
            namespace: Some(namespace.to_owned()),
            name: Some(format!("a{number}")),
            uid: Some(format!("{namespace}-{number}")),
            ..ObjectReference::default()
        };
        let reason = if good { "Good" } else { "Bad" };
        announcer.tell(&object, vec![event(good, reason, "because", "Ready")]);
    }

    fn count(metrics: &Metrics, outcome: &str) -> usize {
        let text = metrics.text().unwrap();
        let line = format!("aion_operator_events_total{{outcome=\"{outcome}\"}} ");
        let count = text.lines().find_map(|it| it.strip_prefix(&line));
        count.map_or(0, |count| count.parse().unwrap())
    }

    #[tokio::test]
    async fn what_waits_when_it_is_to_stop_is_written() {
        let (announcer, writer, metrics, kept) = written().await;
        for number in 0..3 {
            tell(&announcer, number, true);
        }
        tell(&announcer, 3, false);
        let ended = CancellationToken::new();
        ended.cancel();
        writer.run(ended).await;
        kept.lock().sort();
        assert_eq!(*kept.lock(), ["Bad", "Good", "Good", "Good"]);
        assert_eq!(count(&metrics, "written"), 4);
        assert_eq!(count(&metrics, "dropped"), 0);
    }

    /// Until the writer has nothing to do but to look whether it has.
    async fn settled(metrics: &Metrics, outcomes: usize) {
        let seen = || {
            ["written", "failed"]
                .map(|it| count(metrics, it))
                .iter()
                .sum::<usize>()
        };
        while seen() < outcomes {
            sleep(BETWEEN).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_be_taken_later_is_tried_again_and_nothing_else() {
        let (announcer, writer, metrics, kept, refusals) = served().await;
        let ended = CancellationToken::new();
        let running = tokio::spawn(writer.run(ended.clone()));
        refusals.lock().extend([
            StatusCode::INTERNAL_SERVER_ERROR,
            StatusCode::TOO_MANY_REQUESTS,
            // It was taken, and the answer was lost.
            StatusCode::CONFLICT,
        ]);
        tell(&announcer, 0, false);
        settled(&metrics, 1).await;
        assert_eq!(count(&metrics, "written"), 1);
        refusals.lock().push_back(StatusCode::FORBIDDEN);
        tell(&announcer, 1, false);
        settled(&metrics, 2).await;
        assert_eq!(count(&metrics, "failed"), 1);
        assert!(kept.lock().is_empty());
        ended.cancel();
        running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_count_that_is_not_taken_is_owed_and_one_of_an_event_that_is_gone_is_not() {
        let (announcer, writer, metrics, kept, refusals) = served().await;
        let ended = CancellationToken::new();
        let running = tokio::spawn(writer.run(ended.clone()));
        tell(&announcer, 0, false);
        settled(&metrics, 1).await;
        refusals.lock().push_back(StatusCode::FORBIDDEN);
        tell(&announcer, 0, false);
        settled(&metrics, 2).await;
        tell(&announcer, 0, false);
        settled(&metrics, 3).await;
        assert_eq!(*kept.lock(), ["Bad", "3"]);
        refusals.lock().push_back(StatusCode::NOT_FOUND);
        ended.cancel();
        running.await.unwrap();
        assert_eq!(count(&metrics, "failed"), 1);
    }

    #[tokio::test]
    async fn who_tells_is_never_held_up_and_what_is_left_out_is_counted() {
        let (announcer, writer, metrics, _) = written().await;
        for number in 0..WAITING + 10 {
            tell(&announcer, number, true);
        }
        assert_eq!(count(&metrics, "dropped"), 10);
        tell(&announcer, 0, false);
        assert_eq!(count(&metrics, "dropped"), 10, "it waits apart");
        drop(writer);
        assert_eq!(count(&metrics, "dropped"), 10 + WAITING + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_does_not_answer_holds_up_no_end() {
        let (announcer, writer, metrics, _) = written().await;
        for number in 0..3 {
            tell_of(SILENT, &announcer, number, true);
        }
        let ended = CancellationToken::new();
        ended.cancel();
        writer.run(ended).await;
        assert_eq!(count(&metrics, "written"), 0);
        assert_eq!(count(&metrics, "dropped"), 3, "two were on their way");
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_whose_events_are_not_answered_holds_up_no_other() {
        let (announcer, writer, metrics, kept) = written().await;
        for number in 0..WAITING {
            tell_of(SILENT, &announcer, number, false);
        }
        tell(&announcer, 0, true);
        tell(&announcer, 1, false);
        let ended = CancellationToken::new();
        let running = tokio::spawn(writer.run(ended.clone()));
        let from = tokio::time::Instant::now();
        settled(&metrics, 2).await;
        assert!(from.elapsed() < PATIENCE, "{:?}", from.elapsed());
        assert_eq!(count(&metrics, "written"), 2);
        assert_eq!(count(&metrics, "dropped"), 1, "one of the crowd gave way");
        assert_eq!(*kept.lock(), ["Bad", "Good"]);
        ended.cancel();
        running.await.unwrap();
    }

    #[tokio::test]
    async fn the_count_of_an_event_follows_the_event() {
        let (announcer, writer, metrics, kept) = written().await;
        for _ in 0..3 {
            tell(&announcer, 0, false);
        }
        let ended = CancellationToken::new();
        ended.cancel();
        writer.run(ended).await;
        assert_eq!(*kept.lock(), ["Bad", "3"]);
        assert_eq!(count(&metrics, "written"), 2);
        assert_eq!(count(&metrics, "failed"), 0);
    }
}
