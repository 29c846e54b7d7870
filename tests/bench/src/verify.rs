//! `verify_warm_us`, `verify_cold_ms`: what it takes to say that a bundle is signed by whom it should be. Warm: a node has
//! verified it under this revision of the trust, and asks its store again, as it does before each start. Cold: a program
//! that knows nothing asks a registry, against `cosign verify` of the same bundle, key and registry, in turns.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use aion_bundle::{BundleRef, Layout, Limits, NamePattern, Recalled, Store, TrustSet, TrustedKey};
use aion_testkit::{Cosign, Registry, RegistryKind};
use anyhow::{Context, Result, bail};
use tokio::runtime::Runtime;

use crate::machine::Machine;
use crate::report::{Figure, median_ms};

const WARM: usize = 5_000;
const COLD: usize = 15;
const RECIPE: &str =
    "name: reader\nversion: 0.1.0\nruntime: wasm\nentry: guest.wasm\ndescription: Does nothing\n";

/// Measures both figures.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let machine = Machine::new()?;
    let folder = machine.folder().join("reader");
    fs::create_dir(&folder)?;
    fs::write(
        folder.join("guest.wasm"),
        wat::parse_str("(module (func (export \"_start\")))")?,
    )?;
    fs::write(folder.join("bundle.yaml"), RECIPE)?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let key = machine.folder().join("key");
    machine.aionctl(&["bundle", "keygen", "--no-password", &text(&key)])?;
    let digest = machine.aionctl(&["bundle", "build", &text(&folder), "--quiet"])?;
    let digest = digest.trim();
    let (secret, public) = (key.with_extension("key"), key.with_extension("pub"));
    machine.aionctl(&["bundle", "sign", digest, "--key", &text(&secret)])?;
    let mut figures = vec![Figure::plain(
        "verify_warm_us",
        runtime.block_on(warm(&machine, digest, &public))? * 1_000.0,
        "µs",
        "≤ 50",
    )];
    let (Ok(cosign), Ok(registry)) = (Cosign::find(), Registry::start(RegistryKind::Anonymous))
    else {
        eprintln!(
            "verify_cold_ms: cosign or a registry is not on this machine (tests/components/ensure)"
        );
        return Ok(figures);
    };
    let place = format!("{}/agents/reader", registry.address());
    machine.aionctl(&["bundle", "push", "--quiet", digest, &place])?;
    let named = format!("{place}@{digest}");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..COLD {
        let from = Instant::now();
        machine.aionctl(&["bundle", "verify", &named, "--key", &text(&public)])?;
        ours.push(from.elapsed());
        let from = Instant::now();
        cosign.verify(&public, &named, None)?;
        theirs.push(from.elapsed());
    }
    let (ours, theirs) = (median_ms(ours), median_ms(theirs));
    figures.push(Figure::against(
        "verify_cold_ms",
        ours,
        "ms",
        theirs,
        "ratio to cosign ≤ 0.2",
    ));
    Ok(figures)
}

/// In milliseconds.
async fn warm(machine: &Machine, digest: &str, public: &Path) -> Result<f64> {
    let layout = Layout::at(machine.home().join("bundles"));
    let store = Store::open(machine.folder().join("store"))?;
    let key = TrustedKey::new(
        "bench",
        &fs::read_to_string(public)?,
        vec![NamePattern::any()],
    )?;
    let trust = TrustSet::of_keys("1", vec![key]);
    let bundle = BundleRef {
        name: "reader".parse()?,
        digest: digest.parse()?,
    };
    store
        .admit(&layout, &bundle, &trust, &Limits::default())
        .await?;
    let mut took: Vec<Duration> = Vec::with_capacity(WARM);
    for _ in 0..WARM {
        let from = Instant::now();
        match store.recall(&bundle, &trust).await.context("recalling")? {
            Recalled::Admitted(admitted) if admitted.cached => took.push(from.elapsed()),
            other => bail!("it was not recalled from the cache: {other:?}"),
        }
    }
    Ok(median_ms(took))
}
