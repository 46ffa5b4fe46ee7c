//! On whose behalf a control command runs, so that it is never done twice for the same one.

use serde_json::Value;

/// On whose behalf, as the engine's `exec/run` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Behalf {
    pub(super) execution: String,
    pub(super) step: String,
    pub(super) attempt: String,
    pub(super) correlation: String,
    pub(super) depth: String,
}

impl Behalf {
    pub(super) fn from_env() -> Self {
        let get = |name| std::env::var(name).unwrap_or_default();
        Self {
            execution: get("EDSR_EXECUTION"),
            step: get("EDSR_STEP"),
            attempt: get("EDSR_ATTEMPT"),
            correlation: get("EDSR_CORRELATION"),
            depth: get("EDSR_DEPTH"),
        }
    }

    /// What was done for the same step of the same run.
    pub(super) fn earlier(&self, actions: &[Value]) -> Option<Value> {
        let same = |action: &&Value| {
            action["execution"] == self.execution.as_str() && action["step"] == self.step.as_str()
        };
        let found = actions.iter().find(same);
        found.filter(|_| !self.execution.is_empty()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_step_is_recognised_by_run_and_name() {
        let behalf = |execution: &str, step: &str| Behalf {
            execution: execution.into(),
            step: step.into(),
            ..Behalf::default()
        };
        let actions = [
            json!({"execution": "", "step": "", "action": "deploy"}),
            json!({"execution": "exe-1", "step": "roll-back", "action": "rollback"}),
        ];
        assert!(behalf("exe-1", "roll-back").earlier(&actions).is_some());
        assert!(behalf("exe-2", "roll-back").earlier(&actions).is_none());
        assert!(behalf("exe-1", "other").earlier(&actions).is_none());
        assert!(
            behalf("", "").earlier(&actions).is_none(),
            "a person's command is never a repetition"
        );
    }
}
