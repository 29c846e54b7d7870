//! Who waits for whose module, with a launcher that compiles what it is let.

#![allow(clippy::unwrap_used)]

use std::{fs, io::Write};

use aion_bundle::{
    BundleRef, Layout, Limits as BundleLimits, NamePattern, SigningKey, TrustSet, TrustedKey,
    attach, build,
};
use futures::{FutureExt, future::BoxFuture};
use tokio::{sync::mpsc, time::timeout};

use super::*;
use crate::launching::Launched;
use aion_sandbox::protocol::Measured;

/// So that whoever is held up fails the test instead of waiting with it.
const BOUND: Duration = Duration::from_secs(60);

/// Answers every compiler's start with a few bytes, but for those of slow bundles it only says that they began.
struct Compilers {
    slow: Mutex<Vec<Digest>>,
    began: mpsc::UnboundedSender<String>,
    /// Nobody's end of an answer that does not come.
    open: Mutex<Vec<OwnedFd>>,
}

impl Launcher for Compilers {
    fn start(&self, start: Start, fds: WorkerFds) -> BoxFuture<'_, Result<Launched, LaunchError>> {
        let id = start.id.instance;
        let slow = self.slow.lock();
        if slow.iter().any(|it| id.contains(&it.hex()[..16])) {
            self.open.lock().push(fds.stdout);
        } else {
            let mut answer = File::from(fds.stdout);
            answer.write_all(&Head::Artifact(4).to_bytes()).unwrap();
            answer.write_all(b"code").unwrap();
        }
        self.began.send(id).unwrap();
        let launched = Launched {
            pid: 1,
            start_time: 1,
            layers: Vec::new(),
            doors: Vec::new(),
        };
        async { Ok(launched) }.boxed()
    }

    fn open_gate<'a>(&'a self, _: &'a WorkerId) -> BoxFuture<'a, Result<(), LaunchError>> {
        async { Ok(()) }.boxed()
    }

    fn kill<'a>(&'a self, _: &'a WorkerId, _: Duration) -> BoxFuture<'a, Result<(), LaunchError>> {
        async { Ok(()) }.boxed()
    }

    fn measure<'a>(&'a self, _: &'a WorkerId) -> BoxFuture<'a, Option<Measured>> {
        Box::pin(std::future::ready(None))
    }

    fn acknowledge<'a>(&'a self, _: &'a WorkerId) -> BoxFuture<'a, ()> {
        async {}.boxed()
    }
}

/// The store with `count` bundles of a module each.
async fn store(at: &std::path::Path, count: u8) -> (Arc<Store>, Vec<Digest>) {
    let layout = Layout::create(at.join("layout")).unwrap();
    let store = Store::open(at.join("store")).unwrap();
    let key = SigningKey::generate().unwrap();
    let trusted = TrustedKey::new("k", &key.public_pem(), vec![NamePattern::any()]);
    let trust = TrustSet::of_keys("", vec![trusted.unwrap()]);
    let mut digests = Vec::new();
    for n in 0..count {
        let folder = at.join(n.to_string());
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join("a.wasm"),
            [b"\0asm\x01\0\0\0".as_slice(), &[n]].concat(),
        )
        .unwrap();
        let about = "name: a\nversion: '1'\nruntime: wasm\nentry: a.wasm\n";
        fs::write(folder.join("bundle.yaml"), about).unwrap();
        let built = build(&folder, &layout).unwrap();
        let signature = key.sign(&built.digest).unwrap();
        let now = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
        let attached = attach(&layout, &built.digest, &signature, now).await;
        attached.unwrap();
        let wanted = BundleRef {
            name: "a".parse().unwrap(),
            digest: built.digest,
        };
        let limits = BundleLimits::default();
        store
            .admit(&layout, &wanted, &trust, &limits)
            .await
            .unwrap();
        digests.push(built.digest);
    }
    (Arc::new(store), digests)
}

#[tokio::test]
async fn a_module_that_compiles_for_long_holds_up_its_own_tenant_alone() {
    let at = tempfile::tempdir().unwrap();
    let (store, digests) = store(at.path(), 4).await;
    let [slow, behind, quick, other] = digests.try_into().unwrap();
    let (began, mut heard) = mpsc::unbounded_channel();
    let launcher = Arc::new(Compilers {
        slow: Mutex::new(vec![slow]),
        began,
        open: Mutex::default(),
    });
    let modules = Arc::new(Modules::new(store, launcher.clone()));
    let open = |bundle: Digest, tenant: &'static str| {
        let modules = Arc::clone(&modules);
        tokio::spawn(async move { modules.open(&bundle, &[], &tenant.into()).await })
    };
    let stuck = open(slow, "a");
    assert!(heard.recv().await.unwrap().contains(&slow.hex()[..16]));
    let waits = open(behind, "a");
    for _ in 0..2 {
        for (bundle, tenant) in [(quick, "b"), (other, "c")] {
            let opened = timeout(BOUND, open(bundle, tenant)).await;
            opened.unwrap().unwrap().unwrap();
        }
    }
    assert!(!stuck.is_finished() && !waits.is_finished());
    // Nobody waits for it any more, and it goes on: what it makes is wanted again. Once it ends, the next begins.
    stuck.abort();
    assert!(!waits.is_finished());
    drop(std::mem::take(&mut *launcher.open.lock()));
    waits.await.unwrap().unwrap();
    let mut begun = Vec::new();
    while let Ok(id) = heard.try_recv() {
        begun.push(id);
    }
    assert_eq!(begun.len(), 3, "each is compiled once: {begun:?}");
}
