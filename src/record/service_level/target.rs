//! Which target counts for a record.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    clock::Length,
    id::{OrganisationId, RecordId, TeamId},
};

/// How long something may take, and for which records. What is left out fits every record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ServiceLevelTarget)]
pub struct Target {
    /// How much of the calendar's time it may take.
    pub duration: Length,
    /// The calendar that counts for this target, by its name, where it is another than that of the service level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, max_length = 100)]
    pub calendar: Option<String>,
    /// Only records of this priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, minimum = 1, maximum = 4)]
    pub priority: Option<i32>,
    /// Only records of this type, such as `security` of incidents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, max_length = 60)]
    pub record_type: Option<String>,
    /// Only records about this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub service_id: Option<RecordId>,
    /// Only records of this organisation and those below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub organisation_id: Option<OrganisationId>,
    /// Only records that this team has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub team_id: Option<TeamId>,
}

/// What decides which target counts.
pub struct Subject<'a> {
    /// The kind, whose type stands in `<kind>_type`.
    pub kind: &'a str,
    /// The record.
    pub record: &'a Map<String, Value>,
    /// Its organisation and those above it.
    pub line: &'a [OrganisationId],
}

impl Target {
    /// How many of the record's properties it names; nothing where it does not fit.
    pub fn fits(&self, subject: &Subject<'_>) -> Option<usize> {
        let text = |name: &str| subject.record.get(name).and_then(Value::as_str);
        let priority = subject.record.get("priority").and_then(Value::as_i64);
        let tests = [
            self.priority.map(|wanted| priority == Some(i64::from(wanted))),
            self.record_type.as_deref().map(|wanted| text(&format!("{}_type", subject.kind)) == Some(wanted)),
            self.service_id.map(|wanted| text("service_id") == Some(wanted.as_str())),
            self.organisation_id.map(|wanted| subject.line.contains(&wanted)),
            self.team_id.map(|wanted| text("team_id") == Some(wanted.as_str())),
        ];
        let named = tests.into_iter().flatten();
        named.clone().all(|fits| fits).then(|| named.count())
    }

    /// How long it may take.
    pub fn length(&self) -> TimeDelta {
        self.duration.0
    }
}

/// The target that counts: the one that names most of the record's properties, and of these the shortest.
pub fn most_specific<'a, T>(
    targets: impl Iterator<Item = (&'a Target, T)>,
    subject: &Subject<'_>,
) -> Option<(&'a Target, T)> {
    let fitting = targets.filter_map(|(target, of)| Some((target.fits(subject)?, target, of)));
    let best = fitting.min_by_key(|(named, target, _)| (usize::MAX - named, target.length()));
    best.map(|(_, target, of)| (target, of))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target(json: Value) -> Target {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_most_specific_target_counts_and_of_two_the_shorter() {
        let (ours, above) = (OrganisationId::new(), OrganisationId::new());
        let (service, team) = (RecordId::new(), TeamId::new());
        let targets = [
            target(json!({"duration": "PT40H"})),
            target(json!({"duration": "PT8H", "priority": 2})),
            target(json!({"duration": "PT4H", "priority": 1})),
            target(json!({"duration": "PT6H", "organisation_id": above})),
            target(json!({"duration": "PT2H", "priority": 1, "service_id": service})),
            target(json!({"duration": "PT3H", "priority": 1, "record_type": "security"})),
            target(json!({"duration": "PT1H", "priority": 3, "team_id": team})),
        ];
        let hours = |record: Value, line: &[OrganisationId]| {
            let Value::Object(record) = record else { panic!("an object") };
            let subject = Subject { kind: "incident", record: &record, line };
            most_specific(targets.iter().map(|t| (t, ())), &subject).map(|(t, ())| t.length().num_hours())
        };
        for (record, line, expected) in [
            (json!({"priority": 4}), vec![ours], Some(40)),
            (json!({"priority": null}), vec![ours], Some(40)),
            (json!({"priority": 4}), vec![ours, above], Some(6)),
            // Of one property each, the shorter one.
            (json!({"priority": 2}), vec![ours, above], Some(6)),
            (json!({"priority": 1}), vec![ours, above], Some(4)),
            (json!({"priority": 1, "service_id": service}), vec![ours], Some(2)),
            (json!({"priority": 1, "incident_type": "security"}), vec![ours], Some(3)),
            (json!({"priority": 1, "incident_type": "security", "service_id": service}), vec![ours], Some(2)),
            (json!({"priority": 3, "team_id": team}), vec![ours], Some(1)),
            (json!({"priority": 3, "team_id": TeamId::new()}), vec![ours], Some(40)),
        ] {
            assert_eq!(hours(record.clone(), &line), expected, "{record}");
        }
    }
}
