//! What a writer schema may ask for: every type takes room in a record, and few names are used again. Otherwise a short
//! schema, written out, has more types than can be counted, and a record of one byte as many values. Knows JSON, no record.

use serde_json::Value;

/// Most types in a schema; the survey's has some four hundred.
const MOST_TYPES: usize = 10_000;
/// Most uses of a type by the name it has elsewhere; the survey has two. Each triple may triple what is written out.
const MOST_REFERENCES: usize = 16;
const PRIMITIVE: [&str; 7] = ["boolean", "int", "long", "float", "double", "bytes", "string"];

/// Whether the schema with this text keeps the limits.
///
/// # Errors
/// A lower-case fragment; also for text that is no JSON.
pub(super) fn check(text: &str) -> Result<(), String> {
    let schema: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Count::default().see(&schema, false)
}

#[derive(Default)]
struct Count {
    types: usize,
    references: usize,
}

impl Count {
    /// Looks at a type; only a variant of a union may be null, for its number takes a byte.
    fn see(&mut self, node: &Value, is_variant: bool) -> Result<(), String> {
        self.types += 1;
        if self.types > MOST_TYPES {
            return Err(format!("more than {MOST_TYPES} types"));
        }
        match node {
            Value::String(name) => self.see_name(name, is_variant),
            Value::Array(variants) => variants.iter().try_for_each(|variant| self.see(variant, true)),
            Value::Object(object) => {
                let inner = |key| object.get(key).unwrap_or(&Value::Null);
                match inner("type") {
                    Value::String(kind) if kind == "record" => self.see_fields(inner("fields"), is_variant),
                    Value::String(kind) if kind == "array" => self.see(inner("items"), false),
                    Value::String(kind) if kind == "map" => self.see(inner("values"), false),
                    Value::String(kind) if kind == "enum" => Ok(()),
                    Value::String(kind) if kind == "fixed" && inner("size") == 0 && !is_variant => Err(empty("fixed")),
                    Value::String(kind) if kind == "fixed" => Ok(()),
                    other => self.see(other, is_variant),
                }
            }
            _ => Ok(()), // no type at all, which the parser of schemas says
        }
    }

    fn see_name(&mut self, name: &str, is_variant: bool) -> Result<(), String> {
        if name == "null" {
            return if is_variant { Ok(()) } else { Err(empty("null")) };
        }
        self.references += usize::from(!PRIMITIVE.contains(&name));
        if self.references > MOST_REFERENCES {
            return Err(format!("more than {MOST_REFERENCES} uses of types by name"));
        }
        Ok(())
    }

    fn see_fields(&mut self, fields: &Value, is_variant: bool) -> Result<(), String> {
        let fields = fields.as_array().map(Vec::as_slice).unwrap_or_default();
        if fields.is_empty() && !is_variant {
            return Err(empty("record"));
        }
        fields.iter().try_for_each(|field| self.see(field.get("type").unwrap_or(&Value::Null), false))
    }
}

fn empty(kind: &str) -> String {
    format!("a {kind} outside of a union, which takes no bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ztf::packet_schema;

    /// A record called `name` with these types of fields.
    fn record(name: &str, types: &[String]) -> String {
        let field = |(i, kind): (usize, &String)| format!(r#"{{"name":"f{i}","type":{kind}}}"#);
        let fields: Vec<String> = types.iter().enumerate().map(field).collect();
        format!(r#"{{"type":"record","name":"{name}","fields":[{}]}}"#, fields.join(","))
    }

    #[test]
    fn the_surveys_schema_is_far_from_every_limit() {
        let mut count = Count::default();
        count.see(&serde_json::from_str(&packet_schema::json()).unwrap(), false).unwrap();
        assert!(count.types < MOST_TYPES / 10 && count.references == 2, "{} {}", count.types, count.references);
    }

    #[test]
    fn types_that_take_no_bytes_are_only_variants() {
        let long = || r#""long""#.to_owned();
        for good in [
            record("a", &[r#"["null","long"]"#.to_owned()]),
            r#"["null",{"type":"record","name":"a","fields":[]}]"#.into(),
        ] {
            assert_eq!(check(&good), Ok(()), "{good}");
        }
        for bad in [
            record("a", &[long(), r#""null""#.to_owned()]),
            record("a", &[long(), record("b", &[])]),
            record("a", &[r#"{"type":"array","items":{"type":"null"}}"#.to_owned()]),
            r#"{"type":"map","values":{"type":"fixed","name":"a","size":0}}"#.into(),
        ] {
            assert!(check(&bad).unwrap_err().contains("takes no bytes"), "{bad}");
        }
    }

    /// Each record holds three times the one before: 3^40 values if it were written out.
    #[test]
    fn names_are_not_used_again_and_again() {
        let of = |i: usize| {
            let inner = if i == 0 { r#""long""#.to_owned() } else { format!(r#""r{}""#, i - 1) };
            record(&format!("r{i}"), &[inner.clone(), inner.clone(), inner])
        };
        let records: Vec<String> = (0..40).map(of).collect();
        assert!(check(&record("top", &records)).unwrap_err().contains("uses of types by name"));
        let wide = record("wide", &vec![r#""long""#.to_owned(); MOST_TYPES]);
        assert!(check(&wide).unwrap_err().contains("types"));
        assert!(check(&("[".repeat(5000) + &"]".repeat(5000))).is_err());
    }
}
