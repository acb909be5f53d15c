//! What a message says when it is sent: of the record as its recipient reads it at that moment.

use serde_json::{Map, Value, json};

use super::{
    context::{self, Happening},
    invitation::Invitation,
    message::{MessageRow, Subject},
    part::Part,
    recipient::Recipient,
    render::Rendered,
    template::{TemplateRow, Templates},
};
use crate::{
    clock::Moment,
    config::Mail,
    db::AnyConnection,
    error::Result,
    id::{RecordId, RowId},
    record::{escalation, header::Header, kernel::Kernel},
};

/// What goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// By what readers of mail know it.
    pub identity: RowId,
    /// The record whose thread it belongs to.
    pub thread: Option<RecordId>,
    /// Where it goes.
    pub address: String,
    /// The name of who gets it.
    pub name: String,
    /// One line.
    pub subject: String,
    /// Text.
    pub text: String,
    /// HTML.
    pub html: Option<String>,
    /// The name of the template that it was made by.
    pub template: String,
}

/// What is to be done with a message.
pub enum Composed {
    /// It is sent.
    Send(Box<Outgoing>),
    /// It waits until then, because it is quiet where its recipient lives.
    Later(Moment),
    /// It is not sent, and why.
    Dropped(&'static str),
    /// It can't be made, and why.
    Dead(String),
}

/// All that making a message works with.
struct Making<'a> {
    kernel: &'a Kernel,
    connection: &'a mut AnyConnection,
    settings: &'a Mail,
    templates: Templates,
    recipient: Recipient,
    languages: Vec<String>,
}

/// Makes what goes out.
pub fn compose(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    settings: &Mail,
    message: &MessageRow,
    now: Moment,
) -> Result<Composed> {
    let Some(recipient) = Recipient::load(connection, message.user_id)? else {
        return Ok(Composed::Dropped("The recipient is not active any more, or has no address."));
    };
    let languages = recipient.languages(&settings.default_language);
    let templates = Templates::active(connection)?;
    let mut making = Making { kernel, connection, settings, templates, recipient, languages };
    match message.about() {
        Subject::Event | Subject::Notice => making.about_record(message, now),
        Subject::Digest => making.digest(message, now),
        Subject::Invitation => making.invitation(message, now),
    }
}

const HIDDEN: &str = "The recipient may not be told of this any more.";
const NO_TEMPLATE: &str = "There is no template for it any more.";

impl Making<'_> {
    fn about_record(&mut self, message: &MessageRow, now: Moment) -> Result<Composed> {
        let parts: Vec<Part> = message.parts.read()?;
        let Some(header) = self.told(message, &parts)? else { return Ok(Composed::Dropped(HIDDEN)) };
        let quiet = self.recipient.preferences.quiet_until(self.recipient.zone, now, header.priority);
        // Who is paged is called whatever the hour.
        if let Some(until) = quiet.filter(|_| !escalation::pages(&message.event)) {
            return Ok(Composed::Later(until));
        }
        let Some(template) = self.template(message, &parts) else { return Ok(Composed::Dropped(NO_TEMPLATE)) };
        let context = self.context(message, &parts, &header)?;
        Ok(match template.source().rendered(&context, self.recipient.zone) {
            Ok(made) => {
                let made = Rendered { subject: numbered(&made.subject, &header.number), ..made };
                self.send(message, Some(header.id), made, template.name)
            }
            Err(fault) => Composed::Dead(format!("The template `{}` fails: {fault}", template.name)),
        })
    }

    /// The record that a message is about, if its recipient may be told of it.
    fn told(&mut self, message: &MessageRow, parts: &[Part]) -> Result<Option<Header>> {
        let Some(record) = message.record_id else { return Ok(None) };
        self.recipient.told_of(self.kernel, self.connection, record, &message.event, parts)
    }

    fn template(&self, message: &MessageRow, parts: &[Part]) -> Option<TemplateRow> {
        match message.about() {
            Subject::Event => {
                let names = [message.event.clone()];
                Some(self.templates.choose(&names, parts, &self.languages)?.template.clone())
            }
            Subject::Notice | Subject::Digest | Subject::Invitation => {
                self.templates.own(&message.event, &self.languages).cloned()
            }
        }
    }

    fn context(&mut self, message: &MessageRow, parts: &[Part], header: &Header) -> Result<Value> {
        let payload: Value = message.payload.read()?;
        let what = Happening { event: &message.event, at: message.happened_at, payload: &payload, parts };
        context::of(self.kernel, self.connection, &self.recipient, header, &what, self.settings)
    }

    fn digest(&mut self, message: &MessageRow, now: Moment) -> Result<Composed> {
        if let Some(until) = self.recipient.preferences.quiet_until(self.recipient.zone, now, 0) {
            return Ok(Composed::Later(until));
        }
        let Some(template) = self.template(message, &[]) else { return Ok(Composed::Dropped(NO_TEMPLATE)) };
        let (mut records, mut count): (Vec<(RecordId, Value)>, usize) = (Vec::new(), 0);
        for item in MessageRow::of_digest(self.connection, message.identity())? {
            let parts: Vec<Part> = item.parts.read()?;
            let Some(header) = self.told(&item, &parts)? else { continue };
            let told = self.item(&item, &parts, &header)?;
            let at = match records.iter().position(|(id, _)| *id == header.id) {
                Some(at) => at,
                None => {
                    records.push((header.id, self.group(&header)?));
                    records.len() - 1
                }
            };
            if let Some(messages) = records[at].1["messages"].as_array_mut() {
                messages.push(told);
                count += 1;
            }
        }
        if records.is_empty() {
            return Ok(Composed::Dropped(HIDDEN));
        }
        let records: Vec<Value> = records.into_iter().map(|(_, group)| group).collect();
        Ok(self.own(message, template, [("records", Value::Array(records)), ("count", count.into())]))
    }

    fn invitation(&mut self, message: &MessageRow, now: Moment) -> Result<Composed> {
        let meeting: Invitation = message.payload.read()?;
        if meeting.ends_at < now {
            return Ok(Composed::Dropped("The meeting is over."));
        }
        if let Some(until) = self.recipient.preferences.quiet_until(self.recipient.zone, now, 0) {
            return Ok(Composed::Later(until));
        }
        let Some(template) = self.template(message, &[]) else { return Ok(Composed::Dropped(NO_TEMPLATE)) };
        Ok(self.own(message, template, [("meeting", message.payload.read()?)]))
    }

    /// What goes out by a template of the server's own, which sees this.
    fn own<const N: usize>(&self, message: &MessageRow, template: TemplateRow, of: [(&str, Value); N]) -> Composed {
        let mut seen = Map::from_iter(context::common(&self.recipient));
        let more = [("link", Value::Null), ("most", self.settings.hourly_per_record.into())];
        seen.extend(of.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)));
        match template.source().rendered(&Value::Object(seen), self.recipient.zone) {
            Ok(made) => self.send(message, None, made, template.name),
            Err(fault) => Composed::Dead(format!("The template `{}` fails: {fault}", template.name)),
        }
    }

    /// A record in a digest, without its messages.
    fn group(&self, header: &Header) -> Result<Value> {
        let kind = self.kernel.practice(&header.kind)?.kind();
        Ok(json!({
            "number": header.number, "title": header.title, "kind": kind.label, "state": header.state,
            "link": context::link(self.settings, header), "messages": [],
        }))
    }

    /// A message in a digest. Where its template is gone or fails, its name has to do.
    fn item(&mut self, item: &MessageRow, parts: &[Part], header: &Header) -> Result<Value> {
        let context = self.context(item, parts, header)?;
        let made = self.template(item, parts).map(|template| template.source().rendered(&context, self.recipient.zone));
        let (subject, text) = match made {
            Some(Ok(made)) => (made.subject, made.text.trim_end().to_owned()),
            _ => (item.event.clone(), String::new()),
        };
        Ok(json!({"event": item.event, "at": item.happened_at, "subject": subject, "text": text}))
    }

    fn send(&self, message: &MessageRow, thread: Option<RecordId>, made: Rendered, template: String) -> Composed {
        Composed::Send(Box::new(Outgoing {
            identity: message.identity(),
            thread,
            address: self.recipient.address.clone(),
            name: self.recipient.caller.display_name.clone(),
            subject: made.subject,
            text: made.text,
            html: made.html,
            template,
        }))
    }
}

/// A subject with the number of its record, by which an answer finds it.
pub fn numbered(subject: &str, number: &str) -> String {
    let mark = format!("[{number}]");
    if subject.contains(&mark) { subject.to_owned() } else { format!("{mark} {subject}") }
}
