//! An application for the tests of this folder: a few endpoints, and callers named by their token.

use std::{collections::BTreeSet, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::ServiceResponse,
    http::{Method, header},
    web,
};
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};
use utoipa::openapi::{ObjectBuilder, Schema};

use super::{
    app::{Authenticate, Parts},
    body::Body,
    docs,
    endpoint::{Access, Answer, Content, Endpoint, in_path, text},
    limit::Limiter,
    mount::{Api, Mounted},
    probe::{self, Ready},
    schema::{Shape, inline},
    shutdown::Shutdown,
};
use crate::{
    auth::caller::{Caller, Sees},
    config::Server,
    error::{Code, Error, Result},
    id::{OrganisationId, UserId},
};

pub(super) struct ByToken;

impl Authenticate for ByToken {
    fn authenticate<'a>(&'a self, request: &'a HttpRequest) -> LocalBoxFuture<'a, Result<Arc<Caller>>> {
        let token = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()?.strip_prefix("Bearer "));
        let caller = match token {
            Some("agent") => Ok(caller(&["thing.*"], false)),
            Some("requester") => Ok(caller(&[], false)),
            Some("newcomer") => Ok(caller(&["*"], true)),
            _ => Err(Error::new(Code::Unauthenticated, "The token is missing or wrong.")),
        };
        Box::pin(std::future::ready(caller.map(Arc::new)))
    }
}

fn caller(permissions: &[&str], must_change_password: bool) -> Caller {
    Caller {
        user_name: "ada".into(),
        permissions: Arc::new(permissions.iter().map(|&p| p.to_owned()).collect::<BTreeSet<_>>()),
        sees: Sees::Own,
        must_change_password,
        ..Caller::server(UserId::new(), OrganisationId::new())
    }
}

pub(super) struct Away(pub bool);

impl Ready for Away {
    fn check(&self) -> LocalBoxFuture<'_, Result<()>> {
        let answer = if self.0 { Err(Error::new(Code::Unavailable, "The store is away.")) } else { Ok(()) };
        Box::pin(std::future::ready(answer))
    }
}

pub(super) fn anything() -> Shape {
    inline(Schema::from(ObjectBuilder::new().build()))
}

pub(super) fn endpoint(method: Method, path: &'static str, id: &'static str, access: Access) -> Endpoint {
    let in_it = path.contains('{').then(|| in_path("id", "Which thing.", text(), "1"));
    Endpoint {
        method,
        path: path.into(),
        id: id.into(),
        tag: "Thing".into(),
        access,
        summary: "A thing".into(),
        description: "About a thing.".into(),
        parameters: in_it.into_iter().collect(),
        request: None,
        responses: vec![Answer::json(200, "The thing.", anything(), json!({}))],
        problems: Vec::new(),
    }
}

pub(super) fn api() -> Api {
    let mut api = Api::new();
    docs::mount(&mut api);
    probe::mount(&mut api);
    api.tag("Thing", "Things.");
    let permission = |p: &'static str| Access::Permission(p.into());
    api.mount(
        endpoint(Method::GET, "/api/v1/things/{id}", "get_thing", permission("thing.read")),
        async |id: web::Path<String>| HttpResponse::Ok().json(json!({"id": *id})),
    );
    let body = Content::json(anything(), json!({}));
    let create = Endpoint {
        request: Some(body),
        ..endpoint(Method::POST, "/api/v1/things", "create_thing", permission("thing.create"))
    };
    api.mount(create, async |Body(body): Body<Value>, caller: Caller| {
        HttpResponse::Created().json(json!({"by": caller.user_name, "body": body}))
    });
    api.mount(endpoint(Method::GET, "/api/v1/things/newest", "get_newest_thing", Access::SignedIn), async || "newest");
    api.mount(endpoint(Method::POST, "/api/v1/password", "change_password", Access::PasswordDue), async || "changed");
    api.mount(endpoint(Method::GET, "/api/v1/panic", "panic_once", Access::Public), panics);
    api.mount(endpoint(Method::GET, "/api/v1/fault", "fail_once", Access::Public), async || {
        Err::<&str, _>(Error::internal("SELECT secret FROM table"))
    });
    let mut query = endpoint(Method::GET, "/api/v1/query", "ask_query", Access::Public);
    query.parameters.push(super::endpoint::in_query("limit", "How many.", super::endpoint::whole_number(), 1));
    api.mount(query, async |q: web::Query<Limit>| q.limit.to_string());
    api.mount(endpoint(Method::GET, "/api/v1/number/{id}", "get_number", Access::Public), async |n: web::Path<u32>| {
        n.to_string()
    });
    api
}

#[derive(serde::Deserialize)]
struct Limit {
    limit: u32,
}

async fn panics() -> &'static str {
    panic!("the secret of the panic")
}

pub(super) fn parts(server: Server, api: Arc<Mounted>) -> Parts {
    Parts {
        api,
        limiter: Arc::new(Limiter::new(&server)),
        server: Arc::new(server),
        authenticate: Arc::new(ByToken),
        ready: Arc::new(Away(false)),
        figures: crate::telemetry::figures().unwrap(),
        shutdown: Shutdown::new(),
        state: Arc::new(|_| {}),
    }
}

/// The answer with its whole body.
pub(super) async fn body_of(
    response: ServiceResponse<impl MessageBody + 'static>,
) -> (ServiceResponse<BoxBody>, Vec<u8>) {
    let (request, response) = response.into_parts();
    let (head, body) = response.into_parts();
    let bytes = actix_web::body::to_bytes(body).await.map_err(|_| "the body breaks off").unwrap();
    (ServiceResponse::new(request, head.set_body(BoxBody::new(()))), bytes.to_vec())
}
