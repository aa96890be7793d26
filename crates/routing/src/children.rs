//! The literal words that may follow at a node of a topic trie.

use std::collections::BTreeMap;

use types::ShortStr;

/// From a word to a node. Most nodes have no child or one.
#[derive(Clone, Debug, Default)]
pub(crate) enum Children {
    #[default]
    None,
    One(ShortStr, u32),
    Many(BTreeMap<ShortStr, u32>),
}

impl Children {
    pub(crate) fn get(&self, word: &[u8]) -> Option<u32> {
        match self {
            Children::None => None,
            Children::One(there, node) => (there.as_bytes() == word).then_some(*node),
            Children::Many(map) => map.get(word).copied(),
        }
    }

    /// Adds a word that is not there.
    pub(crate) fn insert(&mut self, word: ShortStr, node: u32) {
        match std::mem::take(self) {
            Children::None => *self = Children::One(word, node),
            Children::One(other, other_node) => {
                *self = Children::Many(BTreeMap::from([(other, other_node), (word, node)]));
            }
            Children::Many(mut map) => {
                map.insert(word, node);
                *self = Children::Many(map);
            }
        }
    }

    pub(crate) fn remove(&mut self, word: &[u8]) {
        match self {
            Children::None => {}
            Children::One(there, _) => {
                if there.as_bytes() == word {
                    *self = Children::None;
                }
            }
            Children::Many(map) => {
                map.remove(word);
                if map.is_empty() {
                    *self = Children::None;
                }
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ShortStr, u32)> {
        let (one, many) = match self {
            Children::None => (None, None),
            Children::One(word, node) => (Some((word, *node)), None),
            Children::Many(map) => (None, Some(map)),
        };
        one.into_iter().chain(many.into_iter().flatten().map(|(word, node)| (word, *node)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Children::None => true,
            Children::One(..) => false,
            Children::Many(map) => map.is_empty(),
        }
    }
}
