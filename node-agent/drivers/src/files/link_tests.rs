//! Layouts of links that people's folders have: what is listed, once, and what a swap changes.
#![allow(clippy::unwrap_used)]

use std::{fs, os::unix::fs::symlink, time::Duration};

use aion_abi::syscall::fs::{LeftOut, ListResponse, TreeDigest};

use super::{
    FilesDriver,
    hostile_tests::{House, house, list},
};

impl House {
    async fn tree(&self) -> ListResponse {
        self.driver.list(&self.mounts, list(true)).await.unwrap()
    }

    /// The paths that are not hidden, as a reader of documents sees them.
    async fn seen(&self) -> Vec<String> {
        let tree = self.tree().await;
        let paths = tree.entries.into_iter().map(|entry| entry.path);
        paths
            .filter(|path| !path.split('/').any(|part| part.starts_with('.')))
            .collect()
    }

    fn swap(&self, to: &str) {
        symlink(to, self.inside("..data_tmp")).unwrap();
        fs::rename(self.inside("..data_tmp"), self.inside("..data")).unwrap();
    }
}

/// As Kubernetes mounts a ConfigMap with a file and a folder.
fn config_map(house: &House, stamp: &str, text: &str) {
    let folder = house.inside(stamp);
    fs::create_dir_all(folder.join("guides")).unwrap();
    fs::write(folder.join("a.md"), text).unwrap();
    fs::write(folder.join("guides/b.md"), text).unwrap();
}

#[tokio::test]
async fn a_config_map_is_listed_once_and_its_swap_changes_every_version() {
    let house = house();
    config_map(&house, "..2026_11_28_a", "first");
    symlink("..2026_11_28_a", house.inside("..data")).unwrap();
    symlink("..data/a.md", house.inside("a.md")).unwrap();
    symlink("..data/guides", house.inside("guides")).unwrap();
    assert_eq!(house.seen().await, ["a.md", "guides/b.md"]);
    assert_eq!(house.tree().await.left_out.count, 0);
    assert_eq!(house.read("a.md").await, Ok("first".into()));
    assert_eq!(house.read("guides/b.md").await, Ok("first".into()));
    let level = house.driver.list(&house.mounts, list(false)).await.unwrap();
    let kinds = level.entries.iter().map(|it| (it.path.as_str(), it.kind));
    let kinds: Vec<_> = kinds.filter(|(path, _)| !path.starts_with('.')).collect();
    use aion_abi::syscall::fs::EntryKind::{File, Folder};
    assert_eq!(kinds, [("a.md", File), ("guides", Folder)]);

    config_map(&house, "..2026_11_28_b", "other");
    house.swap("..2026_11_28_b");
    fs::remove_dir_all(house.inside("..2026_11_28_a")).unwrap();
    assert_eq!(house.seen().await, ["a.md", "guides/b.md"]);
    assert_eq!(house.read("a.md").await, Ok("other".into()));
    assert_eq!(house.read("guides/b.md").await, Ok("other".into()));
}

#[tokio::test]
async fn a_link_to_what_is_listed_is_not_listed_and_one_that_leaves_is_named() {
    let house = house();
    fs::create_dir_all(house.inside("releases/42")).unwrap();
    fs::write(house.inside("releases/42/notes.md"), "x").unwrap();
    symlink("releases/42", house.inside("current")).unwrap();
    symlink("current/notes.md", house.inside("latest.md")).unwrap();
    fs::create_dir(house.inside(".store")).unwrap();
    fs::write(house.inside(".store/1f"), "x").unwrap();
    symlink("../../out/secret", house.inside(".store/2f")).unwrap();
    symlink(".store/1f", house.inside("kept.md")).unwrap();
    symlink(".store/2f", house.inside("away.md")).unwrap();
    assert_eq!(house.seen().await, ["kept.md", "releases/42/notes.md"]);
    let left_out = house.tree().await.left_out;
    let away = left_out.first.iter().find(|it| it.path == "away.md");
    let why = away.map(|it| it.why.as_str());
    assert_eq!(why, Some("a link that leads outside its mount"));
}

#[tokio::test]
async fn what_several_links_of_a_hidden_folder_lead_to_is_listed_once() {
    let house = house();
    fs::create_dir_all(house.inside(".store/sub")).unwrap();
    fs::write(house.inside(".store/a.md"), "x").unwrap();
    fs::write(house.inside(".store/sub/b.md"), "x").unwrap();
    symlink("a.md", house.inside(".store/beside.md")).unwrap();
    symlink("sub/b.md", house.inside(".store/below.md")).unwrap();
    symlink("../a.md", house.inside(".store/sub/above.md")).unwrap();
    symlink("sub", house.inside(".store/folder")).unwrap();
    symlink(".store", house.inside("shown")).unwrap();
    fs::create_dir(house.inside(".kept")).unwrap();
    fs::write(house.inside(".kept/1f"), "x").unwrap();
    symlink(".kept/1f", house.inside("first.md")).unwrap();
    symlink("first.md", house.inside("second.md")).unwrap();
    symlink("./second.md", house.inside("third.md")).unwrap();
    let seen = ["first.md", "shown/a.md", "shown/sub/b.md"];
    assert_eq!(house.seen().await, seen);
    assert_eq!(house.tree().await.left_out, LeftOut::default());
    let mut below = list(true);
    below.path = "shown".to_owned();
    let page = house.driver.list(&house.mounts, below).await.unwrap();
    let paths: Vec<_> = page.entries.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, seen[1..]);
}

#[tokio::test]
async fn links_to_folders_that_lead_round_end() {
    let house = house();
    fs::create_dir(house.inside(".store")).unwrap();
    fs::write(house.inside(".store/a.md"), "x").unwrap();
    for n in 0..3 {
        symlink("../.store", house.inside(&format!(".store/again{n}"))).unwrap();
    }
    symlink(".store", house.inside("round")).unwrap();
    assert_eq!(house.seen().await, ["round/a.md"]);
    let left_out = house.tree().await.left_out;
    assert_eq!(left_out.count, 3, "{left_out:?}");
    let why = "a link to a folder, in a folder that a link leads to";
    assert!(left_out.first.iter().all(|it| it.why == why));
}

#[tokio::test]
async fn a_tree_that_is_not_comparable_is_never_unchanged() {
    let house = house();
    fs::write(house.inside("a.md"), "x").unwrap();
    let tree = house.tree().await;
    let mut digest = TreeDigest::default();
    digest.page(&tree);
    // It was written just now, so it has no version, and no digest is its.
    assert_eq!(digest.end(), None);
    let mut unless = list(true);
    unless.unless = Some("0".repeat(64));
    let answer = house.driver.list(&house.mounts, unless).await.unwrap();
    assert!(!answer.unchanged);
    assert_eq!(answer.entries, tree.entries);
}

#[tokio::test]
async fn a_tree_is_unchanged_until_something_in_it_changes() {
    let house = house();
    // Folders have no versions of their own, and so this tree can be compared at once.
    for folder in ["a", "b/c"] {
        fs::create_dir_all(house.inside(folder)).unwrap();
    }
    symlink("nowhere", house.inside("link")).unwrap();
    let asked = |unless: Option<String>| aion_abi::syscall::fs::ListRequest {
        unless,
        ..list(false)
    };
    let first = house.driver.list(&house.mounts, asked(None)).await.unwrap();
    let mut digest = TreeDigest::default();
    digest.page(&first);
    let digest = digest.end();
    assert!(digest.is_some());
    let again = house
        .driver
        .list(&house.mounts, asked(digest.clone()))
        .await
        .unwrap();
    assert!(again.unchanged && again.entries.is_empty());
    fs::create_dir(house.inside("new")).unwrap();
    let after = house
        .driver
        .list(&house.mounts, asked(digest))
        .await
        .unwrap();
    assert!(!after.unchanged);
    assert_eq!(after.entries.len(), 3);
}

#[tokio::test]
async fn a_tree_of_files_is_unchanged_until_one_is_written_moved_or_gone() {
    let house = house();
    let put = |name: &str, text: &str| {
        let path = house.inside(name);
        fs::write(&path, text).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        file.set_modified(long_ago).unwrap();
    };
    fs::create_dir(house.inside("sub")).unwrap();
    put("a.md", "40 bar");
    put("sub/b.md", "x");
    // Until its files have versions a tree has no digest.
    let digest = async || {
        loop {
            let mut digest = TreeDigest::default();
            digest.page(&house.tree().await);
            match digest.end() {
                Some(digest) => return digest,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let is_unchanged = async |digest: &str| {
        let mut unless = list(true);
        unless.unless = Some(digest.to_owned());
        let answer = house.driver.list(&house.mounts, unless).await.unwrap();
        assert_eq!(answer.unchanged, answer.entries.is_empty());
        answer.unchanged
    };
    let first = digest().await;
    assert!(is_unchanged(&first).await);
    put("a.md", "60 bar");
    assert!(
        !is_unchanged(&first).await,
        "its size and time are as before"
    );
    let second = digest().await;
    assert!(is_unchanged(&second).await && !is_unchanged(&first).await);
    fs::rename(house.inside("sub/b.md"), house.inside("sub/c.md")).unwrap();
    assert!(!is_unchanged(&second).await);
    fs::remove_file(house.inside("sub/c.md")).unwrap();
    assert!(!is_unchanged(&second).await);
}
