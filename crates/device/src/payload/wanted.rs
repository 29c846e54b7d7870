//! Pointers that are looked for together (RFC 6901), as a tree, and the one pass over a text that finds what stands at them.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Found;

/// The most steps of a pointer: the reader of JSON goes to 128, and so does whatever walks this tree.
pub(super) const MAX_STEPS: usize = 64;

/// Pointers, each with its number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    root: Node,
    count: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Node {
    /// The number of the pointer that ends here.
    number: Option<usize>,
    below: Vec<(Step, Node)>,
}

/// One step of a pointer: a key of an object, or a place in an array if it looks like one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Step {
    key: Box<str>,
    place: Option<usize>,
}

impl Wanted {
    /// Adds a pointer, and gives its number; that of an equal one, if there is one.
    ///
    /// # Errors
    /// It does not begin with a slash, is too deep, or has a `~` that is neither `~0` nor `~1`.
    pub fn add(&mut self, pointer: &str) -> Result<usize, &'static str> {
        let steps = pointer.strip_prefix('/').ok_or("does not begin with /")?;
        if steps.split('/').count() > MAX_STEPS {
            return Err("has more than 64 steps");
        }
        let mut node = &mut self.root;
        for step in steps.split('/') {
            if step.replace("~0", "").replace("~1", "").contains('~') {
                return Err("has a ~ that is neither ~0 nor ~1");
            }
            let key = step.replace("~1", "/").replace("~0", "~");
            // `01` is a key and no place.
            let place = key
                .parse()
                .ok()
                .filter(|place: &usize| place.to_string() == key);
            let at = match node.below.iter().position(|(it, _)| *it.key == *key) {
                Some(at) => at,
                None => {
                    node.below.push((
                        Step {
                            key: key.into(),
                            place,
                        },
                        Node::default(),
                    ));
                    node.below.len() - 1
                }
            };
            node = &mut node.below[at].1;
        }
        let count = &mut self.count;
        Ok(*node.number.get_or_insert_with(|| {
            *count += 1;
            *count - 1
        }))
    }

    /// The pointer of a number.
    pub(crate) fn pointer(&self, number: usize) -> Option<String> {
        fn below(node: &Node, number: usize, path: &str) -> Option<String> {
            if node.number == Some(number) {
                return Some(path.to_owned());
            }
            node.below.iter().find_map(|(step, node)| {
                let key = step.key.replace('~', "~0").replace('/', "~1");
                below(node, number, &format!("{path}/{key}"))
            })
        }
        below(&self.root, number, "")
    }

    /// What stands at each of them, by number; `None` where nothing does. Of keys that stand there twice the last counts.
    pub(super) fn find<'a>(
        &self,
        text: &'a str,
    ) -> Result<Vec<Option<Found<'a>>>, serde_json::Error> {
        let mut found = vec![None; self.count];
        let mut reader = serde_json::Deserializer::from_str(text);
        Look {
            node: &self.root,
            found: &mut found,
        }
        .deserialize(&mut reader)?;
        reader.end()?;
        Ok(found)
    }
}

/// Looks for what is below a node.
struct Look<'w, 'f, 'a> {
    node: &'w Node,
    found: &'f mut Vec<Option<Found<'a>>>,
}

impl<'a> Look<'_, '_, 'a> {
    /// Forgets what an equal key before this one had below it.
    fn forget(node: &Node, found: &mut [Option<Found<'a>>]) {
        if let Some(number) = node.number {
            found[number] = None;
        }
        for (_, node) in &node.below {
            Self::forget(node, found);
        }
    }

    fn put(&mut self, found: Found<'a>) {
        if let Some(number) = self.node.number {
            self.found[number] = Some(found);
        }
    }
}

impl<'a> DeserializeSeed<'a> for Look<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

/// A key, compared where it stands.
struct Key<'w>(&'w Node);

impl<'a> DeserializeSeed<'a> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.below.iter().position(|(step, _)| *step.key == *key))
    }
}

impl<'a> Visitor<'a> for Look<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(mut self, it: bool) -> Result<(), E> {
        self.put(Found::Boolean(it));
        Ok(())
    }

    fn visit_i64<E: Error>(mut self, it: i64) -> Result<(), E> {
        self.put(Found::Integer(it));
        Ok(())
    }

    #[allow(clippy::cast_precision_loss)]
    fn visit_u64<E: Error>(mut self, it: u64) -> Result<(), E> {
        self.put(i64::try_from(it).map_or(Found::Number(it as f64), Found::Integer));
        Ok(())
    }

    fn visit_f64<E: Error>(mut self, it: f64) -> Result<(), E> {
        self.put(Found::Number(it));
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(mut self, it: &'a str) -> Result<(), E> {
        self.put(Found::Text(Cow::Borrowed(it)));
        Ok(())
    }

    fn visit_str<E: Error>(mut self, it: &str) -> Result<(), E> {
        self.put(Found::Text(Cow::Owned(it.to_owned())));
        Ok(())
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.put(Found::Null);
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.put(Found::Compound("an object"));
        while let Some(key) = map.next_key_seed(Key(self.node))? {
            match key {
                Some(at) => {
                    let node = &self.node.below[at].1;
                    Self::forget(node, self.found);
                    map.next_value_seed(Look {
                        node,
                        found: self.found,
                    })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut array: A) -> Result<(), A::Error> {
        self.put(Found::Compound("an array"));
        let mut place = 0;
        loop {
            let below = self
                .node
                .below
                .iter()
                .find(|(step, _)| step.place == Some(place));
            let more = match below {
                Some((_, node)) => array
                    .next_element_seed(Look {
                        node,
                        found: self.found,
                    })?
                    .is_some(),
                None => array.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                return Ok(());
            }
            place += 1;
        }
    }
}
