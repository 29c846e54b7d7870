//! Which of a name's addresses is connected to: the first that answers, so that one which does not costs a moment and
//! not all the time there is (RFC 8305, without what it says of name servers).
//!
//! What may not enter: an address that was not judged.

use std::{net::IpAddr, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};

/// How long an address is alone before the next one is tried beside it (RFC 8305 §5).
const ALONE: Duration = Duration::from_millis(250);

/// Connects to the first of `addresses` that answers. What is still under way then is dropped. One that fails makes room
/// for the next at once; where all do, the error is that of the last, and `None` where there is none.
pub(super) async fn first<T, E, F>(
    addresses: Vec<IpAddr>,
    connect: impl Fn(IpAddr) -> F,
) -> Result<T, Option<E>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut next = alternating(addresses).into_iter();
    let mut tried = FuturesUnordered::new();
    let mut failed = None;
    loop {
        tried.extend(next.next().map(&connect));
        let more = next.len() > 0;
        tokio::select! {
            ended = tried.next() => match ended {
                Some(Ok(reached)) => return Ok(reached),
                Some(Err(why)) => failed = Some(why),
                None => return Err(failed),
            },
            () = tokio::time::sleep(ALONE), if more => {}
        }
    }
}

/// The resolver's order, but one of each family in turn (RFC 8305 §4): where one family does not work, the second
/// address is of the other.
fn alternating(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let Some(first) = addresses.first().map(IpAddr::is_ipv4) else {
        return addresses;
    };
    let (same, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|it| it.is_ipv4() == first);
    let most = same.len().max(other.len());
    let in_turn = |at| [same.get(at), other.get(at)];
    (0..most).flat_map(in_turn).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::RefCell;

    use super::*;

    /// Connects by hand: addresses that end in 1 answer, those in 2 refuse, others never say anything. What was reached,
    /// and what was tried for it.
    async fn reached(addresses: &[&str]) -> (Result<String, Option<String>>, Vec<String>) {
        let tried = RefCell::new(Vec::new());
        let connect = |address: IpAddr| {
            let address = address.to_string();
            tried.borrow_mut().push(address.clone());
            async move {
                match address.chars().last() {
                    Some('1') => Ok(address),
                    Some('2') => Err(format!("{address} refuses")),
                    _ => std::future::pending().await,
                }
            }
        };
        let addresses = addresses.iter().map(|it| it.parse().unwrap()).collect();
        let ended = tokio::time::timeout(Duration::from_secs(10), first(addresses, connect)).await;
        (ended.unwrap_or(Err(None)), tried.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_never_answers_leaves_time_for_the_others() {
        let (ended, tried) = reached(&["fd00::9", "fd00::8", "10.0.0.2", "10.0.0.1"]).await;
        assert_eq!(ended, Ok("10.0.0.1".to_owned()));
        assert_eq!(tried, ["fd00::9", "10.0.0.2", "fd00::8", "10.0.0.1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_answers_is_the_only_one_that_is_tried() {
        let (ended, tried) = reached(&["10.0.0.1", "fd00::1"]).await;
        assert_eq!(
            (ended, tried),
            (Ok("10.0.0.1".to_owned()), vec!["10.0.0.1".to_owned()])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn where_none_answers_the_last_reason_is_told_and_silence_ends_with_the_time() {
        let (ended, tried) = reached(&["10.0.0.2", "fd00::2"]).await;
        assert_eq!(ended, Err(Some("fd00::2 refuses".to_owned())));
        assert_eq!(tried.len(), 2);
        let (ended, tried) = reached(&["10.0.0.2", "10.0.0.8", "10.0.0.9"]).await;
        assert_eq!((ended, tried.len()), (Err(None), 3));
        assert_eq!(reached(&[]).await.0, Err(None));
    }
}
