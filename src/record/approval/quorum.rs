//! How many have to approve, and when that is decided.

/// How many of those who count have to approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// One of them.
    Any,
    /// Every one of them.
    All,
    /// So many of them.
    Count(u32),
    /// So many of a hundred of them, rounded up.
    Percent(u32),
}

/// What was said so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many count.
    pub counted: usize,
    /// How many of them approve.
    pub approvals: usize,
    /// How many of them don't.
    pub rejections: usize,
}

/// What follows from what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet: it can go either way.
    Open,
    /// Enough approve, whatever the others say.
    Approved,
    /// Too many don't for enough others to be left.
    Rejected,
    /// So many are not even asked.
    Unreachable,
}

impl Quorum {
    /// The words for it.
    pub const KINDS: &'static [&'static str] = &["any", "all", "count", "percent"];

    /// From its word and number, where they go together: a count is 1 or more, a percentage 1 to 100.
    pub fn of(kind: &str, number: Option<i32>) -> Option<Quorum> {
        let number = number.map(|n| u32::try_from(n).ok().filter(|n| *n > 0));
        match (kind, number) {
            ("any", None) => Some(Quorum::Any),
            ("all", None) => Some(Quorum::All),
            ("count", Some(Some(n))) => Some(Quorum::Count(n)),
            ("percent", Some(Some(n))) if n <= 100 => Some(Quorum::Percent(n)),
            _ => None,
        }
    }

    /// How many have to approve where so many count; nothing where that can't be reached. Never none.
    pub fn needed(self, counted: usize) -> Option<usize> {
        let needed = match self {
            Quorum::Any => 1,
            Quorum::All => counted.max(1),
            Quorum::Count(n) => n as usize,
            Quorum::Percent(n) => (counted * n as usize).div_ceil(100).max(1),
        };
        (needed <= counted).then_some(needed)
    }

    /// What follows from what was said.
    pub fn verdict(self, tally: Tally) -> Verdict {
        let Some(needed) = self.needed(tally.counted) else { return Verdict::Unreachable };
        let reachable = tally.counted.saturating_sub(tally.rejections);
        if tally.approvals >= needed {
            Verdict::Approved
        } else if reachable < needed {
            Verdict::Rejected
        } else {
            Verdict::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(counted: usize, approvals: usize, rejections: usize) -> Tally {
        Tally { counted, approvals, rejections }
    }

    #[test]
    fn a_quorum_is_a_word_with_the_number_that_it_takes() {
        let cases = [
            ("any", None, Some(Quorum::Any)),
            ("all", None, Some(Quorum::All)),
            ("count", Some(2), Some(Quorum::Count(2))),
            ("percent", Some(100), Some(Quorum::Percent(100))),
            ("any", Some(1), None),
            ("all", Some(1), None),
            ("count", None, None),
            ("count", Some(0), None),
            ("count", Some(-1), None),
            ("percent", None, None),
            ("percent", Some(0), None),
            ("percent", Some(101), None),
            ("most", None, None),
        ];
        for (kind, number, expected) in cases {
            assert_eq!(Quorum::of(kind, number), expected, "{kind} {number:?}");
        }
    }

    #[test]
    fn what_is_needed_of_how_many() {
        let cases = [
            (Quorum::Any, 0, None),
            (Quorum::Any, 1, Some(1)),
            (Quorum::Any, 9, Some(1)),
            (Quorum::All, 0, None),
            (Quorum::All, 3, Some(3)),
            (Quorum::Count(2), 1, None),
            (Quorum::Count(2), 2, Some(2)),
            (Quorum::Count(2), 5, Some(2)),
            (Quorum::Percent(50), 0, None),
            (Quorum::Percent(1), 3, Some(1)),
            (Quorum::Percent(50), 3, Some(2)),
            (Quorum::Percent(50), 4, Some(2)),
            (Quorum::Percent(51), 4, Some(3)),
            (Quorum::Percent(67), 3, Some(3)),
            (Quorum::Percent(66), 3, Some(2)),
            (Quorum::Percent(100), 7, Some(7)),
        ];
        for (quorum, counted, expected) in cases {
            assert_eq!(quorum.needed(counted), expected, "{quorum:?} of {counted}");
        }
    }

    #[test]
    fn a_stage_is_decided_as_soon_as_it_can_be() {
        use Verdict::{Approved, Open, Rejected, Unreachable};
        let cases = [
            (Quorum::Any, tally(3, 0, 0), Open),
            (Quorum::Any, tally(3, 1, 0), Approved),
            (Quorum::Any, tally(3, 0, 2), Open),
            (Quorum::Any, tally(3, 0, 3), Rejected),
            (Quorum::Any, tally(0, 0, 0), Unreachable),
            (Quorum::All, tally(3, 2, 0), Open),
            (Quorum::All, tally(3, 3, 0), Approved),
            (Quorum::All, tally(3, 2, 1), Rejected),
            (Quorum::All, tally(3, 0, 1), Rejected),
            (Quorum::Count(2), tally(3, 1, 1), Open),
            (Quorum::Count(2), tally(3, 2, 1), Approved),
            (Quorum::Count(2), tally(3, 1, 2), Rejected),
            (Quorum::Count(4), tally(3, 0, 0), Unreachable),
            (Quorum::Percent(50), tally(5, 2, 2), Open),
            (Quorum::Percent(50), tally(5, 3, 2), Approved),
            (Quorum::Percent(50), tally(5, 2, 3), Rejected),
        ];
        for (quorum, tally, expected) in cases {
            assert_eq!(quorum.verdict(tally), expected, "{quorum:?} {tally:?}");
        }
    }

    fn any_quorum() -> impl Strategy<Value = Quorum> {
        prop_oneof![
            Just(Quorum::Any),
            Just(Quorum::All),
            (1_u32..30).prop_map(Quorum::Count),
            (1_u32..=100).prop_map(Quorum::Percent),
        ]
    }

    proptest! {
        #[test]
        fn each_vote_moves_towards_one_end_and_no_verdict_is_taken_back(
            quorum in any_quorum(), votes in prop::collection::vec(any::<bool>(), 0..25), silent in 0_usize..10,
        ) {
            let mut now = tally(votes.len() + silent, 0, 0);
            let mut before = quorum.verdict(now);
            for approves in &votes {
                if *approves { now.approvals += 1 } else { now.rejections += 1 }
                let after = quorum.verdict(now);
                prop_assert!(before == Verdict::Open || before == after, "{before:?} became {after:?}");
                before = after;
            }
            if silent == 0 {
                prop_assert_ne!(before, Verdict::Open, "all have spoken");
            }
        }

        #[test]
        fn open_means_that_both_ends_can_be_reached(
            quorum in any_quorum(), approvals in 0_usize..12, rejections in 0_usize..12, left in 0_usize..12,
        ) {
            let counted = approvals + rejections + left;
            let all_approve = quorum.verdict(tally(counted, approvals + left, rejections));
            let none_does = quorum.verdict(tally(counted, approvals, rejections + left));
            let is_open = quorum.verdict(tally(counted, approvals, rejections)) == Verdict::Open;
            prop_assert_eq!(is_open, all_approve == Verdict::Approved && none_does == Verdict::Rejected);
        }

        #[test]
        fn a_share_is_reached_by_those_and_by_no_fewer(share in 1_u32..=100, counted in 1_usize..500) {
            let needed = Quorum::Percent(share).needed(counted).unwrap();
            let share = share as usize;
            prop_assert!(needed * 100 >= share * counted);
            prop_assert!((needed - 1) * 100 < share * counted);
        }
    }
}
