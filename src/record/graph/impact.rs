//! What is asked of the graph and told: what would be hit, what something rests on, by which way and why.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ALONE, Graph, Standing,
    walk::{DEEPEST, Reached, Walk},
};
use crate::{
    auth::caller::Caller,
    db::AnyConnection,
    error::Result,
    id::{RecordId, RowId},
    record::{header::Header, kernel::Kernel, link::LinkedRecord, visibility},
};

/// Which way to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImpactDirection)]
pub enum Direction {
    /// What would be hit if it failed: towards services.
    #[default]
    Up,
    /// What it rests on: whose failure could hit it.
    Down,
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// What fails, all at once; or, looking down, what rests on something: the first one.
    pub starts: Vec<RecordId>,
    /// Which way.
    pub direction: Direction,
    /// How many steps at most.
    pub depth: i32,
    /// Only records of this kind are told; all are gone through.
    pub kind: Option<String>,
    /// How many are told at most; all are counted.
    pub limit: usize,
}

/// What would be hit, or what something rests on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Impact {
    /// Which way was looked.
    pub direction: Direction,
    /// How many steps at most.
    pub depth: i32,
    /// How many records were found, of those that you may see.
    pub total: i64,
    /// The same by kind of record.
    pub by_kind: BTreeMap<String, i64>,
    /// Those that were found, the nearest first, as many as were asked for.
    pub records: Vec<Affected>,
    /// What depends on something that fails, and goes on because enough of a redundancy group remain.
    pub spared: Vec<SparedRecord>,
}

/// A record that would be hit, or that something rests on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Affected {
    /// The record.
    pub record: LinkedRecord,
    /// How many steps away.
    pub depth: i32,
    /// Whether it is without redundancy: looking down, whether its failure alone would hit what was asked about, by whatever ways.
    pub critical: bool,
    /// Why: `dependency`, or `redundancy` where it hangs on a group.
    #[schema(examples("dependency"))]
    pub reason: &'static str,
    /// The group that the last step hangs on.
    pub redundancy: Option<Redundancy>,
    /// The way from what was asked about: each record with how it names its relation to the one before.
    pub path: Vec<PathStep>,
}

/// How a redundancy group stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Redundancy {
    /// The group.
    pub group_id: RowId,
    /// Its name.
    pub name: String,
    /// How many must be up.
    pub min_up: i32,
    /// How many are; looking up, how many would be left.
    pub up: i32,
    /// How many are in it.
    pub members: i32,
}

/// A step of a way.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PathStep {
    /// The record; null for one that you may not see.
    pub record: Option<LinkedRecord>,
    /// How it names its relation to the record before.
    #[schema(examples("runs_on"))]
    pub relation: String,
}

/// A record that goes on with less than before.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SparedRecord {
    /// The record.
    pub record: LinkedRecord,
    /// What it hangs on.
    pub redundancy: Redundancy,
}

/// What would be hit if these failed, or what the first of them rests on, as the caller may see it.
pub fn impact(kernel: &Kernel, connection: &mut AnyConnection, caller: &Caller, asked: &Asked) -> Result<Impact> {
    let graph = kernel.graph(connection)?;
    let depth = asked.depth.clamp(1, DEEPEST);
    let walk = walk(&graph, asked, depth);
    let told: Vec<&str> = kinds_told(kernel, caller);
    let is_told = |node: u32| told.contains(&graph.kind_of(node));
    let mut by_kind: BTreeMap<String, i64> = BTreeMap::new();
    let mut chosen: Vec<Reached> = Vec::new();
    for reached in walk.reached.iter().filter(|r| r.edge.is_some() && is_told(r.node)) {
        let kind = graph.kind_of(reached.node);
        *by_kind.entry(kind.to_owned()).or_default() += 1;
        if chosen.len() < asked.limit && asked.kind.as_ref().is_none_or(|wanted| wanted == kind) {
            chosen.push(*reached);
        }
    }
    if let (Direction::Down, Some(start)) = (asked.direction, walk.reached.first().map(|reached| reached.node)) {
        let nodes: Vec<u32> = chosen.iter().map(|reached| reached.node).collect();
        for (reached, critical) in chosen.iter_mut().zip(graph.critical(start, &nodes)) {
            reached.critical = critical;
        }
    }
    chosen.sort_by_key(|reached| (reached.depth, graph.nodes[reached.node as usize]));
    let spared: Vec<_> = walk.spared.iter().filter(|spared| is_told(spared.node)).take(asked.limit).collect();
    let ways: Vec<Vec<Reached>> = chosen.iter().map(|reached| walk.way(reached)).collect();
    let mentioned: HashSet<u32> =
        ways.iter().flatten().map(|r| r.node).chain(spared.iter().map(|spared| spared.node)).collect();
    let ids = mentioned.into_iter().map(|node| graph.nodes[node as usize]).collect();
    let seen = visibility::among(kernel, connection, caller, ids)?;
    let shown = |node: u32| seen.get(&graph.nodes[node as usize]).map(LinkedRecord::of);
    let is_up = asked.direction == Direction::Up;
    let records = chosen.iter().zip(&ways).filter_map(|(reached, way)| {
        let redundancy = reached.edge.and_then(|edge| graph.redundancy(edge.group, reached.left));
        Some(Affected {
            record: shown(reached.node)?,
            depth: i32::from(reached.depth),
            critical: reached.critical,
            reason: if redundancy.is_some() { "redundancy" } else { "dependency" },
            redundancy,
            path: way.iter().skip(1).map(|step| graph.step(step, is_up, shown(step.node))).collect(),
        })
    });
    let records = records.collect();
    let spared = spared.iter().filter_map(|spared| {
        Some(SparedRecord { record: shown(spared.node)?, redundancy: graph.redundancy(spared.group, spared.left)? })
    });
    Ok(Impact {
        direction: asked.direction,
        depth,
        total: by_kind.values().sum(),
        spared: spared.collect(),
        by_kind,
        records,
    })
}

/// The ids alone of what would be hit if these failed, or of what the first of them rests on, the nearest first; without a look at who
/// sees them: for rules of the server.
pub fn ids(kernel: &Kernel, connection: &mut AnyConnection, asked: &Asked) -> Result<Vec<RecordId>> {
    let graph = kernel.graph(connection)?;
    let walk = walk(&graph, asked, asked.depth.clamp(1, DEEPEST));
    let reached = walk.reached.iter().filter(|reached| reached.edge.is_some());
    let wanted = reached.filter(|r| asked.kind.as_ref().is_none_or(|kind| kind == graph.kind_of(r.node)));
    Ok(wanted.map(|reached| graph.nodes[reached.node as usize]).collect())
}

fn walk(graph: &Graph, asked: &Asked, depth: i32) -> Walk {
    let starts: Vec<u32> = asked.starts.iter().filter_map(|id| graph.index.get(id).copied()).collect();
    let depth = u8::try_from(depth).unwrap_or(1);
    match (asked.direction, starts.first()) {
        (_, None) => Walk::default(),
        (Direction::Up, _) => graph.failure(&starts, depth),
        (Direction::Down, Some(start)) => graph.foundation(*start, depth),
    }
}

/// The kinds whose records the caller is told of: all of them are catalogue data, or the caller sees everything.
fn kinds_told(kernel: &Kernel, caller: &Caller) -> Vec<&'static str> {
    let everything = caller.sees == crate::auth::caller::Sees::All;
    let kinds = kernel.practices().iter().map(|p| p.kind());
    kinds.filter(|k| caller.can(&k.permission("read")) && (k.public || everything)).map(|k| k.name).collect()
}

impl Graph {
    fn redundancy(&self, group: u32, left: u32) -> Option<Redundancy> {
        let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let group = self.groups.get(group as usize).filter(|_| group != ALONE)?;
        let members = group.members.iter().filter(|member| self.stands(**member) != Standing::Gone).count();
        Some(Redundancy {
            group_id: group.id,
            name: group.name.clone(),
            min_up: number(group.min_up),
            up: number(left),
            members: number(u32::try_from(members).unwrap_or(u32::MAX)),
        })
    }

    fn step(&self, step: &Reached, is_up: bool, record: Option<LinkedRecord>) -> PathStep {
        let relation = step.edge.map(|edge| self.named_by_far(&edge, is_up).to_owned());
        PathStep { record, relation: relation.unwrap_or_default() }
    }
}

impl LinkedRecord {
    /// Of its header.
    pub fn of(header: &Header) -> Self {
        LinkedRecord {
            id: header.id,
            kind: header.kind.clone(),
            number: header.number.clone(),
            title: header.title.clone(),
            state: header.state.clone(),
            phase: header.phase.clone(),
        }
    }
}
