//! A client of our own API, for commands that work with a server.
//!
//! Owns: where the server is, the token, how long an answer is waited for, what is asked again, and what is said of a server
//! that can't be reached or is none of ours. Refuses to know what is asked, and why.
//!
//! **Invariant:** the token comes from a file or the environment, never from an argument that others see in the list of
//! processes, and stands in no message.
//! **Invariant:** a server is not trusted: no more than [`MOST_BYTES`] of an answer are read, and what it says is
//! [printable](super::output::printable).

use std::{env, fs, path::PathBuf, time::Duration};

use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{CONTENT_TYPE, LOCATION, RETRY_AFTER},
    redirect,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::output::printable;
use crate::{
    config::Secret,
    error::{Code, Error, FieldError, Result},
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take: a server checks and tests a policy before it answers.
const ANSWER: Duration = Duration::from_secs(60);
/// The longest answer that is read.
const MOST_BYTES: usize = 32 << 20;
/// How often something is asked.
const TRIES: u32 = 4;
/// The longest wait that a server may ask for.
const LONGEST_WAIT: u64 = 30;
/// How many questions are on their way at once.
const AT_ONCE: usize = 8;

/// Where the server is, and with what it is asked. A personal access token will do (`POST /api/v1/me/tokens`).
#[derive(Debug, Args)]
pub struct Address {
    /// The server, such as https://itsm.example.
    #[arg(long, env = "POINTSMAN_SERVER", value_name = "URL")]
    server: Option<String>,
    /// A file that holds an access token; without it, the environment variable `POINTSMAN_TOKEN` does.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// A server.
pub struct Remote {
    base: String,
    token: Secret,
    client: Client,
    runtime: Runtime,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    method: Method,
    path: String,
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
    /// Whether it may be asked again though the first may have been heard.
    repeatable: bool,
}

/// An answer.
#[derive(Debug)]
pub struct Heard {
    /// What it holds; null where it holds nothing.
    pub body: Value,
}

/// As `http::problem` writes it; other servers may leave everything out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    code: String,
    errors: Vec<Wrong>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wrong {
    pointer: String,
    code: String,
    detail: String,
}

/// Why there is no answer.
enum Failure {
    /// Nobody was asked, or the server says that it has done nothing: it may be asked again.
    Undone(Error, Option<u64>),
    /// The question may have been heard.
    Lost(Error),
    /// The server refuses.
    Refused(Error),
}

impl Address {
    /// Makes ready to ask.
    ///
    /// # Errors
    /// No server or no token was named, or the name of the server is none.
    pub fn connect(&self) -> Result<Remote> {
        let named = self.server.as_deref().unwrap_or_default();
        if named.is_empty() {
            return Err(Error::invalid("/server", "required", "Name the server by `--server` or POINTSMAN_SERVER."));
        }
        let url = Url::parse(named).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let plain = url.filter(|url| url.username().is_empty() && url.password().is_none() && url.query().is_none());
        let wrong = || Error::invalid("/server", "wrong_form", "A server is named as in https://itsm.example.");
        let url = plain.ok_or_else(wrong)?;
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")));
        // Without encryption no certificates are needed, and a small container has none.
        let client = if url.scheme() == "http" { client.tls_certs_only([]) } else { client };
        Ok(Remote {
            base: url.as_str().trim_end_matches('/').to_owned(),
            token: self.token()?,
            client: client.build().map_err(Error::internal)?,
            runtime: Builder::new_current_thread().enable_all().build().map_err(Error::internal)?,
        })
    }

    fn token(&self) -> Result<Secret> {
        let file = self.token_file.clone().or_else(|| env::var_os("POINTSMAN_TOKEN_FILE").map(PathBuf::from));
        let from_environment = env::var("POINTSMAN_TOKEN").ok().filter(|_| self.token_file.is_none());
        let text = match (from_environment, file) {
            (Some(token), _) => token,
            (None, Some(file)) => fs::read_to_string(&file).map_err(|why| {
                let detail = format!("The token can't be read from {}: {why}.", file.display());
                Error::invalid("/token_file", "unreadable", detail)
            })?,
            (None, None) => String::new(),
        };
        let token = text.trim();
        if token.is_empty() {
            let detail = "Give a token: its file by `--token-file`, or the token in POINTSMAN_TOKEN.";
            return Err(Error::new(Code::Unauthenticated, detail));
        }
        if !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Error::invalid(
                "/token_file",
                "wrong_form",
                "This is no token: it holds space, or what is no ASCII.",
            ));
        }
        Ok(Secret::new(token))
    }
}

impl Ask {
    /// Reads something.
    pub fn get(path: impl Into<String>) -> Self {
        Ask { method: Method::GET, path: path.into(), body: None, headers: Vec::new(), repeatable: true }
    }

    /// Asks something that needs a body and changes nothing.
    pub fn question(path: impl Into<String>, body: Value) -> Self {
        Ask { method: Method::POST, body: Some(body), ..Ask::get(path) }
    }

    /// Sends something with a key of its own, under which it is done once however often it is sent.
    pub fn post(path: impl Into<String>, body: Value, key: &str) -> Self {
        Ask { headers: vec![("idempotency-key", key.to_owned())], ..Ask::question(path, body) }
    }

    /// Puts something in place of the version that was seen.
    pub fn put(path: impl Into<String>, body: Value) -> Self {
        Ask { method: Method::PUT, repeatable: false, ..Ask::question(path, body) }
    }

    /// Only where it is at this version.
    #[must_use]
    pub fn seen(mut self, version: i32) -> Self {
        self.headers.push(("if-match", format!("\"{version}\"")));
        self
    }

    /// Says why, as far as a header can.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        let reason = reason.trim();
        if !reason.is_empty() && reason.len() <= 1_000 && reason.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
            self.headers.push(("x-reason", reason.to_owned()));
        }
        self
    }
}

impl Heard {
    /// What it holds, as a type.
    ///
    /// # Errors
    /// It holds something else.
    pub fn read<T: DeserializeOwned>(self) -> Result<T> {
        serde_json::from_value(self.body).map_err(|why| {
            let detail = printable(&format!("The server answers something else than Pointsman does: {why}."));
            Error { source: Some(why.into()), ..Error::new(Code::Internal, detail) }
        })
    }
}

impl Remote {
    /// Where it is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Asks, again where that can do no harm.
    ///
    /// # Errors
    /// What the server refuses, or why there is no answer.
    pub fn ask(&self, ask: &Ask) -> Result<Heard> {
        self.runtime.block_on(self.answer(ask))
    }

    /// Reads several things at once, and gives what they hold in their order.
    ///
    /// # Errors
    /// As for [`Remote::ask`].
    pub fn gather(&self, paths: impl IntoIterator<Item = String>, read: impl Fn()) -> Result<Vec<Heard>> {
        let answers = stream::iter(paths).map(|path| async move { self.answer(&Ask::get(path)).await });
        self.runtime.block_on(answers.buffered(AT_ONCE).inspect_ok(|_| read()).try_collect())
    }

    async fn answer(&self, ask: &Ask) -> Result<Heard> {
        for tried in 1.. {
            let (error, wait) = match self.once(ask).await {
                Ok(heard) => return Ok(heard),
                Err(Failure::Refused(error)) => return Err(error),
                Err(Failure::Lost(error)) if !ask.repeatable => return Err(error),
                Err(Failure::Lost(error)) => (error, None),
                Err(Failure::Undone(error, wait)) => (error, wait),
            };
            if tried == TRIES || wait.is_some_and(|seconds| seconds > LONGEST_WAIT) {
                return Err(error);
            }
            let wait = wait.map_or(Duration::from_millis(100 << tried), Duration::from_secs);
            tokio::time::sleep(wait).await;
        }
        Err(Error::internal("asked for ever"))
    }

    async fn once(&self, ask: &Ask) -> Result<Heard, Failure> {
        let request = self.client.request(ask.method.clone(), format!("{}/api/v1/{}", self.base, ask.path));
        let request = ask.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let request = match &ask.body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.to_string()),
            None => request,
        };
        match request.bearer_auth(self.token.expose()).send().await {
            Ok(response) => self.read(response).await,
            Err(why) if why.is_connect() => Err(self.nobody(why)),
            Err(why) => Err(Failure::Lost(self.silent(&why))),
        }
    }

    async fn read(&self, mut response: Response) -> Result<Heard, Failure> {
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (status, kind) = (response.status(), header(CONTENT_TYPE).unwrap_or_default());
        let wait = header(RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        if let Some(to) = header(LOCATION).filter(|_| status.is_redirection()) {
            let detail = format!("{} sends us on to {to}: name that server.", self.base);
            return Err(Failure::Refused(Error::new(Code::Malformed, printable(&detail))));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|why| Failure::Lost(self.silent(&why)))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MOST_BYTES {
                return Err(Failure::Refused(Error::new(Code::TooLarge, "The server's answer does not end.")));
            }
        }
        let body: Option<Value> =
            if bytes.is_empty() { Some(Value::Null) } else { serde_json::from_slice(&bytes).ok() };
        match body {
            Some(body) if status.is_success() => Ok(Heard { body }),
            Some(problem @ Value::Object(_)) if kind.starts_with("application/problem+json") => {
                Err(refusal(status, problem, wait))
            }
            _ if status == StatusCode::BAD_GATEWAY || status == StatusCode::SERVICE_UNAVAILABLE => {
                let detail = format!("{} is not there at the moment: it answers {status}.", self.base);
                Err(Failure::Undone(Error::new(Code::Unavailable, detail), wait))
            }
            _ => {
                let detail = format!("{} is no Pointsman: it answers {status}, {kind}.", self.base);
                Err(Failure::Refused(Error::new(Code::Malformed, printable(&detail))))
            }
        }
    }

    fn nobody(&self, why: reqwest::Error) -> Failure {
        let detail = format!("There is no server at {}.", self.base);
        // That nobody listens is known at once; to wait for somebody is for who called.
        Failure::Refused(Error {
            source: Some(cause(why.without_url()).into()),
            ..Error::new(Code::Unavailable, detail)
        })
    }

    fn silent(&self, why: &reqwest::Error) -> Error {
        let detail = if why.is_timeout() {
            format!("{} has not answered for {} seconds.", self.base, ANSWER.as_secs())
        } else {
            format!("{} has broken off.", self.base)
        };
        Error { source: Some(cause(why).into()), ..Error::new(Code::Unavailable, detail) }
    }
}

/// The innermost reason, which says most.
fn cause(why: impl std::error::Error) -> String {
    let mut innermost: &dyn std::error::Error = &why;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// What the server says is wrong.
fn refusal(status: StatusCode, problem: Value, wait: Option<u64>) -> Failure {
    let problem: Problem = serde_json::from_value(problem).unwrap_or_default();
    let named = Code::ALL.iter().find(|code| code.as_str() == problem.code);
    let code = named.or_else(|| Code::ALL.iter().find(|code| code.status() == status.as_u16()));
    let code = code.copied().unwrap_or(if status.is_client_error() { Code::Malformed } else { Code::Internal });
    let detail = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    let hint = if code == Code::Unauthenticated { " Is the token right, and still good?" } else { "" };
    let wrong = |wrong: &Wrong| FieldError {
        pointer: printable(&wrong.pointer),
        code: printable(&wrong.code),
        detail: printable(&wrong.detail),
    };
    let errors = problem.errors.iter().map(wrong).collect();
    let error = Error::new(code, printable(detail) + hint).with_errors(errors);
    let passing = matches!(code, Code::TooManyRequests | Code::Unavailable | Code::IdempotencyInFlight);
    if passing { Failure::Undone(error, wait) } else { Failure::Refused(error) }
}

#[cfg(test)]
mod tests;
