//! The API's documentation, for programs and for people. It needs no network but this server.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    http::{Method, header},
    web,
};
use serde_json::json;
use utoipa::openapi::{
    ObjectBuilder,
    schema::{AdditionalProperties, Type},
};
use utoipa_swagger_ui::Config;

use super::{
    endpoint::{Access, Answer, Content, Endpoint, in_path, short_text},
    mount::{Api, Mounted},
    schema::inline,
};
use crate::error::{Code, Error, Result};

const TAG: &str = "Documentation";

/// Mounts `/openapi.json` and `/docs`.
pub fn mount(api: &mut Api) {
    api.tag(TAG, "The documentation of this API, about itself.");
    let document = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("An OpenAPI 3.1 document."))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .build();
    api.mount(
        Endpoint {
            id: "get_openapi".into(),
            path: "/openapi.json".into(),
            summary: "The OpenAPI document".into(),
            description: "This document, for generators of clients.".into(),
            responses: vec![Answer::json(200, "The document.", inline(document), json!({"openapi": "3.1.0"}))],
            ..page()
        },
        openapi,
    );
    api.mount(
        Endpoint {
            id: "get_documentation".into(),
            path: "/docs".into(),
            summary: "The documentation for people".into(),
            description: "Leads to the page on which every operation can be read and tried.".into(),
            responses: vec![Answer::empty(308, "The page is at `/docs/`.").header("Location", "`docs/`.")],
            ..page()
        },
        async || HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "docs/")).finish(),
    );
    api.mount(
        Endpoint {
            id: "get_documentation_file".into(),
            path: "/docs/{file:.*}".into(),
            summary: "A file of the documentation for people".into(),
            description: "The page itself when `file` is empty, or a script, style or picture of it.".into(),
            parameters: vec![in_path("file", "The name of the file.", short_text(200), "index.html")],
            responses: vec![Answer::empty(200, "The file, in its own media type.")],
            ..page()
        },
        file,
    );
}

fn page() -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: "".into(),
        id: "".into(),
        tag: TAG.into(),
        access: Access::Public,
        summary: "".into(),
        description: "".into(),
        parameters: Vec::new(),
        request: None::<Content>,
        responses: Vec::new(),
        problems: Vec::new(),
    }
}

async fn openapi(api: web::Data<Mounted>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(api.openapi())
}

async fn file(name: web::Path<String>) -> Result<HttpResponse> {
    // The validator is a service on the internet, and the token typed in must survive a reload.
    let config = Config::from("../openapi.json").validator_url("none").persist_authorization(true);
    let found = utoipa_swagger_ui::serve(&name, Arc::new(config)).map_err(|e| Error::internal(e.to_string()))?;
    let found = found.ok_or_else(|| Error::new(Code::NotFound, "The documentation has no such file."))?;
    let mut response = HttpResponse::Ok();
    response.content_type(found.content_type);
    if found.gzpipped {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(response.body(found.bytes.into_owned()))
}
