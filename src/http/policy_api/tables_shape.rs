//! What goes in and out of lookup tables, as types: the documentation is made from them.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    clock::Moment,
    id::{RowId, UserId},
    policy::{
        facts::Cell,
        table::{Column, check::Finding},
    },
};

/// A lookup table.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupTable {
    /// Its id.
    pub id: RowId,
    /// Its name: `table("category_teams")` in scripts.
    pub name: String,
    /// What it is for: the `doc` of its content.
    pub description: String,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// The number of its version; also its `ETag`.
    pub version: i32,
    /// When it was made.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

/// All lookup tables by name, without their content.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupTableList {
    /// The tables.
    pub items: Vec<LookupTable>,
}

/// A lookup table with its content.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupTableInFull {
    /// The table.
    #[serde(flatten)]
    pub table: LookupTable,
    /// The content.
    #[schema(value_type = TableContent)]
    pub content: Value,
    /// What its author should know; after a write also what that means for the policies that are live.
    pub findings: Vec<Finding>,
}

/// The content of a lookup table. Of the rows that fit a key, the most specific one answers.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only its schema is used: `policy::table` reads the content")]
pub struct TableContent {
    /// What the table is for.
    #[schema(required = false)]
    doc: String,
    /// The columns.
    columns: Vec<Column>,
    /// How many of the first columns are the key.
    keys: usize,
    /// The rows: a cell for each column, of its type. In a column of the key, `"*"` stands for any value, unless it is matched
    /// `exact`; in one that is matched by `range`, `"10..20"` stands for what is at least 10 and less than 20, `"10..=20"` for
    /// that and 20, `"10.."` and `"..20"` for what has but one end.
    rows: Vec<Vec<Value>>,
}

/// A version of a lookup table.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupTableVersion {
    /// Its number, from 1.
    pub version: i32,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// Who wrote it; null for what ships.
    pub author_id: Option<UserId>,
    /// When it was written.
    pub created_at: Moment,
}

/// All versions of a lookup table, newest first, without their content.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupTableVersionList {
    /// The versions.
    pub items: Vec<LookupTableVersion>,
}

/// A version of a lookup table with its content.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupTableVersionInFull {
    /// The version.
    #[serde(flatten)]
    pub version: LookupTableVersion,
    /// The content.
    #[schema(value_type = TableContent)]
    pub content: Value,
}

/// What is different between two versions of a lookup table.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupTableDifference {
    /// The number of the version that is compared.
    pub from: i32,
    /// The number of the version that it is compared with.
    pub to: i32,
    /// Whether columns or key are others.
    pub columns_changed: bool,
    /// Rows whose key is only in `to`.
    #[schema(value_type = Vec<Vec<Value>>)]
    pub added: Vec<Vec<Cell>>,
    /// Rows whose key is only in `from`.
    #[schema(value_type = Vec<Vec<Value>>)]
    pub removed: Vec<Vec<Cell>>,
    /// Rows of one key that say something else.
    pub changed: Vec<LookupTableRowChange>,
}

/// A row of a lookup table that says something else.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookupTableRowChange {
    /// As it was.
    #[schema(value_type = Vec<Value>)]
    pub from: Vec<Cell>,
    /// As it is.
    #[schema(value_type = Vec<Value>)]
    pub to: Vec<Cell>,
}
