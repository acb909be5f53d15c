//! Messages to people: what each is about, how far it is, and every attempt to send it.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::part::Part;
use crate::{
    auth::{caller::Caller, horizon::Horizon},
    clock::Moment,
    db::{AnyConnection, Backend, JsonText, sql::among},
    error::{Code, Error, Result},
    id::{RecordId, RowId, UserId},
    insert_unless_there,
    record::{feed::Told, journal::WORK_NOTE, kind::Kind, outbox},
    schema::{mail_attempt, mail_message, user_account},
};

/// Messages that are forgotten at once.
const PRUNED: i64 = 1_000;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MailMessageKind)]
pub enum Subject {
    /// Something that happened to a record.
    Event,
    /// All that waited for a digest.
    Digest,
    /// That more about a record follows in a digest.
    Notice,
    /// A meeting that they are asked to come to.
    Invitation,
}

impl Subject {
    /// All of them, with their words.
    const WORDS: [(&'static str, Subject); 4] = [
        ("event", Subject::Event),
        ("digest", Subject::Digest),
        ("notice", Subject::Notice),
        ("invitation", Subject::Invitation),
    ];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        Subject::WORDS.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MailMessageState)]
pub enum State {
    /// It waits for its next attempt.
    Pending,
    /// It waits for a digest.
    Waiting,
    /// It stands in a digest.
    Digested,
    /// The mail server has it.
    Sent,
    /// It was given up. It can be replayed.
    Dead,
    /// It was not sent: its recipient may not be told of it any more.
    Dropped,
}

impl State {
    /// All of them.
    pub const ALL: [State; 6] =
        [State::Pending, State::Waiting, State::Digested, State::Sent, State::Dead, State::Dropped];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Waiting => "waiting",
            State::Digested => "digested",
            State::Sent => "sent",
            State::Dead => "dead",
            State::Dropped => "dropped",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A message to somebody. What it holds may be secret, so it has no debug output.
#[derive(Clone, Queryable, Insertable)]
#[diesel(table_name = mail_message, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct MessageRow {
    pub id: RowId,
    pub kind: String,
    pub user_id: UserId,
    pub record_id: Option<RecordId>,
    pub event_id: Option<RowId>,
    pub event: String,
    pub happened_at: Moment,
    pub payload: JsonText,
    pub parts: JsonText,
    pub address: Option<String>,
    pub subject: Option<String>,
    pub text_body: Option<String>,
    pub html_body: Option<String>,
    pub template: Option<String>,
    pub state: String,
    pub why: Option<String>,
    pub attempts: i32,
    pub digest_at: Option<Moment>,
    pub digest_id: Option<RowId>,
    pub next_at: Option<Moment>,
    pub claimed_by: Option<RowId>,
    pub claimed_until: Option<Moment>,
    pub created_at: Moment,
    pub ended_at: Option<Moment>,
    pub replay_of: Option<RowId>,
    pub replayed_at: Option<Moment>,
}

/// An attempt to send a message.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = mail_attempt, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct AttemptRow {
    pub message_id: RowId,
    pub number: i32,
    pub at: Moment,
    pub status: Option<i32>,
    pub milliseconds: i64,
    pub error: Option<String>,
}

/// Which messages are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// To this person alone.
    pub user: Option<UserId>,
    /// Only in this state.
    pub state: Option<State>,
    /// Only older ones than this.
    pub below: Option<RowId>,
    /// How many.
    pub rows: i64,
}

impl MessageRow {
    /// A message that is due now.
    pub fn blank(kind: Subject, user: UserId, event: &str, now: Moment) -> Self {
        MessageRow {
            id: RowId::new(),
            kind: kind.as_str().to_owned(),
            user_id: user,
            record_id: None,
            event_id: None,
            event: event.to_owned(),
            happened_at: now,
            payload: JsonText::empty_object(),
            parts: JsonText::empty_list(),
            address: None,
            subject: None,
            text_body: None,
            html_body: None,
            template: None,
            state: State::Pending.as_str().to_owned(),
            why: None,
            attempts: 0,
            digest_at: None,
            digest_id: None,
            next_at: Some(now),
            claimed_by: None,
            claimed_until: None,
            created_at: now,
            ended_at: None,
            replay_of: None,
            replayed_at: None,
        }
    }

    /// The message that tells somebody of an event, which they know by a name, for the parts that they have in it.
    pub fn of_event(user: UserId, told: &Told, name: &str, parts: &[Part], now: Moment) -> Result<Self> {
        Ok(MessageRow {
            event_id: Some(told.id),
            record_id: Some(told.record_id),
            happened_at: told.at,
            payload: JsonText::of(&told.payload)?,
            parts: JsonText::of(parts)?,
            ..Self::blank(Subject::Event, user, name, now)
        })
    }

    /// The same message, which waits for the digest of a moment.
    #[must_use]
    pub fn in_digest(self, at: Moment) -> Self {
        MessageRow { state: State::Waiting.as_str().to_owned(), digest_at: Some(at), next_at: None, ..self }
    }

    /// The same message once more, from the beginning.
    fn again(&self, now: Moment) -> Result<Self> {
        Ok(MessageRow {
            event_id: self.event_id,
            record_id: self.record_id,
            happened_at: self.happened_at,
            payload: self.payload.clone(),
            parts: self.parts.clone(),
            replay_of: Some(self.identity()),
            ..Self::blank(self.about(), self.user_id, &self.event, now)
        })
    }

    /// By what readers of mail know the message: a replay is the message that it replays.
    pub fn identity(&self) -> RowId {
        self.replay_of.unwrap_or(self.id)
    }

    /// What it is about.
    pub fn about(&self) -> Subject {
        Subject::WORDS.iter().find(|(word, _)| *word == self.kind).map_or(Subject::Event, |(_, one)| *one)
    }

    /// How far it is.
    pub fn state(&self) -> State {
        State::named(&self.state).unwrap_or(State::Dead)
    }

    /// Adds it, unless its recipient has one about the same event; tells whether.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<bool> {
        Ok(insert_unless_there!(connection, mail_message::table, self)? == 1)
    }

    /// The message of an id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Self> {
        let row = mail_message::table.find(id).first(connection).optional()?;
        row.ok_or_else(|| Error::not_found("mail message"))
    }

    /// The record that a message is about; nothing where the message is forgotten, or about none.
    pub fn record_of(connection: &mut AnyConnection, id: RowId) -> Result<Option<RecordId>> {
        let of = mail_message::table.find(id).select(mail_message::record_id);
        Ok(of.first(connection).optional()?.flatten())
    }

    /// Messages to people whom a caller sees, the newest first.
    pub fn list(connection: &mut AnyConnection, horizon: &Horizon, wanted: &Wanted) -> Result<Vec<Self>> {
        let mut query = ordered(mail_message::table.into_boxed(), wanted);
        if let Some(seen) = horizon.users() {
            let people = user_account::table.into_boxed::<Backend>().filter(seen).select(user_account::id);
            let people: Vec<UserId> = people.load(connection)?;
            let engine = connection.engine();
            query = query.filter(among(engine, "mail_message.user_id", people.iter().map(UserId::as_str)));
        }
        Ok(query.load(connection)?)
    }

    /// Messages about a record, the newest first: those about events that the caller may be told of.
    pub fn of_record(
        connection: &mut AnyConnection,
        caller: &Caller,
        kind: &Kind,
        record: RecordId,
        wanted: &Wanted,
    ) -> Result<Vec<Self>> {
        let mut query = ordered(mail_message::table.into_boxed(), wanted).filter(mail_message::record_id.eq(record));
        if !caller.can(&kind.permission(WORK_NOTE)) {
            query = query.filter(mail_message::event.ne(outbox::noted(kind)));
        }
        if !caller.can("decision.read") {
            query = query.filter(mail_message::event.ne(outbox::NOTIFIED));
        }
        Ok(query.load(connection)?)
    }

    /// What stands in a digest, in the order in which it happened.
    pub fn of_digest(connection: &mut AnyConnection, digest: RowId) -> Result<Vec<Self>> {
        let of = mail_message::table.filter(mail_message::digest_id.eq(digest));
        Ok(of.order((mail_message::happened_at, mail_message::id)).load(connection)?)
    }

    /// How many messages of a kind about a record somebody was to get at once since then.
    pub fn count_since(
        connection: &mut AnyConnection,
        kind: Subject,
        user: UserId,
        record: RecordId,
        since: Moment,
    ) -> Result<i64> {
        let to = mail_message::table
            .filter(mail_message::user_id.eq(user))
            .filter(mail_message::record_id.eq(record))
            .filter(mail_message::kind.eq(kind.as_str()));
        let at_once = to.filter(mail_message::digest_at.is_null()).filter(mail_message::created_at.gt(since));
        Ok(at_once.count().get_result(connection)?)
    }

    /// Sends this message again, with a day of attempts of its own.
    ///
    /// # Errors
    /// [`Code::Conflict`] while it still waits, or stands in a digest.
    pub fn replay(&self, connection: &mut AnyConnection, now: Moment) -> Result<Self> {
        match self.state() {
            State::Pending | State::Waiting => {
                return Err(Error::new(Code::Conflict, "The message is still on its way; there is nothing to replay."));
            }
            State::Digested => {
                let detail = "The message stands in a digest; replay that one, which `digest_id` names.";
                return Err(Error::new(Code::Conflict, detail));
            }
            State::Sent | State::Dead | State::Dropped => (),
        }
        let again = self.again(now)?;
        diesel::update(mail_message::table.find(self.id)).set(mail_message::replayed_at.eq(now)).execute(connection)?;
        diesel::insert_into(mail_message::table).values(&again).execute(connection)?;
        Ok(again)
    }

    /// Forgets messages that ended before `before`, with their attempts; gives how many rows.
    pub fn prune(connection: &mut AnyConnection, before: Moment) -> Result<usize> {
        let old = mail_message::table.filter(mail_message::ended_at.lt(before));
        let ids: Vec<RowId> =
            old.order(mail_message::ended_at).limit(PRUNED).select(mail_message::id).load(connection)?;
        let attempts = mail_attempt::table.filter(mail_attempt::message_id.eq_any(&ids));
        let attempts = diesel::delete(attempts).execute(connection)?;
        let rows = mail_message::table.filter(mail_message::id.eq_any(&ids));
        Ok(attempts + diesel::delete(rows).execute(connection)?)
    }
}

impl AttemptRow {
    /// The attempts to send a message, in their order.
    pub fn of(connection: &mut AnyConnection, message: RowId) -> Result<Vec<Self>> {
        let of = mail_attempt::table.filter(mail_attempt::message_id.eq(message));
        Ok(of.order(mail_attempt::number).load(connection)?)
    }
}

type Query = mail_message::BoxedQuery<'static, Backend>;

fn ordered(mut query: Query, wanted: &Wanted) -> Query {
    if let Some(user) = wanted.user {
        query = query.filter(mail_message::user_id.eq(user));
    }
    if let Some(state) = wanted.state {
        query = query.filter(mail_message::state.eq(state.as_str()));
    }
    if let Some(below) = wanted.below {
        query = query.filter(mail_message::id.lt(below));
    }
    query.order(mail_message::id.desc()).limit(wanted.rows)
}
