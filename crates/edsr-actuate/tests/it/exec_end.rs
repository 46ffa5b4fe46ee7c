//! How programs end, and what ends with them.

use std::path::Path;
use std::time::Duration;

use edsr_actuate::{Actuator as _, Exec, ExecSettings};
use edsr_model::{EffectRequest, Outcome};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::{failed, ok, request};

/// Long enough for any of these to happen, short enough to be waited for when it does not.
const SOON: Duration = Duration::from_secs(5);

/// Leaves a script the time to get going on a busy machine.
const LIMIT: Duration = Duration::from_secs(2);

fn shell(script: &str, dir: &Path, limit: Duration) -> EffectRequest {
    let mut request = request(
        "exec/run",
        json!({"argv": ["sh", "-c", script], "cwd": dir}),
    );
    request.timeout = limit;
    request
}

async fn run(script: &str, dir: &Path, limit: Duration) -> Outcome {
    Exec::default().perform(shell(script, dir, limit)).await
}

/// The process ids a script wrote, once all of them are there.
async fn pids(dir: &Path, count: usize) -> Vec<i32> {
    let wanted = async {
        loop {
            let text = std::fs::read_to_string(dir.join("pids")).unwrap_or_default();
            let pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
            if pids.len() == count && text.ends_with('\n') {
                return pids;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wanted)
        .await
        .expect("the script writes its pids")
}

/// Whether a process runs; one that only waits to be collected does not.
fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .and_then(|rest| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

async fn gone(pids: &[i32]) {
    let wanted = async {
        while pids.iter().any(|pid| runs(*pid)) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wanted)
        .await
        .expect("every process of the group is gone");
}

const FAMILY: &str = "sh -c 'echo $$ >> pids; sleep 600 & echo $! >> pids; wait' & echo $$ >> pids; echo begun; wait";

#[tokio::test]
async fn a_timeout_ends_the_whole_group() {
    let dir = tempfile::tempdir().unwrap();
    let limit = LIMIT;
    let (reason, output) = failed(run(FAMILY, dir.path(), limit).await);
    assert_eq!(reason, "timed out after 2s; the process group was killed");
    assert_eq!(output["stdout"], "begun\n", "what was said before stays");
    gone(&pids(dir.path(), 3).await).await;
}

#[tokio::test]
async fn who_ignores_the_request_to_end_is_killed() {
    let stubborn = "trap '' TERM; echo $$ >> pids; while :; do sleep 0.05; done";
    let family = "sh -c \"trap '' TERM; echo \\$\\$ >> pids; while :; do sleep 0.05; done\" & echo $$ >> pids; wait";
    // By itself, and left behind by a parent that does end when it is asked to.
    for (script, count) in [(stubborn, 1), (family, 2)] {
        let dir = tempfile::tempdir().unwrap();
        let begin = Instant::now();
        let exec = Exec::new(ExecSettings {
            grace: Duration::from_millis(300),
            ..ExecSettings::default()
        });
        let call = shell(script, dir.path(), Duration::from_secs(1));
        let (reason, _) = failed(exec.perform(call).await);
        assert!(reason.starts_with("timed out"), "{reason}");
        assert!(begin.elapsed() < SOON);
        gone(&pids(dir.path(), count).await).await;
    }
}

#[tokio::test]
async fn who_is_asked_to_end_may_clean_up() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap 'echo cleaned; exit 0' TERM; echo $$ >> pids; while :; do sleep 0.02; done";
    let (reason, output) = failed(run(script, dir.path(), LIMIT).await);
    assert!(
        reason.starts_with("timed out"),
        "a late success is none: {reason}"
    );
    assert_eq!(output["stdout"], "cleaned\n");
}

#[tokio::test]
async fn a_dropped_call_ends_the_whole_group() {
    let dir = tempfile::tempdir().unwrap();
    let call = tokio::spawn(Exec::default().perform(shell(FAMILY, dir.path(), 10 * SOON)));
    let pids = pids(dir.path(), 3).await;
    assert!(pids.iter().all(|pid| runs(*pid)));
    call.abort();
    gone(&pids).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_neither_hangs_the_call_nor_ends() {
    for start in ["sleep 600 &", "setsid sleep 600 &"] {
        let dir = tempfile::tempdir().unwrap();
        let script = format!("{start} echo $! >> pids; echo started");
        let begin = Instant::now();
        let output: Value = ok(run(&script, dir.path(), 10 * SOON).await);
        assert_eq!(output["stdout"], "started\n");
        assert!(begin.elapsed() < SOON, "the open pipe is not waited for");
        let left = pids(dir.path(), 1).await;
        assert!(runs(left[0]), "{start}");
        let pid = rustix::process::Pid::from_raw(left[0]).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

#[tokio::test]
async fn a_limit_that_no_clock_can_count_to_is_none() {
    ok(run("true", Path::new("/"), Duration::MAX).await);
}

#[tokio::test]
async fn an_endless_output_does_not_outlast_the_timeout() {
    let dir = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let (reason, output) = failed(run("exec yes", dir.path(), Duration::from_millis(300)).await);
    assert!(reason.starts_with("timed out"), "{reason}");
    assert_eq!(output["truncated"], true);
    assert!(begin.elapsed() < SOON);
}
