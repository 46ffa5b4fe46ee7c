//! Campaigns by hand: `cargo run --release -p edsr-sim -- --seeds 100000`.

use std::process::ExitCode;

use edsr_sim::{Story, campaign};

const USAGE: &str = "\
Tells stories drawn from seeds, each twice, and checks every invariant.

  --seeds N        how many seeds (5000)
  --from N         the first one (0)
  --seed N         only this one, and print its story
  --story FILE     tell the story in FILE
  --transcript     print what a single story led to
  --threads N      threads (as many as there are)
  --no-shrink      do not look for a shorter story
  --no-known       do not tell the known seeds first: any change of behaviour breaks those
  --reached        print what was come across, and how often";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// What was asked for.
#[derive(Default)]
struct Asked {
    seeds: Option<u64>,
    from: u64,
    seed: Option<u64>,
    story: Option<String>,
    threads: Option<usize>,
    transcript: bool,
    reached: bool,
    no_shrink: bool,
    no_known: bool,
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("`{word}` wants a value"));
        let number = |text: String| {
            text.parse::<u64>()
                .map_err(|_| format!("`{text}` is no number"))
        };
        match word.as_str() {
            "--seeds" => asked.seeds = Some(number(value()?)?),
            "--from" => asked.from = number(value()?)?,
            "--seed" => asked.seed = Some(number(value()?)?),
            "--story" => asked.story = Some(value()?),
            "--threads" => asked.threads = usize::try_from(number(value()?)?).ok(),
            "--transcript" => asked.transcript = true,
            "--no-shrink" => asked.no_shrink = true,
            "--no-known" => asked.no_known = true,
            "--reached" => asked.reached = true,
            other => return Err(format!("`{other}` is not known")),
        }
    }
    Ok(asked)
}

fn run() -> Result<bool, String> {
    let asked = asked()?;
    let kit = campaign::kit()?;
    if let Some(file) = &asked.story {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
        return tell_one(&kit, &text, asked.transcript, None);
    }
    if let Some(seed) = asked.seed {
        let text = campaign::draw(seed);
        println!("{text}");
        return tell_one(&kit, &text, asked.transcript, Some(seed));
    }
    if !asked.no_known
        && let Err(violation) = campaign::known(&kit)
    {
        println!("a known seed breaks {violation}");
        return Ok(false);
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let seeds = asked.from..asked.from + asked.seeds.unwrap_or(5000);
    let report = campaign::run(&kit, seeds, asked.threads.unwrap_or(threads));
    println!(
        "{} seeds, each told twice; {} entries, {} calls",
        report.seeds, report.entries, report.calls
    );
    if asked.reached {
        for (name, count) in report.reached.iter() {
            println!("{count:>10}  {name}");
        }
    }
    if let Some((seed, violation)) = &report.broken {
        println!("seed {seed} breaks {violation}");
        println!("tell it again: cargo run --release -p edsr-sim -- --seed {seed}");
        if !asked.no_shrink {
            shrunk(&kit, &campaign::draw(*seed), violation.clone());
        }
        return Ok(false);
    }
    let missing = report.missing();
    for name in &missing {
        println!("never reached: {name}");
    }
    Ok(missing.is_empty())
}

fn tell_one(
    kit: &edsr_sim::Kit,
    text: &str,
    transcript: bool,
    seed: Option<u64>,
) -> Result<bool, String> {
    if transcript {
        print_transcript(kit, text)?;
    }
    match campaign::tell_twice(kit, text) {
        Ok(told) => {
            println!(
                "{} entries, {} calls, digest {}",
                told.entries, told.calls, told.digest
            );
            Ok(true)
        }
        Err(violation) => {
            println!("it breaks {violation}");
            if seed.is_some() {
                shrunk(kit, text, violation);
            }
            Ok(false)
        }
    }
}

fn print_transcript(kit: &edsr_sim::Kit, text: &str) -> Result<(), String> {
    let mut world = edsr_sim::World::with_kit(kit.clone()).map_err(|v| v.to_string())?;
    world.be_lenient();
    let ended = world.run(&Story::parse(text)?, false);
    let ended = ended.and_then(|()| world.settle());
    let ended = ended.and_then(|()| world.fold_again());
    for line in edsr_sim::transcript::lines(world.entries(), world.epoch()) {
        println!("{line}");
    }
    if let Err(violation) = ended {
        println!("-- {violation}");
    }
    Ok(())
}

fn shrunk(kit: &edsr_sim::Kit, text: &str, violation: edsr_sim::Violation) {
    let tell = |story: &str| campaign::tell_twice(kit, story).err();
    let (story, violation) = campaign::shrink(text, violation, tell);
    println!("the shortest story found that breaks it ({violation}):\n\n{story}");
}
