//! Signing in and out through the router.

use actix_web::{http::Method, test::TestRequest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::{
    auth::{
        account::{self, NewUser},
        role::assign_role,
    },
    http::house::{Got, House, at},
    schema::{audit, idempotency, user_account, user_role},
};

const PASSWORD: &str = "correct horse battery";

async fn login(house: &House, name: &str, password: &str) -> Got {
    house.post("/api/v1/auth/login", "", json!({"user_name": name, "password": password})).await
}

async fn me(house: &House, token: &str) -> u16 {
    house.get("/api/v1/auth/me", token).await.status
}

fn actions(house: &House) -> Vec<String> {
    house.store(|c| Ok(audit::table.order(audit::seq).select(audit::action).load(c)?))
}

#[actix_web::test]
async fn a_session_goes_on_once_for_each_refresh_token() {
    let house = House::new();
    house.with_password("ada", &["agent"], PASSWORD, false);
    let first = login(&house, "ADA", PASSWORD).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.header("cache-control"), "no-store");
    let (access, refresh) = (first.text("access_token"), first.text("refresh_token"));
    let seen = house.get("/api/v1/auth/me", &access).await;
    assert_eq!(
        (seen.status, &seen.json["user_name"], &seen.json["roles"], &seen.json["sees"]),
        (200, &json!("ada"), &json!(["agent"]), &json!("organisation"))
    );
    assert!(
        seen.json["permissions"].as_array().unwrap().contains(&json!("incident.resolve")),
        "patterns are spelled out"
    );
    let again = |token: String| house.post("/api/v1/auth/refresh", "", json!({"refresh_token": token}));
    let second = again(refresh.clone()).await;
    assert_eq!((second.status, me(&house, &second.text("access_token")).await), (200, 200));
    assert_eq!(again(refresh).await.status, 401, "used before");
    assert_eq!(again(second.text("refresh_token")).await.status, 401, "the whole family has ended, and stays so");
    assert_eq!(me(&house, &second.text("access_token")).await, 401, "at once on this node");
    assert_eq!(actions(&house), ["user.signed_in", "user.refresh_token_reused"]);
}

#[actix_web::test]
async fn logout_ends_one_session_or_all() {
    let house = House::new();
    let (user, one) = house.signed_in("ada", &["agent"]);
    let (two, three) = (house.session(user), house.session(user));
    assert_eq!(house.post("/api/v1/auth/logout", &one, Value::Null).await.status, 204);
    assert_eq!((me(&house, &one).await, me(&house, &two).await), (401, 200));
    assert_eq!(house.post("/api/v1/auth/logout?everywhere=perhaps", &two, Value::Null).await.status, 400);
    assert_eq!(house.post("/api/v1/auth/logout?everywhere=true", &two, Value::Null).await.status, 204);
    assert_eq!((me(&house, &two).await, me(&house, &three).await), (401, 401));
    assert_eq!(house.post("/api/v1/auth/logout", "", Value::Null).await.status, 401);
}

#[actix_web::test]
async fn a_one_time_password_opens_nothing_but_its_change() {
    let house = House::new();
    house.with_password("ada", &["agent"], PASSWORD, true);
    let given = login(&house, "ada", PASSWORD).await;
    assert_eq!(given.json["must_change_password"], true);
    let token = given.text("access_token");
    let refused = house.get("/api/v1/users", &token).await;
    assert_eq!((refused.status, refused.code()), (403, "password_change_required"));
    assert_eq!(me(&house, &token).await, 200, "a portal may greet them");
    let change = |old: &'static str, new: &'static str| {
        house.post("/api/v1/auth/password", &token, json!({"old_password": old, "new_password": new}))
    };
    for (old, new, pointer, code) in [
        ("wrong", "staple battery horse", "/old_password", "wrong_password"),
        (PASSWORD, PASSWORD, "/new_password", "unchanged"),
        (PASSWORD, "short", "/new_password", "too_short"),
    ] {
        let refused = change(old, new).await;
        let place = &refused.json["errors"][0];
        assert_eq!((refused.status, &place["pointer"], &place["code"]), (422, &json!(pointer), &json!(code)));
    }
    assert_eq!(change(PASSWORD, "staple battery horse").await.status, 204);
    assert_eq!(house.get("/api/v1/users", &token).await.status, 200, "the session goes on");
    assert_eq!(login(&house, "ada", PASSWORD).await.status, 401);
    assert_eq!(login(&house, "ada", "staple battery horse").await.json["must_change_password"], false);
}

#[actix_web::test]
async fn failed_logins_are_counted_and_slowed_down() {
    let house = House::new();
    house.with_password("ada", &["agent"], PASSWORD, false);
    let wrong = login(&house, "ada", "wrong").await;
    let unknown = login(&house, "nobody", "wrong").await;
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!(wrong.json["detail"], unknown.json["detail"], "no telling which it was");
    for _ in 0..4 {
        login(&house, "ada", "wrong").await;
    }
    let refused = login(&house, "ada", PASSWORD).await;
    assert_eq!((refused.status, refused.code(), refused.header("retry-after")), (429, "too_many_requests", "1"));
    house.clock.set(at(1));
    assert_eq!(login(&house, "ada", PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn a_misspelt_login_is_told_what_was_meant_and_shows_no_password() {
    let house = House::new();
    let body = json!({"username": "ada", "password": PASSWORD});
    let refused = house.post("/api/v1/auth/login", "", body).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text("detail").contains("did you mean `user_name`"), "{refused:?}");
    assert!(!refused.json.to_string().contains(PASSWORD));
}

#[actix_web::test]
async fn a_personal_token_is_shown_once_and_narrowed_by_its_scopes() {
    let house = House::new();
    let (user, session) = house.signed_in("ada", &["agent"]);
    let tokens = "/api/v1/auth/tokens";
    let asked = json!({"name": "script", "scopes": ["directory.read", "token.create"]});
    let key = [("idempotency-key", "once")];
    let made = house.ask(Method::POST, tokens, &session, &key, asked.clone()).await;
    let secret = made.text("secret");
    assert!(made.status == 201 && secret.starts_with("pm_pat_"), "{made:?}");
    let replayed = house.ask(Method::POST, tokens, &session, &key, asked.clone()).await;
    assert_eq!((replayed.header("idempotency-replayed"), &replayed.json["secret"]), ("true", &Value::Null));
    let kept: Vec<Vec<u8>> = house.store(|c| Ok(idempotency::table.select(idempotency::body).load(c)?));
    assert!(kept.len() == 1 && !String::from_utf8_lossy(&kept[0]).contains("pm_pat_"));
    let told: Vec<crate::db::JsonText> = house.store(|c| Ok(audit::table.select(audit::changes).load(c)?));
    assert!(told.iter().all(|changes| !changes.as_str().contains("pm_pat_")));
    assert_eq!(house.get("/api/v1/teams", &secret).await.status, 200);
    let me = house.get("/api/v1/auth/me", &secret).await;
    assert_eq!(me.json["permissions"], json!(["directory.read", "token.create"]));
    assert_eq!(house.post("/api/v1/teams", &secret, json!({"name": "x"})).await.code(), "forbidden");
    let wider = house.post(tokens, &secret, json!({"name": "wider", "scopes": ["directory.read", "*"]})).await;
    assert_eq!((wider.status, &wider.json["errors"][0]["code"]), (422, &json!("wider_than_own")));
    assert_eq!(house.post("/api/v1/auth/logout", &secret, Value::Null).await.status, 409, "no session");
    let rehearsed = house.post("/api/v1/auth/tokens?dry_run=true", &session, asked).await;
    assert_eq!((rehearsed.status, &rehearsed.json["secret"]), (201, &Value::Null));
    let listed = house.get(tokens, &session).await;
    assert_eq!(listed.json["items"].as_array().unwrap().len(), 1);
    assert!(!listed.json.to_string().contains("pm_pat_"));
    let one = format!("{tokens}/{}", made.text("id"));
    let (_, other) = house.signed_in("grace", &["agent"]);
    assert_eq!(house.ask(Method::DELETE, &one, &other, &[], Value::Null).await.status, 404, "somebody else's");
    assert_eq!(house.ask(Method::DELETE, &one, &session, &[], Value::Null).await.status, 204);
    assert_eq!(house.get("/api/v1/teams", &secret).await.status, 401, "at once on this node");
    let (_, requester) = house.signed_in("req", &["requester"]);
    assert_eq!(house.post(tokens, &requester, json!({"name": "x", "scopes": ["*"]})).await.status, 403);
    assert!(house.store(|c| Ok(user_account::table.find(user).select(user_account::active).first::<bool>(c)?)));
}

#[actix_web::test]
async fn a_token_permits_no_more_than_its_owner_then_or_later() {
    let house = House::new();
    let (user, session) = house.signed_in("ada", &["agent"]);
    let tokens = "/api/v1/auth/tokens";
    for scope in ["*", "policy.publish", "policy.*", "user.manage"] {
        let refused = house.post(tokens, &session, json!({"name": "x", "scopes": ["incident.read", scope]})).await;
        let error = &refused.json["errors"][0];
        assert_eq!((refused.status, &error["code"]), (422, &json!("wider_than_roles")), "{refused:?}");
        assert!(error["detail"].as_str().unwrap().contains(&format!("`{scope}`")), "{error}");
    }
    let asked = json!({"name": "x", "scopes": ["directory.*", "incident.*", "token.create"]});
    let refused = house.post(tokens, &session, asked).await;
    assert_eq!(refused.json["errors"][0]["detail"], "The roles of `ada` don't permit all of `directory.*`.");
    let made = house.post(tokens, &session, json!({"name": "x", "scopes": ["directory.read", "incident.*"]})).await;
    let secret = made.text("secret");
    assert_eq!(house.get("/api/v1/teams", &secret).await.status, 200);
    house.store(|c| {
        diesel::delete(user_role::table.filter(user_role::user_id.eq(user))).execute(c)?;
        assign_role(c, user, "requester")
    });
    house.clock.set(at(60));
    assert_eq!(house.get("/api/v1/teams", &secret).await.status, 403, "the role is gone");
    let me = house.get("/api/v1/auth/me", &secret).await;
    let permissions = me.json["permissions"].as_array().unwrap().clone();
    assert!(permissions.contains(&json!("incident.read")) && !permissions.contains(&json!("incident.resolve")));
}

#[actix_web::test]
async fn tokens_expire() {
    let house = House::new();
    let (_, session) = house.signed_in("ada", &["agent"]);
    let day = |n: i64| at(n * 24 * 60 * 60);
    for (asked, given) in [(Value::Null, Some(day(90))), (json!(day(365)), Some(day(365))), (json!(day(366)), None)] {
        let body = json!({"name": "x", "scopes": ["incident.read"], "expires_at": asked});
        let made = house.post("/api/v1/auth/tokens", &session, body).await;
        match given {
            Some(expires_at) => assert_eq!((made.status, &made.json["expires_at"]), (201, &json!(expires_at))),
            None => assert_eq!((made.status, &made.json["errors"][0]["code"]), (422, &json!("too_late"))),
        }
    }
}

#[actix_web::test]
async fn a_narrow_token_tells_nothing_of_the_others_and_ends_none() {
    let house = House::new();
    let (_, session) = house.signed_in("ada", &["agent"]);
    let tokens = "/api/v1/auth/tokens";
    let make = async |scopes: Value| house.post(tokens, &session, json!({"name": "x", "scopes": scopes})).await;
    let (narrow, meant) = (make(json!(["incident.read"])).await, make(json!(["token.create"])).await);
    let one = format!("{tokens}/{}", narrow.text("id"));
    for (secret, listed, revoked) in [(narrow.text("secret"), 403, 403), (meant.text("secret"), 200, 204)] {
        assert_eq!(house.get(tokens, &secret).await.status, listed);
        assert_eq!(house.ask(Method::DELETE, &one, &secret, &[], Value::Null).await.status, revoked);
    }
    let (_, requester) = house.signed_in("req", &["requester"]);
    assert_eq!(house.get(tokens, &requester).await.status, 200, "a session needs no permission");
}

#[actix_web::test]
async fn a_disabled_user_is_out() {
    let house = House::new();
    let user = house.with_password("ada", &["agent"], PASSWORD, false);
    let token = house.session(user);
    let (_, admin) = house.signed_in("root", &["administrator"]);
    assert_eq!(me(&house, &token).await, 200);
    let path = format!("/api/v1/users/{user}");
    let disabled = house.any(Method::PATCH, &path, &admin, json!({"active": false})).await;
    assert_eq!((disabled.status, &disabled.json["active"]), (200, &json!(false)), "{disabled:?}");
    assert_eq!(me(&house, &token).await, 401);
    assert_eq!(login(&house, "ada", PASSWORD).await.status, 401);
    assert_eq!(house.any(Method::PATCH, &path, &admin, json!({"active": true})).await.status, 200);
    assert_eq!(login(&house, "ada", PASSWORD).await.status, 200);
    assert_eq!(me(&house, &token).await, 401, "the old session has ended for good");
}

#[actix_web::test]
async fn client_credentials_give_a_token_and_speak_oauth() {
    let house = House::new();
    let robot = house.store(|c| {
        let robot = account::create_user(c, &NewUser::service_account("robot", "Robot", house.places["Acme"]), at(0))?;
        assign_role(c, robot, "integration")?;
        Ok(robot)
    });
    let (_, admin) = house.signed_in("root", &["administrator"]);
    let body = json!({"name": "sync", "scopes": ["incident.read", "directory.read"]});
    let made = house.post(&format!("/api/v1/users/{robot}/tokens"), &admin, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (id, secret) = (made.text("id"), made.text("secret"));
    let ask = |basic: Option<String>, form: String| {
        let request = TestRequest::post()
            .uri("/api/v1/auth/token")
            .insert_header(("content-type", "application/x-www-form-urlencoded"))
            .set_payload(form);
        let request = match basic {
            Some(both) => request.insert_header(("authorization", format!("Basic {}", STANDARD.encode(both)))),
            None => request,
        };
        house.send(request)
    };
    const GRANT: &str = "grant_type=client_credentials";
    let given = ask(Some(format!("{id}:{secret}")), format!("{GRANT}&scope=directory.read")).await;
    assert_eq!((given.status, &given.json["scope"]), (200, &json!("directory.read")), "{given:?}");
    assert_eq!((given.header("cache-control"), given.header("pragma")), ("no-store", "no-cache"));
    assert_eq!(house.get("/api/v1/users", &given.text("access_token")).await.status, 200);
    let given = ask(None, format!("{GRANT}&client_id={id}&client_secret={secret}")).await;
    assert_eq!((given.status, &given.json["scope"]), (200, &json!("directory.read incident.read")));
    let both = || Some(format!("{id}:{secret}"));
    let cases = [
        (Some(format!("{id}:guess")), GRANT.to_owned(), 401, "invalid_client"),
        (Some("no colon".to_owned()), GRANT.to_owned(), 401, "invalid_client"),
        (None, GRANT.to_owned(), 401, "invalid_client"),
        (both(), format!("{GRANT}&client_secret={secret}"), 400, "invalid_request"),
        (both(), format!("{GRANT}&scope=a&scope=b"), 400, "invalid_request"),
        (both(), "scope=a".to_owned(), 400, "invalid_request"),
        (both(), "grant_type=password".to_owned(), 400, "unsupported_grant_type"),
        (both(), format!("{GRANT}&scope=policy.publish"), 400, "invalid_scope"),
    ];
    for (basic, form, status, error) in cases {
        let got = ask(basic, form.clone()).await;
        assert_eq!((got.status, &got.json["error"]), (status, &json!(error)), "{form}: {got:?}");
        assert_eq!(got.header("content-type"), "application/problem+json");
        assert!(got.json["error_description"].is_string() && got.json["request_id"].is_string(), "{got:?}");
        assert_eq!(got.header("www-authenticate").starts_with("Basic"), status == 401);
    }
    assert_eq!(house.post("/api/v1/auth/token", "", json!({})).await.status, 415);
}

#[actix_web::test]
async fn anybody_can_verify_a_token_with_the_published_keys() {
    let house = House::new();
    let (user, token) = house.signed_in("ada", &["agent"]);
    let keys = house.get("/.well-known/jwks.json", "").await;
    assert_eq!((keys.status, keys.header("cache-control")), (200, "public, max-age=300"));
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys.json.clone()).unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&["pointsman"]);
    // The token is of the tests' own time.
    validation.validate_exp = false;
    let claims: Value = jsonwebtoken::decode(&token, &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], json!(user));
    assert!(!keys.json.to_string().contains("\"d\""), "no private part");
}
