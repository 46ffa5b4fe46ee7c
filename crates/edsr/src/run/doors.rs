//! From source documents to doors: secrets are read here, and nowhere else.

use edsr_bundle::{Auth as AuthSpec, SecretRef, Settings, SourceKind, SourceSpec};
use edsr_source::{Adapter, Auth, Limits, Mapping, MappingSpec, Secret, Source};

use crate::exit::Failure;
use crate::text::shown;

/// The longest secret file that is read, in bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// The door for CloudEvents, and one per source.
pub(super) fn open(
    settings: &Settings,
    sources: &[SourceSpec],
) -> Result<(Source, Vec<Source>), Failure> {
    let auth = match &settings.ingest {
        Some(spec) => auth(spec)?,
        // Nothing said: the same as the API. Loopback without tokens is open; with tokens, each of them counts.
        None if settings.tokens.is_empty() => Auth::None,
        None => {
            let tokens: Vec<_> = settings
                .tokens
                .iter()
                .map(|token| token.secret.clone())
                .collect();
            Auth::bearer_any(&read(&tokens)?).map_err(|error| Failure::usage(error.to_string()))?
        }
    };
    let events = Source::new("events", Adapter::CloudEvents, auth, Limits::default())
        .map_err(|error| Failure::usage(error.to_string()))?;
    all_there(sources)?;
    let hooks = sources.iter().map(source).collect::<Result<_, _>>()?;
    Ok((events, hooks))
}

/// Every secret that cannot be had, at once, so that a start does not fail once for each.
fn all_there(sources: &[SourceSpec]) -> Result<(), Failure> {
    let references = sources.iter().flat_map(|source| match &source.auth {
        AuthSpec::None => &[][..],
        AuthSpec::Bearer(reference) => std::slice::from_ref(reference),
        AuthSpec::StandardWebhooks { secrets, .. } | AuthSpec::GitHub { secrets } => secrets,
    });
    let missing: Vec<_> = references
        .filter_map(|reference| secret(reference).err())
        .map(|failure| failure.to_string())
        .collect();
    match missing.as_slice() {
        [] => Ok(()),
        missing => Err(Failure::usage(missing.join("\nerror: "))),
    }
}

/// The text of a secret.
pub(super) fn secret(reference: &SecretRef) -> Result<String, Failure> {
    let text = match reference {
        SecretRef::Env(name) => std::env::var(name).map_err(|_| {
            Failure::usage(format!(
                "the environment variable `{name}`, which holds a secret, is not set"
            ))
        })?,
        SecretRef::File(path) => {
            let fail = |why: String| {
                Failure::usage(format!(
                    "the secret file {} cannot be used: {why}",
                    shown(path)
                ))
            };
            let meta = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?;
            if !meta.is_file() || meta.len() > SECRET_BYTES_MAX {
                return Err(fail(format!(
                    "it must be a file of at most {SECRET_BYTES_MAX} bytes"
                )));
            }
            std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?
        }
    };
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    if text.is_empty() {
        let place = match reference {
            SecretRef::Env(name) => format!("in the environment variable `{name}`"),
            SecretRef::File(path) => format!("in {}", shown(path)),
        };
        return Err(Failure::usage(format!("the secret {place} is empty")));
    }
    Ok(text)
}

fn source(spec: &SourceSpec) -> Result<Source, Failure> {
    let adapter = match &spec.kind {
        SourceKind::Alertmanager => Adapter::Alertmanager,
        SourceKind::CloudEvents => Adapter::CloudEvents,
        SourceKind::Webhook(map) => {
            let spec_of_map = MappingSpec {
                each: map.each.clone(),
                kind: map.kind.clone(),
                subject: map.subject.clone(),
                time: map.time.clone(),
                id: map.id.clone(),
                source: map.source.clone(),
                extensions: map.extensions.clone(),
                data: map.data.clone(),
            };
            let mapping = Mapping::compile(&spec_of_map).map_err(|errors| {
                let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
                Failure::usage(format!("source `{}`: {}", spec.name, errors.join("; ")))
            })?;
            Adapter::Webhook(Box::new(mapping))
        }
    };
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let limits = Limits {
        event_bytes: bytes(spec.limits.event_bytes),
        batch_bytes: bytes(spec.limits.batch_bytes),
        ..Limits::default()
    };
    Source::new(&spec.name, adapter, auth(&spec.auth)?, limits)
        .map_err(|error| Failure::usage(error.to_string()))
}

fn auth(spec: &AuthSpec) -> Result<Auth, Failure> {
    let made = match spec {
        AuthSpec::None => return Ok(Auth::None),
        AuthSpec::Bearer(reference) => return bearer(reference),
        AuthSpec::StandardWebhooks { secrets, tolerance } => {
            Auth::standard_webhooks(&read(secrets)?, *tolerance)
        }
        AuthSpec::GitHub { secrets } => Auth::github(read(secrets)?),
    };
    made.map_err(|error| Failure::usage(error.to_string()))
}

fn bearer(reference: &SecretRef) -> Result<Auth, Failure> {
    Auth::bearer(&Secret::new(secret(reference)?))
        .map_err(|error| Failure::usage(error.to_string()))
}

fn read(references: &[SecretRef]) -> Result<Vec<Secret>, Failure> {
    references
        .iter()
        .map(|reference| Ok(Secret::new(secret(reference)?)))
        .collect()
}
