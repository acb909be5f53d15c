//! The input of a decision, read from the text that was logged.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{
    evaluate::Input,
    facts::{self, FactSchema, FieldType, OfSchema, OfType, Value},
};
use crate::{clock::Moment, db::JsonText, error::Result};

impl Input {
    /// Made again from its JSON text, without the tree of JSON that [`Input::from_json`] takes.
    ///
    /// # Errors
    /// As [`Input::from_json`].
    pub fn from_text(text: &JsonText, schema: &Arc<FactSchema>) -> Result<Input> {
        let mut reader = serde_json::Deserializer::from_str(text.as_str());
        let read = Whole(schema).deserialize(&mut reader).and_then(|input| reader.end().map(|()| input));
        // The longer way knows how to say what is wrong with it.
        read.or_else(|_| Input::from_json(&text.read()?, schema))
    }
}

/// Reads a whole input.
struct Whole<'a>(&'a Arc<FactSchema>);

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = Input;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Input, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Input;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the input of a decision")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Input, A::Error> {
        let (mut record, mut changed, mut beside, mut now) = (None, None, None, None);
        while let Some(part) = map.next_key::<&str>()? {
            match part {
                "record" => record = Some(map.next_value_seed(OfSchema(self.0))?),
                "changed" => changed = Some(map.next_value_seed(Changed(self.0))?),
                "now" => now = Some(map.next_value::<Moment>()?),
                other => match facts::beside(other) {
                    Some(schema) => {
                        let given = map.next_value_seed(OfType(&FieldType::Nested(schema)))?;
                        beside = if let Value::Facts(given) = given { Some(given) } else { beside };
                    }
                    None => drop(map.next_value::<IgnoredAny>()?),
                },
            }
        }
        let (Some(record), Some(now)) = (record, now) else { return Err(A::Error::custom("something is missing")) };
        Ok(Input { record, changed: Arc::new(changed.unwrap_or_default()), beside, now })
    }
}

/// Reads the old values of fields that changed.
struct Changed<'a>(&'a FactSchema);

impl<'de> DeserializeSeed<'de> for Changed<'_> {
    type Value = BTreeMap<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Changed<'_> {
    type Value = BTreeMap<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields that changed")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut changed = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let field = self.0.field(&name).ok_or_else(|| A::Error::custom(self.0.unknown_field(&name)))?;
            changed.insert(name, map.next_value_seed(OfType(&field.kind))?);
        }
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::functions::test_clock;

    fn text(json: &serde_json::Value) -> JsonText {
        JsonText::of(json).unwrap()
    }

    #[test]
    fn what_is_read_from_text_is_what_is_read_from_json() {
        let schema = facts::incident();
        let mut guarded = Input::new(schema.made_up(), test_clock()).beside(facts::transition().made_up());
        let old = [("urgency", Value::Int(2)), ("title", "An \"older\" one\n".into()), ("team", Value::Null)];
        guarded = guarded.changed(old.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        let tags = ["a".to_owned(), "ü".to_owned()];
        let mut builder = facts::Facts::builder(&schema);
        builder.set("tags", &tags[..]).unwrap().set("opened_at", test_clock()).unwrap();
        for input in [guarded, Input::new(builder.build(), test_clock())] {
            let text = JsonText::of(&input).unwrap();
            assert_eq!(Input::from_text(&text, &schema).unwrap(), input);
            assert_eq!(Input::from_json(&text.read().unwrap(), &schema).unwrap(), input);
        }
        let little =
            json!({"record": {}, "now": "2026-03-03T10:00:00Z", "more": [{}], "changed": null, "transition": null});
        let (text, json) = (text(&little), Input::from_json(&little, &schema).unwrap());
        assert_eq!(Input::from_text(&text, &schema).unwrap(), json);
    }

    #[test]
    fn what_is_wrong_is_said_as_of_json() {
        let now = "2026-03-03T10:00:00Z";
        for wrong in [
            json!({"record": {"urgancy": 1}, "now": now}),
            json!({"record": {"urgency": 1.5}, "now": now}),
            json!({"record": {"tags": ["a", null]}, "now": now}),
            json!({"record": {"caller": {"vip": 1}}, "now": now}),
            json!({"record": {}, "now": "now"}),
            json!({"record": {}}),
            json!({"now": now}),
            json!({"record": {}, "now": now, "changed": {"nothing": 1}}),
            json!({"record": {}, "now": now, "transition": {"name": 5}}),
            json!([]),
        ] {
            let schema = facts::incident();
            let said = Input::from_json(&wrong, &schema).unwrap_err().detail;
            assert_eq!(Input::from_text(&text(&wrong), &schema).unwrap_err().detail, said, "{wrong}");
        }
    }
}
