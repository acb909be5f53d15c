//! What goes in and out, as types: the documentation is made from them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    clock::Moment,
    error::Result,
    id::{RowId, UserId},
    policy::{
        build::Uses,
        coverage::Coverage,
        decision::Decision,
        diagnostic::Diagnostic,
        publish::Examined,
        store::{PolicyRow, VersionRow},
        testing::TestResult,
    },
    record::input::given,
};

/// A policy.
#[derive(Debug, Serialize, ToSchema)]
pub struct Policy {
    /// Its id.
    pub id: RowId,
    /// Its name, which stands in paths in place of the id.
    pub name: String,
    /// The decision that it answers.
    pub decision: Decision,
    /// The kind of record that it decides about.
    pub kind: String,
    /// What it is for.
    pub description: String,
    /// Its place among the policies of its decision: the lowest is asked first.
    pub position: i32,
    /// Whether it is asked at all.
    pub enabled: bool,
    /// The number of the version that is live; null before the first is published.
    pub active_version: Option<i32>,
    /// Counts the changes of the policy itself; also its `ETag`.
    pub version: i32,
    /// How many per cent of the lines of a version its tests have to reach before it goes live; null for none.
    pub least_line_coverage: Option<i32>,
    /// How many per cent of the sides of its branches.
    pub least_branch_coverage: Option<i32>,
    /// When it was made.
    pub created_at: Moment,
    /// When it was last changed or published.
    pub updated_at: Moment,
}

impl Policy {
    /// Of its row.
    pub fn of(row: &PolicyRow) -> Result<Self> {
        Ok(Policy {
            id: row.id,
            name: row.name.clone(),
            decision: row.decision()?,
            kind: row.kind.clone(),
            description: row.description.clone(),
            position: row.position,
            enabled: row.enabled,
            active_version: row.active_version,
            version: row.version,
            least_line_coverage: row.least_line_coverage,
            least_branch_coverage: row.least_branch_coverage,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// All policies, in the order in which they are asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyList {
    /// The policies.
    pub items: Vec<Policy>,
}

/// What makes a policy.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    /// Lower-case letters, digits and `_`.
    #[schema(max_length = 100, pattern = "^[a-z][a-z0-9_]*$")]
    pub name: String,
    /// The decision that it answers.
    pub decision: Decision,
    /// The kind of record that it decides about; the first for which the decision is asked, if not given. The first parameter of
    /// its function bears that name.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, max_length = 40)]
    pub kind: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 4000)]
    pub description: String,
    /// Its place among the policies of its decision; after all others if not given.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub position: Option<i32>,
    /// Whether it is asked, once a version is live.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// A merge patch of a policy: what is left out stays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyChange {
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    #[schema(max_length = 4000)]
    pub description: Option<String>,
    /// Its place among the policies of its decision.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub position: Option<i32>,
    /// Whether it is asked at all.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub enabled: Option<bool>,
    /// How many per cent of the lines of a version its tests have to reach before it goes live; null for none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<i32>, minimum = 0, maximum = 100)]
    pub least_line_coverage: Option<Option<i32>>,
    /// How many per cent of the sides of its branches; null for none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<i32>, minimum = 0, maximum = 100)]
    pub least_branch_coverage: Option<Option<i32>>,
}

/// A version of a policy. It never changes but for its state.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyVersion {
    /// Its number, from 1.
    pub number: i32,
    /// `draft`: never live; `in_review`: others are asked to look at it; `approved`: they did, and approve; `shadow`: runs
    /// beside the live one, without effect; `active`: live;
    /// `retired`: was live.
    pub state: String,
    /// What its author said of it.
    pub message: String,
    /// The SHA-256 of its source, in hexadecimal.
    pub sha256: String,
    /// Who wrote it; null for what ships.
    pub author_id: Option<UserId>,
    /// When it was written.
    pub created_at: Moment,
    /// When it last became live.
    pub published_at: Option<Moment>,
    /// When it is to go live by itself.
    pub publish_at: Option<Moment>,
}

impl From<&VersionRow> for PolicyVersion {
    fn from(row: &VersionRow) -> Self {
        PolicyVersion {
            number: row.number,
            state: row.state.clone(),
            message: row.message.clone(),
            sha256: row.sha256.clone(),
            author_id: row.author_id,
            created_at: row.created_at,
            published_at: row.published_at,
            publish_at: row.publish_at,
        }
    }
}

/// All versions of a policy, newest first, without their sources.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyVersionList {
    /// The versions.
    pub items: Vec<PolicyVersion>,
}

/// A version with its source and what is wrong with it now.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyVersionInFull {
    /// The version.
    #[serde(flatten)]
    pub version: PolicyVersion,
    /// The versions of what it uses.
    pub uses: Uses,
    /// The source.
    pub source: String,
    /// Everything that is wrong with it, checked against the fields, tables, teams and users that there are now.
    pub diagnostics: Vec<Diagnostic>,
}

/// What makes a version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPolicyVersion {
    /// The source, at most 32 KiB. It is kept as it is, whatever is wrong with it.
    pub source: String,
    /// What was changed and why.
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub message: String,
    /// Whether it keeps the lookup tables that it names as they are now, whatever they say later. Otherwise it looks into
    /// them as they are at the moment of a decision.
    #[serde(default)]
    pub keep_tables: bool,
}

/// When a version is to go live.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// The moment; at once, if it is not given or has passed.
    #[serde(default)]
    pub at: Option<Moment>,
    /// The ids of pins that this version is meant to come to something else for: they are let go of as it goes live.
    #[serde(default)]
    #[schema(max_items = 500)]
    pub supersede_pins: Vec<RowId>,
}

/// Which version to go back to.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The number of a version that was live; the one that was live before, if not given.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub to: Option<i32>,
}

/// A source that is not stored.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySource {
    /// The decision that it is to answer.
    pub decision: Decision,
    /// The kind of record that it is to decide about; what its function calls its first parameter, if not given.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, max_length = 40)]
    pub kind: Option<String>,
    /// The source.
    pub source: String,
}

/// Everything that is wrong with a source.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyDiagnostics {
    /// Whether nothing is wrong that would keep it from going live. Its tests have not been run.
    pub valid: bool,
    /// What is wrong, in the order of the source.
    pub diagnostics: Vec<Diagnostic>,
}

/// What the checks and tests of a version came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyTestReport {
    /// Whether it may go live: no diagnostic of level error, no red test, and as much is covered as the policy asks for.
    pub green: bool,
    /// How many tests passed.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// The tests: functions and cases in the order of the source, then pins. None run when it does not compile.
    pub tests: Vec<TestResult>,
    /// What the tests reach; null when it does not compile.
    pub coverage: Option<Coverage>,
    /// What is wrong with the source.
    pub diagnostics: Vec<Diagnostic>,
}

impl PolicyTestReport {
    /// Counts.
    pub fn of(examined: Examined) -> Self {
        let green = examined.is_green();
        let Examined { diagnostics, tests, coverage, .. } = examined;
        let failed = tests.iter().filter(|t| !t.passed).count();
        PolicyTestReport { green, passed: tests.len() - failed, failed, tests, coverage, diagnostics }
    }
}
