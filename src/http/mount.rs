//! Mounting: one call gives an endpoint its route, its access rule and its documentation.
//!
//! **Invariant:** the router, the list of endpoints and the OpenAPI document are made from the same calls, so they can't
//! differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Responder, Route, guard,
    http::{Method, header},
    web::{self, Bytes},
};

use super::{endpoint::Endpoint, gate, middleware::KNOWN, openapi, problem};
use crate::error::{Code, Error};

/// Makes a route; each worker has its own.
type RouteMaker = Box<dyn Fn() -> Route + Send + Sync>;

/// An endpoint with all that is told of it, the same as it is served, and what makes its route.
struct Mount {
    told: Endpoint,
    served: Arc<Endpoint>,
    maker: RouteMaker,
}

/// The endpoints so far.
#[derive(Default)]
pub struct Api {
    mounts: Vec<Mount>,
    /// What the server sends to others, by name.
    sent: Vec<(&'static str, Endpoint)>,
    tags: BTreeMap<String, String>,
    faults: Vec<String>,
}

/// The rest of a path, and what answers there.
type Resource = (String, Vec<(Method, RouteMaker)>);

/// All endpoints, routed and documented.
pub struct Mounted {
    /// By the fixed beginning of their paths, so that the router looks through few of them; and in the order of their
    /// precedence: a fixed segment goes before a parameter.
    resources: Vec<(String, Vec<Resource>)>,
    endpoints: Vec<Arc<Endpoint>>,
    openapi: Bytes,
}

/// Mounts contradict each other or lack something.
#[derive(Debug, thiserror::Error)]
#[error("the API can't be built: {}", .0.join("; "))]
pub struct MountFaults(Vec<String>);

impl From<MountFaults> for Error {
    fn from(faults: MountFaults) -> Self {
        Error::new(Code::Internal, faults.to_string())
    }
}

impl Api {
    /// Without endpoints.
    pub fn new() -> Self {
        Api::default()
    }

    /// Describes a chapter of the documentation.
    pub fn tag(&mut self, name: &str, description: &str) -> &mut Self {
        if self.tags.insert(name.to_owned(), description.to_owned()).is_some_and(|before| before != description) {
            self.faults.push(format!("the tag `{name}` is described twice"));
        }
        self
    }

    /// Routes `endpoint` to `handler`, behind its access rule and with its documentation.
    pub fn mount<F, Args>(&mut self, endpoint: Endpoint, handler: F) -> &mut Self
    where
        F: Handler<Args> + Send + Sync,
        F::Output: Responder + 'static,
        Args: FromRequest + 'static,
    {
        let served = Arc::new(endpoint.bare());
        let (mounted, method) = (served.clone(), endpoint.method.clone());
        let maker = move || {
            let (endpoint, handler, method) = (mounted.clone(), handler.clone(), method.clone());
            web::route().guard(guard::fn_guard(move |context| answers(&method, &context.head().method))).to(
                move |request: HttpRequest, payload: web::Payload| {
                    gate::pass(endpoint.clone(), handler.clone(), request, payload)
                },
            )
        };
        self.mounts.push(Mount { told: endpoint, served, maker: Box::new(maker) });
        self
    }

    /// Documents what the server sends to endpoints of others. Its path says nothing; theirs are their own.
    pub fn send(&mut self, name: &'static str, endpoint: Endpoint) -> &mut Self {
        self.sent.push((name, endpoint));
        self
    }

    /// Puts everything together.
    ///
    /// # Errors
    /// An operation id or a method and path mounted twice, a path parameter that is not documented or not there, a tag without
    /// a description, two schemas of one name, a reference to no schema.
    pub fn build(mut self) -> Result<Arc<Mounted>, MountFaults> {
        let endpoints: Vec<&Endpoint> = self.mounts.iter().map(|mount| &mount.told).collect();
        self.faults.extend(contradictions(&endpoints, &self.tags));
        let document = openapi::assemble(&endpoints, &self.sent, &self.tags, &mut self.faults);
        let openapi = document.to_json().map_err(|e| MountFaults(vec![e.to_string()]))?.into();
        let endpoints = self.mounts.iter().map(|mount| mount.served.clone()).collect();
        if !self.faults.is_empty() {
            return Err(MountFaults(self.faults));
        }
        let mut resources: BTreeMap<_, (String, Vec<_>)> = BTreeMap::new();
        for Mount { served, maker, .. } in self.mounts {
            let path = served.path.to_string();
            let (_, routes) = resources.entry(precedence(&path)).or_insert_with(|| (path, Vec::new()));
            routes.push((served.method.clone(), maker));
        }
        let mut scopes: Vec<(String, Vec<Resource>)> = Vec::new();
        for (path, routes) in resources.into_values() {
            let (fixed, rest) = path.split_at(fixed_part(&path));
            match scopes.last_mut() {
                Some((prefix, resources)) if prefix == fixed => resources.push((rest.to_owned(), routes)),
                _ => scopes.push((fixed.to_owned(), vec![(rest.to_owned(), routes)])),
            }
        }
        Ok(Arc::new(Mounted { resources: scopes, endpoints, openapi }))
    }
}

impl Mounted {
    /// Every endpoint, in the order of mounting, without the shapes and examples of its bodies.
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }
    /// The OpenAPI document, as JSON.
    pub fn openapi(&self) -> Bytes {
        self.openapi.clone()
    }

    /// Adds every route to an application.
    pub fn configure(self: &Arc<Self>, config: &mut web::ServiceConfig) {
        config.app_data(web::Data::from(self.clone()));
        for (prefix, resources) in &self.resources {
            let scope = web::scope(prefix);
            let resources = resources.iter().map(|(rest, routes)| resource(rest, routes));
            config.service(resources.fold(scope, |scope, resource| scope.service(resource)));
        }
        config.default_service(web::route().to(|request: HttpRequest| std::future::ready(no_route(&request))));
    }
}

fn resource(path: &str, routes: &[(Method, RouteMaker)]) -> actix_web::Resource {
    let allow = allow(routes.iter().map(|(method, _)| method));
    let other = web::route().to(move |request: HttpRequest| std::future::ready(other_method(&request, &allow)));
    let resource = web::resource(path).default_service(other);
    routes.iter().fold(resource, |resource, (_, maker)| resource.route(maker()))
}

/// Where the fixed beginning of a path ends: `/api/v1/incidents` of `/api/v1/incidents/{id}`.
fn fixed_part(path: &str) -> usize {
    /// Segments that paths of the API have in common.
    const COMMON: usize = 3;
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
    ends.take(COMMON).take_while(|end| !path[..*end].contains('{')).last().unwrap_or(0)
}

fn answers(mounted: &Method, asked: &Method) -> bool {
    mounted == asked || (mounted == Method::GET && asked == Method::HEAD)
}

fn allow<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let mut all: BTreeSet<&str> = methods.map(Method::as_str).collect();
    if all.contains("GET") {
        all.insert("HEAD");
    }
    all.insert("OPTIONS");
    all.into_iter().collect::<Vec<_>>().join(", ")
}

fn other_method(request: &HttpRequest, allow: &str) -> HttpResponse {
    let mut response = if let Err(refused) = gate::count(request, super::limit::Counted::peer(request)) {
        problem::respond(&refused, request)
    } else if request.method() == Method::OPTIONS {
        HttpResponse::NoContent().finish()
    } else {
        let detail = format!("The methods here are {allow}.");
        problem::respond(&Error::new(Code::MethodNotAllowed, detail), request)
    };
    if let Ok(value) = header::HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

fn no_route(request: &HttpRequest) -> HttpResponse {
    if !KNOWN.contains(request.method()) {
        return other_method(request, &allow(KNOWN.iter()));
    }
    let refused = gate::count(request, super::limit::Counted::peer(request)).err();
    problem::respond(&refused.unwrap_or_else(|| Error::new(Code::NotFound, "There is nothing at this path.")), request)
}

/// Sorts paths so that the first match is the most precise one. Two spellings of one path have the same key.
fn precedence(path: &str) -> Vec<(u8, String)> {
    path.split('/')
        .map(|segment| match segment {
            s if s.contains(":.*}") => (2, String::new()),
            s if s.contains('{') => (1, s.replace(|c: char| c.is_alphanumeric() || c == '_', "")),
            s => (0, s.to_owned()),
        })
        .collect()
}

fn contradictions(endpoints: &[&Endpoint], tags: &BTreeMap<String, String>) -> Vec<String> {
    let mut faults = Vec::new();
    // A request that is within a scope is looked for in no other one.
    let scopes: BTreeSet<&str> =
        endpoints.iter().map(|endpoint| &endpoint.path[..fixed_part(&endpoint.path)]).collect();
    for (outer, inner) in scopes.iter().flat_map(|outer| scopes.iter().map(move |inner| (outer, inner))) {
        if inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/')) {
            faults.push(format!("`{inner}` lies within `{outer}`, and would never be found"));
        }
    }
    let (mut ids, mut routes, mut spellings) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for endpoint in endpoints {
        let (method, path) = (&endpoint.method, &endpoint.path);
        if !ids.insert(&endpoint.id) {
            faults.push(format!("the operation id `{}` is mounted twice", endpoint.id));
        }
        if !routes.insert((precedence(path), method.as_str())) {
            faults.push(format!("`{method} {path}` is mounted twice"));
        }
        if let Some(other) = spellings.insert(precedence(path), path).filter(|other| *other != path) {
            faults.push(format!("`{path}` and `{other}` are one path with other parameter names"));
        }
        if !tags.contains_key(endpoint.tag.as_ref()) {
            faults.push(format!("`{}` has the tag `{}`, which nothing describes", endpoint.id, endpoint.tag));
        }
        let documented: BTreeSet<_> = endpoint
            .parameters
            .iter()
            .filter(|p| p.parameter_in == utoipa::openapi::path::ParameterIn::Path)
            .map(|p| p.name.clone())
            .collect();
        if documented != endpoint.path_parameters().into_iter().collect() {
            faults.push(format!("the parameters in the path of `{}` are not those documented", endpoint.id));
        }
        let said = [&endpoint.id, &endpoint.summary, &endpoint.description];
        if said.iter().any(|text| text.trim().is_empty()) || endpoint.responses.is_empty() {
            faults.push(format!("`{method} {path}` lacks its id, summary, description or responses"));
        }
    }
    faults
}
