//! What people tell the node, and bundles that come into force.

use std::sync::Arc;

use edsr_engine::Refusal;
use edsr_engine::bundle::Bundle;
use edsr_model::{Actor, Fact, Pause, PauseId, PauseScope, Seq, Timestamp};

use super::Core;
use crate::api::{Command, CommandDone, CommandError};

impl Core {
    pub(super) fn command(
        &mut self,
        actor: Actor,
        command: Command,
    ) -> Result<CommandDone, CommandError> {
        let at = self.parts.clock.tick();
        let mut made = None;
        let fact = match command {
            Command::Pause { scope, reason } => {
                let pause = pause(actor.clone(), scope, stated_reason(reason)?, at);
                made = Some(pause.id.clone());
                Fact::Paused(pause)
            }
            Command::Resume { pause, reason } => Fact::Resumed {
                pause,
                reason: stated_reason(reason)?,
            },
            Command::Approve {
                decision,
                granted,
                reason,
            } => Fact::Approval {
                decision,
                granted,
                reason: stated_reason(reason)?,
            },
            Command::Note { text } => Fact::Note {
                text: stated_reason(text)?,
            },
        };
        self.parts
            .drive
            .engine()
            .check(&fact)
            .map_err(|refusal| match refusal {
                Refusal::NoSuchPause(_) => CommandError::NotFound(refusal.to_string()),
                _ => CommandError::Conflict(refusal.to_string()),
            })?;
        let seq = self.state(actor, fact);
        self.publish_pauses();
        Ok(CommandDone {
            seq,
            pause: made,
            durable: false,
        })
    }

    pub(super) fn activate(&mut self, bundle: Arc<Bundle>, actor: Actor) -> Result<Seq, Refusal> {
        let hash = bundle.hash;
        let previous = self.parts.drive.engine().bundle().hash;
        if previous == hash {
            return Ok(self.parts.drive.engine().seq());
        }
        self.parts.drive.engine_mut().learn(bundle);
        let fact = Fact::BundleActivated {
            bundle: hash,
            previous: Some(previous),
        };
        self.parts.drive.engine().check(&fact)?;
        let seq = self.state(actor, fact);
        self.parts.drive.engine_mut().forget_bundles();
        *self
            .parts
            .shared
            .bundle
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = hash;
        Ok(seq)
    }
}

/// A pause, named after who paused and when.
fn pause(by: Actor, scope: PauseScope, reason: String, at: Timestamp) -> Pause {
    let micros = at.as_micros().to_be_bytes();
    Pause {
        id: PauseId::derive([micros.as_slice(), by.to_string().as_bytes()]),
        scope,
        reason,
        by,
        at,
    }
}

fn stated_reason(reason: String) -> Result<String, CommandError> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(CommandError::Bad("say why: the reason is empty".to_owned()));
    }
    if reason.len() > 4096 {
        return Err(CommandError::Bad(
            "the reason is longer than 4096 bytes".to_owned(),
        ));
    }
    Ok(reason.to_owned())
}
