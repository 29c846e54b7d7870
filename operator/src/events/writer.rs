//! Who writes events, one after another, while it leads: warnings first, no more a second than a node's kubelet writes, and
//! when it is to stop what waits, for a bounded time. An event that the API server does not take is tried again if that may help, else said in the log and lost.
//! What may not enter: what is told.

use std::pin::pin;
use std::time::{Duration, Instant};

use k8s_openapi::api::events::v1::{Event as Written, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::mpsc::Receiver;
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Told;
use super::series::{Again, Book, Bucket, Outcome, Write};
use crate::metrics::Metrics;

/// Who tells.
const CONTROLLER: &str = "aion-operator";
/// Writes at once, and between two of them when there were so many: a kubelet's.
const AT_ONCE: f64 = 100.0;
const BETWEEN: Duration = Duration::from_millis(20);
/// How often the counts of series, and what was lost, are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How long the API server may take for one.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often one is tried, and between two tries: what is not told again is not lost by one connection that ends.
const TRIES: usize = 4;
const AGAIN: Duration = Duration::from_secs(2);
/// How long what waits is written when it is to stop: nobody else leads before.
const LAST: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Writer {
    client: Client,
    instance: String,
    /// Warnings and the rest.
    queues: [Receiver<Told>; 2],
    book: Book,
    pace: Bucket,
    metrics: Metrics,
    /// What was lost until the log said so last.
    said: u64,
}

impl Writer {
    pub(super) fn new(
        client: Client,
        identity: &str,
        queues: [Receiver<Told>; 2],
        metrics: Metrics,
    ) -> Self {
        Self {
            client,
            instance: identity.to_owned(),
            queues,
            book: Book::new(),
            pace: Bucket::full(AT_ONCE, Instant::now()),
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
        loop {
            let [warnings, usual] = &mut self.queues;
            tokio::select! {
                biased;
                _ = look.tick() => {
                    for write in self.book.due(Instant::now()) {
                        self.write(write, ended).await;
                    }
                    self.say_lost();
                }
                Some(told) = warnings.recv() => self.hear(told, ended).await,
                Some(told) = usual.recv() => self.hear(told, ended).await,
                () = ended.cancelled() => break,
            }
        }
        for write in self.book.owed(Instant::now()) {
            self.write(write, ended).await;
        }
    }

    async fn hear(&mut self, told: Told, ended: &CancellationToken) {
        let (outcome, owed) = self.book.take(told, Instant::now());
        match outcome {
            Outcome::Write(write) => self.write(write, ended).await,
            Outcome::Counted => self.metrics.event("counted"),
            Outcome::TooMany => self.metrics.event("limited"),
        }
        if let Some(owed) = owed {
            self.write(owed, ended).await;
        }
    }

    async fn write(&mut self, write: Write, ended: &CancellationToken) {
        while !ended.is_cancelled() && !self.pace.take(AT_ONCE, BETWEEN, Instant::now()) {
            ended.run_until_cancelled(sleep(BETWEEN)).await;
        }
        let (namespace, name) = match &write {
            Write::New(told) => (told.object.namespace.clone(), told.name.clone()),
            Write::Again(again) => (again.namespace.clone(), again.name.clone()),
        };
        let namespace = namespace.as_deref().unwrap_or("default");
        let events: Api<Written> = Api::namespaced(self.client.clone(), namespace);
        let is_new = matches!(write, Write::New(_));
        let sent = match write {
            Write::New(told) => Sent::New(Box::new(self.event(*told, namespace))),
            Write::Again(again) => Sent::Again(series(&again)),
        };
        let mut tries = 1..=TRIES;
        let error = loop {
            let tried = tries.next();
            let failed = match timeout(PATIENCE, sent.to(&events, &name)).await {
                Ok(Ok(())) => return self.metrics.event("written"),
                // What was not answered in time was taken all the same.
                Ok(Err(kube::Error::Api(said))) if said.code == 409 && tried != Some(1) => {
                    return self.metrics.event("written");
                }
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            let passes = failed.as_ref().is_none_or(may_pass);
            if !passes || tries.is_empty() || ended.is_cancelled() {
                break failed;
            }
            ended.run_until_cancelled(sleep(AGAIN)).await;
        };
        match &error {
            Some(error) => tracing::warn!(%error, event = name, "an event was not written"),
            None => tracing::warn!(event = name, "an event was not answered in time"),
        }
        self.metrics.event("failed");
        let is_gone = matches!(&error, Some(kube::Error::Api(said)) if said.code == 404);
        match is_new || is_gone {
            true => self.book.lost(&name),
            false => self.book.unwritten(&name),
        }
    }

    fn event(&self, told: Told, namespace: &str) -> Written {
        let Told {
            object,
            event,
            name,
            at,
        } = told;
        let type_ = if event.good { "Normal" } else { "Warning" };
        Written {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                name: Some(name),
                ..ObjectMeta::default()
            },
            action: Some(event.action),
            reason: Some(event.reason),
            note: Some(event.note),
            type_: Some(type_.to_owned()),
            event_time: Some(MicroTime(at)),
            regarding: Some(object),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..Written::default()
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
    /// What still waits is lost.
    fn drop(&mut self) {
        for queue in &mut self.queues {
            queue.close();
            while queue.try_recv().is_ok() {
                self.metrics.event("dropped");
            }
        }
        self.say_lost();
    }
}

/// What goes to the API server.
enum Sent {
    New(Box<Written>),
    Again(serde_json::Value),
}

impl Sent {
    async fn to(&self, events: &Api<Written>, name: &str) -> kube::Result<()> {
        match self {
            Self::New(event) => {
                let params = PostParams::default();
                events.create(&params, event).await.map(drop)
            }
            Self::Again(series) => {
                let params = PatchParams::default();
                let patch = Patch::Merge(series);
                events.patch_metadata(name, &params, &patch).await.map(drop)
            }
        }
    }
}

/// Whether the same may be taken later: it was not answered, or there was too much to do.
fn may_pass(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(said) => said.code == 429 || said.code >= 500,
        _ => true,
    }
}

fn series(again: &Again) -> serde_json::Value {
    json!({"series": EventSeries {
        count: again.count,
        last_observed_time: MicroTime(again.last),
    }})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::VecDeque;
    use std::future::pending;
    use std::sync::Arc;

    use axum::http::StatusCode;
    use axum::routing::{patch, post};
    use axum::{Json, Router};
    use k8s_openapi::api::core::v1::ObjectReference;
    use parking_lot::Mutex;

    use super::super::{Announcer, WAITING, announcer, event};
    use super::*;

    const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/home/events";

    /// What is to be answered to the first writes; the others are taken.
    type Answers = Arc<Mutex<VecDeque<StatusCode>>>;

    /// Where a writer writes: an API server that keeps the reasons of events, and the counts of series, or never answers.
    async fn written(answers: bool) -> (Announcer, Writer, Metrics, Arc<Mutex<Vec<String>>>) {
        let (announcer, writer, metrics, kept, _) = served(answers).await;
        (announcer, writer, metrics, kept)
    }

    async fn served(
        answers: bool,
    ) -> (Announcer, Writer, Metrics, Arc<Mutex<Vec<String>>>, Answers) {
        let kept = Arc::<Mutex<Vec<String>>>::default();
        let refusals = Answers::default();
        let (keeps, counts) = (Arc::clone(&kept), Arc::clone(&kept));
        let (refuses, refuses_counts) = (Arc::clone(&refusals), Arc::clone(&refusals));
        let take = move |Json(event): Json<Written>| async move {
            if !answers {
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
        let object = ObjectReference {
            namespace: Some("home".to_owned()),
            name: Some(format!("a{number}")),
            uid: Some(format!("u{number}")),
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
    async fn what_waits_when_it_is_to_stop_is_written_and_warnings_first() {
        let (announcer, writer, metrics, kept) = written(true).await;
        for number in 0..3 {
            tell(&announcer, number, true);
        }
        tell(&announcer, 3, false);
        let ended = CancellationToken::new();
        ended.cancel();
        writer.run(ended).await;
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
        let (announcer, writer, metrics, kept, refusals) = served(true).await;
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
        let (announcer, writer, metrics, kept, refusals) = served(true).await;
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
        let (announcer, writer, metrics, _) = written(true).await;
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
        let (announcer, writer, metrics, _) = written(false).await;
        for number in 0..3 {
            tell(&announcer, number, true);
        }
        let ended = CancellationToken::new();
        ended.cancel();
        writer.run(ended).await;
        assert_eq!(count(&metrics, "written"), 0);
        assert_eq!(count(&metrics, "dropped"), 2, "one was on its way");
    }
}
