//! The parameters in the paths of this folder.

use utoipa::openapi::path::Parameter;

use crate::http::endpoint::{in_path, name_of, short_text, whole_number};

/// `{id}` of a policy.
pub(super) fn policy_id() -> Parameter {
    in_path("id", "The id or the name of the policy.", short_text(100), "routing_incidents")
}

/// `{number}` of a version.
pub(super) fn version_number() -> Parameter {
    in_path("number", "The number of the version.", whole_number(), 3)
}

/// `{name}` of a lookup table.
pub(super) fn table_name() -> Parameter {
    in_path("name", "The name of the table.", name_of(100), "category_teams")
}

/// `{name}` of a module.
pub(super) fn module_name() -> Parameter {
    in_path("name", "The name of the module.", name_of(100), "criticality")
}
