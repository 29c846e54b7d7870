//! A node agent's certificate is renewed under way, and whoever goes by its KernelNode is answered all the time.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread::{scope, sleep},
    time::Duration,
};

use aion_e2e::cluster::{BOUND, furnish};
use aion_e2e::node_agent::NodeAgent;
use aion_testkit::{ControlPlane, or_skip, until};

use crate::{documents, get};

const NODE: &str = "node-renewed";

/// Makes another pair in `folder`, by an authority of its own: itself.
fn make(folder: &Path, days: &str) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt"]);
    openssl.args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", days]);
    openssl.args([
        "-subj",
        "/CN=node",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]);
    openssl.args(["-addext", "extendedKeyUsage=serverAuth"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"]);
    openssl.arg(folder.join("tls.key"));
    openssl.arg("-out").arg(folder.join("tls.crt"));
    assert!(openssl.output().unwrap().status.success());
}

fn authority(cluster: &ControlPlane) -> Result<String, String> {
    let node = get(cluster, &["kernelnode", NODE])?;
    let named = node["status"]["api"]["caBundle"].as_str();
    Ok(named.ok_or("it names no authority")?.to_owned())
}

/// The condition Degraded as `STATUS REASON: MESSAGE`.
fn degraded(cluster: &ControlPlane) -> Result<String, String> {
    let node = get(cluster, &["kernelnode", NODE])?;
    let all = node["status"]["conditions"].as_array().cloned();
    let found = all.unwrap_or_default();
    let found = found.iter().find(|it| it["type"] == "Degraded");
    let text = |field: &str| found.and_then(|it| it[field].as_str()).unwrap_or("none");
    Ok(format!(
        "{} {}: {}",
        text("status"),
        text("reason"),
        text("message")
    ))
}

#[test]
fn a_certificate_is_renewed_and_nobody_who_asks_is_refused() {
    let Some(cluster) = or_skip(ControlPlane::start()) else {
        return;
    };
    furnish(&cluster).unwrap();
    let docs = documents();
    let node = NodeAgent::start(&cluster, NODE, docs.path(), true).unwrap();
    let files = node.home().join("tls");
    let first = until("the node to be registered", BOUND, || authority(&cluster)).unwrap();

    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let second = scope(|scope| {
        let asks = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let authority = authority(&cluster).unwrap();
                let (status, _) = node.request_checked("GET /healthz", &authority).unwrap();
                assert_eq!(status, 200);
                asked.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(20));
            }
        });
        // One file after the other, as an editor or `cp` does it.
        make(&files, "2");
        let second = fs::read_to_string(files.join("tls.crt")).unwrap();
        until("the new certificate to be named", BOUND, || {
            match authority(&cluster)? == second {
                true => Ok(()),
                false if asks.is_finished() => Err("somebody was refused".to_owned()),
                false => Err(node.tail()),
            }
        })
        .unwrap();
        over.store(true, Ordering::Relaxed);
        asks.join().unwrap();
        second
    });
    assert_ne!(first, second);
    assert!(asked.load(Ordering::Relaxed) > 0);
    let (status, _) = node.request_checked("GET /healthz", &second).unwrap();
    assert_eq!(status, 200);
    node.request_checked("GET /healthz", &first).unwrap_err();

    // Another's key: the pair before goes on, and the KernelNode says it.
    let key = fs::read(files.join("tls.key")).unwrap();
    make(&files, "2");
    let third = fs::read(files.join("tls.crt")).unwrap();
    fs::write(files.join("tls.key"), &key).unwrap();
    let told = until("the pair to be refused", BOUND, || {
        let told = degraded(&cluster)?;
        match told.contains("is not used") || told.contains("are not used") {
            true => Ok(told),
            false => Err(format!("{told}\n{}", node.tail())),
        }
    })
    .unwrap();
    assert!(
        told.starts_with("True") && told.contains("tls.key"),
        "{told}"
    );
    let (status, _) = node.request_checked("GET /healthz", &second).unwrap();
    assert_eq!(status, 200);
    let metrics = node.request_here("GET /metrics", None).unwrap().1;
    assert!(
        metrics.contains("aion_certificate_expiration_timestamp_seconds"),
        "{metrics}"
    );

    // Half of a certificate comes after it, and then all is well again.
    fs::write(files.join("tls.crt"), &third[..third.len() / 2]).unwrap();
    make(&files, "2");
    let fourth = fs::read_to_string(files.join("tls.crt")).unwrap();
    until("the last certificate to be in force", BOUND, || {
        let told = degraded(&cluster)?;
        match authority(&cluster)? == fourth && !told.contains("not used") {
            true => Ok(()),
            false => Err(format!("{told}\n{}", node.tail())),
        }
    })
    .unwrap();
    let (status, _) = node.request_checked("GET /healthz", &fourth).unwrap();
    assert_eq!(status, 200);
    let log = node.tail();
    let secret = String::from_utf8_lossy(&key)
        .lines()
        .nth(1)
        .unwrap()
        .to_owned();
    assert!(!log.contains(&secret));
}
