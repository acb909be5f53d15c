//! How failure spreads, on graphs that can be drawn, and on graphs made by chance against a plain oracle.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    Given, Graph, Names, Parts, Standing,
    types::Impacts,
    walk::{DEEPEST, Walk},
};
use crate::id::{RecordId, RowId};

/// A relation of a drawing: from, type, to, group.
type Drawn = (usize, &'static str, usize, Option<usize>);

struct Drawing {
    graph: Graph,
    ids: Vec<RecordId>,
    groups: Vec<RowId>,
}

const TYPES: &[(&str, Impacts)] = &[
    ("depends_on", Impacts::TargetToSource),
    ("contains", Impacts::SourceToTarget),
    ("shares_fate_with", Impacts::Both),
    ("connects_to", Impacts::None),
];

/// `groups`: the record that has it, and how many must be up. `idle`: what does not serve, and how it stands.
fn draw(records: usize, groups: &[(usize, i32)], relations: &[Drawn], idle: &[(usize, Standing)]) -> Drawing {
    let types = TYPES.iter().map(|(name, impact)| Names {
        name: (*name).to_owned(),
        inverse: format!("{name}_by"),
        impact: *impact,
    });
    let blank = Drawing {
        graph: Graph::new("".into(), types.collect(), Parts::default()),
        ids: (0..records).map(|_| RecordId::new()).collect(),
        groups: groups.iter().map(|_| RowId::new()).collect(),
    };
    let all: Vec<usize> = (0..records).collect();
    blank.redrawn(&all, groups, relations, idle)
}

impl Drawing {
    /// The same, where these records have these of the groups and of the relations, and stand so.
    fn redrawn(
        self,
        records: &[usize],
        groups: &[(usize, i32)],
        relations: &[Drawn],
        idle: &[(usize, Standing)],
    ) -> Self {
        let theirs = groups.iter().zip(&self.groups).filter(|((of, _), _)| records.contains(of));
        let groups = theirs.map(|((of, min_up), id)| (*id, self.ids[*of], "group".to_owned(), *min_up)).collect();
        let theirs = relations.iter().filter(|(from, _, to, _)| records.contains(from) || records.contains(to));
        let relations = theirs.map(|(from, of, to, group)| Given {
            of: (*of).to_owned(),
            from: (self.ids[*from], "configuration_item".to_owned()),
            to: (self.ids[*to], "configuration_item".to_owned()),
            group: group.map(|n| self.groups[n]),
        });
        let idle = idle.iter().filter(|(n, _)| records.contains(n)).map(|(n, standing)| (self.ids[*n], *standing));
        let parts = Parts { groups, relations: relations.collect(), idle: idle.collect() };
        let changed: Vec<RecordId> = records.iter().map(|n| self.ids[*n]).collect();
        Drawing { graph: self.graph.renewed("".into(), &changed, parts), ..self }
    }

    fn number(&self, node: u32) -> usize {
        self.ids.iter().position(|id| *id == self.graph.nodes[node as usize]).unwrap()
    }

    fn nodes(&self, numbers: &[usize]) -> Vec<u32> {
        numbers.iter().filter_map(|n| self.graph.index.get(&self.ids[*n]).copied()).collect()
    }

    fn failure(&self, starts: &[usize], depth: u8) -> Walk {
        self.graph.failure(&self.nodes(starts), depth)
    }

    /// What is hit, with how far away.
    fn hit(&self, starts: &[usize], depth: u8) -> BTreeMap<usize, u8> {
        let walk = self.failure(starts, depth);
        walk.reached.iter().filter(|r| r.edge.is_some()).map(|r| (self.number(r.node), r.depth)).collect()
    }

    fn spared(&self, starts: &[usize]) -> Vec<(usize, u32)> {
        self.failure(starts, 20).spared.iter().map(|s| (self.number(s.node), s.left)).collect()
    }

    /// What is rested on, with whether it is critical, and the way to it.
    fn foundation(&self, start: usize, depth: u8) -> BTreeMap<usize, (bool, Vec<usize>)> {
        let Some(start) = self.nodes(&[start]).first().copied() else { return BTreeMap::new() };
        let walk = self.graph.foundation(start, depth);
        let way = |reached| walk.way(reached).iter().map(|step| self.number(step.node)).collect::<Vec<usize>>();
        let reached: Vec<_> = walk.reached.iter().filter(|r| r.edge.is_some()).collect();
        let nodes: Vec<u32> = reached.iter().map(|r| r.node).collect();
        let critical = self.graph.critical(start, &nodes);
        assert!(reached.iter().all(|r| way(r).len() == usize::from(r.depth) + 1 && r.depth <= depth));
        reached.iter().zip(critical).map(|(r, critical)| (self.number(r.node), (critical, way(r)))).collect()
    }
}

#[test]
fn failure_spreads_as_the_types_say() {
    // 0 depends on 1 depends on 2; 3 contains 2; 4 is wired to 2; 5 and 2 share their fate.
    let drawing = draw(
        6,
        &[],
        &[
            (0, "depends_on", 1, None),
            (1, "depends_on", 2, None),
            (3, "contains", 2, None),
            (4, "connects_to", 2, None),
            (5, "shares_fate_with", 2, None),
        ],
        &[],
    );
    type Hit = (usize, u8);
    let cases: &[(&[usize], u8, &[Hit])] = &[
        (&[2], 20, &[(0, 2), (1, 1), (5, 1)]),
        (&[2], 1, &[(1, 1), (5, 1)]),
        (&[3], 20, &[(0, 3), (1, 2), (2, 1), (5, 2)]),
        (&[0], 20, &[]),
        (&[4], 20, &[]),
        (&[1, 5], 20, &[(0, 1), (2, 1)]),
    ];
    for (starts, depth, hit) in cases {
        assert_eq!(drawing.hit(starts, *depth), hit.iter().copied().collect(), "{starts:?} {depth}");
    }
}

#[test]
fn a_circle_ends_where_it_began() {
    let drawing = draw(
        3,
        &[],
        &[
            (0, "depends_on", 1, None),
            (1, "depends_on", 2, None),
            (2, "depends_on", 0, None),
            (0, "depends_on", 0, None),
        ],
        &[],
    );
    assert_eq!(drawing.hit(&[0], 20), BTreeMap::from([(2, 1), (1, 2)]));
    assert_eq!(drawing.foundation(0, 20).len(), 2);
}

#[test]
fn a_group_holds_until_too_few_are_left() {
    // 0 needs two of 1, 2, 3; each of them runs on 4, 5, 5.
    let relations = [
        (0, "depends_on", 1, Some(0)),
        (0, "depends_on", 2, Some(0)),
        (0, "depends_on", 3, Some(0)),
        (1, "depends_on", 4, None),
        (2, "depends_on", 5, None),
        (3, "depends_on", 5, None),
        (6, "depends_on", 0, None),
    ];
    let drawing = draw(7, &[(0, 2)], &relations, &[]);
    assert_eq!(drawing.hit(&[4], 20), BTreeMap::from([(1, 1)]));
    assert_eq!(drawing.spared(&[4]), [(0, 2)]);
    assert_eq!(drawing.hit(&[5], 20), BTreeMap::from([(2, 1), (3, 1), (0, 2), (6, 3)]));
    assert_eq!(drawing.spared(&[5]), []);
    assert_eq!(drawing.hit(&[1, 2], 20), BTreeMap::from([(0, 1), (6, 2)]));
    // One that is out of use already is not there to stand in.
    let drawing = draw(7, &[(0, 2)], &relations, &[(3, Standing::Idle)]);
    assert_eq!(drawing.hit(&[4], 20), BTreeMap::from([(1, 1), (0, 2), (6, 3)]));
    // Nor does its failure take anything away.
    assert_eq!((drawing.hit(&[3], 20), drawing.spared(&[3])), (BTreeMap::new(), vec![(0, 2)]));
}

#[test]
fn a_group_counts_for_the_one_that_has_it_alone() {
    // 2 names the group of 0 before 0 does.
    let drawing = draw(
        5,
        &[(0, 1)],
        &[(2, "depends_on", 3, Some(0)), (0, "depends_on", 3, Some(0)), (0, "depends_on", 4, Some(0))],
        &[],
    );
    assert_eq!((drawing.hit(&[3], 20), drawing.spared(&[3])), (BTreeMap::from([(2, 1)]), vec![(0, 1)]));
}

#[test]
fn what_something_rests_on_is_critical_where_nothing_stands_in() {
    let relations = [
        (0, "depends_on", 1, Some(0)),
        (0, "depends_on", 2, Some(0)),
        (0, "depends_on", 3, None),
        (1, "depends_on", 4, None),
        (3, "depends_on", 4, None),
    ];
    let drawing = draw(5, &[(0, 1)], &relations, &[]);
    let found = drawing.foundation(0, 20);
    assert_eq!(
        found.iter().map(|(n, (critical, _))| (*n, *critical)).collect::<Vec<_>>(),
        [(1, false), (2, false), (3, true), (4, true)]
    );
    assert_eq!(found[&4].1, [0, 3, 4]);
    // With one of the two out of use, the other is needed.
    let drawing = drawing.redrawn(&[2], &[], &relations, &[(2, Standing::Idle)]);
    assert!(drawing.foundation(0, 20)[&1].0);
    assert!(!drawing.foundation(0, 20)[&2].0);
}

#[test]
fn what_all_of_a_group_share_is_critical() {
    // 0 needs one of 1 and 2, which both rest on 3; a way round through 4 and 5 is longer.
    let relations = [
        (0, "depends_on", 1, Some(0)),
        (0, "depends_on", 2, Some(0)),
        (1, "depends_on", 3, None),
        (2, "depends_on", 3, None),
        (0, "depends_on", 4, None),
        (4, "depends_on", 5, None),
        (5, "depends_on", 3, None),
    ];
    let found = draw(6, &[(0, 1)], &relations, &[]).foundation(0, 2);
    let critical: Vec<(usize, bool)> = found.iter().map(|(n, (critical, _))| (*n, *critical)).collect();
    assert_eq!(critical, [(1, false), (2, false), (3, true), (4, true), (5, true)]);
    assert_eq!(found[&3].1.len(), 3, "the way that is told is no longer than was asked for");
    let shared = draw(4, &[(0, 1)], &relations[..4], &[]);
    assert!(shared.foundation(0, 20)[&3].0);
}

#[test]
fn what_rests_on_something_that_is_out_does_not_stand_in() {
    // 0 needs one of 1 and 2, which run on 3 and 4; 5 depends on 0.
    let relations = [
        (0, "depends_on", 1, Some(0)),
        (0, "depends_on", 2, Some(0)),
        (1, "depends_on", 3, None),
        (2, "depends_on", 4, None),
        (5, "depends_on", 0, None),
    ];
    let drawing = draw(6, &[(0, 1)], &relations, &[]);
    assert_eq!((drawing.hit(&[4], 20), drawing.spared(&[4])), (BTreeMap::from([(2, 1)]), vec![(0, 1)]));
    let drawing = drawing.redrawn(&[3], &[], &relations, &[(3, Standing::Out)]);
    assert_eq!(drawing.hit(&[4], 20), BTreeMap::from([(2, 1), (0, 2), (5, 3)]));
    assert!(drawing.foundation(0, 20)[&4].0, "it is all that is left");
    assert_eq!(drawing.hit(&[3], 20), BTreeMap::from([(1, 1)]), "what is out can still be asked about");
    // What does not serve yet says nothing of what rests on it.
    let drawing = drawing.redrawn(&[3], &[], &relations, &[(3, Standing::Idle)]);
    assert_eq!(drawing.hit(&[4], 20), BTreeMap::from([(2, 1)]));
}

#[test]
fn nothing_is_hit_through_what_is_gone() {
    let relations = [(0, "depends_on", 1, None), (1, "depends_on", 2, None), (0, "depends_on", 3, None)];
    let drawing = draw(4, &[], &relations, &[(1, Standing::Gone)]);
    assert_eq!(drawing.hit(&[2], 20), BTreeMap::new());
    assert_eq!(drawing.foundation(0, 20).into_keys().collect::<Vec<_>>(), [3]);
    assert_eq!(drawing.hit(&[1], 20), BTreeMap::from([(0, 1)]), "what is gone can still be asked about");
}

#[test]
fn a_way_leads_from_what_fails_to_what_is_hit() {
    let drawing =
        draw(4, &[], &[(3, "depends_on", 2, None), (1, "contains", 2, None), (1, "depends_on", 0, None)], &[]);
    let walk = drawing.failure(&[0], 20);
    let last = walk.reached.last().unwrap();
    let way: Vec<(usize, &str)> = walk
        .way(last)
        .iter()
        .map(|step| (drawing.number(step.node), step.edge.as_ref().map_or("", |e| drawing.graph.named_by_far(e, true))))
        .collect();
    assert_eq!(way, [(0, ""), (1, "depends_on"), (2, "contains_by"), (3, "depends_on")]);
}

/// What is hit, found in the plainest way: again and again over all relations, until nothing more is.
fn oracle(relations: &[Drawn], groups: &[(usize, i32)], idle: &[(usize, Standing)], start: usize) -> BTreeSet<usize> {
    let stands = |n: usize| idle.iter().find(|(of, _)| *of == n).map_or(Standing::Serves, |(_, standing)| *standing);
    let out: BTreeSet<usize> = (0..RECORDS).filter(|n| stands(*n) == Standing::Out).collect();
    let down = spread(relations, groups, &stands, out, &|n| stands(n) == Standing::Serves);
    let up = |n: usize| stands(n) == Standing::Serves && !down.contains(&n);
    let mut failed = spread(relations, groups, &stands, BTreeSet::from([start]), &up);
    failed.remove(&start);
    failed
}

fn spread(
    relations: &[Drawn],
    groups: &[(usize, i32)],
    stands: &dyn Fn(usize) -> Standing,
    mut failed: BTreeSet<usize>,
    up: &dyn Fn(usize) -> bool,
) -> BTreeSet<usize> {
    let dependencies: Vec<(usize, usize, Option<usize>)> = relations
        .iter()
        .flat_map(|(from, of, to, group)| match *of {
            "depends_on" => vec![(*from, *to, *group)],
            "contains" => vec![(*to, *from, *group)],
            "shares_fate_with" => vec![(*from, *to, *group), (*to, *from, *group)],
            _ => Vec::new(),
        })
        .map(|(dependant, support, group)| (dependant, support, group.filter(|n| groups[*n].0 == dependant)))
        .collect();
    loop {
        let mut more = failed.clone();
        for (dependant, support, group) in &dependencies {
            if !failed.contains(support) || stands(*dependant) == Standing::Gone {
                continue;
            }
            let is_hit = group.is_none_or(|n| {
                let members: BTreeSet<usize> =
                    dependencies.iter().filter(|(_, _, g)| *g == Some(n)).map(|(_, support, _)| *support).collect();
                let left = members.iter().filter(|m| up(**m) && !failed.contains(m)).count();
                (left as i64) < i64::from(groups[n].1)
            });
            if is_hit {
                more.insert(*dependant);
            }
        }
        if more == failed {
            return failed;
        }
        failed = more;
    }
}

const RECORDS: usize = 12;
/// So many of them have a redundancy group.
const GROUPS: usize = 4;

fn relation() -> impl Strategy<Value = Drawn> {
    (0..RECORDS, 0..TYPES.len(), 0..RECORDS, any::<bool>()).prop_map(|(from, of, to, is_in_group)| {
        // In the group that the one that depends has: the first few have one.
        let dependant = if TYPES[of].1 == Impacts::SourceToTarget { to } else { from };
        (from, TYPES[of].0, to, Some(dependant).filter(|n| is_in_group && *n < GROUPS))
    })
}

fn idle() -> impl Strategy<Value = Vec<(usize, Standing)>> {
    let standing = prop::sample::select(vec![Standing::Idle, Standing::Out, Standing::Gone]);
    prop::collection::btree_map(0..RECORDS, standing, 0..4).prop_map(|idle| idle.into_iter().collect())
}

proptest! {
    #[test]
    fn failure_is_what_the_oracle_says(
        relations in prop::collection::vec(relation(), 0..40),
        min_up in prop::array::uniform4(0..3_i32),
        idle in idle(),
        start in 0..RECORDS,
    ) {
        let groups: Vec<(usize, i32)> = min_up.iter().enumerate().map(|(n, min_up)| (n, *min_up)).collect();
        let drawing = draw(RECORDS, &groups, &relations, &idle);
        let found: BTreeSet<usize> = drawing.hit(&[start], u8::try_from(DEEPEST).unwrap()).into_keys().collect();
        prop_assert_eq!(found, oracle(&relations, &groups, &idle, start));
    }

    #[test]
    fn what_has_changed_is_as_if_it_had_always_been_so(
        before in prop::collection::vec(relation(), 0..40),
        removed in 0..10_usize,
        added in prop::collection::vec(relation(), 0..10),
        min_up in prop::array::uniform4((0..3_i32, 0..3_i32)),
        (idle_before, idle_after) in (idle(), idle()),
        start in 0..RECORDS,
    ) {
        let groups = |of: fn(&(i32, i32)) -> i32| -> Vec<(usize, i32)> { min_up.iter().map(of).enumerate().collect() };
        let (groups_before, groups_after) = (groups(|both| both.0), groups(|both| both.1));
        let (gone, stay) = before.split_at(removed.min(before.len()));
        let after: Vec<Drawn> = stay.iter().chain(&added).copied().collect();
        let ends = gone.iter().chain(&added).flat_map(|(from, _, to, _)| [*from, *to]);
        let regrouped = (0..GROUPS).filter(|n| groups_before[*n] != groups_after[*n]);
        let standing = idle_before.iter().chain(&idle_after).map(|(n, _)| *n);
        let changed: BTreeSet<usize> = ends.chain(regrouped).chain(standing).collect();
        let changed: Vec<usize> = changed.into_iter().collect();
        let drawing = draw(RECORDS, &groups_before, &before, &idle_before)
            .redrawn(&changed, &groups_after, &after, &idle_after);
        let anew = draw(RECORDS, &groups_after, &after, &idle_after);
        prop_assert_eq!(drawing.hit(&[start], 20), anew.hit(&[start], 20));
        let rests_on = |drawing: &Drawing| drawing.foundation(start, 20).into_keys().collect::<Vec<_>>();
        prop_assert_eq!(rests_on(&drawing), rests_on(&anew));
        let spared = |drawing: &Drawing| drawing.spared(&[start]).into_iter().collect::<BTreeSet<_>>();
        prop_assert_eq!(spared(&drawing), spared(&anew));
    }

    #[test]
    fn what_is_critical_is_what_the_oracle_says(
        relations in prop::collection::vec(relation(), 0..40),
        min_up in prop::array::uniform4(0..3_i32),
        idle in idle(),
        start in 0..RECORDS,
        depth in 1..6_u8,
    ) {
        let groups: Vec<(usize, i32)> = min_up.iter().enumerate().map(|(n, min_up)| (n, *min_up)).collect();
        let drawing = draw(RECORDS, &groups, &relations, &idle);
        for (node, (critical, _)) in drawing.foundation(start, depth) {
            prop_assert_eq!(critical, oracle(&relations, &groups, &idle, node).contains(&start), "{}", node);
        }
    }

    #[test]
    fn no_depth_finds_more_than_a_greater_one(
        relations in prop::collection::vec(relation(), 0..40),
        start in 0..RECORDS,
        depth in 1..6_u8,
    ) {
        let groups = [(0, 1), (1, 1), (2, 1), (3, 1)];
        let drawing = draw(RECORDS, &groups, &relations, &[]);
        let (less, more) = (drawing.hit(&[start], depth), drawing.hit(&[start], depth + 1));
        prop_assert!(less.iter().all(|(n, d)| more.get(n) == Some(d) && *d <= depth));
    }
}
