//! What layers make of each other.
#![allow(clippy::unwrap_used, clippy::panic)]

use aion_abi::reason::Reason;

use super::*;
use crate::content::image::tree::Most;
use crate::content::layer::{
    index::Content,
    path::{MAX_DEPTH, shown},
};

/// A layer from lines: `a/` a folder, `a` a file, `a -> b` a symbolic and `a = b` a hard link, `-a` what is gone, `*a/`
/// what is emptied, `!a` a device.
fn layer(lines: &[&str]) -> Index {
    let path = |text: &str| LayerPath::parse(text.as_bytes()).unwrap();
    let entries = lines.iter().enumerate().map(|(number, line)| {
        let (name, kind) = if let Some((name, target)) = line.split_once(" -> ") {
            (
                name,
                Kind::Symlink {
                    target: target.into(),
                },
            )
        } else if let Some((name, target)) = line.split_once(" = ") {
            (
                name,
                Kind::HardLink {
                    target: path(target),
                },
            )
        } else if let Some(name) = line.strip_prefix('-') {
            (name, Kind::Gone)
        } else if let Some(name) = line.strip_prefix('*') {
            (name, Kind::Emptied)
        } else if let Some(name) = line.strip_prefix('!') {
            (name, Kind::LeftOut)
        } else if line.ends_with('/') {
            (*line, Kind::Folder)
        } else {
            let content = Content {
                number: u32::try_from(number).unwrap(),
                size: 0,
                executable: false,
            };
            (*line, Kind::File(content))
        };
        Entry {
            path: path(name),
            kind,
        }
    });
    Index {
        entries: entries.collect(),
        ..Index::default()
    }
}

/// One for so many nodes.
fn tree(nodes: usize) -> Tree {
    Tree::new(Most {
        nodes,
        names: 100_000,
    })
}

fn composed(layers: &[&[&str]]) -> Result<Tree, UnpackError> {
    let mut tree = tree(1000);
    for (at, lines) in layers.iter().enumerate() {
        tree.apply(at, &layer(lines))?;
    }
    Ok(tree)
}

/// All that is in a tree, a file with its layer and the line it comes from.
fn list(folder: &Folder, above: &str, found: &mut Vec<String>) {
    for (name, node) in folder {
        let path = format!("{above}{}", shown(name));
        match node {
            Node::Folder(inner) => {
                found.push(format!("{path}/"));
                list(inner, &format!("{path}/"), found);
            }
            Node::File(file) => {
                found.push(format!("{path} {}.{}", file.layer, file.content.number))
            }
            Node::Symlink(target) => found.push(format!("{path} -> {}", shown(target))),
        }
    }
}

fn makes(layers: &[&[&str]], expect: &[&str]) {
    let mut found = Vec::new();
    list(composed(layers).unwrap().root(), "", &mut found);
    assert_eq!(found, expect, "of {layers:?}");
}

fn refuses(layers: &[&[&str]], expect: Reason, word: &str) {
    let refused = composed(layers).unwrap_err();
    assert_eq!(refused.reason(), expect, "{refused}");
    assert!(refused.to_string().contains(word), "`{word}` in: {refused}");
}

#[test]
fn a_later_layer_adds_and_replaces() {
    makes(
        &[&["a/", "a/x", "y"], &["a/", "a/z", "y"]],
        &["a/", "a/x 0.1", "a/z 1.1", "y 1.2"],
    );
    // Folders that no entry names are made.
    makes(&[&["a/b/c"]], &["a/", "a/b/", "a/b/c 0.0"]);
    // One layer says a path twice: the later counts.
    makes(&[&["a", "a"]], &["a 0.1"]);
    makes(&[&[], &["a"], &[]], &["a 1.0"]);
}

#[test]
fn a_file_becomes_a_folder_and_a_folder_a_file() {
    makes(
        &[&["a", "b/", "b/c"], &["a/", "a/x", "b"]],
        &["a/", "a/x 1.1", "b 1.2"],
    );
    makes(&[&["a", "a/", "a/x"]], &["a/", "a/x 0.2"]);
    makes(&[&["a/", "a/x", "a"]], &["a 0.2"]);
    makes(&[&["a -> b"], &["a"]], &["a 1.0"]);
    makes(&[&["a/", "a/x"], &["a -> b"]], &["a -> b"]);
    // A folder in place of a link: not what it leads to.
    makes(
        &[&["lib -> usr", "usr/x"], &["lib/", "lib/y"]],
        &["lib/", "lib/y 1.1", "usr/", "usr/x 0.1"],
    );
    refuses(&[&["a", "a/b"]], Reason::BadArchive, "not a folder");
    refuses(&[&["a"], &["a/b"]], Reason::BadArchive, "not a folder");
}

#[test]
fn links_are_followed_within_the_image() {
    makes(
        &[&["usr/bin/", "bin -> usr/bin"], &["bin/sh"]],
        &["bin -> usr/bin", "usr/", "usr/bin/", "usr/bin/sh 1.0"],
    );
    for target in ["/etc", "../../etc", "/../etc", "./etc/../etc", "etc//."] {
        let link = format!("a -> {target}");
        makes(&[&[&link, "a/passwd"]], &[&link, "etc/", "etc/passwd 0.1"]);
    }
    // To what is not there yet.
    makes(
        &[&["run -> var/run", "run/x"]],
        &["run -> var/run", "var/", "var/run/", "var/run/x 0.1"],
    );
    // Of a link itself, not of what it leads to.
    makes(&[&["a -> b", "b"], &["a"]], &["a 1.0", "b 0.1"]);
    refuses(
        &[&["a -> b", "b -> a", "a/x"]],
        Reason::BadArchive,
        "too many links",
    );
    refuses(
        &[&["f", "a -> f", "a/x"]],
        Reason::BadArchive,
        "not a folder",
    );
}

#[test]
fn what_is_gone_goes_from_the_layers_below_alone() {
    makes(&[&["a", "b"], &["-a"]], &["b 0.1"]);
    makes(&[&["a/", "a/b/", "a/b/c", "d"], &["-a"]], &["d 0.3"]);
    // Wherever the whiteout stands, what its own layer has stays.
    makes(&[&["a"], &["-a", "a"]], &["a 1.1"]);
    makes(&[&["a"], &["a", "-a"]], &["a 1.0"]);
    makes(
        &[&["a/", "a/old"], &["a/", "a/new", "-a"]],
        &["a/", "a/new 1.1"],
    );
    makes(
        &[&["a/", "a/old"], &["-a", "a/", "a/new"]],
        &["a/", "a/new 1.2"],
    );
    makes(&[&["a"], &["-nothing", "-no/thing", "-a/b"]], &["a 0.0"]);
    makes(&[&["a"], &["-a"], &["a"]], &["a 2.0"]);
}

#[test]
fn an_opaque_folder_hides_what_lower_layers_have_in_it() {
    let below: &[&str] = &["a/", "a/x", "a/b/", "a/b/y", "z"];
    makes(&[below, &["*a/"]], &["a/", "z 0.4"]);
    makes(
        &[below, &["a/", "*a/", "a/new"]],
        &["a/", "a/new 1.2", "z 0.4"],
    );
    makes(&[below, &["a/new", "*a/"]], &["a/", "a/new 1.0", "z 0.4"]);
    makes(&[below, &["*a/b/"]], &["a/", "a/b/", "a/x 0.1", "z 0.4"]);
    makes(&[below, &["*", "new"]], &["new 1.1"]);
    makes(
        &[below, &["*z/", "*nothing/"]],
        &["a/", "a/b/", "a/b/y 0.3", "a/x 0.1", "z 0.4"],
    );
}

#[test]
fn whiteouts_follow_links_but_not_those_that_their_layer_replaces() {
    let below: &[&str] = &["usr/bin/", "usr/bin/sh", "bin -> usr/bin"];
    makes(
        &[below, &["-bin/sh"]],
        &["bin -> usr/bin", "usr/", "usr/bin/"],
    );
    // As a diff of `rm bin && mkdir bin` says it: the folder is opaque, and what the link led to is untouched.
    for order in [["bin/", "*bin/", "bin/new"], ["*bin/", "bin/", "bin/new"]] {
        makes(
            &[below, &order],
            &["bin/", "bin/new 1.2", "usr/", "usr/bin/", "usr/bin/sh 0.1"],
        );
    }
    makes(
        &[below, &["bin/", "-bin/sh"]],
        &["bin/", "usr/", "usr/bin/", "usr/bin/sh 0.1"],
    );
    makes(&[below, &["-bin"]], &["usr/", "usr/bin/", "usr/bin/sh 0.1"]);
    let beyond: &[&str] = &["a -> b", "b/c/", "b/c/x"];
    makes(
        &[beyond, &["a/", "a/c/", "-a/c/x"]],
        &["a/", "a/c/", "b/", "b/c/", "b/c/x 0.2"],
    );
}

#[test]
fn hard_links_are_to_files_of_the_image() {
    makes(&[&["a", "b = a"]], &["a 0.0", "b 0.0"]);
    makes(&[&["a"], &["d/b = a"]], &["a 0.0", "d/", "d/b 0.0"]);
    makes(&[&["a", "b = a"], &["-a"]], &["b 0.0"]);
    makes(&[&["a", "b = a", "a"]], &["a 0.2", "b 0.0"]);
    makes(
        &[&["usr/f", "bin -> usr", "g = bin/f"]],
        &["bin -> usr", "g 0.0", "usr/", "usr/f 0.0"],
    );
    // Of a link itself: nothing is followed out.
    makes(
        &[&["l -> /etc/passwd", "h = l"]],
        &["h -> /etc/passwd", "l -> /etc/passwd"],
    );
    makes(&[&["a", "a = a"]], &["a 0.0"]);
    refuses(&[&["b = a", "a"]], Reason::BadArchive, "not in the image");
    refuses(
        &[&["a"], &["-a", "b = a"]],
        Reason::BadArchive,
        "not in the image",
    );
    refuses(
        &[&["b = etc/passwd"]],
        Reason::BadArchive,
        "not in the image",
    );
    refuses(
        &[&["a/", "b = a"]],
        Reason::BadArchive,
        "hard link to a folder",
    );
}

#[test]
fn what_is_left_out_replaces_what_was_there() {
    makes(&[&["a", "b"], &["!a", "!c"]], &["b 0.1"]);
    makes(&[&["a", "!a", "b"]], &["b 0.2"]);
}

#[test]
fn the_root_is_a_folder() {
    makes(&[&["/", "a"], &["/"]], &["a 0.1"]);
    refuses(&[&[" -> etc"]], Reason::BadArchive, "the root");
    makes(&[&["a"], &["-"]], &["a 0.0"]);
}

#[test]
fn links_lead_no_deeper_than_paths_may() {
    let deep = "d/".repeat(MAX_DEPTH - 1);
    let link = format!("l -> {deep}");
    refuses(&[&[&deep, &link, "l/a/b"]], Reason::BadArchive, "too deep");
    let mut tree = composed(&[&[&deep, &link, "l/a"]]).unwrap();
    assert!(tree.get(b"l/a").unwrap().is_some());
}

#[test]
fn few_entries_make_no_more_than_the_bound() {
    let mut tree = tree(10);
    let refused = tree
        .apply(0, &layer(&["1/2/3/4/5/6/7/8/9/10/11"]))
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::TooLarge);
    let mut tree = self::tree(3);
    let refused = tree.apply(0, &layer(&["a", "a", "a", "a"])).unwrap_err();
    assert_eq!(refused.reason(), Reason::TooLarge);
}

#[test]
fn links_to_links_cost_no_more_than_the_bound() {
    let mut tree = tree(usize::MAX);
    // 40 links, each through 800 folders and back: refused once all of it together is too much, not after an hour.
    let target = |n: usize| format!("l{n} -> {}l{}", "d/../".repeat(300), n + 1);
    let mut lines: Vec<_> = (0..38).map(target).collect();
    lines.extend(["d/".to_owned(), "l38/".to_owned()]);
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    tree.apply(0, &layer(&lines)).unwrap();
    let many = ["l0/a"; 2000];
    let refused = tree.apply(1, &layer(&many)).unwrap_err();
    assert_eq!(refused.reason(), Reason::TooLarge, "{refused}");
    assert!(refused.to_string().contains("steps"), "{refused}");
}

#[test]
fn each_name_of_a_link_counts_with_its_target() {
    let target = "t".repeat(1000);
    let link = format!("l -> {target}");
    let again: Vec<_> = (0..200).map(|n| format!("{n} = l")).collect();
    let lines: Vec<_> = [link.as_str()]
        .into_iter()
        .chain(again.iter().map(String::as_str))
        .collect();
    let refused = tree(1000).apply(0, &layer(&lines)).unwrap_err();
    assert_eq!(refused.reason(), Reason::TooLarge, "{refused}");
    assert!(
        refused.to_string().contains("targets of links"),
        "{refused}"
    );
    // And what they do hold is there once.
    let mut tree = tree(1000);
    tree.apply(0, &layer(&lines[..50])).unwrap();
    let Some(Node::Symlink(first)) = tree.root().get(b"l".as_slice()) else {
        panic!("no link")
    };
    assert_eq!(std::sync::Arc::strong_count(first), 50);
}

#[test]
fn folders_that_links_lead_through_count_with_their_names() {
    let deep = format!("a -> {}", [&*"d".repeat(250); 7].join("/"));
    let mut tree = Tree::new(Most {
        nodes: 1000,
        names: 3000,
    });
    tree.apply(0, &layer(&[&deep])).unwrap();
    let refused = tree.apply(1, &layer(&["a/x"])).unwrap_err();
    assert_eq!(refused.reason(), Reason::TooLarge, "{refused}");
}

#[test]
fn mount_points_are_empty_folders_whatever_an_image_has_there() {
    let mut tree = composed(&[&[
        "tmp -> var/tmp",
        "var/tmp/kept",
        "mnt -> var/mnt",
        "run -> run",
        "proc -> /nowhere",
        "dev/console",
        "etc -> usr/etc",
    ]])
    .unwrap();
    tree.make_mount_points("/srv/app").unwrap();
    for name in ["proc", "sys", "dev", "tmp", "run", "mnt"] {
        let node = tree.root().get(name.as_bytes());
        assert_eq!(node, Some(&Node::Folder(Folder::new())), "{name}");
    }
    // Nothing is mounted over it.
    assert!(matches!(
        tree.root().get(b"etc".as_slice()),
        Some(Node::Symlink(_))
    ));
    for path in ["srv/app", "var/tmp/kept"] {
        assert!(tree.get(path.as_bytes()).unwrap().is_some(), "{path}");
    }
    let refused = composed(&[&["proc"]])
        .unwrap()
        .make_mount_points("/")
        .unwrap_err();
    assert!(refused.to_string().contains("/proc"), "{refused}");
}

#[test]
fn an_image_works_in_no_folder_that_each_turn_begins_without() {
    for fits in [
        "/",
        "/tmp",
        "/run",
        "/dev/shm",
        "/mnt/input",
        "/var/run",
        "/srv/tmp/x",
    ] {
        let mut tree = composed(&[&["var/", "var/run -> /run"]]).unwrap();
        tree.make_mount_points(fits).unwrap();
    }
    for covered in [
        "/tmp/work",
        "/dev/fd",
        "/run/app",
        "/var/run/app",
        "/proc/1",
    ] {
        let mut tree = composed(&[&["var/", "var/run -> /run", "tmp/work/", "run/app/"]]).unwrap();
        let refused = tree.make_mount_points(covered).unwrap_err();
        assert_eq!(refused.reason(), Reason::BadArchive);
        assert!(refused.to_string().contains("WORKDIR"), "{refused}");
    }
}
