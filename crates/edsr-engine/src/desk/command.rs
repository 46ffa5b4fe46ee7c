//! What people tell a node, and bundles that come into force.

use std::sync::Arc;

use edsr_model::{Actor, DecisionId, Fact, Pause, PauseId, PauseScope, Seq, Timestamp};

use super::Desk;
use crate::bundle::Bundle;
use crate::engine::{Input, Refusal};

/// The longest reason a person can give, in bytes.
pub const REASON_BYTES_MAX: usize = 4096;

/// What a person may tell a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Stop automatic dispatch.
    Pause {
        /// What it covers.
        scope: PauseScope,
        /// Why; not empty.
        reason: String,
    },
    /// Lift a pause.
    Resume {
        /// Which one.
        pause: PauseId,
        /// Why; not empty.
        reason: String,
    },
    /// Agree to, or turn down, a plan that waits for it.
    Approve {
        /// The decision that asked.
        decision: DecisionId,
        /// Agreed or not.
        granted: bool,
        /// Why; not empty.
        reason: String,
    },
    /// Put a remark into the journal.
    Note {
        /// The remark.
        text: String,
    },
}

/// A command was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandDone {
    /// Its entry in the journal.
    pub seq: Seq,
    /// The pause it made, where it made one.
    pub pause: Option<PauseId>,
    /// Whether the entry is durable already. A pause holds from the moment it was given either way.
    pub durable: bool,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// What it speaks of does not exist. 404.
    #[error("{0}")]
    NotFound(String),
    /// It does not apply now. 409.
    #[error("{0}")]
    Conflict(String),
    /// It is incomplete. 400.
    #[error("{0}")]
    Bad(String),
    /// The node does not take commands now. 503.
    #[error("{0}")]
    Unavailable(String),
}

impl<T> Desk<T> {
    /// Carries out what a person said.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was changed then.
    pub fn command(
        &mut self,
        now: Timestamp,
        actor: Actor,
        command: Command,
    ) -> Result<CommandDone, CommandError> {
        let at = self.stamp(now);
        // What is due by now comes first: it may end what the person speaks of.
        self.drive.offer(Input::Tick(at));
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
        self.engine()
            .check(&fact)
            .map_err(|refusal| match refusal {
                Refusal::NoSuchPause(_) => CommandError::NotFound(refusal.to_string()),
                _ => CommandError::Conflict(refusal.to_string()),
            })?;
        let seq = self.engine().seq().next();
        self.drive.offer(Input::Stated { at, actor, fact });
        Ok(CommandDone {
            seq,
            pause: made,
            durable: false,
        })
    }

    /// Puts a bundle into force at this place of the event log. The one that is in force already changes nothing.
    ///
    /// # Errors
    /// [`Refusal`]; the old one stays in force then.
    pub fn activate(
        &mut self,
        now: Timestamp,
        bundle: Arc<Bundle>,
        actor: Actor,
    ) -> Result<Seq, Refusal> {
        let hash = bundle.hash;
        let previous = self.engine().bundle().hash;
        if previous == hash {
            return Ok(self.engine().seq());
        }
        self.drive.engine_mut().learn(bundle);
        let fact = Fact::BundleActivated {
            bundle: hash,
            previous: Some(previous),
        };
        self.engine().check(&fact)?;
        let seq = self.state(now, actor, fact);
        self.drive.engine_mut().forget_bundles();
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
    if reason.len() > REASON_BYTES_MAX {
        return Err(CommandError::Bad(format!(
            "the reason is longer than {REASON_BYTES_MAX} bytes"
        )));
    }
    Ok(reason.to_owned())
}
