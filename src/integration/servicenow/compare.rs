//! What the replay made of the log, held against the log.
//!
//! All of it is read from what is stored: records, audit trail and decision log. So it says the same after a replay that
//! ran again, and it can be wrong only where the server is.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use serde_json::{Map, Value};

use super::{
    Progress,
    agent::{KIND, request_id},
    log::Text,
    reference::{self, Position},
    report::{Comparison, Difference},
    story::{Hand, Story},
};
use crate::{
    db::{AnyConnection, JsonText},
    error::{Error, Result},
    id::RecordId,
    record::{cause::Via, header::Header, kernel::Kernel},
    schema::{audit, decision, team},
};

/// Incidents read at once.
const AT_ONCE: usize = 300;

/// What is stored of an incident.
struct Stored<'a> {
    record: &'a Map<String, Value>,
    /// Which events left which version behind.
    versions: HashMap<String, i32>,
    /// The priority that the policies wanted, from which version on.
    priorities: BTreeMap<i32, i64>,
    /// The team that the policies wanted when it was reported.
    routed: Option<String>,
}

/// Holds all stories against their records.
pub fn compare(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    stories: &[Story],
    progress: &dyn Progress,
) -> Result<Comparison> {
    let teams: Vec<(String, String)> = team::table.select((team::id, team::name)).load(connection)?;
    let teams: HashMap<String, String> = teams.into_iter().collect();
    let mut comparison = Comparison::default();
    progress.begin("Comparing", stories.len() as u64);
    for stories in stories.chunks(AT_ONCE) {
        let keys: Vec<&str> = stories.iter().map(|s| &*s.number).collect();
        let positions = reference::positions(connection, &keys)?;
        let ids: Vec<RecordId> = positions.values().map(|p| p.record).collect();
        let headers = Header::find_all(connection, &ids)?;
        let found: Vec<RecordId> = headers.iter().map(|h| h.id).collect();
        let rendered = kernel.practice(KIND)?.render(connection, headers)?;
        let records: HashMap<RecordId, Map<String, Value>> = found.into_iter().zip(rendered).collect();
        let mut versions = versions(connection, &ids)?;
        let mut decisions = decisions(connection, &ids)?;
        for story in stories {
            let position = positions.get(&*story.number);
            let Some((position, record)) = position.and_then(|p| Some((p, records.get(&p.record)?))) else {
                comparison.not_replayed.push(story.number.to_string());
                continue;
            };
            let (priorities, routed) = decisions.remove(&position.record).unwrap_or_default();
            let versions = versions.remove(&position.record).unwrap_or_default();
            let stored = Stored { record, versions, priorities, routed };
            comparison.add(story, position, &stored, &teams)?;
        }
        progress.advance(stories.len() as u64);
    }
    Ok(comparison)
}

impl Comparison {
    fn add(
        &mut self,
        story: &Story,
        position: &Position,
        stored: &Stored<'_>,
        teams: &HashMap<String, String>,
    ) -> Result<()> {
        let last = story.events.last().ok_or_else(|| Error::internal("a story without events"))?;
        self.incidents += 1;
        let number = |name: &str| stored.record.get(name).and_then(Value::as_i64).unwrap_or(-1);
        let text = |name: &str| stored.record.get(name).and_then(Value::as_str);
        let differs = |here: String, in_log: String| {
            (here != in_log).then(|| Difference { number: story.number.to_string(), in_log, here })
        };
        let row = &last.row;
        let counts = |name: &str, in_log: i32| differs(number(name).to_string(), in_log.to_string());
        self.reassignment_count.add(counts("reassignment_count", row.reassignment_count));
        self.reopen_count.add(counts("reopen_count", row.reopen_count));
        let (state, reason) = row.state.here();
        let told = |state: &str, reason: Option<&str>| match reason {
            Some(reason) => format!("{state} for {reason}"),
            None => state.to_owned(),
        };
        let here = told(text("state").unwrap_or_default(), text("hold_reason"));
        self.final_state.add(differs(here, told(state, reason)));
        let team = text("team_id").and_then(|id| teams.get(id)).cloned().unwrap_or_default();
        let logged = last_hand(story).to_string();
        self.final_team.add(differs(team, logged));
        self.add_priorities(story, position, stored);
        self.add_routing(story, stored, teams);
        Ok(())
    }

    fn add_priorities(&mut self, story: &Story, position: &Position, stored: &Stored<'_>) {
        let mut version = 1;
        for event in story.events.iter().skip(1).filter(|e| e.position <= position.position) {
            version = stored.versions.get(&request_id(story, event)).copied().unwrap_or(version);
            let wanted = stored.priorities.range(..=version).next_back().map(|(_, priority)| *priority);
            let in_log = i64::from(event.row.priority);
            let different = (wanted != Some(in_log)).then(|| Difference {
                number: format!("{} (line {})", story.number, event.row.line),
                in_log: in_log.to_string(),
                here: wanted.map_or("none".to_owned(), |p| p.to_string()),
            });
            self.priority.add(different);
        }
    }

    fn add_routing(&mut self, story: &Story, stored: &Stored<'_>, teams: &HashMap<String, String>) {
        let Some(first) = first_group(story) else { return };
        let routed = stored.routed.as_ref().and_then(|id| teams.get(id)).cloned().unwrap_or_default();
        self.not_routed += u64::from(routed.is_empty());
        self.routing.add((*routed != **first).then(|| Difference {
            number: story.number.to_string(),
            in_log: first.to_string(),
            here: routed,
        }));
    }
}

fn last_hand(story: &Story) -> &Hand {
    story.events.iter().rev().find_map(|e| e.hands.last()).unwrap_or(&Hand::Nobody)
}

/// The first group that the log names.
pub fn first_group(story: &Story) -> Option<&Text> {
    story.events.iter().find_map(|e| e.row.group.as_ref())
}

/// The versions that events left behind, by what the audit trail says of who asked.
fn versions(connection: &mut AnyConnection, ids: &[RecordId]) -> Result<HashMap<RecordId, HashMap<String, i32>>> {
    let subjects: Vec<&str> = ids.iter().map(RecordId::as_str).collect();
    let rows: Vec<(String, i32, String)> = audit::table
        .filter(audit::subject_id.eq_any(subjects))
        .filter(audit::via.eq(Via::Import.as_text()))
        .order((audit::subject_id, audit::subject_version))
        .select((audit::subject_id, audit::subject_version, audit::request_id))
        .load(connection)?;
    let mut versions: HashMap<RecordId, HashMap<String, i32>> = HashMap::new();
    for (subject, version, request) in rows {
        let Ok(id) = subject.parse() else { continue };
        versions.entry(id).or_default().insert(request, version);
    }
    Ok(versions)
}

type Decisions = (BTreeMap<i32, i64>, Option<String>);

/// What the policies wanted, whether it was carried out or only watched.
fn decisions(connection: &mut AnyConnection, ids: &[RecordId]) -> Result<HashMap<RecordId, Decisions>> {
    let rows: Vec<(RecordId, i32, String, JsonText, JsonText)> = decision::table
        .filter(decision::record_id.eq_any(ids))
        .filter(decision::kind.eq_any(["priority", "routing"]))
        .order((decision::record_id, decision::record_version, decision::id))
        .select((decision::record_id, decision::record_version, decision::kind, decision::applied, decision::discarded))
        .load(connection)?;
    let mut decisions: HashMap<RecordId, Decisions> = HashMap::new();
    for (id, version, kind, applied, discarded) in rows {
        let mut intents: Vec<Value> = applied.read()?;
        intents.extend(discarded.read::<Vec<Value>>()?);
        let (priorities, routed) = decisions.entry(id).or_default();
        let wants = |field: &str| intents.iter().find(|i| i["field"] == field).map(|i| &i["to"]);
        if let (Some(priority), "priority") = (wants("priority").and_then(Value::as_i64), kind.as_str()) {
            priorities.insert(version, priority);
        }
        if let (Some(team), "routing", 1) = (wants("team_id").and_then(Value::as_str), kind.as_str(), version) {
            *routed = Some(team.to_owned());
        }
    }
    Ok(decisions)
}
