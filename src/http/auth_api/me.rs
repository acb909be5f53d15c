//! Who am I?

use std::collections::BTreeSet;

use actix_web::{HttpResponse, http::Method};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::TAG;
use crate::{
    auth::{
        caller::{Caller, Sees},
        permission,
    },
    error::Result,
    http::{
        authenticate::kind_actions,
        desk::Call,
        endpoint::{Access, Answer, Endpoint},
        mount::Api,
        schema::schema,
    },
    id::{OrganisationId, TeamId, UserId},
    record::store::Reading,
    schema::{organisation, role, team, user_account, user_role},
};

/// The caller.
#[derive(Serialize, ToSchema)]
struct Me {
    /// The user's id.
    id: UserId,
    /// The name that they sign in with.
    user_name: String,
    /// The name that others read.
    display_name: String,
    /// Where mail goes.
    #[schema(required = true)]
    email: Option<String>,
    /// Whether it is a machine.
    service_account: bool,
    /// The organisation that they belong to.
    organisation: OwnOrganisation,
    /// The teams that they work in.
    teams: Vec<OwnTeam>,
    /// The names of their roles.
    roles: Vec<String>,
    /// Whose records they see: `own`, `organisation` or `all`.
    #[schema(examples("organisation"))]
    sees: &'static str,
    /// Every permission that counts now: those of the roles, narrowed by the scopes of the token.
    permissions: Vec<String>,
    /// What the token is limited to; null when it is not.
    #[schema(required = true)]
    scopes: Option<BTreeSet<String>>,
    /// Whether the password must be changed before anything else is answered.
    must_change_password: bool,
}

/// The organisation of the caller.
#[derive(Serialize, ToSchema)]
struct OwnOrganisation {
    /// Its id.
    id: OrganisationId,
    /// Its name.
    name: String,
}

/// A team of the caller.
#[derive(Serialize, ToSchema)]
struct OwnTeam {
    /// Its id.
    id: TeamId,
    /// Its name.
    name: String,
}

/// Mounts it.
pub(super) fn mount(api: &mut Api) {
    let example = json!({
        "id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b11",
        "user_name": "ada.lovelace",
        "display_name": "Ada Lovelace",
        "email": "ada@example.org",
        "service_account": false,
        "organisation": {"id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b12", "name": "Acme"},
        "teams": [{"id": "0199a4c1-7d3e-7c55-9d0a-3f1f0f6f2b13", "name": "Service desk"}],
        "roles": ["requester"],
        "sees": "own",
        "permissions": ["incident.create", "incident.read"],
        "scopes": null,
        "must_change_password": false,
    });
    api.mount(
        Endpoint {
            method: Method::GET,
            path: "/api/v1/auth/me".into(),
            id: "get_me".into(),
            tag: TAG.into(),
            access: Access::PasswordDue,
            summary: "Who am I?".into(),
            description: "The caller with all that they may do, so that a portal draws only what works.".into(),
            parameters: Vec::new(),
            request: None,
            responses: vec![Answer::json(200, "The caller.", schema::<Me>(), example)],
            problems: Vec::new(),
        },
        get_me,
    );
}

async fn get_me(call: Call) -> Result<HttpResponse> {
    let me = call.read(me).await?;
    Ok(HttpResponse::Ok().json(me))
}

fn me(reading: &mut Reading<'_>) -> Result<Me> {
    let (caller, connection): (&Caller, _) = (&reading.cause.caller, &mut *reading.connection);
    let (email, service_account, organisation): (Option<String>, bool, String) = user_account::table
        .inner_join(organisation::table.on(organisation::id.eq(user_account::organisation_id)))
        .filter(user_account::id.eq(caller.user))
        .select((user_account::email, user_account::service_account, organisation::name))
        .first(connection)?;
    let teams: Vec<(TeamId, String)> = team::table
        .filter(team::id.eq_any(caller.teams.to_vec()))
        .order((team::name, team::id))
        .select((team::id, team::name))
        .load(connection)?;
    let roles = role::table
        .inner_join(user_role::table.on(user_role::role_id.eq(role::id)))
        .filter(user_role::user_id.eq(caller.user))
        .order(role::name)
        .select(role::name)
        .load(connection)?;
    let known = permission::table(&kind_actions(reading.kernel.practices()));
    Ok(Me {
        id: caller.user,
        user_name: caller.user_name.clone(),
        display_name: caller.display_name.clone(),
        email,
        service_account,
        organisation: OwnOrganisation { id: caller.organisation, name: organisation },
        teams: teams.into_iter().map(|(id, name)| OwnTeam { id, name }).collect(),
        roles,
        sees: match caller.sees {
            Sees::All => "all",
            Sees::Organisations(_) => "organisation",
            Sees::Own => "own",
        },
        permissions: known.into_iter().map(|p| p.name).filter(|name| caller.can(name)).collect(),
        scopes: caller.scopes.as_deref().cloned(),
        must_change_password: caller.must_change_password,
    })
}
