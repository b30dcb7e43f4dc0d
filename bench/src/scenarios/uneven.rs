//! Two instances, one of them a hundred times slower or answering 500: at a fixed offered rate the
//! throughput must be that of the healthy one alone, and the bad one put aside, tried, and let in.

use std::time::Duration;

use forebay_trial::figures::Latencies;
use forebay_trial::{Delay, Limit, Rule, Script, clock};

use super::Setting;
use super::figures::{Line, Wanted, throughput};
use super::scene::Scene;

/// What a healthy instance takes for a record.
const WORK: Duration = Duration::from_millis(2);
/// Longer than an instance is put aside at most.
const LET_IN: Duration = Duration::from_secs(65);

pub(crate) fn slow(setting: &Setting) -> anyhow::Result<Line> {
    let bad = Script { delay: Some(Delay::from(100 * WORK)), ..healthy(setting) };
    run(setting, "uneven-slow", bad)
}

pub(crate) fn failing(setting: &Setting) -> anyhow::Result<Line> {
    run(setting, "uneven-500", healthy(setting).rule(Rule::answering(500)))
}

fn healthy(setting: &Setting) -> Script {
    Script::accepting().limit(Limit::per_second(setting.rate)).delay(WORK)
}

fn run(setting: &Setting, name: &'static str, bad: Script) -> anyhow::Result<Line> {
    let offered = setting.rate / 5 * 4;
    let mut line = Line::new(name);
    line.tell("offered a second", f64::from(offered));
    let alone = alone(setting, &format!("{name}-alone"), offered, &mut line)?;

    let times = setting.times;
    let scripts = vec![healthy(setting), healthy(setting)];
    let mut scene = Scene::open(setting, name, scripts, 0)?;
    let offer = scene.source.offer(offered);
    scene.warm_up()?;
    scene.watch(times.before)?;
    scene.services[1].play(bad);
    let trouble = scene.watch(times.trouble)?;
    scene.services[1].play(healthy(setting));
    let let_in = scene.watch_until(LET_IN, |look| look.shown["endpoints"][1]["state"] == "well")?;
    let afterwards = scene.watch(times.after)?;
    offer.end()?;
    scene.finish()?;

    let deliveries = scene.deliveries();
    let letters = scene.letters()?;
    let together = throughput(&deliveries, &trouble, |_| true);
    line.tell("accepted a second, with the bad one", together);
    line.want("with the bad one / alone", together / alone, Wanted::AtLeast(0.95));
    let sent = scene.source.sent();
    let p99 = Latencies::to_accept(&sent, &deliveries, trouble.clone()).p99();
    line.tell("p99 to accept with the bad one, ms", p99.map(|time| time.as_secs_f64() * 1e3));

    let is_out = |look: &&super::scene::Look| look.shown["endpoints"][1]["state"] == "ejected";
    let ejected: Vec<u64> = scene.looks(&trouble).filter(is_out).map(|look| look.at).collect();
    let first = ejected.first().copied();
    line.want(
        "seconds until the bad one is ejected",
        first.map(|at| clock::seconds(at - trouble.start)),
        Wanted::AtMost(setting.times.trouble.as_secs_f64()),
    );
    let part = ejected.len() as f64 / scene.looks(&trouble).count().max(1) as f64;
    line.tell("share of the time that it is", part);
    let to_bad = deliveries.iter().filter(|delivery| delivery.instance == 1);
    let to_bad: Vec<u64> = to_bad.map(|delivery| delivery.started).collect();
    let count = |from: u64, to: u64| to_bad.iter().filter(|at| (from..to).contains(at)).count();
    line.tell("deliveries to the bad one", count(trouble.start, trouble.end) as f64);
    let tried = first.map(|first| count(first + 1_000_000_000, trouble.end) as f64);
    line.want("of them once it was ejected for a second", tried, Wanted::AtLeast(1.0));
    line.want("seconds until it is let in when well", let_in, Wanted::AtMost(LET_IN.as_secs_f64()));
    let all = deliveries.iter().filter(|delivery| afterwards.contains(&delivery.started)).count();
    let share = count(afterwards.start, afterwards.end) as f64 / all.max(1) as f64;
    line.tell("its share afterwards", share);
    line.tell("dead letters", letters.len() as f64);
    scene.judge(&mut line, &deliveries, &letters);
    Ok(line)
}

/// What the healthy one does alone.
fn alone(setting: &Setting, name: &str, offered: u32, line: &mut Line) -> anyhow::Result<f64> {
    let mut scene = Scene::open(setting, name, vec![healthy(setting)], 0)?;
    let offer = scene.source.offer(offered);
    scene.warm_up()?;
    let window = scene.watch(setting.times.before)?;
    offer.end()?;
    scene.finish()?;
    let deliveries = scene.deliveries();
    let alone = throughput(&deliveries, &window, |_| true);
    line.tell("accepted a second, by the healthy one alone", alone);
    let p99 = Latencies::to_accept(&scene.source.sent(), &deliveries, window).p99();
    line.tell("p99 to accept alone, ms", p99.map(|time| time.as_secs_f64() * 1e3));
    Ok(alone)
}
