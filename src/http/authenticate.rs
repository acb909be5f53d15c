//! Who calls: the bearer credential of a request, checked by the gate.
//!
//! Knows how a credential travels (`Authorization: Bearer …`, and for feeds `Basic …`) and nothing of what it is made of. Cookies are never looked
//! at, so that no page of another origin can call in somebody's name.
//!
//! **Invariant:** a [`Credential`] lies with the request wherever a [`Caller`] does.

use std::sync::Arc;

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderValue},
    web,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::LocalBoxFuture;

use super::{app::Authenticate, desk::Service, gate::BasicToo};
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

/// The credential of a request. By HTTP Basic, where the endpoint takes it, a personal access token is the password: the real one would
/// lie in the settings of a program for years.
fn bearer(request: &HttpRequest) -> Result<String> {
    let mut given = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(Error::new(Code::Unauthenticated, "Send one `Authorization: Bearer …` header."));
    };
    if request.extensions().contains::<BasicToo>()
        && let Some((_, password)) = basic(value)
    {
        let is_token = password.starts_with(personal::PREFIX);
        let refused = || Error::new(Code::Unauthenticated, "Send a personal access token as the password.");
        return is_token.then_some(password).ok_or_else(refused);
    }
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

/// User name and password of `Authorization: Basic …` (RFC 7617).
pub(super) fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    let decoded = STANDARD.decode(credentials.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
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

    #[test]
    fn a_feed_takes_a_personal_token_as_the_password_of_anybody() {
        let cases = [
            ("ada:pm_pat_abc", true, Some("pm_pat_abc")),
            (":pm_pat_a:b", true, Some("pm_pat_a:b")),
            ("ada:her password", true, None),
            ("pm_pat_abc", true, None),
            ("ada:pm_pat_abc", false, None),
        ];
        for (credentials, is_feed, expected) in cases {
            let given = format!("Basic {}", STANDARD.encode(credentials));
            let request = TestRequest::default().append_header(("authorization", given)).to_http_request();
            if is_feed {
                request.extensions_mut().insert(BasicToo);
            }
            assert_eq!(bearer(&request).ok().as_deref(), expected, "{credentials}");
        }
    }
}
