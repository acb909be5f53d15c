//! Import of configuration items and their relations, and the audit of what is there against a list of what was discovered.
//!
//! Each row is recognised ([`identify`]): by its number, by the key that its source has for it, then by what its class says. What it says is reconciled
//! field by field ([`reconcile`]): a source of lower priority does not overwrite what one of higher priority has said, unless that is
//! stale. A rehearsal does the same in transactions that are taken back ([`run`]), so that it tells what the import would come to.
//!
//! - [`row`]: the tables; [`apply`]: one row, [`said`]: what it says, [`known`]: what was learnt of others; [`relation`]: one relation;
//! - [`missing`]: what no row names, and what becomes of it ([`gone`]); [`returned`]: what is found again; [`drift`]: what is other than recorded.
//!
//! What is written is written with the server's rights, but what is named is found with those of whoever asked: an import tells of, and
//! relates, what its caller sees and may change.

pub mod apply;
pub mod drift;
pub mod gone;
pub mod identify;
pub mod known;
pub mod missing;
pub mod reconcile;
pub mod relation;
pub mod returned;
pub mod row;
pub mod run;
pub mod said;

use std::{collections::HashSet, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use self::{drift::Looked, reconcile::Weights};
use crate::{
    auth::{caller::Caller, horizon::Horizon},
    clock::Moment,
    record::input::given,
};

/// The kind of its jobs.
pub const KIND: &str = "configuration_import";
/// Rows of one import at most.
pub const MOST: usize = 100_000;

/// What is imported.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfigurationImportContent)]
pub struct Content {
    /// Configuration items.
    #[serde(default)]
    #[schema(required = false, max_items = 100000)]
    pub items: Vec<Item>,
    /// Relations between them, or with what is there.
    #[serde(default)]
    #[schema(required = false, max_items = 100000)]
    pub relations: Vec<RelationItem>,
}

/// A configuration item as a source tells of it. What is left out is not said, and stays; so does what is null, unless the source says by
/// that that there is nothing (`empty` of a data source).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfigurationImportItem)]
pub struct Item {
    /// What the source calls it: it is recognised by that for ever after.
    #[serde(default)]
    #[schema(required = false, max_length = 200, examples("device:17"))]
    pub key: Option<String>,
    /// Its number, by which it is recognised whatever else is said. A number is given by the server: one that is not there is refused.
    #[serde(default)]
    #[schema(required = false, max_length = 40, examples("CI0000007"))]
    pub number: Option<String>,
    /// Its class; that of the import where nothing is said.
    #[serde(default)]
    #[schema(required = false, max_length = 60, examples("server"))]
    pub class: Option<String>,
    /// Its title.
    #[serde(default)]
    #[schema(required = false, max_length = 255)]
    pub title: Option<String>,
    /// The whole story.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<String>, max_length = 32000)]
    pub description: Option<Option<String>>,
    /// What it is used for.
    #[serde(default)]
    #[schema(required = false, max_length = 40, examples("production"))]
    pub environment: Option<String>,
    /// How much depends on it.
    #[serde(default)]
    #[schema(required = false, max_length = 40, examples("gold"))]
    pub criticality: Option<String>,
    /// The state that it is in: it is taken there by the step of the lifecycle that leads there. What is retired is brought back by the source
    /// that has retired it, and by people, alone.
    #[serde(default)]
    #[schema(required = false, max_length = 40, examples("live"))]
    pub state: Option<String>,
    /// Who answers for it: user name, mail address or id.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<String>, max_length = 200)]
    pub owner: Option<Option<String>>,
    /// The team that looks after it: name or id.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<String>, max_length = 200)]
    pub support_team: Option<Option<String>>,
    /// The organisation whose it is: name or id.
    #[serde(default)]
    #[schema(required = false, max_length = 200)]
    pub organisation: Option<String>,
    /// Its attributes, by name. What one refers to is named as owner, team and organisation are; a configuration item by its number, its id, or
    /// the source's key of one that is there or that a row before this one has told of.
    #[serde(default)]
    #[schema(required = false, value_type = Object)]
    pub attributes: Map<String, Value>,
}

/// A relation as a source tells of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfigurationImportRelation)]
pub struct RelationItem {
    /// The record that has it: the source's key of a configuration item, or the id or number of any record.
    #[schema(max_length = 200, examples("device:17"))]
    pub from: String,
    /// Its type, by the name of either end.
    #[schema(max_length = 60, examples("runs_on"))]
    pub relation: String,
    /// The record at the other end.
    #[schema(max_length = 200, examples("CI0000007"))]
    pub to: String,
    /// The redundancy group that it is in, of the one that depends. It is made where it is not there.
    #[serde(default)]
    #[schema(required = false, max_length = 100)]
    pub group: Option<String>,
    /// How many of the group must be up; 1 where nothing is said and the group is made.
    #[serde(default)]
    #[schema(required = false, minimum = 1, maximum = 1000)]
    pub min_up: Option<i32>,
}

/// What is to be done; stored with the job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Who says it.
    pub source: String,
    /// Whether it is only rehearsed.
    pub rehearse: bool,
    /// The class of items that name none.
    pub class: Option<String>,
    /// A filter: what it finds and no row names is missing.
    pub scope: Option<String>,
    /// When the source looked; when the import was asked for, if nothing is said.
    #[serde(default)]
    pub observed_at: Option<Moment>,
    /// What it says. It stands beside the job: those who follow it need nothing of it.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub content: Content,
}

/// All that rows are taken in by.
pub struct Ground {
    /// What is to be done.
    pub asked: Asked,
    /// Whose word counts how much.
    pub weights: Weights,
    /// When the source looked: what it has told of since stands, however late the import is done.
    pub observed_at: Moment,
    /// Who asked for it.
    pub caller: Arc<Caller>,
    /// Whom they see.
    pub horizon: Horizon,
    /// What its source had looked for before, where that reports drift.
    pub looked: Option<Looked>,
    /// The keys that rows name.
    pub keys: HashSet<String>,
}

impl Content {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.relations.is_empty()
    }
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConfigurationImportOutcome)]
pub enum Outcome {
    /// It was not there; of an audit: unknown.
    Created,
    /// It was changed.
    Updated,
    /// It is there as the source says.
    Unchanged,
    /// It is there otherwise than the source says, and what another has said stands.
    Different,
    /// It can't be told which record it is.
    Ambiguous,
    /// It can't be stored.
    Refused,
    /// It is within the scope, and no row names it; or it is a relation that the source has made, and no row names it though rows name both
    /// ends, by themselves or in other relations of its type.
    Missing,
    /// It was missing, and its source retires what it no longer finds.
    Retired,
}

impl Outcome {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Updated => "updated",
            Outcome::Unchanged => "unchanged",
            Outcome::Different => "different",
            Outcome::Ambiguous => "ambiguous",
            Outcome::Refused => "refused",
            Outcome::Missing => "missing",
            Outcome::Retired => "retired",
        }
    }

    /// Of things that no row names.
    pub const GONE: [Outcome; 2] = [Outcome::Missing, Outcome::Retired];

    /// All of them.
    pub const ALL: [Outcome; 8] = [
        Outcome::Created,
        Outcome::Updated,
        Outcome::Unchanged,
        Outcome::Different,
        Outcome::Ambiguous,
        Outcome::Refused,
        Outcome::Missing,
        Outcome::Retired,
    ];

    /// The one that is stored so.
    pub fn of(text: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}
