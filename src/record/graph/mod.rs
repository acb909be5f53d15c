//! The graph: what depends on what, and what fails when something does.
//!
//! Records of kinds that serve others ([`Practice::IN_USE`](super::practice::Practice::IN_USE)) are its nodes, relations its edges. A type of
//! relation says which end hits the other when it fails. Relations may be in a redundancy group of the record that depends: it is hit
//! when fewer of the group than `min_up` remain.
//!
//! - [`types`]: the types of relations, which administrators keep; [`relate`]: relations and groups as they are written;
//! - [`walk`]: how failure spreads, and what something rests on, pure; [`load`]: the graph that each node of the server holds;
//! - [`impact`]: what is asked and told.
//!
//! **Invariant:** a walk ends, whatever the relations are: each record is entered once, and not beyond the depth that was asked for.

pub mod impact;
pub mod load;
pub mod relate;
#[cfg(test)]
mod tests;
pub mod types;
pub mod walk;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use foldhash::fast::RandomState;

use super::{catalogue::Findable, kind::Holds};
use crate::id::{RecordId, RowId};

/// What lists of records that stand in the graph are found by: the types of relations that they have, and by which others are related
/// to them.
pub const FINDABLE: &[Findable] = &[
    Findable {
        name: "relations",
        table: "relation",
        record: "from_id",
        column: "relation_type",
        holds: Holds::Line(60),
    },
    Findable {
        name: "related_by",
        table: "relation",
        record: "to_id",
        column: "relation_type",
        holds: Holds::Line(60),
    },
];

/// No group.
const ALONE: u32 = u32::MAX;

/// A dependency, seen from one of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The other end.
    to: u32,
    /// The redundancy group that it is in.
    group: u32,
    /// The type of the relation.
    of: u16,
    /// Whether the one that depends is the one that the relation is stored with.
    forward: bool,
}

/// How a record stands to those that depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It serves them.
    #[default]
    Serves,
    /// It does not serve yet.
    Idle,
    /// It is out of use for a time: what needs it is down as well.
    Out,
    /// It is used no more: nothing is hit through it.
    Gone,
}

/// The edges of all nodes, one after the other.
#[derive(Debug, Default)]
struct Edges {
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

/// Relations of which some are enough.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its id.
    pub id: RowId,
    /// Its name.
    pub name: String,
    /// How many must be up.
    pub min_up: u32,
    /// The record that depends on them.
    of: u32,
    /// What it depends on.
    members: Vec<u32>,
}

/// How both ends of a relation of a type name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `runs_on`
    pub name: String,
    /// `runs`
    pub inverse: String,
    impact: types::Impacts,
}

/// What depends on what, as of one moment. Relations that carry no failure are not in it.
#[derive(Debug, Default)]
pub struct Graph {
    epoch: Arc<str>,
    nodes: Vec<RecordId>,
    kinds: Vec<u8>,
    kind_names: Vec<String>,
    standing: Vec<Standing>,
    index: HashMap<RecordId, u32, RandomState>,
    /// What depends on each.
    dependants: Edges,
    /// What each depends on.
    supports: Edges,
    types: Vec<Names>,
    groups: Vec<Group>,
    /// Which are down already, because something that they need is out: found out when it is first asked for.
    down: OnceLock<Vec<bool>>,
}

/// A relation on its way into the graph.
#[derive(Clone, Debug)]
pub struct Given {
    /// The name of its type.
    pub of: String,
    /// From where, and its kind.
    pub from: (RecordId, String),
    /// To where, and its kind.
    pub to: (RecordId, String),
    /// Its group.
    pub group: Option<RowId>,
}

/// A group on its way into the graph: id, record, name, how many must be up.
pub type GivenGroup = (RowId, RecordId, String, i32);

/// All that a graph is made of, or what of it has changed.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The groups.
    pub groups: Vec<GivenGroup>,
    /// The relations.
    pub relations: Vec<Given>,
    /// How records stand that do not serve.
    pub idle: Vec<(RecordId, Standing)>,
}

impl Edges {
    fn of(&self, node: u32) -> &[Edge] {
        let at = node as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(start), Some(end)) => &self.edges[*start as usize..*end as usize],
            _ => &[],
        }
    }

    /// All but those of which an end is one of these, as pairs of a node and an edge of it.
    fn without(&self, ends: &HashSet<u32, RandomState>) -> Vec<(u32, Edge)> {
        let nodes = (0..).take(self.starts.len()).filter(|node| !ends.contains(node));
        let pairs = nodes.flat_map(|node| self.of(node).iter().map(move |edge| (node, *edge)));
        pairs.filter(|(_, edge)| !ends.contains(&edge.to)).collect()
    }

    /// Of pairs of a node and an edge of it.
    fn new(nodes: usize, pairs: &[(u32, Edge)]) -> Self {
        let mut starts = vec![0_u32; nodes + 1];
        for (node, _) in pairs {
            starts[*node as usize + 1] += 1;
        }
        for at in 0..nodes {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let blank = Edge { to: 0, group: ALONE, of: 0, forward: true };
        let mut edges = vec![blank; pairs.len()];
        for (node, edge) in pairs {
            let place = &mut next[*node as usize];
            edges[*place as usize] = *edge;
            *place += 1;
        }
        Edges { starts, edges }
    }
}

impl Graph {
    /// Of these. What names a type that is not there carries nothing.
    pub fn new(epoch: Arc<str>, types: Vec<Names>, parts: Parts) -> Self {
        Graph { types, ..Graph::default() }.renewed(epoch, &[], parts)
    }

    /// The same, where these records have these groups now, are in these relations and stand so.
    pub fn renewed(&self, epoch: Arc<str>, changed: &[RecordId], parts: Parts) -> Self {
        let changed: HashSet<u32, RandomState> = changed.iter().filter_map(|id| self.index.get(id)).copied().collect();
        let mut graph = Graph {
            epoch,
            nodes: self.nodes.clone(),
            kinds: self.kinds.clone(),
            kind_names: self.kind_names.clone(),
            standing: self.standing.clone(),
            index: self.index.clone(),
            types: self.types.clone(),
            groups: self.groups.clone(),
            ..Graph::default()
        };
        for group in graph.groups.iter_mut().filter(|group| changed.contains(&group.of)) {
            group.members.clear();
        }
        let mut by_group: HashMap<RowId, u32> = graph.groups.iter().map(|group| group.id).zip(0..).collect();
        let mut wanted: HashMap<RowId, GivenGroup> = HashMap::new();
        for group in parts.groups {
            match by_group.get(&group.0) {
                Some(known) => graph.groups[*known as usize].min_up = u32::try_from(group.3).unwrap_or(0),
                None => drop(wanted.insert(group.0, group)),
            }
        }
        let (mut dependants, mut supports) = (self.dependants.without(&changed), self.supports.without(&changed));
        let by_name: HashMap<&str, u16> = self.types.iter().map(|names| names.name.as_str()).zip(0..).collect();
        for given in parts.relations {
            let Some(of) = by_name.get(given.of.as_str()).copied() else { continue };
            let impact = graph.types[of as usize].impact;
            if impact == types::Impacts::None {
                continue;
            }
            let (from, to) = (graph.enter(&given.from), graph.enter(&given.to));
            let group = given.group.and_then(|id| {
                if let Some(known) = by_group.get(&id) {
                    return Some(*known);
                }
                // Whose it is comes with the relations that it has: until then it stays wanted.
                let of = *graph.index.get(&wanted.get(&id)?.1)?;
                let (id, _, name, min_up) = wanted.remove(&id)?;
                let n = u32::try_from(graph.groups.len()).ok()?;
                let min_up = u32::try_from(min_up).unwrap_or(0);
                graph.groups.push(Group { id, name, min_up, of, members: Vec::new() });
                by_group.insert(id, n);
                Some(n)
            });
            let mut add = |dependant: u32, support: u32, forward: bool| {
                let group = group.filter(|n| graph.groups[*n as usize].of == dependant).unwrap_or(ALONE);
                if let Some(group) = graph.groups.get_mut(group as usize)
                    && !group.members.contains(&support)
                {
                    group.members.push(support);
                }
                dependants.push((support, Edge { to: dependant, group, of, forward }));
                supports.push((dependant, Edge { to: support, group, of, forward }));
            };
            if impact != types::Impacts::SourceToTarget {
                add(from, to, true);
            }
            if impact != types::Impacts::TargetToSource {
                add(to, from, false);
            }
        }
        graph.dependants = Edges::new(graph.nodes.len(), &dependants);
        graph.supports = Edges::new(graph.nodes.len(), &supports);
        changed.iter().for_each(|node| graph.standing[*node as usize] = Standing::Serves);
        for (id, standing) in parts.idle {
            if let Some(node) = graph.index.get(&id) {
                graph.standing[*node as usize] = standing;
            }
        }
        graph
    }

    fn enter(&mut self, (id, kind): &(RecordId, String)) -> u32 {
        if let Some(known) = self.index.get(id) {
            return *known;
        }
        let n = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let kind = self.kind_names.iter().position(|name| name == kind).unwrap_or_else(|| {
            self.kind_names.push(kind.clone());
            self.kind_names.len() - 1
        });
        self.nodes.push(*id);
        self.standing.push(Standing::Serves);
        self.kinds.push(u8::try_from(kind).unwrap_or(u8::MAX));
        self.index.insert(*id, n);
        n
    }

    /// What a record depends on directly.
    pub fn supports(&self, id: RecordId) -> Vec<RecordId> {
        self.next_to(&self.supports, id)
    }

    /// What depends on a record directly.
    pub fn dependants(&self, id: RecordId) -> Vec<RecordId> {
        self.next_to(&self.dependants, id)
    }

    /// What else is in the redundancy groups that a record is in.
    pub fn siblings(&self, id: RecordId) -> Vec<RecordId> {
        let Some(node) = self.index.get(&id) else { return Vec::new() };
        let groups = self.dependants.of(*node).iter().filter_map(|edge| self.groups.get(edge.group as usize));
        let others = groups.flat_map(|group| &group.members).filter(|member| *member != node);
        let mut found: Vec<RecordId> = others.map(|member| self.nodes[*member as usize]).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn next_to(&self, edges: &Edges, id: RecordId) -> Vec<RecordId> {
        let Some(node) = self.index.get(&id) else { return Vec::new() };
        let mut found: Vec<RecordId> = edges.of(*node).iter().map(|edge| self.nodes[edge.to as usize]).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// How many records stand in it, and how many dependencies.
    pub fn size(&self) -> (usize, usize) {
        (self.nodes.len(), self.supports.edges.len())
    }

    /// Whether a record serves others at the moment: it is in use, and nothing that it needs is out.
    pub fn is_up(&self, id: RecordId) -> bool {
        self.index.get(&id).is_some_and(|node| self.serves_now(*node))
    }

    fn stands(&self, node: u32) -> Standing {
        self.standing[node as usize]
    }

    fn kind_of(&self, node: u32) -> &str {
        let kind = self.kinds.get(node as usize).map_or(usize::MAX, |kind| *kind as usize);
        self.kind_names.get(kind).map_or("", String::as_str)
    }

    /// How the far end of an edge names the relation: `is_dependant` says that the far end is the one that depends.
    fn named_by_far(&self, edge: &Edge, is_dependant: bool) -> &str {
        let names = &self.types[edge.of as usize];
        if edge.forward == is_dependant { &names.name } else { &names.inverse }
    }
}
