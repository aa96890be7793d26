//! Topic exchanges: binding keys are patterns of words separated by dots, `*` for one word, `#` for any number of words.
//!
//! The patterns are a trie. A key is matched by walking with a set of nodes, one word at a time; a node behind a `#` stays in
//! the set once it is in. A node is never in the set twice, so a key takes at most (words × nodes) steps, for any number of
//! `#` in the patterns. `#.#` means `#`, and is kept as `#`.

use types::ShortStr;

use crate::{
    children::Children,
    routes::Routes,
    targets::{Target, Targets},
};

/// The node before the first word.
const ROOT: u32 = 0;

#[derive(Clone, Debug)]
pub(crate) struct Topic {
    nodes: Vec<Node>,
    /// Unused places in `nodes`.
    free: Vec<u32>,
    /// Nodes behind a `#` are also numbered among themselves: places in [`Scratch::seen`].
    hashes: u32,
    free_hashes: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    words: Children,
    star: Option<u32>,
    /// The node behind a `#`.
    hash: Option<u32>,
    /// Set for a node behind a `#`.
    hash_number: Option<u32>,
    targets: Targets,
}

/// Memory for one walk.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    now: Vec<u32>,
    next: Vec<u32>,
    /// Nodes behind a `#` that were reached and lead further, in order.
    reached: Vec<u32>,
    /// Nodes behind a `#` that were reached and end their patterns.
    tails: Vec<u32>,
    /// Bits: which nodes behind a `#` were reached. All zero between walks.
    seen: Vec<u64>,
    /// How many nodes were visited, over all words.
    #[cfg(test)]
    visits: usize,
}

impl Default for Topic {
    fn default() -> Self {
        Topic { nodes: vec![Node::default()], free: Vec::new(), hashes: 0, free_hashes: Vec::new() }
    }
}

impl Topic {
    pub(crate) fn bind(&mut self, pattern: &ShortStr, target: &Target) {
        let mut node = ROOT;
        for step in steps(pattern) {
            node = match self.follow(node, &step) {
                Some(next) => next,
                None => self.grow(node, &step),
            };
        }
        self.at_mut(node).targets.add(target);
    }

    pub(crate) fn unbind(&mut self, pattern: &ShortStr, target: &Target) -> bool {
        let mut path = vec![(ROOT, None)];
        let mut node = ROOT;
        for step in steps(pattern) {
            let Some(next) = self.follow(node, &step) else { return false };
            path.push((next, Some(step)));
            node = next;
        }
        let was_there = self.at_mut(node).targets.remove(target);
        self.prune(path);
        was_there
    }

    /// Removes all bindings that lead there.
    pub(crate) fn forget(&mut self, target: &Target) {
        let mut paths = Vec::new();
        self.paths_to(target, &mut vec![(ROOT, None)], &mut paths);
        for path in paths {
            let (node, _) = path.last().expect("a path begins at the root");
            self.at_mut(*node).targets.forget(target);
            self.prune(path);
        }
    }

    /// Where the bindings lead, one by one.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target> {
        // Unused nodes have none.
        self.nodes.iter().flat_map(|node| node.targets.iter())
    }

    /// The ways to the nodes below the end of `path` with that destination. As deep as the longest pattern has words.
    fn paths_to(&self, target: &Target, path: &mut Path, paths: &mut Vec<Path>) {
        let (id, _) = path.last().expect("a path begins at the root");
        let node = self.at(*id);
        if node.targets.contains(target) {
            paths.push(path.clone());
        }
        let words = node.words.iter().map(|(word, next)| (next, Step::Word(word.clone())));
        let wildcards = [(node.star, Step::Star), (node.hash, Step::Hash)];
        let wildcards = wildcards.into_iter().filter_map(|(next, step)| next.map(|next| (next, step)));
        for (next, step) in words.chain(wildcards) {
            path.push((next, Some(step)));
            self.paths_to(target, path, paths);
            path.pop();
        }
    }

    /// Adds the destinations of all patterns that match.
    pub(crate) fn find(&self, key: &[u8], routes: &mut Routes) {
        let mut scratch = std::mem::take(&mut routes.scratch);
        scratch.begin(self.hashes);
        self.enter(ROOT, &mut scratch);
        std::mem::swap(&mut scratch.now, &mut scratch.next);
        for word in words(key) {
            self.advance(word, &mut scratch);
        }
        for node in scratch.now.iter().chain(&scratch.reached).chain(&scratch.tails) {
            routes.extend(&self.at(*node).targets);
        }
        self.end(&mut scratch);
        routes.scratch = scratch;
    }

    /// One word further: from the nodes of `now` and those behind a `#` that were reached before this word.
    fn advance(&self, word: &[u8], scratch: &mut Scratch) {
        scratch.next.clear();
        let reached_before = scratch.reached.len();
        for at in 0..scratch.now.len() + reached_before {
            let from = match at.checked_sub(scratch.now.len()) {
                None => scratch.now[at],
                Some(at) => scratch.reached[at],
            };
            #[cfg(test)]
            {
                scratch.visits += 1;
            }
            let node = self.at(from);
            if let Some(next) = node.words.get(word) {
                self.enter(next, scratch);
            }
            if let Some(next) = node.star {
                self.enter(next, scratch);
            }
        }
        std::mem::swap(&mut scratch.now, &mut scratch.next);
    }

    /// Puts a node in the next set, and with it the node that a `#` without words leads to.
    fn enter(&self, id: u32, scratch: &mut Scratch) {
        scratch.next.push(id);
        let Some(hash) = self.at(id).hash else { return };
        let node = self.at(hash);
        let (place, bit) = node.hash_place();
        if scratch.seen[place] & bit != 0 {
            return;
        }
        scratch.seen[place] |= bit;
        if node.leads_further() {
            scratch.reached.push(hash);
        } else {
            scratch.tails.push(hash);
        }
    }

    fn end(&self, scratch: &mut Scratch) {
        for id in scratch.reached.iter().chain(&scratch.tails) {
            let (place, _) = self.at(*id).hash_place();
            scratch.seen[place] = 0;
        }
    }

    fn follow(&self, from: u32, step: &Step) -> Option<u32> {
        let node = self.at(from);
        match step {
            Step::Word(word) => node.words.get(word.as_bytes()),
            Step::Star => node.star,
            Step::Hash => node.hash,
        }
    }

    fn grow(&mut self, from: u32, step: &Step) -> u32 {
        let hash_number = match step {
            Step::Word(_) | Step::Star => None,
            Step::Hash => Some(self.free_hashes.pop().unwrap_or_else(|| {
                self.hashes += 1;
                self.hashes - 1
            })),
        };
        let node = Node { hash_number, ..Node::default() };
        let id = match self.free.pop() {
            Some(id) => {
                *self.at_mut(id) = node;
                id
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("bindings fit in memory, nodes in 32 bits")
            }
        };
        let parent = self.at_mut(from);
        match step {
            Step::Word(word) => parent.words.insert(word.compact(), id),
            Step::Star => parent.star = Some(id),
            Step::Hash => parent.hash = Some(id),
        }
        id
    }

    /// Removes the nodes at the end of the path that lead nowhere any more.
    fn prune(&mut self, mut path: Path) {
        while let Some((id, Some(step))) = path.pop() {
            if !self.at(id).is_useless() {
                return;
            }
            let gone = std::mem::take(self.at_mut(id));
            self.free_hashes.extend(gone.hash_number);
            self.free.push(id);
            let (parent, _) = path.last().expect("the root has no step");
            let parent = self.at_mut(*parent);
            match step {
                Step::Word(word) => parent.words.remove(word.as_bytes()),
                Step::Star => parent.star = None,
                Step::Hash => parent.hash = None,
            }
        }
    }

    fn at(&self, id: u32) -> &Node {
        &self.nodes[index(id)]
    }

    fn at_mut(&mut self, id: u32) -> &mut Node {
        &mut self.nodes[index(id)]
    }
}

impl Node {
    fn leads_further(&self) -> bool {
        !self.words.is_empty() || self.star.is_some() || self.hash.is_some()
    }

    fn is_useless(&self) -> bool {
        self.targets.is_empty() && !self.leads_further()
    }

    /// Where this node's bit lies in [`Scratch::seen`].
    fn hash_place(&self) -> (usize, u64) {
        let number = self.hash_number.expect("a node behind a # is numbered");
        (index(number / 64), 1 << (number % 64))
    }
}

impl Scratch {
    fn begin(&mut self, hashes: u32) {
        self.now.clear();
        self.next.clear();
        self.reached.clear();
        self.tails.clear();
        let words = index(hashes.div_ceil(64));
        if self.seen.len() < words {
            self.seen.resize(words, 0);
        }
    }
}

/// The nodes from the root to one of them, each with the step that leads to it.
type Path = Vec<(u32, Option<Step>)>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Word(ShortStr),
    Star,
    Hash,
}

/// The steps of a pattern; of several `#` in a row only the first.
fn steps(pattern: &ShortStr) -> impl Iterator<Item = Step> {
    let mut after_hash = false;
    words(pattern.as_bytes()).filter_map(move |word| {
        let step = match word {
            b"*" => Step::Star,
            b"#" => Step::Hash,
            word => Step::Word(
                ShortStr::from_bytes(pattern.bytes().slice_ref(word)).expect("a part is no longer than the whole"),
            ),
        };
        let repeated = after_hash && step == Step::Hash;
        after_hash = step == Step::Hash;
        (!repeated).then_some(step)
    })
}

/// The words of a key. The empty key has none.
pub(crate) fn words(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let some = (!key.is_empty()).then_some(key);
    some.into_iter().flat_map(|key| key.split(|byte| *byte == b'.'))
}

fn index(id: u32) -> usize {
    usize::try_from(id).expect("usize has at least 32 bits")
}

#[cfg(test)]
mod tests;
