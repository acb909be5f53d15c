//! Which records a story is about: what can be reached by links that say why something happened.

use super::super::{
    header::Header,
    kind::Kind,
    link::{self, RELATIONS},
    store::Reading,
};
use crate::{error::Result, id::RecordId};

/// How many links away a record may be.
const FURTHEST: u8 = 4;
/// How many records one story is about.
const RECORDS: usize = 50;

/// The record and those that can be reached from it by links, the nearest first; and whether these are all. What everybody may see — services,
/// things — is no part of it, nor are links that lead there alone: all the world hangs together by it.
pub(super) fn linked(reading: &mut Reading<'_>, record: Header) -> Result<(Vec<(Header, u8)>, bool)> {
    let practices = reading.kernel.practices().iter().map(|practice| practice.kind());
    let caller = &reading.cause.caller;
    let kinds: Vec<&'static Kind> =
        practices.filter(|kind| !kind.public && caller.can(&kind.permission("read"))).collect();
    let leads_on = |to: &[&str]| to.is_empty() || kinds.iter().any(|kind| to.contains(&kind.name));
    let relations: Vec<&'static str> =
        RELATIONS.iter().filter(|relation| leads_on(relation.to)).map(|relation| relation.name).collect();
    let mut ahead = vec![record.id];
    let mut found = vec![(record, 0)];
    let mut complete = true;
    for distance in 1..=FURTHEST + 1 {
        // Those that are known come again; as many new ones as there is room for are left beside them, and one more.
        let mut next = link::around(reading, &ahead, &relations, &kinds, 2 * RECORDS as i64)?;
        next.retain(|header| found.iter().all(|(known, _)| known.id != header.id));
        let room = if distance > FURTHEST { 0 } else { RECORDS - found.len() };
        complete &= next.len() <= room;
        next.truncate(room);
        ahead = next.iter().map(|header| header.id).collect::<Vec<RecordId>>();
        if ahead.is_empty() {
            break;
        }
        found.extend(next.into_iter().map(|header| (header, distance)));
    }
    Ok((found, complete))
}
