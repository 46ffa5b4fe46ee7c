//! `edsr schema`: what a bundle may hold, for editors.

use clap::Args;
use edsr_bundle::ActuatorCatalog as _;
use serde_json::{Value, json};

use super::Context;
use crate::catalog::Catalog;
use crate::exit::{Exit, Failure, Outcome};

/// Print the JSON Schema of what a bundle may hold.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// A kind of document, like `Detector`, or an actuator, like `exec/run`; everything unless given
    #[arg(value_name = "KIND")]
    kind: Option<String>,
}

/// Prints it.
pub(crate) fn run(args: &SchemaArgs, context: &Context) -> Outcome {
    let schema = match &args.kind {
        None => everything(),
        Some(kind) => one(kind).ok_or_else(|| unknown(kind))?,
    };
    context.out.document(&schema)?;
    Ok(Exit::Ok)
}

fn one(kind: &str) -> Option<Value> {
    let known = edsr_bundle::kinds();
    match known.iter().find(|known| known.eq_ignore_ascii_case(kind)) {
        Some(kind) => edsr_bundle::schema(kind),
        None => edsr_actuate::schema(kind),
    }
}

/// Any document: told apart by the constant in `kind`.
fn everything() -> Value {
    let kinds: Vec<Value> = edsr_bundle::kinds()
        .into_iter()
        .filter_map(edsr_bundle::schema)
        .map(|mut schema| {
            // Said once, for the whole.
            if let Value::Object(fields) = &mut schema {
                fields.remove("$schema");
            }
            schema
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "a document of an edsr bundle",
        "oneOf": kinds,
    })
}

fn unknown(kind: &str) -> Failure {
    let documents = edsr_bundle::kinds().join(", ");
    let actuators = Catalog.names().join(", ");
    Failure::new(Exit::NotFound, format!("there is no schema of `{kind}`")).help(format!(
        "there are {documents}; and of actuators {actuators}"
    ))
}
