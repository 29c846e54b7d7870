//! A certificate whose files are changed while it is in force, as a kubelet changes those of a Secret.
#![allow(clippy::unwrap_used)]

use std::{fs, os::unix::fs::symlink, process::Command, sync::Arc, time::Duration};

use jiff::SignedDuration;
use tempfile::TempDir;
use tokio::time::sleep;

use parking_lot::Mutex;

use super::{renewal::Found, *};

/// A Secret as it is mounted: its files are behind a link that is exchanged as a whole.
struct Mounted(TempDir);

impl Mounted {
    fn new() -> Self {
        let it = Self(tempfile::tempdir().unwrap());
        it.renew("0");
        for name in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{name}"), it.0.path().join(name)).unwrap();
        }
        it
    }

    fn files(&self) -> TlsFiles {
        TlsFiles {
            cert: self.0.path().join("tls.crt"),
            key: self.0.path().join("tls.key"),
            ca: None,
        }
    }

    /// Another pair, in force from then on.
    fn renew(&self, version: &str) {
        let folder = self.0.path().join(version);
        fs::create_dir(&folder).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt"]);
        openssl.args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
        openssl.args(["-subj", "/CN=node", "-keyout"]);
        openssl.arg(folder.join("tls.key"));
        openssl.arg("-out").arg(folder.join("tls.crt"));
        assert!(openssl.output().unwrap().status.success());
        self.point_to(version);
    }

    fn point_to(&self, version: &str) {
        let next = self.0.path().join("..next");
        symlink(version, &next).unwrap();
        fs::rename(next, self.0.path().join("..data")).unwrap();
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }
}

fn opened(mounted: &Mounted) -> Result<(TlsAcceptor, Announced, Renewal), TlsError> {
    open(mounted.files(), Box::new(|_| ()))
}

/// What a handshake would be answered with, in the form of the files.
fn served(renewal: &Renewal) -> Vec<u8> {
    renewal.in_force.0.read().cert[0].to_vec()
}

async fn look(renewal: &mut Renewal, times: usize) {
    let mut before = Found::Unreadable("nothing was looked at".into());
    for _ in 0..times {
        before = renewal.look(before).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pair_is_taken_over_when_two_looks_find_it_and_callers_were_told_of_both_authorities() {
    let mounted = Mounted::new();
    let ends = Arc::new(Mutex::new(None));
    let told = Arc::clone(&ends);
    let note = Box::new(move |until| *told.lock() = Some(until));
    let (_, announced, mut renewal) = open(mounted.files(), note).unwrap();
    let (first, old) = (served(&renewal), mounted.file("tls.crt"));
    let before = first.clone();
    mounted.renew("1");
    let new = mounted.file("tls.crt");
    look(&mut renewal, 1).await;
    assert_eq!(served(&renewal), first, "it may be half of what is written");

    let mut state = announced.state.clone();
    let in_force = Arc::clone(&renewal.in_force);
    let told = tokio::spawn(async move {
        let both = state.wait_for(|it| it.authority.contains(&new)).await;
        let both = both.unwrap().authority.clone();
        assert!(both.contains(old.trim()), "{both}");
        // As the KernelNode is written.
        announced.written.send_replace(both);
        // Who read it just before makes the connection now.
        sleep(Duration::from_secs(10)).await;
        assert_eq!(in_force.0.read().cert[0].to_vec(), first);
        new
    });
    look(&mut renewal, 2).await;
    let new = told.await.unwrap();
    assert_ne!(served(&renewal), before);
    assert_eq!(renewal.state.borrow().authority, new);
    let until = renewal.state.borrow().validity.until;
    assert_eq!(*ends.lock(), Some(until));
    assert_eq!(renewal.state.borrow().refused, None);
}

#[tokio::test(start_paused = true)]
async fn a_pair_is_taken_over_though_the_kernel_node_cannot_be_written() {
    let mounted = Mounted::new();
    let (_, _announced, mut renewal) = opened(&mounted).unwrap();
    let first = served(&renewal);
    mounted.renew("1");
    look(&mut renewal, 2).await;
    assert_ne!(served(&renewal), first);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_tells_callers_nothing_is_waited_for() {
    let mounted = Mounted::new();
    let (_, announced, mut renewal) = opened(&mounted).unwrap();
    drop(announced);
    let first = served(&renewal);
    mounted.renew("1");
    let began = tokio::time::Instant::now();
    look(&mut renewal, 2).await;
    assert_ne!(served(&renewal), first);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_used_leaves_the_pair_before_in_force_and_is_told() {
    let mounted = Mounted::new();
    let (_, _announced, mut renewal) = opened(&mounted).unwrap();
    let first = served(&renewal);
    mounted.renew("1");
    let place = |name: &str| mounted.0.path().join("1").join(name);
    let cert = mounted.file("tls.crt");
    let refused = |renewal: &Renewal| renewal.state.borrow().refused.clone().unwrap();

    fs::copy(mounted.0.path().join("0/tls.key"), place("tls.key")).unwrap();
    look(&mut renewal, 2).await;
    assert!(refused(&renewal).contains("tls.key"), "another's key");
    fs::write(place("tls.crt"), &cert[..cert.len() / 2]).unwrap();
    look(&mut renewal, 2).await;
    assert!(refused(&renewal).contains("tls.crt"), "half of it");
    fs::write(place("tls.crt"), vec![b'\n'; 2 << 20]).unwrap();
    look(&mut renewal, 2).await;
    assert!(refused(&renewal).contains("longer"), "without end");
    fs::remove_file(place("tls.key")).unwrap();
    fs::write(place("tls.crt"), &cert).unwrap();
    look(&mut renewal, 2).await;
    assert!(refused(&renewal).contains("tls.key"), "gone");
    assert_eq!(served(&renewal), first);

    mounted.point_to("0");
    look(&mut renewal, 2).await;
    assert_eq!(renewal.state.borrow().refused, None, "it was put back");
    mounted.renew("2");
    look(&mut renewal, 2).await;
    assert_eq!(renewal.state.borrow().refused, None);
    assert_ne!(served(&renewal), first);
}

#[test]
fn its_time_is_that_of_the_certificate() {
    let mounted = Mounted::new();
    let (_, announced, _) = opened(&mounted).unwrap();
    let Validity { from, until } = announced.state.borrow().validity;
    assert_eq!(until.duration_since(from), SignedDuration::from_hours(48));
}

#[test]
fn the_key_is_in_no_text() {
    let mounted = Mounted::new();
    let (_, announced, renewal) = opened(&mounted).unwrap();
    let key = mounted.file("tls.key");
    let line = key.lines().nth(1).unwrap();
    let text = format!("{announced:?} {:?}", renewal.in_force);
    assert!(!text.contains(line));
}
