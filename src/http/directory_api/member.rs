//! The members of teams.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use diesel::prelude::*;
use serde_json::{Value, json};

use super::{
    change::{met, noted},
    page::{self, Wanted},
    resource::{Resource, answer, check_version, documented, documented_page, endpoint, listed, visible},
    team::Team,
    user::User,
};
use crate::{
    auth::horizon::Horizon,
    error::{Code, Error, Result},
    http::{
        authenticate::Identity,
        desk::{self, Call, Reply},
        endpoint::{Endpoint, in_path, uuid},
        entity_tag::IfMatch,
        mount::Api,
        parameter::{dry_run, id, if_match, reason},
    },
    id::UserId,
    insert_unless_there,
    record::store::Desk,
    schema::{team, team_member},
};

const PATH: &str = "/api/v1/teams/{id}/members";

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    let listing = Endpoint {
        summary: "List the members of a team".into(),
        description: "By name. Only those whom you may see.".into(),
        parameters: [vec![id("team")], page::parameters(true)].concat(),
        responses: vec![documented_page::<User>()],
        problems: vec![Code::NotFound, Code::BadQuery, Code::BadCursor],
        ..endpoint::<Team>(Method::GET, PATH.to_owned(), "list_team_members".to_owned())
    };
    api.mount(listing, list);
    let said = "Adding one who is a member changes nothing. The user must be active.";
    api.mount(
        membership(Method::PUT, "add_team_member", "Add a member to a team", said),
        async |call: Call, path: web::Path<(String, String)>, identity: web::Data<Identity>| {
            change(call, path.into_inner(), identity, true).await
        },
    );
    let said = "Removing one who is no member changes nothing.";
    api.mount(
        membership(Method::DELETE, "remove_team_member", "Remove a member from a team", said),
        async |call: Call, path: web::Path<(String, String)>, identity: web::Data<Identity>| {
            change(call, path.into_inner(), identity, false).await
        },
    );
}

fn membership(method: Method, operation: &str, summary: &'static str, description: &'static str) -> Endpoint {
    let user = in_path("user_id", "The id of the user.", uuid(), "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b16");
    Endpoint {
        summary: summary.into(),
        description: format!(
            "{description} `If-Match` takes the `ETag` of the team, which counts its members' changes."
        )
        .into(),
        parameters: vec![id("team"), user, if_match(true), dry_run(), reason()],
        responses: vec![documented::<Team>(200, "The team as it is now.")],
        problems: vec![Code::NotFound, Code::Invalid, Code::Stale, Code::PreconditionRequired],
        ..endpoint::<Team>(method, format!("{PATH}/{{user_id}}"), operation.to_owned())
    }
}

async fn list(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let wanted = Wanted::read(request.path(), &query, true)?;
    let found: Team = call
        .read(move |reading| {
            let horizon = Horizon::of(reading.connection, &reading.cause.caller)?;
            visible(reading.connection, &horizon, &id)
        })
        .await?;
    listed::<User>(&call, request.path(), &query, wanted.of_team(found.id)).await
}

async fn change(
    call: Call,
    (id, user): (String, String),
    identity: web::Data<Identity>,
    belongs: bool,
) -> Result<HttpResponse> {
    let expected = call.expected()?;
    let user: UserId = user.parse().map_err(|_| Error::not_found("user"))?;
    let response = call.write(&Value::Null, move |desk| settle(desk, &id, user, &expected, belongs)).await?;
    identity.gate.expire();
    Ok(response)
}

fn settle(desk: &mut Desk<'_, '_>, id: &str, user: UserId, expected: &IfMatch, belongs: bool) -> Result<Reply> {
    let horizon = Horizon::of(desk.unit.reference(), &desk.cause.caller)?;
    let connection = desk.unit.connection()?;
    let before: Team = visible(connection, &horizon, id)?;
    check_version(&before, expected)?;
    horizon.require(before.organisation_id)?;
    let changed = if belongs {
        if !horizon.sees_active_user(connection, user)? {
            return Err(Error::not_found("active user"));
        }
        let row = (team_member::team_id.eq(before.id), team_member::user_id.eq(user));
        insert_unless_there!(connection, team_member::table, row)?
    } else {
        diesel::delete(team_member::table.find((before.id, user))).execute(connection)?
    };
    if changed == 0 {
        return answer(&before);
    }
    let row = team::table.find(before.id).filter(team::version.eq(before.version));
    let counted = (team::version.eq(before.version + 1), team::updated_at.eq(desk.cause.at));
    met(diesel::update(row).set(counted).execute(connection)?)?;
    let after: Team = Team::find(connection, None, id)?.ok_or_else(|| Error::not_found("team"))?;
    let (action, told) = match belongs {
        true => ("team.member_added", json!({"members": [null, user]})),
        false => ("team.member_removed", json!({"members": [user, null]})),
    };
    noted(desk, action, "team", before.id.as_str(), after.version, &told)?;
    answer(&after)
}
