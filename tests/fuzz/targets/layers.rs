//! The reader of image layers, and what layers make together: any bytes give a root file system of plain names that no link
//! leads out of, or are refused, and a layer is the same wherever its reading is cut.
#![no_main]
#![allow(dead_code)]

#[path = "../../../crates/bundle/src/content"]
mod content {
    pub(crate) mod archive;
    #[path = "layer"]
    pub(crate) mod layer {
        pub(crate) mod extension;
        pub(crate) mod index;
        pub(crate) mod path;
        pub(crate) mod read;
    }
    #[path = "image"]
    pub(crate) mod image {
        pub(crate) mod compose;
        pub(crate) mod tree;
    }
}

use std::io::{self, Read};

use content::archive::UnpackError;
use content::image::tree::{Folder, Most, Node, Tree};
use content::layer::index::{Content, Index, Kind};
use content::layer::path::{LayerPath, MAX_DEPTH, MAX_PATH};
use content::layer::read::{Bounds, Contents, read};
use libfuzzer_sys::fuzz_target;

const BOUNDS: Bounds = Bounds {
    entries: 100,
    names: 4000,
};
const MOST: Most = Most {
    nodes: 400,
    names: 4000,
};
/// Between the entries of a layer that is written here, between their parts, and between layers.
const ENTRY: u8 = 0;
const PART: u8 = 1;
const LAYER: u8 = 2;

/// The sizes of contents, by number.
#[derive(Default, PartialEq, Debug)]
struct Sizes(Vec<u64>);

impl Contents for Sizes {
    fn keep(&mut self, content: &Content, _: u64, from: &mut dyn Read) -> Result<u64, UnpackError> {
        assert_eq!(content.number as usize, self.0.len());
        let count = io::copy(from, &mut io::sink()).map_err(UnpackError::Malformed)?;
        self.0.push(count);
        Ok(count)
    }
}

/// Gives so many bytes at a time.
struct Cut<'a>(&'a [u8], usize);

impl Read for Cut<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(self.1);
        self.0.read(&mut into[..most])
    }
}

/// Entries as `KIND PATH \1 LINK \1 CONTENT`, with a zero between them, as an archive.
fn archive(script: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in script.split(|b| *b == ENTRY) {
        let Some((kind, rest)) = entry.split_first() else {
            continue;
        };
        let mut parts = rest.splitn(3, |b| *b == PART);
        let mut part = || parts.next().unwrap_or_default();
        let (path, link, text) = (part(), part(), part());
        let mut header = tar::Header::new_ustar();
        let old = header.as_old_mut();
        let most = |it: &[u8]| it.len().min(100);
        old.name[..most(path)].copy_from_slice(&path[..most(path)]);
        old.linkname[..most(link)].copy_from_slice(&link[..most(link)]);
        old.linkflag[0] = *kind;
        header.set_mode(0o755);
        header.set_size(text.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(text);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes
}

fn layer(bytes: &[u8], size: usize) -> Result<(Index, Sizes), String> {
    let mut sizes = Sizes::default();
    let index = read(&mut Cut(bytes, size), &BOUNDS, &mut sizes);
    index
        .map(|index| (index, sizes))
        .map_err(|error| error.to_string())
}

/// Whether a folder holds plain names and contents that there are. Gives how many bytes its names and targets have.
fn check(folder: &Folder, layers: &[(Index, Sizes)], depth: usize, length: usize) -> usize {
    let mut names = 0;
    assert!(depth <= MAX_DEPTH && length <= MAX_PATH, "{depth} {length}");
    for (name, node) in folder {
        names += name.len();
        let plain = !name.is_empty() && name.len() <= 255 && name != b"." && name != b"..";
        assert!(
            plain && !name.contains(&b'/') && !name.contains(&0),
            "{name:?}"
        );
        match node {
            Node::Folder(inner) => {
                names += check(inner, layers, depth + 1, length + 1 + name.len())
            }
            Node::File(file) => {
                let sizes = &layers[file.layer].1;
                assert_eq!(sizes.0[file.content.number as usize], file.content.size);
            }
            Node::Symlink(target) => {
                names += target.len();
                assert!(!target.is_empty() && !target.contains(&0));
            }
        }
    }
    names
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    // By the first byte: an archive as it is, or layers that are written here; and how their reading is cut.
    let archives: Vec<Vec<u8>> = match kind % 2 {
        0 => vec![bytes.to_vec()],
        _ => bytes.split(|b| *b == LAYER).take(8).map(archive).collect(),
    };
    let mut tree = Tree::new(MOST);
    let mut layers = Vec::new();
    for bytes in archives {
        let whole = layer(&bytes, usize::MAX);
        assert_eq!(layer(&bytes, usize::from(*kind).max(1)), whole);
        let Ok((index, sizes)) = whole else {
            return;
        };
        for entry in &index.entries {
            assert_eq!(
                LayerPath::parse(entry.path.as_bytes()).as_ref(),
                Ok(&entry.path)
            );
            if let Kind::File(content) = &entry.kind {
                assert_eq!(sizes.0[content.number as usize], content.size);
            }
        }
        let kept = serde_json::to_string(&index).expect("an index is kept as JSON");
        assert_eq!(
            serde_json::from_str::<Index>(&kept).expect("and read again"),
            index
        );
        let applied = tree.apply(layers.len(), &index);
        layers.push((index, sizes));
        if applied.is_err() {
            break;
        }
    }
    let _ = tree.make_mount_points("/app");
    assert!(check(tree.root(), &layers, 0, 0) <= MOST.names);
});
