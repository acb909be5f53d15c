//! The directory through the router.

use actix_web::http::Method;
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::{
    auth::role::assign_role,
    db::JsonText,
    http::house::{Got, House, at},
    id::UserId,
    schema::{audit, idempotency, organisation},
};

fn names(got: &Got, field: &str) -> Vec<String> {
    let items = got.json["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item[field].as_str().unwrap_or_default().to_owned()).collect()
}

fn trail(house: &House) -> Vec<(String, Value)> {
    let rows: Vec<(String, JsonText)> =
        house.store(|c| Ok(audit::table.order(audit::seq).select((audit::action, audit::changes)).load(c)?));
    rows.into_iter().map(|(action, changes)| (action, changes.read().unwrap())).collect()
}

#[actix_web::test]
async fn a_team_is_made_read_changed_and_audited() {
    let house = House::new();
    let (admin, token) = house.signed_in("root", &["administrator"]);
    let made = house.post("/api/v1/teams", &token, json!({"name": " Desk ", "email": "desk@example.org"})).await;
    assert_eq!((made.status, &made.json["name"], made.header("etag")), (201, &json!("Desk"), "\"1\""), "{made:?}");
    let path = made.header("location").to_owned();
    assert_eq!(path, format!("/api/v1/teams/{}", made.text("id")));
    let known = house.ask(Method::GET, &path, &token, &[("if-none-match", "\"1\"")], Value::Null).await;
    assert_eq!(known.status, 304);
    let patch = |headers: &'static [(&'static str, &'static str)], body: Value| {
        house.ask(Method::PATCH, &path, &token, headers, body)
    };
    assert_eq!(patch(&[], json!({"name": "x"})).await.status, 428);
    assert_eq!(patch(&[("if-match", "\"2\"")], json!({"name": "x"})).await.status, 412);
    for (body, pointer, code, said) in [
        (json!({"nmae": "x"}), "/nmae", "unknown_field", "did you mean `name`"),
        (json!({"version": 7}), "/version", "read_only", "version"),
        (json!({"name": null}), "/name", "wrong_type", ""),
        (json!({"name": "  "}), "/name", "wrong_form", ""),
        (json!({"email": "nowhere"}), "/email", "wrong_form", ""),
        (json!({"organisation_id": UserId::new()}), "/organisation_id", "no_such_reference", ""),
    ] {
        let refused = patch(&[("if-match", "*")], body.clone()).await;
        let place = &refused.json["errors"][0];
        assert_eq!((&place["pointer"], &place["code"]), (&json!(pointer), &json!(code)), "{body}: {refused:?}");
        assert!(refused.status == 422 && place["detail"].as_str().unwrap().contains(said), "{body}");
    }
    let changed = patch(&[("if-match", "\"1\"")], json!({"email": null, "description": "Takes every call."})).await;
    assert_eq!((changed.status, changed.header("etag"), &changed.json["email"]), (200, "\"2\"", &Value::Null));
    let same = patch(&[("if-match", "\"2\"")], json!({"email": null})).await;
    assert_eq!((same.status, same.header("etag")), (200, "\"2\""), "nothing changed, nothing counted");
    let rehearsed = house.any(Method::PATCH, &format!("{path}?dry_run=true"), &token, json!({"name": "Other"})).await;
    assert_eq!((rehearsed.status, &rehearsed.json["name"]), (200, &json!("Other")));
    assert_eq!(house.get(&path, &token).await.json["name"], "Desk");
    let taken = house.post("/api/v1/teams", &token, json!({"name": "Desk"})).await;
    assert_eq!((taken.status, &taken.json["errors"][0]["code"]), (409, &json!("taken")));
    let told = trail(&house);
    assert_eq!(told.iter().map(|(a, _)| a.as_str()).collect::<Vec<_>>(), ["team.created", "team.updated"]);
    assert_eq!(told[1].1, json!({"description": ["", "Takes every call."], "email": ["desk@example.org", null]}));
    let by: Vec<Option<UserId>> = house.store(|c| Ok(audit::table.select(audit::actor_id).load(c)?));
    assert_eq!(by, [Some(admin), Some(admin)]);
}

#[actix_web::test]
async fn a_retry_with_a_key_makes_one_user() {
    let house = House::new();
    let (_, token) = house.signed_in("root", &["administrator"]);
    let body = json!({"user_name": "Ada", "display_name": "Ada Lovelace"});
    let ask = || house.ask(Method::POST, "/api/v1/users", &token, &[("idempotency-key", "k")], body.clone());
    let (first, second) = (ask().await, ask().await);
    assert_eq!((first.status, second.status, second.header("idempotency-replayed")), (201, 201, "true"));
    assert_eq!((&first.json, &first.json["user_name"]), (&second.json, &json!("ada")));
}

#[actix_web::test]
async fn lists_go_by_name_a_page_at_a_time() {
    let house = House::new();
    let (_, token) = house.signed_in("root", &["administrator"]);
    for name in ["Delta", "alpha", "Charlie", "Bravo", "100% Desk"] {
        house.post("/api/v1/teams", &token, json!({"name": name})).await;
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/teams?limit=2&count=true".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = house.get(&path, &token).await;
        assert_eq!((page.status, &page.json["total"]), (200, &json!(5)), "{page:?}");
        seen.extend(names(&page, "name"));
        pages.push(page.json["previous_cursor"].clone());
        let Some(next) = page.json["next_cursor"].as_str() else { break };
        assert!(page.header("link").contains("rel=\"next\""));
        path = format!("/api/v1/teams?limit=2&count=true&cursor={next}");
    }
    let mut sorted = seen.clone();
    sorted.sort();
    assert!(seen.len() == 5 && seen == sorted && pages[0].is_null(), "{seen:?}");
    let back = format!("/api/v1/teams?limit=2&cursor={}", pages[2].as_str().unwrap());
    assert_eq!(names(&house.get(&back, &token).await, "name"), seen[2..4], "the page before the last");
    let elsewhere = format!("/api/v1/teams?q=a&cursor={}", pages[2].as_str().unwrap());
    assert_eq!(house.get(&elsewhere, &token).await.code(), "bad_cursor");
    for (query, found) in [("q=AL", &["alpha"][..]), ("q=desk", &["100% Desk"]), ("q=0%25", &[]), ("active=false", &[])]
    {
        let got = house.get(&format!("/api/v1/teams?{query}"), &token).await;
        assert_eq!(names(&got, "name"), *found, "{query}");
    }
    let refused = house.get("/api/v1/teams?actve=true", &token).await;
    assert!(refused.code() == "bad_query" && refused.text("detail").contains("did you mean `active`"));
}

#[actix_web::test]
async fn who_sees_europe_sees_neither_asia_nor_its_people() {
    let house = House::new();
    let berliner = house.user("berliner", "Berlin", &["requester"]);
    let asian = house.user("asian", "Asia", &["requester"]);
    let token = house.session(house.user("european", "Europe", &["agent"]));
    let (_, admin) = house.signed_in("root", &["administrator"]);
    for (name, place) in [("Desk Berlin", "Berlin"), ("Desk Asia", "Asia"), ("Network", "Acme")] {
        let body = json!({"name": name, "organisation_id": house.places[place]});
        assert_eq!(house.post("/api/v1/teams", &admin, body).await.status, 201);
    }
    assert_eq!(names(&house.get("/api/v1/users", &token).await, "user_name"), ["berliner", "european"]);
    assert_eq!(names(&house.get("/api/v1/organisations", &token).await, "name"), ["Acme", "Berlin", "Europe"]);
    assert_eq!(names(&house.get("/api/v1/teams", &token).await, "name"), ["Desk Berlin", "Network"]);
    assert_eq!(house.get(&format!("/api/v1/users/{berliner}"), &token).await.status, 200);
    assert_eq!(house.get(&format!("/api/v1/users/{asian}"), &token).await.status, 404, "hidden looks like not there");
    assert_eq!(house.get(&format!("/api/v1/users/{}", UserId::new()), &token).await.status, 404);
    assert_eq!(house.get("/api/v1/users/x", &token).await.status, 404);
    let forbidden = house.any(Method::PATCH, &format!("/api/v1/users/{asian}"), &token, json!({"vip": true})).await;
    assert_eq!(forbidden.status, 403, "may change nobody, so learns nothing of who is there");
    let requester = house.session(berliner);
    assert_eq!(house.get("/api/v1/users", &requester).await.code(), "forbidden");
    assert_eq!(house.get("/api/v1/users", "").await.status, 401);
    assert_eq!(names(&house.get("/api/v1/users", &admin).await, "user_name").len(), 4);
}

#[actix_web::test]
async fn a_delegate_manages_their_own_part_of_the_tree_alone() {
    let house = House::new();
    let (_, admin) = house.signed_in("root", &["administrator"]);
    let permissions = json!(["directory.read", "user.manage", "organisation.manage", "team.manage"]);
    let role = json!({"name": "delegate", "sees": "organisation", "permissions": permissions});
    assert_eq!(house.post("/api/v1/roles", &admin, role).await.status, 201);
    let token = house.session(house.user("delegate", "Europe", &["delegate"]));
    let user = |place: &str| json!({"user_name": format!("new {place}"), "display_name": "New", "organisation_id": house.places[place]});
    assert_eq!(house.post("/api/v1/users", &token, user("Berlin")).await.status, 201);
    for place in ["Asia", "Acme"] {
        assert_eq!(house.post("/api/v1/users", &token, user(place)).await.status, 422, "{place}");
    }
    let change = |place: &str, body: Value| {
        let path = format!("/api/v1/organisations/{}", house.places[place]);
        let (house, token) = (&house, &token);
        async move { house.any(Method::PATCH, &path, token, body).await.status }
    };
    assert_eq!(change("Berlin", json!({"name": "Berlin Mitte"})).await, 200);
    assert_eq!(change("Acme", json!({"name": "Mine"})).await, 403, "read, not changed");
    assert_eq!(change("Asia", json!({"name": "Mine"})).await, 404);
    assert_eq!(change("Berlin", json!({"parent_id": null})).await, 403);
    assert_eq!(change("Berlin", json!({"parent_id": house.places["Acme"]})).await, 422);
    assert_eq!(house.post("/api/v1/organisations", &token, json!({"name": "Root"})).await.status, 403);
}

#[actix_web::test]
async fn a_subtree_moves_with_all_below_it_and_never_below_itself() {
    let house = House::new();
    let (_, admin) = house.signed_in("root", &["administrator"]);
    let agent = house.session(house.user("asian", "Asia", &["agent"]));
    let berliner = house.user("berliner", "Berlin", &["requester"]);
    assert_eq!(house.get(&format!("/api/v1/users/{berliner}"), &agent).await.status, 404);
    let place = |name: &str| format!("/api/v1/organisations/{}", house.places[name]);
    let moved = |name: &str, to: Value| {
        let path = place(name);
        let (house, admin) = (&house, &admin);
        async move { house.any(Method::PATCH, &path, admin, json!({"parent_id": to})).await }
    };
    for below in ["Europe", "Berlin"] {
        let refused = moved("Europe", json!(house.places[below])).await;
        assert_eq!((refused.status, refused.code()), (409, "conflict"), "below {below}");
    }
    assert_eq!(moved("Europe", json!(house.places["Asia"])).await.status, 200);
    assert_eq!(house.get(&format!("/api/v1/users/{berliner}"), &agent).await.status, 200, "seen at once");
    let path = |name: &str| -> String {
        let id = house.places[name];
        house.store(|c| Ok(organisation::table.find(id).select(organisation::path).first(c)?))
    };
    let ids = ["Acme", "Asia", "Europe", "Berlin"].map(|name| house.places[name].to_string());
    assert_eq!(path("Berlin"), format!("/{}/", ids.join("/")));
    assert_eq!(path("Europe"), format!("/{}/", ids[..3].join("/")));
    assert_eq!(moved("Europe", Value::Null).await.status, 200);
    assert_eq!(path("Berlin"), format!("/{}/{}/", ids[2], ids[3]));
    assert_eq!(path("Asia"), format!("/{}/{}/", ids[0], ids[1]), "its new siblings stay");
}

#[actix_web::test]
async fn members_come_and_go_and_count_at_once() {
    let house = House::new();
    let (_, admin) = house.signed_in("root", &["administrator"]);
    let (ada, token) = house.signed_in("ada", &["agent"]);
    let team = house.post("/api/v1/teams", &admin, json!({"name": "Desk"})).await.text("id");
    let one = format!("/api/v1/teams/{team}/members/{ada}");
    assert_eq!(house.get("/api/v1/auth/me", &token).await.json["teams"], json!([]));
    assert_eq!(house.ask(Method::PUT, &one, &admin, &[], Value::Null).await.status, 428);
    let added = house.ask(Method::PUT, &one, &admin, &[("if-match", "\"1\"")], Value::Null).await;
    assert_eq!((added.status, added.header("etag")), (200, "\"2\""), "{added:?}");
    assert_eq!(house.any(Method::PUT, &one, &admin, Value::Null).await.header("etag"), "\"2\"", "twice is once");
    let teams = house.get("/api/v1/auth/me", &token).await;
    assert_eq!(teams.json["teams"], json!([{"id": team, "name": "Desk"}]));
    let members = house.get(&format!("/api/v1/teams/{team}/members"), &token).await;
    assert_eq!(names(&members, "user_name"), ["ada"]);
    let nobody = format!("/api/v1/teams/{team}/members/{}", UserId::new());
    assert_eq!(house.any(Method::PUT, &nobody, &admin, Value::Null).await.status, 404);
    assert_eq!(house.any(Method::PUT, &one, &token, Value::Null).await.status, 403);
    assert_eq!(house.any(Method::DELETE, &one, &admin, Value::Null).await.header("etag"), "\"3\"");
    assert_eq!(house.get("/api/v1/auth/me", &token).await.json["teams"], json!([]));
    let actions: Vec<String> = trail(&house).into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["team.created", "team.member_added", "team.member_removed"]);
}

#[actix_web::test]
async fn nobody_gives_more_than_they_have() {
    let house = House::new();
    let (boss, admin) = house.signed_in("root", &["administrator"]);
    let permissions = json!(["directory.read", "user.manage", "role.manage", "incident.read"]);
    let role = json!({"name": "clerk", "sees": "all", "permissions": permissions});
    assert_eq!(house.post("/api/v1/roles", &admin, role).await.status, 201);
    let (clerk, token) = house.signed_in("clerk", &["clerk"]);
    let ada = house.user("ada", "Acme", &[]);
    let reader = json!({"name": "reader", "sees": "own", "permissions": ["incident.read"]});
    assert_eq!(house.post("/api/v1/roles", &token, reader).await.status, 201);
    let role = |name: &str, sees: &str, permissions: Value| {
        house.post("/api/v1/roles", &token, json!({"name": name, "sees": sees, "permissions": permissions}))
    };
    assert_eq!(role("a", "own", json!(["incident.*"])).await.status, 403);
    assert_eq!(role("b", "own", json!(["*"])).await.status, 403);
    assert_eq!(role("c", "own", json!(["incident.raed"])).await.status, 422);
    assert_eq!(role("Not a name", "own", json!([])).await.status, 422);
    let to = |user: UserId, what: &str| format!("/api/v1/users/{user}/{what}");
    let put = |path: String| async { house.any(Method::PUT, &{ path }, &token, Value::Null).await.status };
    assert_eq!(put(to(ada, "roles/reader")).await, 200);
    assert_eq!(put(to(ada, "roles/agent")).await, 403);
    assert_eq!(put(to(clerk, "roles/administrator")).await, 403);
    assert_eq!(put(to(ada, "roles/nothing")).await, 404);
    let widen = json!({"permissions": ["incident.read", "incident.resolve"]});
    assert_eq!(house.any(Method::PATCH, "/api/v1/roles/reader", &token, widen).await.status, 403);
    for path in [to(boss, "reset_password"), to(boss, "tokens")] {
        let refused = house.post(&path, &token, json!({"name": "x", "scopes": ["*"]})).await;
        assert_eq!(refused.status, 403, "{path}");
    }
    let disable = house.any(Method::PATCH, &format!("/api/v1/users/{boss}"), &token, json!({"active": false})).await;
    assert_eq!(disable.status, 403);
    let given = trail(&house).into_iter().filter(|(action, _)| action == "user.role_given").collect::<Vec<_>>();
    assert_eq!(given, [("user.role_given".to_owned(), json!({"roles": [null, "reader"]}))]);
}

#[actix_web::test]
async fn a_changed_role_counts_at_once_and_keeps_its_name() {
    let house = House::new();
    let (_, admin) = house.signed_in("root", &["administrator"]);
    let (_, token) = house.signed_in("ada", &["agent"]);
    assert_eq!(house.get("/api/v1/roles", &token).await.status, 200);
    let body = json!({"permissions": ["incident.read"]});
    let changed = house.any(Method::PATCH, "/api/v1/roles/agent", &admin, body.clone()).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{changed:?}");
    assert_eq!(house.get("/api/v1/roles", &token).await.status, 403);
    assert_eq!(house.any(Method::PATCH, "/api/v1/roles/administrator", &admin, body).await.status, 409);
    let renamed = house.any(Method::PATCH, "/api/v1/roles/agent", &admin, json!({"name": "x"})).await;
    assert_eq!(renamed.json["errors"][0]["code"], "read_only");
    let table = house.get("/api/v1/permissions", &admin).await;
    assert!(names(&table, "name").contains(&"incident.resolve".to_owned()));
}

#[actix_web::test]
async fn the_last_active_administrator_stays() {
    let house = House::new();
    let (first, token) = house.signed_in("root", &["administrator"]);
    let second = house.user("second", "Acme", &["administrator"]);
    let disable = |user: UserId, active: bool| {
        let path = format!("/api/v1/users/{user}");
        let (house, token) = (&house, &token);
        async move { house.any(Method::PATCH, &path, token, json!({"active": active})).await.status }
    };
    let role = format!("/api/v1/users/{first}/roles/administrator");
    assert_eq!(disable(second, false).await, 200);
    assert_eq!(disable(first, false).await, 409);
    assert_eq!(house.any(Method::DELETE, &role, &token, Value::Null).await.status, 409);
    house.store(|c| {
        let robot = crate::auth::account::NewUser::service_account("robot", "Robot", house.places["Acme"]);
        let robot = crate::auth::account::create_user(c, &robot, at(0))?;
        assign_role(c, robot, "administrator")
    });
    assert_eq!(disable(first, false).await, 409, "a machine is no person");
    assert_eq!(disable(second, true).await, 200);
    let taken = house.any(Method::DELETE, &role, &token, Value::Null).await;
    assert_eq!((taken.status, &taken.json["roles"]), (200, &json!([])));
    assert_eq!(house.get("/api/v1/users", &token).await.status, 403, "at once");
}

#[actix_web::test]
async fn a_one_time_password_is_shown_once_and_stored_nowhere() {
    let house = House::new();
    let (_, admin) = house.signed_in("root", &["administrator"]);
    let (ada, session) = house.signed_in("ada", &["agent"]);
    let path = format!("/api/v1/users/{ada}/reset_password");
    let before = house.get(&format!("/api/v1/users/{ada}"), &admin).await.json["version"].clone();
    let ask = || house.ask(Method::POST, &path, &admin, &[("idempotency-key", "k")], Value::Null);
    let (given, replayed) = (ask().await, ask().await);
    let password = given.text("one_time_password");
    assert_eq!((given.status, password.len(), &replayed.json["one_time_password"]), (200, 23, &Value::Null));
    let kept: Vec<Vec<u8>> = house.store(|c| Ok(idempotency::table.select(idempotency::body).load(c)?));
    assert!(kept.iter().all(|body| !String::from_utf8_lossy(body).contains(&password)));
    assert_eq!(trail(&house), [("user.password_reset".to_owned(), json!({}))]);
    assert_ne!(house.get(&format!("/api/v1/users/{ada}"), &admin).await.json["version"], before);
    assert_eq!(house.get("/api/v1/users", &session).await.status, 401, "their sessions have ended");
    let login = json!({"user_name": "ada", "password": password});
    let signed_in = house.post("/api/v1/auth/login", "", login).await;
    assert_eq!((signed_in.status, &signed_in.json["must_change_password"]), (200, &json!(true)));
}

#[actix_web::test]
async fn service_accounts_have_tokens_and_people_make_their_own() {
    let house = House::new();
    let (_, admin) = house.signed_in("root", &["administrator"]);
    let body = json!({"user_name": "robot", "display_name": "Robot", "service_account": true});
    let robot = house.post("/api/v1/users", &admin, body).await.text("id");
    let ada = house.user("ada", "Acme", &["agent"]);
    assert_eq!(
        house.any(Method::PUT, &format!("/api/v1/users/{robot}/roles/agent"), &admin, Value::Null).await.status,
        200
    );
    assert_eq!(house.post(&format!("/api/v1/users/{robot}/reset_password"), &admin, Value::Null).await.status, 409);
    let tokens = format!("/api/v1/users/{robot}/tokens");
    let token = json!({"name": "sync", "scopes": ["directory.read"]});
    assert_eq!(house.post(&format!("/api/v1/users/{ada}/tokens"), &admin, token.clone()).await.status, 409);
    let made = house.post(&tokens, &admin, token).await;
    assert_eq!((made.status, made.header("location")), (201, &*format!("{tokens}/{}", made.text("id"))));
    let secret = made.text("secret");
    assert_eq!(house.get("/api/v1/users", &secret).await.status, 200);
    assert_eq!(names(&house.get(&tokens, &admin).await, "name"), ["sync"]);
    let one = made.header("location").to_owned();
    assert_eq!(house.ask(Method::DELETE, &one, &admin, &[], Value::Null).await.status, 204);
    assert_eq!(house.get("/api/v1/users", &secret).await.status, 401);
    assert_eq!(house.ask(Method::DELETE, &one, &admin, &[], Value::Null).await.status, 404);
}

#[actix_web::test]
async fn nobody_reports_to_themselves_in_the_end() {
    let house = House::new();
    let (_, admin) = house.signed_in("root", &["administrator"]);
    let [a, b, c] = ["a", "b", "c"].map(|name| house.user(name, "Acme", &[]));
    let reports = |user: UserId, to: Value| {
        let path = format!("/api/v1/users/{user}");
        let (house, admin) = (&house, &admin);
        async move { house.any(Method::PATCH, &path, admin, json!({"manager_id": to})).await.status }
    };
    assert_eq!(reports(a, json!(a)).await, 422);
    assert_eq!(reports(a, json!(b)).await, 200);
    assert_eq!(reports(b, json!(c)).await, 200);
    assert_eq!(reports(c, json!(a)).await, 422);
    assert_eq!(reports(b, Value::Null).await, 200);
    assert_eq!(reports(c, json!(a)).await, 200);
}

/// Every permission of the directory's own endpoints is in the table, and the table has no other of their families.
#[actix_web::test]
async fn the_table_of_permissions_is_what_is_mounted() {
    let house = House::new();
    let mounted: std::collections::BTreeSet<String> = house
        .parts
        .api
        .endpoints()
        .iter()
        .filter_map(|endpoint| {
            let crate::http::endpoint::Access::Permission(name) = &endpoint.access else { return None };
            Some(name.to_string())
        })
        .collect();
    let families = ["directory.", "organisation.", "role.", "team.", "token.", "user."];
    let known: std::collections::BTreeSet<String> = crate::auth::permission::table(&[])
        .into_iter()
        .map(|p| p.name)
        .filter(|name| families.iter().any(|family| name.starts_with(family)))
        .collect();
    assert_eq!(mounted, known);
}
