//! Plans on their way to an answer: judged, written down, kept until what stands against them has passed, or put in
//! front of a person.

use edsr_model::{
    Actor, Cause, Decision, DecisionId, Detection, DetectionId, Fact, PlanHash, Reason, TargetRef,
    Verdict,
};

use crate::decide::{Case, judge, passes, wants_otherwise};
use crate::engine::Engine;
use crate::state::{Proposal, Waiting};

/// How often a plan that has to wait is judged at most.
pub const ROUNDS_MAX: u32 = 100;

/// The most plans that wait, and the most that wait for a person.
pub const WAITING_MAX: usize = 10_000;

impl Engine {
    /// Judges a plan, writes the answer down where it is a new one, and does what follows from it.
    pub(crate) fn decide(&mut self, waiting: Waiting, cause: Cause) {
        let person = waiting.person.clone();
        let plan = waiting.plan.clone();
        let Some(playbook) = self.playbook(&plan) else {
            return;
        };
        let detection = plan
            .detection
            .as_ref()
            .and_then(|id| self.state.detections.get(id))
            .map(|open| open.detection.clone());
        let bundle = self.bundle_of(plan.bundle);
        let case = Case {
            plan: &plan,
            playbook: &playbook,
            detection: detection.as_ref(),
            person: person.as_ref(),
            first: waiting.fresh && person.is_none(),
            now: self.state.now,
        };
        let (verdict, reasons) = judge(&self.state, &bundle, &case);
        let codes: Vec<_> = reasons
            .iter()
            .map(|reason| reason.code.as_str().to_owned())
            .collect();
        let next = Waiting {
            // Never an instant that has come already: it would be judged again and again at that instant.
            wake: reasons
                .iter()
                .filter_map(|reason| reason.until)
                .filter(|until| *until > self.state.now)
                .max(),
            round: waiting.round + 1,
            seq: waiting.seq,
            codes,
            plan: plan.clone(),
            person: person.clone(),
            fresh: false,
        };
        let denied = verdict == Verdict::Deny;
        if denied && waiting.codes == next.codes {
            // The same "no" for the same reasons is not news.
            let round = waiting.round;
            return self.wait(Waiting { round, ..next });
        }
        let (id, seq) = self.write_decision(
            plan.hash,
            waiting.round,
            verdict,
            reasons.clone(),
            Some(&plan.target),
            &plan.playbook,
            detection.as_ref(),
            cause,
        );
        match verdict {
            Verdict::Auto => self.start_execution(&plan, person, Cause::Entry(seq)),
            Verdict::Approve | Verdict::Suggest => self.propose(id, next),
            Verdict::Deny => {
                if wants_otherwise(&reasons)
                    && let Some(detection) = &plan.detection
                {
                    self.ask_otherwise(detection, &playbook.otherwise.clone(), Cause::Entry(seq));
                }
                if reasons.iter().all(passes) {
                    self.wait(next);
                }
            }
            Verdict::Observe => {}
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "each is a part of the one fact it writes"
    )]
    pub(crate) fn write_decision(
        &mut self,
        plan: PlanHash,
        round: u32,
        verdict: Verdict,
        reasons: Vec<Reason>,
        target: Option<&TargetRef>,
        playbook: &str,
        detection: Option<&Detection>,
        cause: Cause,
    ) -> (DecisionId, edsr_model::Seq) {
        let ordinal = self.next_ordinal().to_be_bytes();
        let id = DecisionId::derive([plan.0.as_slice(), ordinal.as_slice()]);
        let fact = Fact::Decided {
            decision: Decision {
                id: id.clone(),
                plan,
                verdict,
                reasons,
                round,
            },
            playbook: playbook.to_owned(),
            target: target.cloned(),
            detection: detection.map(|detection| detection.id.clone()),
        };
        let correlation = detection.map(|detection| detection.incident.to_string());
        let seq = self.emit(fact, Some(cause), correlation);
        (id, seq)
    }

    /// Keeps a plan that was denied for reasons that pass, while its detection is open.
    fn wait(&mut self, waiting: Waiting) {
        let Some(id) = waiting.plan.detection.clone() else {
            return;
        };
        let wanted = self.detection_is_open(&id) && waiting.round < ROUNDS_MAX;
        if wanted && self.state.waiting.len() < WAITING_MAX {
            let key = (id, waiting.plan.playbook.clone());
            self.state.waiting.insert(key, waiting);
        }
    }

    fn propose(&mut self, id: DecisionId, waiting: Waiting) {
        let wanted = waiting
            .plan
            .detection
            .as_ref()
            .is_none_or(|id| self.detection_is_open(id));
        if wanted && self.state.proposals.len() < WAITING_MAX {
            let proposal = Proposal {
                plan: waiting.plan,
                round: waiting.round,
                seq: waiting.seq,
            };
            self.state.proposals.insert(id, proposal);
        }
    }

    /// Judges a waiting plan again.
    pub(crate) fn judge_again(&mut self, key: &(DetectionId, String), cause: Cause) {
        if let Some(mut waiting) = self.state.waiting.remove(key) {
            waiting.wake = None;
            self.decide(waiting, cause);
        }
    }

    /// Something ended that plans may have waited for.
    pub(crate) fn judge_all_waiting(&mut self, cause: Cause) {
        let waiting = self.state.waiting.iter();
        let mut keys: Vec<_> = waiting
            .map(|(key, waiting)| (waiting.seq, key.clone()))
            .collect();
        keys.sort();
        for (_, key) in keys {
            self.judge_again(&key, cause);
        }
    }

    /// A person agreed to a plan, or turned it down.
    pub(crate) fn approval(&mut self, id: &DecisionId, granted: bool, person: Actor, cause: Cause) {
        let Some(proposal) = self.state.proposals.remove(id) else {
            return;
        };
        if granted {
            let waiting = Waiting {
                plan: proposal.plan,
                round: proposal.round,
                wake: None,
                codes: Vec::new(),
                seq: proposal.seq,
                person: Some(person),
                fresh: false,
            };
            self.decide(waiting, cause);
        }
    }

    /// Another bundle came into force: what was judged by the old one and has not begun is planned and judged anew.
    pub(crate) fn plan_anew(&mut self, cause: Cause) {
        let waiting = self.state.waiting.take();
        let proposals = std::mem::take(&mut self.state.proposals).into_values();
        let mut plans: Vec<_> = waiting
            .map(|waiting| (waiting.seq, waiting.plan))
            .chain(proposals.map(|proposal| (proposal.seq, proposal.plan)))
            .collect();
        plans.sort_by_key(|(seq, _)| *seq);
        for (_, plan) in plans {
            if let Some(detection) = plan.detection.filter(|id| self.detection_is_open(id)) {
                self.respond(&detection, &plan.playbook, cause, false);
            }
        }
    }
}
