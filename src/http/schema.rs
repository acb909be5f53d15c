//! Shapes of what goes in and out, for the documentation.
//!
//! A shape carries the components that it refers to, so that mounting an endpoint registers all of them and none dangles.

use std::collections::BTreeMap;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, schema::Type},
};

/// A schema with every component that it refers to.
#[derive(Clone)]
pub struct Shape {
    pub(super) schema: RefOr<Schema>,
    components: Vec<(String, RefOr<Schema>)>,
}

/// The component of a type that derives its schema, with all that it holds. Not for types with parameters: they share one
/// name.
pub fn schema<T: ToSchema>() -> Shape {
    let mut components = vec![(T::name().into_owned(), <T as PartialSchema>::schema())];
    T::schemas(&mut components);
    Shape { schema: Ref::from_schema_name(T::name()).into(), components }
}

/// A component built by hand under its own name.
pub fn named(name: impl Into<String>, schema: impl Into<RefOr<Schema>>) -> Shape {
    let name = name.into();
    Shape { schema: Ref::from_schema_name(name.as_str()).into(), components: vec![(name, schema.into())] }
}

/// A schema that stands where it is used: numbers, texts, free-form objects.
pub fn inline(schema: impl Into<RefOr<Schema>>) -> Shape {
    Shape { schema: schema.into(), components: Vec::new() }
}

/// A list of `item`.
pub fn list(item: Shape) -> Shape {
    Shape { schema: ArrayBuilder::new().items(item.schema).build().into(), components: item.components }
}

/// A list of at most `most` words, each of at most `longest` characters.
pub fn words(doc: &str, most: usize, longest: usize) -> Schema {
    let word = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(longest));
    ArrayBuilder::new().items(word).max_items(Some(most)).description(Some(doc)).into()
}

impl Shape {
    /// The same shape, with the components of `other`, which it refers to.
    #[must_use]
    pub fn with(mut self, other: Shape) -> Self {
        self.components.extend(other.components);
        self
    }

    /// What another schema writes to refer to this one.
    pub fn reference(&self) -> RefOr<Schema> {
        self.schema.clone()
    }
}

/// All components by name.
#[derive(Default)]
pub(super) struct Components(BTreeMap<String, RefOr<Schema>>);

impl Components {
    /// Takes the components of `shape`; says which name is taken by another schema already.
    pub(super) fn add(&mut self, shape: &Shape) -> Result<(), String> {
        for (name, schema) in &shape.components {
            match self.0.get(name) {
                Some(known) if known != schema => return Err(format!("two different schemas are called `{name}`")),
                Some(_) => {}
                None => {
                    self.0.insert(name.clone(), schema.clone());
                }
            }
        }
        Ok(())
    }

    pub(super) fn into_inner(self) -> BTreeMap<String, RefOr<Schema>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Outer {
        inner: Vec<Inner>,
        when: Option<crate::clock::Moment>,
    }
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Inner {
        id: crate::id::TeamId,
    }

    #[test]
    fn nested_components_come_along() {
        let mut components = Components::default();
        components.add(&schema::<Outer>()).unwrap();
        let names: Vec<_> = components.into_inner().into_keys().collect();
        assert_eq!(names, ["Id", "Inner", "Moment", "Outer"]);
    }

    #[test]
    fn one_name_is_one_schema() {
        let text = || ObjectBuilder::new().schema_type(Type::String).build();
        let mut components = Components::default();
        components.add(&named("State", Schema::from(text()))).unwrap();
        components.add(&list(named("State", Schema::from(text())))).unwrap();
        let number = ObjectBuilder::new().schema_type(Type::Integer).build();
        let refused =
            components.add(&inline(Schema::default()).with(named("State", Schema::from(number)))).unwrap_err();
        assert!(refused.contains("`State`"));
    }
}
