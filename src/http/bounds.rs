//! Holds parameters to the bounds that the OpenAPI document tells of them: what is longer or larger is refused before
//! anything looks at it.

use actix_web::HttpRequest;
use utoipa::openapi::{
    RefOr, Schema,
    path::{Parameter, ParameterIn},
    schema::{Object, Type},
};

use super::endpoint::Endpoint;
use crate::error::{Code, Error, FieldError, Result};

/// Refuses `text` as the value of a parameter that is bounded.
///
/// # Errors
/// [`Code::Malformed`] with the name of the parameter.
pub(super) fn check(parameter: &Parameter, text: &str) -> Result<()> {
    let Some(RefOr::T(Schema::Object(schema))) = &parameter.schema else { return Ok(()) };
    let name = parameter.name.as_str();
    let (code, detail) = match (schema.max_length, number(schema, text)) {
        (Some(most), _) if text.chars().nth(most).is_some() => {
            ("too_long", format!("`{name}` has at most {most} characters."))
        }
        (_, Some((number, least, most))) if number < least || number > most => {
            ("out_of_range", format!("`{name}` is a whole number from {least:.0} to {most:.0}."))
        }
        _ => return Ok(()),
    };
    let wrong = FieldError::new(name, code, detail.clone());
    Err(Error::new(Code::Malformed, detail).with_errors(vec![wrong]))
}

/// The same for every header that the endpoint takes.
///
/// # Errors
/// As [`check`]; also when a header is not ASCII or holds a tab.
pub(super) fn check_headers(endpoint: &Endpoint, request: &HttpRequest) -> Result<()> {
    for parameter in endpoint.parameters.iter().filter(|p| p.parameter_in == ParameterIn::Header) {
        let Some(value) = request.headers().get(&parameter.name) else { continue };
        let printable = value.to_str().ok().filter(|text| !text.contains('\t'));
        let text = printable.ok_or_else(|| {
            let detail = format!("`{}` must be printable ASCII.", parameter.name);
            let wrong = FieldError::new(parameter.name.as_str(), "not_ascii", detail.clone());
            Error::new(Code::Malformed, detail).with_errors(vec![wrong])
        })?;
        check(parameter, text)?;
    }
    Ok(())
}

/// The number that a text is, with the least and the most that it may be, where a whole number is asked for. A text that is
/// none is for the handler to refuse.
fn number(schema: &Object, text: &str) -> Option<(f64, f64, f64)> {
    let is_number = schema.schema_type == Type::Integer.into();
    let bound = |value: &Option<utoipa::Number>| match value {
        Some(utoipa::Number::Int(n)) => Some(*n as f64),
        Some(utoipa::Number::UInt(n)) => Some(*n as f64),
        Some(utoipa::Number::Float(n)) => Some(*n),
        None => None,
    };
    let (least, most) = (bound(&schema.minimum)?, bound(&schema.maximum)?);
    is_number.then(|| text.parse().ok()).flatten().map(|number: f64| (number, least, most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::endpoint::{in_query, short_text, whole_number};

    #[test]
    fn texts_and_numbers_keep_to_their_bounds() {
        let (word, count) = (in_query("word", "", short_text(3), "x"), in_query("count", "", whole_number(), 1));
        assert!(check(&word, "äöü").is_ok());
        assert_eq!(check(&word, "äöüß").unwrap_err().errors[0].code, "too_long");
        assert!(check(&count, "1").is_ok() && check(&count, "2147483647").is_ok() && check(&count, "no").is_ok());
        for wrong in ["0", "-1", "2147483648", "99999999999999999999999999"] {
            assert_eq!(check(&count, wrong).unwrap_err().errors[0].code, "out_of_range", "{wrong}");
        }
    }
}
