//! Documentation of stage kinds and their keys, generated from their declarations: Markdown and JSON Schema.

use serde_json::{Map, Value as Json, json};

use super::keys::{Key, Shape};
use super::needs::Needs;
use super::params::COMMON;
use super::value::Value;
use crate::stage::{Port, StageKind, Variants};
use crate::stages::KINDS;

/// All kinds, in the order in which data flow.
pub fn kinds_as_markdown() -> String {
    let kinds: Vec<String> = KINDS.iter().map(|kind| kind_as_markdown(*kind)).collect();
    format!("{HEAD}\n{}", kinds.join("\n").trim_end())
}

/// What stands before the kinds.
const HEAD: &str = "# Stage kinds and their keys

Written by `estampa stages > pipelines/README.md`; a test fails when it is stale. Every stage also takes `kind`,
`inputs = { NAME = \"STAGE\" }` and, where it draws random numbers, `seed`. Paths are relative to the file that names them.
`cpu` (cores, default 1), `mem` (such as \"4G\") and `gpu` (accelerators) say what a stage needs while it runs: together the
stages that run at one time stay within `--jobs`, `--mem` and `--gpus`. They are never part of a key.
";

/// One kind with its inputs and keys.
pub fn kind_as_markdown(kind: &dyn StageKind) -> String {
    let mut text = format!("## {}\n\n{}\n", kind.name(), kind.summary());
    if !kind.source().is_empty() {
        text += &format!("Source: {}.\n", kind.source());
    }
    let inputs: Vec<String> = kind.ports().iter().map(port).collect();
    let inputs = if inputs.is_empty() { "none".into() } else { inputs.join("; ") };
    text += &format!("\nInputs: {inputs}.  \nMakes: {}.\n", kind.output().word());
    text += &table(&kind.keys());
    if let Some(variants) = kind.variants() {
        text += &variants_as_markdown(&variants);
    }
    text
}

fn port(port: &Port) -> String {
    let takes: Vec<&str> = port.accepts.iter().map(|a| a.word()).collect();
    let takes = if takes.is_empty() { "anything".into() } else { takes.join(" or ") };
    let name = if port.name == "*" { "any names".to_string() } else { format!("`{}`", port.name) };
    let optional = if port.required { "" } else { ", optional" };
    format!("{name} ({takes}{optional}): {}", port.help.trim_end_matches('.'))
}

fn table(keys: &[Key]) -> String {
    if keys.is_empty() {
        return "\nNo keys of its own.\n".into();
    }
    let mut text = String::from("\n| key | value | default | unit | |\n| --- | --- | --- | --- | --- |\n");
    for key in keys {
        let default = match &key.default {
            None => "must be given".into(),
            Some(Value::Nothing) => "left out".into(),
            Some(value) => format!("`{value}`"),
        };
        let cells = [key.shape.describe(), default, key.unit.into(), key.help.into()].map(|c| c.replace('|', "\\|"));
        text += &format!("| `{}` | {} |\n", key.name, cells.join(" | "));
    }
    text
}

/// The variants of a kind with their keys.
pub fn variants_as_markdown(variants: &Variants) -> String {
    let mut text = format!("\n`{}` chooses, and brings keys of its own:\n", variants.key);
    for variant in &variants.list {
        text += &format!("\n### {} = \"{}\"\n\n{}", variants.key, variant.name, variant.summary);
        if !variant.source.is_empty() {
            text += &format!(" Source: {}.", variant.source);
        }
        text += "\n";
        text += &table(&variant.keys);
    }
    text
}

/// JSON Schema of pipeline files and experiment files, for editors.
pub fn schema() -> Json {
    let stages: Vec<Json> = KINDS.iter().map(|kind| stage_schema(*kind)).collect();
    let name = json!({"type": "string", "minLength": 1});
    let pipeline = json!({
        "type": "object",
        "title": "pipeline file",
        "properties": {
            "pipeline": {
                "type": "object",
                "properties": {
                    "name": name,
                    "seed": {"type": "integer", "minimum": 0, "description": "Seed that all others derive from."},
                    "include": {"type": "string", "description": "A pipeline file whose stages this one takes and overrides."}
                },
                "additionalProperties": false
            },
            "stages": {"type": "object", "additionalProperties": {"anyOf": stages}}
        },
        "required": ["stages"],
        "additionalProperties": false
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "estampa: pipelines and experiments",
        "oneOf": [pipeline, experiment_schema(&name)]
    })
}

fn experiment_schema(name: &Json) -> Json {
    let zip = json!({"type": "object", "additionalProperties": {"type": "array", "minItems": 1}});
    json!({
        "type": "object",
        "title": "experiment file",
        "properties": {
            "experiment": {
                "type": "object",
                "properties": {
                    "name": name,
                    "question": {"type": "string"},
                    "pipeline": {"type": "string", "description": "Path of the pipeline file, relative to this file."},
                    "replicates": {"type": "integer", "minimum": 1},
                    "baseline": {"type": "string", "description": "Name of the arm that the others are compared with."}
                },
                "required": ["pipeline"],
                "additionalProperties": false
            },
            "set": {"type": "object", "description": "Values that every arm takes, as \"stage.key\"."},
            "axes": {
                "description": "The full grid: \"stage.key\" to its values.",
                "type": "object",
                "additionalProperties": {"type": "array", "minItems": 1}
            },
            "zip": {
                "description": "Keys that vary together, \"stage.key\" to values, all lists of one length; several tables are crossed.",
                "anyOf": [zip, {"type": "array", "items": zip}]
            },
            "leave_one_out": {
                "description": "An arm `all` with all of these, and one without each: \"stage.key\" to value, or a name to such a table.",
                "type": "object"
            },
            "arms": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"name": name, "set": {"type": "object"}},
                    "required": ["name"],
                    "additionalProperties": false
                }
            }
        },
        "required": ["experiment"],
        "additionalProperties": false
    })
}

/// A stage of this kind; one that chooses among variants is one schema for each of them.
fn stage_schema(kind: &dyn StageKind) -> Json {
    let Some(variants) = kind.variants() else { return object_schema(kind, &kind.keys(), None) };
    let first = variants.list.first().map(|v| v.name);
    let each = variants.list.iter().map(|variant| {
        let keys: Vec<Key> = kind.keys().into_iter().chain(variant.keys.iter().cloned()).collect();
        object_schema(kind, &keys, Some((variants.key, variant.name, first == Some(variant.name))))
    });
    json!({"anyOf": each.collect::<Vec<_>>()})
}

fn object_schema(kind: &dyn StageKind, keys: &[Key], chosen: Option<(&str, &str, bool)>) -> Json {
    let mut properties = Map::new();
    properties.insert("kind".into(), json!({"const": kind.name(), "description": kind.summary()}));
    properties.insert(
        COMMON[1].into(),
        json!({"type": "object", "additionalProperties": {"type": "string"}, "description": "Input name to stage name."}),
    );
    properties.insert(COMMON[2].into(), json!({"type": "integer", "minimum": 0}));
    let [cpu, mem, gpu] = Needs::KEYS;
    properties.insert(cpu.into(), json!({"type": "integer", "minimum": 1, "description": "Cores that it needs."}));
    properties.insert(
        mem.into(),
        json!({"type": ["string", "integer"], "description": "Memory that it needs: \"4G\", or bytes."}),
    );
    properties
        .insert(gpu.into(), json!({"type": "integer", "minimum": 0, "description": "Accelerators that it needs."}));
    let mut required = vec!["kind".to_string()];
    if let Some((key, word, default)) = chosen {
        properties.insert(key.into(), json!({"const": word}));
        if !default {
            required.push(key.into());
        }
    }
    for key in keys {
        let mut schema = shape_schema(&key.shape);
        if let Some(object) = schema.as_object_mut() {
            let unit = if key.unit.is_empty() { String::new() } else { format!(" [{}]", key.unit) };
            object.insert("description".into(), json!(format!("{}{unit}", key.help)));
            if let Some(default) = key.default.as_ref().filter(|d| **d != Value::Nothing) {
                object.insert("default".into(), plain(default));
            }
        }
        properties.insert(key.name.into(), schema);
        // A key without default may still come from an included file, so the schema does not require it.
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn shape_schema(shape: &Shape) -> Json {
    match shape {
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Int(low, high) => {
            limited(json!({"type": "integer"}), *low as f64, *high as f64, i64::MIN as f64, i64::MAX as f64)
        }
        Shape::Float(low, high) => limited(json!({"type": "number"}), *low, *high, f64::MIN, f64::MAX),
        Shape::Text | Shape::File | Shape::NamedFile => json!({"type": "string"}),
        Shape::Choice(words) => json!({"enum": words}),
        Shape::List(item) => json!({"type": "array", "items": shape_schema(item)}),
        Shape::OneOrMore(item) => {
            let item = shape_schema(item);
            json!({"anyOf": [item, {"type": "array", "items": item}]})
        }
        Shape::Table(item) => json!({"type": "object", "additionalProperties": shape_schema(item)}),
        Shape::Optional(item) => shape_schema(item),
    }
}

fn limited(mut schema: Json, low: f64, high: f64, min: f64, max: f64) -> Json {
    if let Some(object) = schema.as_object_mut() {
        if low > min {
            object.insert("minimum".into(), json!(low));
        }
        if high < max {
            object.insert("maximum".into(), json!(high));
        }
    }
    schema
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Nothing => Json::Null,
        Value::Bool(v) => json!(v),
        Value::Int(v) => json!(v),
        Value::Float(v) => json!(v),
        Value::Text(v) => json!(v),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Table(entries) => Json::Object(entries.iter().map(|(k, v)| (k.clone(), plain(v))).collect()),
    }
}
