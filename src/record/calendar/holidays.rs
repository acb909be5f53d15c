//! Holidays from elsewhere: an iCalendar file, or days by region in JSON. What they say is looked at for some years, and what is
//! no holiday is left out with a reason.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeZone};
use rrule::{RRule, RRuleSet, Tz, Unvalidated};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    content::{Content, Holiday, NAME},
    ical::{self, Event, Fault, Property},
};
use crate::error::{Code, Error, FieldError, Result, did_you_mean};

/// Days of one event at most.
const LONGEST: i64 = 366;
/// Recurring events of a file at most.
const RULES: usize = 100;
/// Occurrences of one event at most, from its first one on.
const OCCURRENCES: usize = 20_000;
/// Days of all events of a file at most, whatever their years.
const DAYS: usize = 200_000;
/// The time that a file may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The last year to which rules are followed.
const END_OF_RULES: i32 = 10_000;
/// Faults that are told of one file at most.
const FAULTS: usize = 20;

/// Holidays by region, each a name by its day.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegionalHolidays {
    /// Where they are from.
    #[serde(default)]
    #[schema(required = false)]
    pub source: Option<String>,
    /// Region → day → name.
    pub holidays: BTreeMap<String, BTreeMap<NaiveDate, String>>,
}

/// What a file says.
#[derive(Debug, Default)]
pub struct Found {
    /// The holidays of the years that were asked for.
    pub days: BTreeMap<NaiveDate, String>,
    /// What is no holiday, in the order of the file.
    pub left_out: Vec<LeftOut>,
    /// How many entries have no day in those years.
    pub outside: usize,
}

/// An entry of a file that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeftOut {
    /// The line of the file at which it begins.
    pub line: usize,
    /// What it is called.
    pub name: String,
    /// Why: `cancelled`, `not_whole_days`, `one_of_series`, `rule_not_understood`, `too_long`, `too_many_rules` or
    /// `too_many_occurrences`.
    pub code: String,
    /// Why, in a sentence.
    pub detail: String,
}

/// What joining holidays to those of a calendar came to.
#[derive(Debug, Default)]
pub struct Joined {
    /// Those that are new.
    pub added: Vec<Holiday>,
    /// Those whose day was a holiday already, as they are called in the calendar.
    pub known: Vec<Holiday>,
}

impl Found {
    fn add(&mut self, day: NaiveDate, name: &str) {
        self.days.entry(day).or_insert_with(|| name.to_owned());
    }

    /// Joins them to the holidays of a calendar; a day that is a holiday already stays as it is.
    pub fn join(&self, content: &mut Content) -> Joined {
        let there: BTreeMap<NaiveDate, Holiday> = content.holidays.iter().map(|day| (day.date, day.clone())).collect();
        let mut joined = Joined::default();
        for (date, name) in &self.days {
            match there.get(date) {
                Some(known) => joined.known.push(known.clone()),
                None => joined.added.push(Holiday { date: *date, name: name.clone() }),
            }
        }
        content.holidays.extend(joined.added.iter().cloned());
        content.holidays.sort_by_key(|holiday| holiday.date);
        joined
    }
}

/// The holidays of a region.
///
/// # Errors
/// There is no such region, or several and none is asked for.
pub fn of_region(given: &RegionalHolidays, region: Option<&str>, years: &RangeInclusive<i32>) -> Result<Found> {
    let regions = || given.holidays.keys().map(String::as_str);
    if given.holidays.is_empty() {
        let detail = "There is no region in `holidays`: it is an object of days for each.";
        return Err(Error::invalid("/holidays", "required", detail));
    }
    let refuse = |code: &str, detail: String| Err(Error::invalid("region", code, detail));
    let days = match (region, given.holidays.len()) {
        (Some(region), _) => match given.holidays.get(region) {
            Some(days) => days,
            None => {
                let near = did_you_mean(region, regions());
                return refuse("unknown_region", format!("There are no holidays of `{region}`{near}."));
            }
        },
        (None, 1) => given.holidays.values().next().unwrap_or(const { &BTreeMap::new() }),
        (None, _) => {
            let all = regions().collect::<Vec<_>>().join(", ");
            return refuse("required", format!("Say in `region` whose holidays are wanted; there are those of {all}."));
        }
    };
    let mut found = Found::default();
    for (day, name) in days {
        if years.contains(&day.year()) { found.add(*day, &tidy(name)) } else { found.outside += 1 }
    }
    Ok(found)
}

/// The holidays of an iCalendar file.
///
/// # Errors
/// What is no iCalendar, every day and rule in it that is none, with their lines, and what takes too long to look through.
pub fn of_ical(text: &str, years: &RangeInclusive<i32>) -> Result<Found> {
    let events = ical::events(text).map_err(|Fault { line, detail }| {
        let detail = format!("The body is not iCalendar as it should be: line {line}: {detail}");
        Error::new(Code::Malformed, detail.clone()).with_errors(vec![FieldError::new("", "malformed", detail)])
    })?;
    let (mut found, mut faults, mut rules) = (Found::default(), Vec::new(), 0);
    let mut budget = Budget { days: DAYS, until: Instant::now() + PATIENCE };
    for event in &events {
        let name = event.get("SUMMARY").map(Property::text).map_or_else(|| tidy(""), |name| tidy(&name));
        rules += usize::from(event.get("RRULE").is_some());
        let days = if rules > RULES && event.get("RRULE").is_some() {
            Err(left_out("too_many_rules", format!("Only the first {RULES} events that recur are looked at.")))
        } else {
            days_of(event, years, &mut budget)
        };
        match days {
            Ok(days) if days.is_empty() => found.outside += 1,
            Ok(days) => days.into_iter().for_each(|day| found.add(day, &name)),
            Err(Apart::Fault(code, fault)) => faults.push((code, fault)),
            Err(Apart::TooMuch) => return Err(too_much(event)),
            Err(Apart::LeftOut { code, detail }) => {
                found.left_out.push(LeftOut { line: event.line, name, code: code.to_owned(), detail });
            }
        }
    }
    if faults.is_empty() {
        return Ok(found);
    }
    faults.truncate(FAULTS);
    let place = |(code, Fault { line, detail })| FieldError::new("", code, format!("Line {line}: {detail}"));
    Err(Error::invalid_all(faults.into_iter().map(place).collect()))
}

/// What a file may still cost.
struct Budget {
    days: usize,
    until: Instant,
}

impl Budget {
    fn spend(&mut self, days: usize) -> Result<(), Apart> {
        self.days = self.days.checked_sub(days).ok_or(Apart::TooMuch)?;
        if Instant::now() > self.until { Err(Apart::TooMuch) } else { Ok(()) }
    }
}

fn too_much(event: &Event) -> Error {
    let (line, seconds) = (event.line, PATIENCE.as_secs());
    let detail = format!(
        "Line {line}: From this event on the file is too much: all events may have {DAYS} days, and {seconds} seconds are \
         taken to look for them."
    );
    Error::invalid("", "too_much", detail)
}

/// Why an event gives no days.
enum Apart {
    /// It is wrong.
    Fault(&'static str, Fault),
    /// The file has cost all that it may.
    TooMuch,
    /// It is no holiday.
    LeftOut { code: &'static str, detail: String },
}

fn left_out(code: &'static str, detail: impl Into<String>) -> Apart {
    Apart::LeftOut { code, detail: detail.into() }
}

fn wrong_date(line: usize, detail: String) -> Apart {
    Apart::Fault("wrong_date", Fault { line, detail })
}

/// The days of an event in these years.
fn days_of(event: &Event, years: &RangeInclusive<i32>, budget: &mut Budget) -> Result<Vec<NaiveDate>, Apart> {
    if event.get("STATUS").is_some_and(|status| status.value.eq_ignore_ascii_case("CANCELLED")) {
        return Err(left_out("cancelled", "It is cancelled."));
    }
    if event.get("RECURRENCE-ID").is_some() {
        return Err(left_out("one_of_series", "It changes one occurrence of another event."));
    }
    let missing = || wrong_date(event.line, "This event has no `DTSTART`.".to_owned());
    let start = day(event.get("DTSTART").ok_or_else(missing)?)?;
    let length = length(event, start)?;
    if length > LONGEST {
        return Err(left_out("too_long", format!("It takes {length} days.")));
    }
    let first_days = match event.get("RRULE") {
        None if event.get("RDATE").is_none() => vec![start],
        rule => recurring(event, start, rule, *years.end(), budget)?,
    };
    budget.spend(first_days.len().saturating_mul(usize::try_from(length).unwrap_or(usize::MAX)))?;
    let days = first_days.into_iter().flat_map(|first| first.iter_days().zip(0..length)).map(|(day, _)| day);
    Ok(days.filter(|day| years.contains(&day.year())).collect())
}

/// The day of a property that holds one.
fn day(property: &Property) -> Result<NaiveDate, Apart> {
    if property.value.contains('T') && property.value.len() >= 15 {
        return Err(left_out("not_whole_days", "It begins or ends within a day; holidays are whole days."));
    }
    let read = |text: &str| NaiveDate::parse_from_str(text, "%Y%m%d").ok().filter(|_| text.len() == 8);
    read(&property.value).ok_or_else(|| {
        let detail = format!("`{}` of `{}` is no day: eight digits, such as 20261225.", property.value, property.name);
        wrong_date(property.line, detail)
    })
}

/// How many days an event takes.
fn length(event: &Event, start: NaiveDate) -> Result<i64, Apart> {
    let fault =
        |property: &Property, detail: &str| Err(wrong_date(property.line, format!("`{}` {detail}", property.value)));
    if let Some(end) = event.get("DTEND") {
        // The end is the day after. Some write the day itself for an event of one day.
        return match day(end)?.signed_duration_since(start).num_days() {
            ..0 => fault(end, "is before the event begins."),
            days => Ok(days.max(1)),
        };
    }
    let Some(duration) = event.get("DURATION") else { return Ok(1) };
    match duration.value.parse::<jiff::Span>() {
        Ok(span) if span.is_negative() => fault(duration, "ends before it begins."),
        Ok(span) if span.fieldwise() == jiff::Span::new().weeks(span.get_weeks()).days(span.get_days()).fieldwise() => {
            Ok((i64::from(span.get_weeks()) * 7 + i64::from(span.get_days())).max(1))
        }
        Ok(_) => Err(left_out("not_whole_days", "It begins or ends within a day; holidays are whole days.")),
        Err(_) => fault(duration, "is no duration, such as P1D."),
    }
}

/// The first days of an event that recurs, up to the end of a year.
fn recurring(
    event: &Event,
    start: NaiveDate,
    rule: Option<&Property>,
    last: i32,
    budget: &mut Budget,
) -> Result<Vec<NaiveDate>, Apart> {
    let mut days = match rule {
        Some(rule) => by_rule(rule, start, last, budget)?,
        None => BTreeSet::from([start]),
    };
    for (name, is_added) in [("RDATE", true), ("EXDATE", false)] {
        for property in event.all(name) {
            for value in property.value.split(',') {
                let one = Property {
                    value: value.to_owned(),
                    name: property.name.clone(),
                    parameters: Vec::new(),
                    ..*property
                };
                let day = day(&one)?;
                if is_added {
                    days.insert(day)
                } else {
                    days.remove(&day)
                };
            }
        }
    }
    Ok(days.into_iter().collect())
}

/// The days of a rule up to the end of a year.
///
/// Days and weekdays are the same every 400 years. So the rule is followed as if it began as late as can be: a rule that fits no
/// day is given up at [`END_OF_RULES`], which then comes soon.
fn by_rule(rule: &Property, start: NaiveDate, last: i32, budget: &mut Budget) -> Result<BTreeSet<NaiveDate>, Apart> {
    let not_understood = |why: &str| left_out("rule_not_understood", format!("Its rule is not understood: {why}."));
    if !rule.value.split(';').any(|part| part.eq_ignore_ascii_case("FREQ=YEARLY")) {
        return Err(not_understood("only `FREQ=YEARLY` is"));
    }
    may_be_followed(rule)?;
    let refused = |e: rrule::RRuleError| not_understood(e.to_string().trim_end_matches('.'));
    let mut parsed = in_utc(&rule.value).parse::<RRule<Unvalidated>>().map_err(refused)?;
    let later = (END_OF_RULES - last) / 400 * 400;
    if let Some(until) = parsed.get_until().copied() {
        let Some(until) = moved(until.date_naive(), later) else { return Err(not_understood("it ends too late")) };
        parsed = parsed.until(midnight(until));
    }
    let Some(begin) = moved(start, later).map(midnight).filter(|at| at.year() <= END_OF_RULES) else {
        return Ok(BTreeSet::new());
    };
    let rule = parsed.validate(begin).map_err(refused)?;
    let mut days = BTreeSet::new();
    for at in &RRuleSet::new(begin).limit().rrule(rule) {
        budget.spend(1)?;
        let Some(day) = moved(at.date_naive(), -later).filter(|day| day.year() <= last) else { break };
        if days.len() == OCCURRENCES {
            return Err(left_out("too_many_occurrences", format!("It recurs more than {OCCURRENCES} times.")));
        }
        days.insert(day);
    }
    // The rule may have been followed in vain for long.
    budget.spend(0)?;
    Ok(days)
}

/// Refuses a rule that is none for whole days, or that never goes on.
fn may_be_followed(rule: &Property) -> Result<(), Apart> {
    let fault = |detail: String| Err(Apart::Fault("wrong_rule", Fault { line: rule.line, detail }));
    for (name, value) in rule.value.split(';').filter_map(|part| part.split_once('=')) {
        match name.to_ascii_uppercase().as_str() {
            "BYHOUR" | "BYMINUTE" | "BYSECOND" => {
                return fault(format!("`{name}` can't be in the rule of an event of whole days."));
            }
            "INTERVAL" if value.parse() == Ok(0_u32) => {
                return fault("`INTERVAL` is at least 1.".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

/// The same day of another year; none where that is beyond all calendars.
fn moved(day: NaiveDate, years: i32) -> Option<NaiveDate> {
    day.with_year(day.year().checked_add(years)?)
}

/// A rule whose end, a day or a local time, is said in UTC, as that of its beginning is here.
fn in_utc(rule: &str) -> String {
    let part = |part: &str| match part.split_once('=') {
        Some((name, day)) if name.eq_ignore_ascii_case("UNTIL") && day.len() == 8 => format!("UNTIL={day}T000000Z"),
        Some((name, at)) if name.eq_ignore_ascii_case("UNTIL") && at.len() == 15 => format!("UNTIL={at}Z"),
        _ => part.to_owned(),
    };
    rule.split(';').map(part).collect::<Vec<_>>().join(";")
}

fn midnight(day: NaiveDate) -> DateTime<Tz> {
    Tz::UTC.from_utc_datetime(&day.and_time(NaiveTime::MIN))
}

/// A name that a calendar takes.
fn tidy(name: &str) -> String {
    let line: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let short: String = line.trim().chars().take(NAME).collect();
    if short.is_empty() { "Holiday".to_owned() } else { short }
}
