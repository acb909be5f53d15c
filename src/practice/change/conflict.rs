//! What a change gets in the way of, and what is in its way: pure, of what was read before.
//!
//! What a change touches, what that rests on ([`Near::Parent`]) and what rests on it ([`Near::Child`]) are each held against what is
//! scheduled already, maintenance windows and blackouts; and whoever makes it can't make another one at the same time.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::window::{Window, WindowKind};
use crate::{
    clock::Moment,
    id::{RecordId, UserId},
};

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first moment.
    pub from: Moment,
    /// The first moment after it.
    pub until: Moment,
}

impl Span {
    /// Whether both have a moment in common; a span without length has its own moment.
    pub fn meets(self, other: Span) -> bool {
        let is_point = self.from == self.until || other.from == other.until;
        if is_point {
            return self.from <= other.until
                && other.from <= self.until
                && !(self.until == other.from && self.from < self.until);
        }
        self.from < other.until && other.from < self.until
    }
    /// Whether the other lies in it as a whole.
    pub fn holds(self, other: Span) -> bool {
        self.from <= other.from && other.until <= self.until
    }
    /// The same for what begins at a moment: until its end where it begins within it, and else for as long as it is.
    #[must_use]
    pub fn begun(self, at: Moment) -> Span {
        let is_in_time = self.from <= at && at < self.until;
        let until = if is_in_time { self.until } else { at.plus(self.until.since(self.from)) };
        Span { from: at, until }
    }
}

/// How a thing stands to what a change touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Near {
    /// It is touched itself.
    Own,
    /// What is touched rests on it.
    Parent,
    /// It rests on what is touched.
    Child,
}

/// The kinds of conflicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ChangeConflictKind)]
pub enum ConflictKind {
    /// Another change of the same thing is scheduled.
    CiScheduled,
    /// A change of what it rests on is scheduled.
    ParentCiScheduled,
    /// A change of what rests on it is scheduled.
    ChildCiScheduled,
    /// It is not within a maintenance window of the thing.
    CiOutsideWindow,
    /// It is not within a maintenance window of what the thing rests on.
    ParentCiOutsideWindow,
    /// It is not within a maintenance window of what rests on the thing.
    ChildCiOutsideWindow,
    /// It meets a blackout of the thing.
    CiInBlackout,
    /// It meets a blackout of what the thing rests on.
    ParentCiInBlackout,
    /// It meets a blackout of what rests on the thing.
    ChildCiInBlackout,
    /// Whoever makes it makes another one then.
    AssigneeBusy,
}

impl ConflictKind {
    const fn scheduled(near: Near) -> ConflictKind {
        match near {
            Near::Own => ConflictKind::CiScheduled,
            Near::Parent => ConflictKind::ParentCiScheduled,
            Near::Child => ConflictKind::ChildCiScheduled,
        }
    }
    const fn outside(near: Near) -> ConflictKind {
        match near {
            Near::Own => ConflictKind::CiOutsideWindow,
            Near::Parent => ConflictKind::ParentCiOutsideWindow,
            Near::Child => ConflictKind::ChildCiOutsideWindow,
        }
    }
    /// Whether it is about a blackout.
    pub const fn is_blackout(self) -> bool {
        matches!(self, ConflictKind::CiInBlackout | ConflictKind::ParentCiInBlackout | ConflictKind::ChildCiInBlackout)
    }
    const fn blackout(near: Near) -> ConflictKind {
        match near {
            Near::Own => ConflictKind::CiInBlackout,
            Near::Parent => ConflictKind::ParentCiInBlackout,
            Near::Child => ConflictKind::ChildCiInBlackout,
        }
    }
}

/// Another change that is scheduled.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Which.
    pub id: RecordId,
    /// When.
    pub span: Span,
    /// Who makes it.
    pub assignee: Option<UserId>,
    /// What it touches.
    pub items: Vec<RecordId>,
}

/// What is to be made.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What it touches, and what stands near that.
    pub items: BTreeMap<RecordId, Near>,
    /// Who makes it.
    pub assignee: Option<UserId>,
}

/// Everything that a time is held against.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// The other changes.
    pub planned: Vec<Planned>,
    /// The windows.
    pub windows: Vec<Window>,
}

/// A conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Of which kind.
    pub kind: ConflictKind,
    /// What both touch; nothing where it is about a person or about everything.
    pub item: Option<RecordId>,
    /// The other change.
    pub change: Option<RecordId>,
    /// The window.
    pub window: Option<String>,
    /// From when on it would be over; nothing where it would never be, as far as is known.
    pub over_at: Option<Moment>,
}

impl Conflict {
    /// What it is told apart by, whenever it is met: its kind, and the other change, the window, or what has none.
    pub fn mark(&self) -> String {
        let with = self.change.map(|change| change.to_string()).or_else(|| self.window.clone());
        let with = with.or_else(|| self.item.map(|item| item.to_string())).unwrap_or_default();
        json!([self.kind, with]).to_string()
    }
    /// What is met, in words. A window is named where it is of everything: whose things others are of, not everybody who sees the change may
    /// know.
    pub fn told(&self) -> String {
        let words = match self.kind {
            ConflictKind::CiScheduled | ConflictKind::ParentCiScheduled | ConflictKind::ChildCiScheduled => {
                "another change"
            }
            ConflictKind::CiOutsideWindow
            | ConflictKind::ParentCiOutsideWindow
            | ConflictKind::ChildCiOutsideWindow => "a time outside a maintenance window",
            ConflictKind::CiInBlackout => "a blackout of what it touches",
            ConflictKind::ParentCiInBlackout => "a blackout of what it rests on",
            ConflictKind::ChildCiInBlackout => "a blackout of what rests on it",
            ConflictKind::AssigneeBusy => "another change of whoever makes it",
        };
        let named = self.window.as_ref().filter(|_| self.item.is_none());
        named.cloned().unwrap_or_else(|| words.to_owned())
    }
}

/// Everything that a change would meet if it were made then.
pub fn conflicts(ground: &Ground, wanted: &Wanted, then: Span) -> Vec<Conflict> {
    let mut found = Vec::new();
    for other in ground.planned.iter().filter(|other| other.span.meets(then)) {
        let of =
            |kind, item| Conflict { kind, item, change: Some(other.id), window: None, over_at: Some(other.span.until) };
        let shared = other.items.iter().filter_map(|item| Some((*wanted.items.get(item)?, *item)));
        found.extend(shared.min().map(|(near, item)| of(ConflictKind::scheduled(near), Some(item))));
        if wanted.assignee.is_some() && wanted.assignee == other.assignee {
            found.push(of(ConflictKind::AssigneeBusy, None));
        }
    }
    for (item, near) in about(ground, wanted) {
        let mine = || ground.windows.iter().filter(move |window| window.about == item);
        for window in mine().filter(|window| window.kind == WindowKind::Blackout) {
            let met = window.spans.iter().find(|span| span.meets(then));
            found.extend(met.map(|span| Conflict {
                kind: ConflictKind::blackout(near),
                item,
                change: None,
                window: Some(window.name.clone()),
                over_at: Some(span.until),
            }));
        }
        let times: Vec<&Span> =
            mine().filter(|window| window.kind == WindowKind::Maintenance).flat_map(|window| &window.spans).collect();
        let has_windows = mine().any(|window| window.kind == WindowKind::Maintenance);
        if has_windows && !times.iter().any(|span| span.holds(then)) {
            let length = then.until.since(then.from);
            let later = times.iter().filter(|span| span.from > then.from && span.until.since(span.from) >= length);
            let over_at = later.map(|span| span.from).min();
            found.push(Conflict { kind: ConflictKind::outside(near), item, change: None, window: None, over_at });
        }
    }
    found.sort_by(|a, b| (a.kind, a.item, a.change, &a.window).cmp(&(b.kind, b.item, b.change, &b.window)));
    found
}

/// What windows are looked at for: each thing, and everything.
fn about(ground: &Ground, wanted: &Wanted) -> Vec<(Option<RecordId>, Near)> {
    let named = wanted.items.iter().map(|(item, near)| (Some(*item), *near));
    let is_of_all = ground.windows.iter().any(|window| window.about.is_none());
    named.chain(is_of_all.then_some((None, Near::Own))).collect()
}

/// The first time of this length, from a moment on and before another one, in which nothing is met.
pub fn free_slot(ground: &Ground, wanted: &Wanted, length: chrono::TimeDelta, within: Span) -> Option<Span> {
    let mut from = within.from;
    while from.plus(length) <= within.until {
        let then = Span { from, until: from.plus(length) };
        let met = conflicts(ground, wanted, then);
        // Whatever ends last has to be over; what never is leaves no time.
        let mut over = Some(from);
        for conflict in &met {
            over = over.zip(conflict.over_at).map(|(a, b)| a.max(b));
        }
        match over {
            _ if met.is_empty() => return Some(then),
            // A span without length still meets what ends at that moment.
            Some(over) if over > from => from = over,
            Some(_) => from = from.plus(chrono::TimeDelta::microseconds(1)),
            None => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(hour: i64) -> Moment {
        "2026-03-02T00:00:00Z".parse::<Moment>().unwrap().plus(TimeDelta::hours(hour))
    }
    fn span(from: i64, until: i64) -> Span {
        Span { from: at(from), until: at(until) }
    }
    fn window(kind: WindowKind, about: Option<RecordId>, spans: &[(i64, i64)]) -> Window {
        Window { name: "w".into(), kind, about, spans: spans.iter().map(|(a, b)| span(*a, *b)).collect() }
    }
    fn kinds(ground: &Ground, wanted: &Wanted, then: Span) -> Vec<ConflictKind> {
        conflicts(ground, wanted, then).into_iter().map(|conflict| conflict.kind).collect()
    }

    #[test]
    fn spans_meet_where_they_share_a_moment() {
        for (a, b, expected) in [
            (span(1, 3), span(2, 4), true),
            (span(1, 3), span(3, 4), false),
            (span(3, 4), span(1, 3), false),
            (span(2, 2), span(1, 3), true),
            (span(2, 2), span(2, 2), true),
            (span(1, 4), span(2, 3), true),
        ] {
            assert_eq!(a.meets(b), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn all_ten_kinds_are_told_apart() {
        use ConflictKind::*;
        let user = UserId::new();
        let nears = [
            (Near::Own, [CiScheduled, CiOutsideWindow, CiInBlackout]),
            (Near::Parent, [ParentCiScheduled, ParentCiOutsideWindow, ParentCiInBlackout]),
            (Near::Child, [ChildCiScheduled, ChildCiOutsideWindow, ChildCiInBlackout]),
        ];
        for (near, [scheduled, outside, blackout]) in nears {
            let item = RecordId::new();
            let wanted = Wanted { items: BTreeMap::from([(item, near)]), assignee: Some(user) };
            let other = |items, assignee| Planned { id: RecordId::new(), span: span(2, 4), assignee, items };
            let ground = |planned, windows| Ground { planned, windows };
            let cases = [
                (ground(vec![other(vec![item], None)], vec![]), vec![scheduled]),
                (ground(vec![other(vec![RecordId::new()], None)], vec![]), vec![]),
                (ground(vec![other(vec![], Some(user))], vec![]), vec![AssigneeBusy]),
                (ground(vec![], vec![window(WindowKind::Maintenance, Some(item), &[(10, 12)])]), vec![outside]),
                (ground(vec![], vec![window(WindowKind::Maintenance, Some(item), &[(0, 12)])]), vec![]),
                (ground(vec![], vec![window(WindowKind::Maintenance, Some(item), &[(0, 3), (3, 12)])]), vec![outside]),
                (ground(vec![], vec![window(WindowKind::Blackout, Some(item), &[(3, 12)])]), vec![blackout]),
                (ground(vec![], vec![window(WindowKind::Blackout, Some(item), &[(4, 12)])]), vec![]),
                (ground(vec![], vec![window(WindowKind::Blackout, None, &[(3, 12)])]), vec![CiInBlackout]),
            ];
            for (ground, expected) in cases {
                assert_eq!(kinds(&ground, &wanted, span(2, 4)), expected, "{near:?} {ground:?}");
            }
        }
    }

    #[test]
    fn the_first_free_time_is_found_behind_what_is_in_the_way() {
        let item = RecordId::new();
        let wanted = Wanted { items: BTreeMap::from([(item, Near::Own)]), assignee: None };
        let other = Planned { id: RecordId::new(), span: span(22, 24), assignee: None, items: vec![item] };
        let nights = window(WindowKind::Maintenance, Some(item), &[(20, 26), (44, 50), (68, 74)]);
        let freeze = window(WindowKind::Blackout, None, &[(40, 70)]);
        let ground = Ground { planned: vec![other], windows: vec![nights, freeze] };
        let free = |hours, from, until| free_slot(&ground, &wanted, TimeDelta::hours(hours), span(from, until));
        assert_eq!(free(2, 0, 100), Some(span(20, 22)));
        assert_eq!(free(2, 21, 100), Some(span(24, 26)));
        assert_eq!(free(3, 0, 100), Some(span(70, 73)));
        assert_eq!(free(5, 0, 100), None);
        assert_eq!(free(2, 0, 21), None);
    }
}
