//! References, and what is kept.

use edsr_model::*;

use super::story::*;
use crate::view::*;

#[test]
fn references_may_be_short_and_must_be_clear() {
    let mut story = Story::new();
    let ids: Vec<_> = (0..40)
        .map(|n| story.open(&format!("d{n}"), Severity::Info, &[n]))
        .collect();
    let views = story.views();
    let first = &ids[0];
    assert_eq!(
        &views.detection(&first.as_str()[..12]).unwrap().detection.id,
        first
    );
    // Forty ids share sixteen first digits, so some beginning is shared.
    let shared = (ids.iter().map(|id| &id.as_str()[..5]))
        .find(|start| {
            ids.iter()
                .filter(|id| id.as_str().starts_with(start))
                .count()
                > 1
        })
        .unwrap();
    match views.detection(shared) {
        Err(LookupError::Many {
            count, candidates, ..
        }) => {
            assert_eq!(
                count,
                ids.iter()
                    .filter(|id| id.as_str().starts_with(shared))
                    .count()
            );
            assert_eq!(candidates.len(), count.min(CANDIDATES_MAX));
            assert!(candidates.is_sorted());
        }
        other => panic!("{other:?}"),
    }
    for malformed in [
        "",
        "det",
        "det-",
        "det-xyz",
        "exe-0000",
        "%2f",
        "det-0000000000000000/",
    ] {
        assert!(
            matches!(
                views.detection(malformed),
                Err(LookupError::Malformed { .. })
            ),
            "{malformed}"
        );
    }
    let long = format!("det-{}", "0".repeat(10_000));
    match views.detection(&long) {
        Err(error @ LookupError::None { .. }) => assert!(error.to_string().len() < 200),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_kept_is_bounded_and_late_facts_about_the_rest_do_no_harm() {
    let mut story = Story::new();
    let first = story.open("d0", Severity::Info, &[1]);
    for n in 1..=(LINKS_MAX as u64 + 5) {
        story.open(&format!("d{n}"), Severity::Info, &[1, n]);
    }
    let unknown = ExecutionId::derive([b"?".as_slice()]);
    story.resolve(&first);
    story.end(&unknown, ExecutionStatus::Failed);
    story.call(&unknown, ("a", StepRole::Do, 1), ok());
    let mut views = Views::with_max(10, 20);
    for entry in &story.entries {
        views.apply(entry);
    }
    let incident = views.incidents().newest_first().next().unwrap().1;
    assert_eq!(views.detections().len(), 10);
    assert_eq!(incident.detections.len(), LINKS_MAX);
    let opened = LINKS_MAX as u64 + 6;
    assert_eq!(incident.counts.detections, opened);
    assert_eq!(
        incident.counts.open_detections,
        opened - 1,
        "one kept no longer was resolved"
    );
    assert!(views.detection(first.as_str()).is_err());
    let all = story.views();
    assert_eq!(all.detections_of(Lsn(1)).len(), DETECTIONS_PER_EVENT_MAX);
    let again = story.entries.last().unwrap();
    let mut twice = all.clone();
    twice.apply(again);
    assert_eq!(twice.seq(), all.seq());
}

#[test]
fn steps_of_one_run_are_bounded() {
    let mut story = Story::new();
    let detection = story.open("errors", Severity::Error, &[1]);
    let plan = story.plan(&detection, "rollback");
    let run = story.start(&detection, plan, "rollback");
    for n in 0..STEPS_MAX + 3 {
        story.call(&run, (&format!("s{n}"), StepRole::Do, 1), ok());
    }
    assert_eq!(
        story.views().execution(run.as_str()).unwrap().steps.len(),
        STEPS_MAX
    );
}
