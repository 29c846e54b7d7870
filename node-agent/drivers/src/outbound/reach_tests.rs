//! What programs reach, with names that lead where a test wants.
#![allow(clippy::unwrap_used)]

use std::{io, sync::Arc};

use futures::future::{BoxFuture, ready};
use tokio::net::TcpListener;

use super::*;
use crate::outbound::{NodeAddresses, Rule, judge::Names};

/// Every name leads there.
struct All(Vec<&'static str>);

impl Names for All {
    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let addresses = self.0.iter().map(|it| it.parse().unwrap()).collect();
        Box::pin(ready(Ok(addresses)))
    }
}

fn outbound(place: Place, offline: bool, names: &[&'static str]) -> Outbound {
    let rule = Rule {
        offline,
        place,
        nodes: NodeAddresses::none(),
    };
    Outbound::with_names(rule, Arc::new(All(names.to_vec())))
}

fn name(text: &str) -> Host {
    Host::Name(text.to_owned())
}

#[tokio::test]
async fn this_machine_is_reached_in_numbers_and_by_no_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for place in [Place::Standalone, Place::Cluster] {
        let outbound = outbound(place, false, &["127.0.0.1"]);
        let named = Host::Address("127.0.0.1".parse().unwrap());
        assert!(outbound.reach(&named, port).await.is_ok());
        for host in ["localhost", "a.localhost", "rebound.example.org"] {
            let refused = outbound.reach(&name(host), port).await.unwrap_err();
            assert_eq!(refused.code, Code::Denied, "{host}");
            assert!(refused.detail.contains("loopback"), "{refused}");
        }
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_before_anything_is_dialled() {
    for inside in [
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "fd00::1",
        "100.64.0.1",
    ] {
        let outbound = outbound(Place::Standalone, false, &[inside]);
        let refused = outbound.reach(&name("a.example"), 80).await.unwrap_err();
        assert_eq!(refused.code, Code::Denied, "{inside}");
        assert!(refused.detail.contains(inside), "{refused}");
    }
}

#[tokio::test]
async fn offline_no_name_is_asked_for() {
    let outbound = outbound(Place::Standalone, true, &["1.1.1.1"]);
    let refused = outbound.reach(&name("a.example"), 80).await.unwrap_err();
    assert_eq!(refused.code, Code::Offline);
}
