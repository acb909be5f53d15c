//! What is said about an endpoint when it is mounted: all of it is needed, none has a default.

use std::borrow::Cow;

use actix_web::http::Method;
use serde_json::Value;
use utoipa::openapi::{
    ObjectBuilder, RefOr, Required, Schema,
    path::{Parameter, ParameterBuilder, ParameterIn},
    schema::{KnownFormat, SchemaFormat, Type},
};

use super::schema::{self, Shape};
use crate::error::Code;

/// Text that is mostly known at build time and sometimes made from the name of a record type.
pub type Text = Cow<'static, str>;

/// One operation of the API.
#[derive(Clone)]
pub struct Endpoint {
    /// The HTTP method. GET answers HEAD as well.
    pub method: Method,
    /// The path, with `{name}` or, at the end, `{name:.*}` for its parameters.
    pub path: Text,
    /// The operation id: `verb_noun`, one of its kind.
    pub id: Text,
    /// The chapter of the documentation; it must be described by [`Api::tag`](super::mount::Api::tag).
    pub tag: Text,
    /// Who may call.
    pub access: Access,
    /// What it does, in a few words.
    pub summary: Text,
    /// What a caller must know, in Markdown.
    pub description: Text,
    /// Its parameters; those of the path included.
    pub parameters: Vec<Parameter>,
    /// Its body, if it takes one.
    pub request: Option<Content>,
    /// Its answers when all goes well.
    pub responses: Vec<Answer>,
    /// Its own ways to fail, beside those that every endpoint of its kind has.
    pub problems: Vec<Code>,
}

/// Who may call an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Public,
    /// Everyone, as often as they like: for probes.
    Probe,
    /// Every known caller.
    SignedIn,
    /// Every known caller, even one who must change their password first.
    PasswordDue,
    /// Every known caller whose token, where it has scopes, covers this permission: what they may do is their own part in
    /// something, whatever their roles say.
    OwnPart(Text),
    /// Callers with this permission.
    Permission(Text),
    /// Callers with one of these permissions, or both.
    Either(Text, Text),
    /// Callers with this permission, who may also come by HTTP Basic (RFC 7617) with a personal access token for a password: calendar
    /// programs know nothing else. Only what reads can have it: browsers send such credentials by themselves.
    Feed(Text),
}

/// A body: media type, shape and an example.
#[derive(Clone)]
pub struct Content {
    pub(super) media_type: Text,
    pub(super) shape: Shape,
    pub(super) example: Value,
    pub(super) required: bool,
    pub(super) others: Vec<Content>,
}

impl Content {
    /// A JSON body.
    pub fn json(shape: Shape, example: Value) -> Self {
        Content::of("application/json", shape, example)
    }
    /// A JSON merge patch (RFC 7396).
    pub fn merge_patch(shape: Shape, example: Value) -> Self {
        Content::of("application/merge-patch+json", shape, example)
    }
    /// A body of any media type.
    pub fn of(media_type: impl Into<Text>, shape: Shape, example: Value) -> Self {
        Content { media_type: media_type.into(), shape, example, required: true, others: Vec::new() }
    }
    /// What is served of it: the media type. Shapes and examples are for the documentation and take megabytes.
    fn bare(&self) -> Self {
        let (shape, example) = (schema::inline(Schema::default()), Value::Null);
        Content { media_type: self.media_type.clone(), shape, example, required: self.required, others: Vec::new() }
    }
    /// The same body of a request, or another one, in a media type of its own.
    #[must_use]
    pub fn or(mut self, other: Content) -> Self {
        self.others.push(other);
        self
    }
    /// The body, then those that may come in its place.
    pub(super) fn all(&self) -> impl Iterator<Item = &Content> {
        std::iter::once(self).chain(&self.others)
    }
    /// The same body, which may be left out.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }
}

/// An answer when all goes well.
#[derive(Clone)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) description: Text,
    pub(super) contents: Vec<Content>,
    pub(super) headers: Vec<(&'static str, &'static str)>,
}

impl Answer {
    /// An answer without a body.
    pub fn empty(status: u16, description: impl Into<Text>) -> Self {
        Answer { status, description: description.into(), contents: Vec::new(), headers: Vec::new() }
    }
    /// An answer with a JSON body.
    pub fn json(status: u16, description: impl Into<Text>, shape: Shape, example: Value) -> Self {
        Answer::empty(status, description).or(Content::json(shape, example))
    }
    /// The same answer, in one more media type that the caller may choose by `Accept`. The first is the default.
    #[must_use]
    pub fn or(mut self, content: Content) -> Self {
        self.contents.push(content);
        self
    }
    /// The same answer with a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, description: &'static str) -> Self {
        self.headers.push((name, description));
        self
    }
}

/// A parameter in the path.
pub fn in_path(
    name: &str,
    description: &str,
    schema: impl Into<RefOr<Schema>>,
    example: impl Into<Value>,
) -> Parameter {
    parameter(ParameterIn::Path, name, description, schema, example).required(Required::True).build()
}

/// A parameter in the query string, which may be left out.
pub fn in_query(
    name: &str,
    description: &str,
    schema: impl Into<RefOr<Schema>>,
    example: impl Into<Value>,
) -> Parameter {
    parameter(ParameterIn::Query, name, description, schema, example).required(Required::False).build()
}

/// A header of the request; `required` as [`Parameter::required`] says.
pub fn in_header(
    name: &str,
    description: &str,
    required: Required,
    schema: impl Into<RefOr<Schema>>,
    example: impl Into<Value>,
) -> Parameter {
    parameter(ParameterIn::Header, name, description, schema, example).required(required).build()
}

fn parameter(
    place: ParameterIn,
    name: &str,
    description: &str,
    schema: impl Into<RefOr<Schema>>,
    example: impl Into<Value>,
) -> ParameterBuilder {
    ParameterBuilder::new()
        .parameter_in(place)
        .name(name)
        .description(Some(description))
        .schema(Some(schema))
        .example(Some(example.into()))
}

/// The schema of a text, for parameters.
pub fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// The schema of a body that is text of another media type than JSON: generators of clients take it as a file.
pub fn file_body() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary))).into()
}

/// The schema of a text of so many characters at most, for parameters.
pub fn short_text(most: usize) -> Schema {
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(most)).into()
}

/// The schema of a text that follows `pattern`, of so many characters at most, for parameters.
pub fn patterned(most: usize, pattern: &str) -> Schema {
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(most)).pattern(Some(pattern)).into()
}

/// The schema of a name that a machine can say, of so many characters at most, for parameters.
pub fn name_of(most: usize) -> Schema {
    patterned(most, "^[a-z][a-z0-9_]*$")
}

/// The schema of one of these words, for parameters.
pub fn one_of<W: Into<Value>>(words: impl IntoIterator<Item = W>) -> Schema {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
}

/// The schema of a UUID, for parameters.
pub fn uuid() -> Schema {
    let format = SchemaFormat::KnownFormat(KnownFormat::Uuid);
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
}

/// The schema of a moment, for parameters.
pub fn moment() -> Schema {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
}

/// The same parameter, which must be given.
#[must_use]
pub fn needed(mut parameter: Parameter) -> Parameter {
    parameter.required = Required::True;
    parameter
}

/// The schema of a whole number from 1, for parameters.
pub fn whole_number() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
        .minimum(Some(1))
        .maximum(Some(i32::MAX))
        .into()
}

/// The schema of a yes or no, for parameters.
pub fn yes_or_no() -> Schema {
    ObjectBuilder::new().schema_type(Type::Boolean).into()
}

impl Endpoint {
    /// The beginning of one that needs a permission: what it takes and answers, and what a caller must know, is to be added.
    pub fn new(method: Method, path: String, id: &'static str, tag: &'static str, permission: &'static str) -> Self {
        Endpoint {
            method,
            path: path.into(),
            id: id.into(),
            tag: tag.into(),
            access: Access::Permission(permission.into()),
            summary: "".into(),
            description: "".into(),
            parameters: Vec::new(),
            request: None,
            responses: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The path as the documentation writes it: parameters without their patterns.
    pub fn documented_path(&self) -> String {
        self.path.replace(":.*}", "}")
    }

    /// The names of the parameters in the path.
    pub(super) fn path_parameters(&self) -> Vec<String> {
        let path = self.documented_path();
        path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect()
    }

    /// The same without the shapes and examples of its bodies, which are for the documentation alone.
    pub(super) fn bare(&self) -> Self {
        let bare = |answer: &Answer| Answer {
            contents: answer.contents.iter().map(Content::bare).collect(),
            ..answer.clone()
        };
        let responses = self.responses.iter().map(bare).collect();
        Endpoint { request: self.request.as_ref().map(Content::bare), responses, ..self.clone() }
    }

    /// The media types that it can answer with, the default first.
    pub(super) fn media_types(&self) -> Vec<&str> {
        self.responses.iter().flat_map(|answer| &answer.contents).map(|content| content.media_type.as_ref()).collect()
    }
}
