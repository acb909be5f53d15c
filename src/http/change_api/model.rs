//! Models of changes as they are read and written.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    auth::horizon::Horizon,
    clock::Moment,
    db::{AnyConnection, Backend, JsonText},
    error::{Error, Result},
    http::directory_api::{
        change::{DESCRIPTION, given, line, met, prose, unique},
        page::{Wanted, keyset, narrowed},
        resource::{Examples, Noun, Resource},
    },
    id::RowId,
    practice::change::{
        ChangePractice, TYPES,
        model::{ModelFields, ModelRow, ModelTask, check_tasks},
    },
    record::{
        input::{Occasion, accept},
        practice::Practice,
        render::object,
        store::Desk,
    },
    schema::change_model,
};

/// The longest name, in characters: changes bear it.
const NAME: usize = 100;

/// A model of changes.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ChangeModel {
    /// Its id.
    id: RowId,
    /// Its name, by which changes are made from it.
    name: String,
    /// What it is for.
    description: String,
    /// The type of the changes that are made from it.
    #[schema(schema_with = types)]
    change_type: String,
    /// What a change is filled with where it says nothing itself.
    fields: ModelFields,
    /// The tasks that a change gets, in their order.
    tasks: Vec<ModelTask>,
    /// Whether changes can be made from it.
    active: bool,
    /// Counts its changes; it is the `ETag`.
    version: i32,
    /// When it was added.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// What makes a model.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewChangeModel {
    /// Its name; each is there once.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    description: String,
    /// The type of the changes that are made from it.
    #[schema(schema_with = types)]
    change_type: String,
    /// What a change is filled with where it says nothing itself.
    #[serde(default)]
    #[schema(required = false)]
    fields: ModelFields,
    /// The tasks that a change gets, in their order.
    #[serde(default)]
    #[schema(required = false, max_items = 50)]
    tasks: Vec<ModelTask>,
}

/// A merge patch of a model: what is left out stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeModelChange {
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 2000)]
    description: Option<String>,
    /// Other fields, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    fields: Option<ModelFields>,
    /// Other tasks, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_items = 50)]
    tasks: Option<Vec<ModelTask>>,
    /// Whether changes can be made from it.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    active: Option<bool>,
}

fn types() -> utoipa::openapi::Schema {
    let doc = "The type of the changes that are made from it.";
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .description(Some(doc))
        .enum_values(Some(TYPES.iter().copied()))
        .into()
}

impl ChangeModel {
    fn of(row: ModelRow) -> Result<Self> {
        let (fields, tasks) = (row.fields.read()?, row.tasks.read()?);
        let ModelRow { id, name, description, change_type, active, version, created_at, updated_at, .. } = row;
        Ok(ChangeModel { id, name, description, change_type, fields, tasks, active, version, created_at, updated_at })
    }
    fn row(&self) -> Result<ModelRow> {
        let (fields, tasks) = (JsonText::of(&self.fields)?, JsonText::of(&self.tasks)?);
        let ChangeModel { id, name, description, change_type, active, version, created_at, updated_at, .. } =
            self.clone();
        Ok(ModelRow { id, name, description, change_type, fields, tasks, active, version, created_at, updated_at })
    }
}

fn matching(wanted: &Wanted) -> change_model::BoxedQuery<'static, Backend> {
    narrowed!(change_model::table.into_boxed(), Some(wanted), change_model::name, change_model::active)
}

impl Resource for ChangeModel {
    const NOUN: Noun = Noun {
        one: "change model",
        a: "a change model",
        many: "change models",
        label: "ChangeModel",
        about: "Models are templates of changes: what is made often is written down once, with its plans and tasks, and agreed once.",
        read: "change_model.read",
        manage: "change_model.write",
        has_active: true,
        on_create: "A change is made from it by its name, in `model`.",
        on_change: "Changes that were made from it stay as they are.",
        read_only: &["id", "version", "created_at", "updated_at"],
        fixed: &["name", "change_type"],
    };
    type New = NewChangeModel;
    type Change = ChangeModelChange;

    fn examples() -> Examples {
        let fields = json!({
            "description": null, "justification": null, "implementation_plan": "Restart one node after the other.",
            "backout_plan": "Start the old version.", "test_plan": "Log in.", "communication_plan": null, "team_id": null,
        });
        let new = json!({
            "name": "restart-web", "description": "Restart the web servers", "change_type": "standard", "fields": fields,
            "tasks": [
                {"title": "Drain a node", "description": "", "team_id": null, "depends_on": []},
                {"title": "Restart it", "description": "", "team_id": null, "depends_on": [1]},
            ],
        });
        let added = json!({"active": true, "version": 1, "created_at": "2026-03-01T08:00:00Z", "updated_at": "2026-03-01T08:00:00Z"});
        Examples::of("0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b20", new, &added, json!({"active": false}))
    }
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.id.to_string())
    }
    fn version(&self) -> i32 {
        self.version
    }
    fn find(connection: &mut AnyConnection, _: Option<&Horizon>, id: &str) -> Result<Option<Self>> {
        let Ok(id) = id.parse::<RowId>() else { return Ok(None) };
        let row: Option<ModelRow> = change_model::table.find(id).first(connection).optional()?;
        row.map(ChangeModel::of).transpose()
    }
    fn page(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let query = keyset!(matching(wanted), wanted, change_model::name, change_model::id);
        query.load::<ModelRow>(connection)?.into_iter().map(ChangeModel::of).collect()
    }
    fn count(connection: &mut AnyConnection, _: &Horizon, wanted: &Wanted) -> Result<i64> {
        Ok(matching(wanted).count().get_result(connection)?)
    }
    fn create(desk: &mut Desk<'_, '_>, horizon: &Horizon, new: &NewChangeModel) -> Result<String> {
        if !TYPES.contains(&new.change_type.as_str()) {
            let detail = format!("`change_type` is one of {}.", TYPES.join(", "));
            return Err(Error::invalid("/change_type", "not_a_choice", detail));
        }
        let at = desk.cause.at;
        let model = ChangeModel {
            id: RowId::new(),
            name: line("name", &new.name, NAME)?,
            description: prose("description", &new.description, DESCRIPTION)?,
            change_type: new.change_type.clone(),
            fields: new.fields.clone(),
            tasks: new.tasks.clone(),
            active: true,
            version: 1,
            created_at: at,
            updated_at: at,
        };
        check(desk, horizon, &model)?;
        let insert = diesel::insert_into(change_model::table).values(model.row()?);
        let inserted = insert.execute(desk.unit.connection()?).map_err(Error::from);
        unique(inserted, "name")?;
        Ok(model.id.to_string())
    }
    fn patched(&self, change: &ChangeModelChange) -> Result<Self> {
        let ChangeModelChange { description, fields, tasks, active } = change.clone();
        let mut after = self.clone();
        after.description = prose("description", &description.unwrap_or(after.description), DESCRIPTION)?;
        after.fields = fields.unwrap_or(after.fields);
        after.tasks = tasks.unwrap_or(after.tasks);
        after.active = active.unwrap_or(after.active);
        Ok(after)
    }
    fn save(desk: &mut Desk<'_, '_>, horizon: &Horizon, before: &Self, after: &Self) -> Result<()> {
        check(desk, horizon, after)?;
        let row = ModelRow { version: before.version + 1, updated_at: desk.cause.at, ..after.row()? };
        let unchanged = change_model::table.find(before.id).filter(change_model::version.eq(before.version));
        met(diesel::update(unchanged).set(&row).execute(desk.unit.connection()?)?)
    }
}

fn check(desk: &mut Desk<'_, '_>, horizon: &Horizon, model: &ChangeModel) -> Result<()> {
    check_tasks(&model.tasks)?;
    let fields = object(&model.fields)?.into_iter().filter(|(_, value)| !value.is_null()).collect();
    accept(&ChangePractice::KIND, Occasion::Change, fields).map_err(|e| e.below("/fields"))?;
    let of_tasks = model.tasks.iter().enumerate().map(|(n, task)| (format!("/tasks/{n}/team_id"), task.team_id));
    for (pointer, team) in of_tasks.chain([("/fields/team_id".to_owned(), model.fields.team_id)]) {
        if let Some(team) = team
            && !horizon.sees_active_team(desk.unit.reference(), team)?
        {
            return Err(Error::invalid(pointer, "no_such_reference", "There is no such active team."));
        }
    }
    Ok(())
}
