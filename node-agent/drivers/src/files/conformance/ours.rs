//! The fake and the folders of this machine, held to it.
#![allow(clippy::unwrap_used)]

use std::fs;

use super::{
    super::{FakeFiles, FolderFiles, Mount, MountTable, Origin},
    conforms,
};

fn mount(folder: &std::path::Path, writable: bool) -> Mount {
    Mount {
        folder: folder.to_owned(),
        writable,
        origin: Origin::Mapped,
    }
}

#[tokio::test]
async fn the_fake_conforms() {
    let mounts = MountTable::new()
        .with("notes", mount("/notes".as_ref(), true))
        .with("docs", mount("/docs".as_ref(), false));
    conforms(
        &FakeFiles::default().holding("docs", "guide.md", "hello"),
        &mounts,
    )
    .await;
}

#[tokio::test]
async fn folders_of_this_machine_conform() {
    let home = tempfile::tempdir().unwrap();
    let (notes, docs) = (home.path().join("notes"), home.path().join("docs"));
    fs::create_dir(&notes).unwrap();
    fs::create_dir(&docs).unwrap();
    fs::write(docs.join("guide.md"), "hello").unwrap();
    let mounts = MountTable::new()
        .with("notes", mount(&notes, true))
        .with("docs", mount(&docs, false));
    conforms(&FolderFiles::new([home.path().join(".aion")]), &mounts).await;
    let left: Vec<_> = fs::read_dir(&notes)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().contains("partial")),
        "{left:?}"
    );
}
