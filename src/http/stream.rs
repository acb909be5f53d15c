//! The live stream: events as they happen, as server-sent events.
//!
//! **Invariant:** a stream tells only of records that its caller sees at that moment, and ends when its caller is no longer
//! known or the server stops.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::{self, Bytes},
};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};
use utoipa::openapi::Required;

use super::{
    app::Authenticate,
    desk::{self, Call, Service},
    endpoint::{Access, Answer, Content, Endpoint, in_header, in_query, short_text, text},
    mount::Api,
    schema::{inline, schema},
    shutdown::Shutdown,
};
use crate::{
    auth::caller::Caller,
    error::{Code, Error, Result},
    id::RowId,
    record::feed::{Place, Told, Wanted},
};

const TAG: &str = "Stream";
/// A sign of life after so long without an event.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often the store is looked at when no commit of this node says so.
const POLL: Duration = Duration::from_secs(1);
/// Commits that come faster than this are looked at together.
const REST: Duration = Duration::from_millis(100);
/// How long a client waits before it connects again.
const RETRY: &str = "retry: 2000\n\n";

/// Mounts it.
pub fn mount(api: &mut Api) {
    api.tag(TAG, "What happens to records, as it happens.");
    api.mount(endpoint(), follow);
}

fn endpoint() -> Endpoint {
    let example = "id: 01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e76\nevent: incident.resolved\ndata: {\"event\":\"incident.resolved\",…}\n\n";
    let shape = inline(text()).with(schema::<Told>());
    Endpoint {
        method: Method::GET,
        path: "/api/v1/stream".into(),
        id: "stream_events".into(),
        tag: TAG.into(),
        access: Access::Permission("stream.read".into()),
        summary: "Follow what happens".into(),
        description: "Server-sent events, each with a `Told` object as its data, about records that you may see. A comment comes every 15 seconds when nothing happens. \
After a break, send the id of the last event as `Last-Event-ID`, and what followed it is sent first: each event comes once. An id that no event has is refused (400); then read what you need anew and follow without the header. \
Events come in the order in which their transactions began to write; `version` in the payload puts those of one record in order. Work notes and time (`incident.noted`) are told to those who may read them, `policy.notified` to those with `decision.read`. The stream ends when your credentials do.".into(),
        parameters: vec![
            in_query("types", "Only these events, separated by commas; `incident.*` for a family.", short_text(4_096), "incident.resolved,incident.closed"),
            in_query("kinds", "Only about these kinds of records, separated by commas.", short_text(4_096), "incident"),
            in_header("Last-Event-ID", "The id of the last event that you got.", Required::False, short_text(100), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e76"),
        ],
        request: None,
        responses: vec![Answer::empty(200, "Events without end.").or(Content::of("text/event-stream", shape, json!(example)))],
        problems: vec![Code::Malformed],
    }
}

/// A stream on its way.
struct Following {
    service: web::Data<Service>,
    request: HttpRequest,
    caller: Arc<Caller>,
    wanted: Wanted,
    place: Place,
    commits: watch::Receiver<u64>,
    shutdown: Option<Shutdown>,
    /// When something was last sent.
    sent: Instant,
    /// Whether there is more to read at once.
    more: bool,
    begun: bool,
}

async fn follow(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let query = desk::query(&request)?;
    let words = |name: &str| -> Vec<String> {
        let given = query.iter().filter(|(n, _)| n == name).flat_map(|(_, v)| v.split(','));
        given.map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let wanted = Wanted { types: words("types"), kinds: words("kinds") };
    // Before the place is read, so that no commit falls between.
    let commits = call.service.writer.commits();
    let place = match last_event_id(&request)? {
        Some(id) => call.read(move |reading| Place::of(reading.connection, id)).await?.ok_or_else(no_such_event)?,
        None => call.read(|reading| Place::newest(reading.connection)).await?,
    };
    let following = Following {
        service: call.service.clone(),
        caller: call.cause.caller.clone(),
        wanted,
        place,
        commits,
        shutdown: request.app_data::<Shutdown>().cloned(),
        request,
        sent: Instant::now(),
        more: false,
        begun: false,
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Proxies that buffer would hold events back.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(following.stream()))
}

fn last_event_id(request: &HttpRequest) -> Result<Option<RowId>> {
    let Some(given) = request.headers().get("last-event-id").filter(|v| !v.is_empty()) else { return Ok(None) };
    let id = given.to_str().ok().and_then(|text| text.trim().parse().ok());
    id.map(Some).ok_or_else(no_such_event)
}

fn no_such_event() -> Error {
    Error::new(Code::Malformed, "`Last-Event-ID` is the id of no event.")
}

impl Following {
    fn stream(self) -> impl Stream<Item = Result<Bytes>> {
        stream::unfold(self, |mut following| async move {
            let bytes = following.next().await?;
            following.sent = Instant::now();
            Some((Ok(bytes), following))
        })
    }

    /// What is sent next; nothing when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.begun {
            self.begun = true;
            return Some(Bytes::from_static(RETRY.as_bytes()));
        }
        loop {
            if self.shutdown.as_ref().is_some_and(Shutdown::has_begun) || !self.is_still_known().await {
                return None;
            }
            // What is committed from here on wakes the next wait.
            self.commits.mark_unchanged();
            match self.read().await {
                Ok(events) if !events.is_empty() => return Some(written(&events)),
                Ok(_) => {}
                Err(e) => {
                    tracing::warn!(error = %e, "a stream can't read events at the moment");
                    self.more = false;
                }
            }
            if self.sent.elapsed() >= HEARTBEAT {
                return Some(Bytes::from_static(b": heartbeat\n\n"));
            }
            if !self.more {
                self.wait().await;
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<Told>> {
        let (kernel, caller) = (self.service.kernel.clone(), self.caller.clone());
        let (wanted, mut place) = (self.wanted.clone(), self.place);
        let (place, told, more) = self
            .service
            .database
            .read(move |connection| {
                let (told, more) = place.read(&kernel, connection, &caller, &wanted)?;
                Ok((place, told, more))
            })
            .await?;
        (self.place, self.more) = (place, more);
        Ok(told)
    }

    async fn wait(&mut self) {
        let commits = &mut self.commits;
        let stopped = async {
            match &self.shutdown {
                Some(shutdown) => shutdown.begun().await,
                None => std::future::pending().await,
            }
        };
        let committed = async {
            if commits.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(REST).await;
        };
        tokio::select! {
            () = committed => {}
            () = tokio::time::sleep(POLL) => {}
            () = stopped => {}
        }
    }

    /// Looks the caller up again: what they may see may have changed, or their credentials have ended.
    async fn is_still_known(&mut self) -> bool {
        let Some(authenticate) = self.request.app_data::<Arc<dyn Authenticate>>().cloned() else { return true };
        match authenticate.authenticate(&self.request).await {
            Ok(caller) if caller.must_change_password => false,
            Ok(caller) => {
                self.caller = caller;
                true
            }
            // The store is away: nothing is read from it either.
            Err(e) => e.code == Code::Unavailable,
        }
    }
}

fn written(events: &[Told]) -> Bytes {
    let mut text = String::new();
    for told in events {
        // JSON holds no line break, so a line is enough for it; names of events are lower snake.
        let data = serde_json::to_value(told).unwrap_or(Value::Null);
        text.push_str(&format!("id: {}\nevent: {}\ndata: {data}\n\n", told.id, told.event));
    }
    text.into()
}
