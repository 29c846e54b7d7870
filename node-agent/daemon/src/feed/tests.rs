//! Listeners of the feed, with time of their own.
#![allow(clippy::unwrap_used, clippy::panic)]
use aion_abi::event::Queue;
use futures::FutureExt as _;

use tokio::time::sleep;

use super::*;

fn depth(turns_waiting: u64) -> Happened {
    Happened::Queue(Queue {
        turns_waiting,
        ..Queue::default()
    })
}

fn tell(feed: &Feed, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        feed.tell(None, depth(number));
    }
}

fn number(told: &Told) -> u64 {
    match &told.what {
        Item::Event(Event {
            what: Happened::Queue(queue),
            ..
        }) => queue.turns_waiting,
        other => panic!("{other:?}"),
    }
}

/// What is told without waiting.
fn told(listener: &mut Listener) -> Vec<Told> {
    std::iter::from_fn(|| listener.next().now_or_never().flatten()).collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_where_nobody_listens_and_that_is_said() {
    let feed = Feed::new();
    tell(&feed, 1..=3);
    assert_eq!(feed.0.ring.end(), 0);
    let mut listener = feed.listen(None, true);
    tell(&feed, 4..=5);
    let heard = told(&mut listener);
    assert_eq!(heard[0].what, Item::Listening {});
    assert_eq!(heard[1..].iter().map(number).collect::<Vec<_>>(), [4, 5]);
    let cursor = heard[1].cursor;
    drop(listener);
    // Its connection broke, and it comes again.
    sleep(LINGERS / 2).await;
    tell(&feed, 6..=6);
    let mut listener = feed.listen(Some(cursor), true);
    let again = told(&mut listener);
    assert_eq!(again[0].what, Item::Listening {});
    assert_eq!(again[0].cursor, cursor);
    assert_eq!(again[1..].iter().map(number).collect::<Vec<_>>(), [5, 6]);
    sleep(LINGERS * 2).await;
    assert!(feed.is_heard());
    drop(listener);
    sleep(LINGERS * 2).await;
    assert!(!feed.is_heard());
    tell(&feed, 7..=7);
    let late = told(&mut feed.listen(Some(cursor), true));
    let unheard = Missed {
        events: None,
        because: Because::Unheard,
    };
    assert_eq!(late[0].what, Item::Missed(unheard));
    assert_eq!(late.len(), 1);
    // From what it was told then it goes on.
    let mut on = feed.listen(Some(late[0].cursor), true);
    assert_eq!(told(&mut on)[0].what, Item::Listening {});
}

#[tokio::test(start_paused = true)]
async fn what_is_told_while_the_rest_begins_is_told_to_nobody_and_adjoins_nothing() {
    let feed = Feed::new();
    let mut listener = feed.listen(None, true);
    tell(&feed, 1..=1);
    let cursor = told(&mut listener)[1].cursor;
    drop(listener);
    sleep(LINGERS * 2).await;
    // A teller that had looked before.
    let late = Event {
        at_ms: clock::date(),
        agent: None,
        what: depth(2),
    };
    feed.0.ring.push(Arc::new(late), EVENT);
    let mut again = feed.listen(Some(cursor), true);
    tell(&feed, 4..=4);
    let all = told(&mut again);
    assert!(
        matches!(&all[0].what, Item::Missed(it) if it.because == Because::Unheard),
        "{all:?}"
    );
    assert_eq!(all[1..].iter().map(number).collect::<Vec<_>>(), [4]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_and_goes_leaves_one_task_behind() {
    let feed = Feed::new();
    let before = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    for _ in 0..10 {
        drop(feed.listen(None, true));
    }
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert_eq!(tasks - before, 1);
    sleep(LINGERS / 2).await;
    drop(feed.listen(None, true));
    sleep(LINGERS * 3 / 4).await;
    assert!(feed.is_heard(), "the last one left a while ago");
    sleep(LINGERS / 2).await;
    assert!(!feed.is_heard());
}

#[tokio::test(start_paused = true)]
async fn who_is_too_slow_is_told_how_much_it_missed_and_holds_up_nobody() {
    let feed = Feed::new();
    let (mut slow, mut quick) = (feed.listen(None, true), feed.listen(None, true));
    let many = KEPT.count as u64 + 10;
    let mut heard = 0;
    for number in 1..=many {
        tell(&feed, number..=number);
        heard += told(&mut quick).len() as u64;
    }
    assert_eq!(heard, many + 1);
    let late = told(&mut slow);
    let missed = Missed {
        events: Some(10),
        because: Because::Late,
    };
    assert_eq!(late[0].what, Item::Listening {});
    assert_eq!(late[1].what, Item::Missed(missed));
    assert_eq!((number(&late[2]), late.len()), (11, KEPT.count + 2));
    let first = late[0].cursor;
    let resumed = told(&mut feed.listen(Some(first), false));
    assert_eq!(resumed[0].what, Item::Missed(missed));
    assert_eq!(resumed.len(), KEPT.count + 1);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_of_another_start_is_told_so_and_what_is_kept_follows() {
    let feed = Feed::new();
    let _heard = feed.listen(None, true);
    tell(&feed, 1..=2);
    let restarted = Item::Missed(Missed {
        events: None,
        because: Because::Restarted,
    });
    for strange in [
        Cursor { epoch: 1, seq: 1 },
        Cursor {
            seq: 77,
            ..feed.cursor(0)
        },
    ] {
        let mut listener = feed.listen(Some(strange), false);
        let all = told(&mut listener);
        assert_eq!(all[0].what, restarted);
        assert_eq!(all[1..].iter().map(number).collect::<Vec<_>>(), [1, 2]);
        // Without following it ends.
        assert!(listener.next().await.is_none());
    }
}
