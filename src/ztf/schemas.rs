//! Parsed writer schemas, remembered: nearly every packet carries the same 23 kB of text, which costs more to parse than its
//! three cutouts to inflate. Knows no record.

use super::quality::{Fault, Reason};
use super::route::Route;
use super::schema_limits;
use serde_avro_fast::Schema;
use std::sync::{Arc, PoisonError, RwLock};

/// Most schemas that are remembered; a survey has about ten.
const MOST: usize = 64;

/// A parsed schema, with the way through its records when they are plain.
#[derive(Debug)]
pub struct WriterSchema {
    pub(super) schema: Schema,
    pub(super) route: Option<Route>,
}

/// The schemas seen so far, shared by all threads. Compared by their whole text, so that two are never taken for one.
#[derive(Default)]
pub struct Schemas(RwLock<Vec<(Vec<u8>, Arc<WriterSchema>)>>);

impl Schemas {
    /// The schema with this text, parsed at most once.
    ///
    /// # Errors
    /// [`Reason::BadSchema`].
    pub fn get(&self, text: &[u8]) -> Result<Arc<WriterSchema>, Fault> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, schema)) = known.iter().find(|(other, _)| other == text) {
            return Ok(Arc::clone(schema));
        }
        drop(known);
        let schema = parse(text).map_err(|detail| Fault::new(Reason::BadSchema, detail))?;
        let schema = Arc::new(schema);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() == MOST {
            known.clear();
        }
        known.push((text.to_vec(), Arc::clone(&schema)));
        Ok(schema)
    }
}

fn parse(text: &[u8]) -> Result<WriterSchema, String> {
    let text = std::str::from_utf8(text).map_err(|e| e.to_string())?;
    schema_limits::check(text)?;
    let schema = text.parse::<Schema>().map_err(|e| e.to_string())?;
    Ok(WriterSchema { schema, route: Route::of(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_gives_the_same_schema() {
        let schemas = Schemas::default();
        let first = schemas.get(br#""long""#).unwrap();
        assert!(Arc::ptr_eq(&first, &schemas.get(br#""long""#).unwrap()));
        assert!(!Arc::ptr_eq(&first, &schemas.get(br#""int""#).unwrap()));
        assert_eq!(schemas.get(b"{").unwrap_err().reason, Reason::BadSchema);
        assert_eq!(schemas.get(b"\xff").unwrap_err().reason, Reason::BadSchema);
    }

    #[test]
    fn many_schemas_do_not_fill_memory() {
        let schemas = Schemas::default();
        for i in 0..3 * MOST {
            schemas.get(format!(r#"{{"type":"fixed","name":"f{i}","size":{}}}"#, i + 1).as_bytes()).unwrap();
        }
        assert!(schemas.0.read().unwrap().len() <= MOST);
    }
}
