//! What a reader of several nodes' feeds is told, of nodes that are streams of events by hand.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;

use aion_abi::event::{Cursor, Told as Tells};
use aion_client::{Address, Node};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::{super::room::Room, *};
use crate::{cluster::FeedOf, events::subscriptions::tests::told, numbers::Tag, place::Place};

/// A node's half of the feed.
struct Fake {
    of: Arc<str>,
    url: String,
    /// What it was asked, as each connection begins; then it is written to.
    asked: mpsc::UnboundedReceiver<(String, TcpStream)>,
}

impl Fake {
    async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let length = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let line = head.lines().next().unwrap_or_default().to_owned();
                if sender.send((line, stream)).is_err() {
                    return;
                }
            }
        });
        Self {
            of: name.into(),
            url,
            asked,
        }
    }

    fn feed(&self) -> FeedOf {
        let address = Address::cluster(&self.url, None, Some("eyJ.a.b")).unwrap();
        let tag = Tag::of(&self.of);
        FeedOf {
            name: Arc::clone(&self.of),
            tag: Some(tag),
            place: Ok(Place {
                node: Node { address },
                tag: Some(tag),
            }),
        }
    }

    /// Takes the next connection, and what of its address says where it begins.
    async fn takes(&mut self, items: &[Tells]) -> (String, TcpStream) {
        let (line, mut stream) = self.asked.recv().await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        tells(&mut stream, items).await;
        assert!(
            line.starts_with("GET /api/v1/namespaces/home/events?follow=true"),
            "{line}"
        );
        let after = line.split("after=").nth(1);
        let after = after.and_then(|it| it.split(' ').next());
        (after.unwrap_or_default().to_owned(), stream)
    }
}

async fn tells(stream: &mut TcpStream, items: &[Tells]) {
    for item in items {
        let data = format!("data: {}\n\n", serde_json::to_string(item).unwrap());
        let chunk = format!("{:x}\r\n{data}\r\n", data.len());
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
}

fn item(epoch: u64, seq: u64, what: Item) -> Tells {
    Tells {
        cursor: Cursor { epoch, seq },
        what,
    }
}

fn listening(epoch: u64, seq: u64) -> Tells {
    item(epoch, seq, Item::Listening {})
}

/// The nodes that there are, and how often who hears them is judged before they may no more.
struct Given {
    nodes: Mutex<Vec<FeedOf>>,
    judged: Mutex<VecDeque<Result<(), Problem>>>,
    /// How often it was looked which nodes there are.
    looks: watch::Sender<u64>,
}

impl Given {
    fn of(nodes: Vec<FeedOf>) -> Arc<Self> {
        Arc::new(Self {
            nodes: Mutex::new(nodes),
            judged: Mutex::default(),
            looks: watch::Sender::new(0),
        })
    }
}

impl Source for Arc<Given> {
    fn nodes(&self) -> Vec<FeedOf> {
        let nodes = self.nodes.lock();
        self.looks.send_modify(|it| *it += 1);
        let nodes = nodes.iter().map(|it| FeedOf {
            name: Arc::clone(&it.name),
            tag: it.tag,
            place: it.place.clone(),
        });
        nodes.collect()
    }

    fn namespace(&self) -> &'static str {
        "home"
    }

    async fn judged(&self) -> Result<(), Problem> {
        self.judged.lock().pop_front().unwrap_or(Ok(()))
    }
}

async fn following(source: &Arc<Given>, after: Option<&str>) -> Following {
    let place = Room::of(1).take("ann").unwrap();
    let after = after.map(|it| it.parse().unwrap());
    Following::of(Arc::clone(source), Filter::default(), after, place)
}

/// The next so many that are told.
async fn next(of: &mut Following, many: usize) -> Vec<Value> {
    let mut all = Vec::new();
    while all.len() < many {
        for told in of.next().await.unwrap() {
            let value: Value = serde_json::from_str(&format!("{{{}}}", told.members)).unwrap();
            assert_eq!(value["cursor"].as_str(), told.cursor.as_deref());
            all.push(value);
        }
    }
    assert_eq!(all.len(), many, "{all:?}");
    all
}

fn cursor(marks: &[(&str, u64, u64)]) -> String {
    let mut all = Marks::default();
    for (node, epoch, seq) in marks {
        let cursor = Cursor {
            epoch: *epoch,
            seq: *seq,
        };
        all.put(Tag::of(node), cursor);
    }
    all.to_string()
}

#[tokio::test]
async fn what_two_nodes_tell_is_one_feed_and_its_cursor_goes_on_at_each() {
    let (mut one, mut two) = (Fake::start("n1").await, Fake::start("n2").await);
    let given = Given::of(vec![one.feed(), two.feed()]);
    let mut feed = following(&given, None).await;
    let (after, mut stream) = one.takes(&[listening(1, 4)]).await;
    assert_eq!(after, "");
    let said = next(&mut feed, 1).await;
    assert_eq!(said[0]["node"], "n1", "{said:?}");
    assert_eq!(said[0]["listening"], json!({}), "{said:?}");
    let (_, _two) = two.takes(&[listening(2, 7), told(2, 8)]).await;
    let said = next(&mut feed, 2).await;
    assert_eq!(said[1]["node"], "n2", "{said:?}");
    assert_eq!(said[1]["event"]["agent"], "d/x", "{said:?}");
    assert_eq!(said[1]["cursor"], cursor(&[("n1", 1, 4), ("n2", 2, 8)]));
    tells(&mut stream, &[told(1, 5)]).await;
    let said = next(&mut feed, 1).await;
    let both = cursor(&[("n1", 1, 5), ("n2", 2, 8)]);
    assert_eq!(said[0]["cursor"], both);
    drop(feed);

    // Another gateway goes on at each of them.
    let mut feed = following(&given, Some(&both)).await;
    let (after, _one) = one.takes(&[listening(1, 5)]).await;
    assert_eq!(after, "1-5");
    let (after, _two) = two.takes(&[listening(2, 8)]).await;
    assert_eq!(after, "2-8");
    let said = next(&mut feed, 2).await;
    assert!(said.iter().all(|it| it["cursor"] == both), "{said:?}");
}

#[tokio::test]
async fn a_node_that_breaks_off_and_one_that_comes_are_told_by_name() {
    let (mut one, mut two) = (Fake::start("n1").await, Fake::start("n2").await);
    let given = Given::of(vec![one.feed()]);
    let mut feed = following(&given, None).await;
    let (_, stream) = one.takes(&[listening(1, 4), told(1, 5)]).await;
    next(&mut feed, 2).await;
    drop(stream);
    let said = next(&mut feed, 1).await;
    assert_eq!(
        (&said[0]["node"], &said[0]["away"]),
        (&json!("n1"), &json!({}))
    );
    assert_eq!(said[0]["cursor"], cursor(&[("n1", 1, 5)]));
    // It was started anew, and says so.
    let restarted = Item::Missed(Missed {
        events: None,
        because: Because::Restarted,
    });
    let (after, _one) = one.takes(&[item(9, 0, restarted), told(9, 1)]).await;
    assert_eq!(after, "1-5");
    let said = next(&mut feed, 2).await;
    assert_eq!(said[0]["missed"]["because"], "restarted", "{said:?}");
    assert_eq!(said[1]["cursor"], cursor(&[("n1", 9, 1)]));

    given.nodes.lock().push(two.feed());
    let (after, _two) = two.takes(&[listening(2, 7)]).await;
    assert_eq!(after, "");
    let said = next(&mut feed, 2).await;
    let unheard = json!({"because": "unheard"});
    assert_eq!(
        (&said[0]["node"], &said[0]["missed"]),
        (&json!("n2"), &unheard)
    );
    assert_eq!(said[1]["listening"], json!({}), "{said:?}");
    // And one that goes.
    given.nodes.lock().remove(0);
    let said = next(&mut feed, 1).await;
    assert_eq!(
        (&said[0]["node"], &said[0]["away"]),
        (&json!("n1"), &json!({}))
    );
}

#[tokio::test]
async fn a_node_that_is_listed_no_more_tells_what_is_on_its_way() {
    let mut one = Fake::start("n1").await;
    let given = Given::of(vec![one.feed()]);
    let mut feed = following(&given, None).await;
    let (_, mut stream) = one.takes(&[listening(1, 4)]).await;
    next(&mut feed, 1).await;
    given.nodes.lock().clear();
    let mut looks = given.looks.subscribe();
    let before = *looks.borrow();
    looks.wait_for(|it| *it > before + 1).await.unwrap();
    tells(&mut stream, &[told(1, 5)]).await;
    let said = next(&mut feed, 2).await;
    assert_eq!(said[0]["event"]["agent"], "d/x", "{said:?}");
    assert_eq!(said[1]["away"], json!({}), "{said:?}");
}

#[tokio::test]
async fn a_node_whose_authority_is_another_is_followed_by_that() {
    let mut one = Fake::start("n1").await;
    let given = Given::of(vec![one.feed()]);
    let mut feed = following(&given, None).await;
    let (_, _one) = one.takes(&[listening(1, 4)]).await;
    next(&mut feed, 1).await;
    let renewed = Address::cluster(&one.url, Some("another"), Some("eyJ.a.b")).unwrap();
    given.nodes.lock()[0].place.as_mut().unwrap().node.address = renewed;
    let (after, _again) = one.takes(&[listening(1, 4)]).await;
    assert_eq!(after, "1-4");
    let said = next(&mut feed, 2).await;
    assert_eq!(said[1]["listening"], json!({}), "{said:?}");
}

#[tokio::test]
async fn it_stands_once_each_node_tells_where_it_is() {
    let (mut one, mut two) = (Fake::start("n1").await, Fake::start("n2").await);
    let nodes = || vec![one.feed(), two.feed()];
    let (given, nodes) = (Given::of(nodes()), nodes());
    let feed = following(&given, None).await;
    let mut stands = std::pin::pin!(feed.stands(&nodes));
    let (_, _one) = one.takes(&[listening(1, 4)]).await;
    assert!(futures::poll!(&mut stands).is_pending());
    let (_, _two) = two.takes(&[listening(2, 7)]).await;
    stands.await;
    assert!(feed.merge.has_all(&nodes));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_node_and_what_it_did_meanwhile_is_missed() {
    let merge = Arc::new(Merge::behind(cursor(&[("n2", 2, 7)]).parse().unwrap()));
    let place = Room::of(1).take("ann").unwrap();
    let mut feed = following_of(&merge, Filter::default(), place);
    let nodes = ["n1", "n2"].map(|name| FeedOf {
        name: name.into(),
        tag: Some(Tag::of(name)),
        place: Err("it is not asked here".to_owned()),
    });
    feed.stands(&nodes).await;
    for (name, at) in [("n1", listening(1, 4)), ("n2", listening(2, 7))] {
        merge.take((&name.into(), Tag::of(name)), at, false);
    }
    let said = next(&mut feed, 3).await;
    assert_eq!(said[0]["missed"], json!({"because": "unheard"}), "{said:?}");
    assert_eq!(said[1]["listening"], json!({}), "{said:?}");
    // Of the other the cursor has a place.
    assert_eq!(said[2]["listening"], json!({}), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_others_interrupt_is_read_all_the_same() {
    let merge = Arc::new(Merge::behind(Marks::default()));
    let place = Room::of(1).take("ann").unwrap();
    let mut feed = following_of(&merge, Filter::default(), place);
    merge.take((&"n1".into(), Tag::of("n1")), told(1, 1), false);
    // As the socket does where another subscription always has something.
    for _ in 0..3 {
        let part = timeout(TOGETHER * 2 / 5, feed.next());
        if let Ok(told) = part.await {
            assert_eq!(told.unwrap().len(), 1);
            return;
        }
    }
    unreachable!("it was never read");
}

#[tokio::test]
async fn who_goes_on_is_told_of_a_node_that_its_cursor_does_not_have() {
    let mut one = Fake::start("n1").await;
    let gone = FeedOf {
        name: "n3".into(),
        tag: None,
        place: Err("there is no KernelNode n3".to_owned()),
    };
    let given = Given::of(vec![one.feed(), gone]);
    let old = cursor(&[("n2", 1, 5)]);
    let mut feed = following(&given, Some(&old)).await;
    let (after, _one) = one.takes(&[listening(1, 4)]).await;
    assert_eq!(after, "");
    let said = next(&mut feed, 3).await;
    let of = |node: &str| {
        let all = said.iter().filter(|it| it["node"] == node);
        all.cloned().collect::<Vec<_>>()
    };
    assert_eq!(of("n1")[0]["missed"]["because"], "unheard", "{said:?}");
    assert_eq!(of("n3")[0]["away"], json!({}), "{said:?}");
}

#[tokio::test]
async fn who_reads_slowly_is_told_how_much_they_missed_and_holds_up_nobody() {
    let merge = Arc::new(Merge::behind(Marks::default()));
    let place = Room::of(1).take("ann").unwrap();
    let mut feed = following_of(&merge, Filter::default(), place);
    let node: (&Arc<str>, Tag) = (&Arc::from("n1"), Tag::of("n1"));
    merge.take(node, listening(1, 0), false);
    assert_eq!(next(&mut feed, 1).await.len(), 1);
    let most = 6_000;
    for seq in 1..=most {
        merge.take(node, told(1, seq), false);
    }
    let (mut events, mut missed) = (0, 0);
    while events + missed < most {
        for told in feed.next().await.unwrap() {
            let value: Value = serde_json::from_str(&format!("{{{}}}", told.members)).unwrap();
            match value["missed"]["events"].as_u64() {
                Some(some) => {
                    missed += some;
                    assert_eq!(value["missed"]["because"], "late");
                    // It goes on behind that.
                    assert_eq!(value["cursor"], cursor(&[("n1", 1, some)]));
                }
                None => events += 1,
            }
        }
    }
    assert!(missed > 0, "what is kept is bounded");
    assert_eq!(events + missed, most);
}

pub(in crate::events::several) fn following_of(
    merge: &Arc<Merge>,
    filter: Filter,
    place: Taken,
) -> Following {
    Following {
        filter,
        at: 0,
        told: None,
        news: merge.news(),
        reads_at: None,
        is_nowhere: false,
        merge: Arc::clone(merge),
        _nodes: AbortOnDropHandle::new(tokio::spawn(std::future::pending())),
        _place: place,
    }
}

#[tokio::test]
async fn it_ends_where_its_caller_may_hear_no_more() {
    let merge = Arc::new(Merge::behind(Marks::default()));
    let place = Room::of(1).take("ann").unwrap();
    let mut feed = following_of(&merge, Filter::default(), place);
    merge.take((&"n1".into(), Tag::of("n1")), told(1, 1), false);
    merge.end(Problem::new(aion_abi::code::Code::Denied, "no more"));
    assert_eq!(next(&mut feed, 1).await.len(), 1, "what came is told");
    let ended = feed.next().await.unwrap_err();
    assert_eq!(ended.detail, "no more");
}

#[tokio::test(start_paused = true)]
async fn who_hears_is_judged_again_and_a_quiet_feed_says_where_it_is() {
    let given = Given::of(Vec::new());
    let denied = Problem::new(aion_abi::code::Code::Denied, "no more");
    given.judged.lock().extend([Ok(()), Err(denied)]);
    let mut feed = following(&given, None).await;
    assert_eq!(feed.standing(), None, "nothing is followed");
    let first = feed.next().await.unwrap();
    assert_eq!(first[0].members, "\"away\":{}", "and that is told");
    let ended = feed.next().await.unwrap_err();
    assert_eq!(ended.code, aion_abi::code::Code::Denied);

    let merge = Arc::new(Merge::behind(Marks::default()));
    let place = Room::of(1).take("ann").unwrap();
    let mut feed = following_of(&merge, Filter::default(), place);
    let node: (&Arc<str>, Tag) = (&Arc::from("n1"), Tag::of("n1"));
    merge.take(node, listening(1, 4), false);
    feed.next().await.unwrap();
    assert_eq!(feed.standing(), None, "that was told");
    merge.take(node, listening(1, 9), false);
    let standing = feed.standing().unwrap();
    assert_eq!(standing.cursor.as_deref(), Some(&*cursor(&[("n1", 1, 9)])));
    assert_eq!(feed.standing(), None);
    merge.away(node.0);
    merge.take(node, told(1, 10), false);
    assert_eq!(feed.standing(), None, "it has more to read");
}
