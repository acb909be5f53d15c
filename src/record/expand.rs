//! `expand=`: embeds what references point to, beside their ids, with at most one query for each reference.

use std::{collections::HashMap, sync::Arc};

use super::{
    document::{Document, Member},
    face::{Face, faces},
    kind::{Field, HEADER, Holds},
    mention, render,
    store::Reading,
    visibility,
};
use crate::error::Result;

/// Embeds the references called `names` into `records`. What the caller may not see stays out.
pub fn embed(reading: &mut Reading<'_>, names: &[String], records: &mut [Document]) -> Result<()> {
    for name in names {
        let Some(field) = reference(reading, name) else { continue };
        let mut id = Member::new(field.name);
        let ids: Vec<Option<&str>> = records.iter().map(|record| id.word(record)).collect();
        let found = if let Holds::Record(of) = field.holds {
            self::records(reading, of, &ids)?
        } else {
            faces(reading.kernel.faces(), reading.connection, field.holds, &ids)?
        };
        for (record, face) in records.iter_mut().zip(found) {
            match face {
                Some(face) => record.set(field.short_name(), face),
                None => record.empty(field.short_name()),
            }
        }
    }
    Ok(())
}

fn reference(reading: &Reading<'_>, name: &str) -> Option<&'static Field> {
    let details = reading.kernel.practices().iter().flat_map(|p| p.kind().fields);
    HEADER.iter().chain(details).find(|f| f.short_name() == name && f.short_name() != f.name)
}

/// Those that the caller sees and may read, and of what they refer to in turn only what the caller sees.
fn records(reading: &mut Reading<'_>, of: &str, ids: &[Option<&str>]) -> Result<Vec<Face>> {
    let (kernel, connection, caller) = (reading.kernel, &mut *reading.connection, &reading.cause.caller);
    let wanted = ids.iter().flatten().filter_map(|id| id.parse().ok()).collect();
    // What may be seen is shown in the version in which it may.
    let mut shown = connection.at_one_moment(|connection| {
        let seen = visibility::among(kernel, connection, caller, wanted)?;
        let seen: Vec<_> = seen.into_values().map(|header| (header.id, header.version)).collect();
        render::present(kernel, connection, kernel.practice(of)?.kind(), &seen)
    })?;
    mention::hide_references(kernel, connection, caller, &mut shown)?;
    let mut faces: HashMap<&str, Arc<str>> = HashMap::new();
    for record in &shown {
        faces.insert(record.word("id").unwrap_or_default(), record.text()?.into());
    }
    Ok(ids.iter().map(|id| faces.get((*id)?).cloned()).collect())
}
