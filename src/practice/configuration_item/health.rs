//! Health: how complete, correct and compliant configuration items are. Each check is a filter, so that what fails is a list that can be
//! opened.

pub mod duplicate;

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use self::duplicate::DuplicateGroup;
use super::ConfigurationItemPractice;
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Error, FieldError, Result},
    id::RowId,
    record::{
        class::{Classes, PLACE},
        kind::{Kind, Reference},
        list::{Asked, List},
        practice::Practice,
        query::filter::MAX_TERMS,
        store::Reading,
        twin,
    },
    schema::compliance_rule,
};

const KIND: &Kind = &ConfigurationItemPractice::KIND;
/// What is used: what was retired has nothing to comply with.
pub const IN_USE: &str = "phase != closed";
/// Attributes that one filter asks about: it has room for some more comparisons.
const ATTRIBUTES: usize = MAX_TERMS - 10;
/// References that one filter asks about, beside what else makes a thing incorrect.
const REFERENCES: usize = MAX_TERMS - 20;

/// What configuration items have to comply with.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = compliance_rule)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct RuleRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub scope: String,
    pub condition: String,
    pub active: bool,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// How healthy configuration items are.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConfigurationHealth {
    /// How many are looked at: all that are not retired.
    pub items: i64,
    /// The share that is complete, from 0 to 100; null where there are none.
    pub complete_percent: Option<f64>,
    /// Whether each has the attributes that its class requires or recommends: a check for each class.
    pub complete: Vec<HealthCheck>,
    /// The share that is neither an orphan nor stale, refers to nothing that is gone and is there once, from 0 to 100; null where there are
    /// none.
    pub correct_percent: Option<f64>,
    /// Whether each is related to something, was seen or looked at, refers to what is in use, and is there once.
    pub correct: Vec<HealthCheck>,
    /// What may be there twice: records that are the same in a way by which those of their class are recognised. Up to a hundred groups of
    /// each way, the largest first; the check `duplicate` counts all.
    pub duplicates: Vec<DuplicateGroup>,
    /// The share of what rules ask of items, each rule of each item by itself, that is as they want it, from 0 to 100; null where
    /// nothing is asked.
    pub compliant_percent: Option<f64>,
    /// Whether each complies with the rules: a check for each rule.
    pub compliant: Vec<HealthCheck>,
}

/// A check, and what fails it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct HealthCheck {
    /// What is checked: a class, `orphan`, `stale`, `dangling_reference`, `duplicate`, `retired_but_related`, or the name of a rule.
    #[schema(examples("orphan"))]
    pub check: String,
    /// What fails it.
    pub description: String,
    /// How many it is about.
    pub items: i64,
    /// How many of them fail.
    pub failing: i64,
    /// The filter that finds those that fail: `GET /api/v1/configuration_items?filter=`.
    pub filter: String,
}

impl RuleRow {
    /// Those that are active, by name.
    pub fn active(connection: &mut AnyConnection) -> Result<Vec<Self>> {
        let active = compliance_rule::table.filter(compliance_rule::active.eq(true));
        Ok(active.order(compliance_rule::name).load(connection)?)
    }

    /// What it is about, as a filter.
    pub fn about(&self) -> String {
        if self.scope.trim().is_empty() { IN_USE.to_owned() } else { format!("{IN_USE} AND ({})", self.scope) }
    }

    /// What fails it, as a filter.
    pub fn failing(&self) -> String {
        format!("{} AND NOT ({})", self.about(), self.condition)
    }

    /// Refuses one that can't be asked.
    pub fn check(&self, reading: &mut Reading<'_>) -> Result<()> {
        let mut errors = Vec::new();
        if self.condition.trim().is_empty() {
            errors.push(FieldError::new("/condition", "required", "`condition` is a filter that all must fit."));
        }
        let both =
            [("/scope", self.scope.clone()), ("/condition", self.condition.clone()), ("/condition", self.failing())];
        for (pointer, filter) in both.into_iter().filter(|(_, filter)| !filter.trim().is_empty()) {
            if let Err(wrong) = list(reading, &filter) {
                if wrong.source.is_some() {
                    return Err(wrong);
                }
                let detail = wrong.errors.first().map_or(wrong.detail.clone(), |error| error.detail.clone());
                errors.push(FieldError::new(pointer, "bad_filter", detail));
                break;
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
    }
}

/// After how many days something is stale.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// What sources tell of: since one last did.
    pub seen: i32,
    /// What none tells of: since it was last changed or certified.
    pub kept: i32,
}

/// How healthy what the caller sees is.
pub fn health(reading: &mut Reading<'_>, patience: Patience) -> Result<ConfigurationHealth> {
    let items = count(reading, IN_USE)?;
    let classes = reading.kernel.classes(reading.connection, KIND)?;
    let (mut complete, mut lacking) = (Vec::new(), 0);
    for (class, filters) in incomplete(&classes) {
        let (checks, failing) = completeness(reading, &class, filters)?;
        complete.extend(checks);
        lacking += failing;
    }
    let (checks, wrong) = correctness(reading, &classes, patience)?;
    let mut compliant = Vec::new();
    for rule in RuleRow::active(reading.connection)? {
        // A rule may name an attribute that is gone; it is told by its own endpoint.
        let described = if rule.description.is_empty() { &rule.condition } else { &rule.description };
        match check(reading, &rule.name, described, &rule.about(), rule.failing()) {
            Ok(checked) => compliant.push(checked),
            Err(wrong) if wrong.source.is_some() => return Err(wrong),
            Err(wrong) => tracing::warn!(rule = rule.name, %wrong, "a rule can't be asked"),
        }
    }
    let asked: i64 = compliant.iter().map(|check| check.items).sum();
    let failing: i64 = compliant.iter().map(|check| check.failing).sum();
    Ok(ConfigurationHealth {
        items,
        complete_percent: percent(items - lacking, items),
        complete,
        correct_percent: percent(items - wrong, items),
        correct: checks,
        duplicates: duplicate::groups(reading, &classes)?,
        compliant_percent: percent(asked - failing, asked),
        compliant,
    })
}

/// The checks of what is used and of what is not any more, and how many in use fail one of them.
fn correctness(reading: &mut Reading<'_>, classes: &Classes, patience: Patience) -> Result<(Vec<HealthCheck>, i64)> {
    let in_use = [
        ("orphan", "It has no relation to anything.", "relations = null AND related_by = null".to_owned()),
        (
            "stale",
            "No source has told of it for longer than `stale_days`; or none ever has, and nobody has changed or certified it for longer than `review_days`.",
            stale(patience),
        ),
        (
            "dangling_reference",
            "It refers to a person, team or organisation that is not active any more, or to a configuration item that is retired.",
            dangling(classes),
        ),
        (
            "duplicate",
            "There is another one that is the same in a way by which those of its class are recognised.",
            format!("{} != null", twin::BY),
        ),
    ];
    let any = in_use.iter().map(|(_, _, wrong)| format!("({wrong})")).collect::<Vec<_>>().join(" OR ");
    let wrong = count(reading, &format!("{IN_USE} AND ({any})"))?;
    let mut checks = Vec::new();
    for (name, description, wrong) in in_use {
        checks.push(check(reading, name, description, IN_USE, format!("{IN_USE} AND ({wrong})"))?);
    }
    let related = "phase = closed AND (relations != null OR related_by != null)".to_owned();
    let description = "It is retired, and something is still related to it.";
    checks.push(check(reading, "retired_but_related", description, "phase = closed", related)?);
    Ok((checks, wrong))
}

/// What nobody has said anything of for too long, as a filter. To certify something changes it.
fn stale(Patience { seen, kept }: Patience) -> String {
    let unseen = format!("seen_at != null AND NOT seen_at > now() - {seen}d");
    format!("({unseen}) OR (seen_at = null AND NOT updated_at > now() - {kept}d)")
}

/// What refers to something that has been given up since, as a filter.
fn dangling(classes: &Classes) -> String {
    let given = classes.fields().iter().filter(|field| field.active).filter_map(|field| {
        let gone = if let Reference::Record(_) = field.refers_to()? { "phase = closed" } else { "active = false" };
        Some(format!("{PLACE}.{}.{gone}", field.name))
    });
    let own = ["owner.active = false", "support_team.active = false"].map(str::to_owned);
    own.into_iter().chain(given).take(REFERENCES).collect::<Vec<_>>().join(" OR ")
}

/// A share in percent, to one decimal; of nothing, none.
fn percent(part: i64, whole: i64) -> Option<f64> {
    let thousandths = part.saturating_mul(1_000).checked_div(whole)?;
    Some(f64::from(i32::try_from(thousandths).unwrap_or(0)) / 10.0)
}

/// For each class with attributes that its records should have, the filters of those that lack one: a filter has room for some alone.
fn incomplete(classes: &Classes) -> Vec<(String, Vec<String>)> {
    let of_class = classes.names().filter_map(|name| {
        let wanted = classes.get(name)?.attributes.iter().filter(|a| a.active && (a.required || a.recommended));
        let lacking: Vec<String> = wanted.map(|a| format!("{PLACE}.{} = null", a.name)).collect();
        let filter = |part: &[String]| format!("{IN_USE} AND class = {name} AND ({})", part.join(" OR "));
        (!lacking.is_empty()).then(|| (name.to_owned(), lacking.chunks(ATTRIBUTES).map(filter).collect()))
    });
    of_class.collect()
}

/// The checks of a class, and how many of its records fail one of them.
fn completeness(reading: &mut Reading<'_>, class: &str, filters: Vec<String>) -> Result<(Vec<HealthCheck>, i64)> {
    let about = format!("{IN_USE} AND class = {class}");
    let description = "An attribute is missing that the class requires or recommends.";
    let (mut checks, mut failing) = (Vec::new(), BTreeSet::new());
    let is_one = filters.len() == 1;
    for filter in filters {
        let check = check(reading, class, description, &about, filter)?;
        if check.items == 0 {
            return Ok((Vec::new(), 0));
        }
        // A record that fails several of them is counted once.
        if !is_one {
            failing.extend(list(reading, &check.filter)?.ids(reading.connection)?);
        }
        checks.push(check);
    }
    let lacking = if is_one { checks.iter().map(|check| check.failing).sum() } else { failing.len() as i64 };
    Ok((checks, lacking))
}

fn list<'a>(reading: &mut Reading<'a>, filter: &str) -> Result<List<'a>> {
    let asked = Asked { filter: Some(filter.to_owned()), ..Asked::default() };
    List::new(reading.kernel, reading.connection, &reading.cause.caller, Some(KIND), &asked, reading.cause.at)
}

fn count(reading: &mut Reading<'_>, filter: &str) -> Result<i64> {
    list(reading, filter)?.count(reading.connection)
}

fn check(reading: &mut Reading<'_>, name: &str, description: &str, about: &str, filter: String) -> Result<HealthCheck> {
    let items = count(reading, about)?;
    let failing = if items == 0 { 0 } else { count(reading, &filter)? };
    Ok(HealthCheck { check: name.to_owned(), description: description.to_owned(), items, failing, filter })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{practice::configuration_item::classes::SHIPPED, record::class::ClassRow};

    #[test]
    fn what_is_incomplete_is_a_filter_of_each_class() {
        let at = "2026-03-03T11:00:00Z".parse().unwrap();
        let rows: Vec<ClassRow> =
            SHIPPED.iter().map(|class| class.as_new("configuration_item").row(at).unwrap()).collect();
        let found: BTreeMap<String, Vec<String>> = incomplete(&Classes::of(rows).unwrap()).into_iter().collect();
        assert_eq!(
            found["certificate"].join("; "),
            "phase != closed AND class = certificate AND (attributes.subject = null OR attributes.expires_on = null)"
        );
        assert!(!found.contains_key("other") && !found.contains_key("hardware"));
    }

    #[test]
    fn shares_are_told_to_one_decimal() {
        let cases = [(1, 3, Some(33.3)), (3, 3, Some(100.0)), (0, 3, Some(0.0)), (2, 3, Some(66.6)), (0, 0, None)];
        for (part, whole, expected) in cases {
            assert_eq!(percent(part, whole), expected);
        }
    }
}
