//! The state of all links: which pairs of nodes reach each other, as faults and dark machines leave it.

use turmoil::Sim;

use crate::{
    plan::{Fault, Loss},
    world::name,
};

/// How a pair of nodes reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Whole,
    Held,
    Dropped,
    /// What the first says does not reach the second.
    Deaf,
    /// What the second says does not reach the first.
    Mute,
}

/// All links between the nodes.
#[derive(Debug)]
pub(crate) struct Links {
    nodes: usize,
    links: Vec<Link>,
    /// The network fault that stands.
    fault: Option<Fault>,
    /// Machines without power.
    dark: Vec<bool>,
}

impl Links {
    pub(crate) fn new(nodes: usize) -> Self {
        Links { nodes, links: vec![Link::Whole; nodes * nodes], fault: None, dark: vec![false; nodes] }
    }

    /// A network fault begins, or (`None`) ends.
    pub(crate) fn set_fault(&mut self, sim: &Sim<'_>, fault: Option<Fault>) {
        self.fault = fault;
        self.apply(sim);
    }

    /// A machine loses its power, or has it again.
    pub(crate) fn set_dark(&mut self, sim: &Sim<'_>, node: usize, is_dark: bool) {
        self.dark[node] = is_dark;
        self.apply(sim);
    }

    /// Nodes that do not reach all others, or are not reached.
    pub(crate) fn cut_off(&self) -> Vec<usize> {
        (0..self.nodes)
            .filter(|node| (0..self.nodes).any(|other| self.wanted_of(*node, other) != Link::Whole))
            .collect()
    }

    fn wanted_of(&self, a: usize, b: usize) -> Link {
        if a == b { Link::Whole } else { self.wanted(a.min(b), a.max(b)) }
    }

    fn wanted(&self, a: usize, b: usize) -> Link {
        if self.dark[a] || self.dark[b] {
            return Link::Dropped;
        }
        match &self.fault {
            Some(Fault::Cut { pairs, loss }) if pairs.iter().any(|pair| *pair == (a, b) || *pair == (b, a)) => {
                match loss {
                    Loss::Held => Link::Held,
                    Loss::Dropped => Link::Dropped,
                }
            }
            Some(Fault::CutOneWay { pairs }) if pairs.contains(&(a, b)) => Link::Deaf,
            Some(Fault::CutOneWay { pairs }) if pairs.contains(&(b, a)) => Link::Mute,
            _ => Link::Whole,
        }
    }

    fn apply(&mut self, sim: &Sim<'_>) {
        for a in 0..self.nodes {
            for b in a + 1..self.nodes {
                let (from, to) = (self.links[a * self.nodes + b], self.wanted(a, b));
                if from != to {
                    self.links[a * self.nodes + b] = to;
                    change(sim, &name(a), &name(b), from, to);
                }
            }
        }
    }
}

fn change(sim: &Sim<'_>, a: &str, b: &str, from: Link, to: Link) {
    match from {
        Link::Held if to == Link::Whole => sim.release(a, b),
        // What was held is lost now, as everything that is under way.
        Link::Whole | Link::Held => {}
        Link::Dropped | Link::Deaf | Link::Mute => sim.repair(a, b),
    }
    match to {
        Link::Whole => {}
        Link::Held => sim.hold(a, b),
        Link::Dropped => sim.partition(a, b),
        Link::Deaf => sim.partition_oneway(a, b),
        Link::Mute => sim.partition_oneway(b, a),
    }
}
