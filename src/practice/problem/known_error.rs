//! Known errors that fit what somebody types: found by where it happens and by the words with which it is told of.
//!
//! **Invariant:** whatever the caller may not be told of is left out before the best are chosen, so that it takes nobody's place.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Problem, ProblemPractice,
    near::Near,
    sight::{self, Sight},
    word,
};
use crate::{
    clock::Moment,
    error::Result,
    id::RecordId,
    record::{
        header::Header,
        list::{Asked, List},
        practice::{Details, Practice},
        query::filter::{Filter, Op, Value},
        store::Reading,
    },
};

/// Which problems are suggested: known errors whose cause is not gone.
const SUGGESTIBLE: &str = "known_error_at != null AND phase != \"done\" AND closure != \"resolved\"";
/// How many are looked at of those that one thing in common has found.
const CANDIDATES: usize = 100;
/// How many are suggested.
const SUGGESTED: usize = 10;
/// What shared words count for at most.
const WORDS: u32 = 4;

/// What somebody knows of an incident so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = TypedIncident)]
pub struct Typed {
    /// The title.
    #[schema(max_length = 255, examples("Mail does not arrive"))]
    pub title: String,
    /// The description.
    #[schema(max_length = 32000)]
    pub description: String,
    /// The category.
    #[schema(required = false, max_length = 100)]
    pub category: Option<String>,
    /// The subcategory.
    #[schema(required = false, max_length = 100)]
    pub subcategory: Option<String>,
    /// The service that is hit.
    #[schema(required = false)]
    pub service_id: Option<RecordId>,
    /// The configuration item that is hit.
    #[schema(required = false)]
    pub configuration_item_id: Option<RecordId>,
}

/// Why a known error is suggested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KnownErrorFit)]
pub enum Fit {
    /// Its error code stands in the text.
    ErrorCode,
    /// It is about the same configuration item.
    ConfigurationItem,
    /// It affects the same configuration item.
    AffectedItem,
    /// It is about, or affects, a configuration item that this one rests on, or that rests on it.
    ItemNearby,
    /// It is about the same service.
    Service,
    /// It affects the same service.
    AffectedService,
    /// It has the same category.
    Category,
    /// It has the same subcategory, too.
    Subcategory,
    /// Words of the text stand in its title or symptom.
    Words,
}

/// A known error that fits. Who may not read problems gets what is published of it: title, error code and workaround.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KnownError {
    /// The id of the problem; null for who may not read it.
    #[schema(required = true)]
    pub id: Option<RecordId>,
    /// Its number; null for who may not read it.
    #[schema(required = true)]
    pub number: Option<String>,
    /// Its title.
    pub title: String,
    /// What people see of it; null for who may not read the problem.
    #[schema(required = true)]
    pub symptom: Option<String>,
    /// Why it happens; null for who may not read the problem.
    #[schema(required = true)]
    pub cause: Option<String>,
    /// How it is dealt with.
    #[schema(required = true)]
    pub workaround: Option<String>,
    /// By what it is recognised.
    #[schema(required = true)]
    pub error_code: Option<String>,
    /// Since when it is known; null for who may not read the problem.
    #[schema(required = true)]
    pub known_error_at: Option<Moment>,
    /// How well it fits; what fits best comes first. 0 for who may not read the problem.
    pub score: u32,
    /// Why it does; nothing for who may not read the problem.
    pub because: Vec<Fit>,
}

/// The known errors that fit best, of those of which the caller may be told and whose cause is not gone.
///
/// # Errors
/// The caller may neither read problems nor make incidents.
pub fn suggest(reading: &mut Reading<'_>, typed: &Typed) -> Result<Vec<KnownError>> {
    let sight = Sight::of(reading)?;
    let (telling, mut found) = word::look_up(reading, &sight, (&typed.title, &typed.description), CANDIDATES)?;
    let near = Near::of(reading, typed)?;
    found.extend(near.known_errors(reading, &sight, CANDIDATES as i64)?);
    let headers = candidates(reading, &sight, typed, found)?;
    let ids: Vec<RecordId> = headers.iter().map(|header| header.id).collect();
    let details: BTreeMap<RecordId, Problem> =
        Problem::load(reading.connection, &ids)?.into_iter().map(|problem| (problem.record_id, problem)).collect();
    let affected = near.affected_by(reading.connection, &ids)?;
    let text = format!("{} {}", typed.title, typed.description).to_lowercase();
    let known = headers.iter().filter_map(|header| {
        let problem = details.get(&header.id)?;
        let affects = affected.get(&header.id).map(Vec::as_slice).unwrap_or_default();
        let places =
            [near.item_fit(header.configuration_item_id, affects), near.service_fit(header.service_id, affects)];
        fit(header, problem, (typed, &text), places, said(header, problem, &telling))
    });
    let mut best: Vec<KnownError> = known.collect();
    // The sort is stable.
    best.sort_by_key(|one| std::cmp::Reverse(one.score));
    best.truncate(SUGGESTED);
    Ok(match sight {
        Sight::Seen => best,
        Sight::Published(_) => best.into_iter().map(KnownError::published).collect(),
    })
}

/// Those of which the caller may be told among what was found, and those that happen where they say; what changed last comes first.
fn candidates(
    reading: &mut Reading<'_>,
    sight: &Sight,
    typed: &Typed,
    mut found: Vec<RecordId>,
) -> Result<Vec<Header>> {
    let most = CANDIDATES as i64;
    let mut headers: HashMap<RecordId, Header> = HashMap::new();
    match sight {
        Sight::Seen => {
            let list = suggestible(reading)?;
            found = list.among(reading.connection, &found)?.into_iter().collect();
            for place in places(typed) {
                let there = list.with(place)?.following(reading.connection, None, most)?;
                headers.extend(there.into_iter().map(|header| (header.id, header)));
            }
        }
        Sight::Published(ids) => {
            found.extend(sight::there(reading.connection, ids, typed, most)?);
            found.retain(|id| ids.contains(id));
        }
    }
    headers.extend(Header::find_all(reading.connection, &found)?.into_iter().map(|header| (header.id, header)));
    let mut headers: Vec<Header> = headers.into_values().collect();
    headers.sort_by_key(|header| std::cmp::Reverse((header.updated_at, header.id)));
    Ok(headers)
}

/// Those that the caller sees, what changed last first.
fn suggestible<'a>(reading: &mut Reading<'a>) -> Result<List<'a>> {
    let kind = &const { ProblemPractice::KIND };
    let asked =
        Asked { filter: Some(SUGGESTIBLE.to_owned()), sort: Some("-updated_at".to_owned()), ..Asked::default() };
    List::new(reading.kernel, reading.connection, &reading.cause.caller, Some(kind), &asked, reading.cause.at)
}

/// Where it happens, as filters of which each is enough. A category alone is too coarse to say anything.
fn places(typed: &Typed) -> Vec<Vec<Filter>> {
    let is = |field, value| Filter::compare(field, Op::Equal, value);
    let service = typed.service_id.map(|id| vec![is("service_id", Value::Id(id.to_string()))]);
    let both = typed.category.clone().zip(typed.subcategory.clone());
    let both = both.map(|(one, other)| vec![is("category", Value::Text(one)), is("subcategory", Value::Text(other))]);
    [service, both].into_iter().flatten().collect()
}

/// What the words say that a known error shares with the text.
fn said(header: &Header, problem: &Problem, telling: &HashMap<String, u32>) -> u32 {
    let told = word::words(&[&header.title, problem.symptom.as_deref().unwrap_or_default()]);
    told.iter().filter_map(|word| telling.get(word)).sum()
}

/// How well one fits, if it does: where it happens counts double for each step nearer, and one shared word alone is chance.
fn fit(
    header: &Header,
    problem: &Problem,
    (typed, text): (&Typed, &str),
    places: [Option<(Fit, u32)>; 2],
    said: u32,
) -> Option<KnownError> {
    let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
    let code = problem.error_code.as_deref().is_some_and(|code| text.contains(&code.to_lowercase()));
    let service = header.service_id.is_some() && header.service_id == typed.service_id;
    let category = same(&problem.category, &typed.category);
    let subcategory = category && same(&problem.subcategory, &typed.subcategory);
    let fits = [
        (code, Fit::ErrorCode, 8),
        (service, Fit::Service, 2),
        (category, Fit::Category, 1),
        (subcategory, Fit::Subcategory, 1),
        (said >= word::LEAST, Fit::Words, said.div_ceil(2).min(WORDS)),
    ];
    let fits = fits.into_iter().filter(|(is_so, ..)| *is_so).map(|(_, fit, for_it)| (fit, for_it));
    let mut because: Vec<(Fit, u32)> = fits.chain(places.into_iter().flatten()).collect();
    because.sort_by_key(|(fit, _)| *fit);
    // A category alone is too coarse to say anything.
    let score = because.iter().map(|(_, for_it)| for_it).sum();
    (score > 1).then(|| KnownError {
        id: Some(header.id),
        number: Some(header.number.clone()),
        title: header.title.clone(),
        symptom: problem.symptom.clone(),
        cause: problem.cause.clone(),
        workaround: problem.workaround.clone(),
        error_code: problem.error_code.clone(),
        known_error_at: problem.known_error_at,
        score,
        because: because.into_iter().map(|(fit, _)| fit).collect(),
    })
}

impl KnownError {
    /// What is published of it: how it is called and recognised, and how it is dealt with.
    fn published(self) -> KnownError {
        let KnownError { title, workaround, error_code, .. } = self;
        let (symptom, cause, known_error_at) = (None, None, None);
        // What it fits by would tell what of it is not published.
        let (score, because) = (0, Vec::new());
        KnownError {
            id: None,
            number: None,
            title,
            symptom,
            cause,
            workaround,
            error_code,
            known_error_at,
            score,
            because,
        }
    }
}
