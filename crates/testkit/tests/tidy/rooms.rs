//! The rooms inside a crate: which module may use which, as a table a crate has it, and no circle.
//!
//! A room is a module at the root of a crate, with all that is below it. A table names the rooms from the
//! ground up, `room: rooms it may use`, so that a room uses only what stands above its line and a circle
//! cannot even be written down. What is compiled for tests alone may use what it likes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, File, ImplItem, Item, ItemUse, Macro, Meta, UseTree,
    visit::{self, Visit},
};

use crate::{none, root};

/// Each crate that has a table, and the table.
const TABLES: &[(&str, &str)] = &[
    ("agents/analyst", include_str!("rooms/analyst.txt")),
    ("cli", include_str!("rooms/cli.txt")),
    ("crates/api", include_str!("rooms/api.txt")),
    ("crates/bundle", include_str!("rooms/bundle.txt")),
    ("crates/client", include_str!("rooms/client.txt")),
    ("crates/device", include_str!("rooms/device.txt")),
    ("crates/folders", include_str!("rooms/folders.txt")),
    ("crates/kernel", include_str!("rooms/kernel.txt")),
    ("crates/policy", include_str!("rooms/policy.txt")),
    ("crates/resolve", include_str!("rooms/resolve.txt")),
    ("crates/serve", include_str!("rooms/serve.txt")),
    ("crates/telemetry", include_str!("rooms/telemetry.txt")),
    ("gateway", include_str!("rooms/gateway.txt")),
    ("node-agent/daemon", include_str!("rooms/daemon.txt")),
    ("node-agent/drivers", include_str!("rooms/drivers.txt")),
    ("node-agent/engine", include_str!("rooms/engine.txt")),
    ("node-agent/journal", include_str!("rooms/journal.txt")),
    ("node-agent/launcher", include_str!("rooms/launcher.txt")),
    ("node-agent/sandbox", include_str!("rooms/sandbox.txt")),
    ("node-agent/tracer", include_str!("rooms/tracer.txt")),
    ("node-agent/worker", include_str!("rooms/worker.txt")),
    ("operator", include_str!("rooms/operator.txt")),
];

/// What a crate's root itself defines, as opposed to what it passes on from its rooms.
const ROOT: &str = "lib";

/// Rooms, each with the rooms it uses or may use.
type Rooms = BTreeMap<String, BTreeSet<String>>;

/// Reads a table; gives what is wrong with it as well.
fn table(text: &str) -> (Rooms, Vec<String>) {
    let (mut rooms, mut broken) = (Rooms::new(), Vec::new());
    let lines = text.lines().map(|line| line.split('#').next().unwrap());
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let Some((room, uses)) = line.split_once(':') else {
            broken.push(format!(
                "the table: `{line}` is not `room: rooms it may use`"
            ));
            continue;
        };
        let uses: BTreeSet<String> = uses.split_whitespace().map(str::to_owned).collect();
        for used in uses.iter().filter(|used| !rooms.contains_key(*used)) {
            broken.push(format!(
                "the table: {room} uses {used}, which has to stand above it"
            ));
        }
        if rooms.insert(room.trim().to_owned(), uses).is_some() {
            broken.push(format!("the table: {room} stands there twice"));
        }
    }
    (rooms, broken)
}

/// A source file of a crate: the module it is, and what is in it.
struct Source {
    /// Empty for the root.
    module: Vec<String>,
    file: File,
}

/// Every file below `src` that is not compiled for tests alone, the roots first.
fn sources(src: &Path) -> Vec<Source> {
    let mut paths = Vec::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            // Programs beside the crate are crates of their own.
            if path.is_dir() && path != src.join("bin") {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                paths.push(path);
            }
        }
    }
    let mut found: Vec<Source> = paths.iter().map(|path| read(src, path)).collect();
    found.sort_by(|a, b| a.module.cmp(&b.module));
    let tests: BTreeSet<Vec<String>> = found.iter().flat_map(test_modules).collect();
    let for_tests = |module: &[String]| (0..=module.len()).any(|n| tests.contains(&module[..n]));
    found.retain(|source| !for_tests(&source.module));
    found
}

fn read(src: &Path, path: &PathBuf) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let below = path.strip_prefix(src).unwrap().with_extension("");
    let mut module: Vec<String> = below
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let is_root = below == Path::new("lib") || below == Path::new("main");
    if is_root || module.last().is_some_and(|it| it == "mod") {
        module.pop();
    }
    Source { module, file }
}

/// The files of its modules that are compiled for tests alone.
fn test_modules(source: &Source) -> Vec<Vec<String>> {
    let declared = source.file.items.iter().filter_map(|item| match item {
        Item::Mod(it) if it.content.is_none() && is_for_tests(&it.attrs) => Some(&it.ident),
        _ => None,
    });
    declared
        .map(|name| [source.module.as_slice(), &[name.to_string()]].concat())
        .collect()
}

/// Whether something is compiled for tests alone: of this crate, or of another one.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    let mut conditions = attributes.iter().filter(|it| it.path().is_ident("cfg"));
    conditions.any(|it| {
        let condition = it.meta.require_list().unwrap().tokens.to_string();
        condition == "test" || condition.starts_with("any (test ,")
    })
}

/// What a crate's rooms use of each other.
fn found(src: &Path) -> Rooms {
    let sources = sources(src);
    let mut rooms = Rooms::new();
    for source in &sources {
        if let Some(room) = source.module.first() {
            rooms.entry(room.clone()).or_default();
        }
    }
    // What the root passes on is its room's.
    let mut passed_on = BTreeMap::new();
    for source in sources.iter().filter(|source| source.module.is_empty()) {
        for path in Uses::of(source) {
            if let [room, .., name] = path.as_slice()
                && rooms.contains_key(room)
            {
                passed_on.insert(name.clone(), room.clone());
            }
        }
    }
    for source in sources.iter().filter(|source| !source.module.is_empty()) {
        let room = &source.module[0];
        for path in Uses::of(source) {
            let first = &path[0];
            let used = match rooms.contains_key(first) {
                true => first.clone(),
                false => passed_on.get(first).cloned().unwrap_or(ROOT.to_owned()),
            };
            if used != *room {
                rooms.get_mut(room).unwrap().insert(used);
            }
        }
    }
    rooms
}

/// Collects the paths of a file that begin at the crate's root.
struct Uses {
    module: Vec<String>,
    found: BTreeSet<Vec<String>>,
}

impl Uses {
    fn of(source: &Source) -> BTreeSet<Vec<String>> {
        let mut uses = Self {
            module: source.module.clone(),
            found: BTreeSet::new(),
        };
        uses.visit_file(&source.file);
        uses.found
    }

    /// Takes a path as it is written, where it begins with `crate` or climbs to the root.
    fn take(&mut self, path: &[String]) {
        let (mut at, mut rest) = (self.module.clone(), path);
        match path.first().map(String::as_str) {
            Some("crate") => {
                at.clear();
                rest = &path[1..];
            }
            Some("super") => {}
            // In the root a path of its own is one from the root.
            _ if at.is_empty() => {}
            _ => return,
        }
        while let Some(("super", below)) =
            rest.split_first().map(|(it, below)| (it.as_str(), below))
        {
            at.pop();
            rest = below;
        }
        let whole: Vec<String> = at.iter().chain(rest).cloned().collect();
        if !whole.is_empty() {
            self.found.insert(whole);
        }
    }

    /// Takes the paths in a text of tokens that begin with `mark`.
    fn text(&mut self, tokens: &str, mark: &str) {
        for path in tokens.split(mark).skip(1) {
            let names = path.split("::").map_while(|name| {
                let name = name.trim();
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
                let name = &name[..end.unwrap_or(name.len())];
                (!name.is_empty()).then(|| name.to_owned())
            });
            self.take(&[vec!["crate".to_owned()], names.collect()].concat());
        }
    }

    fn tree(&mut self, tree: &UseTree, before: &[String]) {
        let and = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(it) => self.tree(&it.tree, &and(&it.ident)),
            UseTree::Name(it) if it.ident == "self" => self.take(before),
            UseTree::Name(it) => self.take(&and(&it.ident)),
            UseTree::Rename(it) => self.take(&and(&it.ident)),
            UseTree::Glob(_) => self.take(before),
            UseTree::Group(it) => it.items.iter().for_each(|tree| self.tree(tree, before)),
        }
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Const(it) => &it.attrs,
            Item::Fn(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            Item::Mod(it) => &it.attrs,
            Item::Struct(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            _ => return visit::visit_item(self, item),
        };
        if is_for_tests(attributes) {
            return;
        }
        let inline = match item {
            Item::Mod(it) if it.content.is_some() => Some(it.ident.to_string()),
            _ => None,
        };
        self.module.extend(inline.clone());
        visit::visit_item(self, item);
        inline.and_then(|_| self.module.pop());
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        match item {
            ImplItem::Fn(it) if is_for_tests(&it.attrs) => {}
            _ => visit::visit_impl_item(self, item),
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        if names[0] == "crate" || names[0] == "super" {
            self.take(&names);
        }
        visit::visit_path(self, path);
    }

    /// What is in a macro is not a syntax tree yet.
    fn visit_macro(&mut self, it: &'ast Macro) {
        visit::visit_macro(self, it);
        self.text(&it.tokens.to_string(), "crate ::");
    }

    /// An attribute may name a function, `default = "crate::defaults::one"`; a comment names what it likes.
    fn visit_attribute(&mut self, it: &'ast Attribute) {
        if let Meta::List(list) = &it.meta {
            self.text(&list.tokens.to_string(), "\"crate::");
        }
    }
}

/// The rooms of the circles there are: those that are left when nobody else uses the rest.
fn circles(rooms: &Rooms) -> Vec<String> {
    let mut left = rooms.clone();
    loop {
        let used: BTreeSet<String> = left.values().flatten().cloned().collect();
        let before = left.len();
        // A room that uses no room that is left, or that none of them uses, is in no circle.
        let names: BTreeSet<String> = left.keys().cloned().collect();
        left.retain(|room, uses| used.contains(room) && !uses.is_disjoint(&names));
        let names: BTreeSet<String> = left.keys().cloned().collect();
        left.values_mut()
            .for_each(|uses| uses.retain(|it| names.contains(it)));
        if left.len() == before {
            return left.into_keys().collect();
        }
    }
}

/// All that is wrong with a crate's rooms.
fn broken(src: &Path, text: &str) -> Vec<String> {
    let (allowed, mut broken) = table(text);
    let found = found(src);
    for (room, uses) in &found {
        let Some(allowed) = allowed.get(room) else {
            let uses: Vec<&str> = uses.iter().map(String::as_str).collect();
            broken.push(format!(
                "{room} is not in the table; it uses: {}",
                uses.join(" ")
            ));
            continue;
        };
        let more = uses.difference(allowed);
        broken.extend(more.map(|used| format!("{room} uses {used}")));
    }
    let gone = allowed
        .keys()
        .filter(|room| *room != ROOT && !found.contains_key(*room));
    broken.extend(gone.map(|room| format!("the table: there is no {room}")));
    let circle = circles(&found);
    if !circle.is_empty() {
        broken.push(format!("a circle: {}", circle.join(" ")));
    }
    broken
}

#[test]
fn a_room_uses_only_the_rooms_that_its_table_allows() {
    let mut all = Vec::new();
    for (package, text) in TABLES {
        let of_it = broken(&root().join(package).join("src"), text);
        all.extend(of_it.into_iter().map(|it| format!("{package}: {it}")));
    }
    none(
        "crates/testkit/tests/tidy/rooms says which room of a crate may use which",
        &all,
    );
}

/// A crate of a few files.
fn made_up(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn a_circle_an_unlisted_edge_and_an_unlisted_room_are_found() {
    let house = made_up(&[
        (
            "lib.rs",
            "pub mod ground;\nmod hall;\nmod roof;\nmod shed;\npub use hall::Stairs;\n",
        ),
        (
            "ground.rs",
            "pub fn dig() { assert!(crate::roof::high()); }\n",
        ),
        ("hall/mod.rs", "mod door;\npub struct Stairs;\n"),
        (
            "hall/door.rs",
            "use super::super::ground;\n#[derive(X)]\nstruct Door(#[x(by = \"crate::shed::key\")] u8);\n",
        ),
        ("roof.rs", "use crate::{Stairs, ground::{self, dig}};\n"),
        ("shed.rs", "fn tools() { super::hall::open() }\n"),
    ]);
    let told = broken(
        house.path(),
        "ground:\nhall: ground\nroof: ground\ncellar: ground\n",
    );
    assert_eq!(
        told,
        [
            "ground uses roof",
            "hall uses shed",
            "roof uses hall",
            "shed is not in the table; it uses: hall",
            "the table: there is no cellar",
            "a circle: ground hall roof shed",
        ]
    );
    let (_, told) = table("ground: hall\nhall:\nhall:\nroof\n");
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn tests_comments_and_a_rooms_own_paths_are_no_edges() {
    let house = made_up(&[
        ("main.rs", "mod ground;\nmod hall;\nuse hall::Stairs;\n"),
        (
            "ground.rs",
            "//! See [`crate::hall`].\n#[cfg(test)]\nmod tests {\n    use crate::hall::Stairs;\n}\n",
        ),
        (
            "hall/mod.rs",
            "#[cfg(test)]\nmod tests;\n#[cfg(any(test, feature = \"x\"))]\npub mod fake;\nmod door;\n",
        ),
        ("hall/tests.rs", "use crate::ground;\n"),
        ("hall/fake/mod.rs", "use crate::ground;\n"),
        (
            "hall/door.rs",
            "pub(in crate::hall) fn open() { super::tests() }\n",
        ),
    ]);
    assert_eq!(broken(house.path(), "ground:  # nothing\nhall:\n"), [""; 0]);
}
