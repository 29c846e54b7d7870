//! The objects of one kind, by namespace and name. Each is in memory of its own: a tree that is filled in the order of names
//! is half empty, and an object takes a hundred times what a place for it takes.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, btree_map},
    ops::{Index, RangeFrom},
};

use crate::key::Key;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects<T>(BTreeMap<Key, Box<T>>);

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Objects<T> {
    /// The object of this name.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&T> {
        self.0.get(key).map(Box::as_ref)
    }

    /// The object of this name, to be changed.
    pub fn get_mut(&mut self, key: &Key) -> Option<&mut T> {
        self.0.get_mut(key).map(Box::as_mut)
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn contains_key(&self, key: &Key) -> bool {
        self.0.contains_key(key)
    }

    /// Puts an object in the place of the one of its name, which it gives back.
    pub fn insert(&mut self, key: Key, object: impl Into<Box<T>>) -> Option<Box<T>> {
        self.0.insert(key, object.into())
    }

    /// Takes the object of this name away.
    pub fn remove(&mut self, key: &Key) -> Option<Box<T>> {
        self.0.remove(key)
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.0.iter().map(|(key, object)| (key, object.as_ref()))
    }

    /// Those whose names are not before this one.
    pub fn range(&self, from: RangeFrom<Key>) -> impl Iterator<Item = (&Key, &T)> {
        self.0
            .range(from)
            .map(|(key, object)| (key, object.as_ref()))
    }

    /// Their names.
    pub fn keys(&self) -> btree_map::Keys<'_, Key, Box<T>> {
        self.0.keys()
    }

    /// The objects.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.values().map(Box::as_ref)
    }

    /// The objects, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.values_mut().map(Box::as_mut)
    }
}

impl<T, K: Borrow<Key>> Index<K> for Objects<T> {
    type Output = T;

    fn index(&self, key: K) -> &T {
        &self.0[key.borrow()]
    }
}

impl<T, B: Into<Box<T>>> Extend<(Key, B)> for Objects<T> {
    fn extend<I: IntoIterator<Item = (Key, B)>>(&mut self, all: I) {
        self.0
            .extend(all.into_iter().map(|(key, object)| (key, object.into())));
    }
}

impl<T> FromIterator<(Key, T)> for Objects<T> {
    fn from_iter<I: IntoIterator<Item = (Key, T)>>(all: I) -> Self {
        let mut objects = Self::default();
        objects.extend(all);
        objects
    }
}
