//! How failure spreads through the graph, and what something rests on. Level by level, so that the first way found is a shortest one.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::{ALONE, Edge, Graph, Standing};

/// The greatest depth that may be asked for.
pub const DEEPEST: i32 = 20;

/// A record that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Which one.
    pub node: u32,
    /// How many steps from where the walk began.
    pub depth: u8,
    /// The record before it on the way.
    pub before: u32,
    /// The edge between them; none where the walk began.
    pub edge: Option<Edge>,
    /// How many of the edge's group remain up; 0 where it is in none.
    pub left: u32,
    /// Walking down: whether every step of the way is without redundancy. What fails alone may hit the start by several ways at once,
    /// which [`Graph::critical`] tells.
    pub critical: bool,
}

impl Reached {
    /// By an edge, from the record before.
    fn by(edge: &Edge, before: u32, depth: u8, left: u32) -> Self {
        Reached { node: edge.to, depth, before, edge: Some(*edge), left, critical: true }
    }
}

/// A record that goes on because enough of a group remain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spared {
    /// Which one.
    pub node: u32,
    /// The group.
    pub group: u32,
    /// How many of it remain up.
    pub left: u32,
}

/// What a walk came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// What was reached, the nearest first; it begins with where the walk began.
    pub reached: Vec<Reached>,
    /// What goes on with less than before.
    pub spared: Vec<Spared>,
    /// Where each record stands in `reached`, by one; 0 for those that were not.
    places: Vec<u32>,
}

/// How many of each group that was looked at are up.
struct Groups<'a> {
    graph: &'a Graph,
    up: &'a dyn Fn(u32) -> bool,
    left: HashMap<u32, u32, RandomState>,
}

impl<'a> Groups<'a> {
    fn new(graph: &'a Graph, up: &'a dyn Fn(u32) -> bool) -> Self {
        Groups { graph, up, left: HashMap::default() }
    }

    fn left(&mut self, group: u32) -> &mut u32 {
        self.left.entry(group).or_insert_with(|| {
            let members = &self.graph.groups[group as usize].members;
            u32::try_from(members.iter().filter(|member| (self.up)(**member)).count()).unwrap_or(u32::MAX)
        })
    }

    /// Whether what depends by this edge is hit when the other end fails.
    fn is_needed(&mut self, edge: &Edge) -> bool {
        let Some(group) = self.graph.groups.get(edge.group as usize) else { return true };
        let taken = u32::from((self.up)(edge.to));
        self.left(edge.group).saturating_sub(taken) < group.min_up
    }
}

impl Walk {
    fn begin(graph: &Graph, starts: &[u32]) -> Self {
        let mut walk = Walk { places: vec![0; graph.nodes.len()], ..Walk::default() };
        for start in starts {
            let reached = Reached { node: *start, depth: 0, before: *start, edge: None, left: 0, critical: true };
            walk.enter(reached);
        }
        walk
    }

    fn enter(&mut self, reached: Reached) -> bool {
        let place = &mut self.places[reached.node as usize];
        if *place != 0 {
            return false;
        }
        *place = u32::try_from(self.reached.len() + 1).unwrap_or(u32::MAX);
        self.reached.push(reached);
        true
    }

    fn of(&self, node: u32) -> Option<&Reached> {
        self.reached.get((self.places[node as usize] as usize).wrapping_sub(1))
    }

    /// The way from where the walk began to a record, both included.
    pub fn way(&self, to: &Reached) -> Vec<Reached> {
        let mut way = vec![*to];
        while let Some(last) = way.last().filter(|last| last.edge.is_some() && way.len() <= self.reached.len()) {
            let place = self.places[last.before as usize];
            let Some(before) = self.reached.get((place as usize).wrapping_sub(1)) else { break };
            way.push(*before);
        }
        way.reverse();
        way
    }
}

impl Graph {
    /// What is hit when these fail.
    pub(super) fn failure(&self, starts: &[u32], depth: u8) -> Walk {
        self.spread(starts, depth, &|node| self.serves_now(node), None)
    }

    pub(super) fn serves_now(&self, node: u32) -> bool {
        self.stands(node) == Standing::Serves && !self.down()[node as usize]
    }

    /// Which are down already, because of what is out.
    fn down(&self) -> &[bool] {
        self.down.get_or_init(|| {
            let nodes = (0..).take(self.nodes.len());
            let out: Vec<u32> = nodes.filter(|node| self.stands(*node) == Standing::Out).collect();
            let mut down = vec![false; self.nodes.len()];
            let walk = self.spread(&out, u8::MAX, &|node| self.stands(node) == Standing::Serves, None);
            walk.reached.iter().for_each(|reached| down[reached.node as usize] = true);
            down
        })
    }

    /// What is hit, going no further than to what is `within` a walk; `up` tells what counts in groups.
    fn spread(&self, starts: &[u32], depth: u8, up: &dyn Fn(u32) -> bool, within: Option<&Walk>) -> Walk {
        let counts = |edge: &&Edge| {
            self.stands(edge.to) != Standing::Gone && within.is_none_or(|walk| walk.of(edge.to).is_some())
        };
        let mut walk = Walk::begin(self, starts);
        let mut groups = Groups::new(self, up);
        let mut counted: HashSet<(u32, u32), RandomState> = HashSet::default();
        let mut touched: Vec<(u32, u32, Edge)> = Vec::new();
        let mut from = 0;
        for level in 1..=depth {
            let until = walk.reached.len();
            if from == until {
                break;
            }
            touched.clear();
            for place in from..until {
                let failed = walk.reached[place].node;
                for edge in self.dependants.of(failed).iter().filter(counts) {
                    if edge.group == ALONE {
                        walk.enter(Reached::by(edge, failed, level, 0));
                    } else if counted.insert((edge.group, failed)) {
                        let left = groups.left(edge.group);
                        *left = left.saturating_sub(u32::from(up(failed)));
                        touched.push((failed, edge.group, *edge));
                    }
                }
            }
            for (failed, group, edge) in &touched {
                let left = *groups.left(*group);
                if left < self.groups[*group as usize].min_up {
                    walk.enter(Reached::by(edge, *failed, level, left));
                }
            }
            from = until;
        }
        let mut spared: Vec<Spared> = counted
            .iter()
            .map(|(group, _)| Spared {
                node: self.groups[*group as usize].of,
                group: *group,
                left: *groups.left(*group),
            })
            .filter(|spared| walk.of(spared.node).is_none())
            .collect();
        spared.sort_unstable_by_key(|spared| (spared.node, spared.group));
        spared.dedup();
        walk.spared = spared;
        walk
    }

    /// What this rests on: whose failure could hit it.
    pub(super) fn foundation(&self, start: u32, depth: u8) -> Walk {
        let up = |node| self.serves_now(node);
        let mut groups = Groups::new(self, &up);
        let mut walk = Walk::begin(self, &[start]);
        let mut from = 0;
        for level in 1..=depth {
            let until = walk.reached.len();
            if from == until {
                break;
            }
            // Of two ways that are as long, the one without redundancy is told.
            for critical in [true, false] {
                for place in from..until {
                    let above = walk.reached[place];
                    for edge in self.supports.of(above.node) {
                        if self.stands(edge.to) == Standing::Gone {
                            continue;
                        }
                        let left = if edge.group == ALONE { 0 } else { *groups.left(edge.group) };
                        if (above.critical && groups.is_needed(edge)) == critical {
                            walk.enter(Reached { critical, ..Reached::by(edge, above.node, level, left) });
                        }
                    }
                }
            }
            from = until;
        }
        walk
    }

    /// Which of these, of what `start` rests on, would hit it if they alone failed, by whatever ways.
    pub(super) fn critical(&self, start: u32, of: &[u32]) -> Vec<bool> {
        let deepest = u8::try_from(DEEPEST).unwrap_or(u8::MAX);
        // What does not stand between the two need not be gone through, however much there is.
        let between = self.foundation(start, deepest);
        let up = |node| self.serves_now(node);
        of.iter().map(|node| self.spread(&[*node], deepest, &up, Some(&between)).of(start).is_some()).collect()
    }
}
