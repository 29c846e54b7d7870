//! Bundles, keys and trust for the tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aion_bundle::{
    Built, BundleConfig, BundleName, BundleRef, Content, Digest, Layout, NamePattern, SigningKey,
    Stored, TrustSet, TrustedKey, attach, build,
};
use jiff::Timestamp;

/// A declarative bundle with two prompts, built into `layout`.
pub(crate) fn declarative(layout: &Layout) -> Built {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "agent.yaml", "instructions: Quote.\n");
    write(folder.path(), "prompts/system.md", "Be brief.\n");
    write(folder.path(), "prompts/more/deep.md", "Be exact.\n");
    write(
        folder.path(),
        "bundle.yaml",
        "name: reader\nversion: 0.1.0\nruntime: declarative\nentry: agent.yaml\n\
         description: Answers from your documents\nfiles: [prompts]\n",
    );
    build(folder.path(), layout).unwrap()
}

/// A WASM bundle, built into `layout`.
pub(crate) fn wasm(layout: &Layout) -> Built {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.wasm"), b"\0asm\x01\0\0\0").unwrap();
    write(
        folder.path(),
        "bundle.yaml",
        "name: counter\nversion: '1'\nruntime: wasm\nentry: a.wasm\n",
    );
    build(folder.path(), layout).unwrap()
}

pub(crate) fn write(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The configuration, the program and the files of a bundle that is no image.
pub(crate) fn parts(stored: &Stored) -> (BundleConfig, PathBuf, Option<PathBuf>) {
    match stored.content.clone() {
        Content::Bundle {
            config,
            program,
            files,
        } => (config, program, files),
        Content::Image(image) => panic!("an image: {image:?}"),
    }
}

pub(crate) fn reference(built: &Built) -> BundleRef {
    BundleRef {
        name: built.name.clone(),
        digest: built.digest,
    }
}

pub(crate) fn name(text: &str) -> BundleName {
    text.parse().unwrap()
}

/// A set that trusts `key` under the name `release` for every bundle.
pub(crate) fn trusting(key: &SigningKey) -> TrustSet {
    trust_pem(&key.public_pem())
}

pub(crate) fn trust_pem(pem: &str) -> TrustSet {
    TrustSet::of_keys(
        "1",
        vec![TrustedKey::new("release", pem, vec![NamePattern::any()]).unwrap()],
    )
}

pub(crate) async fn sign(layout: &Layout, key: &SigningKey, digest: &Digest) -> Digest {
    let bundle = key.sign(digest).unwrap();
    attach(layout, digest, &bundle, Timestamp::UNIX_EPOCH)
        .await
        .unwrap()
}

pub(crate) fn blob_path(layout: &Layout, digest: &Digest) -> std::path::PathBuf {
    layout.root().join("blobs/sha256").join(digest.hex())
}
