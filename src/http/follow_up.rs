//! The links of the OpenAPI document: what can be asked next of what was just made or read, and with which values.

use actix_web::http::Method;
use utoipa::openapi::link::{Link, LinkBuilder};

use super::endpoint::{Answer, Endpoint};

/// The operations that take what an answer of `endpoint` holds, by their ids: after something was made, all that is said of
/// it; after it was read with its version, those that change it.
pub(super) fn follow_ups(endpoint: &Endpoint, answer: &Answer, endpoints: &[&Endpoint]) -> Vec<(String, Link)> {
    let versioned = answer.headers.iter().any(|(name, _)| *name == "ETag");
    let linked = |made: Option<&str>, next: &Endpoint| {
        let of_path =
            endpoint.path_parameters().into_iter().map(|name| (name.clone(), format!("$request.path.{name}")));
        let of_body = made.map(|name| (name.to_owned(), "$response.body#/id".to_owned()));
        let of_header = (versioned && takes_version(next)).then(|| ("If-Match".into(), "$response.header.ETag".into()));
        let parameters = of_path.chain(of_body).chain(of_header);
        let link = LinkBuilder::new().operation_id(next.id.as_ref());
        let link = parameters.fold(link, |link, (name, value): (String, String)| link.parameter(name, value));
        (next.id.to_string(), link.build())
    };
    let others = endpoints.iter().filter(|next| next.id != endpoint.id);
    match (&endpoint.method, answer.status) {
        (&Method::POST, 201) => {
            others.filter_map(|next| Some(linked(Some(&made_at(&endpoint.path, &next.path)?), next))).collect()
        }
        (&Method::GET, 200) if versioned => others
            .filter(|next| next.path == endpoint.path && takes_version(next))
            .map(|next| linked(None, next))
            .collect(),
        _ => Vec::new(),
    }
}

fn takes_version(endpoint: &Endpoint) -> bool {
    endpoint.parameters.iter().any(|parameter| parameter.name == "If-Match")
}

/// The parameter that holds the id of what is made at `collection`, where `path` leads to it or to a part of it that needs no
/// other id.
fn made_at(collection: &str, path: &str) -> Option<String> {
    let rest = path.strip_prefix(collection)?.strip_prefix("/{")?;
    let (name, below) = rest.split_once('}')?;
    (name == "id" || name.ends_with("_id")).then_some(name).filter(|_| !below.contains('{')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::made_at;

    #[test]
    fn what_is_made_is_found_below_its_collection() {
        assert_eq!(made_at("/teams", "/teams/{id}").as_deref(), Some("id"));
        assert_eq!(made_at("/teams", "/teams/{id}/members").as_deref(), Some("id"));
        assert_eq!(made_at("/users/{id}/tokens", "/users/{id}/tokens/{token_id}").as_deref(), Some("token_id"));
        for other in ["/teams", "/teams/batch", "/teams/{id}/members/{user_id}", "/users/{id}", "/teams/{number}"] {
            assert_eq!(made_at("/teams", other), None, "{other}");
        }
    }
}
