//! Pages of operations through the library, which takes a page with one odd entry for no page, and drops entries
//! whose headers it does not like: it gets what it can read, so that it knows their headers, and the page goes
//! along whole. What may not enter: what an entry means (`listing`).

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use rmcp::model::{ListToolsResult, Tool};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::message::same_id;

/// Where the page stands whole.
const WHOLE: &str = "aion.dev/page";
/// The most requests for pages that are known to be under way. Beyond, the oldest was given up.
const MAX_AWAITED: usize = 64;

/// The requests for pages of a connection, by id: an answer may come in another stream than the one that was opened for
/// it. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Awaited(Arc<Mutex<VecDeque<Value>>>);

impl Awaited {
    /// A page is asked for.
    pub(super) fn add(&self, id: Value) {
        let mut ids = self.0.lock();
        if ids.len() == MAX_AWAITED {
            ids.pop_front();
        }
        ids.push_back(id);
    }

    /// A page that will not come.
    pub(super) fn remove(&self, id: &Value) {
        self.0.lock().retain(|it| it != id);
    }

    /// Packs `message` where it is the page that is waited for.
    pub(super) fn pack(&self, message: &mut Value) {
        let mut ids = self.0.lock();
        if let Some(at) = ids.iter().position(|id| same_id(id, &message["id"])) {
            message["id"] = ids.remove(at).unwrap_or_default();
            pack(message);
        }
    }
}

/// A page, and the operations in it that the library refuses.
pub(super) struct Packed {
    pub(super) page: Value,
    pub(super) refused: BTreeSet<String>,
}

/// Makes a page that the library can read of an answer to `tools/list`.
fn pack(message: &mut Value) {
    let Some(result @ Value::Object(_)) = message.get_mut("result") else {
        return;
    };
    let page = result.take();
    let entries = page.get("tools").and_then(Value::as_array);
    let entries = entries.into_iter().flatten();
    let readable: Vec<&Value> = entries
        .filter(|it| Tool::deserialize(*it).is_ok())
        .collect();
    let mut packed = Map::new();
    packed.insert("tools".to_owned(), json!(readable));
    packed.insert("_meta".to_owned(), json!({ WHOLE: page }));
    *result = Value::Object(packed);
}

/// The page of an answer that went through the library.
pub(super) fn unpack(mut list: ListToolsResult) -> Packed {
    let meta = list.meta.as_mut();
    let Some(page) = meta.and_then(|it| it.remove(WHOLE)) else {
        let page = serde_json::to_value(&list).unwrap_or_default();
        return Packed {
            page,
            refused: BTreeSet::new(),
        };
    };
    let kept: BTreeSet<&str> = list.tools.iter().map(|it| it.name.as_ref()).collect();
    let entries = page.get("tools").and_then(Value::as_array);
    let refused = entries
        .into_iter()
        .flatten()
        .filter(|it| Tool::deserialize(*it).is_ok())
        .filter_map(|it| it.get("name")?.as_str())
        .filter(|name| !kept.contains(name))
        .map(str::to_owned)
        .collect();
    Packed { page, refused }
}
