//! When a message is tried again: sooner at first, later then, for a day.

use chrono::TimeDelta;

use crate::clock::Moment;

/// How long after each attempt that failed the next one follows. The last of them is less than a day after the first.
const DELAYS: [TimeDelta; 7] = [
    TimeDelta::seconds(5),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(5),
    TimeDelta::hours(8),
    TimeDelta::hours(8),
];
/// No attempt is later than this after the message was made.
const DAY: TimeDelta = TimeDelta::hours(24);
/// By how much of a hundred a delay may be shorter, so that messages that failed together don't come back together.
const JITTER: i32 = 10;

/// When the next attempt is, after so many that failed; nothing when the last one was made. `chance` is from 0 to 1, and
/// `asked` is how long the receiver wants to be left alone: it is heeded up to the end of the day, when the last attempt is.
pub fn next(made: Moment, now: Moment, attempts: i32, asked: Option<TimeDelta>, chance: f64) -> Option<Moment> {
    let delay = DELAYS.get(usize::try_from(attempts).ok()?.checked_sub(1)?)?;
    let end = made.plus(DAY);
    if now >= end {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "from 0 to 1,000")]
    let less = (chance.clamp(0.0, 1.0) * 1_000.0) as i32;
    let delay = *delay - *delay * (JITTER * less) / 100_000;
    let wait = asked.filter(|asked| *asked > delay).unwrap_or(delay);
    Some(now.plus(wait).min(end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made() -> Moment {
        "2026-03-03T11:00:00Z".parse().unwrap()
    }

    #[test]
    fn eight_attempts_within_a_day() {
        let (mut now, mut all) = (made(), vec![made()]);
        while let Some(next) = next(made(), now, i32::try_from(all.len()).unwrap(), None, 0.0) {
            now = next;
            all.push(now);
        }
        let after: Vec<i64> = all.iter().map(|at| at.since(made()).num_seconds()).collect();
        assert_eq!(after, [0, 5, 305, 2_105, 9_305, 27_305, 56_105, 84_905]);
    }

    #[test]
    fn what_the_receiver_asks_for_is_heeded_up_to_the_end_of_the_day() {
        let ask = |asked| next(made(), made(), 1, Some(asked), 0.0).unwrap().since(made());
        assert_eq!(ask(TimeDelta::seconds(1)), TimeDelta::seconds(5), "never sooner");
        assert_eq!(ask(TimeDelta::minutes(20)), TimeDelta::minutes(20));
        assert_eq!(ask(TimeDelta::days(300)), TimeDelta::hours(24));
        assert_eq!(ask(TimeDelta::MAX), TimeDelta::hours(24));
        assert_eq!(next(made(), made().plus(DAY), 2, None, 0.0), None);
        assert_eq!(next(made(), made(), 0, None, 0.0), None, "before there was an attempt");
    }

    proptest! {
        #[test]
        fn no_way_lasts_longer_than_a_day(
            chances in proptest::collection::vec(0.0..=1.0_f64, 10),
            asks in proptest::collection::vec(proptest::option::of(0..200_000_i64), 10),
        ) {
            let (mut now, mut attempts) = (made(), 1);
            for (chance, asked) in chances.iter().zip(&asks) {
                let asked = asked.map(TimeDelta::seconds);
                let Some(at) = next(made(), now, attempts, asked, *chance) else { break };
                let waited = at.since(now);
                prop_assert!(at > now && at <= made().plus(DAY));
                let least = DELAYS[usize::try_from(attempts).unwrap() - 1];
                let is_cut = at == made().plus(DAY);
                prop_assert!(is_cut || waited >= least - least / JITTER);
                prop_assert!(is_cut || asked.is_none_or(|asked| waited >= asked));
                prop_assert!(asked.is_some_and(|asked| asked > least) || waited <= least);
                (now, attempts) = (at, attempts + 1);
            }
            prop_assert!(attempts <= 8);
            prop_assert_eq!(next(made(), now, 8, None, 0.0), None);
        }
    }
}
