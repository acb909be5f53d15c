//! What people say about a major incident, as the API takes it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::row::{Audience, Part, Review};
use crate::{
    clock::{Length, Moment},
    id::UserId,
    record::input::given,
};

/// Accepting a major incident.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Who leads it.
    pub commander_id: UserId,
    /// How often those who wait are told how it stands; nobody is reminded where it is left out.
    #[serde(default)]
    #[schema(required = false)]
    pub update_every: Option<Length>,
}

/// What is to be other about leading it. What is left out stays as it is.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MajorIncidentChange {
    /// Who plays which part; one of them is the commander.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Vec<Part>, max_items = 20)]
    pub roles: Option<Vec<Part>>,
    /// How often those who wait are told; null for not at all.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<Length>)]
    pub update_every: Option<Option<Length>>,
    /// What was learned. What is left out of it stays as it is.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = ReviewChange)]
    pub review: Option<ReviewChange>,
}

/// What is to be other about a review.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MajorIncidentReviewChange)]
pub struct ReviewChange {
    /// When it was held; null for not yet.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<Moment>)]
    pub held_at: Option<Option<Moment>>,
    /// What happened, for those who were not there.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = String, max_length = 8000)]
    pub summary: Option<String>,
    /// Why it happened.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = String, max_length = 8000)]
    pub cause: Option<String>,
    /// What helped.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = String, max_length = 8000)]
    pub went_well: Option<String>,
    /// What did not.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = String, max_length = 8000)]
    pub went_badly: Option<String>,
}

impl ReviewChange {
    /// What a review is then.
    pub fn of(&self, was: Review) -> Review {
        let text = |given: &Option<String>, was: String| given.clone().unwrap_or(was);
        Review {
            held_at: self.held_at.unwrap_or(was.held_at),
            summary: text(&self.summary, was.summary),
            cause: text(&self.cause, was.cause),
            went_well: text(&self.went_well, was.went_well),
            went_badly: text(&self.went_badly, was.went_badly),
        }
    }
}

/// Something for the timeline.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTimelineEntry {
    /// What it is.
    pub kind: NewEntryKind,
    /// Who may read it.
    #[serde(default)]
    #[schema(required = false, default = "internal")]
    pub audience: Audience,
    /// What happened.
    #[schema(min_length = 1, max_length = 8000)]
    pub body: String,
    /// When it happened; now where it is left out. Never later than that.
    #[serde(default)]
    #[schema(required = false)]
    pub at: Option<Moment>,
}

/// What people write into the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NewTimelineKind)]
pub enum NewEntryKind {
    /// Those who wait are told how it stands: a public one is a comment of the incident as well.
    Update,
    /// Something happened.
    Event,
    /// Something was decided.
    Decision,
}

/// Something that is to be done afterwards.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReviewAction {
    /// What is to be done.
    #[schema(min_length = 1, max_length = 200)]
    pub title: String,
    /// Who does it.
    #[serde(default)]
    #[schema(required = false)]
    pub owner_id: Option<UserId>,
    /// By when.
    #[serde(default)]
    #[schema(required = false)]
    pub due_at: Option<Moment>,
}

/// What is to be other about an action. What is left out stays as it is.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewActionChange {
    /// What is to be done.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = String, min_length = 1, max_length = 200)]
    pub title: Option<String>,
    /// Who does it; null for nobody yet.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<UserId>)]
    pub owner_id: Option<Option<UserId>>,
    /// By when.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<Moment>)]
    pub due_at: Option<Option<Moment>>,
    /// Whether it is done.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = bool)]
    pub done: Option<bool>,
}
