//! Who calls: the bearer credential of a request, checked by the gate.
//!
//! Knows how a credential travels (`Authorization: Bearer …`) and nothing of what it is made of. Cookies are never looked
//! at, so that no page of another origin can call in somebody's name.
//!
//! **Invariant:** a [`Credential`] lies with the request wherever a [`Caller`] does.

use std::sync::Arc;

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header, web};
use futures_util::future::LocalBoxFuture;

use super::{app::Authenticate, desk::Service};
use crate::{
    auth::{
        Gate, Hasher,
        caller::Caller,
        gate::{Admitted, Credential},
        permission::KindActions,
        personal,
        session::Mint,
    },
    error::{Code, Error, Result},
    record::practice::AnyPractice,
};

/// What handlers of logins and of the directory work with, beside [`Service`]; shared by all workers.
pub struct Identity {
    /// The way in; told of every change of a user, a role or the tree of organisations.
    pub gate: Arc<Gate>,
    /// What tokens are made with. The gate must have been made with the same.
    pub mint: Mint,
    /// The way to hash passwords.
    pub hasher: Hasher,
}

/// Authenticates by bearer credentials.
pub struct Bearer {
    identity: web::Data<Identity>,
    service: web::Data<Service>,
}

impl Bearer {
    /// From what handlers work with.
    pub fn new(identity: web::Data<Identity>, service: web::Data<Service>) -> Self {
        Bearer { identity, service }
    }

    async fn admit(&self, bearer: String) -> Result<Admitted> {
        let now = self.service.clock.now();
        if let Some(known) = self.identity.gate.recall(&bearer, now) {
            return Ok(known);
        }
        let gate = self.identity.gate.clone();
        let admitted = self.service.database.read(move |connection| gate.admit(connection, &bearer, now)).await?;
        if let Some(token) = admitted.use_due {
            // Nobody waits for it, and a use that could not be written is written with the next one.
            drop(self.service.writer.submit(move |unit| personal::record_use(unit.connection()?, token, now)));
        }
        Ok(admitted)
    }
}

impl Authenticate for Bearer {
    fn authenticate<'a>(&'a self, request: &'a HttpRequest) -> LocalBoxFuture<'a, Result<Arc<Caller>>> {
        Box::pin(async move {
            let admitted = self.admit(bearer(request)?).await?;
            request.extensions_mut().insert(admitted.credential);
            Ok(admitted.caller)
        })
    }
}

fn bearer(request: &HttpRequest) -> Result<String> {
    let mut given = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(Error::new(Code::Unauthenticated, "Send one `Authorization: Bearer …` header."));
    };
    let (scheme, credential) = value.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
    let credential = credential.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || credential.is_empty() {
        return Err(Error::new(
            Code::Unauthenticated,
            "Send `Authorization: Bearer …`; no other scheme is known here.",
        ));
    }
    Ok(credential.to_owned())
}

/// What the caller came in with, for handlers behind [`Access::SignedIn`](super::endpoint::Access::SignedIn) and narrower.
impl FromRequest for Credential {
    type Error = Error;
    type Future = std::future::Ready<Result<Self>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let credential = request.extensions().get::<Credential>().copied();
        std::future::ready(credential.ok_or_else(|| Error::new(Code::Unauthenticated, "Sign in first.")))
    }
}

/// What the table of permissions needs to know of the practices.
pub fn kind_actions(practices: &[&dyn AnyPractice]) -> Vec<KindActions> {
    practices
        .iter()
        .map(|practice| KindActions { kind: practice.kind().name, actions: practice.kind().actions().collect() })
        .collect()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_one_bearer_header_is_a_credential() {
        let cases: &[(&[&str], Option<&str>)] = &[
            (&["Bearer abc"], Some("abc")),
            (&["bearer  abc "], Some("abc")),
            (&["Bearer "], None),
            (&["Bearer"], None),
            (&["Basic abc"], None),
            (&["abc"], None),
            (&["Bearer abc", "Bearer def"], None),
            (&[], None),
        ];
        for (headers, expected) in cases {
            let request = headers.iter().fold(TestRequest::default(), |r, h| r.append_header(("authorization", *h)));
            assert_eq!(bearer(&request.to_http_request()).ok().as_deref(), *expected, "{headers:?}");
        }
    }
}
