//! kill -9 at any moment of an admission leaves entries whole or absent.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use aion_bundle::{Layout, Limits, SigningKey, Store};

use crate::fixture::{declarative, parts, reference, sign, trust_pem};

const FOLDER: &str = "AION_BUNDLE_CRASH_FOLDER";
const ROUNDS: usize = 12;

#[tokio::test]
async fn a_killed_admission_leaves_its_entry_whole_or_absent() {
    let at = tempfile::tempdir().unwrap();
    let layout = Layout::create(at.path().join("layout")).unwrap();
    let (built, key) = (declarative(&layout), SigningKey::generate().unwrap());
    sign(&layout, &key, &built.digest).await;
    fs::write(at.path().join("key.pub"), key.public_pem()).unwrap();
    for round in 1..=ROUNDS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "crash::admits_until_it_is_killed"])
            .args(["--ignored", "--nocapture"])
            .env(FOLDER, at.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let begun = lines.filter(|l| l.as_ref().unwrap().contains("begun"));
        assert_eq!(begun.take(round).count(), round, "the child ended early");
        child.kill().unwrap();
        child.wait().unwrap();

        let store = Store::open(at.path().join("store")).unwrap();
        assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
        for digest in store.list().unwrap() {
            assert_eq!(digest, built.digest);
            let stored = store.get(&digest).expect("half an entry");
            let (_, program, files) = parts(&stored);
            let text = fs::read_to_string(program).unwrap();
            assert_eq!(text, "instructions: Quote.\n");
            let files = files.unwrap();
            let text = fs::read_to_string(files.join("prompts/more/deep.md")).unwrap();
            assert_eq!(text, "Be exact.\n");
            assert!(files.join("prompts/system.md").exists());
        }
    }
}

#[tokio::test]
#[ignore = "the child of a_killed_admission_leaves_its_entry_whole_or_absent"]
async fn admits_until_it_is_killed() {
    let at = PathBuf::from(env::var_os(FOLDER).unwrap());
    let layout = Layout::at(at.join("layout"));
    let store = Store::open(at.join("store")).unwrap();
    let wanted = reference(&declarative(&layout));
    let trust = trust_pem(&fs::read_to_string(at.join("key.pub")).unwrap());
    loop {
        println!("begun");
        let limits = Limits::default();
        let admitted = store.admit(&layout, &wanted, &trust, &limits);
        admitted.await.unwrap();
        store.prune(&[], std::time::Duration::ZERO).unwrap();
    }
}
